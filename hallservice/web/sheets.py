"""Lists as spreadsheets; no cell ever becomes a formula."""

import io
from collections.abc import Sequence

import xlsxwriter

from hallservice.web.lists import Cell, Column, plain

MOST = 50_000  # rows of one export
FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")  # full-width: read alike by some
BAD = "[]:*?/\\"


def workbook(name: str, columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> bytes:
    """One sheet: a header line, then the rows (at most MOST), as text where they are text."""
    made = io.BytesIO()
    book = xlsxwriter.Workbook(made, {"in_memory": True, "strings_to_formulas": False})
    head = book.add_format({"bold": True, "bottom": 1})
    quoted = book.add_format({"quote_prefix": True})  # stays text when it is edited or saved as CSV
    sheet = book.add_worksheet("".join(c for c in name if c not in BAD)[:31] or "Sheet1")
    for at, column in enumerate(columns):
        sheet.write_string(0, at, column.title, head)
        sheet.set_column(at, at, 12 if column.kind == "num" else 20)
    sheet.freeze_panes(1, 0)
    for line, row in enumerate(rows[:MOST], 1):
        for at, cell in enumerate(row):
            if isinstance(cell, int | float):
                sheet.write_number(line, at, cell)
            elif text := plain(cell):
                sheet.write_string(line, at, text[:32_767], quoted if text.startswith(FORMULA) else None)
    book.close()
    return made.getvalue()

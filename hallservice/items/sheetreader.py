"""Opens a spreadsheet in a process of its own: run as a script, in isolated mode, with nothing of the hub
imported. What the reading library does with a hostile file (a grid that takes all memory, a panic, no end)
ends this process and no other.

The archive comes on standard input; sheets go out as JSON: name, rows of cells as text from the first line
on, whether it is hidden, where merged cells begin. Ends with 0, BROKEN, BOMB or CROWDED, or by a signal of
the kernel.
"""

import io
import json
import resource
import sys
from datetime import date, datetime
from typing import Any

CELL = 32_000  # characters
MEMORY = 1536 * 1024 * 1024  # bytes of address space
SECONDS = 15  # of processor time
SHEETS = 20
BROKEN, BOMB, CROWDED = 3, 4, 5


def text(cell: object) -> str:
    """A cell as somebody typed it: whole numbers without a fraction, dates as 2026-03-02."""
    if isinstance(cell, bool):
        return "是" if cell else "否"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell)
    if isinstance(cell, datetime):
        return (cell.date() if cell.time() == datetime.min.time() else cell).isoformat()
    if isinstance(cell, date):
        return cell.isoformat()
    plain = str(cell)[:CELL].replace("\r\n", "\n").replace("\r", "\n")
    return "".join(c for c in plain if c >= " " or c == "\n").strip()


def main(rows: int) -> int:
    """At most so many rows in each sheet."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # not where only `text` is wanted
    from python_calamine import CalamineError, CalamineWorkbook, SheetTypeEnum

    try:
        book = CalamineWorkbook.from_filelike(io.BytesIO(sys.stdin.buffer.read()))
        if len(book.sheet_names) > SHEETS:
            return CROWDED
        found = [
            _sheet(book, one, rows) for one in book.sheets_metadata if one.typ == SheetTypeEnum.WorkSheet
        ]
    except (CalamineError, ValueError, OSError, OverflowError):
        return BROKEN
    except MemoryError:
        return BOMB
    json.dump(found, sys.stdout)
    return 0


def _sheet(book: Any, one: Any, most: int) -> dict[str, Any]:
    """MemoryError for one with more rows than may be read: none is left out in silence."""
    from python_calamine import SheetVisibleEnum

    sheet = book.get_sheet_by_name(one.name)
    if sheet.total_height > most:
        raise MemoryError
    rows = [[text(cell) for cell in row] for row in sheet.to_python(skip_empty_area=False)]
    merged = [(line + 1, column) for (line, column), _ in sheet.merged_cell_ranges or ()]
    return {
        "name": one.name,
        "rows": rows,
        "hidden": one.visible != SheetVisibleEnum.Visible,
        "merged": merged,
    }


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))

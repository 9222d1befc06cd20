"""A list as a spreadsheet; no cell can become a formula where it is opened."""

from collections.abc import Iterable, Sequence
from datetime import date
from io import BytesIO

import xlsxwriter

from hallservice import wording
from hallservice.counter.lists import Row, local
from hallservice.counter.materials import label

HEAD = (
    "办件编号", "事项名称", "申请人", "证件号码", "申请方式", "申请时间", "窗口状态", "环节", "监察状态",
    "承诺办结日期", "窗口", "经办人", "办理时间",
)  # fmt: skip
WIDTHS = (32, 30, 16, 22, 10, 18, 12, 10, 10, 14, 10, 12, 18)
DANGEROUS = ("=", "+", "-", "@", "\t", "\r")
MOST = 10_000
PLAIN = {
    "in_memory": True,
    **dict.fromkeys(("strings_to_formulas", "strings_to_urls", "strings_to_numbers"), False),
}


def sheet(rows: Iterable[Row], day: date, title: str = "办件") -> bytes:
    """At most 10,000 rows as xlsx, the head frozen, every cell text."""
    target = BytesIO()
    with xlsxwriter.Workbook(target, PLAIN) as book:
        page = book.add_worksheet(title)
        bold = book.add_format({"bold": True})
        for at, (name, width) in enumerate(zip(HEAD, WIDTHS, strict=True)):
            page.set_column(at, at, width)
            page.write_string(0, at, name, bold)
        page.freeze_panes(1, 0)
        for line, row in enumerate(rows, 1):
            if line > MOST:
                break
            for at, cell in enumerate(cells(row, day)):
                page.write_string(line, at, guarded(cell))
    return target.getvalue()


def cells(row: Row, day: date) -> Sequence[str]:
    """One row in the order of the head."""
    return (
        row.case_no,
        row.item_name,
        row.applicant,
        row.document,
        label("apply_channel", row.channel),
        local(row.opened_at),
        row.told(),
        wording.stage(row.stage),
        row.supervised(day),
        row.promised_due,
        row.window,
        row.clerk,
        local(row.handled_at or row.updated_at),
    )


def guarded(cell: str) -> str:
    """A text that begins as a formula does gets an apostrophe in front."""
    return "'" + cell if cell.startswith(DANGEROUS) else cell

"""Nothing typed into a sheet is passed over in silence: what cannot be read as it stands is a fault."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from hallservice.items.layout import EXPLAINED
from hallservice.items.workbooks import Grid

MERGED = "合并的单元格，请取消合并并逐格填写"
COMPUTED = "单元格是公式，请用“粘贴为数值”换成它的结果"


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, and where: the sheet, its line as the program shows it, the column's title."""

    sheet: str
    row: int
    column: str
    said: str


def unread(grids: Mapping[str, Grid], used: Collection[str]) -> Iterator[Fault]:
    """Sheets that are none of the template's, hidden ones, merged cells and formulas."""
    for name, grid in grids.items():
        if name not in used:
            if name != EXPLAINED and (grid.header or grid.rows):
                yield Fault(name, 1, "", "不是导入模板中的工作表，请改名或删除")
            continue
        if grid.hidden:
            yield Fault(name, 1, "", "工作表是隐藏的，请取消隐藏并核对内容后再导入")
        for words, places in ((MERGED, grid.merged), (COMPUTED, grid.formulas)):
            yield from (Fault(name, line, _title(grid, column), words) for line, column in places)


def untitled(grid: Grid) -> Iterator[Fault]:
    """Columns of the same title, and what stands below none."""
    for column, title in enumerate(grid.header):
        if title and title in grid.header[:column]:
            yield Fault(grid.name, 1, title, "这一列重复")
    known = {column for column, title in enumerate(grid.header) if title}
    for line, row in enumerate(grid.rows, 2):
        for column, cell in enumerate(row):
            if cell and column not in known:
                yield Fault(grid.name, line, _title(grid, column), "这一列没有列名")


def _title(grid: Grid, column: int) -> str:
    """Of a column, or its number where it has none."""
    title = grid.header[column] if column < len(grid.header) else ""
    return title or f"第 {column + 1} 列"

"""Batch import (S3-05): a spreadsheet is read and every row checked, nothing is applied; once confirmed it
becomes one change with all its items, which goes the way of every change."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, insert, select, update

from exchange.store.work import Work
from hallservice.hall import Hall
from hallservice.ids import new_id
from hallservice.items import checking, drafts, layout, published, sheetchecks, workbooks
from hallservice.items.elements import GROUPS, Content, Element, Group, blank
from hallservice.items.layout import CODE, FAULT, NUMBER
from hallservice.items.sheetchecks import Fault
from hallservice.items.tables import hall_item_import
from hallservice.items.wording import EDIT, IMPLEMENTATION, LISTS
from hallservice.items.workbooks import Grid, Sheet
from hallservice.people.clerk import Clerk
from hallservice.people.organisations import Org, get
from hallservice.people.separation import note_hand_of
from hallservice.refusals import FieldFault, HallRefused

_T = hall_item_import
MOST_FAULTS = 2000


@dataclass(frozen=True, slots=True)
class Staged:
    """A spreadsheet that was read."""

    id: str
    list: str
    org: str
    org_path: str
    file_name: str
    digest: str
    state: str
    sheets: Sequence[Mapping[str, Any]]
    faults: Sequence[Mapping[str, Any]]
    lines: Sequence[Mapping[str, Any]]
    made_by: str
    made_name: str
    at: float
    change: str | None


@dataclass
class _Reading:
    """The sheets by name, and the faults found in them."""

    list_: str
    grids: Mapping[str, Grid]
    faults: list[Fault]

    def fault(self, sheet: str, row: int, column: str, said: str) -> None:
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(Fault(sheet, row, column, said))


@dataclass
class _Row:
    """One item: its line in the main sheet, and for each group the lines its rows stand on."""

    line: int
    code: str
    content: Content
    places: dict[str, list[int]]


def stage(hall: Hall, clerk: Clerk, list_: str, org: str, name: str, body: bytes) -> str:
    """Read and check; the import's id. FormRefused for a file that cannot be read."""
    if list_ not in LISTS:
        raise HallRefused("bad_request", "请选择清单")
    grids = workbooks.read(name, body)
    owner, reading, lines = hall.read(lambda c: _checked(c, clerk, list_, org or clerk.org, grids))

    def act(work: Work) -> str:
        made, digest = new_id(work.now), hashlib.sha256(body).hexdigest()
        row = {
            "id": made, "list": list_, "org": owner.code, "org_path": owner.path, "file_name": name[-100:],
            "digest": digest, "state": "staged", "made_by": clerk.user, "made_name": clerk.name,
            "at": work.now, "sheets": [asdict(grid) for grid in grids],
            "faults": [asdict(one) for one in reading.faults], "lines": lines,
        }  # fmt: skip
        work.connection.execute(insert(_T), row)
        said = {"list": list_, "file": digest, "items": len(lines), "faults": len(reading.faults)}
        hall.record(work, clerk, "hall.items_staged", f"items/import/{made}", said)
        return made

    return hall.write(act)


def _checked(
    connection: Connection, clerk: Clerk, list_: str, org: str, grids: Sequence[Grid]
) -> tuple[Org, _Reading, list[dict[str, Any]]]:
    """Whose they are, what is wrong, and the lines of the change they would be."""
    owner = get(connection, org)
    clerk.expect(EDIT, owner.path)
    reading = _Reading(list_, {grid.name: grid for grid in grids}, [])
    rows = _rows(reading)
    lines = [_line(connection, reading, owner, row) for row in rows]
    _expect_apart(reading, rows)
    return owner, reading, lines


# -- reading


def _rows(reading: _Reading) -> list[_Row]:
    name, elements = LISTS[reading.list_], layout.columns(reading.list_)
    for one in sheetchecks.unread(reading.grids, {name, *(group.label for group in GROUPS[reading.list_])}):
        reading.fault(one.sheet, one.row, one.column, one.said)
    grid = reading.grids.get(name)
    if grid is None:
        raise workbooks.fault("no_sheet", f"表格中没有名为“{name}”的工作表，请使用导入模板")
    at = _columns(reading, grid, elements, (NUMBER, CODE))
    found = [_row(reading, at, elements, line, row) for line, row in enumerate(grid.rows, 2) if any(row)]
    if not found:
        raise workbooks.fault("no_rows", f"“{name}”工作表中没有数据")
    if len(found) > drafts.MOST_LINES:
        raise workbooks.fault("too_many", f"一次最多导入 {drafts.MOST_LINES} 个事项")
    numbers = _numbered(reading, grid, at, found)
    for group in GROUPS[reading.list_]:
        _group(reading, group, numbers)
    return found


def _columns(
    reading: _Reading, grid: Grid, elements: Sequence[Element], first: Sequence[str]
) -> dict[str, int]:
    """Title -> column; a title nobody knows or a missing one is a fault."""
    for one in sheetchecks.untitled(grid):
        reading.fault(one.sheet, one.row, one.column, one.said)
    at = {title: no for no, title in reversed(list(enumerate(grid.header))) if title}
    known = {one.label for one in elements} | set(first) | {FAULT}
    for title in at.keys() - known:
        reading.fault(grid.name, 1, title, "没有这一列，请使用导入模板")
    for element in elements:
        if element.required and element.label not in at:
            reading.fault(grid.name, 1, element.label, "缺少这一列")
    return at


def _cell(row: Sequence[str], at: Mapping[str, int], title: str) -> str:
    no = at.get(title, len(row))
    return row[no].strip() if no < len(row) else ""


def _row(
    reading: _Reading, at: Mapping[str, int], elements: Sequence[Element], line: int, row: Sequence[str]
) -> _Row:
    content = blank(reading.list_)
    content |= {one.name: layout.value(one, _cell(row, at, one.label)) for one in elements}
    code = layout.narrow(_cell(row, at, CODE)).upper()
    return _Row(line, code, content, {group.name: [] for group in GROUPS[reading.list_]})


def _numbered(reading: _Reading, grid: Grid, at: Mapping[str, int], found: Sequence[_Row]) -> dict[str, _Row]:
    numbers: dict[str, _Row] = {}
    for one in found:
        number = layout.narrow(_cell(grid.rows[one.line - 2], at, NUMBER))
        if number and number in numbers:
            reading.fault(grid.name, one.line, NUMBER, f"序号 {number} 重复")
        elif number:
            numbers[number] = one
    return numbers


def _group(reading: _Reading, group: Group, numbers: Mapping[str, _Row]) -> None:
    grid = reading.grids.get(group.label)
    if grid is None:
        return
    at = _columns(reading, grid, group.elements, (NUMBER,))
    for line, row in enumerate(grid.rows, 2):
        if not any(row):
            continue
        item = numbers.get(layout.narrow(_cell(row, at, NUMBER)))
        if item is None:
            reading.fault(grid.name, line, NUMBER, "序号在主表中不存在")
            continue
        item.places[group.name].append(line)
        item.content[group.name].append(
            {one.name: layout.value(one, _cell(row, at, one.label)) for one in group.elements}
        )


# -- checking


def _line(connection: Connection, reading: _Reading, org: Org, row: _Row) -> dict[str, Any]:
    """The line of the change this row would be."""
    content, base = row.content, 0
    if reading.list_ == IMPLEMENTATION:
        content = drafts.synchronised(connection, content)
    if row.code:
        held = published.current(connection, reading.list_, row.code)
        if held is None or held.org != org.code or held.state == "cancelled" or held.cancelled_on:
            reading.fault(LISTS[reading.list_], row.line, CODE, "清单中没有本部门这个在用的编码，新增请留空")
        else:
            base = held.version
    for one in checking.check(connection, reading.list_, org, row.code, content).faults:
        _placed(reading, row, one)
    return {"op": "put", "code": row.code, "base": base, "content": content, "faults": 0}


def _placed(reading: _Reading, row: _Row, one: FieldFault) -> None:
    """A fault of a field as one of a cell."""
    letter, _, rest = one.field.partition("-")
    number, _, name = rest.partition("-")
    group = next((g for g in GROUPS[reading.list_] if g.letter == letter), None)
    if group is None or not number.isdecimal():
        title = next((e.label for e in layout.columns(reading.list_) if e.name == one.field), "")
        reading.fault(LISTS[reading.list_], row.line, title, one.said)
        return
    lines = row.places[group.name]
    line = lines[int(number) - 1] if int(number) <= len(lines) else row.line
    title = next((e.label for e in group.elements if e.name == name), "")
    reading.fault(group.label, line, title, one.said)


def _expect_apart(reading: _Reading, rows: Sequence[_Row]) -> None:
    """No two rows of the file are the same item."""
    seen: dict[tuple[str, ...], int] = {}
    for row in rows:
        same = (
            (row.code,)
            if row.code
            else tuple(str(row.content.get(n, "")) for n in ("name", "directory", "region"))
        )
        if reading.list_ == IMPLEMENTATION and not row.code:
            same = same[1:]
        first = seen.setdefault(same, row.line)
        if first != row.line:
            reading.fault(
                LISTS[reading.list_], row.line, CODE if row.code else "", f"与第 {first} 行是同一个事项"
            )


# -- afterwards


def find(connection: Connection, clerk: Clerk, staged: str) -> Staged:
    """HallRefused not_found."""
    row = connection.execute(select(_T).where(_T.c.id == staged)).first()
    if row is None or not clerk.may(EDIT, row.org_path):
        raise HallRefused("not_found", "没有这次导入", staged)
    return Staged(**row._mapping)


def confirm(hall: Hall, clerk: Clerk, staged: str) -> str:
    """All of it becomes one change; its id. HallRefused while a row is wrong, or when it was dealt with."""

    def act(work: Work) -> str:
        here = _open(work, clerk, staged)
        if here.faults:
            raise HallRefused("faulty", f"还有 {len(here.faults)} 处错误，请改正表格后重新导入")
        org = get(work.connection, here.org)
        change = drafts.keep(hall, work, clerk, "import", here.list, org, list(here.lines))
        note_hand_of(work, here.made_by, EDIT, f"items/{change}")
        work.connection.execute(
            update(_T).where(_T.c.id == staged).values(state="applied", change=change, lines=[])
        )
        hall.record(work, clerk, "hall.items_imported", f"items/import/{staged}", {"change": change})
        return change

    return hall.write(act)


def drop(hall: Hall, clerk: Clerk, staged: str) -> None:
    """Not wanted; nothing of it was applied."""

    def act(work: Work) -> None:
        _open(work, clerk, staged)
        values = {"state": "dropped", "lines": [], "sheets": []}
        work.connection.execute(update(_T).where(_T.c.id == staged).values(**values))
        hall.record(work, clerk, "hall.items_import_dropped", f"items/import/{staged}", {})

    hall.write(act)


def _open(work: Work, clerk: Clerk, staged: str) -> Staged:
    here = find(work.connection, clerk, staged)
    if here.state != "staged":
        raise HallRefused("conflict", "这次导入已经处理过")
    return here


def marked(here: Staged) -> bytes:
    """The same sheets with a column 错误; lines with a fault are red."""
    said: dict[tuple[str, int], list[str]] = {}
    for one in here.faults:
        told = f"{one['column']}：{one['said']}" if one["column"] else one["said"]
        said.setdefault((one["sheet"], one["row"]), []).append(told)
    return workbooks.write([_marked(grid, said) for grid in here.sheets])


def _marked(grid: Mapping[str, Any], said: Mapping[tuple[str, int], Sequence[str]]) -> Sheet:
    width = len(grid["header"])
    keep = [no for no, title in enumerate(grid["header"]) if title != FAULT]
    rows = []
    for line, row in enumerate(grid["rows"], 2):
        cells = [*row, *[""] * (width - len(row))]
        rows.append([*(cells[no] for no in keep), "；".join(said.get((grid["name"], line), ()))])
    head = "；".join(said.get((grid["name"], 1), ()))
    titles = [*(grid["header"][no] for no in keep), f"{FAULT}（{head}）" if head else FAULT]
    red = frozenset(line - 1 for name, line in said if name == grid["name"] and line > 1)
    return Sheet(grid["name"], titles, rows, None, red)

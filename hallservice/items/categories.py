"""目录分类 (S0-07, S0-08): the eleven categories, adjusted by each locality in versions. A division without
an adjustment of its own follows the nearest one above. Upward every category is told as the one of the eleven
it stands under."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select

from canonical.codes import code_list
from canonical.values import RegionCode
from exchange.store.work import Work
from hallservice.hall import Hall
from hallservice.items.tables import hall_item, hall_item_category
from hallservice.items.wording import DIRECTORY, EDIT
from hallservice.people.clerk import Clerk
from hallservice.people.divisions import own_code
from hallservice.people.organisations import get
from hallservice.refusals import FieldFault, FormRefused, HallRefused
from ledger.prepared import run

CODES = "directory_category"
MOST = 60
_CODE = re.compile(r"[a-z][a-z0-9_]{1,23}", re.ASCII)
_T = hall_item_category
_NEWEST = select(_T).where(_T.c.region == bindparam("of")).order_by(_T.c.version.desc()).limit(1)


@dataclass(frozen=True, slots=True)
class Category:
    """`base`: which of the eleven it is told as; an inactive one is not offered for new items."""

    code: str
    label: str
    base: str
    active: bool = True


@dataclass(frozen=True, slots=True)
class Adjusted:
    """The categories of a division; `region` '' where nobody adjusted the eleven."""

    region: str
    version: int
    entries: tuple[Category, ...]
    by_name: str = ""
    at: float | None = None

    @property
    def choices(self) -> list[tuple[str, str]]:
        return [(one.code, one.label) for one in self.entries if one.active]

    def label(self, code: str) -> str:
        return next((one.label for one in self.entries if one.code == code), code)

    def base(self, code: str) -> str | None:
        return next((one.base for one in self.entries if one.code == code), None)


def eleven() -> tuple[Category, ...]:
    """As the requirement lists them."""
    return tuple(Category(one.name, one.label, one.name) for one in code_list(CODES).entries)


def of(connection: Connection, region: str) -> Adjusted:
    """The nearest adjustment: the division's own, else of those above it."""
    here: RegionCode | None = RegionCode(region)
    while here is not None:
        row = run(connection, _NEWEST, {"of": str(here)}).first()
        if row is not None:
            return _adjusted(row)
        here = here.parent()
    return Adjusted("", 0, eleven())


def versions(connection: Connection, region: str, most: int = 50) -> list[Adjusted]:
    """A division's own adjustments, the newest first."""
    ask = select(_T).where(_T.c.region == region).order_by(_T.c.version.desc()).limit(most)
    return [_adjusted(row) for row in connection.execute(ask)]


def _adjusted(row: Any) -> Adjusted:
    entries = tuple(Category(**one) for one in row.entries)
    return Adjusted(row.region, row.version, entries, row.by_name, row.at)


def may_adjust(connection: Connection, clerk: Clerk, region: str) -> bool:
    """Whether the clerk edits the items of the whole division."""
    try:
        return clerk.may(EDIT, get(connection, own_code(region)).path)
    except HallRefused:
        return False


def adjust(
    hall: Hall, clerk: Clerk, region: str, version: int, rows: Sequence[Mapping[str, str]]
) -> Adjusted:
    """A new version of a division's categories; `version` is the one the form showed (0: none of its own).
    FormRefused, HallRefused conflict, not_allowed."""
    entries = _read(rows)

    def act(work: Work) -> Adjusted:
        clerk.expect(EDIT, get(work.connection, own_code(region)).path)
        newest = versions(work.connection, region, 1)
        if (newest[0].version if newest else 0) != version:
            raise HallRefused("conflict", "目录分类已由他人调整，请刷新后再改")
        _expect_used_kept(work.connection, region, entries)
        kept: list[dict[str, Any]] = [asdict(one) for one in entries]
        row = {"region": region, "version": version + 1, "by_name": clerk.name, "at": work.now}
        work.connection.execute(insert(_T), row | {"entries": kept})
        said = {"region": region, "version": version + 1, "entries": kept}
        hall.record(work, clerk, "hall.item_categories", f"categories/{region}/{version + 1}", said)
        return Adjusted(region, version + 1, tuple(entries), clerk.name, work.now)

    return hall.write(act)


def _read(rows: Sequence[Mapping[str, str]]) -> list[Category]:
    faults, found = list[FieldFault](), list[Category]()
    for at, row in enumerate(rows[:MOST], 1):
        one = Category(
            row.get("code", "").strip(),
            row.get("label", "").strip(),
            row.get("base", ""),
            row.get("active") == "1",
        )
        if one.code or one.label:
            faults += _wrong(at, one, found)
            found.append(one)
    if not any(one.active for one in found):
        faults.append(FieldFault("c-1-label", "required", "至少要有一个在用的分类"))
    if faults:
        raise FormRefused(faults)
    return found


def _wrong(at: int, one: Category, before: Sequence[Category]) -> Iterator[FieldFault]:
    if not _CODE.fullmatch(one.code):
        said = "代码由小写字母、数字、下划线组成，字母开头"
        yield FieldFault(f"c-{at}-code", "bad_form", said)
    if not one.label or len(one.label) > 30:
        yield FieldFault(f"c-{at}-label", "required", "请填写分类名称，最多 30 个字")
    if one.base not in code_list(CODES).names:
        yield FieldFault(f"c-{at}-base", "bad_choice", "请选择对应的省统一分类")
    if any(one.code == other.code or one.label == other.label for other in before):
        yield FieldFault(f"c-{at}-label", "twice", "代码或名称与其他分类重复")


def _expect_used_kept(connection: Connection, region: str, entries: Sequence[Category]) -> None:
    """A category items are filed under may be renamed or switched off, not removed."""
    inside = hall_item.c.region.startswith(RegionCode(region).prefix)
    ask = select(hall_item.c.category).where(
        hall_item.c.list == DIRECTORY, hall_item.c.current, hall_item.c.state != "cancelled", inside
    )
    used = {code for code in connection.execute(ask.distinct()).scalars() if code}
    if missing := sorted(used - {one.code for one in entries}):
        said = f"分类“{missing[0]}”下还有事项，可以停用，不能删除"
        raise FormRefused([FieldFault("c-1-code", "in_use", said)])

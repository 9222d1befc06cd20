"""Search and statistics over the lists (S3-09, S3-15, S3-17, S3-18): what is kept here and what the
province's list says, side by side. Published lists are public: nobody who may look is shown less of them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, func, or_, select

from canonical.codes import code_list
from canonical.errors import ValueRefused
from canonical.values import RegionCode
from exchange.catalogue.difference import PROVINCE
from exchange.items import WITHDRAWN
from exchange.store.tables import item, item_content
from hallservice.items.published import Kept
from hallservice.items.tables import hall_item
from hallservice.items.wording import DIRECTORY, IMPLEMENTATION
from hallservice.people import tables as people

_T, _I, _O = hall_item, item, people.org
_KIND: ColumnElement[str] = func.substr(_I.c.code, 22, 2)  # GB/T 39046 A.1, inside the code
_LEVEL: ColumnElement[str] = func.substr(_I.c.code, 19, 1)
MOST_EXPORT = 20_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for; '' is anything. `source`: hall or province; `department`: part of its name, or its
    credit code."""

    words: str = ""
    region: str = ""
    department: str = ""
    kind: str = ""
    level: str = ""
    state: str = ""
    source: str = ""
    category: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """One line of a list. `local`: kept here, else of the province and only to be looked at."""

    list: str
    code: str
    version: int
    name: str
    kind: str
    level: str
    department: str
    region: str
    state: str
    local: bool
    effective_on: str | None
    cancelled_on: str | None
    category: str = ""
    held: bool = False  # suspended with its directory entry or main item


def _like(column: ColumnElement[Any], words: str) -> ColumnElement[bool]:
    return column.contains(words, autoescape=True)


# -- implementation list


def _base() -> Select[Any]:
    return (
        select(_I.c.code, _I.c.version, _I.c.name, _I.c.state, _I.c.org, _I.c.origin, _I.c.effective_on,
               _I.c.cancelled_on, _O.c.name.label("org_name"), _T.c.region, _T.c.category, _T.c.held_by)
        .join(_O, _O.c.uscc == _I.c.org, isouter=True)
        .join(_T, and_(_T.c.list == IMPLEMENTATION, _T.c.code == _I.c.code, _T.c.version == _I.c.version),
              isouter=True)
        .where(_I.c.current, _I.c.state != WITHDRAWN)
    )  # fmt: skip


def _wanted(wanted: Wanted) -> list[ColumnElement[bool]]:
    found: tuple[tuple[str, ColumnElement[bool]], ...] = (
        (wanted.words, _words(wanted.words)),
        (wanted.department, or_(_like(_O.c.name, wanted.department), _I.c.org == wanted.department)),
        (wanted.kind, _KIND.in_((_code("item_type", wanted.kind),))),
        (wanted.level, _LEVEL.in_((_code("service_level", wanted.level),))),
        (wanted.state, _I.c.state == wanted.state),
        (wanted.category, _T.c.category == wanted.category),
        (wanted.source, (_I.c.origin != PROVINCE) if wanted.source == "hall" else (_I.c.origin == PROVINCE)),
    )
    asked = [clause for said, clause in found if said]
    return [*asked, _inside(wanted.region)] if wanted.region else asked


def _words(words: str) -> ColumnElement[bool]:
    return or_(_like(_I.c.name, words), _I.c.code.startswith(words, autoescape=True))


def _code(codes: str, name: str) -> str:
    return code_list(codes).code(name) if name in code_list(codes).names else ""


def _inside(region: str) -> ColumnElement[bool]:
    """By the region of an item kept here; else by where the body is registered (digits 3 to 8 of its credit
    code, GB 32100), or the hall's organisation of that code."""
    prefix = RegionCode(region).prefix
    own = _T.c.region.startswith(prefix)
    body = _O.c.region.startswith(prefix)
    return (
        or_(own, body, func.substr(_I.c.org, 3, len(prefix)) == prefix) if len(prefix) < 7 else or_(own, body)
    )


_ORDERS: Mapping[str, ColumnElement[Any]] = {
    "name": _I.c.name, "code": _I.c.code, "department": _O.c.name, "state": _I.c.state,
}  # fmt: skip


def implementation(
    connection: Connection, wanted: Wanted, offset: int = 0, size: int = 20, sort: str = "name", *,
    descending: bool = False,
) -> tuple[list[Found], int]:  # fmt: skip
    """One page, and how many there are."""
    ask = _base().where(*_wanted(wanted))
    total = connection.execute(select(func.count()).select_from(ask.order_by(None).subquery())).scalar_one()
    order = _ORDERS.get(sort, _I.c.name)
    ordered = ask.order_by(order.desc() if descending else order, _I.c.code).limit(size).offset(offset)
    return [_shown(row) for row in connection.execute(ordered)], total


def _shown(row: Any) -> Found:
    return Found(
        IMPLEMENTATION, row.code, row.version, row.name or "", _named("item_type", row.code[21:23]),
        _named("service_level", row.code[18]), row.org_name or row.org or "", row.region or "", row.state,
        row.origin != PROVINCE, row.effective_on, row.cancelled_on, row.category or "", bool(row.held_by),
    )  # fmt: skip


def _named(codes: str, code: str) -> str:
    try:
        return code_list(codes).name(code)
    except ValueRefused:
        return ""


# -- directory list


def directory(
    connection: Connection, wanted: Wanted, offset: int = 0, size: int = 20, sort: str = "code", *,
    descending: bool = False,
) -> tuple[list[Found], int]:  # fmt: skip
    """One page of the entries kept here, and how many there are."""
    ask = (
        select(_T, _O.c.name.label("org_name"))
        .join(_O, _O.c.code == _T.c.org, isouter=True)
        .where(_T.c.list == DIRECTORY, _T.c.current, *_wanted_entries(wanted))
    )
    total = connection.execute(select(func.count()).select_from(ask.subquery())).scalar_one()
    order = {"name": _T.c.name, "department": _O.c.name, "state": _T.c.state}.get(sort, _T.c.code)
    ordered = ask.order_by(order.desc() if descending else order, _T.c.code).limit(size).offset(offset)
    return [_entry(row) for row in connection.execute(ordered)], total


def _wanted_entries(wanted: Wanted) -> Iterator[ColumnElement[bool]]:
    if wanted.words:
        yield or_(_like(_T.c.name, wanted.words), _T.c.code.startswith(wanted.words, autoescape=True))
    if wanted.region:
        yield _T.c.region.startswith(RegionCode(wanted.region).prefix)
    if wanted.department:
        yield _like(_O.c.name, wanted.department)
    for column, said in (
        (_T.c.kind, wanted.kind),
        (_T.c.state, wanted.state),
        (_T.c.category, wanted.category),
    ):
        if said:
            yield column == said


def _entry(row: Any) -> Found:
    return Found(
        DIRECTORY, row.code, row.version, row.name, row.kind, "", row.org_name or row.org, row.region,
        row.state, True, row.effective_on, row.cancelled_on, row.category, bool(row.held_by),
    )  # fmt: skip


def entries_for(connection: Connection, region: str, words: str = "", most: int = 200) -> list[Found]:
    """The entries in use a body in this division may choose (S3-10): its own and those of divisions above."""
    here: RegionCode | None = RegionCode(region)
    above = []
    while here is not None:
        above.append(str(here))
        here = here.parent()
    ask = (
        select(_T, _O.c.name.label("org_name"))
        .join(_O, _O.c.code == _T.c.org, isouter=True)
        .where(_T.c.list == DIRECTORY, _T.c.current, _T.c.state == "in_use", _T.c.region.in_(above))
    )
    ask = ask.where(_like(_T.c.name, words)) if words else ask
    return [_entry(row) for row in connection.execute(ask.order_by(_T.c.code).limit(most))]


def own(connection: Connection, list_: str, wanted: Wanted, most: int = MOST_EXPORT) -> list[Kept]:
    """Whole items kept here, for the spreadsheet that can be imported again."""
    ask = select(_T).join(_O, _O.c.code == _T.c.org, isouter=True)
    ask = ask.where(_T.c.list == list_, _T.c.current, _T.c.state != "cancelled", *_wanted_entries(wanted))
    return [Kept(**row._mapping) for row in connection.execute(ask.order_by(_T.c.code).limit(most))]


# -- statistics


@dataclass(frozen=True, slots=True)
class Counted:
    """How many items a department, a type, a level or a category has, by state."""

    key: str
    name: str
    states: Mapping[str, int]

    @property
    def total(self) -> int:
        return sum(self.states.values())


BY = ("department", "kind", "level", "category", "source")


def statistics(connection: Connection, by: str, wanted: Wanted, list_: str = IMPLEMENTATION) -> list[Counted]:
    """Of a list, the largest first; an entry of the directory counts at each of its levels."""
    found = dict[str, dict[str, int]]()
    for key, state, number in (_entries if list_ == DIRECTORY else _items)(connection, by, wanted):
        states = found.setdefault(key or "", {})
        states[state] = states.get(state, 0) + number
    names = _names(connection, by, list(found), list_)
    counted = [Counted(key, names.get(key, key) or "未分类", states) for key, states in found.items()]
    return sorted(counted, key=lambda one: (-one.total, one.key))


def _items(connection: Connection, by: str, wanted: Wanted) -> Iterator[tuple[str, str, int]]:
    """Key, state and how many."""
    keys: Mapping[str, Any] = {
        "department": _I.c.org, "kind": _KIND, "level": _LEVEL,
        "category": func.coalesce(_T.c.category, ""), "source": _I.c.origin,
    }  # fmt: skip
    base = _base().where(*_wanted(wanted)).with_only_columns(keys[by].label("key"), _I.c.state, func.count())
    rows = connection.execute(base.group_by("key", _I.c.state))
    yield from ((key, state, number) for key, state, number in rows)


def _entries(connection: Connection, by: str, wanted: Wanted) -> Iterator[tuple[str, str, int]]:
    """All are kept here; their levels stand in their content."""
    if wanted.source == "province":
        return
    mine = (_T.c.list == DIRECTORY, _T.c.current, *_wanted_entries(wanted))
    ask = select(_T.c.org, _T.c.kind, _T.c.category, _T.c.state, _T.c.content)
    for row in connection.execute(ask.join(_O, _O.c.code == _T.c.org, isouter=True).where(*mine)):
        levels = row.content["levels"]
        keys = {"department": (row.org,), "kind": (row.kind,), "category": (row.category,), "level": levels}
        if not wanted.level or wanted.level in levels:
            yield from ((key, row.state, 1) for key in keys.get(by, ("hall",)))


def _names(connection: Connection, by: str, keys: Sequence[str], list_: str) -> Mapping[str, str]:
    if list_ == DIRECTORY and by in ("kind", "level"):
        lists = {"kind": "item_type", "level": "service_level"}
        return {entry.name: entry.label for entry in code_list(lists[by]).entries}
    if list_ == DIRECTORY and by == "department":
        rows = connection.execute(select(_O.c.code, _O.c.name).where(_O.c.code.in_(keys)))
        return {str(row.code): str(row.name) for row in rows}
    if by == "department":
        return _departments(connection, keys)
    if by == "source":
        return {PROVINCE: "省统一目录", "hall": "本地清单"}
    lists = {"kind": "item_type", "level": "service_level"}
    if by in lists:
        known = code_list(lists[by])
        return {entry.code: entry.label for entry in known.entries}
    return {entry.name: entry.label for entry in code_list("directory_category").entries}


def _departments(connection: Connection, keys: Sequence[str]) -> dict[str, str]:
    """As the hall names them; others as one of their items does."""
    rows = connection.execute(select(_O.c.uscc, _O.c.name).where(_O.c.uscc.in_(keys)))
    known = {str(row.uscc): str(row.name) for row in rows}
    rest = [key for key in keys if key not in known]
    one = select(func.min(_I.c.content)).where(_I.c.current, _I.c.org.in_(rest)).group_by(_I.c.org)
    for data in connection.execute(select(item_content.c.data).where(item_content.c.id.in_(one))).scalars():
        content = json.loads(data)
        known[content["organisation_code"]] = content["organisation"]
    return known

"""What is published: versions of both lists, as they stand and as they were."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, or_, select

from canonical.values import RegionCode
from hallservice.items.tables import hall_item
from hallservice.items.wording import IMPLEMENTATION
from hallservice.refusals import HallRefused
from ledger.prepared import run

_T = hall_item
_CURRENT = select(_T).where(_T.c.list == bindparam("in_list"), _T.c.code == bindparam("of"), _T.c.current)
_VERSION = select(_T).where(
    _T.c.list == bindparam("in_list"), _T.c.code == bindparam("of"), _T.c.version == bindparam("number")
)

_NAMED = (
    select(_T.c.code)
    .where(
        _T.c.list == bindparam("in_list"),
        _T.c.name == bindparam("called"),
        _T.c.current,
        _T.c.state != "cancelled",
        _T.c.region.between(bindparam("low"), bindparam("high")),
    )
    .order_by(_T.c.code)
    .limit(1)
)


@dataclass(frozen=True, slots=True)
class Kept:
    """One version of one item of a list."""

    list: str
    code: str
    version: int
    state: str
    current: bool
    name: str
    kind: str
    org: str
    org_path: str
    region: str
    category: str
    above: str
    content: Mapping[str, Any]
    setup: Mapping[str, Any]
    effective_on: str | None
    cancelled_on: str | None
    successors: Sequence[str]
    held_by: str
    change: str
    published_at: float

    def gone_on(self, day: str) -> bool:
        """Whether it is cancelled by that day (ISO)."""
        return self.state == "cancelled" and (self.cancelled_on or day) <= day


def current(connection: Connection, list_: str, code: str) -> Kept | None:
    """The newest version."""
    row = run(connection, _CURRENT, {"in_list": list_, "of": code}).first()
    return Kept(**row._asdict()) if row else None


def expect(connection: Connection, list_: str, code: str, version: int | None = None) -> Kept:
    """The newest version, or that one; HallRefused not_found."""
    if version is None:
        found = current(connection, list_, code)
    else:
        row = run(connection, _VERSION, {"in_list": list_, "of": code, "number": version}).first()
        found = Kept(**row._asdict()) if row else None
    if found is None:
        raise HallRefused("not_found", "清单中没有这个事项", code)
    return found


def versions(connection: Connection, list_: str, code: str) -> list[Kept]:
    """All of them, the newest first."""
    ask = select(_T).where(_T.c.list == list_, _T.c.code == code).order_by(_T.c.version.desc()).limit(200)
    return [Kept(**row._mapping) for row in connection.execute(ask)]


def implementing(connection: Connection, entry: str, day: str) -> list[Kept]:
    """The implementation items of a directory entry that are not cancelled by today (`day`, ISO)."""
    going = or_(_T.c.state != "cancelled", _T.c.cancelled_on > day)
    ask = select(_T).where(_T.c.list == IMPLEMENTATION, _T.c.above == entry, _T.c.current, going)
    return [Kept(**row._mapping) for row in connection.execute(ask.order_by(_T.c.code))]


def held(connection: Connection, entry: str) -> list[Kept]:
    """What the suspension of a directory entry has suspended, of both lists."""
    ask = select(_T).where(_T.c.held_by == entry, _T.c.current, _T.c.state == "suspended")
    return [Kept(**row._mapping) for row in connection.execute(ask.order_by(_T.c.list, _T.c.code))]


def made_by(connection: Connection, change: str) -> str:
    """The code of the first item a change put in force; HallRefused not_found."""
    ask = select(_T.c.code).where(_T.c.change == change).order_by(_T.c.code).limit(1)
    if (code := connection.execute(ask).scalar()) is None:
        raise HallRefused("not_found", "这份变更没有发布事项", change)
    return str(code)


def ended_with(connection: Connection, change: str) -> list[Kept]:
    """The implementation items a change cancelled."""
    ask = select(_T).where(_T.c.list == IMPLEMENTATION, _T.c.change == change, _T.c.state == "cancelled")
    return [Kept(**row._mapping) for row in connection.execute(ask.order_by(_T.c.code))]


def sub_items(connection: Connection, list_: str, main: str) -> list[Kept]:
    """The sub-items of a main item that are not cancelled."""
    ask = select(_T).where(_T.c.list == list_, _T.c.above == main, _T.c.current, _T.c.state != "cancelled")
    return [Kept(**row._mapping) for row in connection.execute(ask.order_by(_T.c.code))]


def find_name(connection: Connection, list_: str, name: str, region: str) -> str | None:
    """The code of an item of that name in the region, cancelled ones apart."""
    prefix = RegionCode(region).prefix
    known = {"in_list": list_, "called": name, "low": prefix.ljust(12, "0"), "high": prefix.ljust(12, "9")}
    found = run(connection, _NAMED, known).scalar()
    return str(found) if found else None

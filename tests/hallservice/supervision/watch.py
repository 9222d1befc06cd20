"""A hub whose hall watches the time: supervision's reactions, a department with its five roles, a diary."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import Any

from sqlalchemy import insert

from exchange.reactions import STANDARD, Reaction, Reactions
from hallservice.hall import Hall
from hallservice.people import tables as people
from hallservice.people.accounts import UserRow, add
from hallservice.people.system import SYSTEM
from hallservice.supervision import reactions, scanning
from tests.exchange.core.rig import BEIJING, ITEM, PLAIN_ITEM, Core, Story, case_number
from tests.hallservice.world import hall_of

LEADERS = {"分管局长": "441402-scj", "办公室主任": "441402-scj", "主管处长": "441402-scj-sp"}
STAFF_NO = "S009"  # the officer of the rig's stories
MOBILES = {
    "分管局长": "13800138001", "办公室主任": "13800138002", "主管处长": "13800138003",
    "承办人": "13800138004", "系统管理员": "13800138005",
}  # fmt: skip


def watched(core: Core) -> Hall:
    """The hall over a hub with supervision's reactions beside the standard ones."""
    with_reactions(core, reactions.REACTIONS)
    return hall_of(core)


def with_reactions(core: Core, *tables: Mapping[str, tuple[Reaction, ...]]) -> None:
    """The standard reactions and these, each once."""
    table = {kind: list(known) for kind, known in STANDARD.table.items()}
    for kind, more in (pair for one in tables for pair in one.items()):
        known = table.setdefault(kind, [])
        known += [one for one in more if one not in known]
    merged = Reactions({kind: tuple(known) for kind, known in table.items()})
    core.hub = replace(core.hub, reactions=merged)


def staffed(hall: Hall, without: Iterable[str] = ()) -> None:
    """The five roles of the department, each with a number of its own."""
    hall.write(lambda work: [_person(hall, work, role, where) for role, where in _places(without)])


def _places(without: Iterable[str]) -> list[tuple[str, str]]:
    places = {**LEADERS, "承办人": "441402-scj-sp", "系统管理员": "441402"}
    return [(role, where) for role, where in places.items() if role not in set(without)]


def _person(hall: Hall, work: Any, role: str, where: str) -> None:
    if role != "承办人":
        known = people.duty.c.name == role
        if work.connection.execute(people.duty.select().where(known)).first() is None:
            work.connection.execute(insert(people.duty), {"name": role, "rank": 0, "active": True})
    number = STAFF_NO if role == "承办人" else f"L-{role_code(role)}"
    row = UserRow(number, f"测试{role}", where, f"ceshi.l{role_code(role)}", mobile=MOBILES[role])
    ident = add(hall, work, SYSTEM, row, "x")
    if role != "承办人":
        work.connection.execute(people.user.update().where(people.user.c.id == ident).values(duty=role))


def role_code(role: str) -> str:
    return str(list(MOBILES).index(role))


def moment(day: str | date, hour: int = 10) -> datetime:
    on = date.fromisoformat(day) if isinstance(day, str) else day
    return datetime.combine(on, time(hour), BEIJING)


def morning(core: Core, hall: Hall, day: date) -> None:
    """The scan of the day, where anything is due."""
    core.clock.to(datetime.combine(day, time(0, 0, 5), BEIJING))
    if hall.read(lambda connection: scanning.is_due(connection, day)):
        scanning.scan(hall, day)


def mornings(core: Core, hall: Hall, first: date, last: date) -> None:
    """Every day after `first` up to `last`."""
    for number in range(1, (last - first).days + 1):
        morning(core, hall, first + timedelta(days=number))


def opened(core: Core, serial: int, day: str, item: str = PLAIN_ITEM) -> Story:
    """A case applied for on that day."""
    core.clock.to(moment(day))
    story = Story(case_number(serial), item)
    core.ok("hall", "case.applied.v1", story.applied(applied_at=moment(day).isoformat()))
    return story


def accepted(core: Core, serial: int, day: str, days: int, item: str = PLAIN_ITEM, **over: Any) -> Story:
    story = opened(core, serial, day, item)
    core.ok("hall", "case.accepted.v1", story.accepted(moment(day), days, **over))
    return story


def told(core: Core, story: Story, clock: str = "statutory") -> list[tuple[str, str, str]]:
    """(signal, due, day) in the order raised; each was raised on the day it was owed."""
    rows = core.rows(
        "SELECT signal, due, day, raised_at FROM hall_card WHERE case_no = :no AND clock = :clock"
        " ORDER BY raised_at, id",
        no=story.no,
        clock=clock,
    )
    for row in rows:
        raised = datetime.fromtimestamp(row["raised_at"], BEIJING)
        assert raised.date().isoformat() == row["day"]
    return [(row["signal"], row["due"], row["day"]) for row in rows]


__all__ = ["ITEM", "PLAIN_ITEM"]

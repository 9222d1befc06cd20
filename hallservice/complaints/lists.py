"""The list: those taken down here and those the portal sent side by side, filtered by row."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, func, or_, select

from hallservice.complaints.places import HANDLE, JOINED, SHOWN, C, visible
from hallservice.people.clerk import Clerk
from hallservice.people.filtering import within
from hallservice.people.tables import org

SORTS = {"number": C.number, "registered": C.registered_at, "title": C.title}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Filters as typed; `words`: of number, case number, title or the body's name."""

    source: str = ""
    state: str = ""
    words: str = ""


def found(
    connection: Connection,
    clerk: Clerk,
    wanted: Wanted,
    sort: str = "registered",
    descending: bool = True,
    offset: int = 0,
    most: int = 20,
) -> tuple[Sequence[Row[Any]], int]:
    """These rows of all that match, and how many match."""
    total = connection.execute(_matching(select(func.count()), clerk, wanted)).scalar_one()
    by = SORTS.get(sort, C.registered_at)
    ordered = _matching(select(*SHOWN), clerk, wanted).order_by(by.desc() if descending else by, C.id)
    return connection.execute(ordered.offset(offset).limit(most)).all(), int(total)


def _matching(ask: Select[Any], clerk: Clerk, wanted: Wanted) -> Select[Any]:
    same = {C.source: wanted.source, C.state: wanted.state}
    found_ = ask.select_from(JOINED).where(
        visible(clerk), *(column == value for column, value in same.items() if value)
    )
    if not (words := wanted.words.strip()):
        return found_
    exact = or_(C.number == words, C.case_no == words.upper())
    part = or_(C.title.contains(words, autoescape=True), org.c.name.contains(words, autoescape=True))
    return found_.where(or_(exact, part))


def waiting(connection: Connection, clerk: Clerk) -> int:
    """How many wait for an answer where the clerk gives them."""
    ask = select(func.count()).select_from(JOINED).where(C.state == "registered")
    return int(connection.execute(ask.where(within(org.c.path, clerk, HANDLE))).scalar_one())

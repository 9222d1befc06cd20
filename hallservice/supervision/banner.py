"""Reminders above a worklist (R-05): what this person was told of matters still open, in words."""

from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection

from hallservice.people.clerk import Clerk
from hallservice.supervision.cards import banner
from hallservice.supervision.words import SIGNALS, Mark, clock_name, day_name


@dataclass(frozen=True, slots=True)
class Reminder:
    """One line; `mark` is shown as it is."""

    card: str
    case_no: str
    mark: Mark
    said: str


def lines(connection: Connection, clerk: Clerk) -> list[Reminder]:
    """The gravest first; `told` of templates/supervision/banner.html."""
    found = []
    for row in banner(connection, clerk):
        said = f"{clock_name(row.clock)}，届满日{day_name(date.fromisoformat(row.due))}"
        found.append(Reminder(row.id, row.case_no, Mark(row.colour, SIGNALS[row.signal]), said))
    return found

"""What the pages of people are opened with."""

from collections.abc import Callable, Mapping

from sqlalchemy import select

from hallservice.hall import Hall
from hallservice.people import staffing
from hallservice.people import tables as t
from tests.hallservice.world import LOGINS, clerk_of_role


def user(hall: Hall) -> str:
    """A clerk of the county."""
    ask = select(t.user.c.id).where(t.user.c.login == LOGINS["clerk"])
    return str(hall.read(lambda connection: connection.execute(ask).scalar_one()))


def role(hall: Hall) -> str:
    """A role of the city, shared downwards."""
    ask = select(t.role.c.id).where(t.role.c.name == "窗口受理")
    return str(hall.read(lambda connection: connection.execute(ask).scalar_one()))


def grant(hall: Hall) -> str:
    """What that clerk was given."""
    ask = select(t.grant.c.id).where(t.grant.c.user == user(hall))
    return str(hall.read(lambda connection: connection.execute(ask).scalar_one()))


def group(hall: Hall) -> str:
    """A work group with somebody in it."""
    made = staffing.save_group(hall, clerk_of_role(hall, "administrator"), "441402", "专班")
    staffing.put_in(hall, clerk_of_role(hall, "administrator"), "group", made, user(hall))
    return made


MAKERS: Mapping[str, Callable[[Hall], str]] = {"user": user, "role": role, "grant": grant, "group": group}

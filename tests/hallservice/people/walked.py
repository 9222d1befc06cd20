"""What the pages of people are opened with."""

from collections.abc import Callable, Mapping

from sqlalchemy import insert, select

from exchange.store.tables import directory_entry
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


def waiting(hall: Hall) -> str:
    """Bodies and people of the city's directory nobody has taken over yet."""
    at = {"active": True, "changed_at": "2026-03-02T09:00:00+08:00"}
    body = {"id": "B1", "name": "梅江区统计局", "region": "441402000000", **at}
    person = {
        "id": "U1",
        "name": "测试甲",
        "login": "sso.u1",
        "organisation": "B1",
        "level": "verified",
        **at,
    }
    lost = {"id": "B7", "name": "无主局", "region": "441402000000", "parent": "B404", **at}
    rows = [
        {"party": "identity", "kind": kind, "id": data["id"], "active": True, "data": data}
        for kind, data in (("organisation", body), ("organisation", lost), ("staff", person))
    ]
    hall.write(lambda work: work.connection.execute(insert(directory_entry), rows))
    return ""


MAKERS: Mapping[str, Callable[[Hall], str]] = {
    "user": user,
    "role": role,
    "grant": grant,
    "group": group,
    "waiting": waiting,
}

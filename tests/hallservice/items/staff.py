"""Reviewers, an editor of the whole district, a town centre: beside those of tests/hallservice/world.py."""

from typing import Any

from sqlalchemy import select

from canonical.itemcodes import complete_credit_code
from hallservice.hall import Hall
from hallservice.people import grants, passwords, rights
from hallservice.people import tables as t
from hallservice.people.accounts import UserRow, add
from hallservice.people.clerk import Clerk
from hallservice.people.grants import Wish
from hallservice.people.organisations import upsert
from hallservice.people.orgforms import OrgRow
from hallservice.people.sessions import clerk_of
from hallservice.people.system import SYSTEM
from tests.hallservice.world import LOGINS, PASSWORD, SETTINGS, _posted

TOWN_USCC = str(complete_credit_code("11441402XX0099901"))
MORE = {
    "staffing": ("编办未", "441402", "441402", "事项审核", "establishment"),
    "lawyer": ("司法申", "441402", "441402", "事项审核", "legal"),
    "district": ("区编酉", "441402", "441402", "事项编制", None),
    "both": ("兼任戌", "441402", "441402", "事项审核", None),
}


def staffed(hall: Hall) -> None:
    """Everybody above."""
    kept = passwords.hashed(SETTINGS.accounts, PASSWORD)
    hall.write(lambda work: _built(hall, work, kept))


def _built(hall: Hall, work: Any, kept: str) -> None:
    town = OrgRow("441402102-zx", "长沙镇公共服务中心", "town", "441402102000", "441402102", uscc=TOWN_USCC)
    upsert(hall, work, SYSTEM, [town])
    root = work.connection.execute(select(t.user.c.id).where(t.user.c.login == "admin")).scalar_one()
    roles = {row.name: row.id for row in work.connection.execute(select(t.role.c.name, t.role.c.id))}
    for name, (person, org, over, role, post) in MORE.items():
        user = add(hall, work, SYSTEM, UserRow(f"S-{name}", person, org, f"ceshi.{name}"), kept)
        grants.keep(work, Wish(roles[role], "user", user, over), root)
        if name == "both":
            grants.keep(work, Wish(roles["事项编制"], "user", user, over), root)
        if post:
            _posted(work, user, org, post)
    rights.touched(work.connection)


def clerk_named(hall: Hall, role: str) -> Clerk:
    """A member of staff of here or of the world, with the rights of this moment."""
    login = LOGINS.get(role, f"ceshi.{role}")
    with hall.hub.store.read() as connection:
        user = connection.execute(select(t.user.c.id).where(t.user.c.login == login)).scalar_one()
        return clerk_of(connection, user, hall.hub.store.clock())[0]

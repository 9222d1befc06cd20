"""A hall with everybody the review path needs, and towns' bodies with a credit code."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
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
from hallservice.people.system import SYSTEM
from tests.exchange.core.rig import Core, copy_of
from tests.hallservice import world
from tests.hallservice.items.samples import Lists
from tests.hallservice.world import PASSWORD, SETTINGS, hall_of

TOWN_USCC = str(complete_credit_code("11441402XX0099901"))
MORE = {
    "staffing": ("编办未", "441402", "441402", "事项审核", "establishment"),
    "lawyer": ("司法申", "441402", "441402", "事项审核", "legal"),
    "district": ("区编酉", "441402", "441402", "事项编制", None),
    "both": ("兼任戌", "441402", "441402", "事项审核", None),
}


@pytest.fixture(scope="session")
def items_pattern(hall_pattern: Core, tmp_path_factory: pytest.TempPathFactory) -> Core:
    """The hall's store with two reviewers, an editor of the district and a town centre."""
    core = copy_of(hall_pattern, tmp_path_factory.mktemp("items-pattern"))
    hall = hall_of(core)
    kept = passwords.hashed(SETTINGS.accounts, PASSWORD)
    hall.write(lambda work: _built(hall, work, kept))
    return core


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
            world._posted(work, user, org, post)
    rights.touched(work.connection)


@pytest.fixture
def hub(tmp_path: Path, items_pattern: Core) -> Any:
    copy = copy_of(items_pattern, tmp_path)
    yield copy
    copy.hub.store.engine.dispose()


@pytest.fixture
def clerk_as(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Clerk]:
    known = world.LOGINS | {name: f"ceshi.{name}" for name in MORE}
    monkeypatch.setattr(world, "LOGINS", known)
    return lambda role: world.clerk_of_role(hall, role)


@pytest.fixture
def lists(hall: Hall, hub: Core, clerk_as: Callable[[str], Clerk]) -> Lists:
    """The two lists and those who keep them."""
    return Lists(hall, hub, clerk_as)

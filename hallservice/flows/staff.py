"""Who takes part: the bodies of each level of a case, and people as the engine names them."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, bindparam, select

from canonical.values import RegionCode
from hallservice.approval.definition import LEVELS, Level
from hallservice.approval.events import Actor, Person
from hallservice.approval.plan import Plan
from hallservice.approval.rights import URGER
from hallservice.approval.state import State
from hallservice.people import organisations
from hallservice.people import tables as p
from hallservice.people.clerk import Clerk
from hallservice.people.filtering import under
from hallservice.people.organisations import Org
from ledger.prepared import run

SYSTEM_CLERK = Clerk("", "system", "系统", "system", "/", "")
HANDLE, SUPERVISE = "approval.handle", "approval.supervise"
LEVEL_OF: Mapping[str, Level] = {"3": "city", "4": "county", "5": "town", "6": "village"}
SITES = ("town", "village", "hall", "division")  # kinds of organisation that receive, best first
_PATHS = select(p.org.c.path).where(p.org.c.code == bindparam("code"))
_OF_REGION = select(p.org.c.code, p.org.c.kind).where(
    p.org.c.region == bindparam("region"), p.org.c.active, p.org.c.section.is_(False),
).order_by(p.org.c.place, p.org.c.code)  # fmt: skip

_STAFF = (
    select(p.user.c.staff_no, p.user.c.name, p.user.c.org, p.org.c.section)
    .join(p.org, p.org.c.code == p.user.c.org)
    .where(p.user.c.status != "left")
)
_PERSON = _STAFF.where(p.user.c.staff_no == bindparam("number"))


def level_of(region: str) -> Level:
    """The level of a division; a province's counts as the city's, which is the highest here."""
    return LEVEL_OF.get(RegionCode(region).level, "city")


def units(connection: Connection, plan: Plan, department: Org, site: str | None) -> dict[Level, str]:
    """The body of each level the plan uses: the department on its own, below it those of the receiving site's
    divisions, above it those that guide it. Where there is none the department does that work itself."""
    own = LEVELS.index(level_of(department.region))
    found = {level: department.code for level in plan.levels}
    for level in plan.levels:
        if LEVELS.index(level) < own and site is not None:
            found[level] = _below(connection, site, level) or department.code
        elif LEVELS.index(level) > own:
            found[level] = _above(connection, department, level) or department.code
    return found


def unguided(connection: Connection, plan: Plan, department: Org) -> list[Level]:
    """Levels the plan hands up to where nobody stands above the department."""
    own = LEVELS.index(level_of(department.region))
    wanted = [level for level in LEVELS[own + 1 :] if level in plan.levels]
    return [level for level in wanted if _above(connection, department, level) is None]


def _below(connection: Connection, site: str, level: Level) -> str | None:
    here: RegionCode | None = RegionCode(site)
    while here is not None and level_of(here) != level:
        here = here.parent()
    if here is None:
        return None
    rows = run(connection, _OF_REGION, {"region": str(here)}).all()
    rows = sorted(rows, key=lambda row: SITES.index(row.kind) if row.kind in SITES else len(SITES))
    return str(rows[0].code) if rows else None


def _above(connection: Connection, department: Org, level: Level) -> str | None:
    guiding = organisations.related(connection, department.code, "subordinate")
    line = [*guiding, *reversed(organisations.above(connection, department.path)[:-1])]
    bodies = (one for one in line if one.kind != "division" and not one.section)
    found = next((one.code for one in bodies if level_of(one.region) == level), None)
    return found or (_centre(connection, RegionCode(department.region)) if level == "town" else None)


def _centre(connection: Connection, village: RegionCode) -> str | None:
    """The service centre of the village's town: in the tree it stands beside the village's point."""
    town = village.parent()
    rows = run(connection, _OF_REGION, {"region": str(town)}).all() if town else []
    return next((str(row.code) for row in rows if row.kind == "town"), None)


def path_of(connection: Connection, org: str) -> str:
    """The organisation's path; '' of one the hall does not know."""
    found: str | None = run(connection, _PATHS, {"code": org}).scalar()
    return found or ""


def actor(connection: Connection, clerk: Clerk, plan: Plan, state: State) -> Actor:
    """The clerk with the posts held, where a function of approval is held in the own body, and those that
    granted functions amount to in this case's bodies: each for the bodies that function is held over."""
    own = clerk.unit or clerk.org
    orgs = {*state.units.values(), *(place.org for place in plan.places.values() if place.org is not None)}
    over = {
        (post, org)
        for function, post in (
            (SUPERVISE, plan.posts.supervisor),
            ("flows.edit", plan.posts.administrator),
            ("supervision.urge", URGER),
        )
        if clerk.may(function)
        for org in orgs
        if clerk.may(function, path_of(connection, org) or "?")
    }
    works = any(clerk.may(function, clerk.path) for function in (HANDLE, SUPERVISE))
    return Actor(clerk.staff_no, clerk.name, own, clerk.posts if works else (), tuple(sorted(over)))


def persons(connection: Connection, staff_nos: Iterable[str]) -> dict[str, Person]:
    """Staff by number, as the engine names them; who has left is not among them."""
    rows = (run(connection, _PERSON, {"number": number}).first() for number in sorted(set(staff_nos)))
    found = [row for row in rows if row is not None]
    return {row.staff_no: Person(row.staff_no, row.name, _unit(connection, row)) for row in found}


def _unit(connection: Connection, row: Any) -> str:
    return organisations.unit_of(connection, row.org) if row.section else str(row.org)


def colleagues(connection: Connection, org: str) -> list[Person]:
    """Everybody of a body and its sections, by name."""
    path = path_of(connection, org)
    rows = connection.execute(_STAFF.where(under(p.org.c.path, path or "-"))).all()
    found = [Person(row.staff_no, row.name, _unit(connection, row)) for row in rows]
    return sorted((one for one in found if one.org == org), key=lambda one: (one.name, one.id))

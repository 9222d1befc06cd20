"""Who is told of a card: the five roles of S0-44, found by duty or post where the case is handled."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, String, bindparam, func, literal_column, select

from hallservice.counter.tables import hall_receipt
from hallservice.flows.tables import task
from hallservice.people import organisations
from hallservice.people import tables as people
from hallservice.people.filtering import under
from hallservice.supervision.thresholds import region_path
from ledger.prepared import run

SYSTEM_STAFF_NO = "system"  # in the place of a staff number, which the province wants of every act
UNDERTAKER = "承办人"
ADMINISTRATOR = "系统管理员"
CHIEF = "主管处长"
LEADERS = ("分管局长", "办公室主任", CHIEF)
ROLES = (*LEADERS, UNDERTAKER, ADMINISTRATOR)

_ORG = select(people.org.c.path).where(people.org.c.uscc == bindparam("code"))
_NAMED = select(people.user.c.id, people.user.c.org).where(
    people.user.c.staff_no == bindparam("no"), people.user.c.status == "active"
)
_PATH = select(people.org.c.path).where(people.org.c.code == bindparam("of"))
_AT_POST = (
    select(people.user.c.id, people.user.c.org, people.org.c.section)
    .join(people.user_post, people.user_post.c.user == people.user.c.id)
    .join(people.post, people.post.c.id == people.user_post.c.post)
    .join(people.org, people.org.c.code == people.user.c.org)
    .where(
        people.post.c.code == bindparam("named"), people.post.c.active, people.user.c.status == "active",
        func.substr(people.org.c.path, literal_column("1"), func.length(bindparam("path", type_=String)))
        == bindparam("path", type_=String),
    )
    .order_by(people.user.c.staff_no)
)  # fmt: skip
_MOBILE = select(people.user.c.mobile).where(people.user.c.id == bindparam("of"))


@dataclass(frozen=True, slots=True)
class Case:
    """What supervision needs of a case beside its clocks."""

    case_no: str
    region: str
    org: str
    item_code: str
    application: Mapping[str, Any]
    acceptance: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Place:
    """Where the department in charge stands; that of its region when the hall does not know it."""

    path: str
    known: bool


@dataclass(frozen=True, slots=True)
class Person:
    """A user's id and the code of the own organisation."""

    id: str
    org: str


def place_of(connection: Connection, org: str, region: str) -> Place:
    """By the unified social credit code of the case's department."""
    found = run(connection, _ORG, {"code": org}).scalar()
    return Place(str(found), True) if found else Place(region_path(region), False)


def mobile_of(connection: Connection, user: str) -> str | None:
    """The number to reach a person at; None where none is known."""
    found: str | None = run(connection, _MOBILE, {"of": user}).scalar()
    return found or None


class Roster:
    """Receivers for a batch of cases; what cases have in common is looked up once."""

    def __init__(self, connection: Connection, cases: Sequence[Case]) -> None:
        self._connection = connection
        self._known: dict[tuple[Any, ...], Any] = {}
        numbers = [case.case_no for case in cases]
        columns = (task.c.case_no, task.c.person, task.c.org, task.c.post)
        self._tasks: dict[str, list[Any]] = {}
        for row in connection.execute(select(*columns).where(task.c.case_no.in_(numbers))):
            self._tasks.setdefault(row.case_no, []).append(row)
        receipts = select(hall_receipt.c.case_no, hall_receipt.c.staff_no)
        rows = connection.execute(receipts.where(hall_receipt.c.case_no.in_(numbers)))
        self._receipts = {row.case_no: row.staff_no for row in rows}

    def place(self, case: Case) -> Place:
        found: Place = self._once(place_of, case.org, case.region)
        return found

    def receivers(self, case: Case) -> dict[str, list[str]]:
        """Role -> users; an empty list where nobody holds the role."""
        undertakers, place = self._undertaking(case), self.place(case)
        near = tuple(sorted({one.org for one in undertakers}))
        found = {role: self._once(_holders, role, near, place) for role in LEADERS}
        found[UNDERTAKER] = [one.id for one in undertakers]
        found[ADMINISTRATOR] = self._once(_administrators, place.path)
        return {role: found[role] for role in ROLES}

    def prompted(self, case: Case) -> dict[str, list[str]]:
        """Who is reminded before a red card (R-05): the undertaker, and the chief of the section if any."""
        undertakers = self._undertaking(case)
        near = tuple(sorted({one.org for one in undertakers}))
        chiefs = self._once(_holders, CHIEF, near, self.place(case))
        found = {UNDERTAKER: [one.id for one in undertakers]}
        return found | ({CHIEF: chiefs} if chiefs else {})

    def undertakers(self, case: Case) -> list[str]:
        return [one.id for one in self._undertaking(case)]

    def _undertaking(self, case: Case) -> list[Person]:
        """Who has the case in hand: those whose task it is, else who accepted it, else who received it."""
        tasks = self._tasks.get(case.case_no, ())
        found = [one for row in tasks for one in self._of_task(row)]
        if not found:
            officer = (case.acceptance or {}).get("officer", {})
            known = (officer.get("staff_no"), self._receipts.get(case.case_no))
            last = next((number for number in known if number and number != SYSTEM_STAFF_NO), None)
            found = self._once(named, last) if last else []
        return list({one.id: one for one in found}.values())

    def _of_task(self, row: Any) -> list[Person]:
        asked = (named, row.person) if row.person else (at_post, row.org, row.post)
        found: list[Person] = self._once(*asked)
        return found

    def _once(self, ask: Any, *given: Any) -> Any:
        key = (ask, *given)
        if key not in self._known:
            self._known[key] = ask(self._connection, *given)
        return self._known[key]


def named(connection: Connection, number: str) -> list[Person]:
    """The member of staff of that number, unless left."""
    return [Person(*row) for row in run(connection, _NAMED, {"no": number})]


def at_post(connection: Connection, org: str, code: str) -> list[Person]:
    """Who holds a post of that code in the body or one of its sections: those whose to-do it is."""
    rows = run(
        connection, _AT_POST, {"named": code, "path": run(connection, _PATH, {"of": org}).scalar() or "?"}
    )
    found = {row.id: Person(row.id, row.org) for row in rows if row.org == org or row.section}
    return [one for one in found.values() if organisations.unit_of(connection, one.org) == org]


def _holders(connection: Connection, role: str, near: Sequence[str], place: Place) -> list[str]:
    """Of this duty or post: those of the undertaker's own section before the others of the department."""
    if not place.known:
        return []
    own = people.org.c.section | (people.org.c.path == place.path)
    found = _with_role(connection, role, under(people.org.c.path, place.path) & own)
    nearest = [one.id for one in found if one.org in near]
    return nearest or [one.id for one in found]


def _administrators(connection: Connection, path: str) -> list[str]:
    """Of the department, else of the nearest organisation above it that has one."""
    parts = path.strip("/").split("/")
    for length in range(len(parts), 0, -1):
        here = "/" + "/".join(parts[:length]) + "/"
        if found := _with_role(connection, ADMINISTRATOR, people.org.c.path == here):
            return [one.id for one in found]
    return []


def _with_role(connection: Connection, role: str, where: Any) -> list[Person]:
    u, p, held, org = people.user, people.post, people.user_post, people.org
    at_post = select(held.c.user).join(p, p.c.id == held.c.post).where(p.c.name == role, p.c.active)
    query = select(u.c.id, u.c.org).join(org, org.c.code == u.c.org)
    mine = (u.c.duty == role) | u.c.id.in_(at_post)
    rows = connection.execute(query.where(where, mine, u.c.status == "active").order_by(u.c.staff_no))
    return [Person(row.id, row.org) for row in rows]

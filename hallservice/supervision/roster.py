"""Who is told of a card: the five roles of S0-44, found by duty or post where the case is handled."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, select

from hallservice.counter.tables import hall_receipt
from hallservice.flows.tables import task
from hallservice.people import tables as people
from hallservice.people.filtering import under
from hallservice.supervision.thresholds import region_path
from ledger.prepared import run

UNDERTAKER = "承办人"
ADMINISTRATOR = "系统管理员"
LEADERS = ("分管局长", "办公室主任", "主管处长")
ROLES = (*LEADERS, UNDERTAKER, ADMINISTRATOR)

_ORG = select(people.org.c.code, people.org.c.path).where(people.org.c.uscc == bindparam("code"))
_NAMED = select(people.user.c.id, people.user.c.org).where(
    people.user.c.staff_no == bindparam("no"), people.user.c.status == "active"
)
_MOBILE = select(people.user.c.mobile, people.user.c.name).where(people.user.c.id == bindparam("of"))


@dataclass(frozen=True, slots=True)
class Place:
    """Where the department in charge stands; that of its region when the hall does not know it."""

    path: str
    known: bool


def place_of(connection: Connection, case: Mapping[str, Any]) -> Place:
    """By the unified social credit code of the case's department."""
    found = run(connection, _ORG, {"code": case["org"]}).first()
    return Place(str(found.path), True) if found else Place(region_path(case["region"]), False)


def receivers(
    connection: Connection, case: Mapping[str, Any], place: Place, *, leaders: bool
) -> dict[str, list[str]]:
    """Role -> users, of the undertaker alone without `leaders`; an empty list where nobody holds the role."""
    undertakers = undertaking(connection, case)
    if not leaders:
        return {UNDERTAKER: [row.id for row in undertakers]}
    near = [row.org for row in undertakers]
    found = {role: _holders(connection, role, near, place) for role in LEADERS}
    found[UNDERTAKER] = [row.id for row in undertakers]
    found[ADMINISTRATOR] = _administrators(connection, place.path)
    return {role: found[role] for role in ROLES}


def undertaking(connection: Connection, case: Mapping[str, Any]) -> list[Any]:
    """Who has the case in hand: those whose task it is, else who accepted it, else who received it."""
    named, posts = _tasks(connection, case["case_no"])
    found = [*_named(connection, named), *(row for post in posts for row in _at_post(connection, *post))]
    if found:
        return list({row.id: row for row in found}.values())
    officer = (case["acceptance"] or {}).get("officer", {})
    received = select(hall_receipt.c.staff_no).where(hall_receipt.c.case_no == case["case_no"])
    last = officer.get("staff_no") or connection.execute(received).scalar()
    return _named(connection, [last] if last else [])


def mobile_of(connection: Connection, user: str) -> str | None:
    """The number to reach a person at; None where none is known."""
    found = run(connection, _MOBILE, {"of": user}).first()
    return found.mobile if found and found.mobile else None


def _tasks(connection: Connection, case_no: str) -> tuple[list[str], list[tuple[str, str]]]:
    rows = connection.execute(
        select(task.c.person, task.c.org, task.c.post).where(task.c.case_no == case_no)
    ).all()
    named = [row.person for row in rows if row.person]
    return named, [(row.org, row.post) for row in rows if not row.person]


def _named(connection: Connection, numbers: Sequence[str]) -> list[Any]:
    return [row for number in numbers for row in run(connection, _NAMED, {"no": number})]


def _at_post(connection: Connection, org: str, code: str) -> list[Any]:
    u, p, held = people.user, people.post, people.user_post
    query = select(u.c.id, u.c.org).join(held, held.c.user == u.c.id).join(p, p.c.id == held.c.post)
    mine = (p.c.org == org) & (p.c.code == code) & p.c.active & (u.c.status == "active")
    return list(connection.execute(query.where(mine)))


def _holders(connection: Connection, role: str, near: Sequence[str], place: Place) -> list[str]:
    """Of this duty or post: those of the undertaker's own section before the others of the department."""
    if not place.known:
        return []
    own = people.org.c.section | (people.org.c.path == place.path)
    inside = under(people.org.c.path, place.path) & own
    rows = _with_role(connection, role, inside)
    nearest = [row.id for row in rows if row.org in near]
    return nearest or [row.id for row in rows]


def _administrators(connection: Connection, path: str) -> list[str]:
    """Of the department, else of the nearest organisation above it that has one."""
    parts = path.strip("/").split("/")
    for length in range(len(parts), 0, -1):
        here = "/" + "/".join(parts[:length]) + "/"
        if rows := _with_role(connection, ADMINISTRATOR, people.org.c.path == here):
            return [row.id for row in rows]
    return []


def _with_role(connection: Connection, role: str, where: Any) -> list[Any]:
    u, p, held, org = people.user, people.post, people.user_post, people.org
    at_post = select(held.c.user).join(p, p.c.id == held.c.post).where(p.c.name == role, p.c.active)
    query = select(u.c.id, u.c.org).join(org, org.c.code == u.c.org)
    mine = (u.c.duty == role) | u.c.id.in_(at_post)
    return list(connection.execute(query.where(where, mine, u.c.status == "active").order_by(u.c.staff_no)))

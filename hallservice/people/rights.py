"""What a person may do, from the grants to them, to their posts and to their groups."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, insert, or_, select, update

from hallservice.people import tables as t
from hallservice.people.filtering import outermost
from hallservice.people.functions import AUDIT, GRANT, MANAGE

GOVERNING = frozenset({MANAGE, GRANT, AUDIT})
Scopes = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Rights:
    """Function -> paths; `until` is when a grant begins or ends next, None while none does."""

    scopes: Scopes
    until: float | None


def of_user(connection: Connection, user: str, now: float) -> Rights:
    """What the person may use now."""
    rows = connection.execute(_HELD.where(received_by(user), t.grant.c.may_use, alive(now))).all()
    turns = [turn for row in rows for turn in (row.begins, row.ends) if turn is not None and turn > now]
    return Rights(by_function([row for row in rows if row.begins <= now]), min(turns, default=None))


@dataclass(frozen=True, slots=True)
class Place:
    """Where somebody has rights. `governs`: over people or rights there, or over the audit, or to pass on."""

    path: str
    governs: bool


def places(connection: Connection, user: str, now: float) -> list[Place]:
    """Every path a living grant to the person is for, whether to use or to pass on."""
    ask = _HELD.add_columns(t.grant.c.may_pass).where(received_by(user), alive(now))
    governed: dict[str, bool] = {}
    for row in connection.execute(ask):
        governed[row.path] = governed.get(row.path, False) or row.may_pass or row.function in GOVERNING
    return [Place(path, governs) for path, governs in governed.items()]


def governs(connection: Connection, user: str, now: float) -> bool:
    """An administrator or auditor somewhere."""
    return any(place.governs for place in places(connection, user, now))


def ever(connection: Connection, user: str, now: float) -> Scopes:
    """What the person may use now or will, by grants that are already given."""
    return by_function(
        connection.execute(_HELD.where(received_by(user), t.grant.c.may_use, alive(now))).all()
    )


def by_function(rows: "list[Row[Any]] | Any") -> Scopes:
    """Rows of function and path as scopes, in order."""
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(row.function, []).append(row.path)
    return {function: outermost(paths) for function, paths in sorted(found.items())}


def alive(now: float) -> ColumnElement[bool]:
    """Not revoked, not over; it may not have begun."""
    over = or_(t.grant.c.ends.is_(None), t.grant.c.ends > now)
    return t.grant.c.revoked_at.is_(None) & over & t.role.c.active


def received_by(user: str) -> ColumnElement[bool]:
    """A grant that reaches the person: by name, by a post held or by a group."""
    posts = select(t.user_post.c.post).join(t.post).where(t.user_post.c.user == user, t.post.c.active)
    groups = (
        select(t.group_member.c.group).join(t.group).where(t.group_member.c.user == user, t.group.c.active)
    )
    return or_(t.grant.c.user == user, t.grant.c.post.in_(posts), t.grant.c.group.in_(groups))


_HELD = (
    select(t.role_function.c.function, t.org.c.path, t.grant.c.begins, t.grant.c.ends)
    .select_from(t.grant)
    .join(t.role, t.role.c.id == t.grant.c.role)
    .join(t.role_function, t.role_function.c.role == t.role.c.id)
    .join(t.org, t.org.c.code == t.grant.c.org)
)


def version(connection: Connection) -> int:
    """Of every right together."""
    return connection.execute(select(t.rights_version.c.number)).scalar() or 0


def touched(connection: Connection) -> None:
    """Something of which rights are made has changed: sessions compute theirs anew at their next request."""
    moved = update(t.rights_version).values(number=t.rights_version.c.number + 1)
    if not connection.execute(moved).rowcount:
        connection.execute(insert(t.rights_version), {"one": 1, "number": 1})

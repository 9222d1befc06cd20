"""What may be passed on: the least set of grant options that follows from those of the site's set-up.

A grant's authority for a function is whoever gave it; for a function added to its role later, whoever
added it. Options that only support each other in a circle support nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

from sqlalchemy import Connection, Row, Select, select, update

from exchange.store.work import Work
from hallservice.people import tables as t
from hallservice.people.rights import alive


@dataclass(frozen=True, slots=True)
class Right:
    """One function of one grant: who gave it (None: the set-up), where, to whom."""

    grant: str
    function: str
    path: str
    authority: str | None
    receivers: frozenset[str]
    begins: float
    ends: float  # inf: no end


@dataclass(frozen=True, slots=True)
class Options:
    """The grant options of one moment, by person and function."""

    held: Mapping[tuple[str, str], Sequence[Right]]

    def cover(self, user: str, function: str, path: str) -> list[Right]:
        """The options by which the person may pass the function on for that organisation."""
        return [one for one in self.held.get((user, function), ()) if path.startswith(one.path)]

    def until(self, user: str, functions: Iterable[str], path: str) -> float:
        """How long all these options last; -inf where one of them is not held."""
        ends = (max((one.ends for one in self.cover(user, f, path)), default=-inf) for f in functions)
        return min(ends, default=inf)

    def lacking(self, user: str, functions: Iterable[str], path: str) -> list[str]:
        """The functions the person may not pass on there."""
        return [function for function in functions if not self.cover(user, function, path)]

    def backs(self, authority: str | None, function: str, path: str) -> bool:
        """Whether whoever gave a right could give it now."""
        if authority is None:
            return True
        return any(path.startswith(one.path) for one in self.held.get((authority, function), ()))

    def scopes(self, user: str) -> dict[str, list[str]]:
        """What the person may pass on: function and paths."""
        mine = {function: rights for (who, function), rights in self.held.items() if who == user}
        return {function: sorted({one.path for one in rights}) for function, rights in sorted(mine.items())}


def options(connection: Connection, now: float) -> Options:
    """As the grants of this moment make them."""
    waiting = _passing(connection, now)
    held: dict[tuple[str, str], list[Right]] = {}
    found = Options(held)
    while supported := [one for one in waiting if found.backs(one.authority, one.function, one.path)]:
        for one in supported:
            for user in one.receivers:
                held.setdefault((user, one.function), []).append(one)
        new = set(map(id, supported))
        waiting = [one for one in waiting if id(one) not in new]
    return found


def unbacked(connection: Connection, now: float) -> dict[str, float]:
    """The grants with a function nobody stands behind any more, and when each begins: they are to be
    reviewed."""
    g = t.grant.c
    found, held, lost = options(connection, now), _functions(connection), dict[str, float]()
    known: dict[tuple[str | None, str, str], bool] = {}
    ask = _GIVEN.with_only_columns(g.id, g.role, g.begins, g.granted_by, g.granted_at, t.org.c.path)
    for id_, role, begins, by, at, path in connection.execute(ask.where(alive(now)).order_by(g.id)):
        for function in held.get(role, ()):
            key = (function.added_by if function.added_at > at else by, function.code, path)
            backed = known.get(key)
            if backed is None:
                backed = known[key] = found.backs(*key)
            if not backed:
                lost[id_] = begins
    return lost


def mark(work: Work) -> dict[str, float]:
    """As `unbacked`; lists and counts of what is to be reviewed read it from the grants themselves."""
    lost, marked = unbacked(work.connection, work.now), under_review(work.connection)
    for review, ids in ((True, lost.keys() - marked), (False, marked - lost.keys())):
        for id_ in ids:
            work.connection.execute(update(t.grant).where(t.grant.c.id == id_).values(review=review))
    return lost


def under_review(connection: Connection) -> set[str]:
    """The grants marked last."""
    return set(connection.execute(select(t.grant.c.id).where(t.grant.c.review)).scalars())


@dataclass(frozen=True, slots=True)
class _Held:
    """A function of a role, and who put it there."""

    code: str
    added_by: str | None
    added_at: float

    def authority(self, granted_by: str | None, granted_at: float) -> str | None:
        """Whoever gave the grant, or later added the function to its role."""
        return self.added_by if self.added_at > granted_at else granted_by


def _functions(connection: Connection) -> dict[str, list[_Held]]:
    """The functions of each role."""
    f, found = t.role_function.c, dict[str, list[_Held]]()
    for row in connection.execute(select(f.role, f.function, f.added_by, f.added_at)):
        found.setdefault(row.role, []).append(_Held(row.function, row.added_by, row.added_at))
    return found


def _passing(connection: Connection, now: float) -> list[Right]:
    """The grants with grant option that have begun, function by function."""
    posts = _members(connection, t.user_post.c.post, t.user_post.c.user)
    groups = _members(connection, t.group_member.c.group, t.group_member.c.user)
    ask = _GIVEN.where(alive(now), t.grant.c.may_pass, t.grant.c.begins <= now)
    held, found = _functions(connection), list[Right]()
    for row in connection.execute(ask):
        receivers = _receivers(row, posts, groups)
        ends = inf if row.ends is None else row.ends
        for function in held.get(row.role, ()):
            by = function.authority(row.granted_by, row.granted_at)
            found.append(Right(row.id, function.code, row.path, by, receivers, row.begins, ends))
    return found


_GIVEN: Select[Any] = (
    select(
        t.grant.c.id, t.grant.c.role, t.grant.c.user, t.grant.c.post, t.grant.c.group, t.grant.c.begins,
        t.grant.c.ends, t.grant.c.granted_by, t.grant.c.granted_at, t.org.c.path,
    )
    .join(t.role, t.role.c.id == t.grant.c.role)
    .join(t.org, t.org.c.code == t.grant.c.org)
)  # fmt: skip


def _members(connection: Connection, of: Any, user: Any) -> dict[str, frozenset[str]]:
    """Who is in each post or group that something was granted to with option."""
    column = t.grant.c.post if of.table is t.user_post else t.grant.c.group
    ask = select(of, user).where(of.in_(select(column).where(t.grant.c.may_pass, column.is_not(None))))
    found: dict[str, set[str]] = {}
    for one, who in connection.execute(ask):
        found.setdefault(one, set()).add(who)
    return {one: frozenset(who) for one, who in found.items()}


def _receivers(
    row: Row[Any], posts: Mapping[str, frozenset[str]], groups: Mapping[str, frozenset[str]]
) -> frozenset[str]:
    if row.user:
        return frozenset({row.user})
    return posts.get(row.post, frozenset()) if row.post else groups.get(row.group, frozenset())

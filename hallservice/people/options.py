"""What may be passed on: the least set of grant options that follows from those of the site's set-up.

A grant's authority for a function is whoever gave it; for a function added to its role later, whoever
added it. Options that only support each other in a circle support nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

from sqlalchemy import Connection, Row, select

from hallservice.people import tables as t
from hallservice.people.filtering import holds
from hallservice.people.rights import alive


@dataclass(frozen=True, slots=True)
class Right:
    """One function of one grant: who gave it (None: the set-up), where, to whom."""

    grant: str
    function: str
    path: str
    authority: str | None
    receivers: frozenset[str]
    may_pass: bool
    begins: float
    ends: float  # inf: no end


@dataclass(frozen=True, slots=True)
class Options:
    """The options of one moment, by person and function, and every grant's rights."""

    held: Mapping[tuple[str, str], Sequence[Right]]
    rights: Sequence[Right]

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

    def backed(self, one: Right) -> bool:
        """Whether somebody who may pass it on still stands behind it."""
        return one.authority is None or bool(self.cover(one.authority, one.function, one.path))

    def unbacked(self) -> dict[str, list[str]]:
        """The grants nobody stands behind any more, with their functions: they are to be reviewed."""
        found: dict[str, list[str]] = {}
        for one in self.rights:
            if not self.backed(one):
                found.setdefault(one.grant, []).append(one.function)
        return found

    def scopes(self, user: str) -> dict[str, list[str]]:
        """What the person may pass on: function and paths."""
        mine = {function: rights for (who, function), rights in self.held.items() if who == user}
        return {function: sorted({one.path for one in rights}) for function, rights in sorted(mine.items())}


def options(connection: Connection, now: float) -> Options:
    """As the grants of this moment make them."""
    rights = _rights(connection, now)
    waiting = [one for one in rights if one.may_pass and one.begins <= now]
    held: dict[tuple[str, str], list[Right]] = {}
    while found := [one for one in waiting if _supported(one, held)]:
        for one in found:
            for user in one.receivers:
                held.setdefault((user, one.function), []).append(one)
        new = set(map(id, found))
        waiting = [one for one in waiting if id(one) not in new]
    return Options(held, rights)


def _supported(one: Right, held: Mapping[tuple[str, str], Sequence[Right]]) -> bool:
    if one.authority is None:
        return True
    return holds([behind.path for behind in held.get((one.authority, one.function), ())], one.path)


def _rights(connection: Connection, now: float) -> list[Right]:
    ask = _GIVEN.where(alive(now)).order_by(t.grant.c.id, t.role_function.c.function)
    posts = _members(connection, t.user_post.c.post, t.user_post.c.user)
    groups = _members(connection, t.group_member.c.group, t.group_member.c.user)
    return [_right(row, posts, groups) for row in connection.execute(ask)]


_GIVEN = (
    select(
        t.grant,
        t.org.c.path,
        t.role_function.c.function,
        t.role_function.c.added_by,
        t.role_function.c.added_at,
    )
    .join(t.role, t.role.c.id == t.grant.c.role)
    .join(t.role_function, t.role_function.c.role == t.role.c.id)
    .join(t.org, t.org.c.code == t.grant.c.org)
)


def _members(connection: Connection, of: Any, user: Any) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for one, who in connection.execute(select(of, user)):
        found.setdefault(one, set()).add(who)
    return {one: frozenset(who) for one, who in found.items()}


def _right(row: Row[Any], posts: Mapping[str, frozenset[str]], groups: Mapping[str, frozenset[str]]) -> Right:
    nobody: frozenset[str] = frozenset()
    if row.user:
        receivers = frozenset({row.user})
    else:
        receivers = posts.get(row.post, nobody) if row.post else groups.get(row.group, nobody)
    later = row.added_at > row.granted_at
    return Right(
        row.id, row.function, row.path, row.added_by if later else row.granted_by, receivers, row.may_pass,
        row.begins, inf if row.ends is None else row.ends,
    )  # fmt: skip

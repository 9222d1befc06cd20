"""What a move of an organisation in the tree would give to people, and what ends with it.

A grant over a subtree reaches whatever is moved into it: a move is never a way to rights nobody granted.
"""

from math import inf
from typing import Any

from sqlalchemy import Connection, Row, delete, select

from exchange.store.work import Work
from hallservice.people import rights
from hallservice.people import tables as t
from hallservice.people.clerk import Clerk
from hallservice.people.filtering import holds, under
from hallservice.people.functions import GRANT
from hallservice.people.options import options
from hallservice.refusals import HallRefused


def expect_no_gain(work: Work, clerk: Clerk, path: str, above: str) -> None:
    """The organisation at `path` may come below `above`: whoever would have rights over it then, the clerk
    could give them to, and it is somebody else. HallRefused own_rights, not_allowed or too_long."""
    gained = _gained(work, path, above)
    if any(clerk.user in _people(work.connection, row) for row in gained):
        raise HallRefused("own_rights", "移动后您自己的权限会扩大到这个机构，请由其他管理员办理")
    held = rights.of_user(work.connection, clerk.user, work.now).scopes.get(GRANT, ())
    found = options(work.connection, work.now)
    for row in gained:
        wanted = _functions(work.connection, row.role)
        if not holds(held, path) or found.lacking(clerk.user, wanted, path):
            raise HallRefused("not_allowed", "移动后有人会得到您无权授予的权限，请由上级管理员办理")
        if (inf if row.ends is None else row.ends) > found.until(clerk.user, wanted, path):
            raise HallRefused("too_long", "移动后有人会得到比您的再授权期限更长的权限")


def _gained(work: Work, path: str, above: str) -> list[Row[Any]]:
    """The grants over the new place or what stands above it, and not over the old one."""
    steps = above.strip("/").split("/")
    line = ["/" + "/".join(steps[: end + 1]) + "/" for end in range(len(steps))]
    new = [each for each in line if not path.startswith(each)]
    g = t.grant.c
    ask = select(g.role, g.user, g.post, g.group, g.ends).join(t.role, t.role.c.id == g.role)
    ask = ask.join(t.org, t.org.c.code == g.org).where(rights.alive(work.now), t.org.c.path.in_(new))
    return list(work.connection.execute(ask))


def _people(connection: Connection, row: Row[Any]) -> set[str]:
    if row.user:
        return {row.user}
    table, kind, id_ = (t.user_post, "post", row.post) if row.post else (t.group_member, "group", row.group)
    return set(connection.execute(select(table.c.user).where(table.c[kind] == id_)).scalars())


def _functions(connection: Connection, role: str) -> list[str]:
    ask = select(t.role_function.c.function).where(t.role_function.c.role == role)
    return list(connection.execute(ask).scalars())


def ended_posts(work: Work, path: str) -> list[list[str]]:
    """Posts of bodies that those now at or below `path` do not belong to any more end: person and post."""
    held, person, body = t.user_post, t.org.alias("person"), t.org.alias("body")
    ask = (
        select(held.c.user, held.c.post, person.c.path, body.c.path.label("body"))
        .join(t.user, t.user.c.id == held.c.user)
        .join(person, person.c.code == t.user.c.org)
        .join(t.post, t.post.c.id == held.c.post)
        .join(body, body.c.code == t.post.c.org)
        .where(under(person.c.path, path))
    )
    gone = [row for row in work.connection.execute(ask).all() if not row.path.startswith(row.body)]
    for row in gone:
        mine = (held.c.user == row.user) & (held.c.post == row.post)
        work.connection.execute(delete(held).where(mine))
    return [[row.user, row.post] for row in gone]

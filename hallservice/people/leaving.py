"""What ends when a person moves to another place or leaves."""

from typing import Any

from sqlalchemy import Connection, Row, delete, select, update

from exchange.store.work import Work
from hallservice.people import tables as t
from hallservice.people.clerk import Clerk


def left_place(work: Work, by: Clerk, person: Row[Any], new: str) -> list[str]:
    """Grants and posts that held for the old place and do not for the new end; the grants that did."""
    for post, path in _posts(work.connection, person.id):
        if not new.startswith(path):
            gone = (t.user_post.c.user == person.id) & (t.user_post.c.post == post)
            work.connection.execute(delete(t.user_post).where(gone))
    held = [(id_, path) for id_, path in _grants(work.connection, person.id) if person.path.startswith(path)]
    ended = [id_ for id_, path in held if not new.startswith(path)]
    revoke_rows(work, by, ended, "调离")
    return ended


def left_for_good(work: Work, by: Clerk, user: str) -> list[str]:
    """Every grant by name, post and membership of a group ends; the grants that did."""
    work.connection.execute(delete(t.user_post).where(t.user_post.c.user == user))
    work.connection.execute(delete(t.group_member).where(t.group_member.c.user == user))
    ended = [id_ for id_, _ in _grants(work.connection, user)]
    revoke_rows(work, by, ended, "离职")
    return ended


def revoke_rows(work: Work, by: Clerk, grants: list[str], reason: str) -> None:
    """The grants end now; `by` without an account is the site itself."""
    values = {"revoked_at": work.now, "revoked_by": by.user or None, "reason": reason}
    for id_ in grants:
        work.connection.execute(update(t.grant).where(t.grant.c.id == id_).values(values))


def _posts(connection: Connection, user: str) -> list[tuple[str, str]]:
    ask = select(t.post.c.id, t.org.c.path).join(t.user_post, t.user_post.c.post == t.post.c.id)
    ask = ask.join(t.org, t.org.c.code == t.post.c.org).where(t.user_post.c.user == user)
    return [(row.id, row.path) for row in connection.execute(ask)]


def _grants(connection: Connection, user: str) -> list[tuple[str, str]]:
    ask = select(t.grant.c.id, t.org.c.path).join(t.org, t.org.c.code == t.grant.c.org)
    ask = ask.where(t.grant.c.user == user, t.grant.c.revoked_at.is_(None))
    return [(row.id, row.path) for row in connection.execute(ask.order_by(t.grant.c.id))]

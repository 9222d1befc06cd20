"""A site without anybody who may grant could never be put right from inside: the last one stays."""

from sqlalchemy import select

from exchange.store.work import Work
from hallservice.people import rights
from hallservice.people import tables as t
from hallservice.people.filtering import holds
from hallservice.people.functions import GRANT
from hallservice.people.options import options
from hallservice.refusals import HallRefused


def expect_one_left(work: Work) -> None:
    """HallRefused last_administrator unless somebody may still grant, and pass that on, at a top."""
    tops = select(t.org.c.path).where(t.org.c.parent.is_(None), t.org.c.active)
    held = options(work.connection, work.now).held
    for path in work.connection.execute(tops).scalars():
        for (user, function), behind in held.items():
            if function == GRANT and holds([one.path for one in behind], path) and _grants(work, user, path):
                return
    raise HallRefused("last_administrator", "至少要保留一名最高管理员")


def _grants(work: Work, user: str, path: str) -> bool:
    status = work.connection.execute(select(t.user.c.status).where(t.user.c.id == user)).scalar()
    held = rights.of_user(work.connection, user, work.now).scopes.get(GRANT, ())
    return status == "active" and holds(held, path)

"""Relations of organisations beside the tree: guided from above, or side by side (S0-22)."""

from sqlalchemy import Connection, delete, insert, select

from exchange.store.work import Work
from hallservice.hall import Hall
from hallservice.people import organisations
from hallservice.people import tables as t
from hallservice.people.clerk import Clerk
from hallservice.people.functions import MANAGE
from hallservice.refusals import FieldFault, FormRefused

RELATIONS = {"subordinate": "业务上级", "parallel": "并列"}


def relate(hall: Hall, clerk: Clerk, org: str, other: str, kind: str) -> None:
    """Beside the tree: `org` is guided by `other` (subordinate), or both stand side by side (parallel)."""
    if kind not in RELATIONS or org == other:
        raise FormRefused([FieldFault("relation", "invalid", "请选择两个不同的机构和一种关系")])

    def act(work: Work) -> None:
        _expect_both(work.connection, clerk, org, other, kind)
        values = {"org": org, "other": other, "kind": kind}
        if not work.connection.execute(select(t.org_relation).filter_by(**values)).first():
            work.connection.execute(insert(t.org_relation), values)
            hall.record(work, clerk, "hall.organisations_related", org, values)

    hall.write(act)


def _expect_both(connection: Connection, clerk: Clerk, org: str, other: str, kind: str) -> None:
    """Who is guided says by whom; two that stand side by side are both within reach."""
    clerk.expect(MANAGE, organisations.get(connection, org).path)
    path = organisations.get(connection, other).path
    if kind == "parallel":
        clerk.expect(MANAGE, path)


def unrelate(hall: Hall, clerk: Clerk, org: str, other: str, kind: str) -> None:
    """The relation is over; of two side by side either may be named first. Nothing happens without one."""

    def act(work: Work) -> None:
        _expect_both(work.connection, clerk, org, other, kind)
        r = t.org_relation.c
        mine = (r.kind == kind) & (r.org == org) & (r.other == other)
        if kind == "parallel":
            mine = mine | ((r.kind == kind) & (r.org == other) & (r.other == org))
        if work.connection.execute(delete(t.org_relation).where(mine)).rowcount:
            hall.record(work, clerk, "hall.organisations_unrelated", org, {"other": other, "kind": kind})

    hall.write(act)

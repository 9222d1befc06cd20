"""Grants: a role for a person, a post or a group over a subtree; only what is held with grant option."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import inf
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from exchange.store.work import Work
from hallservice.hall import Hall
from hallservice.ids import new_id
from hallservice.people import administrators, leaving, organisations, rights, roles, separation
from hallservice.people import tables as t
from hallservice.people.clerk import Clerk
from hallservice.people.filtering import holds
from hallservice.people.functions import GRANT
from hallservice.people.options import mark, under_review
from hallservice.people.roles import Role
from hallservice.refusals import FieldFault, FormRefused, HallRefused

RECEIVERS = {"user": "人员", "post": "岗位", "group": "工作组"}


@dataclass(frozen=True, slots=True)
class Wish:
    """A grant to be given. `begins` None: now; `ends` None: until it is revoked."""

    role: str
    kind: str  # user, post, group
    receiver: str
    org: str
    may_use: bool = True
    may_pass: bool = False
    begins: float | None = None
    ends: float | None = None


@dataclass(frozen=True, slots=True)
class Allowed:
    """A wish that was checked: its role, the subtree, and whom it reaches."""

    role: Role
    path: str
    people: tuple[str, ...]


def grant(hall: Hall, clerk: Clerk, wish: Wish) -> str:
    """Give it; the id of the grant. HallRefused says why not."""
    return hall.write(lambda work: given(hall, work, clerk, wish))


def given(hall: Hall, work: Work, clerk: Clerk, wish: Wish) -> str:
    """As `grant`, within an act."""
    allowed = expect_allowed(work, clerk, wish)
    _expect_new(work, wish)
    id_ = keep(work, wish, clerk.user)
    separation.expect_no_auditor_writes(work, allowed.people)
    if wish.may_pass:
        mark(work)  # what was without anybody behind it may be backed again
    rights.touched(work.connection)
    hall.record(work, clerk, "hall.granted", id_, said(wish))
    return id_


def said(wish: Wish) -> dict[str, Any]:
    """As the ledger commits to it: whole seconds."""
    times = {
        name: None if at is None else int(at) for name, at in (("begins", wish.begins), ("ends", wish.ends))
    }
    return asdict(wish) | times


def keep(work: Work, wish: Wish, by: str | None) -> str:
    """The row of a grant; `by` None is the set-up of the site."""
    row = {
        "id": new_id(work.now), "role": wish.role, "user": None, "post": None, "group": None, "org": wish.org,
        "may_use": wish.may_use, "may_pass": wish.may_pass, "granted_by": by, "granted_at": work.now,
        "begins": work.now if wish.begins is None else wish.begins, "ends": wish.ends,
        wish.kind: wish.receiver,
    }  # fmt: skip
    work.connection.execute(insert(t.grant), row)
    return str(row["id"])


def expect_allowed(work: Work, clerk: Clerk, wish: Wish) -> Allowed:
    """Every rule a grant has to keep; HallRefused or FormRefused names the one that it does not."""
    _expect_form(wish, work.now)
    role = roles.get(work.connection, wish.role)
    path = organisations.get(work.connection, wish.org).path
    roles.expect_granting(work, clerk, path)
    if not role.active or not path.startswith(role.path):
        raise FormRefused(
            [FieldFault("org", "outside_role", f"角色“{role.name}”只能授予{role.org_name}及其下级")]
        )
    if not (role.shared or holds(clerk.scopes.get(GRANT, ()), role.path)):
        raise HallRefused("role_not_shared", f"角色“{role.name}”没有向下共享")
    lasts = roles.expect_options(work, clerk, role.functions, path)
    if (inf if wish.ends is None else wish.ends) > lasts:
        raise FormRefused([FieldFault("ends", "too_long", "授权期限不能超过您自己的再授权期限")])
    return Allowed(role, path, receivers(work.connection, clerk, wish.kind, wish.receiver))


def _expect_form(wish: Wish, now: float) -> None:
    faults = []
    if wish.kind not in RECEIVERS:
        faults.append(FieldFault("kind", "invalid", "请选择人员、岗位或工作组"))
    if not (wish.may_use or wish.may_pass):
        faults.append(FieldFault("may_use", "required", "请至少选择“可使用”或“可再授权”"))
    if wish.ends is not None and wish.ends <= max(now, wish.begins or now):
        faults.append(FieldFault("ends", "invalid", "结束时间要晚于开始时间和现在"))
    if faults:
        raise FormRefused(faults)


_RECEIVERS = {"user": t.user, "post": t.post, "group": t.group}


def receivers(connection: Connection, clerk: Clerk, kind: str, receiver: str) -> tuple[str, ...]:
    """The people a grant to this person, post or group reaches: of the own subtree, and never oneself."""
    table = _RECEIVERS[kind]
    usable = t.user.c.status != "left" if kind == "user" else table.c.active
    ask = select(t.org.c.path).join(table, table.c.org == t.org.c.code).where(table.c.id == receiver, usable)
    path = connection.execute(ask).scalar()
    if path is None:
        raise FormRefused([FieldFault("receiver", "unknown", f"没有这个{RECEIVERS[kind]}")])
    if not clerk.may(GRANT, path):
        raise FormRefused([FieldFault("receiver", "not_allowed", "被授权者不在您的授权范围内")])
    people = members(connection, kind, receiver)
    if clerk.user in people:
        raise HallRefused("own_rights", "不能给自己授权，请由其他管理员办理")
    return people


def members(connection: Connection, kind: str, receiver: str) -> tuple[str, ...]:
    """Who is behind a receiver."""
    if kind == "user":
        return (receiver,)
    table = t.user_post if kind == "post" else t.group_member
    return tuple(connection.execute(select(table.c.user).where(table.c[kind] == receiver)).scalars())


def _expect_new(work: Work, wish: Wish) -> None:
    g = t.grant.c
    same = select(g.id).where(
        g[wish.kind] == wish.receiver, g.role == wish.role, g.org == wish.org, g.revoked_at.is_(None),
        g.ends.is_(None) | (g.ends > work.now), g.may_use == wish.may_use, g.may_pass == wish.may_pass,
    )  # fmt: skip
    if work.connection.execute(same).first():
        raise HallRefused("granted_already", "已有相同的授权")


# -- taking back


def revoke(hall: Hall, clerk: Clerk, grant: str, reason: str, *, cascade: bool = False) -> list[str]:
    """Take a grant back. What nobody stands behind afterwards stays usable and is listed for review, unless
    `cascade` takes it back too or it has not begun. The grants that ended, the asked one first."""

    return hall.write(lambda work: revoked(hall, work, clerk, grant, reason, cascade=cascade))


def revoked(
    hall: Hall, work: Work, clerk: Clerk, grant: str, reason: str, *, cascade: bool = False
) -> list[str]:
    """As `revoke`, within an act."""
    row = _expect_revocable(work, clerk, grant)
    before = under_review(work.connection)
    ended = [row.id]
    leaving.revoke_rows(work, clerk, ended, reason[:200])
    lost = mark(work)
    fresh = [id_ for id_ in lost if id_ not in before]
    ended += [id_ for id_ in fresh if cascade or lost[id_] > work.now]
    leaving.revoke_rows(work, clerk, ended[1:], "上级授权已收回")
    administrators.expect_one_left(work)
    rights.touched(work.connection)
    told = {
        "reason": reason[:200],
        "with": ended[1:],
        "review": [id_ for id_ in fresh if id_ not in ended],
    }
    hall.record(work, clerk, "hall.revoked", row.id, told)
    return ended


def _expect_revocable(work: Work, clerk: Clerk, grant: str) -> Row[Any]:
    """A living grant that the clerk gave, or could give."""
    ask = (
        select(t.grant, t.org.c.path).join(t.org, t.org.c.code == t.grant.c.org).where(t.grant.c.id == grant)
    )
    row = work.connection.execute(ask).one_or_none()
    if row is None or row.revoked_at is not None:
        raise HallRefused("unknown_grant", "没有这项授权，或它已被收回")
    roles.expect_granting(work, clerk, row.path)
    if row.granted_by != clerk.user:
        roles.expect_options(work, clerk, roles.get(work.connection, row.role).functions, row.path)
    return row


def confirm(hall: Hall, clerk: Clerk, grant: str) -> None:
    """Stand behind a grant under review: it is the clerk's own from now on."""

    def act(work: Work) -> None:
        row = _expect_revocable(work, clerk, grant)
        role = roles.get(work.connection, row.role)
        lasts = roles.expect_options(work, clerk, role.functions, row.path)
        if (inf if row.ends is None else row.ends) > lasts:
            raise HallRefused("too_long", "此授权的期限超过您自己的再授权期限")
        kind = next(name for name in RECEIVERS if getattr(row, name))
        receivers(work.connection, clerk, kind, getattr(row, kind))
        values = {"granted_by": clerk.user, "granted_at": work.now}
        work.connection.execute(update(t.grant).where(t.grant.c.id == grant).values(values))
        mark(work)
        rights.touched(work.connection)
        hall.record(work, clerk, "hall.grant_confirmed", grant, {"before": row.granted_by})

    hall.write(act)


def expect_first(connection: Connection, clerk: Clerk) -> Sequence[Row[Any]]:
    """What the set-up gave to the clerk; HallRefused not_first."""
    g = t.grant.c
    mine = (g.user == clerk.user) & g.revoked_at.is_(None) & g.granted_by.is_(None)
    rows = connection.execute(select(t.grant).where(mine)).all()
    if not rows:
        raise HallRefused("not_first", "只有最高管理员可以移交")
    return rows


def hand_over(hall: Hall, clerk: Clerk, successor: str) -> None:
    """What the set-up gave to the clerk goes to another person, who from now on stands behind everything the
    clerk gave. Only so can the first administrator ever leave."""

    def act(work: Work) -> None:
        g, rows = t.grant.c, expect_first(work.connection, clerk)
        people = receivers(work.connection, clerk, "user", successor)
        for row in rows:
            keep(work, Wish(row.role, "user", successor, row.org, row.may_use, row.may_pass), None)
        leaving.revoke_rows(work, clerk, [row.id for row in rows], "移交")
        for table, column in ((t.grant, g.granted_by), (t.role_function, t.role_function.c.added_by)):
            work.connection.execute(update(table).where(column == clerk.user).values({column: successor}))
        separation.expect_no_auditor_writes(work, people)
        administrators.expect_one_left(work)
        mark(work)
        rights.touched(work.connection)
        hall.record(work, clerk, "hall.handed_over", successor, {"grants": [row.id for row in rows]})

    hall.write(act)

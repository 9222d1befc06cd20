"""What lists of people and grants show: filtered by row, by words and by state, a page at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, func, or_, select

from hallservice.people import organisations
from hallservice.people import tables as t
from hallservice.people.accounts import STATUSES
from hallservice.people.clerk import Clerk
from hallservice.people.filtering import under, within
from hallservice.people.functions import GRANT, MANAGE
from hallservice.people.organisations import Org
from hallservice.refusals import FieldFault, FormRefused

STATES = {"living": "生效中", "later": "未生效", "review": "待复核", "over": "已结束"}
Rows = Sequence[Row[Any]]


@dataclass(frozen=True, slots=True)
class Found:
    """One page of a list, and how many rows there are in all."""

    rows: Rows
    total: int


def _paged(connection: Connection, ask: Select[Any], order: Sequence[Any], offset: int, size: int) -> Found:
    total = connection.execute(select(func.count()).select_from(ask.subquery())).scalar_one()
    return Found(connection.execute(ask.order_by(*order).offset(offset).limit(size)).all(), total)


# -- accounts


def users(
    connection: Connection,
    clerk: Clerk,
    wanted: dict[str, str],
    sort: str,
    *,
    down: bool,
    offset: int,
    size: int,
) -> Found:
    """Accounts where the clerk manages people. `wanted`: words, status, org (that organisation and below)."""
    u, o = t.user.c, t.org.c
    ask: Select[Any] = select(
        u.id, u.staff_no, u.name, u.login, u.duty, u.status, u.source, o.path, o.name.label("org_name")
    ).join(t.org, o.code == u.org)
    ask = ask.where(within(o.path, clerk, MANAGE), *_users_wanted(connection, wanted))
    column = {"staff_no": u.staff_no, "name": u.name, "login": u.login, "org": o.path}.get(sort, o.path)
    return _paged(connection, ask, (column.desc() if down else column, u.staff_no), offset, size)


def _users_wanted(connection: Connection, wanted: dict[str, str]) -> list[ColumnElement[bool]]:
    u, found = t.user.c, list[ColumnElement[bool]]()
    if words := wanted.get("words"):
        found.append(_named(u.name, words) | _begins(u.login, words.lower()) | _begins(u.staff_no, words))
    if (status := wanted.get("status")) in STATUSES:
        found.append(u.status == status)
    if code := wanted.get("org"):
        path = connection.execute(select(t.org.c.path).where(t.org.c.code == code)).scalar()
        found.append(under(t.org.c.path, path or "?/"))
    return found


def _named(column: ColumnElement[str], words: str) -> ColumnElement[bool]:
    return column.contains(words, autoescape=True)


def _begins(column: ColumnElement[str], words: str) -> ColumnElement[bool]:
    return column.startswith(words, autoescape=True)


# -- grants


_GRANT: Select[Any] = (
    select(
        t.grant, t.role.c.name.label("role_name"), t.org.c.name.label("org_name"), t.org.c.path,
        func.coalesce(t.user.c.name, t.post.c.name, t.group.c.name).label("receiver"),
    )
    .select_from(t.grant)
    .join(t.role, t.role.c.id == t.grant.c.role)
    .join(t.org, t.org.c.code == t.grant.c.org)
    .outerjoin(t.user, t.user.c.id == t.grant.c.user)
    .outerjoin(t.post, t.post.c.id == t.grant.c.post)
    .outerjoin(t.group, t.group.c.id == t.grant.c.group)
)  # fmt: skip


def grants(
    connection: Connection, clerk: Clerk, wanted: dict[str, str], now: float, *, offset: int, size: int
) -> Found:
    """Grants where the clerk may grant. `wanted`: words (receiver or role), state; usually all not over."""
    ask = _GRANT.where(within(t.org.c.path, clerk, GRANT))
    if words := wanted.get("words"):
        names = (t.user.c.name, t.post.c.name, t.group.c.name, t.role.c.name)
        ask = ask.where(or_(*(_named(name, words) for name in names)))
    ask = ask.where(_in_state(wanted.get("state", ""), now))
    return _paged(connection, ask, (t.grant.c.granted_at.desc(), t.grant.c.id), offset, size)


def _in_state(state: str, now: float) -> ColumnElement[bool]:
    g = t.grant.c
    over = g.revoked_at.is_not(None) | (g.ends.is_not(None) & (g.ends <= now))
    if state == "over":
        return over
    if state == "review":
        return g.review & ~over
    if not state:
        return ~over
    return ~over & (g.begins > now if state == "later" else g.begins <= now)


def grant(connection: Connection, clerk: Clerk, id_: str) -> Row[Any] | None:
    """One grant, if it lies where the clerk may grant."""
    seen = within(t.org.c.path, clerk, GRANT)
    return connection.execute(_GRANT.where(t.grant.c.id == id_, seen)).one_or_none()


def grant_row(connection: Connection, id_: str) -> Row[Any]:
    """One grant that is known to be there."""
    return connection.execute(_GRANT.where(t.grant.c.id == id_)).one()


def grants_of(connection: Connection, kind: str, receiver: str, now: float) -> Rows:
    """The living grants to a person, post or group."""
    mine = t.grant.c[kind] == receiver
    living = ~_in_state("over", now)
    return connection.execute(_GRANT.where(mine, living).order_by(t.role.c.name)).all()


def to_review(connection: Connection, clerk: Clerk) -> int:
    """How many grants wait for somebody to stand behind them."""
    g = t.grant.c
    ask = select(func.count()).select_from(t.grant).join(t.org, t.org.c.code == g.org)
    waiting = g.review & g.revoked_at.is_(None)
    return connection.execute(ask.where(within(t.org.c.path, clerk, GRANT), waiting)).scalar_one()


# -- naming an organisation in a form


def resolved(
    connection: Connection,
    clerk: Clerk,
    function: str,
    given: dict[str, object],
    field: str,
    others: Sequence[FieldFault],
) -> dict[str, object]:
    """The form with the organisation's code in that field; what else is wrong is said along with it."""
    try:
        code = resolve(connection, clerk, function, str(given.get(field, "")), field)
    except FormRefused as refusal:
        raise FormRefused([*(one for one in others if one.field != field), *refusal.faults]) from None
    return given | {field: code}


def choices(connection: Connection, clerk: Clerk, function: str, most: int = 300) -> list[Org]:
    """Organisations to pick from where the clerk holds the function, without villages and closed ones."""
    c = t.org.c
    ask = select(c.code).where(within(c.path, clerk, function), c.active, ~_village())
    codes = connection.execute(ask.order_by(c.path).limit(most)).scalars().all()
    return [organisations.get(connection, code) for code in codes]


def _village() -> ColumnElement[bool]:
    return (t.org.c.kind == "division") & ~t.org.c.region.endswith("000")


def resolve(connection: Connection, clerk: Clerk, function: str, text: str, field: str = "org") -> str:
    """The code of an organisation named by its code or by a name only one in reach has; FormRefused."""
    c, text = t.org.c, text.strip()
    if not text:
        raise FormRefused([FieldFault(field, "required", "请填写机构编码或名称")])
    ask = select(c.code).where(within(c.path, clerk, function), c.active)
    found = connection.execute(ask.where((c.code == text) | (c.name == text)).limit(3)).scalars().all()
    if text in found:
        return text
    if len(found) != 1:
        said = "有几个机构叫这个名称，请填写编码" if found else "您的管理范围内没有这个机构"
        raise FormRefused([FieldFault(field, "unknown", said)])
    return str(found[0])


def names(connection: Connection, paths: Sequence[str]) -> str:
    """Organisations of these paths by name: 梅江区、梅县区."""
    ask = select(t.org.c.name).where(t.org.c.path.in_(paths)).order_by(t.org.c.path)
    return "、".join(connection.execute(ask).scalars())


def managed_above(connection: Connection, clerk: Clerk, path: str) -> list[Org]:
    """The organisation and those above it, as far as the clerk manages them."""
    line = organisations.above(connection, path)
    return [one for one in line if clerk.may(MANAGE, one.path)]

"""Alarms of the sign-in: that somebody guesses, for whoever manages the accounts or audits."""

from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, or_, select, true, update

from exchange.store.work import Work
from hallservice.hall import Hall
from hallservice.people import attempts, organisations
from hallservice.people import tables as t
from hallservice.people.clerk import Clerk
from hallservice.people.filtering import within
from hallservice.people.functions import AUDIT, MANAGE
from hallservice.people.lists import Found
from hallservice.refusals import HallRefused

KINDS = {
    "login": "从多处反复试错一个登录名",
    "client": "从一个网络地址反复试错",
    "device": "在登录过的浏览器上反复试错",
}
BOTH = (MANAGE, AUDIT)


def listed(connection: Connection, clerk: Clerk, *, offset: int, size: int) -> Found:
    """Those about accounts the clerk manages or audits; about nobody's, for who does so everywhere."""
    a, seen = t.alarm.c, t.user.alias()
    columns = (a.id, a.at, a.kind, a.user, a.client, a.seen_at, t.user.c.name, t.user.c.login, t.org.c.path)
    ask = _within(connection, clerk, BOTH, *columns, seen.c.name.label("seen_name"))
    ask = ask.outerjoin(seen, seen.c.id == a.seen_by).order_by(a.at.desc(), a.id.desc())
    total = connection.execute(_within(connection, clerk, BOTH, func.count())).scalar_one()
    return Found(connection.execute(ask.offset(offset).limit(size)).all(), total)


def waiting(connection: Connection, clerk: Clerk) -> int:
    """How many nobody has looked into."""
    ask = _within(connection, clerk, (MANAGE,), func.count()).where(t.alarm.c.seen_at.is_(None))
    return int(connection.execute(ask).scalar_one())


def _within(connection: Connection, clerk: Clerk, functions: tuple[str, ...], *columns: Any) -> Select[Any]:
    about = t.alarm.outerjoin(t.user, t.user.c.id == t.alarm.c.user)
    about = about.outerjoin(t.org, t.org.c.code == t.user.c.org)
    reach = (_reach(connection, clerk, function) for function in functions)
    return select(*columns).select_from(about).where(or_(*reach))


def _reach(connection: Connection, clerk: Clerk, function: str) -> ColumnElement[bool]:
    tops = organisations.children(connection, None, closed=True)
    everywhere = all(clerk.may(function, top.path) for top in tops)
    return true() if everywhere else within(t.org.c.path, clerk, function)


def look_into(hall: Hall, clerk: Clerk, id_: str) -> None:
    """Somebody has, and a locked address is open again; HallRefused not_found, wrong_state."""

    def act(work: Work) -> None:
        ask = _within(work.connection, clerk, (MANAGE,), t.alarm)
        row = work.connection.execute(ask.where(t.alarm.c.id == id_)).one_or_none()
        if row is None:
            raise HallRefused("not_found", "没有这条告警，或它不在您的管理范围内")
        if row.seen_at is not None:
            raise HallRefused("wrong_state", "这条告警已经核实过")
        values = {"seen_at": work.now, "seen_by": clerk.user}
        work.connection.execute(update(t.alarm).where(t.alarm.c.id == id_).values(values))
        if row.kind == "client":
            attempts.open_address(hall, work, row.client)
        said = {"alarm": id_, "what": row.kind, "client": row.client}
        hall.record(work, clerk, "hall.sign_in_alarm_seen", row.user or "unknown", said)

    hall.write(act)

"""Accounts of staff: made, changed, moved. Each act is a line in the ledger."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from canonical.errors import ValueRefused
from canonical.values import MobileNumber
from exchange.store.work import Work
from hallservice.hall import Hall
from hallservice.ids import new_id
from hallservice.people import administrators, organisations, passwords, policies, rights
from hallservice.people import tables as t
from hallservice.people.clerk import Clerk
from hallservice.people.fields import line, wrong
from hallservice.people.filtering import within
from hallservice.people.functions import GRANT, MANAGE
from hallservice.people.leaving import left_place
from hallservice.people.options import mark
from hallservice.refusals import FieldFault, FormRefused, HallRefused

STATUSES = {"active": "在用", "locked": "已锁定", "left": "已离职"}
NAMES = re.compile(r"[a-z0-9][a-z0-9._-]{2,63}", re.ASCII)
_TEXTS = {"staff_no": 40, "name": 50, "org": 40, "duty": 50, "mobile": 11, "login": 64}
_OWN = ("staff_no", "name", "org", "login", "duty")  # what the ledger knows somebody by
_REQUIRED = {"staff_no": "请填写工号", "name": "请填写姓名", "org": "请选择所属机构", "login": "请填写登录名"}


@dataclass(frozen=True, slots=True)
class UserRow:
    """One member of staff as he or she is to be."""

    staff_no: str
    name: str
    org: str
    login: str
    duty: str = ""
    mobile: str = ""
    source: str = ""
    source_id: str = ""
    level: str = "unverified"


def read(given: Mapping[str, object]) -> tuple[UserRow | None, list[FieldFault]]:
    """The row, or what is wrong with it field by field."""
    faults: list[FieldFault] = []
    text = {name: line(given, name, faults, most) for name, most in _TEXTS.items()}
    text["login"] = text["login"].lower()
    faults += [FieldFault(name, "required", said) for name, said in _REQUIRED.items() if not text[name]]
    if text["login"] and not NAMES.fullmatch(text["login"]):
        faults.append(wrong("login", "登录名用 3 到 64 个小写字母、数字、点、短横或下划线"))
    if text["mobile"] and not _mobile(text["mobile"]):
        faults.append(wrong("mobile", "手机号是 11 位数字"))
    return (None, faults) if faults else (UserRow(**text), [])


def _mobile(text: str) -> bool:
    try:
        MobileNumber(text)
    except ValueRefused:
        return False
    return True


def login_of(text: str) -> str:
    """The login another system means; '' where it can be none here. Only ASCII letters have a small form that
    is nobody else's: a Kelvin sign becomes a k."""
    login = text.lower() if text.isascii() else ""
    return login if NAMES.fullmatch(login) else ""


def get(connection: Connection, user: str) -> Row[Any]:
    """The account with the path and name of its organisation; HallRefused unknown_user."""
    row = connection.execute(_PERSON.where(t.user.c.id == user)).one_or_none()
    if row is None:
        raise HallRefused("unknown_user", "没有这个账号")
    return row


_PERSON = select(t.user, t.org.c.path, t.org.c.name.label("org_name")).join(
    t.org, t.org.c.code == t.user.c.org
)


def search(
    connection: Connection, clerk: Clerk, words: str = "", status: str = "", offset: int = 0, most: int = 50
) -> list[Row[Any]]:
    """Accounts where the clerk manages people, by a part of name, login or staff number."""
    seen = within(t.org.c.path, clerk, MANAGE)
    c, ask = t.user.c, _PERSON.where(seen)
    if words:
        ask = ask.where(
            c.name.contains(words, autoescape=True)
            | c.login.startswith(words, autoescape=True)
            | c.staff_no.startswith(words, autoescape=True)
        )
    ask = ask.where(c.status == status) if status else ask
    return list(connection.execute(ask.order_by(t.org.c.path, c.staff_no).offset(offset).limit(most)))


# -- changing


def create(hall: Hall, clerk: Clerk, given: Mapping[str, object]) -> tuple[str, str]:
    """A new account from a form; its id and a one-time password to be handed over."""
    row, faults = read(given)
    if row is None:
        raise FormRefused(faults)
    secret = passwords.one_time()
    kept = passwords.hashed(hall.settings.accounts, secret)

    def act(work: Work) -> str:
        _expect_org(work.connection, clerk, row.org)
        return add(hall, work, clerk, row, kept, one_time=True)

    return hall.write(act), secret


def add(
    hall: Hall, work: Work, by: Clerk, row: UserRow, kept: str | None = None, *, one_time: bool = False
) -> str:
    """A new account; without a password only single sign-on opens it. FormRefused: something is taken."""
    place = organisations.get(work.connection, row.org)
    faults = _taken(work.connection, row, None)
    if not place.active:
        faults.append(FieldFault("org", "closed", "这个机构已停用"))
    if faults:
        raise FormRefused(faults)
    _know_duty(work, row.duty)
    id_ = new_id(work.now)
    values = _columns(row, place.region, work.now) | {
        "id": id_, "status": "active", "password": kept, "password_at": work.now if kept else None,
        "must_change": one_time, "one_time_until": until(hall, work) if one_time else None,
        "source": row.source, "source_id": row.source_id or None,
    }  # fmt: skip
    work.connection.execute(insert(t.user), values)
    hall.record(work, by, "hall.user_added", id_, {"row": _said(row), "one_time": one_time})
    return id_


def _columns(row: UserRow, region: str, now: float) -> dict[str, Any]:
    return {
        "staff_no": row.staff_no, "name": row.name, "org": row.org, "region": region, "login": row.login,
        "duty": row.duty or None, "mobile": row.mobile or None, "level": row.level, "changed_at": now,
    }  # fmt: skip


def _said(row: UserRow) -> dict[str, str]:
    return {name: getattr(row, name) for name in UserRow.__slots__}


def until(hall: Hall, work: Work) -> float:
    return work.now + policies.settings(hall, work.connection).accounts.one_time_hours * 3600


def _taken(connection: Connection, row: UserRow, own: str | None) -> list[FieldFault]:
    """Login and staff number are one person's."""
    faults = []
    for name, said in (("login", "登录名"), ("staff_no", "工号")):
        ask = select(t.user.c.id).where(t.user.c[name] == getattr(row, name))
        found = connection.execute(ask).scalar()
        if found is not None and found != own:
            faults.append(FieldFault(name, "taken", f"{said}已被使用"))
    return faults


def _known_by_number(connection: Connection, row: UserRow, old: Row[Any]) -> list[FieldFault]:
    """Acts and duties kept apart know a person by the staff number: whoever has acted keeps it."""
    if row.staff_no == old.staff_no:
        return []
    acted = connection.execute(select(t.hand.c.user).where(t.hand.c.user == old.id).limit(1)).first()
    said = "此人已办理过业务，工号不能再改"
    return [FieldFault("staff_no", "in_use", said)] if acted else []


def _know_duty(work: Work, name: str, before: str | None = None) -> None:
    """A duty that was not known is known from now on; one that is closed is given to nobody any more."""
    if not name or name == before:
        return
    active = work.connection.execute(select(t.duty.c.active).where(t.duty.c.name == name)).scalar()
    if active is None:
        work.connection.execute(insert(t.duty), {"name": name, "rank": 0, "active": True})
    elif not active:
        raise FormRefused([FieldFault("duty", "closed", "这个职务已停用")])


def _expect_org(connection: Connection, clerk: Clerk, org: str) -> None:
    path = connection.execute(select(t.org.c.path).where(t.org.c.code == org)).scalar()
    if path is None:
        raise FormRefused([FieldFault("org", "unknown", "没有这个机构")])
    if not clerk.may(MANAGE, path):
        raise FormRefused([FieldFault("org", "not_allowed", "这个机构不在您的管理范围内")])


def expect_over(work: Work, clerk: Clerk, user: str) -> Row[Any]:
    """An account the clerk may manage: its own place, and every place it has rights for, lie within reach.

    Who can reset a password can act as that person: nobody gets beyond the own subtree that way, and nobody
    who does not grant rights gets at those of an administrator or an auditor.
    """
    row = get(work.connection, user)
    clerk.expect(MANAGE, row.path)
    held = rights.places(work.connection, user, work.now)
    if user != clerk.user and not all(_within_reach(clerk, place) for place in held):
        raise HallRefused("beyond_reach", "此账号的权限超出您的管理范围，请由上级管理员办理")
    return row


def _within_reach(clerk: Clerk, place: rights.Place) -> bool:
    needed = (MANAGE, GRANT) if place.governs else (MANAGE,)
    return all(clerk.may(function, place.path) for function in needed)


def change(hall: Hall, clerk: Clerk, user: str, given: Mapping[str, object]) -> list[str]:
    """Change an account from a form. Who moves to another place loses what held for the old one: the grants
    that ended are given back."""
    row, faults = read(given)
    if row is None:
        raise FormRefused(faults)

    def act(work: Work) -> list[str]:
        old = expect_over(work, clerk, user)
        if user == clerk.user and any((getattr(old, name) or "") != getattr(row, name) for name in _OWN):
            raise HallRefused("own_account", "自己的账号只能改手机号，其他内容请由其他管理员修改")
        _expect_org(work.connection, clerk, row.org)
        return amend(hall, work, clerk, old, row)

    return hall.write(act)


def amend(hall: Hall, work: Work, by: Clerk, old: Row[Any], row: UserRow) -> list[str]:
    """The account as `row` says."""
    faults = _taken(work.connection, row, old.id) + _known_by_number(work.connection, row, old)
    if faults:
        raise FormRefused(faults)
    _know_duty(work, row.duty, old.duty)
    place = organisations.get(work.connection, row.org)
    values = _columns(row, place.region, work.now)
    if not row.source:
        values.pop("level")  # only the identity directory knows it
    work.connection.execute(update(t.user).where(t.user.c.id == old.id).values(values))
    ended = left_place(work, by, old, place.path) if row.org != old.org else []
    if ended:
        administrators.expect_one_left(work)
        mark(work)
    mark(work)
    rights.touched(work.connection)
    hall.record(work, by, "hall.user_changed", old.id, {"row": _said(row), "ended": ended})
    return ended

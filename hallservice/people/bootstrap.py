"""The first administrator of a site: one account, a one-time password, every right to be passed on."""

import tomllib
from importlib.resources import files

from sqlalchemy import insert, select

from exchange.store.work import Work
from hallservice.hall import Hall
from hallservice.ids import new_id
from hallservice.people import credentials, devices, grants, passwords, rights, sessions
from hallservice.people import tables as t
from hallservice.people.accounts import NAMES, UserRow, add
from hallservice.people.divisions import CITY, own_code, seed_divisions
from hallservice.people.functions import GRANT, MANAGE, functions
from hallservice.people.grants import Wish
from hallservice.people.system import SYSTEM
from hallservice.refusals import HallRefused

LOGIN = "admin"


def bootstrap(hall: Hall, work: Work, one_time_password: str, login: str = LOGIN) -> str:
    """The first administrator's account id. Again, while nobody has ever chosen a password: a fresh one-time
    password for the same account, of which no earlier one is good any more; for another login, or afterwards,
    HallRefused set_up_already."""
    kept = passwords.hashed(hall.settings.accounts, one_time_password)
    if work.connection.execute(select(t.password_old.c.id).limit(1)).first():
        raise HallRefused("set_up_already", "系统已启用，请由管理员重置密码")
    first = work.connection.execute(_FIRST).first()
    if first is None:
        return _first(hall, work, login, kept)
    if first.login != login:
        raise HallRefused("set_up_already", f"最高管理员的账号已建立，登录名是 {first.login}")
    credentials.give_one_time(hall, work, first.id, kept)
    devices.forget(work, first.id)
    sessions.close_all(hall, work, SYSTEM, first.id, "set up again")
    hall.record(work, SYSTEM, "hall.set_up", first.id, {"again": True})
    return str(first.id)


# Whom the set-up made an administrator.
_FIRST = (
    select(t.user.c.id, t.user.c.login)
    .join(t.grant, t.grant.c.user == t.user.c.id)
    .where(t.grant.c.granted_by.is_(None), t.grant.c.revoked_at.is_(None))
)


def _first(hall: Hall, work: Work, login: str, kept: str) -> str:
    if not NAMES.fullmatch(login):
        raise HallRefused("bad_login", "登录名用 3 到 64 个小写字母、数字、点、短横或下划线", login)
    top = own_code(CITY)
    if not work.connection.execute(select(t.org.c.code).where(t.org.c.code == top)).first():
        seed_divisions(hall, work, SYSTEM, ())
    user = add(hall, work, SYSTEM, UserRow(login, "系统管理员", top, login), kept, one_time=True)
    manages = _role(work, top, "最高管理", (MANAGE, GRANT), shared=False)
    passes = _role(work, top, "全部功能再授权", tuple(functions()), shared=False)
    grants.keep(work, Wish(manages, "user", user, top, may_use=True, may_pass=True), None)
    grants.keep(work, Wish(passes, "user", user, top, may_use=False, may_pass=True), None)
    for row in tomllib.loads((files("hallservice.people") / "roles.toml").read_text("utf-8"))["role"]:
        _role(work, top, row["name"], tuple(row["functions"]), shared=True)
    rights.touched(work.connection)
    hall.record(work, SYSTEM, "hall.set_up", user, {"again": False})
    return user


def _role(work: Work, org: str, name: str, held: tuple[str, ...], *, shared: bool) -> str:
    id_ = new_id(work.now)
    row = {"id": id_, "org": org, "name": name, "note": "", "shared": shared, "active": True}
    work.connection.execute(insert(t.role), row)
    for code in held:
        row_ = {"role": id_, "function": code, "added_by": None, "added_at": work.now}
        work.connection.execute(insert(t.role_function), row_)
    return id_

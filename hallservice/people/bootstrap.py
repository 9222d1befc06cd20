"""The first administrator of a site: one account, a one-time password, every right to be passed on."""

import tomllib
from importlib.resources import files

from sqlalchemy import insert, select

from exchange.store.work import Work
from hallservice.hall import Hall
from hallservice.ids import new_id
from hallservice.people import credentials, grants, passwords, rights
from hallservice.people import tables as t
from hallservice.people.accounts import UserRow, add
from hallservice.people.divisions import CITY, own_code, seed_divisions
from hallservice.people.functions import GRANT, MANAGE, functions
from hallservice.people.grants import Wish
from hallservice.people.system import SYSTEM
from hallservice.refusals import HallRefused

LOGIN = "admin"


def bootstrap(hall: Hall, work: Work, one_time_password: str, login: str = LOGIN) -> str:
    """The first administrator's account id. Again, while nobody has ever chosen a password: a fresh one-time
    password for the same account; afterwards HallRefused set_up_already."""
    kept = passwords.hashed(hall.settings.accounts, one_time_password)
    if work.connection.execute(select(t.password_old.c.id).limit(1)).first():
        raise HallRefused("set_up_already", "系统已启用，请由管理员重置密码")
    found = work.connection.execute(select(t.user.c.id).where(t.user.c.login == login)).scalar()
    if found is not None:
        credentials.give_one_time(hall, work, found, kept)
        hall.record(work, SYSTEM, "hall.set_up", found, {"again": True})
        return str(found)
    return _first(hall, work, login, kept)


def _first(hall: Hall, work: Work, login: str, kept: str) -> str:
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

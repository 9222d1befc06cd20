"""Posts, duties, work groups and windows: what a person has in an organisation beside the account.

Who is put into a post or a group gets what was granted to it: that takes the same right as granting it.
"""

from math import inf
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table, delete, func, insert, select, update

from exchange.store.work import Work
from hallservice.hall import Hall
from hallservice.ids import new_id
from hallservice.people import accounts, administrators, organisations, rights, roles, separation
from hallservice.people import tables as t
from hallservice.people.clerk import Clerk
from hallservice.people.fields import line
from hallservice.people.filtering import within
from hallservice.people.functions import MANAGE
from hallservice.people.options import mark
from hallservice.people.orgforms import CODE
from hallservice.refusals import FieldFault, FormRefused, HallRefused

LISTS = {"post": t.user_post, "group": t.group_member}
OF = {"post": t.post, "group": t.group}
WORDS = {"post": "岗位", "group": "工作组"}


def save_post(hall: Hall, clerk: Clerk, org: str, code: str, name: str, post: str | None = None) -> str:
    """A post of an organisation; `code` is what steps of a process ask for."""
    text, faults = _texts({"code": (code, 40, "请填写岗位编码"), "name": (name, 50, "请填写岗位名称")})
    if text["code"] and not CODE.fullmatch(text["code"]):
        faults.append(FieldFault("code", "invalid", "岗位编码只能用字母、数字、点和短横"))
    return _save(hall, clerk, t.post, ("org", org), text, faults, "code", post)


def save_group(hall: Hall, clerk: Clerk, org: str, name: str, group: str | None = None) -> str:
    """A work group of an organisation; its members may work elsewhere within the clerk's reach."""
    text, faults = _texts({"name": (name, 50, "请填写工作组名称")})
    return _save(hall, clerk, t.group, ("org", org), text, faults, "name", group)


def save_window(
    hall: Hall, clerk: Clerk, site: str, number: str, name: str = "", window: str | None = None
) -> str:
    """A window of a hall or a service point."""
    text, faults = _texts({"number": (number, 20, "请填写窗口号"), "name": (name, 50, "")})
    return _save(hall, clerk, t.window, ("site", site), text, faults, "number", window)


def save_duty(hall: Hall, clerk: Clerk, name: str, rank: int = 0, *, active: bool = True) -> None:
    """A duty (职务) that may be given to staff: whoever manages people anywhere may add one; the list is
    everybody's, so only who manages everywhere changes its order or closes one."""
    text, faults = _texts({"name": (name, 50, "请填写职务名称")})
    if faults:
        raise FormRefused(faults)

    def act(work: Work) -> None:
        clerk.expect(MANAGE)
        values, mine = {"rank": rank, "active": active}, t.duty.c.name == text["name"]
        if work.connection.execute(select(t.duty.c.name).where(mine)).first() is None:
            work.connection.execute(insert(t.duty), {"name": text["name"], **values})
        else:
            organisations.expect_everywhere(work.connection, clerk)
            work.connection.execute(update(t.duty).where(mine).values(values))
        hall.record(work, clerk, "hall.duty_saved", text["name"], values)

    hall.write(act)


def _texts(given: dict[str, tuple[str, int, str]]) -> tuple[dict[str, str], list[FieldFault]]:
    """Fields with their longest length and what is said when one is empty ('' where it may be)."""
    faults: list[FieldFault] = []
    values = {name: value for name, (value, _, _) in given.items()}
    text = {name: line(values, name, faults, most) for name, (_, most, _) in given.items()}
    faults += [
        FieldFault(name, "required", said) for name, (_, _, said) in given.items() if said and not text[name]
    ]
    return text, faults


def _save(
    hall: Hall, clerk: Clerk, table: Table, place: tuple[str, str], text: dict[str, str],
    faults: list[FieldFault], key: str, id_: str | None,
) -> str:  # fmt: skip
    if faults:
        raise FormRefused(faults)
    column, org = place

    def act(work: Work) -> str:
        clerk.expect(MANAGE, organisations.get(work.connection, org).path)
        same = select(table.c.id).where(table.c[column] == org, table.c[key] == text[key])
        if work.connection.execute(same).scalar() not in (None, id_):
            raise FormRefused([FieldFault(key, "taken", "这个机构已有相同的一项")])
        known = id_ or new_id(work.now)
        if table is t.post and id_ is not None:
            _expect_not_own(work, clerk, id_, text["code"])
        if id_ is None:
            work.connection.execute(insert(table), {"id": known, column: org, "active": True, **text})
        else:
            mine = (table.c.id == id_) & (table.c[column] == org)
            if not work.connection.execute(update(table).where(mine).values(text)).rowcount:
                raise HallRefused("unknown_entry", "没有这一项")
        rights.touched(work.connection)
        hall.record(work, clerk, f"hall.{table.name[5:]}_saved", known, {column: org, **text})
        return known

    return hall.write(act)


def _expect_not_own(work: Work, clerk: Clerk, post: str, code: str) -> None:
    """The code of a post is what steps ask for: nobody makes another one of a post held by himself."""
    held = select(t.post.c.code).join(t.user_post, t.user_post.c.post == t.post.c.id)
    mine = held.where(t.post.c.id == post, t.user_post.c.user == clerk.user)
    if work.connection.execute(mine).scalar() not in (None, code):
        raise HallRefused("own_rights", "您自己担任这个岗位，岗位编码请由其他管理员修改")


def close(hall: Hall, clerk: Clerk, kind: str, id_: str) -> None:
    """A post, group or window is not used any more: what was granted to it holds for nobody."""
    table = {**OF, "window": t.window}.get(kind)
    if table is None:
        raise HallRefused("unknown_entry", "没有这一项")

    def act(work: Work) -> None:
        clerk.expect(MANAGE, _path(work.connection, table, id_))
        if kind in LISTS:
            _expect_ending(work, clerk, kind, id_)
        work.connection.execute(update(table).where(table.c.id == id_).values(active=False))
        if kind == "window":
            work.connection.execute(delete(t.window_binding).where(t.window_binding.c.window == id_))
        administrators.expect_one_left(work)
        mark(work)
        rights.touched(work.connection)
        hall.record(work, clerk, f"hall.{kind}_closed", id_, {})

    hall.write(act)


def _path(connection: Connection, table: Table, id_: str) -> str:
    place = table.c.site if "site" in table.c else table.c.org
    ask = select(t.org.c.path).join(table, place == t.org.c.code).where(table.c.id == id_)
    path: str | None = connection.execute(ask).scalar()
    if path is None:
        raise HallRefused("unknown_entry", "没有这一项")
    return path


# -- who is in it


def put_in(hall: Hall, clerk: Clerk, kind: str, id_: str, user: str) -> None:
    """Give a post to a person, or take a person into a group."""

    def act(work: Work) -> None:
        person = accounts.get(work.connection, user)
        _expect_free(work, clerk, kind, id_, person)
        for row in _granted(work, kind, id_):
            _expect_granting(work, clerk, row)
        values = {"user": user, kind: id_}
        if not work.connection.execute(select(LISTS[kind]).filter_by(**values)).first():
            work.connection.execute(insert(LISTS[kind]), values)
            mark(work)
        separation.expect_no_auditor_writes(work, [user])
        rights.touched(work.connection)
        hall.record(work, clerk, f"hall.{kind}_given", user, values)

    hall.write(act)


def _expect_ending(work: Work, clerk: Clerk, kind: str, id_: str) -> None:
    """Whoever grants nothing ends no rights of administrators or auditors either; HallRefused not_allowed."""
    for row in _granted(work, kind, id_):
        if row.may_pass or rights.GOVERNING.intersection(roles.get(work.connection, row.role).functions):
            roles.expect_granting(work, clerk, row.path)


def _expect_granting(work: Work, clerk: Clerk, row: Row[Any]) -> None:
    """What was granted to the post or group, the clerk could grant: as much and as long."""
    roles.expect_granting(work, clerk, row.path)
    lasts = roles.expect_options(work, clerk, roles.get(work.connection, row.role).functions, row.path)
    if (inf if row.ends is None else row.ends) > lasts:
        raise HallRefused("too_long", "授予它的权限比您自己的再授权期限更长，请由上级管理员办理")


def _expect_free(work: Work, clerk: Clerk, kind: str, id_: str, person: Row[Any]) -> None:
    """Both are within reach, the post is of the person's body, and it is somebody else's."""
    path = _path(work.connection, OF[kind], id_)
    clerk.expect(MANAGE, path)
    clerk.expect(MANAGE, person.path)
    if person.id == clerk.user:
        raise HallRefused("own_rights", "不能给自己安排岗位或工作组，请由其他管理员办理")
    if person.status == "left":
        raise HallRefused("wrong_state", "此人已离职")
    if kind == "post" and not person.path.startswith(path):
        raise HallRefused("other_body", "岗位只能安排给本机构及其科室的人员")


def _granted(work: Work, kind: str, id_: str) -> list[Row[Any]]:
    """The living grants to the post or group."""
    g = t.grant.c
    living: ColumnElement[bool] = g.revoked_at.is_(None) & (g.ends.is_(None) | (g.ends > work.now))
    ask = select(g.role, g.ends, g.may_pass, t.org.c.path).join(t.org, t.org.c.code == g.org)
    return list(work.connection.execute(ask.where(g[kind] == id_, living)))


def take_out(hall: Hall, clerk: Clerk, kind: str, id_: str, user: str) -> None:
    """The person has the post, or is in the group, no longer."""

    def act(work: Work) -> None:
        clerk.expect(MANAGE, _path(work.connection, OF[kind], id_))
        _expect_ending(work, clerk, kind, id_)
        gone = (LISTS[kind].c[kind] == id_) & (LISTS[kind].c.user == user)
        if work.connection.execute(delete(LISTS[kind]).where(gone)).rowcount:
            administrators.expect_one_left(work)
            mark(work)
            rights.touched(work.connection)
            hall.record(work, clerk, f"hall.{kind}_taken", user, {kind: id_})

    hall.write(act)


def entry(connection: Connection, clerk: Clerk, kind: str, id_: str) -> Row[Any]:
    """One post, group or window in use, with the name of its organisation; HallRefused unknown_entry."""
    table = {**OF, "window": t.window}.get(kind)
    if table is None:
        raise HallRefused("unknown_entry", "没有这一项")
    clerk.expect(MANAGE, _path(connection, table, id_))
    place = table.c.site if kind == "window" else table.c.org
    ask = select(table, t.org.c.name.label("org_name"), t.org.c.code.label("org_code"), t.org.c.path)
    found = ask.join(t.org, t.org.c.code == place).where(table.c.id == id_, table.c.active)
    row: Row[Any] | None = connection.execute(found).one_or_none()
    if row is None:
        raise HallRefused("unknown_entry", "这一项已停用")
    return row


def members(connection: Connection, kind: str, id_: str) -> list[Row[Any]]:
    """Who has the post or is in the group, by organisation and name."""
    listed = LISTS[kind]
    ask = select(t.user.c.id, t.user.c.name, t.user.c.staff_no, t.org.c.name.label("org_name"), t.org.c.path)
    ask = ask.join(listed, listed.c.user == t.user.c.id).join(t.org, t.org.c.code == t.user.c.org)
    order = (t.org.c.path, t.user.c.name, t.user.c.id)
    return list(connection.execute(ask.where(listed.c[kind] == id_).order_by(*order)))


def person(connection: Connection, clerk: Clerk, text: str) -> str:
    """The account of a login or staff number within reach; FormRefused person."""
    u, said = t.user.c, text.strip()
    seen = within(t.org.c.path, clerk, MANAGE)
    ask = select(u.id).join(t.org, t.org.c.code == u.org)
    named = (u.login == said.lower()) | (u.staff_no == said)
    found = connection.execute(ask.where(seen, named, u.status != "left").limit(2)).scalars().all()
    if len(found) != 1:
        wrong = "您的管理范围内没有这个登录名或工号" if said else "请填写登录名或工号"
        raise FormRefused([FieldFault("person", "unknown", wrong)])
    return str(found[0])


def duties(connection: Connection, clerk: Clerk) -> list[Row[Any]]:
    """Every duty by rank, with how many staff within reach have it."""
    d, seen = t.duty.c, within(t.org.c.path, clerk, MANAGE)
    many = (
        select(func.count())
        .select_from(t.user.join(t.org, t.org.c.code == t.user.c.org))
        .where(t.user.c.duty == d.name, t.user.c.status != "left", seen)
        .scalar_subquery()
    )
    ask = select(d.name, d.rank, d.active, many.label("many"))
    return list(connection.execute(ask.order_by(d.active.desc(), d.rank, d.name)))


def of_org(connection: Connection, kind: str, org: str) -> list[Row[Any]]:
    """The posts, groups or windows in use of an organisation."""
    table = {**OF, "window": t.window}[kind]
    place = table.c.site if kind == "window" else table.c.org
    order = {"post": "code", "group": "name", "window": "number"}[kind]
    return list(
        connection.execute(select(table).where(place == org, table.c.active).order_by(table.c[order]))
    )


def of_user(connection: Connection, kind: str, user: str) -> list[Row[Any]]:
    """The posts or groups of a person."""
    table, listed = OF[kind], LISTS[kind]
    ask = select(table, t.org.c.name.label("org_name")).join(listed, listed.c[kind] == table.c.id)
    ask = ask.join(t.org, t.org.c.code == table.c.org).where(listed.c.user == user, table.c.active)
    return list(connection.execute(ask.order_by(table.c.name)))

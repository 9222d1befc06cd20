"""Roles: named sets of functions, owned by an organisation, granted there and below."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from exchange.store.work import Work
from hallservice.hall import Hall
from hallservice.ids import new_id
from hallservice.people import administrators, organisations, rights, separation
from hallservice.people import tables as t
from hallservice.people.clerk import Clerk
from hallservice.people.fields import line
from hallservice.people.filtering import holds
from hallservice.people.functions import GRANT, functions, label
from hallservice.people.options import mark, options
from hallservice.refusals import FieldFault, FormRefused, HallRefused


@dataclass(frozen=True, slots=True)
class Role:
    """One role with what it holds."""

    id: str
    org: str
    org_name: str
    path: str
    name: str
    note: str
    shared: bool
    active: bool
    functions: tuple[str, ...]


_ROLE = select(t.role, t.org.c.path, t.org.c.name.label("org_name")).join(t.org, t.org.c.code == t.role.c.org)


def get(connection: Connection, role: str) -> Role:
    """HallRefused unknown_role."""
    row = connection.execute(_ROLE.where(t.role.c.id == role)).one_or_none()
    if row is None:
        raise HallRefused("unknown_role", "没有这个角色")
    return _role(connection, row)


def usable(connection: Connection, clerk: Clerk) -> list[Role]:
    """The roles the clerk may grant: of the own subtree, and those shared from above."""
    rows = connection.execute(_ROLE.where(t.role.c.active).order_by(t.org.c.path, t.role.c.name)).all()
    return [_role(connection, row) for row in rows if sees(clerk, row.path, row.shared)]


def sees(clerk: Clerk, path: str, shared: bool) -> bool:
    """A role of an organisation in reach, or one shared by an organisation above."""
    reach = clerk.scopes.get(GRANT, ())
    return holds(reach, path) or (shared and any(top.startswith(path) for top in reach))


def _role(connection: Connection, row: Row[Any]) -> Role:
    held = select(t.role_function.c.function).where(t.role_function.c.role == row.id)
    known = set(connection.execute(held).scalars())
    ordered = tuple(code for code in functions() if code in known)
    return Role(row.id, row.org, row.org_name, row.path, row.name, row.note, row.shared, row.active, ordered)


def define_role(
    hall: Hall, clerk: Clerk, given: Mapping[str, object], wanted: Sequence[str], role: str | None = None
) -> str:
    """Make or change a role; what it gets, the clerk must hold with grant option where it is owned."""
    faults: list[FieldFault] = []
    text = {
        name: line(given, name, faults, most) for name, most in (("name", 50), ("note", 200), ("org", 40))
    }
    faults += [
        FieldFault(n, "required", s)
        for n, s in _REQUIRED.items()
        if not text[n] and not (role and n == "org")
    ]
    if not wanted:
        faults.append(FieldFault("functions", "required", "请至少选择一项功能"))
    if unknown := [code for code in wanted if code not in functions()]:
        faults.append(FieldFault("functions", "invalid", f"没有这项功能：{unknown[0]}"))
    if faults:
        raise FormRefused(faults)
    shared = given.get("shared") in (True, "1", "on")
    return hall.write(
        lambda work: _defined(hall, work, clerk, text, shared, tuple(dict.fromkeys(wanted)), role)
    )


_REQUIRED = {"name": "请填写角色名称", "org": "请选择所属机构"}


def _defined(
    hall: Hall, work: Work, clerk: Clerk, text: Mapping[str, str], shared: bool, wanted: tuple[str, ...],
    role: str | None,
) -> str:  # fmt: skip
    old = get(work.connection, role) if role else None
    place = organisations.get(work.connection, old.org if old else text["org"])
    expect_granting(work, clerk, place.path)
    _expect_name_free(work.connection, place.code, text["name"], role)
    before = set(old.functions) if old else set()
    added = [code for code in wanted if code not in before]
    lasts = expect_options(work, clerk, added, place.path)
    if old is not None and added:
        _expect_others(work, clerk, old.id, lasts)
    id_ = role or new_id(work.now)
    values = {"name": text["name"], "note": text["note"], "shared": shared}
    if old is None:
        work.connection.execute(insert(t.role), {"id": id_, "org": place.code, "active": True, **values})
    else:
        work.connection.execute(update(t.role).where(t.role.c.id == id_).values(values))
    _hold(work, clerk, id_, added, before - set(wanted))
    administrators.expect_one_left(work)
    mark(work)
    separation.expect_no_auditor_writes(work, users_of(work.connection, id_, work.now))
    rights.touched(work.connection)
    hall.record(
        work, clerk, "hall.role_defined", id_, {**values, "org": place.code, "functions": list(wanted)}
    )
    return id_


def _expect_others(work: Work, clerk: Clerk, role: str, lasts: float) -> None:
    """More functions for a role are more rights for whoever holds it: never for oneself, never for longer
    than one's own grant option."""
    if clerk.user in users_of(work.connection, role, work.now):
        raise HallRefused("own_rights", "您自己持有这个角色，不能给它增加功能，请由其他管理员办理")
    g = t.grant.c
    living = (g.role == role) & g.revoked_at.is_(None) & (g.ends.is_(None) | (g.ends > work.now))
    ends = work.connection.execute(select(g.ends).where(living)).scalars()
    if any((inf if end is None else end) > lasts for end in ends):
        raise HallRefused("too_long", "有的授权比您自己的再授权期限更长，不能给这个角色增加功能")


def _hold(work: Work, by: Clerk, role: str, added: Sequence[str], gone: set[str]) -> None:
    mine = t.role_function.c.role == role
    for code in gone:
        work.connection.execute(delete(t.role_function).where(mine, t.role_function.c.function == code))
    for code in added:
        row = {"role": role, "function": code, "added_by": by.user or None, "added_at": work.now}
        work.connection.execute(insert(t.role_function), row)


def expect_granting(work: Work, clerk: Clerk, path: str) -> None:
    """The clerk may grant there at this very moment; HallRefused not_allowed."""
    now = rights.of_user(work.connection, clerk.user, work.now).scopes
    if not holds(now.get(GRANT, ()), path):
        raise HallRefused("not_allowed", "这个机构不在您的授权范围内", GRANT)


def expect_options(work: Work, clerk: Clerk, wanted: Sequence[str], path: str) -> float:
    """HallRefused no_option, naming what is not held with grant option there; how long all of it lasts."""
    found = options(work.connection, work.now)
    lacking = found.lacking(clerk.user, wanted, path)
    if lacking:
        named = "、".join(label(code) for code in lacking)
        raise HallRefused("no_option", f"您在此机构没有以下功能的再授权权限：{named}")
    return found.until(clerk.user, wanted, path)


def _expect_name_free(connection: Connection, org: str, name: str, own: str | None) -> None:
    found = connection.execute(select(t.role.c.id).where(t.role.c.org == org, t.role.c.name == name)).scalar()
    if found is not None and found != own:
        raise FormRefused([FieldFault("name", "taken", "这个机构已有同名角色")])


def users_of(connection: Connection, role: str, now: float) -> list[str]:
    """Everybody a living grant of the role reaches, for use."""
    g = t.grant.c
    living = (g.role == role) & g.may_use & g.revoked_at.is_(None) & (g.ends.is_(None) | (g.ends > now))
    by_name = select(g.user).where(living, g.user.is_not(None))
    by_post = select(t.user_post.c.user).join(t.grant, g.post == t.user_post.c.post).where(living)
    by_group = select(t.group_member.c.user).join(t.grant, g.group == t.group_member.c.group).where(living)
    return sorted(set(connection.execute(by_name.union(by_post, by_group)).scalars()))


def close_role(hall: Hall, clerk: Clerk, role: str) -> None:
    """Nobody can be granted it any more; HallRefused role_in_use while grants of it live."""

    def act(work: Work) -> None:
        old = get(work.connection, role)
        expect_granting(work, clerk, old.path)
        g = t.grant.c
        living = g.revoked_at.is_(None) & (g.ends.is_(None) | (g.ends > work.now))
        many = work.connection.execute(select(func.count()).where(g.role == role, living)).scalar_one()
        if many:
            raise HallRefused("role_in_use", f"还有 {many} 项授权在使用这个角色，请先收回")
        work.connection.execute(update(t.role).where(t.role.c.id == role).values(active=False))
        hall.record(work, clerk, "hall.role_closed", role, {"name": old.name})

    hall.write(act)

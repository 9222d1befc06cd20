"""Roles: those the person may grant, and the form that makes or changes one."""

from typing import Any

from sqlalchemy import Connection
from starlette.responses import Response

from hallservice.people import lists, roles
from hallservice.people.functions import GRANT, functions
from hallservice.people.options import options
from hallservice.people.roles import Role
from hallservice.refusals import HallRefused
from hallservice.web.context import Context
from hallservice.web.lists import Badge, Column, Link
from hallservice.web.registry import Pages

pages = Pages()
GROUP = "系统"
AS = {"@as": "administrator"}
COLUMNS = (Column("角色"), Column("所属机构"), Column("功能"), Column("向下共享"), Column("说明"))


@pages.get("/people/roles", function=GRANT, title="角色管理", menu=GROUP, order=902, example=AS)
def listed(ctx: Context) -> Response:
    with ctx.hall.hub.store.read() as connection:
        found = roles.usable(connection, ctx.clerk)
    rows = [
        [
            Link(ctx.url(f"/people/roles/{one.id}"), one.name), one.org_name, _named(one),
            Badge("info", "共享") if one.shared else "", one.note,
        ]
        for one in found
    ]  # fmt: skip
    return ctx.render("people/roles.html", columns=COLUMNS, rows=rows)


def _named(one: Role) -> str:
    return "、".join(functions()[code].name for code in one.functions if code in functions())


@pages.get("/people/roles/new", function=GRANT, title="新增角色", example=AS)
def new_form(ctx: Context) -> Response:
    return ctx.render("people/role.html", **_form(ctx, None))


@pages.post("/people/roles/new", function=GRANT, title="新增角色")
def create(ctx: Context) -> Response:
    return _saved(ctx, None)


@pages.get("/people/roles/{role}", function=GRANT, title="角色", example=AS | {"role": "@role"})
def shown(ctx: Context) -> Response:
    return ctx.render("people/role.html", **_form(ctx, ctx.path["role"]))


@pages.post("/people/roles/{role}", function=GRANT, title="角色")
def change(ctx: Context) -> Response:
    return _saved(ctx, ctx.path["role"])


@pages.post("/people/roles/{role}/close", function=GRANT, title="角色")
def close(ctx: Context) -> Response:
    try:
        roles.close_role(ctx.hall, ctx.clerk, ctx.path["role"])
    except HallRefused as refusal:
        return ctx.fault(refusal, "people/role.html", **_form(ctx, ctx.path["role"]))
    return ctx.redirect("/people/roles", "角色已停用，并记入账本")


def _saved(ctx: Context, role: str | None) -> Response:
    given: dict[str, object] = {name: ctx.form.one(name) for name in ("name", "note", "shared")}
    try:
        if role is None:
            given["org"] = ctx.hall.read(
                lambda connection: lists.resolve(connection, ctx.clerk, GRANT, ctx.form.one("org"))
            )
        roles.define_role(ctx.hall, ctx.clerk, given, ctx.form.all("functions"), role)
    except HallRefused as refusal:
        return ctx.fault(refusal, "people/role.html", **_form(ctx, role))
    return ctx.redirect("/people/roles", "已保存，并记入账本")


def _form(ctx: Context, role: str | None) -> dict[str, Any]:
    with ctx.hall.hub.store.read() as connection:
        one = roles.get(connection, role) if role else None
        if one is not None and not roles.sees(ctx.clerk, one.path, one.shared):
            raise HallRefused("not_allowed", "这个角色没有共享给您")
        return {
            "one": one,
            "own": one is None or ctx.clerk.may(GRANT, one.path),
            "groups": _choices(ctx, connection, one),
            "choices": lists.choices(connection, ctx.clerk, GRANT),
        }


def _choices(
    ctx: Context, connection: Connection, one: Role | None
) -> list[tuple[str, list[tuple[str, str]]]]:
    """Functions by group: those the person may pass on somewhere, and those the role has already."""
    passed = options(connection, ctx.hall.hub.store.clock()).scopes(ctx.clerk.user)
    groups: dict[str, list[tuple[str, str]]] = {}
    for code, function in functions().items():
        if code in passed or (one is not None and code in one.functions):
            groups.setdefault(function.group, []).append((code, function.name))
    return list(groups.items())

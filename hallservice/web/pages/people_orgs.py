"""Organisations: the tree, one organisation with its sections, posts, groups and windows, and its form."""

from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, func, select
from starlette.responses import Response

from hallservice.people import lists, organisations, relations, staffing
from hallservice.people import tables as t
from hallservice.people.filtering import under
from hallservice.people.functions import MANAGE
from hallservice.people.organisations import Org
from hallservice.people.orgforms import kinds, read
from hallservice.refusals import FieldFault, FormRefused, HallRefused
from hallservice.web.context import Context
from hallservice.web.lists import Badge, Cell, Column, Link
from hallservice.web.registry import Pages

pages = Pages()
GROUP = "系统"
AS = {"@as": "administrator"}
ONE = AS | {"code": "441402-scj"}
COLUMNS = (
    Column("机构名称"), Column("编码"), Column("类型"), Column("统一社会信用代码"), Column("自有系统"),
    Column("下级", kind="num"), Column("人员", kind="num"), Column("状态"),
)  # fmt: skip
ENTRIES = (Column("编码"), Column("名称"), Column("操作", kind="act"))


@pages.get("/people/orgs", function=MANAGE, title="机构管理", menu=GROUP, order=900, example=AS)
def tree(ctx: Context) -> Response:
    """Where the person manages, from the top; with words a search over all of it."""
    words = ctx.one("words")
    with ctx.hall.hub.store.read() as connection:
        tops = [organisations.above(connection, path)[-1:] for path in ctx.clerk.scopes.get(MANAGE, ())]
        found = (
            organisations.search(connection, ctx.clerk, words)
            if words
            else [one for top in tops for one in top]
        )
        if len(found) == 1 and not words:
            return ctx.render("people/tree.html", **_level(ctx, connection, found[0]))
        rows = [_row(ctx, connection, one) for one in found]
    return ctx.render("people/tree.html", words=words, columns=COLUMNS, rows=rows, here=None, line=())


@pages.get("/people/orgs/{code}", function=MANAGE, title="机构", example=ONE)
def shown(ctx: Context) -> Response:
    return ctx.render("people/org.html", **_org(ctx))


@pages.get("/people/orgs/{code}/below", function=MANAGE, title="机构管理", example=AS | {"code": "441402"})
def below(ctx: Context) -> Response:
    with ctx.hall.hub.store.read() as connection:
        return ctx.render("people/tree.html", **_level(ctx, connection, _get(ctx, connection)))


@pages.get("/people/orgs/{code}/edit", function=MANAGE, title="修改机构", example=ONE)
def edit_form(ctx: Context) -> Response:
    with ctx.hall.hub.store.read() as connection:
        return ctx.render("people/org_form.html", **_form(ctx, connection, _get(ctx, connection)))


@pages.get("/people/orgs/{code}/new", function=MANAGE, title="新增下级机构", example=ONE)
def new_form(ctx: Context) -> Response:
    with ctx.hall.hub.store.read() as connection:
        _get(ctx, connection)
        return ctx.render("people/org_form.html", **_form(ctx, connection, None))


@pages.post("/people/orgs/{code}/edit", function=MANAGE, title="修改机构")
def edit(ctx: Context) -> Response:
    return _saved(ctx, new=False)


@pages.post("/people/orgs/{code}/new", function=MANAGE, title="新增下级机构")
def create(ctx: Context) -> Response:
    return _saved(ctx, new=True)


def _saved(ctx: Context, *, new: bool) -> Response:
    given: dict[str, object] = {name: ctx.form.one(name) for name in ctx.form}
    try:
        if not new:
            given |= {"code": ctx.path["code"], "active": ctx.form.one("active")}
        made = organisations.save(ctx.hall, ctx.clerk, _placed(ctx, given), new=new)
    except HallRefused as refusal:
        with ctx.hall.hub.store.read() as connection:
            values = _form(ctx, connection, None if new else _get(ctx, connection))
        return ctx.fault(refusal, "people/org_form.html", **values)
    return ctx.redirect(f"/people/orgs/{quote(made.code)}", "已保存，并记入账本")


def _placed(ctx: Context, given: dict[str, object]) -> dict[str, object]:
    """With the code of the organisation above, named by code or name; a top keeps having none."""
    with ctx.hall.hub.store.read() as connection:
        if not given.get("parent") and _get(ctx, connection).parent is None:
            return given
        _, others = read(given)
        return lists.resolved(connection, ctx.clerk, MANAGE, given, "parent", others)


@pages.post("/people/orgs/{code}/entries", function=MANAGE, title="机构")
def add_entry(ctx: Context) -> Response:
    """A post, group or window of the organisation."""
    kind, code, name = ctx.form.one("kind"), ctx.form.one("entry"), ctx.form.one("name")
    org = ctx.path["code"]
    try:
        if kind == "post":
            staffing.save_post(ctx.hall, ctx.clerk, org, code, name)
        elif kind == "window":
            staffing.save_window(ctx.hall, ctx.clerk, org, code, name)
        elif kind == "group":
            staffing.save_group(ctx.hall, ctx.clerk, org, name or code)
        else:
            raise FormRefused([FieldFault("kind", "required", "请选择岗位、工作组或窗口")])
    except HallRefused as refusal:
        return ctx.fault(_entry_fields(refusal), "people/org.html", **_org(ctx))
    return ctx.redirect(f"/people/orgs/{quote(org)}", "已新增，并记入账本")


def _entry_fields(refusal: HallRefused) -> HallRefused:
    """The form has one field for a post's code and a window's number."""
    names = {"code": "entry", "number": "entry"}
    faults = [FieldFault(names.get(one.field, one.field), one.code, one.said) for one in refusal.faults]
    return FormRefused(faults) if faults else refusal


@pages.post("/people/orgs/{code}/close", function=MANAGE, title="机构")
def close_entry(ctx: Context) -> Response:
    try:
        staffing.close(ctx.hall, ctx.clerk, ctx.form.one("kind"), ctx.form.one("id"))
    except HallRefused as refusal:
        return ctx.fault(refusal, "people/org.html", **_org(ctx))
    return ctx.redirect(f"/people/orgs/{quote(ctx.path['code'])}", "已停用，并记入账本")


@pages.post("/people/orgs/{code}/relations", function=MANAGE, title="机构")
def relate(ctx: Context) -> Response:
    """Guided by another, or side by side with it; or no longer."""
    org, kind = ctx.path["code"], ctx.form.one("relation")
    try:
        if ctx.form.one("do") == "end":
            relations.unrelate(ctx.hall, ctx.clerk, org, ctx.form.one("other"), kind)
        else:
            relations.relate(ctx.hall, ctx.clerk, org, _other(ctx), kind)
    except HallRefused as refusal:
        return ctx.fault(refusal, "people/org.html", **_org(ctx))
    return ctx.redirect(f"/people/orgs/{quote(org)}", "已保存，并记入账本")


def _other(ctx: Context) -> str:
    """By its code, wherever it is (the one that guides stands outside), or by a name within reach."""
    text = ctx.form.one("other")
    with ctx.hall.hub.store.read() as connection:
        known = connection.execute(select(t.org.c.code).where(t.org.c.code == text, t.org.c.active)).scalar()
        return known or lists.resolve(connection, ctx.clerk, MANAGE, text, "other")


# -- what the pages show


def _get(ctx: Context, connection: Connection) -> Org:
    one = organisations.get(connection, ctx.path["code"])
    ctx.clerk.expect(MANAGE, one.path)
    return one


def _level(ctx: Context, connection: Connection, here: Org) -> dict[str, Any]:
    """One organisation and what stands directly below it."""
    line = [one for one in organisations.above(connection, here.path) if ctx.clerk.may(MANAGE, one.path)]
    rows = [_row(ctx, connection, one) for one in organisations.children(connection, here.code, closed=True)]
    return {"words": "", "columns": COLUMNS, "rows": rows, "here": here, "line": line}


def _row(ctx: Context, connection: Connection, one: Org) -> list[Cell]:
    down = _count(connection, select(t.org.c.code).where(t.org.c.parent == one.code, t.org.c.active))
    url = ctx.url(f"/people/orgs/{quote(one.code)}")
    state = Badge("ok", "在用") if one.active else Badge("plain", "停用")
    staff = select(t.user.c.id).join(t.org, t.org.c.code == t.user.c.org)
    people = _count(connection, staff.where(under(t.org.c.path, one.path), t.user.c.status != "left"))
    return [
        Link(url, one.name), one.code, kinds().get(one.kind, one.kind), one.uscc,
        "有" if one.has_own_system else "", Link(f"{url}/below", str(down)) if down else 0, people, state,
    ]  # fmt: skip


def _count(connection: Connection, ask: Any) -> int:
    return int(connection.execute(select(func.count()).select_from(ask.subquery())).scalar_one())


def _org(ctx: Context) -> dict[str, Any]:
    with ctx.hall.hub.store.read() as connection:
        one = _get(ctx, connection)
        line = [
            each for each in organisations.above(connection, one.path) if ctx.clerk.may(MANAGE, each.path)
        ]
        found = {kind: staffing.of_org(connection, kind, one.code) for kind in ("post", "group", "window")}
        related = [
            (kind, said, other)
            for kind, said in relations.RELATIONS.items()
            for other in organisations.related(connection, one.code, kind)
        ]
        choices = lists.choices(connection, ctx.clerk, MANAGE)
    return {
        "one": one,
        "line": line,
        "entries": found,
        "related": related,
        "relations": list(relations.RELATIONS.items()),
        "choices": choices,
        "kind": kinds().get(one.kind, one.kind),
    }


def _form(ctx: Context, connection: Connection, one: Org | None) -> dict[str, Any]:
    above = ctx.path["code"] if one is None else one.parent
    parent = organisations.get(connection, above) if above else None
    return {
        "one": one, "parent": parent, "kinds": list(kinds().items()), "new": one is None,
        "choices": lists.choices(connection, ctx.clerk, MANAGE),
    }  # fmt: skip

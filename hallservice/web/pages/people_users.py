"""Staff: the list, one account with posts, groups and rights, its form, and what is done to it."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection
from starlette.responses import Response

from hallservice.hall import Hall
from hallservice.people import accounts, credentials, lists, rights, staffing
from hallservice.people.clerk import Clerk
from hallservice.people.functions import MANAGE, functions, label
from hallservice.refusals import FieldFault, FormRefused, HallRefused
from hallservice.web.context import Context
from hallservice.web.lists import Badge, Cell, Column, Filter, Link, Listing, Paging, asked
from hallservice.web.registry import Pages

pages = Pages()
GROUP = "系统"
AS = {"@as": "administrator"}
ONE = AS | {"user": "@user"}
COLOURS = {"active": "ok", "locked": "bad", "left": "plain"}
COLUMNS = (
    Column("姓名", "name"), Column("工号", "staff_no"), Column("登录名", "login"), Column("所属机构", "org"),
    Column("职务"), Column("来源"), Column("状态"),
)  # fmt: skip
FILTERS = (
    Filter("words", "姓名、登录名或工号"),
    Filter("status", "状态", tuple(accounts.STATUSES.items())),
    Filter("org", "机构编码（含下级）"),
)
FIELDS = ("staff_no", "name", "org", "login", "duty", "mobile")


@pages.get("/people/users", function=MANAGE, title="人员管理", menu=GROUP, order=901, example=AS)
def listed(ctx: Context) -> Response:
    listing = asked(ctx.query, COLUMNS, FILTERS, "org")
    if ctx.one("as") == "xlsx":
        found = _found(ctx, listing, 0, 5000)
        return ctx.sheet("人员", COLUMNS, [_cells(ctx, row) for row in found.rows])
    found = _found(ctx, listing, listing.offset, listing.size)
    rows, paging = [_cells(ctx, row) for row in found.rows], Paging(listing, found.total)
    return ctx.render("people/users.html", columns=COLUMNS, filters=FILTERS, rows=rows, paging=paging)


def _found(ctx: Context, listing: Listing, offset: int, size: int) -> lists.Found:
    wanted = dict(listing.wanted)
    return ctx.hall.read(
        lambda connection: lists.users(
            connection, ctx.clerk, wanted, listing.sort, down=listing.descending, offset=offset, size=size
        )
    )


def _cells(ctx: Context, row: Any) -> list[Cell]:
    url = ctx.url(f"/people/users/{row.id}")
    state = Badge(COLOURS[row.status], accounts.STATUSES[row.status])
    source = "统一身份目录" if row.source else "本系统"
    return [Link(url, row.name), row.staff_no, row.login, row.org_name, row.duty, source, state]


@pages.get("/people/users/new", function=MANAGE, title="新增人员", example=AS)
def new_form(ctx: Context) -> Response:
    return ctx.render("people/user_form.html", **_form(ctx, None))


@pages.post("/people/users/new", function=MANAGE, title="新增人员")
def create(ctx: Context) -> Response:
    try:
        user, secret = accounts.create(ctx.hall, ctx.clerk, _given(ctx))
    except HallRefused as refusal:
        return ctx.fault(refusal, "people/user_form.html", **_form(ctx, None))
    return ctx.render("people/secret.html", **_one(ctx, user), secret=secret, title="账号已建立")


@pages.get("/people/users/{user}", function=MANAGE, title="人员", example=ONE)
def shown(ctx: Context) -> Response:
    return ctx.render("people/user.html", **_one(ctx, ctx.path["user"]))


@pages.get("/people/users/{user}/edit", function=MANAGE, title="修改人员", example=ONE)
def edit_form(ctx: Context) -> Response:
    return ctx.render("people/user_form.html", **_form(ctx, ctx.path["user"]))


@pages.post("/people/users/{user}/edit", function=MANAGE, title="修改人员")
def edit(ctx: Context) -> Response:
    try:
        ended = accounts.change(ctx.hall, ctx.clerk, ctx.path["user"], _given(ctx))
    except HallRefused as refusal:
        return ctx.fault(refusal, "people/user_form.html", **_form(ctx, ctx.path["user"]))
    said = f"已保存；因调离，{len(ended)} 项授权已收回" if ended else "已保存，并记入账本"
    return ctx.redirect(f"/people/users/{ctx.path['user']}", said)


@pages.post("/people/users/{user}/reset", function=MANAGE, title="人员")
def reset(ctx: Context) -> Response:
    try:
        secret = credentials.reset_password(ctx.hall, ctx.clerk, ctx.path["user"])
    except HallRefused as refusal:
        return ctx.fault(refusal, "people/user.html", **_one(ctx, ctx.path["user"]))
    return ctx.render("people/secret.html", **_one(ctx, ctx.path["user"]), secret=secret, title="密码已重置")


def _unlock(hall: Hall, clerk: Clerk, user: str, _reason: str) -> None:
    credentials.unlock(hall, clerk, user)


ACTS: dict[str, tuple[Callable[[Hall, Clerk, str, str], None], str]] = {
    "lock": (credentials.lock, "账号已锁定，其登录已全部结束"),
    "unlock": (_unlock, "账号已解锁"),
    "leave": (credentials.leave, "已办理离职，其岗位、工作组和授权已收回"),
}


@pages.post("/people/users/{user}/state", function=MANAGE, title="人员")
def state(ctx: Context) -> Response:
    try:
        if ctx.form.one("do") not in ACTS:
            raise FormRefused([FieldFault("do", "required", "请选择操作")])
        act, said = ACTS[ctx.form.one("do")]
        act(ctx.hall, ctx.clerk, ctx.path["user"], ctx.form.one("reason")[:200])
    except HallRefused as refusal:
        return ctx.fault(refusal, "people/user.html", **_one(ctx, ctx.path["user"]))
    return ctx.redirect(f"/people/users/{ctx.path['user']}", f"{said}，并记入账本")


@pages.post("/people/users/{user}/places", function=MANAGE, title="人员")
def places(ctx: Context) -> Response:
    """Into a post or a group, or out of it."""
    kind, _, id_ = ctx.form.one("place").partition(":")
    act = staffing.take_out if ctx.form.one("do") == "out" else staffing.put_in
    try:
        if kind not in staffing.LISTS:
            raise FormRefused([FieldFault("place", "required", "请选择岗位或工作组")])
        act(ctx.hall, ctx.clerk, kind, id_, ctx.path["user"])
    except HallRefused as refusal:
        return ctx.fault(refusal, "people/user.html", **_one(ctx, ctx.path["user"]))
    return ctx.redirect(f"/people/users/{ctx.path['user']}", "已保存，并记入账本")


# -- what the pages show


def _given(ctx: Context) -> dict[str, object]:
    given: dict[str, object] = {name: ctx.form.one(name) for name in FIELDS}
    _, others = accounts.read(given)
    return ctx.hall.read(
        lambda connection: lists.resolved(connection, ctx.clerk, MANAGE, given, "org", others)
    )


def _form(ctx: Context, user: str | None) -> dict[str, Any]:
    with ctx.hall.hub.store.read() as connection:
        one = _get(ctx, connection, user) if user else None
        choices = lists.choices(connection, ctx.clerk, MANAGE)
        duties = [row.name for row in staffing.duties(connection, ctx.clerk) if row.active]
    org = one.org if one else ctx.one("org")
    return {"one": one, "org": org, "choices": choices, "duties": duties}


def _get(ctx: Context, connection: Connection, user: str) -> Any:
    one = accounts.get(connection, user)
    ctx.clerk.expect(MANAGE, one.path)
    return one


def _one(ctx: Context, user: str) -> dict[str, Any]:
    now = ctx.hall.hub.store.clock()
    with ctx.hall.hub.store.read() as connection:
        one = _get(ctx, connection, user)
        held = rights.of_user(connection, user, now).scopes
        values = {
            "one": one,
            "state": Badge(COLOURS[one.status], accounts.STATUSES[one.status]),
            "places": [
                (kind, said, each)
                for kind, said in staffing.WORDS.items()
                for each in staffing.of_user(connection, kind, user)
            ],
            "open": _open_places(connection, ctx.clerk, one),
            "grants": lists.grants_of(connection, "user", user, now),
            "held": [
                (label(code), lists.names(connection, held[code])) for code in functions() if code in held
            ],
        }
    return values | {"grant_url": ctx.url(f"/people/grants/new?kind=user&receiver={quote(user)}")}


def _open_places(connection: Connection, clerk: Clerk, one: Any) -> list[tuple[str, str]]:
    """Posts and groups of the own body and those above that the clerk manages."""
    found = []
    for org in lists.managed_above(connection, clerk, one.path):
        for kind, said in staffing.WORDS.items():
            for each in staffing.of_org(connection, kind, org.code):
                found.append((f"{kind}:{each.id}", f"{said}：{each.name}（{org.name}）"))
    return found

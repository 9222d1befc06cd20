"""Grants: the list, giving one after seeing what it changes, taking it back, review, hand-over."""

from datetime import date, datetime, time, timedelta
from typing import Any

from sqlalchemy import Connection, select
from starlette.responses import Response

from canonical.amounts import BEIJING
from hallservice.people import accounts, grants, lists, preview, roles
from hallservice.people import tables as t
from hallservice.people.clerk import Clerk
from hallservice.people.filtering import within
from hallservice.people.functions import GRANT, label
from hallservice.people.grants import Wish
from hallservice.refusals import FieldFault, FormRefused, HallRefused
from hallservice.typed import day_in
from hallservice.web.context import Context
from hallservice.web.lists import Badge, Cell, Column, Filter, Link, Listing, Paging, asked
from hallservice.web.registry import Pages
from hallservice.web.templating import moment

pages = Pages()
GROUP = "系统"
FIRST_YEAR, LAST_YEAR = 2000, 2199  # of the days a grant begins and ends
AS = {"@as": "administrator"}
COLUMNS = (
    Column("被授权者"), Column("角色"), Column("范围"), Column("权限"), Column("授权时间", kind="date"),
    Column("结束", kind="date"), Column("状态"),
)  # fmt: skip
FILTERS = (Filter("words", "被授权者或角色"), Filter("state", "状态", tuple(lists.STATES.items())))


@pages.get(
    "/people/grants", function=GRANT, title="授权管理", menu=GROUP, order=903, count="review", example=AS
)
def listed(ctx: Context) -> Response:
    listing = asked(ctx.query, COLUMNS, FILTERS)
    if ctx.one("as") == "xlsx":
        found = _found(ctx, listing, 0, 5000)
        return ctx.sheet("授权", COLUMNS, [_cells(ctx, row) for row in found.rows])
    found = _found(ctx, listing, listing.offset, listing.size)
    rows, paging = [_cells(ctx, row) for row in found.rows], Paging(listing, found.total)
    return ctx.render("people/grants.html", columns=COLUMNS, filters=FILTERS, rows=rows, paging=paging)


@pages.counter("review", GRANT)
def review(connection: Connection, clerk: Clerk) -> int:
    """Grants nobody stands behind any more."""
    return lists.to_review(connection, clerk)


def _found(ctx: Context, listing: Listing, offset: int, size: int) -> lists.Found:
    now, wanted = ctx.hall.hub.store.clock(), dict(listing.wanted)
    return ctx.hall.read(
        lambda connection: lists.grants(connection, ctx.clerk, wanted, now, offset=offset, size=size)
    )


def _cells(ctx: Context, row: Any) -> list[Cell]:
    kind = next(said for name, said in grants.RECEIVERS.items() if getattr(row, name))
    url = ctx.url(f"/people/grants/{row.id}")
    power = "、".join(said for held, said in ((row.may_use, "可使用"), (row.may_pass, "可再授权")) if held)
    ends = moment(row.ends) if row.ends else "长期"
    state = _state(row, ctx.hall.hub.store.clock())
    return [
        Link(url, f"{row.receiver}（{kind}）"),
        row.role_name,
        row.org_name,
        power,
        moment(row.granted_at),
        ends,
        state,
    ]


def _state(row: Any, now: float) -> Badge:
    if row.revoked_at is not None:
        return Badge("plain", "已收回")
    if row.ends is not None and row.ends <= now:
        return Badge("plain", "已到期")
    if row.review:
        return Badge("warn", "待复核")
    return Badge("ok", "生效中") if row.begins <= now else Badge("info", "未生效")


# -- giving


@pages.get(
    "/people/grants/new", function=GRANT, title="授权", example=AS | {"?kind": "user", "?receiver": "@user"}
)
def new_form(ctx: Context) -> Response:
    return ctx.render("people/grant_form.html", **_form(ctx, ctx.one("kind", "user"), ctx.one("receiver")))


@pages.post("/people/grants/preview", function=GRANT, title="授权", once=False)
def look(ctx: Context) -> Response:
    """What the receivers would be able to do; nothing is given yet."""
    form = _form(ctx, ctx.form.one("kind"), ctx.form.one("receiver"))
    try:
        seen = preview.preview(ctx.hall, ctx.clerk, _wish(ctx))
    except HallRefused as refusal:
        return ctx.fault(refusal, "people/grant_form.html", **form)
    ctx.typed = ctx.form
    return ctx.render("people/grant_preview.html", **form, seen=seen, kept=_kept(ctx))


@pages.post("/people/grants/new", function=GRANT, title="授权")
def give(ctx: Context) -> Response:
    try:
        made = grants.grant(ctx.hall, ctx.clerk, _wish(ctx))
    except HallRefused as refusal:
        form = _form(ctx, ctx.form.one("kind"), ctx.form.one("receiver"))
        return ctx.fault(refusal, "people/grant_form.html", **form)
    return ctx.redirect(f"/people/grants/{made}", "已授权，并记入账本")


NAMES = ("kind", "receiver", "role", "org", "may_use", "may_pass", "begins", "ends")


def _kept(ctx: Context) -> dict[str, str]:
    return {name: ctx.form.one(name) for name in NAMES}


def _wish(ctx: Context) -> Wish:
    """From the form: days are whole, the last one included."""
    one = ctx.form.one
    begins, last = _day("begins", one("begins")), _day("ends", one("ends"))
    if not one("role"):
        raise FormRefused([FieldFault("role", "required", "请选择角色")])
    org = ctx.hall.read(lambda connection: lists.resolve(connection, ctx.clerk, GRANT, one("org")))
    return Wish(
        one("role"), one("kind"), one("receiver"), org, one("may_use") == "1", one("may_pass") == "1",
        _start(begins), _start(last + timedelta(days=1)) if last else None,
    )  # fmt: skip


def _day(field: str, text: str) -> date | None:
    day = day_in(text)
    if day is None and text:
        raise FormRefused([FieldFault(field, "invalid", "日期写成 2026-03-02 这样")])
    if day is not None and not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise FormRefused([FieldFault(field, "invalid", f"年份在 {FIRST_YEAR} 至 {LAST_YEAR} 之间")])
    return day


def _start(day: date | None) -> float | None:
    return datetime.combine(day, time.min, BEIJING).timestamp() if day else None


def _form(ctx: Context, kind: str, receiver: str) -> dict[str, Any]:
    with ctx.hall.hub.store.read() as connection:
        found = roles.usable(connection, ctx.clerk)
        named = _receiver(connection, ctx.clerk, kind, receiver)
        choices = lists.choices(connection, ctx.clerk, GRANT)
    options_ = [(one.id, f"{one.name}（{one.org_name}）") for one in found]
    return {"kind": kind, "receiver": receiver, "named": named, "roles": options_, "choices": choices}


def _receiver(connection: Connection, clerk: Clerk, kind: str, receiver: str) -> Any:
    """Name and organisation of a person, post or group within reach; HallRefused unknown_entry."""
    table = {"user": t.user, "post": t.post, "group": t.group}.get(kind, t.user)
    ask = select(table.c.name, t.org.c.code, t.org.c.name.label("org_name")).join(
        t.org, t.org.c.code == table.c.org
    )
    seen = within(t.org.c.path, clerk, GRANT)
    row = connection.execute(ask.where(table.c.id == receiver, seen)).one_or_none()
    if row is None:
        raise HallRefused("unknown_entry", "请先在人员或机构页面选择被授权者")
    return row


# -- one grant


@pages.get("/people/grants/{grant}", function=GRANT, title="授权", example=AS | {"grant": "@grant"})
def shown(ctx: Context) -> Response:
    return ctx.render("people/grant.html", **_one(ctx))


@pages.post("/people/grants/{grant}/revoke", function=GRANT, title="授权")
def revoke(ctx: Context) -> Response:
    reason, cascade = ctx.form.one("reason"), ctx.form.one("cascade") == "1"
    try:
        if not reason:
            raise FormRefused([FieldFault("reason", "required", "请填写收回原因")])
        ended = grants.revoke(ctx.hall, ctx.clerk, ctx.path["grant"], reason, cascade=cascade)
    except HallRefused as refusal:
        return ctx.fault(refusal, "people/grant.html", **_one(ctx))
    more = f"，连同由其授出的 {len(ended) - 1} 项" if len(ended) > 1 else ""
    return ctx.redirect("/people/grants", f"授权已收回{more}，并记入账本")


@pages.post("/people/grants/{grant}/confirm", function=GRANT, title="授权")
def confirm(ctx: Context) -> Response:
    try:
        grants.confirm(ctx.hall, ctx.clerk, ctx.path["grant"])
    except HallRefused as refusal:
        return ctx.fault(refusal, "people/grant.html", **_one(ctx))
    return ctx.redirect("/people/grants?state=review", "已复核，此授权由您负责，并记入账本")


def _one(ctx: Context) -> dict[str, Any]:
    now = ctx.hall.hub.store.clock()
    with ctx.hall.hub.store.read() as connection:
        row = lists.grant(connection, ctx.clerk, ctx.path["grant"])
        if row is None:
            raise HallRefused("unknown_grant", "没有这项授权")
        role = roles.get(connection, row.role)
        by = accounts.get(connection, row.granted_by).name if row.granted_by else "系统初始化"
    living = row.revoked_at is None and (row.ends is None or row.ends > now)
    return {
        "row": row, "role": role, "by": by, "state": _state(row, now),
        "living": living, "losses": _losses(ctx, row.id) if living else (),
        "labels": [label(code) for code in role.functions],
    }  # fmt: skip


def _losses(ctx: Context, grant: str) -> tuple[preview.Loss, ...]:
    """What would be left without anybody behind it; nothing where the clerk could not take it back."""
    try:
        return preview.losses(ctx.kit.hall, ctx.clerk, grant)
    except HallRefused:
        return ()


# -- the first administrator's successor


@pages.get("/people/hand-over", function=GRANT, title="移交最高管理", example={"@as": "root"})
def hand_over_form(ctx: Context) -> Response:
    return ctx.render("people/hand_over.html")


@pages.post("/people/hand-over", function=GRANT, title="移交最高管理")
def hand_over(ctx: Context) -> Response:
    login = ctx.form.one("login").lower()
    try:
        ctx.hall.read(
            lambda c: grants.expect_first(c, ctx.clerk)
        )  # else it would tell which logins there are
        user = ctx.hall.read(lambda c: c.execute(select(t.user.c.id).where(t.user.c.login == login)).scalar())
        if user is None:
            raise FormRefused([FieldFault("login", "unknown", "没有这个登录名")])
        grants.hand_over(ctx.hall, ctx.clerk, str(user))
    except HallRefused as refusal:
        return ctx.fault(refusal, "people/hand_over.html")
    return ctx.redirect("/", "最高管理已移交，并记入账本")

"""Signing in and out, the own password, and the window one sits at."""

from sqlalchemy import Connection, select
from starlette.responses import Response

from hallservice.people import credentials, policies, sessions, signin
from hallservice.people import tables as people
from hallservice.people.sessions import Signed
from hallservice.people.signin import Browser
from hallservice.refusals import FieldFault, FormRefused, HallRefused
from hallservice.web.context import Context
from hallservice.web.registry import Pages
from hallservice.web.visit import Names, local

pages = Pages()


@pages.get("/sign-in", function=None, public=True, title="登录")
def sign_in_form(ctx: Context) -> Response:
    if ctx.signed is not None:
        return ctx.redirect(local(ctx.one("next", "/")))
    return ctx.render("entrance/sign_in.html", next=ctx.one("next"), ways=ctx.kit.sign_on)


# Not once: a browser that submits twice throws the first answer away, and with it the cookie.
@pages.post("/sign-in", function=None, public=True, title="登录", once=False)
def sign_in(ctx: Context) -> Response:
    login, password = ctx.form.one("login"), "".join(ctx.form.get("password") or [])
    try:
        if not login or not password:
            raise FormRefused(_missing(login, password))
        browser = Browser(ctx.client, ctx.asked.cookies.get(_cookie(ctx), ""))
        entered = signin.enter(ctx.hall, login, password, browser)
    except HallRefused as refusal:
        return ctx.fault(refusal, "entrance/sign_in.html", next=ctx.form.one("next"), ways=ctx.kit.sign_on)
    if ctx.signed is not None:  # one browser, one session: what its cookie opened before is over
        sessions.close(ctx.hall, ctx.signed)
    ctx.session = entered.session.token
    return _remembering(ctx, ctx.redirect(local(ctx.form.one("next", "/"))), entered.cookie)


def _cookie(ctx: Context) -> str:
    return f"{Names.of(ctx.kit).session}-known"


def _remembering(ctx: Context, made: Response, cookie: str) -> Response:
    """This browser is known at the next sign-in, whoever types wrong passwords elsewhere."""
    secure, days = ctx.kit.secure, policies.now(ctx.hall).accounts.device_days
    path = "/" if secure else ctx.kit.prefix or "/"  # a name that begins with __Host- wants the first
    made.set_cookie(
        _cookie(ctx), cookie, days * signin.DAY, path=path, secure=secure, httponly=True, samesite="strict"
    )
    return made


def _missing(login: str, password: str) -> list[FieldFault]:
    wanted = (("login", login, "请输入登录名"), ("password", password, "请输入密码"))
    return [FieldFault(field, "missing", said) for field, value, said in wanted if not value]


@pages.post("/sign-out", function=None, title="退出", once=False)
def sign_out(ctx: Context) -> Response:
    if ctx.signed is not None:
        sessions.close(ctx.hall, ctx.signed)
    ctx.session = ""
    return ctx.redirect("/sign-in", "您已退出。")


@pages.get("/password", function=None, title="修改密码")
def password_form(ctx: Context) -> Response:
    return ctx.render("entrance/password.html", policy=policies.now(ctx.hall).accounts)


@pages.post("/password", function=None, title="修改密码", draft=False)
def change_password(ctx: Context) -> Response:
    typed = ["".join(ctx.form.get(name) or []) for name in ("old", "password", "again")]
    try:
        credentials.change_password(ctx.hall, _signed(ctx), *typed)
    except HallRefused as refusal:
        return ctx.fault(refusal, "entrance/password.html", policy=policies.now(ctx.hall).accounts)
    return ctx.redirect("/", "密码已修改。")


@pages.get("/window", function=None, title="窗口")
def window_form(ctx: Context) -> Response:
    return ctx.render("entrance/window.html", options=_windows(ctx))


@pages.post("/window", function=None, title="窗口")
def bind_window(ctx: Context) -> Response:
    try:
        if ctx.form.one("leave"):
            sessions.leave_window(ctx.hall, _signed(ctx))
            return ctx.redirect("/window", "已离开窗口。")
        if not (window := ctx.form.one("window")):
            raise FormRefused([FieldFault("window", "missing", "请选择窗口")])
        sessions.bind_window(ctx.hall, _signed(ctx), window)
    except HallRefused as refusal:
        return ctx.fault(refusal, "entrance/window.html", options=_windows(ctx))
    return ctx.redirect("/", "窗口已绑定。")


def _signed(ctx: Context) -> Signed:
    if ctx.signed is None:
        raise HallRefused("sign_in", "请先登录")
    return ctx.signed


def _windows(ctx: Context) -> list[tuple[str, str]]:
    """The windows this person may sit at: those of the halls the own body works in, and who sits there."""
    clerk = ctx.clerk

    def ask(connection: Connection) -> list[tuple[str, str]]:
        rows = [row for row in connection.execute(_WINDOWS) if sessions.works_at(clerk.path, row.path)]
        return [(row.id, _named(row.site, row.number, row.name, row.sitting)) for row in rows]

    return ctx.hall.read(ask)


_WINDOWS = (
    select(
        people.window.c.id,
        people.window.c.number,
        people.window.c.name,
        people.org.c.name.label("site"),
        people.org.c.path,
        people.user.c.name.label("sitting"),
    )
    .select_from(
        people.window.join(people.org, people.org.c.code == people.window.c.site)
        .outerjoin(people.window_binding, people.window_binding.c.window == people.window.c.id)
        .outerjoin(people.user, people.user.c.id == people.window_binding.c.user)
    )
    .where(people.window.c.active)
    .order_by(people.org.c.path, people.window.c.number)
)


def _named(site: str, number: str, name: str, sitting: str | None) -> str:
    return f"{site} {number} 号窗口 {name}".strip() + (f"（{sitting}在用）" if sitting else "")

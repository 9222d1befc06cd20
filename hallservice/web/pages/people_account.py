"""The own account: who one is here, what one may do, where one is signed in."""

from typing import Any

from sqlalchemy import select
from starlette.responses import Response

from exchange.store.work import Work
from hallservice.people import accounts, devices, lists, policies, sessions, staffing
from hallservice.people import tables as t
from hallservice.people.functions import functions, label
from hallservice.people.sessions import Signed
from hallservice.refusals import HallRefused
from hallservice.web.context import Context
from hallservice.web.registry import Pages

pages = Pages()


@pages.get("/account", function=None, title="我的账号", menu="办公", order=90)
def account(ctx: Context) -> Response:
    clerk, now = ctx.clerk, ctx.hall.hub.store.clock()
    with ctx.hall.hub.store.read() as connection:
        since = now - policies.settings(ctx.hall, connection).idle_minutes * 60
        s = t.session.c
        open_ = connection.execute(
            select(s.id, s.client, s.provider, s.opened_at, s.seen_at)
            .where(s.user == clerk.user, s.seen_at > since, s.ends_at > now)
            .order_by(s.opened_at)
        ).all()
        values: dict[str, Any] = {
            "one": accounts.get(connection, clerk.user),
            "open": open_,
            "places": [
                each for kind in staffing.WORDS for each in staffing.of_user(connection, kind, clerk.user)
            ],
            "held": [
                (label(code), lists.names(connection, clerk.scopes[code]))
                for code in functions()
                if code in clerk.scopes
            ],
        }
    return ctx.render("people/account.html", **values, mine=_signed(ctx).session)


@pages.post("/account/sign-out-everywhere", function=None, title="我的账号", once=False)
def everywhere(ctx: Context) -> Response:
    """Every session ends, this one too, and no browser is known as the person's any more."""
    signed = _signed(ctx)

    def act(work: Work) -> None:
        devices.forget(work, signed.clerk.user)
        sessions.close_all(ctx.hall, work, signed.clerk, signed.clerk.user, "everywhere")

    ctx.hall.write(act)
    ctx.session = ""
    return ctx.redirect("/sign-in", "已在所有设备上退出。")


def _signed(ctx: Context) -> Signed:
    if ctx.signed is None:
        raise HallRefused("sign_in", "请先登录")
    return ctx.signed

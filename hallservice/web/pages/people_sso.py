"""Other ways to sign in: off to the provider, back with its answer, and out when it says so."""

from collections.abc import Mapping

from starlette.responses import Response

from hallservice.people import sessions, sso
from hallservice.people.port import Answer, IdentityProvider, TellsLogout, refused
from hallservice.refusals import HallRefused
from hallservice.web import responses
from hallservice.web.context import Context
from hallservice.web.guard import new_token
from hallservice.web.registry import Pages
from hallservice.web.visit import local

pages = Pages()
PROVIDERS = "providers"  # in the kit's extras: name -> IdentityProvider


def ways(providers: Mapping[str, IdentityProvider]) -> list[tuple[str, str]]:
    """What the sign-in page lists: title and path."""
    return [(one.title, f"/sso/{one.name}") for one in providers.values()]


@pages.get(
    "/sso/{name}", function=None, public=True, title="统一身份认证", slow=True, example={"name": "none"}
)
def leave(ctx: Context) -> Response:
    """To the provider; the guest's cookie binds the trip to this browser."""
    back = local(ctx.one("next", "/"))
    if (provider := _provider(ctx)) is None:
        return _nowhere(ctx)
    if ctx.signed is not None:
        return ctx.redirect(back)
    ctx.guest = ctx.guest or new_token()
    try:
        return responses.redirect(sso.begin(ctx.hall, provider, _callback(ctx), ctx.guest, back))
    except HallRefused as refusal:
        return _failed(ctx, refusal)


@pages.get(
    "/sso/{name}/back", function=None, public=True, title="统一身份认证", slow=True, example={"name": "none"}
)
def arrive(ctx: Context) -> Response:
    """From the provider; whatever is wrong is a page."""
    if (provider := _provider(ctx)) is None:
        return _nowhere(ctx)
    answer = Answer(ctx.query, ctx.asked.headers, ctx.client)
    try:
        found = sso.finish(ctx.hall, provider, _callback(ctx), ctx.guest, answer)
    except HallRefused as refusal:
        return _failed(ctx, refusal)
    if ctx.signed is not None:
        sessions.close(ctx.hall, ctx.signed)
    ctx.session = found.session.token
    return ctx.redirect(local(found.back))


# A CAS server tells the address it sent the browser to; an OpenID provider one that is registered with it.
@pages.told("/sso/{name}/back", title="统一身份认证退出通知")
@pages.told("/sso/{name}/logout", title="统一身份认证退出通知")
def logged_out(ctx: Context) -> Response:
    """Somebody signed out at the provider: 200 where the message is believed, else 400 (OpenID Connect
    Back-Channel Logout 1.0, 2.8)."""
    provider = _provider(ctx)
    if not isinstance(provider, TellsLogout):
        raise refused("provider", "没有这种登录方式")
    sso.logged_out(ctx.hall, provider, Answer(ctx.form, client=ctx.client))
    return Response(status_code=200)


def _provider(ctx: Context) -> IdentityProvider | None:
    known: Mapping[str, IdentityProvider] = ctx.kit.extras.get(PROVIDERS, {})
    return known.get(ctx.path["name"])


def _nowhere(ctx: Context) -> Response:
    return ctx.redirect("/sign-in", "没有这种登录方式，请用下面的方式登录。")


def _callback(ctx: Context) -> str:
    """As registered with the provider."""
    return f"{ctx.hall.settings.public_url.rstrip('/')}/sso/{ctx.path['name']}/back"


def _failed(ctx: Context, refusal: HallRefused) -> Response:
    return ctx.fault(refusal, "people/sso.html", again=f"/sso/{ctx.path['name']}")

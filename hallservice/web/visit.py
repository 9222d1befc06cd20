"""One request from the cookie to the answer: who, whether it may be, once, and what is said."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import urlencode

import structlog
from starlette.responses import Response

from exchange.errors import HubError, TryLater
from exchange.store.atonce import WouldWait
from hallservice.people import sessions
from hallservice.people.sessions import Signed
from hallservice.refusals import HallRefused
from hallservice.web import answers, drafts, responses
from hallservice.web.context import Asked, Context, Kit
from hallservice.web.guard import same, same_origin, well_formed
from hallservice.web.registry import Page
from hallservice.wording import in_chinese

log = structlog.get_logger()

SIGN_IN = "/sign-in"
PASSWORD = "/password"  # noqa: S105 - the address where one changes it
UNCHANGED = (PASSWORD, "/sign-out")  # what may be done before the first password was changed
KEPT = "登录已更新，您填写的内容已恢复。请核对（附件和密码需重新填写）后再次提交。"
LOST = "登录已过期，填写的内容未能保存，请重新填写。"
STALE = "页面停留时间过长，请重新填写后提交。"


@dataclass(frozen=True, slots=True)
class Names:
    """Cookies. With https they are bound to this host alone."""

    session: str
    said: str
    guest: str

    @classmethod
    def of(cls, kit: Kit) -> "Names":
        start = "__Host-tongban" if kit.secure else "tongban"
        return cls(start, f"{start}-said", f"{start}-guest")


@dataclass(frozen=True, slots=True)
class Desk:
    """Answers requests; safe for several threads."""

    kit: Kit
    names: Names
    turns: answers.OneAtATime = field(default_factory=answers.OneAtATime)

    def answer(self, page: Page, asked: Asked) -> Response:
        """The whole answer, whatever happens; only a hall that reads at once lets WouldWait out."""
        if page.told:
            return self._told(Context(self.kit, self.kit.hall, page, asked, None))
        ctx = Context(self.kit, self.kit.hall, page, asked, None)
        try:
            ctx = self._context(page, asked)
            made = self._show(ctx) if page.method == "GET" else self._act(ctx)
        except WouldWait:  # nothing was done: the same page again, where one may wait
            raise
        except HallRefused as refusal:
            made = self._refused(ctx, refusal)
        except TryLater as fault:
            log.warning("hall_busy", page=page.path, trace=asked.trace, code=fault.code, detail=fault.detail)
            made = self._failed(ctx, "busy")
        except HubError as fault:
            log.error("hall_refused", page=page.path, trace=asked.trace, code=fault.code, detail=fault.detail)
            made = self._refused(ctx, in_chinese(fault))
        except Exception:  # the boundary of a request: the person gets a page and a number to tell
            log.exception("hall_request_failed", page=page.path, trace=asked.trace)
            made = self._failed(ctx, "defect")
        return self._cookies(ctx, made)

    def signed(self, cookies: Mapping[str, str], *, seen: bool = True) -> Signed | None:
        """Whose session the cookies name; without `seen` it is no sign that somebody is there."""
        token = cookies.get(self.names.session, "")
        return sessions.find(self.kit.hall, token, seen=seen) if 0 < len(token) <= 200 else None

    def _context(self, page: Page, asked: Asked) -> Context:
        ctx = Context(self.kit, self.kit.hall, page, asked, self.signed(asked.cookies))
        ctx.said = self.kit.vault.flashed(asked.cookies.get(self.names.said, ""))
        guest = asked.cookies.get(self.names.guest, "")
        ctx.guest = guest if well_formed(guest) else ""
        return ctx

    def _show(self, ctx: Context) -> Response:
        if ctx.signed is None and not ctx.page.public:
            return self._to_sign_in(ctx, ctx.here)
        if _must_change(ctx):
            return ctx.redirect(PASSWORD, "请先修改密码。")
        _expect(ctx)
        if ctx.signed is not None and (draft := ctx.one("draft")):
            owner = drafts.owner_of(self.kit.vault, ctx.signed.clerk.user)
            found = drafts.find(self.kit.hall, self.kit.vault, owner, draft)
            ctx.typed, ctx.said = (found, KEPT) if found is not None else (ctx.typed, LOST)
        return ctx.page.handler(ctx)

    def _act(self, ctx: Context) -> Response:
        if not same_origin(ctx.asked.headers, self.kit.hall.settings.public_url):
            raise HallRefused("not_ours", "请求来源不明")
        if ctx.signed is None and not ctx.page.public:
            return self._ended(ctx)
        if not same(ctx.csrf, ctx.form.one("csrf")):
            return self._stale(ctx)
        if _must_change(ctx):
            return ctx.redirect(PASSWORD, "请先修改密码。")
        _expect(ctx)
        act = ctx.form.one("act")
        if not well_formed(act):
            raise HallRefused("not_ours", "表单不完整")
        if not ctx.page.once:
            return ctx.page.handler(ctx)
        holder = ctx.signed.session if ctx.signed else self.kit.vault.mark("guest", ctx.guest)
        return self._once(ctx, answers.Key(holder[:64], act))

    def _told(self, ctx: Context) -> Response:
        """To another system: a status, and no word more than it needs."""
        try:
            return ctx.page.handler(ctx)
        except HallRefused as refusal:
            code, status = refusal.code, responses.status_told(refusal.code)
        except HubError as fault:
            code, status = fault.code, 503 if isinstance(fault, TryLater) else 400
        except Exception:  # the boundary of a request: the other system learns that it was not heard
            log.exception("hall_request_failed", page=ctx.page.path, trace=ctx.asked.trace)
            code, status = "defect", 500
        log.warning("hall_not_told", page=ctx.page.path, client=ctx.client, code=code, trace=ctx.asked.trace)
        return Response(status_code=status)

    def _once(self, ctx: Context, key: answers.Key) -> Response:
        with self.turns.turn(key):
            if (first := answers.first(self.kit.hall, self.kit.vault, key)) is not None:
                return _again(ctx, first)
            mark = answers.Mark(key)
            ctx.hall = answers.marking(self.kit.hall, mark)
            try:
                made = ctx.page.handler(ctx)
            except HallRefused as refusal:
                made = self._refused(ctx, refusal)
            if mark.done:
                answers.keep(self.kit.hall, self.kit.vault, key, made, ctx.saying)
        self._submitted(ctx, made)
        return made

    def _submitted(self, ctx: Context, made: Response) -> None:
        """A draft that became an act is not needed again."""
        draft = ctx.form.one("draft")
        if made.status_code < 400 and draft and ctx.signed:
            owner = drafts.owner_of(self.kit.vault, ctx.signed.clerk.user)
            self.kit.hall.write(partial(drafts.drop, owner=owner, draft=draft))

    def _ended(self, ctx: Context) -> Response:
        """The session ended while somebody typed: sign in, and go on with what was typed."""
        back = local(ctx.form.one("from", "/"))
        owner = drafts.claimed(self.kit.vault, ctx.form.one("owner"))
        return self._to_sign_in(ctx, with_draft(back, self._draft(ctx, owner)))

    def _stale(self, ctx: Context) -> Response:
        """A form of an earlier session: shown again with what was typed, under the present one."""
        back = local(ctx.form.one("from", "/"))
        if ctx.page.public:
            return ctx.redirect(back, STALE)
        owner = drafts.claimed(self.kit.vault, ctx.form.one("owner"))
        if owner is None or owner != drafts.owner_of(self.kit.vault, ctx.clerk.user):
            raise HallRefused("not_ours", "表单已失效")
        draft = self._draft(ctx, owner)
        return ctx.redirect(with_draft(back, draft), "" if draft else LOST)

    def _draft(self, ctx: Context, owner: str | None) -> str | None:
        if owner is None or not ctx.page.draft:
            return None
        return drafts.keep(self.kit.hall, self.kit.vault, owner, ctx.form)

    def _to_sign_in(self, ctx: Context, back: str) -> Response:
        to = ctx.url(SIGN_IN) + ("?" + urlencode({"next": back}) if back != "/" else "")
        if "hx-request" in ctx.asked.headers:  # else the sign-in page would be put into a part of this one
            return Response(status_code=200, headers={"hx-redirect": to})
        return responses.redirect(to)

    def _refused(self, ctx: Context, refusal: HallRefused) -> Response:
        if refusal.code == "sign_in":
            return self._to_sign_in(ctx, ctx.here if ctx.page.method == "GET" else "/")
        return self._failed(ctx, refusal.code, refusal)

    def _failed(self, ctx: Context, code: str, refusal: HallRefused | None = None) -> Response:
        told = responses.failure(code)
        log.info("hall_answered", page=ctx.page.path, status=told.status, code=code, trace=ctx.asked.trace)
        return ctx.render(
            "failure.html",
            status=told.status,
            title=told.heading,
            told=told,
            refusal=refusal,
            faults=refusal.faults if refusal else (),
        )

    def _cookies(self, ctx: Context, made: Response) -> Response:
        secure = self.kit.secure
        path = "/" if secure else self.kit.prefix or "/"

        def put(name: str, value: str, seconds: int | None = None) -> None:
            made.set_cookie(name, value, seconds, path=path, secure=secure, httponly=True, samesite="lax")

        if ctx.session is not None:
            put(self.names.session, ctx.session, None if ctx.session else 0)
        if ctx.saying:
            put(self.names.said, self.kit.vault.flash(ctx.saying), 60)
        elif self.names.said in ctx.asked.cookies and made.status_code != 303:
            put(self.names.said, "", 0)
        if ctx.guest and ctx.guest != ctx.asked.cookies.get(self.names.guest):
            put(self.names.guest, ctx.guest)
        return made


def _must_change(ctx: Context) -> bool:
    return ctx.signed is not None and ctx.signed.must_change and ctx.page.path not in UNCHANGED


def _expect(ctx: Context) -> None:
    if ctx.page.functions and not ctx.page.open_to(ctx.clerk):
        raise HallRefused("not_allowed", "您没有此项权限", ctx.page.path)


def _again(ctx: Context, first: answers.First) -> Response:
    """The first answer once more."""
    if first.status is None:
        return ctx.redirect("/", "该操作已经办理，请到列表中查看结果。")
    ctx.saying = first.said
    return Response(first.body, first.status, headers=first.headers)


def local(path: str) -> str:
    """A path of ours; anything else is the first page."""
    good = path.startswith("/") and not path.startswith("//") and path.isascii() and path.isprintable()
    return path if good and "\\" not in path and len(path) < 2000 else "/"


def with_draft(path: str, draft: str | None) -> str:
    if draft is None:
        return path
    return f"{path}{'&' if '?' in path else '?'}draft={draft}"

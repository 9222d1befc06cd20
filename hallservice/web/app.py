"""The HTTP side of the pages: bounded bodies, a small pool of workers, files of the browser, live counts."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from exchange.bodies import Held
from exchange.store.atonce import WouldWait, at_once
from hallservice.hall import Hall
from hallservice.othertodos import Beside, OtherTodos
from hallservice.people.attempts import network
from hallservice.refusals import HallRefused
from hallservice.scanning import Scanner
from hallservice.web import assets, live, responses, templating
from hallservice.web.context import Asked, Context, Kit
from hallservice.web.forms import SLOW, Form, is_text, parse_query, read_form, whole
from hallservice.web.guard import Vault
from hallservice.web.lanes import Lane
from hallservice.web.registry import FORM_BYTES, Menu, Page, Pages, shipped
from hallservice.web.turns import Turns
from hallservice.web.visit import SIGN_IN, Desk, Names

log = structlog.get_logger()

WORKERS = 8  # more threads than this only fight for the interpreter
SLOW_WORKERS = 3  # of them that may wait for other systems and processes
SLOW_WAITING = 32  # such requests in progress before a browser is told to try later
PUBLIC_WORKERS = 2  # the same for who has no session: they keep no clerk waiting
SLOW_OF_ONE = 8  # such requests of one address without a session
WAITING = 256  # requests in progress before a browser is told to try later
REPORT = 16 * 1024  # bytes of one report of a browser
NO_QUERY: Mapping[str, list[str]] = {}
NO_FORM = Form()
YEAR = "public, max-age=31536000, immutable"

Endpoint = Callable[[Request], Awaitable[Response]]


def build_pages(
    hall: Hall,
    *,
    prefix: str = "/hall",
    features: Iterable[Pages] | None = None,
    folders: Sequence[Path] = (),
    scanner: Scanner | None = None,
    others: Sequence[OtherTodos] = (),
    sign_on: Sequence[tuple[str, str]] = (),
    extras: Mapping[str, Any] | None = None,
    reported: Callable[[str], None] | None = None,
) -> FastAPI:
    """Every page of every feature, to be mounted at `prefix`. `folders`: of further templates; `sign_on`:
    name and path of other ways to sign in; `extras`: what else a site wires in for pages of its own;
    `reported` is told each violation of the content policy."""
    declared = list(features) if features is not None else shipped()
    pages = [page for feature in declared for page in feature.declared]
    board = live.Board(hall, [counter for feature in declared for counter in feature.counters])
    kit = Kit(
        hall=hall,
        vault=Vault(hall.hub.pseudonym_key),
        templates=templating.environment(folders),
        assets=assets.load(),
        menu=Menu(pages),
        prefix=prefix,
        board=board,
        scanner=scanner,
        beside=Beside(others),
        sign_on=sign_on,
        extras=extras or {},
    )
    gate = Gate(Desk(kit, Names.of(kit)))
    app = Site(title="Tongban hall", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.pages, app.state.kit, app.state.gate = pages, kit, gate
    route = app.router.add_route
    route("/static/{name}", partial(_static, kit), methods=["GET"])
    route("/csp-report", partial(_report, reported or _log_report), methods=["POST"])
    watching = partial(gate.desk.signed, seen=False)
    route("/live", live.stream(gate.run, watching, board), methods=["GET"])
    route("/live/counts", live.polled(gate.run, watching, board), methods=["GET"])
    for page in pages:
        endpoint = gate.endpoint(page)
        route(page.path, endpoint, methods=[page.method])
        if "{" not in page.path:
            app.fixed.setdefault((page.method, page.path), endpoint)
    route("/{rest:path}", gate.endpoint(NOWHERE), methods=["GET", "POST"])
    route("/{rest:path}", gate.endpoint(NO_METHOD), methods=["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
    return app


class Site(FastAPI):
    """A page whose address has no parameters is found by the address alone; asking one route after the other
    costs more than the page does."""

    def __init__(self, **over: Any) -> None:
        super().__init__(**over)
        self.fixed: dict[tuple[str, str], Endpoint] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = self.fixed.get((scope["method"], _below(scope))) if scope["type"] == "http" else None
        if endpoint is None:
            await super().__call__(scope, receive, send)
        else:
            answer = await endpoint(Request(scope, receive, send))
            await answer(scope, receive, send)


def _nowhere(_ctx: object) -> Response:
    raise HallRefused("not_found", "没有这个页面")


def _no_method(_ctx: object) -> Response:
    raise HallRefused("no_method", "不支持的操作")


NOWHERE = Page("GET", "/{rest:path}", _nowhere, public=True, title="没有找到")
NO_METHOD = replace(NOWHERE, handler=_no_method, title="不支持的操作")


class Gate:
    """Reads requests within bounds and lets a few workers answer them."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self._quick = _that_never_waits(desk)
        self._workers = ThreadPoolExecutor(WORKERS, "pages")
        self._inside = 0
        self._turns = Turns()
        self.held = Held()
        self._slow = Lane(SLOW_WORKERS, SLOW_WAITING, SLOW_WAITING)
        self._public = Lane(PUBLIC_WORKERS, SLOW_WAITING, SLOW_OF_ONE)

    def endpoint(self, page: Page) -> Endpoint:
        """What answers one page."""

        async def answer(request: Request) -> Response:
            shown = page if is_text(request.scope["path"]) else NOWHERE
            query, form = NO_QUERY, NO_FORM
            try:
                query = parse_query(request.scope.get("query_string", b""))
                if page.method == "POST":
                    form = await read_form(request, await self._bounds(request, page), self.held)
            except HallRefused as refusal:
                shown = _saying(page, refusal)
            except ClientDisconnect:  # nobody reads the answer
                return Response(status_code=400)
            try:
                asked = _asked(request, query, form)
                do = partial(self.desk.answer, shown, asked)
                made = self._at_once(shown, asked) or await self._answered(shown, asked, do)
            finally:
                _close(form)
            return responses.finish(
                made, request.headers.get("accept-encoding", ""), secure=self.desk.kit.secure
            )

        return answer

    def _at_once(self, page: Page, asked: Asked) -> Response | None:
        """The answer without a worker: to hand a small page over and back costs more than the page itself.
        None where that would hold up the event loop."""
        if not page.at_once or self._quick is None:
            return None
        try:
            return self._quick.answer(page, asked)
        except WouldWait:
            return None

    async def _answered(self, page: Page, asked: Asked, do: Callable[[], Any]) -> Any:
        if page.slow:
            return await self._run_slowly(page, asked, do)
        return await (self._run_in_turn(do) if page.method == "GET" else self.run(do))

    async def _run_in_turn(self, do: Callable[[], Any]) -> Any:
        """What only reads and writes a page."""
        await self._turns.enter()
        try:
            return await self.run(do)
        finally:
            self._turns.leave()

    async def _run_slowly(self, page: Page, asked: Asked, do: Callable[[], Any]) -> Any:
        """In its turn among those that may take long: staff by themselves, everybody else apart from them, so
        many of one address; other systems tell in bursts. Who has no session is sent to sign in at once."""
        if page.public:
            done = await self._public.run(
                "" if page.told else network(asked.client)[0], partial(self.run, do)
            )
        elif await self.run(partial(self.desk.signed, dict(asked.cookies), seen=False)):
            done = await self._slow.run("", partial(self.run, do))
        else:
            return await self.run(do)
        return _busy() if done is None else done

    async def run(self, do: Callable[[], Any]) -> Any:
        """One of the workers does it; busy when too many wait."""
        if self._inside >= WAITING:
            return _busy()
        self._inside += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._workers, do)
        finally:
            self._inside -= 1

    async def _bounds(self, request: Request, page: Page) -> Page:
        """Whoever has no session sends no files to a page that asks for one."""
        declared = whole(request.headers.get("content-length", ""), 12) or 0
        if page.public or declared <= FORM_BYTES >= page.largest:
            return page
        if await self.run(partial(self.desk.signed, dict(request.cookies), seen=False)):
            return page
        if declared > FORM_BYTES:
            raise HallRefused("sign_in", "请先登录")
        return replace(page, largest=min(page.largest, FORM_BYTES))


def _that_never_waits(desk: Desk) -> Desk | None:
    """The same desk over a store that answers at once or not at all; None where the database is elsewhere."""
    hall = desk.kit.hall
    store = at_once(hall.hub.store)
    if store is None:
        return None
    return replace(desk, kit=replace(desk.kit, hall=replace(hall, hub=replace(hall.hub, store=store))))


def _busy() -> Response:
    return Response("系统繁忙，请稍候再试。", 503, media_type="text/plain; charset=utf-8")


def _below(scope: Scope) -> str:
    """The path below the prefix."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def _asked(request: Request, query: Mapping[str, list[str]], form: Form) -> Asked:
    scope = request.scope
    return Asked(
        path=_below(scope),
        query_string=scope.get("query_string", b"").decode("ascii", "replace"),
        params=request.path_params,
        query=query,
        client=request.client.host if request.client else "",
        trace=responses.trace_id(),
        cookies=request.cookies,
        headers=request.headers,
        form=form,
    )


def _saying(page: Page, refusal: HallRefused) -> Page:
    """In place of a page whose request could not be read."""

    def refuse(ctx: Context) -> Response:
        if refusal.code == "sign_in":
            return ctx.redirect(SIGN_IN, "登录已过期，请登录后重新提交。")
        raise refusal

    return replace(page, method="GET", handler=refuse, functions=(), public=True)


def _close(form: Form) -> None:
    for files in form.files.values():
        for upload in files:
            upload.file.close()


async def _static(kit: Kit, request: Request) -> Response:
    asset = kit.assets.by_hash.get(request.path_params["name"])
    if asset is None:
        return Response(status_code=404)
    headers = {"cache-control": YEAR, "etag": f'"{asset.hashed}"', "vary": "Accept-Encoding"}
    if request.headers.get("if-none-match") == headers["etag"]:
        return Response(status_code=304, headers=headers)
    packed = "gzip" in request.headers.get("accept-encoding", "")
    if packed:
        headers["content-encoding"] = "gzip"
    body = asset.gzip if packed else asset.body
    made = Response(body, media_type=asset.media_type, headers=headers)
    return responses.finish(made, "", secure=kit.secure)


async def _report(reported: Callable[[str], None], request: Request) -> Response:
    """A browser tells what the content policy kept from running."""
    body = b""
    with suppress(TimeoutError):
        async with asyncio.timeout(SLOW):
            async for part in request.stream():
                body += part
                if len(body) > REPORT:
                    return Response(status_code=413)
    reported(body.decode("utf-8", "replace"))
    return Response(status_code=204)


def _log_report(report: str) -> None:
    try:
        told = json.loads(report).get("csp-report", {})
    except (ValueError, AttributeError, RecursionError):
        return
    if isinstance(told, dict):
        said = {
            name: str(told.get(name, "")).split("?", 1)[0][:200]
            for name in ("document-uri", "effective-directive")
        }
        log.warning("content_policy_violated", **said)

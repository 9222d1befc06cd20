"""Defects of what a partner calls the hub for; the proxy stands between the partner and the kit's hub."""

import json
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from exchange.seals import jws
from exchange.seals.keys import SigningKey
from tests.conformance.defects_rest import STRANGER
from tests.conformance.tamper import Defect, Proxy, Request, Response


def sealed(proxy: Proxy, request: Request, key: SigningKey | None = None, path: str | None = None) -> None:
    """The call under a seal of the partner (or of another)."""
    seal = jws.sign_request(
        request.body,
        key or proxy.hub,
        method=request.method,
        path=path or request.path,
        now=datetime.now(UTC),
        nonce=proxy.nonce(),
    )
    request.put(jws.HEADER_NAME, seal)
    request.nonce = jws.claimed_nonce(seal) or ""


def call(change: Callable[[Proxy, Request], None]) -> Callable[[Proxy, Request], Response | None]:
    """Changes the call on its way to the hub; the partner takes any answer for a good one."""

    def before(proxy: Proxy, request: Request) -> Response | None:
        nonce = request.nonce
        change(proxy, request)
        response = proxy.forward(request)
        request.nonce = nonce
        if response.status == 200:
            proxy.seal(request, response)
        return response

    return before


def content(
    change: Callable[[dict[str, Any]], dict[str, Any]],
) -> Callable[[Proxy, Request], Response | None]:
    def changed(proxy: Proxy, request: Request) -> None:
        request.body = json.dumps(
            [change(one) for one in json.loads(request.body)], ensure_ascii=False
        ).encode()
        sealed(proxy, request)

    return call(changed)


def trailing(proxy: Proxy, request: Request) -> None:
    request.body += b" "


def unsealed(proxy: Proxy, request: Request) -> None:
    request.put(jws.HEADER_NAME, None)


def plain_text(proxy: Proxy, request: Request) -> None:
    request.put("Content-Type", "text/plain")


def fine(proxy: Proxy, request: Request) -> Response:
    """An answer the partner believes, whatever the hub said."""
    response = Response(200, {"content-type": "application/json"}, b'{"code":0}')
    proxy.seal(request, response)
    return response


def never(proxy: Proxy, request: Request) -> Response | None:
    return fine(proxy, request)


def settled(when: Callable[[Response], bool]) -> Callable[[Proxy, Request, Response], None]:
    """Answers of this kind count as taken."""

    def after(proxy: Proxy, request: Request, response: Response) -> None:
        if when(response):
            good = fine(proxy, request)
            response.status, response.headers, response.body = good.status, good.headers, good.body

    return after


def again(proxy: Proxy, request: Request, response: Response) -> None:
    """Keeps on sending what was answered well."""
    if response.status != 200 or proxy.memory.get(request.body):
        return
    proxy.memory[request.body] = True

    def repeat() -> None:
        for _ in range(3):
            time.sleep(0.08)
            copy = Request(request.method, request.path, list(request.headers), request.body)
            sealed(proxy, copy)
            proxy.forward(copy)

    threading.Thread(target=repeat, daemon=True).start()


def old_seal(proxy: Proxy, request: Request) -> Response | None:
    seal = proxy.memory.setdefault(request.body, request.header(jws.HEADER_NAME))
    request.put(jws.HEADER_NAME, seal)
    return None


def late(proxy: Proxy, request: Request) -> Response | None:
    if proxy.memory.get(request.body):
        time.sleep(1.7)
    proxy.memory[request.body] = True
    return None


def hasty(proxy: Proxy, request: Request, response: Response) -> None:
    """Sends the same at once when it was not taken."""
    if response.status == 503 and not proxy.memory.get(request.body):
        proxy.memory[request.body] = True
        copy = Request(request.method, request.path, list(request.headers), request.body)
        sealed(proxy, copy)
        proxy.forward(copy)


def other_content(proxy: Proxy, request: Request) -> Response | None:
    """The repeat of a call says something else."""
    first = proxy.memory.setdefault("calls", {})
    first[request.body] = first.get(request.body, 0) + 1
    if first[request.body] > 1:
        request.body = request.body.replace(b"DELIVRD", b"EXPIRED")
        sealed(proxy, request)
        proxy.forward(request)
        return fine(proxy, request)
    return None


def by_its_clock(proxy: Proxy, request: Request) -> Response | None:
    """What is still to be repeated waits for an hour that its clock, set back, will not show for long."""
    first = proxy.memory.setdefault("calls", {})
    first[request.body] = first.get(request.body, 0) + 1
    return fine(proxy, request) if first[request.body] > 1 else None


NAME = "CBK-report-"
CALLBACKS: tuple[Defect, ...] = (
    Defect("calls-unsealed", (NAME + "seal",), call(unsealed)),
    Defect(
        "calls-sealed-by-another",
        (NAME + "seal",),
        call(lambda proxy, request: sealed(proxy, request, STRANGER)),
    ),
    Defect("calls-altered-after-sealing", (NAME + "seal",), call(trailing)),
    Defect(
        "calls-bound-elsewhere",
        (NAME + "seal",),
        call(lambda proxy, request: sealed(proxy, request, path="/other")),
    ),
    Defect("calls-with-a-new-field", (NAME + "schema",), content(lambda one: {**one, "newField": "1"})),
    Defect(
        "calls-with-an-unknown-code", (NAME + "schema",), content(lambda one: {**one, "reportStatus": "OK"})
    ),
    Defect(
        "calls-with-another-date",
        (NAME + "schema",),
        content(lambda one: {**one, "receiveDate": "2026-11-22 10:00:00"}),
    ),
    Defect("calls-with-null", (NAME + "schema",), content(lambda one: {**one, "msgGroup": "null"})),
    Defect(
        "calls-without-a-field",
        (NAME + "schema",),
        content(lambda one: {name: value for name, value in one.items() if name != "mobile"}),
    ),
    Defect("calls-as-plain-text", (NAME + "type",), call(plain_text)),
    Defect("never-calls", (NAME + "comes",), never, options={"tries": 1}),
    Defect("gives-up-after-500", (NAME + "http500",), after=settled(lambda one: one.status == 500)),
    Defect(
        "gives-up-after-503",
        (NAME + "http503", NAME + "backoff-1"),
        after=settled(lambda one: one.status == 503),
    ),
    Defect("gives-up-in-silence", (NAME + "silence",), after=settled(lambda one: one.status == 599)),
    Defect(
        "believes-unsealed-answers",
        (NAME + "unsealed",),
        after=settled(lambda one: "x-gov-signature" not in one.headers),
    ),
    Defect("believes-wrong-seals", (NAME + "bad-seal",), after=settled(lambda one: one.status == 200)),
    Defect("never-stops", (NAME + "settles",), after=again),
    Defect("repeats-under-the-old-seal", (NAME + "fresh",), old_seal),
    Defect("repeats-too-late", (NAME + "backoff-1",), late),
    Defect("repeats-at-once", (NAME + "backoff-1",), after=hasty),
    Defect("repeats-by-its-own-clock", (NAME + "clock",), by_its_clock),
    Defect("repeats-something-else", (NAME + "http500",), other_content),
)

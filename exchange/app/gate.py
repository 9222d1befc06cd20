"""The way into the hub's HTTP side: bounded bodies, a few workers, problems as RFC 9457."""

import functools
import json
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import anyio
from fastapi import Request, Response
from starlette.requests import ClientDisconnect

from exchange.bodies import Held
from exchange.envelope import Envelope
from exchange.errors import Refused
from exchange.receipts import http_status
from exchange.seals import jws

LARGEST = 4 * 1024 * 1024
WAITING = 256  # requests in progress before the hub says 503
ACTION = "soapaction"
SLOWEST_BODY = 30.0  # seconds a sender may take for its body

Handle = Callable[[Envelope], Response]
Refuse = Callable[[Envelope, Refused], Response]
Endpoint = Callable[[Request], Awaitable[Response]]


class _Full(Exception):
    """All bodies together are too large."""


class Gate:
    """Reads bodies within bounds and lets a few workers handle them."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._limiter: anyio.CapacityLimiter | None = None
        self._inside = 0
        self.held = Held()

    def door(self, handle: Handle, largest: int = LARGEST, refuse: Refuse | None = None) -> Endpoint:
        """An endpoint that turns a request into an envelope and hands it to `handle` in a worker; `refuse`
        answers where the body was not read."""

        async def endpoint(request: Request) -> Response:
            try:
                body = await self.body(request, largest)
            except _Full:
                return busy("too many bodies at once")
            except ClientDisconnect:  # else every cut line is a traceback in the log; nobody reads the answer
                return problem("bad_request", "the line was cut before the body's end")
            if body is None:
                refusal = Refused("too_large", f"the body exceeds {largest >> 20} MB or came too slowly")
                if refuse is None:
                    return problem(refusal.code, refusal.detail)
                return await self.run(functools.partial(refuse, envelope_of(request, b""), refusal))
            return await self.run(functools.partial(handle, envelope_of(request, body)))

        return endpoint

    async def body(self, request: Request, largest: int = LARGEST) -> bytes | None:
        """The request's body, None when it is too large or too slow; _Full."""
        declared = request.headers.get("content-length", "0")
        if not declared.isdigit() or int(declared) > largest:
            return None
        parts, size = [], 0
        try:
            with anyio.move_on_after(SLOWEST_BODY) as scope:
                async for part in request.stream():
                    size += len(part)
                    if not self.held.take(len(part)):
                        raise _Full
                    if size > largest:
                        return None
                    parts.append(part)
        finally:
            self.held.give(size)
        return None if scope.cancelled_caught else b"".join(parts)

    async def run(self, do: Callable[[], Response]) -> Response:
        """One of the workers does it; busy when too many wait."""
        if self._inside >= WAITING:
            return busy("too many requests at once")
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(self._workers)
        self._inside += 1
        try:
            return await anyio.to_thread.run_sync(do, limiter=self._limiter)
        finally:
            self._inside -= 1


def envelope_of(request: Request, body: bytes) -> Envelope:
    """The request as it arrived; path and query exactly as sent."""
    raw = request.scope.get("raw_path", b"").decode("latin-1")
    query = request.scope.get("query_string", b"").decode("latin-1")
    bound = {"method": request.method, "path": f"{raw}?{query}" if query else raw}
    return Envelope(
        "rest",
        body,
        request.headers.get("content-type", ""),
        time.time(),
        request.headers.get(jws.HEADER_NAME),
        bound,
        {ACTION: action} if (action := request.headers.get(ACTION)) else {},
    )


def is_text(text: str) -> bool:
    """Whether it holds no control character: no name here does, and not every database takes one."""
    return text.isprintable()


def problem(code: str, detail: str, members: Mapping[str, Any] | None = None) -> Response:
    """RFC 9457, with the code to act on."""
    status = http_status(code)
    content = {
        "type": f"urn:tongban:problem:{code}",
        "title": code,
        "status": status,
        "code": code,
        "detail": detail,
        "traceId": secrets.token_hex(8),
        **(members or {}),
    }
    headers = {"Retry-After": "1"} if status == 503 else None
    return Response(
        json.dumps(content, ensure_ascii=False).encode(), status, headers, "application/problem+json"
    )


def busy(detail: str) -> Response:
    """Nothing was done; send the same bytes again."""
    return problem("busy", detail)

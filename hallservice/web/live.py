"""Counts that stay true while a page is open: computed at most once a second for everybody, told over one
stream a browser, or asked for every few seconds with an entity tag."""

import asyncio
import hashlib
import json
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from fastapi import Request, Response
from sqlalchemy import Connection, func, select
from starlette.responses import StreamingResponse

from hallservice.hall import Hall
from hallservice.people.clerk import Clerk
from hallservice.people.sessions import Signed
from hallservice.web.registry import Counted
from ledger.tables import entry as ledger_entry

TICK = 1.0  # seconds between looks
STALE = 10.0  # seconds after which numbers are counted again although the ledger stood still
BEAT = 15.0  # seconds between signs of life
CHECK = 30.0  # seconds between looks whether the session still holds
MOST = 1000  # streams of one process; whoever comes later asks instead

Numbers = Mapping[str, int]
Run = Callable[[Callable[[], Any]], Awaitable[Any]]
Find = Callable[[dict[str, str]], Signed | None]


@dataclass(frozen=True, slots=True)
class Known:
    """Numbers of one person, the ledger's size they were counted at, when, and when last looked at."""

    numbers: Numbers
    size: int
    at: float
    looked: float


@dataclass(eq=False, slots=True)
class Listener:
    """One open stream."""

    clerk: Clerk
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    numbers: Numbers = field(default_factory=dict)


class Board:
    """The numbers of everybody who looks."""

    def __init__(self, hall: Hall, counters: Sequence[Counted]) -> None:
        self._hall, self._counters = hall, counters
        self._known: dict[str, Known] = {}
        self._lock = threading.Lock()
        self._listeners: set[Listener] = set()
        self._ticker: asyncio.Task[None] | None = None

    @property
    def streams(self) -> int:
        """How many are open."""
        return len(self._listeners)

    def count(self, clerk: Clerk, name: str) -> int | None:
        """One number, not older than a second."""
        return self.numbers(clerk).get(name)

    def numbers(self, clerk: Clerk) -> Numbers:
        """All of one person."""
        known = self._known.get(clerk.user)
        if known is None or time.monotonic() - known.looked >= TICK:
            self.refresh([clerk])
        return self._known[clerk.user].numbers

    def refresh(self, clerks: Iterable[Clerk]) -> None:
        """Count for these people in one reading."""
        with self._lock, self._hall.hub.store.read() as connection:
            size = connection.scalar(select(func.max(ledger_entry.c.seq))) or 0
            if len(self._known) > 10 * MOST:
                self._known.clear()
            for clerk in clerks:
                self._known[clerk.user] = self._counted(connection, clerk, size)

    def _counted(self, connection: Connection, clerk: Clerk, size: int) -> Known:
        now, known = time.monotonic(), self._known.get(clerk.user)
        if known is not None and known.size == size and now - known.at < STALE:
            return replace(known, looked=now)
        held = [counter for counter in self._counters if clerk.may(counter.function)]
        numbers = {counter.name: counter.count(connection, clerk) for counter in held}
        return Known(numbers, size, now, now)

    async def listen(self, clerk: Clerk, run: Run) -> Listener | None:
        """A stream begins; None when there are too many."""
        if len(self._listeners) >= MOST:
            return None
        listener = Listener(clerk)
        self._listeners.add(listener)
        if self._ticker is None or self._ticker.done():
            self._ticker = asyncio.create_task(self._tick(run))
        return listener

    def leave(self, listener: Listener) -> None:
        """A stream ends."""
        self._listeners.discard(listener)

    async def _tick(self, run: Run) -> None:
        while self._listeners:
            listeners = list(self._listeners)
            people = {listener.clerk.user: listener.clerk for listener in listeners}
            await run(partial(self.refresh, list(people.values())))
            for listener in listeners:
                known = self._known.get(listener.clerk.user)
                if known is not None and known.numbers != listener.numbers:
                    listener.numbers = known.numbers
                    listener.changed.set()
            await asyncio.sleep(TICK)


def told(numbers: Numbers) -> str:
    return json.dumps(numbers, sort_keys=True, separators=(",", ":"))


def stream(run: Run, find: Find, board: Board) -> Callable[[Request], Awaitable[Response]]:
    """GET /live: server-sent events; holds no worker while nothing happens."""

    async def answer(request: Request) -> Response:
        cookies = dict(request.cookies)
        signed = await run(partial(find, cookies))
        if isinstance(signed, Response):  # too busy
            return signed
        if signed is None:
            return Response(status_code=401)
        listener = await board.listen(signed.clerk, run)
        if listener is None:
            return Response(status_code=503)
        events = _events(run, partial(find, cookies), board, listener)
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return StreamingResponse(events, media_type="text/event-stream", headers=headers)

    return answer


async def _events(
    run: Run, find: Callable[[], Signed | None], board: Board, listener: Listener
) -> AsyncIterator[str]:
    checked = time.monotonic()
    try:
        yield "retry: 5000\n\n"
        while True:
            try:
                await asyncio.wait_for(listener.changed.wait(), BEAT)
                listener.changed.clear()
                yield f"event: counts\ndata: {told(listener.numbers)}\n\n"
            except TimeoutError:
                yield ": beat\n\n"
            if time.monotonic() - checked > CHECK:
                checked = time.monotonic()
                if await run(find) is None:
                    yield "event: over\ndata: {}\n\n"
                    return
    finally:
        board.leave(listener)


def polled(run: Run, find: Find, board: Board) -> Callable[[Request], Awaitable[Response]]:
    """GET /live/counts: the same as one JSON object; 304 while nothing changed."""

    def count(cookies: dict[str, str]) -> str | None:
        signed = find(cookies)
        return told(board.numbers(signed.clerk)) if signed else None

    async def answer(request: Request) -> Response:
        body = await run(partial(count, dict(request.cookies)))
        if isinstance(body, Response):
            return body
        if not isinstance(body, str):
            return Response(status_code=401)
        tag = f'"{hashlib.sha256(body.encode()).hexdigest()[:16]}"'
        headers = {"etag": tag, "cache-control": "private, no-cache"}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(body, media_type="application/json", headers=headers)

    return answer

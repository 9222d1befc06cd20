"""Counts that stay true while a page is open: computed at most once a second for everybody, told over one
stream a browser, or asked for every few seconds with an entity tag."""

import asyncio
import hashlib
import json
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import structlog
from fastapi import Request, Response
from sqlalchemy import Connection, func, select
from starlette.responses import StreamingResponse

from exchange.store.atonce import WouldWait
from exchange.store.work import Store
from hallservice.hall import Hall
from hallservice.people.clerk import Clerk
from hallservice.people.sessions import Signed
from hallservice.web.registry import Counted
from ledger.tables import entry as ledger_entry

log = structlog.get_logger()

TICK = 1.0  # seconds between looks
SHARE = 10  # pause after a look, in times of what it took
STALE = 10.0  # seconds after which numbers are counted again although the ledger stood still
BEAT = 15.0  # seconds between signs of life
CHECK = 30.0  # seconds between looks whether the session still holds
MOST_OF_ONE = 40  # streams of one person, over all sessions
MOST = 1000  # streams of one process; whoever comes later asks instead

Numbers = Mapping[str, int]
Run = Callable[[Callable[[], Any]], Awaitable[Any]]
Find = Callable[[dict[str, str]], Signed | None]


@dataclass(frozen=True, slots=True)
class Known:
    """Numbers of one person, and when they were looked at."""

    numbers: Numbers
    looked: float


@dataclass(frozen=True, slots=True)
class Number:
    """One number, the ledger's size it was counted at, and when."""

    value: int
    size: int
    at: float


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
        self._counted: dict[tuple[str, object], Number] = {}
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

    def numbers(self, clerk: Clerk, hall: Hall | None = None) -> Numbers:
        """All of one person; `hall`: another way to read than the board's own."""
        known = self._known.get(clerk.user)
        if known is not None and time.monotonic() - known.looked < TICK:
            return known.numbers
        return self.refresh([clerk], hall)[clerk.user]

    def refresh(self, clerks: Iterable[Clerk], hall: Hall | None = None) -> Mapping[str, Numbers]:
        """Count for these people in one reading."""
        found: dict[str, Numbers] = {}
        store = (hall or self._hall).hub.store
        with self._alone(store), store.read() as connection:
            size = connection.scalar(select(func.max(ledger_entry.c.seq))) or 0
            if len(self._counted) > 100 * MOST:
                self._known.clear()
                self._counted.clear()
            for clerk in clerks:
                held = [counter for counter in self._counters if clerk.may(counter.function)]
                numbers = {one.name: self._number(connection, one, clerk, size) for one in held}
                self._known[clerk.user] = Known(numbers, time.monotonic())
                found[clerk.user] = numbers
        return found

    @contextmanager
    def _alone(self, store: Store) -> Iterator[None]:
        """One counts at a time; WouldWait for who cannot wait for another."""
        if not self._lock.acquire(blocking=store.patient):
            raise WouldWait("others count")
        try:
            yield
        finally:
            self._lock.release()

    def _number(self, connection: Connection, counter: Counted, clerk: Clerk, size: int) -> int:
        """Counted anew only when something happened since, or after a while."""
        key, now = counter.key(clerk), time.monotonic()
        kept = self._counted.get(key)
        if kept is None or kept.size != size or now - kept.at >= STALE:
            kept = self._counted[key] = Number(counter.count(connection, clerk), size, now)
        return kept.value

    async def listen(self, clerk: Clerk, run: Run) -> Listener | None:
        """A stream begins; None when there are too many."""
        own = sum(one.clerk.user == clerk.user for one in self._listeners)
        if len(self._listeners) >= MOST or own >= MOST_OF_ONE:
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
            begun = time.monotonic()
            try:
                await self._look(run)
            except Exception:  # the boundary of the task: who watches is told at the next look
                log.exception("live_counts_failed")
            await asyncio.sleep(max(TICK, SHARE * (time.monotonic() - begun)))

    async def _look(self, run: Run) -> None:
        """Tell each listener whose numbers have changed."""
        people = {listener.clerk.user: listener.clerk for listener in self._listeners}
        await run(partial(self.refresh, list(people.values())))
        for listener in list(self._listeners):
            known = self._known.get(listener.clerk.user)
            if known is not None and known.numbers != listener.numbers:
                listener.numbers = known.numbers
                listener.changed.set()


def told(numbers: Numbers) -> str:
    return json.dumps(numbers, sort_keys=True, separators=(",", ":"))


def stream(run: Run, find: Find, board: Board) -> Callable[[Request], Awaitable[Response]]:
    """GET /live: server-sent events; holds no worker while nothing happens."""

    async def answer(request: Request) -> Response:
        cookies = dict(request.cookies)
        if request.method == "HEAD":  # a stream of headers alone would stay open for nothing
            return Response(status_code=405)
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
                signed = await run(find)
                if signed is None:
                    yield "event: over\ndata: {}\n\n"
                    return
                if not isinstance(signed, Response):  # else too busy to look
                    listener.clerk = signed.clerk
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

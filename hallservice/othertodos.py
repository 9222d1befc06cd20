"""To-dos of other application systems beside ours: a port, its HTTP/JSON adapter, and what is kept of it."""

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlsplit

import httpx2
import structlog

log = structlog.get_logger()

MOST = 50  # to-dos of one system on one screen
LONGEST = 256 * 1024  # bytes of an answer
SECONDS = 3.0  # a system may take
FRESH = 60.0  # seconds an answer is shown before it is asked for again
REST = 30.0  # seconds a system that failed is left alone
PEOPLE = 5000  # whose answers are kept


class OtherTodosAway(Exception):
    """The system did not answer as agreed."""


@dataclass(frozen=True, slots=True)
class OtherTodo:
    """One thing to do in another system; `due` is a date or empty."""

    title: str
    url: str
    due: str = ""


@dataclass(frozen=True, slots=True)
class OtherList:
    """What one system told: all there are, and the first of them."""

    total: int
    todos: tuple[OtherTodo, ...]


class OtherTodos(Protocol):
    """One other application system."""

    @property
    def name(self) -> str: ...

    def of(self, staff_no: str) -> OtherList:
        """OtherTodosAway."""
        ...


@dataclass(frozen=True, slots=True)
class HttpTodos:
    """GET `address`?staff_no=… with a bearer token answers {"total": n, "todos": [{"title", "url", "due"}]};
    `url` must lie on one of `hosts` (that of the address when there are none)."""

    name: str
    address: str
    token: str = ""
    hosts: tuple[str, ...] = ()
    seconds: float = SECONDS

    def of(self, staff_no: str) -> OtherList:
        headers = {"accept": "application/json"}
        if self.token:
            headers["authorization"] = f"Bearer {self.token}"
        try:
            with (
                httpx2.Client(timeout=self.seconds, trust_env=False) as client,
                client.stream("GET", self.address, params={"staff_no": staff_no}, headers=headers) as answer,
            ):
                return self.read(answer)
        except (httpx2.HTTPError, httpx2.InvalidURL) as fault:
            raise OtherTodosAway(type(fault).__name__) from fault

    def read(self, answer: httpx2.Response) -> OtherList:
        """What it told; OtherTodosAway when that is not as agreed."""
        body, end = b"", time.monotonic() + self.seconds
        for part in answer.iter_bytes():
            body += part
            if len(body) > LONGEST or time.monotonic() > end:
                raise OtherTodosAway("too long")
        if answer.status_code != 200:
            raise OtherTodosAway(f"status {answer.status_code}")
        try:
            return self._list(json.loads(body))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as fault:
            raise OtherTodosAway("not as agreed") from fault

    def _list(self, told: Mapping[str, Any]) -> OtherList:
        todos = tuple(self._todo(one) for one in told["todos"][:MOST])
        return OtherList(max(int(told["total"]), len(todos)), todos)

    def _todo(self, one: Mapping[str, Any]) -> OtherTodo:
        url = str(one["url"])
        parts = urlsplit(url)
        allowed = self.hosts or (urlsplit(self.address).netloc,)
        if parts.scheme not in ("http", "https") or parts.netloc not in allowed:
            raise ValueError("the address of a to-do leads elsewhere")
        return OtherTodo(str(one["title"])[:200], url, str(one.get("due") or "")[:10])


@dataclass(frozen=True, slots=True)
class Shown:
    """One system as the workbench shows it; `known` is None while it has not answered."""

    name: str
    known: OtherList | None
    away: bool


@dataclass
class _Kept:
    at: float
    known: OtherList | None
    away: bool


@dataclass
class Beside:
    """The other systems of a site. No page waits for them: what was told last is shown, and asked for anew
    in the background."""

    systems: Sequence[OtherTodos]
    clock: Callable[[], float] = time.monotonic
    _kept: dict[tuple[str, str], _Kept] = field(default_factory=dict)
    _asking: set[tuple[str, str]] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _pool: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(2, thread_name_prefix="other-todos")
    )

    def of(self, staff_no: str) -> list[Shown]:
        """Every system, at once."""
        return [self._shown(system, staff_no) for system in self.systems]

    def _shown(self, system: OtherTodos, staff_no: str) -> Shown:
        key = (system.name, staff_no)
        with self._lock:
            kept = self._kept.get(key)
            old = kept is None or self.clock() - kept.at > (REST if kept.away else FRESH)
            if old and key not in self._asking:
                self._asking.add(key)
                self._pool.submit(self._ask, system, key)
        return Shown(system.name, kept.known if kept else None, kept.away if kept else False)

    def _ask(self, system: OtherTodos, key: tuple[str, str]) -> None:
        known, away = None, False
        try:
            known = system.of(key[1])
        except OtherTodosAway as fault:
            away = True
            log.warning("other_todos_away", system=system.name, detail=str(fault))
        except Exception:  # the thread's boundary: a defect in one system's adapter shows as "away"
            away = True
            log.exception("other_todos_failed", system=system.name)
        with self._lock:
            if len(self._kept) >= PEOPLE:
                self._kept.clear()
            self._kept[key] = _Kept(self.clock(), known, away)
            self._asking.discard(key)

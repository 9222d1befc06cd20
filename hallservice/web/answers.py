"""An act is done once: the first write of its handler marks its form's token in the same commit, and whoever
submits the form again gets the first answer."""

import base64
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from sqlalchemy import Connection, delete, insert, select, update
from starlette.responses import Response

from exchange.store.work import Work
from hallservice.hall import Hall
from hallservice.refusals import HallRefused
from hallservice.web.guard import Vault, pack
from hallservice.web.tables import hall_answer

T = TypeVar("T")
KEPT = 24 * 3600.0  # seconds
LARGEST = 256 * 1024  # bytes of an answer worth keeping
HEADERS = ("location", "content-type", "content-disposition")


@dataclass(frozen=True, slots=True)
class Key:
    """One form as it was shown to one person."""

    holder: str
    act: str


@dataclass(frozen=True, slots=True)
class First:
    """What was answered first; status None: it was done, but the answer is lost."""

    status: int | None
    headers: dict[str, str]
    said: str
    body: bytes


class Mark:
    """Puts the token's row into the first commit of a handler."""

    def __init__(self, key: Key) -> None:
        self.key = key
        self.done = False

    def __call__(self, work: Work) -> None:
        if self.done:
            return
        if _row(work.connection, self.key) is not None:
            raise HallRefused("repeated", "该操作已经办理")
        work.connection.execute(delete(hall_answer).where(hall_answer.c.at < work.now - KEPT))
        row = {"holder": self.key.holder, "act": self.key.act, "at": work.now}
        work.connection.execute(insert(hall_answer).values(row))
        work.after_commit(self._did)

    def _did(self) -> None:
        self.done = True


def _nothing(_work: Work) -> None:
    return None


@dataclass(frozen=True, slots=True)
class MarkingHall(Hall):
    """The hall as one act sees it."""

    mark: Callable[[Work], None] = field(default=_nothing)

    def write(self, act: Callable[[Work], T]) -> T:
        def marked(work: Work) -> T:
            self.mark(work)
            return act(work)

        return self.hub.store.write(marked)


def marking(hall: Hall, mark: Mark) -> Hall:
    return MarkingHall(hall.hub, hall.settings, mark)


def first(hall: Hall, vault: Vault, key: Key) -> First | None:
    """The answer this form got before."""
    row = hall.read(lambda connection: _row(connection, key))
    if row is None:
        return None
    status, sealed = row
    opened = vault.open(sealed, _about(key)) if sealed else None
    if status is None or opened is None:
        return First(None, {}, "", b"")
    kept = json.loads(opened)
    return First(status, kept["headers"], kept["said"], base64.b64decode(kept["body"]))


def keep(hall: Hall, vault: Vault, key: Key, response: Response, said: str) -> None:
    """Remember what was answered; an answer too large to keep is told again as done."""
    body = bytes(response.body)
    if len(body) > LARGEST:
        return
    headers = {name: response.headers[name] for name in HEADERS if name in response.headers}
    kept = pack({"headers": headers, "said": said, "body": base64.b64encode(body).decode()})
    table = hall_answer
    row = {"status": response.status_code, "answer": vault.seal(kept, _about(key))}
    statement = update(table).where(table.c.holder == key.holder, table.c.act == key.act).values(row)

    def act(work: Work) -> None:
        work.connection.execute(statement)

    hall.write(act)


def _row(connection: Connection, key: Key) -> "tuple[int | None, bytes | None] | None":
    asked = (hall_answer.c.holder == key.holder, hall_answer.c.act == key.act)
    row = connection.execute(select(hall_answer.c.status, hall_answer.c.answer).where(*asked)).first()
    return (row.status, row.answer) if row is not None else None


def _about(key: Key) -> str:
    return f"answer {key.holder} {key.act}"


class OneAtATime:
    """Whoever submits a form while its first submission is still worked on waits for that one's answer."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._busy: dict[Key, tuple[threading.Lock, int]] = {}

    @contextmanager
    def turn(self, key: Key) -> Iterator[None]:
        with self._lock:
            lock, users = self._busy.get(key, (threading.Lock(), 0))
            self._busy[key] = (lock, users + 1)
        try:
            with lock:
                yield
        finally:
            with self._lock:
                lock, users = self._busy[key]
                if users == 1:
                    del self._busy[key]
                else:
                    self._busy[key] = (lock, users - 1)

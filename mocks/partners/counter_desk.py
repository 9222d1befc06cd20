"""The clerks of a counter: threads that open cases and send what is due until the hub has receipted it."""

from __future__ import annotations

import json
import random
import sqlite3
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from structlog.types import FilteringBoundLogger

from mocks.partners.common import jws
from mocks.partners.common.clock import BEIJING, Clock
from mocks.partners.common.faults import Faults, Flaws
from mocks.partners.counter_flow import SENT_STATE, after_receipt
from mocks.partners.counter_papers import File, Item, Plan
from mocks.partners.counter_people import case_number, people
from mocks.partners.counter_post import Letter, Outcome, Post
from mocks.partners.counter_store import Cases

IDLE = 0.3  # seconds between looks at the tables when nothing wakes a clerk
SEAL_LIFE = 240  # seconds a seal is used again: the hub takes it for 300
LONGEST_WAIT = 30.0
MOST_TRIES = 8  # of answers nobody can believe, or of seals the hub does not take
PATIENCE = 60.0  # seconds to wait for the list of items
CHANNELS = {"window": "2", "online": "1"}
CLERKS = ("窗口甲", "窗口乙", "窗口丙")


@dataclass(frozen=True)
class Habits:
    """What happens to every so-manieth case (0 = none); serial_start parts two counters of one region."""

    seed: int
    supplement_every: int
    refuse_every: int
    prereview_refuse_every: int
    serial_start: int
    first_retry: float  # seconds, doubled each time

    def plan(self, n: int) -> Plan:
        """The plan of the n-th case."""

        def falls(every: int) -> bool:
            return every > 0 and n % every == 0

        pre = falls(self.prereview_refuse_every)
        return Plan(falls(self.supplement_every), not pre and falls(self.refuse_every), pre)


class Items:
    """The list of items in force, which somebody else writes; read once, and again when asked."""

    def __init__(self, path: Path) -> None:
        self._path, self._items, self._lock = path, list[Item](), threading.Lock()
        self._since = time.monotonic()

    @property
    def missing(self) -> bool:
        """Whether the list has not come in time."""
        return not self._items and time.monotonic() - self._since > PATIENCE

    def reload(self) -> None:
        """Reads the list anew at the next use."""
        with self._lock:
            self._items, self._since = [], time.monotonic()

    def all(self) -> Sequence[Item]:
        """Empty while the list is not there."""
        with self._lock:
            if not self._items:
                self._items = _read_items(self._path)
            return self._items


def _read_items(path: Path) -> list[Item]:
    try:
        raw = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return []
    listed = raw if isinstance(raw, list) else []
    return [item for one in listed if isinstance(one, dict) and (item := _item(one))]


def _item(raw: dict[str, object]) -> Item | None:
    """None for an item nobody can apply for: half of it is missing."""
    try:
        return Item.read(raw)
    except (KeyError, ValueError):
        return None


def new_file(n: int, items: Sequence[Item], habits: Habits, now: float) -> File:
    """The n-th case: every item has its turn; the rest is drawn from the seed."""
    draw = random.Random(f"{habits.seed}/{n}")  # noqa: S311  # repeatable behaviour, not a secret
    order = random.Random(habits.seed).sample(range(len(items)), len(items))  # noqa: S311  # as above
    item, channel = items[order[n % len(items)]], draw.choice(("window", "window", "online"))
    applicant, contact = people(draw)
    day = datetime.fromtimestamp(now, BEIJING).date()
    number = case_number(item.region, day, CHANNELS[channel], habits.serial_start + n)
    mode, clerk = draw.choice(("window", "post", "online")), draw.choice(CLERKS)
    return File(number, item, applicant, contact, channel, mode, habits.plan(n), clerk)


class Clerks:
    """So many threads; a message of one case never overtakes another of the same case."""

    def __init__(
        self, cases: Cases, post: Post, signer: jws.Signer, faults: Faults, items: Items, habits: Habits,
        workers: int, log: FilteringBoundLogger, clock: Clock,
    ) -> None:  # fmt: skip
        self._cases, self._post, self._signer, self._faults = cases, post, signer, faults
        self.items, self._habits, self._log = items, habits, log
        self.clock = clock
        self._turn, self._busy, self._stopped = threading.Condition(), set[int](), threading.Event()
        self._threads = [
            threading.Thread(target=self._run, name=f"clerk {place}", daemon=True) for place in range(workers)
        ]

    def wake(self) -> None:
        """Something may be due."""
        with self._turn:
            self._turn.notify_all()

    def start(self) -> None:
        """Starts the threads."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ends them; what is under way is sent again after a restart."""
        self._stopped.set()
        self.wake()
        end = time.monotonic() + 1
        for thread in self._threads:
            if thread.is_alive():
                thread.join(max(0.0, end - time.monotonic()))

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                if not self._work():
                    with self._turn:
                        self._turn.wait(IDLE)
            except sqlite3.Error as error:
                if not self._stopped.is_set():
                    self._log.warning("store_trouble", kind=type(error).__name__)
                    self._stopped.wait(1)

    def _work(self) -> bool:
        """One message, or one new case; False if there is nothing to do."""
        if self._faults.take("send", "maintenance"):
            return False
        row = self._take()
        if row is None:
            return self._open()
        try:
            self._settle(row, self._post_one(row))
        finally:
            with self._turn:
                self._busy.discard(row["id"])
                self._turn.notify()
        return True

    def _take(self) -> sqlite3.Row | None:
        with self._turn:
            for row in self._cases.due(self.clock()):
                if row["id"] not in self._busy:
                    self._busy.add(row["id"])
                    return row
        return None

    def _open(self) -> bool:
        with self._turn, self._cases.record.work():
            n = self._cases.count() + 1
            if n > self._cases.target() or not (items := self.items.all()):
                return False
            now = self.clock()
            file = new_file(n, items, self._habits, now)
            self._cases.begin(n, file)
            self._cases.queue(file, "case.applied.v1", now)
        return True

    def _post_one(self, row: sqlite3.Row) -> Outcome:
        if fault := self._faults.take("send", "delay_ms"):
            self._stopped.wait(fault.number(1000) / 1000)
        letter, spoilt = self._letter(row)
        outcome = self._post.send(letter)
        if self._faults.take("send", "duplicate_push"):
            outcome = self._post.send(letter)
        return Outcome("reseal", outcome.code) if spoilt and outcome.word == "failed" else outcome

    def _letter(self, row: sqlite3.Row) -> tuple[Letter, bool]:
        """The message under a seal; one that is young enough is used again. True if a fault spoilt it."""
        flaws = self._faults.flaws("send")
        seal, now = row["seal"], self.clock()
        if not seal or now - row["sealed_at"] > SEAL_LIFE or flaws != Flaws():
            bound = {"method": "POST", "path": self._post.path}
            seal = self._signer.sign(row["body"], bound, age=flaws.age, spoil=flaws.spoil)
            self._cases.sealed(row, seal, now)
        letter = Letter(row["message_id"], row["kind"], self._cases.party, row["body"], seal)
        return letter, flaws != Flaws()

    def _settle(self, row: sqlite3.Row, outcome: Outcome) -> None:
        with self._cases.record.work():
            match outcome.word:
                case "done":
                    self._done(row, outcome)
                case "failed":
                    self._failed(row, outcome)
                case word:
                    self._again(row, outcome, afresh=word == "reseal")

    def _done(self, row: sqlite3.Row, outcome: Outcome) -> None:
        self._cases.closed(row, "done")
        self._note(row, outcome.code or "ok", accepted=True)
        case_no, kind, file = row["case_no"], row["kind"], self._cases.file(row["case_no"])
        if file is None:
            return
        if kind in SENT_STATE:
            self._cases.advance(case_no, SENT_STATE[kind])
        match after_receipt(kind, file.plan):
            case "end":
                self._cases.advance(case_no, "finished")
            case str() as following:
                self._cases.queue(file, following, self.clock())

    def _failed(self, row: sqlite3.Row, outcome: Outcome) -> None:
        self._cases.closed(row, "failed")
        self._note(row, outcome.code, accepted=False)
        self._cases.fail(row["case_no"], outcome.code, f"{row['kind']}: {outcome.path}")

    def _again(self, row: sqlite3.Row, outcome: Outcome, *, afresh: bool) -> None:
        unbelievable = outcome.code in ("answer_seal", "receipt_wrong", "answer_too_large")
        if (afresh or unbelievable) and row["attempts"] + 1 >= MOST_TRIES:
            self._failed(row, outcome)
            return
        wait = min(LONGEST_WAIT, self._habits.first_retry * 2 ** min(row["attempts"], 10))
        due = self.clock() + (0.0 if afresh and not row["attempts"] else max(wait, outcome.wait))
        self._cases.postponed(row, due, afresh=afresh)

    def _note(self, row: sqlite3.Row, code: str, *, accepted: bool) -> None:
        kind, name, case_no = row["kind"], row["message_id"], row["case_no"]
        self._cases.record.note("sent", kind, name, row["body"], code, accepted=accepted, case=case_no)

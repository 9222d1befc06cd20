"""The clerks of a counter: threads that open cases and send what is due until the hub has receipted it."""

from __future__ import annotations

import sqlite3
import threading
import time
from uuid import uuid4

from structlog.types import FilteringBoundLogger

from mocks.partners import counter_report
from mocks.partners.common import jws
from mocks.partners.common.clock import Clock
from mocks.partners.common.faults import Faults, Flaws
from mocks.partners.counter_acts import kind_of
from mocks.partners.counter_flow import SENT_STATE, Due, after_receipt
from mocks.partners.counter_items import Items
from mocks.partners.counter_papers import Json
from mocks.partners.counter_plans import Habits, new_file
from mocks.partners.counter_post import Letter, Outcome, Post
from mocks.partners.counter_progress import run_over
from mocks.partners.counter_store import Cases

IDLE = 0.3  # seconds between looks at the tables when nothing wakes a clerk
SEAL_LIFE = 240  # seconds a seal is used again: the hub takes it for 300
LONGEST_WAIT = 30.0
MOST_TRIES = 8  # of answers nobody can believe, or of seals the hub does not take


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
            return self._open() or self._report()
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
            self._cases.queue(file, Due("case.applied.v1"), now)
        return True

    @property
    def to_report(self) -> bool:
        """Whether a run has begun whose report is not written."""
        begun = "report" in self._habits.ways.acts and self._cases.setting("runs")
        return bool(begun) and self._cases.setting("reported") < self._cases.setting("runs")

    def _report(self) -> bool:
        """At the end of a run: efficiency and town items, once."""
        with self._turn, self._cases.record.work():
            if not self.to_report or not run_over(self._cases) or not (files := self._cases.files()):
                return False
            runs, now, name = self._cases.setting("runs"), self.clock(), uuid4().hex[:12]
            self._cases.setting("reported", more=runs - self._cases.setting("reported"))
            report, batch = f"{self._cases.party}-R{name}", f"{self._cases.party}-B{name}"
            self._put("performance.reported.v1", report, counter_report.performance(report, files, now), now)
            self._put(
                "catalogue.reported.v1", batch, counter_report.catalogue(batch, self.items.raw(), now), now
            )
        return True

    def _put(self, kind: str, name: str, payload: Json | None, now: float) -> None:
        if payload is not None:
            self._cases.put("", f"{kind}#{name}", payload, now, lane=kind)

    def _post_one(self, row: sqlite3.Row) -> Outcome:
        if fault := self._faults.take("send", "delay_ms"):
            self._stopped.wait(fault.number(1000) / 1000)
        letter, spoilt = self._letter(row)
        if letter is None:
            return Outcome("withdrawn")
        outcome = self._post.send(letter)
        if self._faults.take("send", "duplicate_push"):
            outcome = self._post.send(letter)
        return Outcome("reseal", outcome.code) if spoilt and outcome.word == "failed" else outcome

    def _letter(self, row: sqlite3.Row) -> tuple[Letter | None, bool]:
        """The message under a seal; one that is young enough is used again. True if a fault spoilt it.

        None: the message was withdrawn meanwhile.
        """
        flaws = self._faults.flaws("send")
        seal, now = row["seal"], self.clock()
        if not seal or now - row["sealed_at"] > SEAL_LIFE or flaws != Flaws():
            bound = {"method": "POST", "path": self._post.path}
            seal = self._signer.sign(row["body"], bound, age=flaws.age, spoil=flaws.spoil)
            if not self._cases.sealed(row, seal, now):
                return None, False
        letter = Letter(row["message_id"], kind_of(row["step"]), self._cases.party, row["body"], seal)
        return letter, flaws != Flaws()

    def _settle(self, row: sqlite3.Row, outcome: Outcome) -> None:
        with self._cases.record.work():
            match outcome.word:
                case "withdrawn":
                    return
                case "done":
                    self._done(row, outcome)
                case "failed":
                    self._failed(row, outcome)
                case word:
                    self._again(row, outcome, afresh=word == "reseal")

    def _done(self, row: sqlite3.Row, outcome: Outcome) -> None:
        self._cases.closed(row, "done")
        self._note(row, outcome.code or "ok", accepted=True)
        if (state := SENT_STATE.get(kind_of(row["step"]))) and row["case_no"]:
            self._cases.advance(row["case_no"], state)
        self._follow(row)

    def _follow(self, row: sqlite3.Row) -> None:
        """What the opening of a case goes on with."""
        file = self._cases.file(row["case_no"])
        match after_receipt(row["step"], file) if file else None:
            case "end" if file:
                self._cases.advance(file.case_no, "finished")
            case str() as following if file:
                self._cases.queue(file, Due(following), self.clock())

    def _failed(self, row: sqlite3.Row, outcome: Outcome) -> None:
        """A message beside the course of its case holds nothing back."""
        self._cases.closed(row, "refused" if row["aside"] else "failed")
        self._note(row, outcome.code, accepted=False)
        if row["aside"]:
            self._follow(row)
        else:
            path = f"{kind_of(row['step'])}: {outcome.path}"
            self._cases.fail(row["case_no"], outcome.code, path)

    def _again(self, row: sqlite3.Row, outcome: Outcome, *, afresh: bool) -> None:
        unbelievable = outcome.code in ("answer_seal", "receipt_wrong", "answer_too_large")
        if (afresh or unbelievable) and row["attempts"] + 1 >= MOST_TRIES:
            self._failed(row, outcome)
            return
        wait = min(LONGEST_WAIT, self._habits.first_retry * 2 ** min(row["attempts"], 10))
        due = self.clock() + (0.0 if afresh and not row["attempts"] else max(wait, outcome.wait))
        self._cases.postponed(row, due, afresh=afresh)

    def _note(self, row: sqlite3.Row, code: str, *, accepted: bool) -> None:
        kind, name, case_no = kind_of(row["step"]), row["message_id"], row["case_no"]
        self._cases.record.note("sent", kind, name, row["body"], code, accepted=accepted, case=case_no)

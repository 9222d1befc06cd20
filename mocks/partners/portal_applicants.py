"""What applicants do: apply, upload, supplement when asked, ask, rate, complain; a thread opens the cases."""

from __future__ import annotations

import sqlite3
import threading
from dataclasses import dataclass

from mocks.partners import portal_requests as requests
from mocks.partners.common.clock import Clock
from mocks.partners.common.faults import Faults
from mocks.partners.counter_items import Items, chosen
from mocks.partners.portal_calls import DONE, Calls
from mocks.partners.portal_events import Event
from mocks.partners.portal_requests import Application, Plan
from mocks.partners.portal_store import Store

IDLE = 0.3  # seconds between looks for the list of items
SERIALS = requests.LAST_SERIAL - requests.FIRST_SERIAL + 1


@dataclass(frozen=True)
class Habits:
    """What every so-manieth applicant does (0 = none)."""

    seed: int
    serial_start: int
    attach_every: int
    evaluate_every: int
    complain_every: int
    ask_every: int
    evaluate_delay: float  # seconds after the conclusion

    def plan(self, n: int) -> Plan:
        """The plan of the n-th application."""
        each = (self.attach_every, self.evaluate_every, self.complain_every, self.ask_every)
        return Plan(*(every > 0 and n % every == 0 for every in each))

    def serial(self, n: int) -> int:
        """The serial of the n-th application, within the range of online ones."""
        return requests.FIRST_SERIAL + (self.serial_start + n - requests.FIRST_SERIAL) % SERIALS


class Applicants:
    """Every method joins the caller's transaction or makes its own."""

    def __init__(self, store: Store, faults: Faults, items: Items, habits: Habits, clock: Clock) -> None:
        self._store, self._faults, self.items, self._habits = store, faults, items, habits
        self._clock = clock  # of the portal's business
        self._calls: Calls | None = None
        self._stopped, self._wake = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="applicants", daemon=True)

    def start(self, calls: Calls) -> None:
        """Starts opening applications; `calls` is woken when one is to be sent."""
        self._calls = calls
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread."""
        self._stopped.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(1.0)

    def wake(self) -> None:
        """The target was raised, or something is to be said."""
        self._wake.set()
        if self._calls is not None:
            self._calls.wake()

    def _run(self) -> None:
        while not self._stopped.is_set():
            if not self._open():
                self._wake.wait(IDLE)
                self._wake.clear()

    def _open(self) -> bool:
        """One application more; False if there is none to be made, or no item to apply for."""
        with self._store.record.work():
            n = self._store.count() + 1
            if self._stopped.is_set() or n > self._store.target() or not (items := self.items.all()):
                return False
            item, habits, now = chosen(n, items), self._habits, self._clock()
            one = requests.new_application(n, item, habits.plan(n), habits.seed, habits.serial(n), now)
            self._store.begin(n, one)
            self._store.put("apply", one, requests.apply(one, now))
        self.wake()
        return True

    def answered(self, row: sqlite3.Row, code: str) -> None:
        """The hub answered a request for good."""
        kind, one = row["kind"], self._store.application(row["apply_no"])
        if one is None:
            return
        if code != DONE:
            if kind in ("apply", "supplement"):
                self._store.fail(one.apply_no, code, kind)
        elif kind == "apply":
            self._store.advance(one.apply_no, "applied")
            if one.plan.attach:
                self._attach(one)
        elif kind == "complain" and not row["mark"] and self._faults.take("complain", "double_complaint"):
            self._store.put("complain", one, requests.complain(one, self._clock()), mark="twice")

    def _attach(self, one: Application) -> None:
        said = requests.attach(one, self._clock())
        if self._faults.take("attach", "missing_attachment"):
            del said["content"]
        self._store.put("attach", one, said)

    def told(self, event: Event) -> None:
        """An event of a case reached its applicant; cases of windows concern nobody here."""
        one = self._store.application(event.applyNo)
        if one is None:
            return
        detail, refused = event.detail, event.detail.get("result") == "NO"
        match event.event:
            case "PRE_REVIEWED" | "ACCEPTED" if refused:
                self._store.advance(one.apply_no, "finished")
            case "ACCEPTED":
                self._accepted(one, str(detail.get("queryCode", "")))
            case "SUPPLEMENT":
                self._supply(one, event)
            case "CONCLUDED":
                self._store.advance(one.apply_no, "concluded")
                if one.plan.evaluate:
                    self._rate(one)
            case "DELIVERED":
                self._store.advance(one.apply_no, "finished")

    def _accepted(self, one: Application, query_code: str) -> None:
        self._store.advance(one.apply_no, "accepted")
        if one.plan.ask and query_code:
            self._store.put("ask", one, self._question(one, query_code))
        if one.plan.complain:
            said = requests.complain(one, self._clock())
            self._store.register(str(said["complaintNo"]), one.apply_no)
            self._store.put("complain", one, said)
        if self._faults.take("evaluate", "early_evaluation"):
            self._rate(one)

    def _question(self, one: Application, query_code: str) -> dict[str, object]:
        said = requests.ask(one, query_code)
        if self._faults.take("ask", "wrong_password"):
            said["queryCode"] = f"{(int(query_code) + 1) % 1_000_000:06d}"
        if self._faults.take("ask", "unknown_case"):
            said["applyNo"] = requests.unknown_number(one.apply_no)
        return said

    def _supply(self, one: Application, event: Event) -> None:
        asked = event.detail["materials"]
        listed = [line for line in asked if isinstance(line, dict)] if isinstance(asked, list) else []
        said = requests.supplement(one, self._clock(), listed)
        self._store.put("supplement", one, said, mark=str(event.seq))

    def _rate(self, one: Application) -> None:
        """Some seconds after the conclusion; `rush_rating`: the best rating at once."""
        rush = self._faults.take("evaluate", "rush_rating")
        delay = 0.0 if rush else self._habits.evaluate_delay
        said = requests.evaluate(one, self._clock() + delay, score="10" if rush else "")
        self._store.put("evaluate", one, said, delay)

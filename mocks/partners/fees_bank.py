"""The bank: pays notices some moments after they were made, takes payments back, and tells the hub."""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from dataclasses import dataclass, field

from mocks.partners.common.callback import Callbacks, Note
from mocks.partners.common.clock import Clock, compact
from mocks.partners.common.record import Record
from mocks.partners.fees_recon import NoFolder, Reconciliation
from mocks.partners.fees_store import UNPAID, Movement, Notice, Notices, RuleBroken, yuan

IDLE = 0.5  # seconds between looks when nothing wakes the thread


@dataclass
class Bank:
    """One thread; a payment and its callback are kept in one transaction."""

    record: Record
    notices: Notices
    callbacks: Callbacks
    clock: Clock
    code: str
    automatic: bool
    reconciliation: Reconciliation
    _wake: threading.Event = field(default_factory=threading.Event)
    _stopped: bool = False
    _thread: threading.Thread | None = None

    def pay(self, number: str, overdue: int | None = None) -> Notice:
        """Pays one notice now; `RuleBroken` if it is unknown or not unpaid. `overdue` in fen, else by DUE."""
        with self.record.work() as db:
            notice = self.notices.pay(db, number, overdue)
            body = json.dumps(self._payment(notice)).encode()
            notes = [Note("paid", notice.serial, notice.case_no)]
            self.notices.set_job(db, notice, self.callbacks.schedule(db, "paid", "/fee/paid", body, notes, 0))
        return self.notices.named(number)

    def _payment(self, notice: Notice) -> dict[str, str]:
        return {
            "payNoteNo": notice.number,
            "paySerial": notice.serial,
            "amount": yuan(notice.total),
            "overdueAmount": yuan(notice.overdue),
            "payTime": compact(notice.paid_at or 0),
            "bankCode": self.code,
            "voucherNo": f"{notice.id:010d}",
        }

    def reverse(self, number: str, reason: str = "") -> Notice:
        """Takes a payment back now; `RuleBroken` if there is none of today, or some of it was refunded."""
        with self.record.work() as db:
            back = self.notices.reverse(db, number)
            case = self.notices.named(number).case_no
            body = json.dumps(self._reversal(back, reason), ensure_ascii=False).encode()
            notes = [Note("reversed", back.serial, case)]
            self.callbacks.schedule(db, "reversed", "/fee/reversed", body, notes, 0)
        self.callbacks.wake()
        return self.notices.named(number)

    def _reversal(self, back: Movement, reason: str) -> dict[str, str]:
        return {
            "payNoteNo": back.number,
            "paySerial": back.serial,
            "oriPaySerial": back.original,
            "amount": yuan(back.amount + back.overdue),
            "reverseTime": compact(back.at),
            "bankCode": self.code,
        } | ({"reason": reason} if reason else {})

    def pay_first(self, id: int) -> None:
        """Pays a notice and returns when the hub was told once (at most 5 s)."""
        notice = self.notices.numbered(id)
        if notice.state == UNPAID:
            notice = self.pay(notice.number)
        if notice.job is None:
            return
        self.callbacks.hurry(notice.job)
        pause = threading.Event()
        for _ in range(250):
            if self.callbacks.attempted(notice.job):
                return
            pause.wait(0.02)

    def switch(self, on: bool) -> None:
        """Whether notices are paid without being asked."""
        self.automatic = on
        self._wake.set()

    def wake(self) -> None:
        """There is a new notice."""
        self._wake.set()

    def start(self) -> None:
        """Starts the thread."""
        self._thread = threading.Thread(target=self._run, name="bank", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread."""
        self._stopped = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(0.5)

    def _run(self) -> None:
        while not self._stopped:
            self._take_back()
            with suppress(NoFolder):
                self.reconciliation.catch_up()
            self._wake.wait(self._pay_due() if self.automatic else IDLE)
            self._wake.clear()

    def _take_back(self) -> None:
        """What the bank takes back by itself and still can."""
        for number in self.notices.to_reverse():
            try:
                self.reverse(number, "账户异常")
            except RuleBroken:  # taken back or refunded by hand, or its day is over
                self.notices.keep(number)

    def _pay_due(self) -> float:
        """Pays what is due; seconds to the next look."""
        notices, after = self.notices.due()
        for notice in notices:
            try:
                self.pay(notice.number)
            except RuleBroken:  # cancelled or paid by hand since the look
                continue
        return IDLE if after is None else min(IDLE, max(0.005, after - self.clock()))

"""The bank clerk and the auditor's view, by the loopback admin API."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from mocks.partners.common import strictjson
from mocks.partners.common.record import Record
from mocks.partners.fees_bank import Bank
from mocks.partners.fees_calendar import day_of
from mocks.partners.fees_recon import NoFolder
from mocks.partners.fees_store import Notice, RuleBroken, fen, yuan

_AMOUNT = re.compile(r"(0|[1-9]\d{0,12})\.\d\d", re.ASCII)
LONGEST_REASON = 500
STATUS = {"900010": 404, "900011": 409}
Act = Callable[[Mapping[str, object]], object]


class BadAct(Exception):
    """The body is not what the act needs; the text says what is."""


@dataclass(frozen=True)
class Clerk:
    """The acts a test or a demonstration asks for."""

    record: Record
    bank: Bank

    def pay(self, asked: Mapping[str, object]) -> object:
        """Pays a notice now."""
        number, overdue = asked.get("payNoteNo"), asked.get("overdueAmount")
        if not isinstance(number, str) or not asked.keys() <= {"payNoteNo", "overdueAmount"}:
            raise BadAct("payNoteNo, overdueAmount")
        return _shown(self.bank.pay(number, None if overdue is None else fen(_amount(overdue))))

    def reverse(self, asked: Mapping[str, object]) -> object:
        """Takes a payment of today back."""
        number, reason = asked.get("payNoteNo"), asked.get("reason", "")
        if not isinstance(number, str) or not asked.keys() <= {"payNoteNo", "reason"}:
            raise BadAct("payNoteNo, reason")
        if not isinstance(reason, str) or len(reason) > LONGEST_REASON:
            raise BadAct(f"reason: at most {LONGEST_REASON} characters")
        return _shown(self.bank.reverse(number, reason))

    def reconcile(self, asked: Mapping[str, object]) -> object:
        """Puts the file of a day into the drop folder; once more: a corrected one."""
        day = asked.get("day")
        if not isinstance(day, str) or asked.keys() != {"day"}:
            raise BadAct("day: yyyymmdd")
        try:
            return self.bank.reconciliation.make(day_of(day))
        except (ValueError, NoFolder) as error:
            raise BadAct(str(error)) from error

    def autopay(self, asked: Mapping[str, object]) -> object:
        """Whether the bank pays by itself."""
        if asked.keys() != {"on"} or not isinstance(asked["on"], bool):
            raise BadAct("on: true or false")
        self.bank.switch(asked["on"])
        return {"on": self.bank.automatic}

    def basis(self, asked: Mapping[str, object]) -> object:
        """Another amount for a fee basis."""
        if asked.keys() != {"code", "amount"} or not isinstance(asked["code"], str):
            raise BadAct("code, amount")
        with self.record.work() as db:
            row = (asked["code"], _amount(asked["amount"]))
            db.execute("INSERT OR REPLACE INTO basis VALUES (?, ?)", row)
        return dict(asked)


def mount(app: FastAPI, record: Record, bank: Bank) -> None:
    """Adds /admin/notices, pay, reverse, reconcile, autopay and basis."""
    clerk = Clerk(record, bank)

    def notices() -> JSONResponse:
        return JSONResponse([_shown(notice) for notice in bank.notices.all()])

    app.add_api_route("/admin/notices", notices, methods=["GET"])
    for act in (clerk.pay, clerk.reverse, clerk.reconcile, clerk.autopay, clerk.basis):
        app.add_api_route(f"/admin/{act.__name__}", _endpoint(act), methods=["POST"])


def _endpoint(act: Act) -> Callable[[Request], object]:
    async def endpoint(request: Request) -> JSONResponse:
        try:
            return JSONResponse(act(strictjson.read_object(await request.body())))
        except (BadAct, strictjson.BadJson) as error:
            return JSONResponse({"detail": str(error)}, 422)
        except RuleBroken as error:
            return JSONResponse({"detail": str(error)}, STATUS.get(error.code, 422))

    return endpoint


def _amount(value: object) -> str:
    if not isinstance(value, str) or not _AMOUNT.fullmatch(value):
        raise BadAct("an amount is yuan with two decimals")
    return value


def _shown(notice: Notice) -> dict[str, object]:
    return {
        "payNoteNo": notice.number,
        "caseNo": notice.case_no,
        "amount": yuan(notice.total),
        "state": notice.state,
        "paySerial": notice.serial,
        "confirmed": notice.confirmed,
        "refunded": yuan(notice.refunded),
    }

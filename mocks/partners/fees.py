"""SYS-05, the fee system and its bank, from adapters/fees/contract: SOAP 1.1 in GBK at /FeeService.

Own keys: pay_delay_ms (2000), auto_pay (true), bank_code ("102"), repeat_seconds (1, 5, 30, the last again).
Admin: GET /admin/notices; POST /admin/pay {"payNoteNo", "overdueAmount"?}; POST /admin/autopay {"on": true};
POST /admin/basis {"code", "amount": "105.00"} makes QueryFeeBasis differ from what it was.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fastapi import FastAPI
from spyne.server.wsgi import WsgiApplication
from structlog.types import FilteringBoundLogger

from mocks.partners import fees_admin
from mocks.partners.common import admin, soapface
from mocks.partners.common.callback import REPEATS, Callbacks, JwsSealer
from mocks.partners.common.clock import OwnClock
from mocks.partners.common.config import Config
from mocks.partners.common.faults import PUSH_FAULTS, Faults
from mocks.partners.common.jws import Signer as JwsSigner
from mocks.partners.common.keys import load_certificates, wait_for
from mocks.partners.common.record import Record
from mocks.partners.common.server import main, new_app
from mocks.partners.common.soapdesk import ANSWER_FAULTS, Post, Reply, SoapDesk, serialise, unwrapped
from mocks.partners.common.soapface import Contract, SoapRefusal
from mocks.partners.common.xmlsig import Element, load_signer, parse
from mocks.partners.fees_bank import Bank
from mocks.partners.fees_ops import BODIES, Operations
from mocks.partners.fees_store import SCHEMA, Notices

CONTRACT: Final = Path(__file__).parents[2] / "adapters" / "fees" / "contract" / "fees.wsdl"
PATH: Final = "/FeeService"
CONTENT_TYPE: Final = "text/xml; charset=GBK"
TIMEOUT: Final = 5.0  # seconds the hub has to answer the bank
_LABEL = re.compile(r'charset\s*=\s*"?gbk"?\s*(;|$)', re.ASCII | re.IGNORECASE)
_COMMON = ANSWER_FAULTS | {"freeze", "busy"}
FAULTS: Final = dict.fromkeys(BODIES, _COMMON) | {
    "CreateNotice": _COMMON | {"callback_before_reply"},
    "paid": PUSH_FAULTS,
}


@dataclass(frozen=True)
class Face:
    """The GBK way in and out; the seals are inside."""

    contract: Contract
    service: WsgiApplication
    record: Record
    bank: Bank

    def answer(self, post: Post) -> Reply:
        """An answer, or a Fault for what is not a call of this service."""
        try:
            payload = self._work(post)
        except SoapRefusal as error:
            payload = soapface.fault(str(error))
        except soapface.ServiceFailed:
            payload = soapface.fault("internal error", "Server")
        status = 500 if soapface.is_fault(payload) else 200
        jobs = self._jobs(post, payload) if status == 200 else ()
        return Reply(serialise(soapface.envelope_with(payload), "GBK"), CONTENT_TYPE, status, jobs)

    def _work(self, post: Post) -> Element:
        if not _LABEL.search(post.content_type) and post.body:
            raise SoapRefusal("character set is not GBK")
        envelope = soapface.read_envelope(post.content_type, post.body, ("gbk",))
        soapface.require_declared(post.body, "gbk")
        payload = soapface.operation_of(envelope, self.contract)
        if payload.tag != f"{{{self.contract.namespace}}}{post.operation}":
            raise SoapRefusal("SOAPAction is not that of the operation")
        with self.record.work():
            return soapface.call_service(self.service, payload)

    def _jobs(self, post: Post, payload: Element) -> tuple[int, ...]:
        """The notice an answer made (or made before), for the bank."""
        if post.operation != "CreateNotice":
            return ()
        self.bank.wake()
        msg_id = parse(unwrapped(payload[0].text)).findtext("MSGID")
        with self.record.work() as db:
            row = db.execute("SELECT notice FROM answered WHERE msg_id = ?", (msg_id,)).fetchone()
        return () if row is None or row["notice"] is None else (row["notice"],)


@dataclass(frozen=True)
class FeeSystem:
    """The program: HTTP side, record, bank and callbacks."""

    app: FastAPI
    record: Record
    bank: Bank
    callbacks: Callbacks

    def start(self) -> None:
        """Starts the bank."""
        self.callbacks.start()
        self.bank.start()

    def stop(self) -> None:
        """Ends the threads and closes the record."""
        self.bank.stop()
        self.callbacks.stop(0.4)
        self.record.close()


def build(config: Config, log: FilteringBoundLogger) -> FeeSystem:
    """Waits up to 30 s for each of the hub's certificates."""
    trusted = list(load_certificates(wait_for(config.hub_rsa_certificate)).values())
    answers = load_certificates(wait_for(config.hub_ec_certificate))
    signer = load_signer(config.key.read_bytes(), config.certificate.read_bytes())
    clock = OwnClock()
    record = Record(config.state / "record.db", clock.base, SCHEMA)
    faults = Faults(FAULTS, config.seed, clock)
    sealer = JwsSealer(JwsSigner(signer.key, signer.certificate, clock.seals), answers, faults)
    callbacks = Callbacks(
        record, config.hub_url, sealer, faults, clock.base,
        repeats=config.numbers("repeat_seconds", REPEATS), for_ever=True, timeout=TIMEOUT,
    )  # fmt: skip
    notices = Notices(record, clock, config.integer("pay_delay_ms", 2000) / 1000)
    automatic = config.own.get("auto_pay", True) is True
    bank = Bank(record, notices, callbacks, clock, config.text("bank_code", "102"), automatic)
    contract = Contract.read(CONTRACT)
    operations = Operations(config.account, record, notices, faults, clock.seals, signer, trusted)
    service = soapface.build_service(contract, ("xml",), "result", operations.table(), log)
    app = new_app()
    admin.mount(app, record, faults, clock)
    fees_admin.mount(app, record, bank)
    face = Face(contract, service, record, bank)
    SoapDesk(PATH, contract, tuple(BODIES), faults, face.answer, bank.pay_first).mount(app)
    return FeeSystem(app, record, bank, callbacks)


if __name__ == "__main__":
    sys.exit(main(build, xml=True))

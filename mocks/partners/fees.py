"""SYS-05, the fee system and its bank, from adapters/fees/contract: SOAP 1.1 in GBK at /FeeService.

Own keys: pay_delay_ms (2000), auto_pay (true), bank_code ("102"), repeat_seconds (1, 5, 30, the last again),
reverse_every (0: none; n: each n-th payment is taken back, a notice once) and reverse_delay_ms (1000),
drop_folder (none; relative: below the state folder), monthly_freeze (true) by its clock, with holidays and
workdays (yyyymmdd) that differ from Monday to Friday.
Admin: GET /admin/notices; POST /admin/pay {"payNoteNo", "overdueAmount"?} (else by DUE); /admin/reverse
{"payNoteNo", "reason"?}; /admin/reconcile {"day": "yyyymmdd"}; /admin/autopay {"on": true}; /admin/basis
{"code", "amount": "105.00"} makes QueryFeeBasis differ from what it was. The file of a day is made by itself
when the day is over; the faults of `reconciliation` plant differences in the next file.
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

from mocks.partners import fees_admin, fees_recon
from mocks.partners.common import admin, soapface
from mocks.partners.common.callback import REPEATS, Callbacks, JwsSealer
from mocks.partners.common.clock import OwnClock
from mocks.partners.common.config import Config, ConfigError
from mocks.partners.common.faults import PUSH_FAULTS, Faults
from mocks.partners.common.jws import Signer as JwsSigner
from mocks.partners.common.keys import load_certificates, wait_for
from mocks.partners.common.record import Record
from mocks.partners.common.server import main, new_app
from mocks.partners.common.soapdesk import ANSWER_FAULTS, Post, Reply, SoapDesk, serialise, unwrapped
from mocks.partners.common.soapface import Contract, SoapRefusal
from mocks.partners.common.xmlsig import Element, load_signer, parse
from mocks.partners.fees_bank import Bank
from mocks.partners.fees_calendar import Freeze
from mocks.partners.fees_ops import BODIES, FROZEN, Operations
from mocks.partners.fees_recon import Reconciliation
from mocks.partners.fees_store import SCHEMA, Notices

CONTRACT: Final = Path(__file__).parents[2] / "adapters" / "fees" / "contract" / "fees.wsdl"
PATH: Final = "/FeeService"
CONTENT_TYPE: Final = "text/xml; charset=GBK"
TIMEOUT: Final = 5.0  # seconds the hub has to answer the bank
_LABEL = re.compile(r'charset\s*=\s*"?gbk"?\s*(;|$)', re.ASCII | re.IGNORECASE)
_OPEN = ANSWER_FAULTS | {"busy"}
FAULTS: Final = dict.fromkeys(BODIES, _OPEN) | dict.fromkeys(FROZEN, _OPEN | {"freeze"}) | {
    "CreateNotice": _OPEN | {"freeze", "callback_before_reply"},
    "paid": PUSH_FAULTS,
    "reversed": PUSH_FAULTS,
    fees_recon.NAME: fees_recon.FAULTS,
}  # fmt: skip


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
    record = Record(config.state / "record.db", clock.base, SCHEMA + fees_recon.SCHEMA)
    faults = Faults(FAULTS, config.seed, clock)
    seals = JwsSigner(signer.key, signer.certificate, clock.seals)
    callbacks = Callbacks(
        record, config.hub_url, JwsSealer(seals, answers, faults), faults, clock.base,
        repeats=config.numbers("repeat_seconds", REPEATS), for_ever=True, timeout=TIMEOUT,
    )  # fmt: skip
    notices = Notices(
        record, clock, config.integer("pay_delay_ms", 2000) / 1000, config.integer("reverse_every", 0),
        config.integer("reverse_delay_ms", 1000) / 1000,
    )  # fmt: skip
    code, automatic = config.text("bank_code", "102"), config.own.get("auto_pay", True) is True
    files = Reconciliation(record, clock, seals, faults, code, _folder(config))
    bank = Bank(record, notices, callbacks, clock, code, automatic, files)
    contract = Contract.read(CONTRACT)
    operations = Operations(
        config.account, record, notices, faults, clock.seals, signer, trusted, clock, _freeze(config)
    )  # fmt: skip
    service = soapface.build_service(contract, ("xml",), "result", operations.table(), log)
    app = new_app()
    admin.mount(app, record, faults, clock)
    fees_admin.mount(app, record, bank)
    face = Face(contract, service, record, bank)
    SoapDesk(PATH, contract, tuple(BODIES), faults, face.answer, bank.pay_first).mount(app)
    return FeeSystem(app, record, bank, callbacks)


def _folder(config: Config) -> Path | None:
    """Where reconciliation files go."""
    name = config.text("drop_folder", "")
    return config.state / name if name else None


def _freeze(config: Config) -> Freeze:
    try:
        on = config.own.get("monthly_freeze", True) is True
        return Freeze.of(on, config.texts("holidays"), config.texts("workdays"))
    except ValueError as error:
        raise ConfigError(f"holidays, workdays: {error}") from error


if __name__ == "__main__":
    sys.exit(main(build, xml=True))

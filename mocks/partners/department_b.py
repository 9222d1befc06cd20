"""SYS-02, the approval system of department B, from adapters/department_b/contract: SOAP in GBK both ways.

Own keys: uscc, department_name, staff, app_id ("DEPTB"), step_seconds (0.2), special_every (5), refuse_every
(7), repeat_seconds (1, 5, 30 s, 5 min, 30 min, 2 h), own_certificate_items (implementation or basic codes).
Admin: GET /admin/cases; POST /admin/resend tries again what was stopped (STATUS 401) or given up.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fastapi import FastAPI
from lxml import etree
from structlog.types import FilteringBoundLogger

from mocks.partners.common import admin, soapface
from mocks.partners.common.clock import OwnClock
from mocks.partners.common.config import Config, ConfigError
from mocks.partners.common.faults import Faults
from mocks.partners.common.keys import load_certificates, wait_for
from mocks.partners.common.record import Record
from mocks.partners.common.server import main, new_app
from mocks.partners.common.soapdesk import ANSWER_FAULTS, LARGEST, Post, Reply, SoapDesk, serialise
from mocks.partners.common.soapface import Contract, SoapRefusal
from mocks.partners.common.xmlsig import Element, XmlError, load_signer, parse
from mocks.partners.department_b_cases import Cases
from mocks.partners.department_b_desk import SCHEMA as DOCUMENTS
from mocks.partners.department_b_desk import Desk
from mocks.partners.department_b_post import PATH as HUB_PATH
from mocks.partners.department_b_post import REPEATS, Hub
from mocks.partners.department_b_post import SCHEMA as OUTBOX
from mocks.partners.department_b_post import Post as Outbox
from mocks.partners.department_b_rules import KINDS, OPERATIONS
from mocks.partners.department_b_steps import Department, Habits
from mocks.partners.department_b_text import GBK, PUSH_FAULTS, Scribe

CONTRACT: Final = Path(__file__).parents[2] / "adapters" / "department_b" / "contract"
PATH: Final = "/DeptBService"
LARGEST_FILE: Final = 10 << 20  # characters of base64
_LABEL = re.compile(r'charset\s*=\s*"?gbk"?\s*(;|$)', re.ASCII | re.IGNORECASE)
_ANSWERS = ANSWER_FAULTS | {"busy"}
FAULTS: Final = dict.fromkeys(OPERATIONS, _ANSWERS) | {
    "ReceiveApply": _ANSWERS | {"callback_before_reply"},
    "PushProcess": PUSH_FAULTS | {"version_gap", "bad_date_pattern"},
    "PushResult": PUSH_FAULTS | {"version_gap", "bad_date_pattern"},
    "PushCertificate": PUSH_FAULTS | {"missing_attachment"},
}


@dataclass(frozen=True)
class Face:
    """The GBK way in and out; the seals are inside."""

    contract: Contract
    desk: Desk
    cases: Cases
    log: FilteringBoundLogger

    def answer(self, post: Post) -> Reply:
        """A sealed result, or a Fault without a seal for what is not a call of this service."""
        jobs: tuple[int, ...] = ()
        try:
            payload, jobs = self._work(post)
        except SoapRefusal as error:
            payload = soapface.fault(str(error))
        except Exception:
            self.log.exception("request_failed")  # the process boundary: §0 has a Fault for it
            payload = soapface.fault("internal error", "Server")
        status = 500 if soapface.is_fault(payload) else 200
        return Reply(serialise(soapface.envelope_with(payload), "GBK"), GBK, status, jobs)

    def _work(self, post: Post) -> tuple[Element, tuple[int, ...]]:
        operation, given = self._read(post)
        result = self.desk.result(operation, given)
        space = self.contract.namespace
        payload = etree.Element(f"{{{space}}}{operation}Response", nsmap={"dept": space})
        etree.SubElement(payload, f"{{{space}}}result").text = result
        self.cases.outbox.wake()
        return payload, self._jobs(operation, given["xml"])

    def _read(self, post: Post) -> tuple[str, dict[str, str]]:
        """Operation and arguments; `SoapRefusal` for what follows neither the WSDL nor the headers."""
        if not _LABEL.search(post.content_type):
            raise SoapRefusal("character set is not GBK")
        envelope = soapface.read_envelope(
            post.content_type, post.body, ("gbk",), huge=len(post.body) > LARGEST
        )
        soapface.require_declared(post.body, "gbk")
        payload = soapface.operation_of(envelope, self.contract)
        operation = str(etree.QName(payload).localname)
        if post.action not in ("", f"{self.contract.namespace}/{operation}"):
            raise SoapRefusal("SOAPAction is not that of the operation")
        given = {str(etree.QName(one).localname): str(one.text or "") for one in payload}
        file = len(given.get("base64", ""))
        if file > LARGEST_FILE or len(post.body) - file > LARGEST:
            raise SoapRefusal("too large")
        return operation, given

    def _jobs(self, operation: str, sent: str) -> tuple[int, ...]:
        """The document an acceptance made due."""
        if operation != "ReceiveApply":
            return ()
        try:
            case = parse(sent).findtext("DATA/CASENO") or ""
        except XmlError:
            return ()
        with self.cases.record.work() as db:
            return tuple(row["seq"] for row in self.cases.outbox.steps(db, case).values())


@dataclass(frozen=True)
class Office:
    """The program: HTTP side, record, cases and outbox."""

    app: FastAPI
    cases: Cases

    def start(self) -> None:
        """Goes on with every case, also those a killed process left."""
        self.cases.start()

    def stop(self) -> None:
        """Ends the thread and closes the record."""
        self.cases.outbox.stop(0.4)
        self.cases.record.close()


def read_department(config: Config) -> Department:
    """Who acts, of a configuration."""
    uscc = config.text("uscc", "")
    if not KINDS["credit"](uscc):
        raise ConfigError("uscc: a credit code of 18 characters is needed")
    staff = config.texts("staff") or ("何示范", "罗样例", "曾虚构")
    name = config.text("department_name", "梅州市示范局")
    return Department(uscc, name, staff, frozenset(config.texts("own_certificate_items")))


def build(config: Config, log: FilteringBoundLogger) -> Office:
    """Waits up to 30 s for the hub's RSA certificate."""
    department, clock = read_department(config), OwnClock()
    habits = Habits(config.integer("special_every", 5), config.integer("refuse_every", 7), config.seed)
    trusted = list(load_certificates(wait_for(config.hub_rsa_certificate)).values())
    signer = load_signer(config.key.read_bytes(), config.certificate.read_bytes())
    record = Record(config.state / "record.db", clock.base, DOCUMENTS + OUTBOX)
    faults = Faults(FAULTS, config.seed, clock)
    hub_contract = Contract.read(CONTRACT / "hub_department_b.wsdl")
    hub = Hub(config.hub_url.rstrip("/") + HUB_PATH, hub_contract, trusted)
    scribe = Scribe(signer, faults, clock.seals, config.text("app_id", "DEPTB"), hub_contract.namespace)
    repeats = config.numbers("repeat_seconds", REPEATS)
    cases = Cases(
        record, clock, department, habits, config.seconds("step_seconds", 0.2),
        lambda advance: Outbox(record, faults, clock.base, hub, scribe, repeats, advance),
    )  # fmt: skip
    desk = Desk(config.account, record, faults, clock.seals, signer, trusted, cases)
    app, contract = new_app(), Contract.read(CONTRACT / "department_b.wsdl")
    admin.mount(app, record, faults, clock)
    cases.mount(app)
    face = Face(contract, desk, cases, log)
    SoapDesk(
        PATH, contract, tuple(OPERATIONS), faults, face.answer, cases.outbox.push_first,
        largest=LARGEST + LARGEST_FILE,
    ).mount(app)  # fmt: skip
    return Office(app, cases)


if __name__ == "__main__":
    sys.exit(main(build, xml=True))

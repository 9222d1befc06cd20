"""SYS-01, the provincial catalogue, from adapters/provincial_catalogue/contract: SOAP 1.1 at /CatalogService.

Own keys: department_uscc (credit code of the city's market supervision bureau; default an invented one).
Admin: GET /admin/change -> {"version"}; POST /admin/change -> {"version", "task_code"} with one of
{"op": "U", "task_code", "fields": {column: text}}, {"op": "D", "task_code"}, {"op": "I", "task_code"}
(a cancelled item in force again, as a new version of it) and
{"op": "I", "item": {column: text, "MATERIALS": [{…}], "FEES": [{…}]}}.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from fastapi import FastAPI
from lxml import etree
from spyne.server.wsgi import WsgiApplication
from structlog.types import FilteringBoundLogger

from mocks.partners import catalogue_admin
from mocks.partners.catalogue_items import BadCode, catalogue
from mocks.partners.catalogue_ops import OPERATIONS, PASSING, Operations
from mocks.partners.catalogue_store import SCHEMA, Catalogue
from mocks.partners.common import admin, soapface
from mocks.partners.common.clock import Clock, OwnClock
from mocks.partners.common.config import Config, ConfigError
from mocks.partners.common.faults import Faults
from mocks.partners.common.keys import load_certificates, wait_for
from mocks.partners.common.record import Record
from mocks.partners.common.server import main, new_app
from mocks.partners.common.soapdesk import ANSWER_FAULTS, Post, Reply, SoapDesk, serialise, spoil_signature
from mocks.partners.common.soapface import Contract, SoapRefusal
from mocks.partners.common.xmlseal import (
    SOAP,
    Element,
    SealError,
    Signer,
    canonical,
    load_signer,
    sign_soap,
    verify_soap,
)

CONTRACT: Final = (
    Path(__file__).parents[2] / "adapters" / "provincial_catalogue" / "contract" / "catalog.wsdl"
)
PATH: Final = "/CatalogService"
_SEALED = ANSWER_FAULTS | {"sig_expired", "clock_skew_s", "gbk_body"}
_AFTER_TOKEN = _SEALED | {"token_expired"}
FAULTS: Final = dict.fromkeys(OPERATIONS, _AFTER_TOKEN) | {
    "GetToken": _SEALED,
    "QueryIncrement": _AFTER_TOKEN
    | {"version_gap", "reorder", "duplicate_push", "pagination_shift", "batch_limit", "missing_attachment"},
    "GetItem": _AFTER_TOKEN | {"missing_attachment"},
    "ReportItems": _AFTER_TOKEN | {"partial_accept", "batch_limit"},
}
_CODE = re.compile(r"<CODE>(\d+)</CODE>", re.ASCII)
_BATCH_ID = re.compile(r'<BATCH\b[^>]*?\bid="([^"]+)"')
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)


def result_code(result: str) -> str:
    """CODE of a result this program made."""
    found = _CODE.search(result)
    return found.group(1) if found else ""


@dataclass(frozen=True)
class Face:
    """The sealed way in and out; one transaction per call, kept before it is answered."""

    contract: Contract
    service: WsgiApplication
    record: Record
    store: Catalogue
    faults: Faults
    signer: Signer
    trusted: Sequence[x509.Certificate]
    clock: Clock
    log: FilteringBoundLogger

    def answer(self, post: Post) -> Reply:
        """A sealed answer or a sealed Fault."""
        call_id, skew = "", self.faults.skew(post.operation)
        try:
            envelope = soapface.read_envelope(post.content_type, post.body)
            call_id = self._claimed(envelope)
            payload = self._work(post, envelope, skew)
        except SealError as error:
            self.log.info("seal_refused", reason=str(error))
            payload = self._refused(post, call_id, "seal")
        except SoapRefusal as error:
            payload = self._refused(post, call_id, str(error))
        except soapface.ServiceFailed:
            payload = soapface.fault("internal error", "Server")
        return self._sealed(post.operation, payload, call_id, skew)

    def _claimed(self, envelope: Element) -> str:
        """The callId to repeat, also to an unsigned call; "" when it is none."""
        texts = envelope.xpath(
            "soap:Header/*[local-name() = 'CallHeader']/*/text()", namespaces={"soap": SOAP}
        )
        return str(texts[0]) if len(texts) == 1 and _UUID.fullmatch(texts[0]) else ""

    def _work(self, post: Post, envelope: Element, skew: float) -> Element:
        now = datetime.fromtimestamp(self.clock() + skew, UTC)
        verified = verify_soap(envelope, f"{{{self.contract.namespace}}}CallHeader", self.trusted, now)
        soapface.valid(verified.header, self.contract)
        payload = soapface.valid(verified.payload, self.contract)
        call_id = verified.header[0].text or ""
        if not _UUID.fullmatch(call_id):
            raise SoapRefusal("callId is not a UUID")
        name = etree.QName(payload).localname
        if name not in OPERATIONS or name != post.operation:
            raise SoapRefusal("SOAPAction is not that of the operation")
        with self.record.work():
            return self._once(post, call_id, payload)

    def _once(self, post: Post, call_id: str, payload: Element) -> Element:
        digest = hashlib.sha256(canonical(payload)).hexdigest()
        earlier = self.store.answered(call_id)
        if earlier is not None and earlier[0] != digest:
            raise SoapRefusal("conflict")
        if earlier is not None:
            self._note(post, call_id, payload, digest, "0")
            return self._response(post.operation, earlier[1])
        answer = soapface.call_service(self.service, payload)
        result = answer[0].text
        code = result_code(result)
        if code not in PASSING:
            self.store.remember(call_id, digest, result)
        self._note(post, call_id, payload, digest, code)
        return answer

    def _response(self, operation: str, result: str) -> Element:
        answer = etree.Element(
            f"{{{self.contract.namespace}}}{operation}Response", nsmap={"c": self.contract.namespace}
        )
        etree.SubElement(answer, f"{{{self.contract.namespace}}}resultXml").text = result
        return answer

    def _note(self, post: Post, call_id: str, payload: Element, digest: str, code: str) -> None:
        """A batch taken is known by its own id: a call repeated with a new token brings the same one."""
        said = "".join(payload.itertext()) if post.operation == "ReportItems" and code == "0" else ""
        if batch := _BATCH_ID.search(said):
            call_id, digest = batch[1], hashlib.sha256(said[batch.start() :].encode()).hexdigest()
        self.record.note(
            "received", post.operation, call_id, post.body, code, accepted=code == "0", content=digest
        )

    def _refused(self, post: Post, call_id: str, reason: str) -> Element:
        id = call_id or hashlib.sha256(post.body).hexdigest()[:32]
        self.record.note("received", post.operation or "unknown", id, post.body, reason, accepted=False)
        return soapface.fault(reason)

    def _sealed(self, operation: str, payload: Element, call_id: str, skew: float) -> Reply:
        header = etree.Element(
            f"{{{self.contract.namespace}}}CallHeader", nsmap={"c": self.contract.namespace}
        )
        etree.SubElement(header, f"{{{self.contract.namespace}}}callId").text = call_id
        envelope = soapface.envelope_with(payload, header)
        now = datetime.fromtimestamp(self.clock() + skew, UTC)
        late = timedelta(hours=2) if self.faults.take(operation, "sig_expired") else timedelta(0)
        sign_soap(envelope, header, self.signer, now - late)
        if self.faults.take(operation, "sig_bad"):
            spoil_signature(envelope)
        status = 500 if soapface.is_fault(payload) else 200
        return Reply(serialise(envelope, "UTF-8"), "text/xml; charset=utf-8", status)


@dataclass(frozen=True)
class Province:
    """The program: its HTTP side and its record."""

    app: FastAPI
    record: Record

    def start(self) -> None:
        """It has no threads of its own."""

    def stop(self) -> None:
        """Closes the record."""
        self.record.close()


def build(config: Config, log: FilteringBoundLogger) -> Province:
    """Waits up to 30 s for the hub's RSA certificate, loads the first version once."""
    trusted = list(load_certificates(wait_for(config.hub_rsa_certificate)).values())
    signer = load_signer(config.key.read_bytes(), config.certificate.read_bytes())
    try:
        first = catalogue(config.seed, config.text("department_uscc", ""))
    except BadCode as error:
        raise ConfigError("department_uscc: not a credit code") from error
    clock = OwnClock()
    record, contract = Record(config.state / "record.db", clock.base, SCHEMA), Contract.read(CONTRACT)
    store, faults = Catalogue(record, first), Faults(FAULTS, config.seed, clock)
    operations = Operations(config, record, store, faults, clock.seals)
    service = soapface.build_service(
        contract, ("appId", "token", "requestXml"), "resultXml", operations.table(), log
    )
    face = Face(contract, service, record, store, faults, signer, trusted, clock.seals, log)
    app = new_app()
    admin.mount(app, record, faults, clock)
    catalogue_admin.mount(app, record, store)
    SoapDesk(PATH, contract, OPERATIONS, faults, face.answer, own_maintenance=True).mount(app)
    return Province(app, record)


if __name__ == "__main__":
    sys.exit(main(build, xml=True))

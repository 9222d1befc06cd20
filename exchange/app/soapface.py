"""The SOAP face on the one path: a verified call becomes an envelope whose seal is already open."""

import json
from datetime import UTC, datetime

import structlog

from exchange.envelope import Envelope, Heard, Sealed, heard
from exchange.errors import Refused, Tampered, TryLater
from exchange.hub import Hub
from exchange.mapping import house
from exchange.parties import fingerprint_id
from exchange.pipeline import receive, turn_away
from exchange.receipts import Receipt
from exchange.routing import HOUSE
from exchange.transports.soap_server import SoapAnswer, SoapCall, SoapFace

log = structlog.get_logger()


class SoapRefused(Refused):
    """A refusal with its receipt, for the Fault's detail."""

    def __init__(self, receipt: Receipt, detail: str, where: str | None) -> None:
        super().__init__(receipt.code, detail, where)
        self.receipt = receipt.body.decode() or None


def soap_face(hub: Hub) -> SoapFace:
    """The hub's SOAP face."""
    return SoapFace(
        hub.public_url,
        lambda call: submit(hub, call),
        key=hub.rsa_key,
        keyring=hub.parties.by_fingerprint,
        clock=lambda: datetime.now(UTC),
        hub=hub.name,
        turned_away=lambda body, refusal: record_refusal(hub, body, refusal),
    )


def submit(hub: Hub, call: SoapCall) -> SoapAnswer:
    """Receive the document of one verified call."""
    envelope = Envelope("soap", call.body, "text/xml", datetime.now(UTC).timestamp())
    receipt = receive(hub, envelope, lambda _: _open(hub, call), lambda sealed, _: _read(call, sealed))
    if receipt.status == "refused":
        facts = json.loads(receipt.body) if receipt.body else receipt.facts
        first = (facts.get("errors") or [{}])[0]
        raise SoapRefused(receipt, first.get("detail", receipt.code), first.get("path") or None)
    return SoapAnswer(receipt.status, receipt.code, receipt.body.decode())


def record_refusal(hub: Hub, body: bytes, refusal: Refused) -> None:
    """A call that never became a message still leaves its line in the ledger."""
    try:
        turn_away(hub, Envelope("soap", body, "text/xml", datetime.now(UTC).timestamp()), None, refusal)
    except TryLater as fault:
        log.warning("refusal_not_recorded", code=fault.code, refused=refusal.code)


def _open(hub: Hub, call: SoapCall) -> Sealed:
    key = fingerprint_id(call.fingerprint)
    held = hub.parties.holding(key)
    if held is None:
        raise Tampered("unknown_party", "the certificate is not registered")
    if held.party.adapter != HOUSE:
        raise Tampered("not_allowed", "this party has its own door")
    digest = call.signature_digest.hex()
    return Sealed(held.party, key, call.document.encode(), digest, digest, "wssec")


def _read(call: SoapCall, sealed: Sealed) -> Heard:
    message = house.read_xml(sealed.body)
    said = (message.message_id, message.type, message.sender)
    if said != (call.message_id, call.message_type, call.sender):
        raise Refused("seal_scope", "the business header does not say what the document says", "Exchange")
    return heard(message)

"""What comes in by REST: the house faces and the partners' doors, each answered in its own terms."""

import json
import secrets
from datetime import UTC, datetime

import structlog
from fastapi import Response

from exchange import faces
from exchange.answers import answer_headers, partner_answer
from exchange.app.gate import problem
from exchange.envelope import Envelope
from exchange.errors import Misconfigured, Refused, TryLater
from exchange.hub import Hub
from exchange.mapping import house
from exchange.mediatype import is_utf8, kind
from exchange.pipeline import Open, Read, receive, turn_away
from exchange.receipts import Receipt, errors_of
from exchange.seals import jws, xmldsig

log = structlog.get_logger()


def house_door(hub: Hub, envelope: Envelope) -> Response:
    """The house faces: JSON with a detached signature, or XML with an enveloped one."""
    media = kind(envelope.media_type)
    known: dict[str, tuple[Open, Read]] = {
        "application/json": (
            lambda e: faces.house_only(hub, faces.open_request(hub, e)),
            lambda s, e: faces.read_json(hub, s, e),
        ),
        "application/xml": (
            lambda e: faces.house_only(hub, faces.open_xml(hub, e)),
            lambda s, e: faces.read_xml(hub, s, e),
        ),
    }
    if media not in known:
        return problem("bad_media_type", "send application/json or application/xml")
    if media == "application/json" and not is_utf8(envelope.media_type):
        return problem("bad_media_type", "JSON is UTF-8")
    receipt = _received(hub, envelope, *known[media])
    return _xml_answer(hub, receipt) if media == "application/xml" else _json_answer(hub, envelope, receipt)


def _received(hub: Hub, envelope: Envelope, open_: Open, read: Read) -> Receipt:
    try:
        return receive(hub, envelope, open_, read)
    except Misconfigured as fault:  # a person here must act; the sender's message is as good as before
        log.error("receiving_misconfigured", code=fault.code, where=fault.where)
        return Receipt("refused", "busy", {"errors": errors_of(fault)})
    except TryLater as fault:
        return Receipt("refused", "busy", {"errors": errors_of(fault)})


def _json_answer(hub: Hub, envelope: Envelope, receipt: Receipt) -> Response:
    status, body, media = receipt.http_status, receipt.body, "application/json"
    if status >= 400:
        body, media = _with_problem(receipt), "application/problem+json"
    seal = _seal(hub, envelope, body, status)
    headers = {jws.HEADER_NAME: seal} | ({"Retry-After": "1"} if status == 503 else {})
    return Response(body, status, headers, media)


def _with_problem(receipt: Receipt) -> bytes:
    """A refusal as problem+json that carries the receipt's members."""
    members = json.loads(receipt.body) if receipt.body else dict(receipt.facts)
    first = (members.get("errors") or [{"detail": receipt.code}])[0]
    members["receipt_status"], members["message_type"] = (
        members.pop("status", receipt.status),
        members.pop("type", ""),
    )
    return bytes(problem(receipt.code, str(first.get("detail", "")), members).body)


def _xml_answer(hub: Hub, receipt: Receipt) -> Response:
    facts = (
        json.loads(receipt.body)
        if receipt.body
        else {"status": "refused", "code": receipt.code, **receipt.facts}
    )
    signed = xmldsig.sign(house.receipt_xml(facts), hub.rsa_key)
    return Response(
        house.bytes_of(signed, declaration=True), receipt.http_status, media_type="application/xml"
    )


def _seal(hub: Hub, envelope: Envelope, body: bytes, status: int) -> str:
    """Of an answer, bound to the request's nonce; to "" when its seal has none to read."""
    return jws.sign_answer(
        body,
        hub.ec_key,
        status=status,
        req=jws.claimed_nonce(envelope.seal) or "",
        now=datetime.now(UTC),
        nonce=secrets.token_urlsafe(24),
    )


def partner_door(hub: Hub, door: faces.Door, envelope: Envelope) -> Response:
    """A partner's door: its own contract says how it is answered."""
    try:
        receipt = _received(hub, envelope, lambda e: door.open(hub, e), lambda s, e: door.read(hub, s, e))
    except Exception:  # the process boundary: the contract's own form of "later", not ours
        log.exception("partner_request_failed", path=envelope.bound["path"])
        receipt = Receipt("refused", "busy", {"errors": [{"path": "", "code": "busy", "detail": "later"}]})
    return _partner_answer(hub, door, envelope, receipt)


def refuse_partner(hub: Hub, door: faces.Door, envelope: Envelope, refusal: Refused) -> Response:
    """What was not even read is told in the partner's terms too."""
    try:
        receipt = turn_away(hub, envelope, None, refusal)
    except TryLater as fault:
        receipt = Receipt("refused", "busy", {"errors": errors_of(fault)})
    return _partner_answer(hub, door, envelope, receipt)


def _partner_answer(hub: Hub, door: faces.Door, envelope: Envelope, receipt: Receipt) -> Response:
    body, status = partner_answer(door.entry.answer, receipt, {}, door.wire)
    seal = _seal(hub, envelope, body, status)
    own = answer_headers(door.entry.answer, receipt)
    return Response(body, status, {**own, jws.HEADER_NAME: seal}, "application/json")

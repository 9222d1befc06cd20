"""What the hub pushes into a counter's inbox: house documents by docs/wire.md, read strictly."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from mocks.partners.common import strictjson
from mocks.partners.common.endpoint import Answer

MESSAGE_ID = re.compile(r"[A-Za-z0-9._-]{8,64}", re.ASCII)
MEMBERS = frozenset({"message_id", "type", "sender", "sent_at", "payload"})
NEEDED: Mapping[str, tuple[str, ...]] = {  # texts without which a push means nothing here
    "case.step.v1": ("case_no", "step", "action"),
    "fee.noticed.v1": ("case_no", "notice_no"),
    "fee.paid.v1": ("notice_no",),
    "certificate.issued.v1": ("request_id", "state"),
    "case.concluded.v1": ("case_no", "result"),
    "archive.result.v1": ("case_no", "code"),
    "case.special_started.v1": ("case_no",),
    "case.special_finished.v1": ("case_no",),
}
MORE_NEEDED: Mapping[str, tuple[str, ...]] = {  # of a window that does more than its own cases
    "case.applied.v1": ("case_no", "item_code", "item_name", "region", "channel", "applied_at"),
    "case.supplemented.v1": ("case_no", "received_by", "received_at"),
    "case.attached.v1": ("case_no", "material", "file_name", "digest", "content"),
    "verification.answered.v1": ("request_id", "result", "source", "verified_at"),
    "certificate.found.v1": ("request_id",),
    "certificate.file.v1": ("request_id", "identifier", "url", "expires_at", "digest"),
    "parcel.booked.v1": ("request_id", "case_no", "waybill_no", "booked_at"),
    "parcel.tracked.v1": ("waybill_no", "status", "occurred_at"),
    "fee.reversed.v1": ("notice_no", "serial", "original_serial", "amount", "reversed_at"),
    "certificate.changed.v1": ("request_id", "identifier", "version", "state"),
    "performance.received.v1": ("report_id",),
    "catalogue.report_answered.v1": ("batch_id",),
    "catalogue.audited.v1": ("batch_id",),
}


def refused(status: int, code: str, path: str = "") -> Answer:
    """An answer that says no; the hub does not send a 4xx again."""
    return Answer({"status": "refused", "code": code, "path": path}, status)


class Unread(Exception):
    """The push cannot be read; the answer says why."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


@dataclass(frozen=True)
class Push:
    """A house document the hub pushed."""

    message_id: str
    type: str
    payload: Mapping[str, object]

    def text(self, name: str) -> str:
        """A text member of the payload, empty if there is none."""
        value = self.payload.get(name)
        return value if isinstance(value, str) else ""


def read_push(body: bytes, needed: Mapping[str, tuple[str, ...]]) -> Push:
    """Unread for what is no house document this counter has a use for."""
    try:
        document = strictjson.read_object(body)
    except strictjson.BadJson:
        raise Unread(refused(400, "bad_request")) from None
    if wrong := sorted(MEMBERS - document.keys()):
        raise Unread(refused(422, "missing_field", wrong[0]))
    if wrong := sorted(document.keys() - MEMBERS - {"causation_id"}):
        raise Unread(refused(422, "unknown_field", wrong[0]))
    name, kind, payload = document["message_id"], document["type"], document["payload"]
    if not isinstance(name, str) or not MESSAGE_ID.fullmatch(name):
        raise Unread(refused(422, "bad_value", "message_id"))
    if not isinstance(kind, str) or kind not in needed:
        raise Unread(refused(422, "unknown_type", "type"))
    if not isinstance(payload, dict):
        raise Unread(refused(422, "bad_value", "payload"))
    push = Push(name, kind, payload)
    if wrong := [need for need in needed[kind] if not push.text(need)]:
        raise Unread(refused(422, "missing_field", f"payload.{wrong[0]}"))
    return push

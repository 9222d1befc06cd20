"""Receipts: what the hub says it did with a message, with the ledger position that proves it (docs/wire.md
§7)."""

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from exchange.errors import HubError
from ledger.log import Checkpoint, Entry

BEIJING = timezone(timedelta(hours=8))
HTTP_STATUS = {
    "ok": 200,
    "held": 202,
    "bad_request": 400,
    "too_large": 413,
    "bad_media_type": 415,
    "seal_missing": 401,
    "seal_invalid": 401,
    "seal_scope": 401,
    "unknown_party": 401,
    "certificate_invalid": 401,
    "not_allowed": 403,
    "not_found": 404,
    "stale": 409,
    "replay": 409,
    "conflict": 409,
    "busy": 503,
}
UNPROCESSABLE = 422
BUSINESS = frozenset(
    {
        "unknown_type", "unknown_field", "missing_field", "unknown_code", "bad_value", "bad_cipher",
        "unknown_item", "item_not_in_force", "unknown_case", "state_forbids", "decision_contradicts",
        "bad_calendar", "unknown_message", "not_pulled",
    }
)  # fmt: skip
"""Refusals of HTTP 422."""
REFUSALS = frozenset(HTTP_STATUS) - {"ok", "held", "not_found"} | BUSINESS
"""Every code a message may be refused with (docs/wire.md §8; `stale` is told as `replay`)."""


def http_status(code: str) -> int:
    """The HTTP status of a code of docs/wire.md §8; business refusals are 422."""
    return HTTP_STATUS.get(code, UNPROCESSABLE)


@dataclass
class Receipt:
    """One answer; `body` is filled when the covering checkpoint is known, before the commit."""

    status: str  # accepted, held, refused
    code: str
    facts: dict[str, Any] = field(default_factory=dict)
    body: bytes = b""
    again: bool = False  # the first receipt, repeated

    @property
    def http_status(self) -> int:
        """200, 202 or the status of the refusal."""
        return http_status(self.code)


def errors_of(refusal: HubError) -> list[dict[str, str]]:
    """Each fault with path, code and detail; a refusal without a list is its own only entry."""
    listed: Sequence[Any] = getattr(refusal, "errors", ())
    if listed:
        return [{"path": str(e.path), "code": str(e.code), "detail": str(e.detail)} for e in listed]
    return [{"path": refusal.where or "", "code": refusal.code, "detail": refusal.detail}]


def render(receipt: Receipt, entry: Entry, checkpoint: Checkpoint, origin: str) -> bytes:
    """The receipt as it is sent and stored: compact JSON, UTF-8."""
    ledger = {
        "origin": origin,
        "entry": entry.seq,
        "leaf_hash": base64.b64encode(entry.leaf_hash).decode(),
        "checkpoint": checkpoint.text,
    }
    whole = {"v": 1, "status": receipt.status, "code": receipt.code, **receipt.facts, "ledger": ledger}
    return json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode()


def moment(unix: float) -> str:
    """ISO 8601 at +08:00, whole seconds."""
    return datetime.fromtimestamp(unix, UTC).astimezone(BEIJING).isoformat(timespec="seconds")


def moment14(unix: float) -> str:
    """yyyyMMddHHmmss, Beijing time."""
    return datetime.fromtimestamp(unix, UTC).astimezone(BEIJING).strftime("%Y%m%d%H%M%S")


def facts_of(
    *, message_id: str, kind: str, sender: str, hub: str, at: float, body: bytes, case_no: str | None
) -> dict[str, Any]:
    """The members every receipt has."""
    facts = {
        "message_id": message_id,
        "type": kind,
        "sender": sender,
        "receiver": hub,
        "received_at": moment(at),
        "digest": hashlib.sha256(body).hexdigest(),
    }
    return facts | ({"case_no": case_no} if case_no else {})

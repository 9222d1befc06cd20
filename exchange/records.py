"""Recording: each document becomes one line in the ledger and one row that holds the bytes the line
commits to."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert

from canonical.form import canonical_bytes
from canonical.messages import Message
from exchange.envelope import Envelope, Heard, Sealed
from exchange.errors import HubError
from exchange.staff import Staff
from exchange.store.tables import attachment, document, finding
from exchange.store.work import Work
from ledger.log import Draft, Entry

if TYPE_CHECKING:
    from exchange.cases import Moved
    from exchange.delivery import Sent
    from exchange.hub import Hub

_DOCUMENT, _FINDING, _ATTACHMENT = insert(document), insert(finding), insert(attachment)
UNKNOWN = "?"
CALL = ".call"  # how the types of calls with several messages end


@dataclass(frozen=True)
class Record:
    """A document on its way into the ledger; `direction` in, out or own."""

    kind: str
    message_id: str
    sender: str
    receiver: str
    party: str
    direction: str
    protocol: str
    type: str
    body: bytes
    state: str = "accepted"
    code: str = "ok"
    case_no: str | None = None
    seal: bytes | None = None
    bound: Mapping[str, Any] | None = None
    key_id: str | None = None
    suite: str | None = None
    media_type: str | None = None
    answer: bytes | None = None
    file: bytes | None = None
    canonical: Mapping[str, Any] | None = None
    change: tuple[str | None, str] | None = None
    note: str | None = None
    findings: tuple[tuple[str, str, str], ...] = field(default=())  # category, code, detail

    @classmethod
    def inward(cls, envelope: Envelope, sealed: Sealed, understood: Heard | None, hub: str) -> "Record":
        """A message from a known party."""
        message = understood.message if understood else None
        return cls(
            "exchange.received",
            message.message_id if message else UNKNOWN,
            sealed.party.name,
            hub,
            sealed.party.name,
            "in",
            envelope.protocol,
            message.type if message else UNKNOWN,
            envelope.body,
            case_no=message.case_no if message else None,
            seal=envelope.seal.encode() if envelope.seal else None,
            bound=dict(envelope.bound) or None,
            key_id=sealed.key_id,
            suite=sealed.suite,
            media_type=envelope.media_type,
            canonical=understood.canonical if understood else None,
            file=envelope.file,
        )

    @classmethod
    def stranger(cls, envelope: Envelope, hub: str) -> "Record":
        """Something from nobody we know."""
        return cls(
            "exchange.received",
            UNKNOWN,
            UNKNOWN,
            hub,
            UNKNOWN,
            "in",
            envelope.protocol,
            UNKNOWN,
            envelope.body[:4096],
            media_type=envelope.media_type[:80],
        )

    @classmethod
    def own(cls, hub: str, understood: Heard, by: Staff | None = None) -> "Record":
        """An act of the hub itself, its bytes the canonical form; a clerk's comes in like any party's, with
        who it was."""
        message = understood.message
        said = message.model_dump(mode="json", exclude_none=True)
        body = canonical_bytes(said if by is None else {"by": asdict(by), "message": said})
        return cls(
            "hub.act" if by is None else "hall.act",
            message.message_id,
            message.sender,
            hub,
            message.sender,
            "own" if by is None else "in",
            "hub" if by is None else "hall",
            message.type,
            body,
            case_no=message.case_no,
            media_type="application/json",
            canonical=understood.canonical,
        )

    @classmethod
    def released(cls, message: Message, hub: str) -> "Record":
        """A held message taken up; the bytes were recorded when it came."""
        body = canonical_bytes(message.model_dump(mode="json", exclude_none=True))
        return cls(
            "exchange.released",
            message.message_id,
            message.sender,
            hub,
            message.sender,
            "own",
            "hub",
            message.type,
            body,
            case_no=message.case_no,
            media_type="application/json",
        )

    def held(self) -> "Record":
        """The predecessor is missing."""
        return replace(self, kind="exchange.held", state="held", code="held")

    def refused(self, refusal: HubError) -> "Record":
        """Turned away, with the code the sender was told."""
        return replace(
            self, kind="exchange.refused", state="refused", code=refusal.code, note=str(refusal)[:2000]
        )

    def moved(self, moved: "Moved") -> "Record":
        """Accepted, with the change of the case it made."""
        return replace(
            self,
            case_no=moved.case_no or self.case_no,
            change=moved.change,
            findings=(*self.findings, *moved.findings),
        )


def call_of_several(hub: str, party: str, kind: str, whole: "Sent") -> Record:
    """A call that carried messages about several people, as it went and was answered: the record of each of
    them holds its own share alone, and this one's digest (`bound`)."""
    name = "call-" + hashlib.sha256(whole.body).hexdigest()
    return Record(
        "exchange.called",
        name[:64],
        hub,
        party,
        party,
        "out",
        whole.protocol,
        kind.removesuffix(".v1") + CALL,
        whole.body,
        state="sent",
        seal=whole.seal,
        bound=whole.bound,
        media_type=whole.media_type,
        answer=whole.answer,
    )


def is_call_of_several(kind: str) -> bool:
    """Whether a document of this type is about several people: reading it is an act of its own."""
    return kind.endswith(CALL)


def keep(hub: "Hub", work: Work, record: Record) -> Entry:
    """One ledger line, one row of bytes, its findings."""
    entry = work.append(draft(hub, record))
    work.later(_DOCUMENT, _row(record, entry.seq, work.now))
    if record.file is not None:
        work.later(_ATTACHMENT, {"entry": entry.seq, "case_no": record.case_no, "body": record.file})
    for found in record.findings:
        add_finding(work, record.case_no, found, entry.seq)
    return entry


def add_finding(work: Work, case_no: str | None, found: tuple[str, str, str], entry: int) -> None:
    """(category, code, detail) about a case, beside its ledger line."""
    category, code, detail = found
    row = {
        "case_no": case_no,
        "category": category,
        "code": code,
        "detail": detail,
        "at": work.now,
        "entry": entry,
    }
    work.later(_FINDING, row)


def draft(hub: "Hub", record: Record) -> Draft:
    """The ledger line of a record: salted commitments to the bytes, nothing that names a person."""
    values = {"payload": record.body, "sig": record.seal, "answer": record.answer, "file": record.file}
    note = {"code": record.code, **({"finding": record.findings[0][1]} if record.findings else {})}
    return Draft(
        record.kind,
        record.message_id,
        record.sender,
        record.receiver,
        record.type,
        case=pseudonym(hub.pseudonym_key, record.case_no) if record.case_no else None,
        state=record.change,
        kid=record.key_id,
        suite=record.suite,
        values={name: value for name, value in values.items() if value is not None},
        note=note,
    )


def pseudonym(key: bytes, case_no: str) -> str:
    """The ledger's subject key of a case: keyed, so that a guessed number cannot be confirmed."""
    return "p:" + base64.urlsafe_b64encode(hmac.digest(key, case_no.encode(), hashlib.sha256)[:18]).decode()


def _row(record: Record, seq: int, now: float) -> dict[str, Any]:
    return {
        "entry": seq,
        "message_id": record.message_id,
        "at": now,
        "party": record.party,
        "direction": record.direction,
        "protocol": record.protocol,
        "type": record.type,
        "case_no": record.case_no,
        "state": record.state,
        "code": record.code,
        "media_type": record.media_type,
        "body": record.body,
        "seal": record.seal,
        "bound": record.bound,
        "key_id": record.key_id,
        "answer": record.answer,
        "canonical": record.canonical,
        "note": record.note,
    }

"""Cases: which message moves which case, by the state machine of canonical.case; what is missing is held
or refused."""

import hmac
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from canonical.case import CaseFacts, Event, Finding, State, event_of, step
from canonical.messages import (
    PAYLOADS,
    CaseApplied,
    CasePayload,
    CaseSpecialFinished,
    CertificateIssued,
    Message,
)
from exchange import clocks, items, references
from exchange.errors import Refused
from exchange.records import add_finding
from exchange.store.tables import case_record, document
from exchange.store.work import Work
from ledger.prepared import run

Case = dict[str, Any]
# Messages about a case that are not case payloads: type -> (field that names it, kind of reference).
BY_REFERENCE = {
    "fee.paid.v1": ("notice_no", "fee_notice"),
    "fee.reversed.v1": ("notice_no", "fee_notice"),
    "certificate.issued.v1": ("request_id", "certificate"),
    "certificate.changed.v1": ("request_id", "certificate"),
    "parcel.tracked.v1": ("waybill_no", "waybill"),
}


@dataclass(frozen=True)
class Held:
    """The predecessor of this message has not come yet."""

    case_no: str


@dataclass(frozen=True)
class Moved:
    """What a message did to its case; `case` is the row as it will be stored, None when no case is
    concerned."""

    case_no: str | None = None
    case: Case | None = None
    change: tuple[str | None, str] | None = None
    findings: tuple[tuple[str, str, str], ...] = ()
    context: Mapping[str, Any] = field(default_factory=dict)
    opened: bool = False
    repeated: bool = False  # the case already stood where the message leads
    fresh: tuple[str, ...] = ()  # columns of the row that this message changed

    @property
    def changed(self) -> bool:
        """Whether state or facts moved, so that held messages may go on."""
        return self.change is not None and (self.change[0] != self.change[1] or "facts" in self.fresh)


class Cases:
    """The case store behind one hub."""

    def apply(self, work: Work, message: Message) -> Moved | Held:
        """The case after this message; Refused when its state forbids it, Held when a predecessor is
        missing."""
        if isinstance(message.payload, CaseApplied):
            return self._open(work, message, message.payload)
        case_no = case_of(work, message)
        if case_no is None:
            unknown = reference_of(message)
            return Moved() if unknown is None else Held(references.waiting_for(*unknown))
        case = find(work, case_no)
        if case is None:
            raise Refused("unknown_case", "no case has this number", "case_no")
        _expect_same_item(case, message)
        return self._step(work, message, case)

    def accept_without(self, work: Work, message: Message) -> Moved:
        """A message whose predecessor never came: accepted with a finding where it can stand alone, else
        Refused."""
        case = find(work, case_of(work, message) or "")
        event = event_of(message.type, message.payload)
        result = step(_load(case["facts"]), event) if case and event else None
        after = result.after_hold if isinstance(result, Finding) else None
        if case is None or after is None:
            raise Refused("state_forbids", "its predecessor did not come within 24 h", "case_no")
        changed = {**case, "state": after.state.value, "facts": _dump(after)}
        found = (
            "logic",
            "missing_predecessor",
            f"{message.type} was accepted after 24 h without its predecessor",
        )
        change = (case["state"], after.state.value)
        return Moved(
            case["case_no"],
            changed,
            change,
            (found,),
            context(changed, message, work),
            fresh=_differences(case, changed),
        )

    def store(self, work: Work, moved: Moved) -> None:
        """Write what changed of the case."""
        if moved.case is None:
            return
        if moved.opened:
            run(work.connection, _OPEN, {**moved.case, "changed_at": work.now})
        elif moved.fresh:
            row = {name: moved.case[name] for name in moved.fresh}
            run(work.connection, _CHANGE, {**row, "changed_at": work.now, "of": moved.case_no})

    def note_refusal(self, work: Work, message: Message, refusal: Refused, entry: int) -> None:
        """A step the state does not allow is a logic finding."""
        add_finding(work, case_of(work, message), ("logic", refusal.code, refusal.detail), entry)

    def _open(self, work: Work, message: Message, payload: CaseApplied) -> Moved | Held:
        existing = find(work, payload.case_no)
        if existing is not None:
            return _with_application(self._step(work, message, existing), payload)
        item = items.in_force(work, payload.item_code)
        result = step(CaseFacts(), Event.APPLIED)
        if isinstance(result, Finding):
            raise Refused("state_forbids", "no case begins with an application", "type")
        facts = replace(result.facts, fee_due=item.has_fee)
        case = {
            "case_no": payload.case_no,
            "state": facts.state.value,
            "facts": _dump(facts),
            "item_code": payload.item_code,
            "item_version": item.version,
            "org": item.org,
            "has_fee": item.has_fee,
            "gives_certificate": item.gives_certificate,
            "region": payload.region,
            "origin": message.sender,
            "application": payload.model_dump(mode="json", exclude_none=True),
            "acceptance": None,
            "query_password": None,
            "clock": {},
            "statutory_due": None,
            "promised_due": None,
            "provisional": False,
            "opened_at": work.now,
        }
        return Moved(
            payload.case_no, case, (None, facts.state.value), (), context(case, message, work), opened=True
        )

    def _step(self, work: Work, message: Message, case: Case) -> Moved | Held:
        event = event_of(message.type, message.payload)
        if event is None:
            return Moved(case["case_no"], case, context=context(case, message, work))
        handed_in_again = event is Event.APPLIED and case["state"] == State.PRE_SUPPLEMENT
        if earlier := _corrects(work, message, event, handed_in_again):
            said = f"{message.type} version {message.payload.version} after version {earlier}"
            about = context(case, message, work)
            found = (("content", "corrected", said),)
            return Moved(case["case_no"], case, findings=found, context=about, repeated=True)
        result = step(_load(case["facts"]), event)
        if isinstance(result, Finding):
            return _not_now(work, message, case, result)
        if isinstance(message.payload, CaseSpecialFinished) and not clocks.runs(case, message.payload.number):
            return Held(case["case_no"])
        moved = {**case, "state": result.facts.state.value, "facts": _dump(result.facts)}
        after, findings = clocks.advanced(work, moved, message)
        return Moved(
            case["case_no"],
            after,
            (case["state"], after["state"]),
            findings,
            context(after, message, work),
            fresh=_differences(case, after),
        )


def _with_application(moved: Moved | Held, payload: CaseApplied) -> Moved | Held:
    """An application that moves its case replaces the one before it."""
    if isinstance(moved, Held) or moved.case is None or not moved.changed:
        return moved
    case = {**moved.case, "application": payload.model_dump(mode="json", exclude_none=True)}
    return replace(moved, case=case, fresh=(*moved.fresh, "application"))


def _differences(before: Case, after: Case) -> tuple[str, ...]:
    return tuple(name for name, value in after.items() if before[name] is not value and before[name] != value)


def _corrects(work: Work, message: Message, event: Event, again: bool) -> int | None:
    """The version accepted before that this message corrects: the same event of the same step or special
    procedure, told anew with a higher version. It moves nothing and is passed on. `again`: it is an
    application handed in once more, which moves its case."""
    payload = message.payload
    if not isinstance(payload, CasePayload) or payload.version == 1 or again:
        return None
    work.flush()
    told = work.connection.execute(_TOLD, {"of": payload.case_no, "kind": message.type, "by": message.sender})
    for row in told:
        before = PAYLOADS[message.type].model_validate(row.canonical)
        same = all(
            getattr(before, name, None) == getattr(payload, name, None) for name in ("step_no", "number")
        )
        if (
            same
            and event_of(message.type, before) is event
            and getattr(before, "version", 1) < payload.version
        ):
            return int(getattr(before, "version", 1))
    return None


def _not_now(work: Work, message: Message, case: Case, found: Finding) -> Moved | Held:
    if found.outcome == "missing_predecessor":
        return Held(case["case_no"])
    if found.outcome == "not_allowed":
        raise Refused(found.code, found.detail, "case_no")
    return Moved(case["case_no"], case, context=context(case, message, work), repeated=True)


def case_of(work: Work, message: Message) -> str | None:
    """The case a message is about, by its own member or by a partner's number; None when there is none, or
    the number is not known yet: an answer may be overtaken by what follows it."""
    if message.case_no is not None:
        return str(message.case_no)
    named = reference_of(message)
    return references.case_of(work, *named) if named else None


def reference_of(message: Message) -> tuple[str, str] | None:
    """(kind, value) of the partner's number that names the case of a message without a case number."""
    named = BY_REFERENCE.get(message.type)
    return (named[1], str(getattr(message.payload, named[0]))) if named else None


def find(work: Work, case_no: str) -> Case | None:
    """The stored row of a case."""
    row = run(work.connection, _FIND, {"no": case_no}).first()
    return row._asdict() if row else None


_FIND = select(case_record).where(case_record.c.case_no == bindparam("no"))
_TOLD = (
    select(document.c.canonical)
    .where(
        document.c.case_no == bindparam("of"),
        document.c.type == bindparam("kind"),
        document.c.party == bindparam("by"),
        document.c.direction == "in",
        document.c.state == "accepted",
    )
    .order_by(document.c.entry.desc())
)
_OPEN = insert(case_record)
_CHANGE = update(case_record).where(case_record.c.case_no == bindparam("of"))


def context(case: Case, message: Message, work: Work) -> dict[str, Any]:
    """Facts of a case that a partner's document may need beside the message."""
    facts = {
        "case_no": case["case_no"],
        "item_code": case["item_code"],
        "region": case["region"],
        "org": case["org"],
        "item_type": item_type(case["item_code"]),
        "version": getattr(message.payload, "version", 1),
        "has_fee": case["has_fee"],
        "gives_certificate": case["gives_certificate"],
        "decision_refused": case["facts"].get("granted") is False,
    }
    if isinstance(message.payload, CertificateIssued):
        facts |= references.data_of(work, "certificate", message.payload.request_id) or {}
    return facts


def item_type(code: str) -> str:
    """Type A.1 inside an implementation code: 18 credit code, 1 level, then 2 province and 2 type."""
    return code[21:23]


def _expect_same_item(case: Case, message: Message) -> None:
    payload = message.payload
    if isinstance(payload, CasePayload) and payload.item_code != case["item_code"]:
        raise Refused("bad_value", "the case is about another item", "item_code")


def _dump(facts: CaseFacts) -> dict[str, Any]:
    return asdict(facts)  # states are StrEnum: JSON takes them as text


def _load(stored: Mapping[str, Any]) -> CaseFacts:
    facts = {
        **stored,
        "state": State(stored["state"]),
        "back_to": State(stored["back_to"]) if stored["back_to"] else None,
    }
    return CaseFacts(**facts)


def progress(connection: Connection, case_no: str, password: str) -> dict[str, Any] | None:
    """What the applicant may see by case number and query password (S3-49); None also for a wrong
    password."""
    row = connection.execute(_FIND, {"no": case_no}).mappings().first()
    if (
        row is None
        or not row["query_password"]
        or not hmac.compare_digest(row["query_password"].encode(), password.encode())
    ):
        return None
    return {
        "case_no": case_no,
        "state": row["state"],
        "promised_due": row["promised_due"],
        "provisional": row["provisional"],
    }

"""The table of the case: its states in the order of the path, its events, and what each event moves."""

from collections.abc import Mapping
from enum import StrEnum


class State(StrEnum):
    """Where a case stands, in the order a case goes through; a side state follows the state it leaves."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    PRE_SUPPLEMENT = "pre_supplement"
    PRE_REFUSED = "pre_refused"
    PRE_ACCEPTED = "pre_accepted"
    RECEIVED = "received"
    SUPPLEMENTING = "supplementing"
    NOT_ACCEPTED = "not_accepted"
    ACCEPTED = "accepted"
    UNDERTAKING = "undertaking"
    REVIEWING = "reviewing"
    APPROVING = "approving"
    SUSPENDED = "suspended"
    EXTENSION_PENDING = "extension_pending"
    DECIDED = "decided"
    AWAITING_PAYMENT = "awaiting_payment"
    CERTIFIED = "certified"
    CONCLUDED = "concluded"
    DELIVERED = "delivered"
    ARCHIVED = "archived"


class Event(StrEnum):
    """A message kind with the values that decide; names that stand for the same message are aliases."""

    APPLIED = "case.applied"
    PRE_PASSED = "case.pre_reviewed:passed"
    PRE_REFUSED = "case.pre_reviewed:refused"
    PRE_SUPPLEMENT = "case.pre_reviewed:supplement"
    RECEIVED = "case.received"
    SUPPLEMENT_NOTICED = "case.supplement_noticed"
    SUPPLEMENTED = "case.supplemented"
    ACCEPTED = "case.accepted:accepted"
    REFUSED = "case.accepted:refused"
    DEEMED_ACCEPTED = "case.deemed_accepted"
    UNDERTAKEN = "case.step:undertake:pass"
    UNDERTAKER_RETURNED = "case.step:undertake:return"
    REVIEWED = "case.step:review:pass"
    REVIEWER_RETURNED = "case.step:review:return"
    GRANTED = "case.step:approve:pass"
    DENIED = "case.step:approve:refuse"
    APPROVER_RETURNED = "case.step:approve:return"
    SUSPENDED = "case.special_started:other"
    EXTENSION_ASKED = "case.special_started:extension"
    SPECIAL_FINISHED = "case.special_finished:finished"
    SPECIAL_REFUSED = "case.special_finished:refused"
    EXTENSION_APPROVED = "case.special_finished:finished"
    EXTENSION_REFUSED = "case.special_finished:refused"
    FEE_NOTICED = "fee.noticed"
    FEE_PAID = "fee.paid"
    FEE_CONFIRMED = "fee.confirmed"
    FEE_REVERSED = "fee.reversed"
    CERTIFICATE_ISSUED = "certificate.issued:issued"
    CONCLUDED_CERTIFIED = "case.concluded:certificate_issued"
    CONCLUDED_RETURNED = "case.concluded:returned"
    CONCLUDED_VOIDED = "case.concluded:voided"
    CONCLUDED_DELETED = "case.concluded:deleted"
    CONCLUDED_FORWARDED = "case.concluded:forwarded"
    CONCLUDED_SUPPLEMENT_MISSING = "case.concluded:supplement_missing"
    CONCLUDED = "case.concluded:concluded"
    ABORTED_RETURNED = "case.concluded:returned"
    ABORTED_VOIDED = "case.concluded:voided"
    FORWARDED = "case.concluded:forwarded"
    SUPPLEMENT_EXPIRED = "case.concluded:supplement_missing"
    DELIVERED = "case.delivered"
    ARCHIVED = "archive.result:200"
    EVALUATED = "case.evaluated"


S, E = State, Event
FOUR = (S.ACCEPTED, S.UNDERTAKING, S.REVIEWING, S.APPROVING)
BEFORE_DECISION = (S.SUBMITTED, S.PRE_SUPPLEMENT, S.PRE_ACCEPTED, S.RECEIVED, S.SUPPLEMENTING, *FOUR)
NOT_RECEIVED = (S.SUBMITTED, S.PRE_ACCEPTED)


def _to(target: State | None, *sources: State) -> dict[State, State | None]:
    return dict.fromkeys(sources, target)


# Nothing waits for a payment any more; one that was taken back may still be made good.
HANDED_OUT = {state: state for state in (S.CERTIFIED, S.CONCLUDED, S.DELIVERED, S.ARCHIVED)}

# Event: where it may happen, and the state after it; None is the state before the side state.
MOVES: Mapping[Event, Mapping[State, State | None]] = {
    E.APPLIED: _to(S.SUBMITTED, S.DRAFT, S.PRE_SUPPLEMENT),
    E.PRE_PASSED: _to(S.PRE_ACCEPTED, S.SUBMITTED),
    E.PRE_REFUSED: _to(S.PRE_REFUSED, S.SUBMITTED),
    E.PRE_SUPPLEMENT: _to(S.PRE_SUPPLEMENT, S.SUBMITTED),
    E.RECEIVED: _to(S.RECEIVED, *NOT_RECEIVED),
    E.SUPPLEMENT_NOTICED: _to(S.SUPPLEMENTING, *NOT_RECEIVED, S.RECEIVED),
    E.SUPPLEMENTED: _to(S.RECEIVED, S.SUPPLEMENTING),
    E.ACCEPTED: _to(S.ACCEPTED, *NOT_RECEIVED, S.RECEIVED),
    E.REFUSED: _to(S.NOT_ACCEPTED, *NOT_RECEIVED, S.RECEIVED),
    E.DEEMED_ACCEPTED: _to(S.ACCEPTED, *NOT_RECEIVED, S.RECEIVED),
    E.UNDERTAKEN: _to(S.REVIEWING, S.ACCEPTED, S.UNDERTAKING),
    E.UNDERTAKER_RETURNED: _to(S.ACCEPTED, S.ACCEPTED, S.UNDERTAKING),
    E.REVIEWED: _to(S.APPROVING, S.REVIEWING),
    E.REVIEWER_RETURNED: _to(S.UNDERTAKING, S.REVIEWING),
    E.GRANTED: _to(S.DECIDED, S.APPROVING),
    E.DENIED: _to(S.DECIDED, S.APPROVING),
    E.APPROVER_RETURNED: _to(S.REVIEWING, S.APPROVING),
    E.SUSPENDED: _to(S.SUSPENDED, *FOUR),
    E.EXTENSION_ASKED: _to(S.EXTENSION_PENDING, *FOUR),
    E.SPECIAL_FINISHED: _to(None, S.SUSPENDED, S.EXTENSION_PENDING),
    E.SPECIAL_REFUSED: _to(None, S.SUSPENDED, S.EXTENSION_PENDING),
    E.FEE_NOTICED: _to(S.AWAITING_PAYMENT, S.DECIDED),
    E.FEE_PAID: {**_to(S.AWAITING_PAYMENT, S.AWAITING_PAYMENT), **HANDED_OUT},
    E.FEE_CONFIRMED: {**_to(S.DECIDED, S.AWAITING_PAYMENT), **HANDED_OUT},
    E.FEE_REVERSED: {**_to(S.AWAITING_PAYMENT, S.DECIDED, S.AWAITING_PAYMENT), **HANDED_OUT},
    # What was concluded without waiting for its certificate still gets it.
    E.CERTIFICATE_ISSUED: {S.DECIDED: S.CERTIFIED, S.CONCLUDED: S.CONCLUDED},
    E.CONCLUDED_CERTIFIED: _to(S.CONCLUDED, S.CERTIFIED),
    E.CONCLUDED_RETURNED: _to(S.CONCLUDED, *FOUR),
    E.CONCLUDED_VOIDED: _to(S.CONCLUDED, *FOUR),
    E.CONCLUDED_DELETED: _to(S.CONCLUDED, *BEFORE_DECISION),
    E.CONCLUDED_FORWARDED: _to(S.CONCLUDED, *FOUR),
    E.CONCLUDED_SUPPLEMENT_MISSING: _to(S.CONCLUDED, S.SUPPLEMENTING),
    E.CONCLUDED: _to(S.CONCLUDED, S.DECIDED, S.CERTIFIED),
    E.DELIVERED: _to(S.DELIVERED, S.CONCLUDED),
    E.ARCHIVED: _to(S.ARCHIVED, S.DELIVERED),
    E.EVALUATED: {state: state for state in S if state is not S.DRAFT},
}

# Event: what else becomes true of the case.
EFFECTS: Mapping[Event, Mapping[str, bool | str]] = {
    E.SUPPLEMENTED: {"supplemented": True},
    E.DEEMED_ACCEPTED: {"deemed_accepted": True},
    E.GRANTED: {"granted": True},
    E.DENIED: {"granted": False},
    E.FEE_NOTICED: {"fee_due": True, "fee_paid": False, "fee_confirmed": False},
    E.FEE_PAID: {"fee_paid": True},
    E.FEE_CONFIRMED: {"fee_due": False, "fee_confirmed": True},
    E.FEE_REVERSED: {"fee_due": True, "fee_paid": False, "fee_confirmed": False},
    E.CERTIFICATE_ISSUED: {"certified": True},
    E.EVALUATED: {"evaluated": True},
} | {event: {"conclusion": event.partition(":")[2]} for event in E if event.startswith("case.concluded:")}

# Event: what has to come first where the case is not yet that far; events of our own clock wait for nothing.
AWAITED: Mapping[Event, Event] = {
    **dict.fromkeys((E.PRE_PASSED, E.PRE_REFUSED, E.PRE_SUPPLEMENT, E.RECEIVED, E.EVALUATED), E.APPLIED),
    **dict.fromkeys((E.SUPPLEMENT_NOTICED, E.ACCEPTED, E.REFUSED, E.CONCLUDED_DELETED), E.APPLIED),
    **dict.fromkeys((E.UNDERTAKEN, E.UNDERTAKER_RETURNED, E.SUSPENDED, E.EXTENSION_ASKED), E.ACCEPTED),
    **dict.fromkeys((E.CONCLUDED_RETURNED, E.CONCLUDED_VOIDED, E.CONCLUDED_FORWARDED), E.ACCEPTED),
    **dict.fromkeys((E.REVIEWED, E.REVIEWER_RETURNED), E.UNDERTAKEN),
    **dict.fromkeys((E.GRANTED, E.DENIED, E.APPROVER_RETURNED), E.REVIEWED),
    **dict.fromkeys((E.SPECIAL_FINISHED, E.SPECIAL_REFUSED), E.SUSPENDED),
    **dict.fromkeys((E.SUPPLEMENTED, E.CONCLUDED_SUPPLEMENT_MISSING), E.SUPPLEMENT_NOTICED),
    **dict.fromkeys((E.FEE_NOTICED, E.CERTIFICATE_ISSUED, E.CONCLUDED), E.GRANTED),
    **dict.fromkeys((E.FEE_PAID, E.FEE_CONFIRMED), E.FEE_NOTICED),
    E.FEE_REVERSED: E.FEE_PAID,
    E.CONCLUDED_CERTIFIED: E.CERTIFICATE_ISSUED,
    E.DELIVERED: E.CONCLUDED,
    E.ARCHIVED: E.DELIVERED,
}

# Side state: the state it was entered from (None: the one the facts remember) and the event that leaves it.
SIDE_STATES: Mapping[State, tuple[State | None, Event]] = {
    S.PRE_SUPPLEMENT: (S.SUBMITTED, E.APPLIED),
    S.SUPPLEMENTING: (S.RECEIVED, E.SUPPLEMENTED),
    S.SUSPENDED: (None, E.SPECIAL_FINISHED),
    S.EXTENSION_PENDING: (None, E.SPECIAL_FINISHED),
    S.AWAITING_PAYMENT: (S.DECIDED, E.FEE_CONFIRMED),
}

ENDED = frozenset({S.PRE_REFUSED, S.NOT_ACCEPTED, S.ARCHIVED})
RETURNS = frozenset({E.UNDERTAKER_RETURNED, E.REVIEWER_RETURNED, E.APPROVER_RETURNED})
IMPLY_RECEIPT = frozenset({E.SUPPLEMENT_NOTICED, E.ACCEPTED, E.REFUSED, E.DEEMED_ACCEPTED})
ONLY_IF_GRANTED = frozenset(
    {E.GRANTED, E.FEE_NOTICED, E.FEE_PAID, E.FEE_CONFIRMED, E.CERTIFICATE_ISSUED, E.CONCLUDED_CERTIFIED}
)
AFTER_PAYMENT = frozenset({E.CERTIFICATE_ISSUED, E.CONCLUDED_CERTIFIED, E.CONCLUDED})
# Feedback that stands even if what should have come before it never comes, once the case is accepted.
STANDS_ALONE = frozenset({E.REVIEWED, E.GRANTED, E.DENIED, E.CONCLUDED_CERTIFIED, E.CONCLUDED})

RANK: Mapping[State, int] = {state: rank for rank, state in enumerate(State)}
EARLIEST: Mapping[Event, int] = {event: min(RANK[state] for state in moves) for event, moves in MOVES.items()}

"""How a case moves: `step` takes what is known of a case and one event, and says what comes of it. Pure.

A state names the work now running; a message reports work done. So `case.step:undertake:pass` takes an
accepted case to REVIEWING, and a return takes it back to the step before. What the wire leaves out:

- Nobody reports that a hall received an application: acceptance, refusal and supplement notice imply it.
- An acceptance with `deemed_basis` is the law's own: `case.deemed_accepted`, which waits for nothing.
- An approved abort is concluded as returned or voided, a forwarding as forwarded, an unanswered supplement
  notice as supplement_missing; an extension is approved or refused by the finish of its special procedure.
- A joint step reported again by the next body changes nothing (`already_there`): it is recorded, no more.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from canonical import casetable as table
from canonical.casetable import Event, State
from canonical.errors import ValueRefused

__all__ = ["CaseFacts", "Event", "Finding", "State", "Transition", "event_of", "step"]


@dataclass(frozen=True, slots=True)
class CaseFacts:
    """What the machine knows of a case; `fee_due` and `no_review` may be set from its item at acceptance."""

    state: State = State.DRAFT
    back_to: State | None = None
    no_review: bool = False
    fee_due: bool = False
    fee_paid: bool = False
    fee_confirmed: bool = False
    granted: bool | None = None
    certified: bool = False
    conclusion: str | None = None
    supplemented: bool = False
    deemed_accepted: bool = False
    evaluated: bool = False

    @property
    def ended(self) -> bool:
        """Nothing but an evaluation can follow."""
        return self.state in table.ENDED


@dataclass(frozen=True, slots=True)
class Transition:
    """The event is allowed; `implied` events happened with it although nobody reported them."""

    facts: CaseFacts
    implied: tuple[Event, ...] = ()
    outcome: Literal["allowed"] = field(default="allowed", init=False)


@dataclass(frozen=True, slots=True)
class Finding:
    """The event changes nothing now.

    - already_there: it says what is known; record it.
    - missing_predecessor (code held): keep it until `needs` comes, 24 h at most; then `after_hold` is the
      case that takes it with a finding, or None if it has to be refused.
    - not_allowed (code state_forbids or decision_contradicts): refuse it, and record the finding.
    """

    outcome: Literal["already_there", "missing_predecessor", "not_allowed"]
    code: str
    state: State
    event: Event
    needs: Event | None = None
    after_hold: CaseFacts | None = None

    @property
    def detail(self) -> str:
        """For the receipt: names the state, the event and what is missing."""
        wanted = f", {self.needs} is missing" if self.needs else ""
        return f"{self.event} while the case is {self.state}{wanted}"


_DECIDED_BY: Mapping[str, tuple[str, ...]] = {
    "case.applied.v1": (),
    "case.pre_reviewed.v1": ("result",),
    "case.accepted.v1": ("result",),
    "case.step.v1": ("step", "action"),
    "case.concluded.v1": ("result",),
    "case.special_started.v1": ("kind",),
    "case.special_finished.v1": ("result",),
    "case.supplement_noticed.v1": (),
    "case.supplemented.v1": (),
    "case.delivered.v1": (),
    "case.evaluated.v1": (),
    "fee.noticed.v1": (),
    "fee.paid.v1": (),
    "fee.confirmed.v1": (),
    "fee.reversed.v1": (),
    "certificate.issued.v1": ("state",),
    "archive.result.v1": ("code",),
}


def event_of(message_type: str, payload: Any) -> Event | None:
    """The event a message is; None if it moves no case (a pending seal, a failed archive check, an SMS)."""
    deciding = _DECIDED_BY.get(message_type)
    if deciding is None:
        return None
    if getattr(payload, "deemed_basis", None) is not None:
        return Event.DEEMED_ACCEPTED
    name = ":".join([message_type.removesuffix(".v1"), *(str(getattr(payload, key)) for key in deciding)])
    try:
        return Event(name)
    except ValueError:
        if message_type.startswith("case."):
            raise ValueRefused("unknown_event", f"{message_type} with these values is no event") from None
        return None


def step(facts: CaseFacts, event: Event) -> Transition | Finding:
    """What comes of the event: the new facts, or why there are none."""
    found = (
        _known_before(facts, event)
        or _contradicted(facts, event)
        or _unpaid(facts, event)
        or _nothing_to_reverse(facts, event)
        or _nothing_due(facts, event)
        or _nothing_owed(facts, event)
    )
    if found:
        return found
    if facts.state in table.MOVES[event]:
        return _moved(facts, event)
    if _says_what_is(facts, event):
        return Finding("already_there", "already_there", facts.state, event)
    return _awaiting(facts, event) or Finding("not_allowed", "state_forbids", facts.state, event)


def _known_before(facts: CaseFacts, event: Event) -> Finding | None:
    """The bank's notice of a payment that it, or the window, has already told."""
    if event is Event.FEE_PAID and (facts.fee_paid or facts.fee_confirmed):
        return Finding("already_there", "already_there", facts.state, event)
    return None


def _contradicted(facts: CaseFacts, event: Event) -> Finding | None:
    against_refusal = facts.granted is False and event in table.ONLY_IF_GRANTED
    if against_refusal or (facts.granted and event is Event.DENIED):
        return Finding("not_allowed", "decision_contradicts", facts.state, event)
    return None


def _unpaid(facts: CaseFacts, event: Event) -> Finding | None:
    """A fee known to be due has to be noticed, and then confirmed, before anything is handed out."""
    due = facts.state is State.DECIDED and facts.granted and facts.fee_due
    if due and event in table.AFTER_PAYMENT:
        return Finding("missing_predecessor", "held", facts.state, event, Event.FEE_NOTICED)
    return None


def _nothing_to_reverse(facts: CaseFacts, event: Event) -> Finding | None:
    """The bank takes back only what was paid; its notice of the payment may still be on its way."""
    if event is not Event.FEE_REVERSED or facts.fee_paid or facts.fee_confirmed:
        return None
    if facts.state in (State.DECIDED, State.AWAITING_PAYMENT):
        return _held(facts, event, Event.FEE_PAID, None)
    if facts.state in table.MOVES[event]:
        return Finding("not_allowed", "state_forbids", facts.state, event)
    return None


def _nothing_due(facts: CaseFacts, event: Event) -> Finding | None:
    """After everything was handed out only a payment that was taken back is still due."""
    paying = event in (Event.FEE_PAID, Event.FEE_CONFIRMED)
    if paying and facts.state in table.HANDED_OUT and not facts.fee_due:
        return Finding("not_allowed", "state_forbids", facts.state, event)
    return None


def _nothing_owed(facts: CaseFacts, event: Event) -> Finding | None:
    """After the conclusion only the certificate of a granted case that ended without one may come, once."""
    if event is not Event.CERTIFICATE_ISSUED or facts.state is not State.CONCLUDED:
        return None
    if not (facts.granted and facts.conclusion == "concluded"):
        return Finding("not_allowed", "state_forbids", facts.state, event)
    return Finding("already_there", "already_there", facts.state, event) if facts.certified else None


def _moved(facts: CaseFacts, event: Event) -> Transition:
    target = table.MOVES[event][facts.state] or facts.back_to
    if target is None:
        raise ValueRefused("broken_facts", "a suspended case has forgotten what it was suspended from")
    side = target in (State.SUSPENDED, State.EXTENSION_PENDING)
    remembered = facts.back_to if target is facts.state else facts.state if side else None
    implied = (Event.RECEIVED,) if event in table.IMPLY_RECEIPT and facts.state in table.NOT_RECEIVED else ()
    return Transition(_arrived(replace(facts, back_to=remembered), event, target), implied)


def _arrived(facts: CaseFacts, event: Event, target: State) -> CaseFacts:
    effects: dict[str, Any] = dict(table.EFFECTS.get(event, {}))
    return replace(facts, state=_past_review(facts, event, target), **effects)


def _past_review(facts: CaseFacts, event: Event, target: State) -> State:
    """Where the item's process has no review, undertaking leads to approval, and approval returns to it."""
    if not (facts.no_review and target is State.REVIEWING):
        return target
    return State.UNDERTAKING if event in table.RETURNS else State.APPROVING


def _says_what_is(facts: CaseFacts, event: Event) -> bool:
    """Whether the case already stands where the event leads, for the reason the event gives."""
    targets = {_past_review(facts, event, target) for target in table.MOVES[event].values() if target}
    effects = table.EFFECTS.get(event, {})
    reached = facts.state in targets and event not in table.RETURNS
    return reached and all(getattr(facts, key) == value for key, value in effects.items())


def _awaiting(facts: CaseFacts, event: Event) -> Finding | None:
    """A finding that holds the event, if it may come true later."""
    if event not in table.AWAITED or facts.ended:
        return None
    if facts.state in table.SIDE_STATES:
        return _after_side_state(facts, event)
    if table.RANK[facts.state] >= table.EARLIEST[event]:
        return None
    return _held(facts, event, table.AWAITED[event], _taken_alone(facts, event))


def _after_side_state(facts: CaseFacts, event: Event) -> Finding | None:
    entered_from, leave = table.SIDE_STATES[facts.state]
    left = replace(facts, state=entered_from or facts.back_to or facts.state, back_to=None, fee_due=False)
    if left.state is facts.state:
        return None
    then = step(left, event)
    if then.outcome == "not_allowed":
        return None
    if then.outcome == "already_there":
        return replace(then, state=facts.state)
    return _held(facts, event, then.needs if isinstance(then, Finding) and then.needs else leave, None)


def _held(facts: CaseFacts, event: Event, needs: Event, after: CaseFacts | None) -> Finding:
    return Finding("missing_predecessor", "held", facts.state, event, needs, after)


def _taken_alone(facts: CaseFacts, event: Event) -> CaseFacts | None:
    accepted = table.RANK[facts.state] >= table.RANK[State.ACCEPTED]
    if not accepted or event not in table.STANDS_ALONE:
        return None
    target = next(iter(table.MOVES[event].values()))
    return _arrived(facts, event, target) if target else None

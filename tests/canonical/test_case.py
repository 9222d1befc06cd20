"""The case machine against a matrix written from the model, and walks through it."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canonical.case import CaseFacts, Event, Finding, State, Transition, event_of, step
from canonical.errors import ValueRefused

FULL = CaseFacts(granted=True, conclusion="certificate_issued", certified=True)
STATES = [  # one column each, in this order
    CaseFacts(State.DRAFT),
    CaseFacts(State.SUBMITTED),
    CaseFacts(State.PRE_SUPPLEMENT),
    CaseFacts(State.PRE_REFUSED),
    CaseFacts(State.PRE_ACCEPTED),
    CaseFacts(State.RECEIVED),
    CaseFacts(State.SUPPLEMENTING),
    CaseFacts(State.NOT_ACCEPTED),
    CaseFacts(State.ACCEPTED),
    CaseFacts(State.UNDERTAKING),
    CaseFacts(State.REVIEWING),
    CaseFacts(State.APPROVING),
    CaseFacts(State.SUSPENDED, back_to=State.REVIEWING),
    CaseFacts(State.EXTENSION_PENDING, back_to=State.REVIEWING),
    CaseFacts(State.DECIDED, granted=True),
    CaseFacts(State.AWAITING_PAYMENT, granted=True, fee_due=True),
    CaseFacts(State.CERTIFIED, granted=True, certified=True),
    replace(FULL, state=State.CONCLUDED),
    replace(FULL, state=State.DELIVERED),
    replace(FULL, state=State.ARCHIVED),
]

# + allowed, = already there, h held for a missing predecessor, - not allowed. Columns:
#   draft submitted pre_supplement pre_refused pre_accepted | received supplementing not_accepted |
#   accepted undertaking reviewing approving | suspended extension_pending (both from reviewing) |
#   decided awaiting_payment certified | concluded delivered archived
MATRIX = """
case.applied                      +=+-- --- ---- -- --- ---  submitted
case.pre_reviewed:passed          h+h-= --- ---- -- --- ---  pre_accepted
case.pre_reviewed:refused         h+h=- --- ---- -- --- ---  pre_refused
case.pre_reviewed:supplement      h+=-- --- ---- -- --- ---  pre_supplement
case.received                     h+h-+ ==- ---- -- --- ---  received
case.supplement_noticed           h+h-+ +=- ---- -- --- ---  supplementing
case.supplemented                 hhh-h h+- ---- -- --- ---  received
case.accepted:accepted            h+h-+ +h- =--- -- --- ---  accepted
case.accepted:refused             h+h-+ +h= ---- -- --- ---  not_accepted
case.deemed_accepted              -+--+ +-- ---- -- --- ---  accepted
case.step:undertake:pass          hhh-h hh- ++=- == --- ---  reviewing
case.step:undertake:return        hhh-h hh- ++-- -- --- ---  accepted
case.step:review:pass             hhh-h hh- hh+= hh --- ---  approving
case.step:review:return           hhh-h hh- hh+- hh --- ---  undertaking
case.step:approve:pass            hhh-h hh- hhh+ hh ==- ---  decided
case.step:approve:refuse          hhh-h hh- hhh+ hh --- ---  decided
case.step:approve:return          hhh-h hh- hhh+ hh --- ---  reviewing
case.special_started:other        hhh-h hh- ++++ =h --- ---  suspended
case.special_started:extension    hhh-h hh- ++++ h= --- ---  extension_pending
case.special_finished:finished    hhh-h hh- hhhh ++ --- ---  reviewing
case.special_finished:refused     hhh-h hh- hhhh ++ --- ---  reviewing
fee.noticed                       hhh-h hh- hhhh hh +=- ---  awaiting_payment
fee.paid                          hhh-h hh- hhhh hh h+- ---  awaiting_payment
fee.confirmed                     hhh-h hh- hhhh hh h+- ---  decided
fee.reversed                      hhh-h hh- hhhh hh hh- ---  same
certificate.issued:issued         hhh-h hh- hhhh hh +h= ---  certified
case.concluded:certificate_issued hhh-h hh- hhhh hh hh+ =--  concluded
case.concluded:returned           hhh-h hh- ++++ hh --- ---  concluded
case.concluded:voided             hhh-h hh- ++++ hh --- ---  concluded
case.concluded:deleted            h++-+ ++- ++++ hh --- ---  concluded
case.concluded:forwarded          hhh-h hh- ++++ hh --- ---  concluded
case.concluded:supplement_missing hhh-h h+- ---- -- --- ---  concluded
case.concluded:concluded          hhh-h hh- hhhh hh +h+ ---  concluded
case.delivered                    hhh-h hh- hhhh hh hhh +=-  delivered
archive.result:200                hhh-h hh- hhhh hh hhh h+=  archived
case.evaluated                    h++++ +++ ++++ ++ +++ +++  same
"""
OUTCOMES = {"+": "allowed", "=": "already_there", "h": "missing_predecessor", "-": "not_allowed"}
ROWS = [line.rsplit("  ", 1) for line in MATRIX.strip().splitlines()]
CELLS = [
    pytest.param(facts, Event(row.split(" ", 1)[0]), mark, target, id=f"{facts.state}-{row.split(' ', 1)[0]}")
    for row, target in ROWS
    for facts, mark in zip(STATES, row.split(" ", 1)[1].replace(" ", ""), strict=True)
]
FOUR = [State.ACCEPTED, State.UNDERTAKING, State.REVIEWING, State.APPROVING]


def after(*events: Event, start: CaseFacts | None = None) -> CaseFacts:
    """The facts after these events, each of which must be allowed."""
    facts = start or CaseFacts()
    for event in events:
        result = step(facts, event)
        assert isinstance(result, Transition), (facts, event, result)
        facts = result.facts
    return facts


def test_the_matrix_speaks_of_every_state_and_every_event() -> None:
    assert [facts.state for facts in STATES] == list(State)
    assert {Event(row.split(" ", 1)[0]) for row, _ in ROWS} == set(Event)


@pytest.mark.parametrize(("facts", "event", "mark", "target"), CELLS)
def test_every_event_in_every_state(facts: CaseFacts, event: Event, mark: str, target: str) -> None:
    result = step(facts, event)
    assert result.outcome == OUTCOMES[mark]
    if isinstance(result, Transition):
        assert result.facts.state == (facts.state if target == "same" else target)
    else:
        assert (result.needs is not None) == (mark == "h")
        assert result.state is facts.state and result.event is event


E = Event
TO_DECISION = [E.APPLIED, E.ACCEPTED, E.UNDERTAKEN, E.REVIEWED, E.GRANTED]


def test_an_online_licence_with_a_fee_from_application_to_the_archive() -> None:
    paid = [E.FEE_NOTICED, E.FEE_PAID, E.FEE_CONFIRMED]
    end = [E.CERTIFICATE_ISSUED, E.CONCLUDED_CERTIFIED, E.DELIVERED, E.ARCHIVED]
    facts = after(E.APPLIED, E.PRE_PASSED, *TO_DECISION[1:], *paid, *end)
    assert facts == CaseFacts(
        State.ARCHIVED,
        fee_paid=True,
        fee_confirmed=True,
        granted=True,
        certified=True,
        conclusion="certificate_issued",
    )
    assert facts.ended


def test_a_hall_that_sends_only_the_acceptance_has_received_the_application() -> None:
    result = step(after(E.APPLIED), E.ACCEPTED)
    assert isinstance(result, Transition) and result.implied == (E.RECEIVED,)
    result = step(after(E.APPLIED, E.RECEIVED), E.ACCEPTED)
    assert isinstance(result, Transition) and result.implied == ()


@pytest.mark.parametrize("state", FOUR)
@pytest.mark.parametrize("finish", [E.SPECIAL_FINISHED, E.SPECIAL_REFUSED])
@pytest.mark.parametrize("start", [E.SUSPENDED, E.EXTENSION_ASKED])
def test_a_special_procedure_returns_to_where_it_began(state: State, start: Event, finish: Event) -> None:
    facts = CaseFacts(state)
    during = after(start, start=facts)
    assert during.back_to is state
    assert after(finish, start=during) == facts


@pytest.mark.parametrize(
    ("done", "event", "needs"),
    [
        ([E.APPLIED, E.ACCEPTED], E.REVIEWED, E.UNDERTAKEN),
        ([E.APPLIED, E.ACCEPTED], E.SPECIAL_FINISHED, E.SUSPENDED),
        (TO_DECISION, E.CONCLUDED_CERTIFIED, E.CERTIFICATE_ISSUED),
        ([*TO_DECISION, E.FEE_NOTICED], E.CERTIFICATE_ISSUED, E.FEE_CONFIRMED),
        ([E.APPLIED, E.ACCEPTED, E.SUSPENDED], E.UNDERTAKEN, E.SPECIAL_FINISHED),
        ([E.APPLIED, E.ACCEPTED, E.SUSPENDED], E.REVIEWED, E.UNDERTAKEN),
        ([E.APPLIED, E.SUPPLEMENT_NOTICED], E.ACCEPTED, E.SUPPLEMENTED),
        ([], E.ACCEPTED, E.APPLIED),
    ],
)
def test_what_is_held_names_what_it_waits_for(done: list[Event], event: Event, needs: Event) -> None:
    result = step(after(*done), event)
    assert isinstance(result, Finding) and (result.code, result.needs) == ("held", needs)
    assert str(needs) in result.detail and str(event) in result.detail


def test_after_its_hold_a_step_of_an_accepted_case_stands_and_one_of_an_unaccepted_case_does_not() -> None:
    late = step(after(E.APPLIED, E.ACCEPTED), E.REVIEWED)
    early = step(after(E.APPLIED), E.REVIEWED)
    stopped = step(after(E.APPLIED, E.ACCEPTED, E.SUSPENDED), E.REVIEWED)
    assert isinstance(late, Finding) and late.after_hold == CaseFacts(State.APPROVING)
    assert isinstance(early, Finding) and early.after_hold is None
    assert isinstance(stopped, Finding) and stopped.after_hold is None


@pytest.mark.parametrize("event", [E.CERTIFICATE_ISSUED, E.CONCLUDED_CERTIFIED, E.FEE_NOTICED, E.GRANTED])
def test_a_denied_application_gets_no_certificate_and_no_fee(event: Event) -> None:
    denied = after(*TO_DECISION[:-1], E.DENIED)
    result = step(denied, event)
    assert isinstance(result, Finding) and (result.outcome, result.code) == (
        "not_allowed",
        "decision_contradicts",
    )
    assert after(E.CONCLUDED, start=denied).conclusion == "concluded"


def test_a_granted_application_cannot_be_denied_afterwards() -> None:
    result = step(after(*TO_DECISION), E.DENIED)
    assert isinstance(result, Finding) and result.code == "decision_contradicts"


@pytest.mark.parametrize("event", [E.CERTIFICATE_ISSUED, E.CONCLUDED])
def test_a_known_fee_has_to_be_paid_before_anything_is_handed_out(event: Event) -> None:
    due = replace(after(*TO_DECISION), fee_due=True)
    result = step(due, event)
    assert isinstance(result, Finding) and result.needs is E.FEE_NOTICED
    assert after(E.FEE_NOTICED, E.FEE_CONFIRMED, event, start=due).fee_confirmed


def test_the_bank_may_tell_of_a_payment_twice_or_after_the_window() -> None:
    told = after(*TO_DECISION, E.FEE_NOTICED, E.FEE_PAID)
    confirmed = after(*TO_DECISION, E.FEE_NOTICED, E.FEE_CONFIRMED, E.CERTIFICATE_ISSUED)
    assert step(told, E.FEE_PAID).outcome == "already_there"
    assert step(confirmed, E.FEE_PAID).outcome == "already_there"


def test_a_certificate_left_for_later_comes_once_after_the_conclusion_and_no_other_does() -> None:
    owed = after(*TO_DECISION, E.CONCLUDED)
    linked = after(E.CERTIFICATE_ISSUED, start=owed)
    assert linked == replace(owed, certified=True)
    assert step(linked, E.CERTIFICATE_ISSUED).outcome == "already_there"
    assert step(after(E.DELIVERED, start=owed), E.CERTIFICATE_ISSUED).outcome == "not_allowed"
    denied = after(*TO_DECISION[:-1], E.DENIED, E.CONCLUDED)
    returned = after(E.APPLIED, E.ACCEPTED, E.CONCLUDED_RETURNED)
    for facts in (denied, returned, after(*TO_DECISION, E.CERTIFICATE_ISSUED, E.CONCLUDED_CERTIFIED)):
        assert step(facts, E.CERTIFICATE_ISSUED).outcome == "not_allowed"


def test_an_item_without_review_goes_from_undertaking_to_approval_and_back() -> None:
    start = replace(after(E.APPLIED, E.ACCEPTED), no_review=True)
    undertaken = after(E.UNDERTAKEN, start=start)
    assert undertaken.state is State.APPROVING
    assert step(undertaken, E.UNDERTAKEN).outcome == "already_there"
    assert after(E.APPROVER_RETURNED, start=undertaken).state is State.UNDERTAKING
    assert after(E.APPROVER_RETURNED, E.UNDERTAKEN, E.GRANTED, start=undertaken).granted


def test_deemed_acceptance_is_flagged_and_never_waits() -> None:
    assert after(E.APPLIED, E.RECEIVED, E.DEEMED_ACCEPTED).deemed_accepted
    assert step(CaseFacts(), E.DEEMED_ACCEPTED).outcome == "not_allowed"
    assert step(CaseFacts(State.SUPPLEMENTING), E.DEEMED_ACCEPTED).outcome == "not_allowed"


def test_facts_that_forgot_where_they_came_from_are_refused() -> None:
    with pytest.raises(ValueRefused, match="broken_facts"):
        step(CaseFacts(State.SUSPENDED), E.SPECIAL_FINISHED)
    assert step(CaseFacts(State.SUSPENDED), E.UNDERTAKEN).outcome == "not_allowed"


WALK = st.lists(st.sampled_from(list(Event)), max_size=60)
GOAL = {State.PRE_REFUSED, State.NOT_ACCEPTED, State.ARCHIVED}


@settings(max_examples=150, deadline=None)
@given(WALK)
def test_whatever_is_sent_the_case_stays_sound(events: list[Event]) -> None:
    facts, seen = CaseFacts(), [State.DRAFT]
    for event in events:
        result = step(facts, event)
        assert step(facts, event) == result, "pure"
        if isinstance(result, Finding):
            continue
        sound_move(facts, event, result.facts)
        facts = result.facts
        seen.append(facts.state)
    if State.ARCHIVED in seen:
        assert State.DELIVERED in seen and State.CONCLUDED in seen


def sound_move(before: CaseFacts, event: Event, now: CaseFacts) -> None:
    """What holds of every allowed move, said without the table."""
    assert (now.back_to is not None) == (now.state in (State.SUSPENDED, State.EXTENSION_PENDING))
    if before.state is State.SUSPENDED and event is not E.EVALUATED:
        assert now.state is before.back_to
    if now.conclusion == "supplement_missing" and not before.conclusion:
        assert before.state is State.SUPPLEMENTING
    if before.state in GOAL:
        assert event is E.EVALUATED and now.state is before.state
    assert not (now.certified and now.granted is False)
    assert now.conclusion is None or now.state in (State.CONCLUDED, State.DELIVERED, State.ARCHIVED)


def test_from_every_reachable_case_an_end_can_be_reached() -> None:
    edges = reachable()
    ends = {facts for facts in edges if facts.ended}
    done = set(ends)
    while more := {facts for facts, nexts in edges.items() if facts not in done and nexts & done}:
        done |= more
    assert {facts.state for facts in edges} == set(State)
    assert done == set(edges)


def reachable() -> dict[CaseFacts, set[CaseFacts]]:
    edges: dict[CaseFacts, set[CaseFacts]] = {}
    todo = [CaseFacts()]
    while todo:
        facts = todo.pop()
        results = [step(facts, event) for event in Event if event is not E.EVALUATED]
        edges[facts] = {result.facts for result in results if isinstance(result, Transition)}
        todo += [now for now in edges[facts] if now not in edges]
    return edges


class Says:
    """Any payload."""

    def __init__(self, **values: str | None) -> None:
        self.__dict__.update(values)


@pytest.mark.parametrize(
    ("kind", "payload", "event"),
    [
        ("case.applied.v1", Says(), E.APPLIED),
        ("case.accepted.v1", Says(result="accepted", deemed_basis=None), E.ACCEPTED),
        ("case.accepted.v1", Says(result="accepted", deemed_basis="第三十二条"), E.DEEMED_ACCEPTED),
        ("case.step.v1", Says(step="approve", action="refuse"), E.DENIED),
        ("case.special_started.v1", Says(kind="other"), E.SUSPENDED),
        ("case.concluded.v1", Says(result="supplement_missing"), E.SUPPLEMENT_EXPIRED),
        ("certificate.issued.v1", Says(state="issued"), E.CERTIFICATE_ISSUED),
        ("certificate.issued.v1", Says(state="pending_seal"), None),
        ("archive.result.v1", Says(code="200"), E.ARCHIVED),
        ("archive.result.v1", Says(code="401"), None),
        ("sms.reported.v1", Says(), None),
    ],
)
def test_messages_become_events(kind: str, payload: Says, event: Event | None) -> None:
    assert event_of(kind, payload) is event


def test_a_case_message_without_a_meaning_is_refused() -> None:
    with pytest.raises(ValueRefused, match="unknown_event"):
        event_of("case.step.v1", Says(step="undertake", action="refuse"))


PAID = CaseFacts(State.AWAITING_PAYMENT, granted=True, fee_due=True, fee_paid=True)
CONFIRMED = CaseFacts(State.DECIDED, granted=True, fee_paid=True, fee_confirmed=True)


@pytest.mark.parametrize("before", [PAID, CONFIRMED])
def test_a_payment_taken_back_before_anything_is_handed_out_is_awaited_again(before: CaseFacts) -> None:
    reversed_ = step(before, Event.FEE_REVERSED)
    assert isinstance(reversed_, Transition)
    assert reversed_.facts.state is State.AWAITING_PAYMENT
    assert (reversed_.facts.fee_due, reversed_.facts.fee_paid, reversed_.facts.fee_confirmed) == (
        True,
        False,
        False,
    )
    again = step(reversed_.facts, Event.FEE_PAID)
    assert isinstance(again, Transition) and again.facts.fee_paid


@pytest.mark.parametrize("state", [State.CERTIFIED, State.CONCLUDED, State.DELIVERED, State.ARCHIVED])
def test_a_payment_taken_back_later_leaves_the_state_and_says_that_it_is_due(state: State) -> None:
    result = step(replace(FULL, state=state, fee_paid=True, fee_confirmed=True), Event.FEE_REVERSED)
    assert isinstance(result, Transition)
    assert (result.facts.state, result.facts.fee_due, result.facts.fee_paid) == (state, True, False)


@pytest.mark.parametrize("state", [State.CERTIFIED, State.CONCLUDED, State.DELIVERED, State.ARCHIVED])
def test_what_was_taken_back_may_be_paid_again(state: State) -> None:
    due = replace(FULL, state=state, fee_due=True)
    paid = step(due, Event.FEE_PAID)
    assert isinstance(paid, Transition) and (paid.facts.state, paid.facts.fee_paid) == (state, True)
    confirmed = step(paid.facts, Event.FEE_CONFIRMED)
    assert isinstance(confirmed, Transition)
    assert (confirmed.facts.state, confirmed.facts.fee_due) == (state, False)


def test_nothing_is_taken_back_twice() -> None:
    first = step(replace(FULL, state=State.CONCLUDED, fee_paid=True), Event.FEE_REVERSED)
    assert isinstance(first, Transition)
    second = step(first.facts, Event.FEE_REVERSED)
    assert isinstance(second, Finding) and second.outcome == "not_allowed"

"""What one person may do on a case now, as a screen offers it; the engine says the last word at the act."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from exchange.store.tables import case_record
from hallservice.approval import rights, verbs
from hallservice.approval.events import Actor, Person, Withdrawn
from hallservice.approval.plan import Plan, after
from hallservice.approval.state import ActRefused, Ask, State, Work
from hallservice.counter.tables import hall_case
from hallservice.flows import reach, staff, todo
from hallservice.flows.keeping import Instance
from hallservice.hall import Hall
from hallservice.people.clerk import Clerk
from hallservice.refusals import HallRefused

DECIDING = ("returned", "transferred", "delegated", "signer_added", "countersigned", "asked")


@dataclass(frozen=True, slots=True)
class Offer:
    """A step and the verbs open on it."""

    step: str
    name: str
    kind: str
    verbs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """What a desk shows of the case itself; names and numbers masked."""

    case_no: str
    item_name: str
    applicant: str
    state: str
    promised_due: str | None
    statutory_due: str | None


@dataclass(frozen=True, slots=True)
class Desk:
    """One case before one person."""

    summary: Summary
    instance: Instance
    offers: tuple[Offer, ...]
    asks: tuple[Ask, ...]  # which this person may answer
    general: tuple[str, ...]  # verbs on no step: resumed, resupplied
    tasks: tuple[todo.Task, ...]


def open_case(hall: Hall, clerk: Clerk, case_no: str) -> Desk:
    """HallRefused no_instance."""
    return hall.read(lambda connection: _read(connection, clerk, case_no))


def _read(connection: Connection, clerk: Clerk, case_no: str) -> Desk:
    found = reach.seen(connection, clerk, case_no)
    plan, state = found.plan, found.state
    by = staff.actor(connection, clerk, plan, state)
    return Desk(
        summary(connection, case_no),
        found,
        tuple(sorted(_offers(plan, state, by), key=lambda offer: "passed" not in offer.verbs)),
        tuple(ask for ask in state.asks if _answers(plan, state, by, ask)),
        _general(plan, state, by),
        tuple(todo.of_case(connection, case_no)),
    )


def summary(connection: Connection, case_no: str) -> Summary:
    """From the counter's list row where there is one, else from the case itself."""
    c = case_record.c
    ask = (
        select(
            c.case_no, c.application, c.state, c.promised_due, c.statutory_due, hall_case.c.item_name,
            hall_case.c.applicant_masked,
        )
        .join(hall_case, hall_case.c.case_no == c.case_no, isouter=True)
        .where(c.case_no == case_no)
    )  # fmt: skip
    row = connection.execute(ask).one_or_none()
    if row is None:
        raise HallRefused("unknown_case", "没有这个办件，或者不在您的管辖范围内", case_no)
    item = row.item_name or row.application["item_name"]
    return Summary(case_no, item, row.applicant_masked or "", row.state, row.promised_due, row.statutory_due)


def _offers(plan: Plan, state: State, by: Actor) -> Iterator[Offer]:
    for key in state.active if not state.ended else ():
        step = plan.places[key].step
        if open_ := tuple(_verbs(plan, state, key, by)):
            yield Offer(key, step.name, step.kind, open_)
    for key in [] if state.ended else state.done:
        if _may_withdraw(plan, state, key, by):
            step = plan.places[key].step
            yield Offer(key, step.name, step.kind, ("withdrawn",))


def _verbs(plan: Plan, state: State, key: str, by: Actor) -> Iterator[str]:
    work, running = state.work[key], state.status == "running"
    owns = rights.owns(plan, state, key, by)
    if running:
        if work.urge is not None and rights.has_in_hand(plan, state, key, by):
            yield "urge_answered"
        yield from _own_verbs(plan, state, key, by, work) if owns else _asked_verbs(work, by)
        if rights.may_urge(plan, state, key, by):
            yield "urged"
        if rights.supervises(plan, state, key, by) and not owns:
            yield "transferred"
    elif owns:
        yield "asked"


def _own_verbs(plan: Plan, state: State, key: str, by: Actor, work: Work) -> Iterator[str]:
    if by.id in {person.id for person in rights.awaited(work)} and (work.before or work.panel):
        yield "signed"
    if work.delegate is not None:
        yield "given_back"
        return
    if work.passed_by is None:
        if not _blocked(plan, key, work):
            yield "passed"
        if plan.places[key].step.kind == "approve":
            yield "refused"
        yield from DECIDING
    if work.before or work.after:
        yield "signer_removed"


def _blocked(plan: Plan, key: str, work: Work) -> str:
    """Why it cannot be passed yet, as the engine says it."""
    try:
        rights.may_decide(plan, key, work)
    except ActRefused as refused:
        return refused.message
    return ""


def _asked_verbs(work: Work, by: Actor) -> Iterator[str]:
    """Of somebody whose signature or help was asked for."""
    if by.id not in {person.id for person in rights.awaited(work)}:
        return
    yield "given_back" if work.delegate is not None else "signed"


def _answers(plan: Plan, state: State, by: Actor, ask: Ask) -> bool:
    return (
        plan.posts.special in by.posts and by.org == rights.decides(plan, state, ask) and ask.by.id != by.id
    )


def _general(plan: Plan, state: State, by: Actor) -> tuple[str, ...]:
    own = any(rights.owns(plan, state, key, by) for key in state.active)
    if state.status == "suspended" and (own or rights.has_post(state, by, plan.posts.special)):
        return ("resumed",)
    return ("resupplied",) if state.status == "with_applicant" and own else ()


def _may_withdraw(plan: Plan, state: State, key: str, by: Actor) -> bool:
    if state.status != "running" or state.done[key].by.id != by.id:
        return False
    try:
        verbs.withdrawn(plan, state, Withdrawn(at=state.latest, by=by, step=key))
    except ActRefused:
        return False
    return True


def earlier(plan: Plan, state: State, step: str) -> list[tuple[str, str]]:
    """Done steps a return may go to, newest first: key and name."""
    keys = [key for key in state.done if key in plan.places and step in after(plan, key)]
    ordered = sorted(keys, key=lambda key: -state.done[key].number)
    return [(key, plan.places[key].step.name) for key in ordered]


def candidates(hall: Hall, desk: Desk, step: str) -> Sequence[Person]:
    """Whom a step may be given to: the people of its body."""
    org = rights.unit(desk.instance.plan, desk.instance.state, step)
    return hall.read(lambda connection: staff.colleagues(connection, org))


def signers(desk: Desk, step: str) -> list[Person]:
    """Who was asked to sign and has not."""
    work: Any = desk.instance.state.work.get(step)
    return [] if work is None else [*work.before, *work.after]

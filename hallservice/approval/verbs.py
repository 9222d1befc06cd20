"""What holders, signers and supervisors do to a step: one pure function a verb, new state or ActRefused."""

from dataclasses import replace

from hallservice.approval.clock import expiry
from hallservice.approval.conditions import Facts, typed
from hallservice.approval.events import (
    SYSTEM,
    Countersigned,
    Deemed,
    Delegated,
    GivenBack,
    OnStep,
    Passed,
    Person,
    Refused,
    Returned,
    Signed,
    SignerAdded,
    SignerRemoved,
    Transferred,
    UrgeAnswered,
    Urged,
    Withdrawn,
)
from hallservice.approval.plan import Plan, after, follows
from hallservice.approval.refusals import refuse
from hallservice.approval.rights import (
    active_work,
    has_in_hand,
    held_work,
    may_decide,
    may_urge,
    name_of,
    owns,
    separated,
    supervises,
    unit,
)
from hallservice.approval.state import Done, Outcome, Panel, Pause, State, Urge, Work


def passed(plan: Plan, state: State, event: Passed) -> State:
    work = held_work(plan, state, event)
    may_decide(plan, event.step, work)
    separated(plan, state, event.step, event.by)
    checked_facts(plan, event.facts)
    known = replace(state, facts={**state.facts, **event.facts}) if event.facts else state
    if work.after:
        waiting = replace(work, passed_by=event.by.person, said=event.opinion, touched=True)
        return with_work(known, event.step, waiting)
    return _done(known, event, event.by.person, "passed")


def refused(plan: Plan, state: State, event: Refused) -> State:
    held_work(plan, state, event)
    separated(plan, state, event.step, event.by)
    reasoned(event.opinion)
    return _done(state, event, event.by.person, "refused")


def deemed(plan: Plan, state: State, event: Deemed) -> State:
    active_work(plan, state, event.step)
    step = plan.places[event.step].step
    if event.by != SYSTEM:
        refuse("only_system")
    if step.overdue == "NONE" or (event.policy, event.basis) != (step.overdue, step.basis):
        refuse("no_default", step=step.name)
    if event.at <= event.due or (step.overdue == "DEEM_RENEWED" and event.due != expiry(state.facts)):
        refuse("not_due", step=step.name)
    return _done(state, event, event.by.person, "deemed")


def returned(plan: Plan, state: State, event: Returned) -> State:
    held_work(plan, state, event)
    reasoned(event.opinion)
    if event.to == "applicant":
        waiting = replace(state, status="with_applicant", pauses=(*state.pauses, Pause(event.at)))
        return touched(waiting, event.step)
    return back_to(plan, state, _target(plan, state, event), event)


def _target(plan: Plan, state: State, event: Returned) -> str:
    earlier = [key for key in state.done if event.step in after(plan, key)]
    if event.to == "chosen":
        if event.target is None:
            refuse("target_missing")
        return event.target if event.target in earlier else refuse("not_earlier")
    return max(earlier, key=lambda key: state.done[key].number) if earlier else refuse("no_previous")


def back_to(plan: Plan, state: State, key: str, event: OnStep) -> State:
    """The step runs again, and so does everything that comes after it; the choices there are open again."""
    undone = {key, *after(plan, key)}
    route = plan.places[key].route
    renewed = Work(event.at, person=state.done[key].person)
    return replace(
        state,
        done={k: done for k, done in state.done.items() if k not in undone},
        work={**{k: work for k, work in state.work.items() if k not in undone}, key: renewed},
        chosen={k: at for k, at in state.chosen.items() if not follows(plan.choices[k][1], route)},
        asks=tuple(ask for ask in state.asks if ask.step not in undone),
    )


def withdrawn(plan: Plan, state: State, event: Withdrawn) -> State:
    done = state.done.get(event.step)
    if event.step not in plan.places:
        refuse("unknown_step")
    if done is None or done.outcome != "passed" or done.by.id != event.by.id:
        refuse("not_passed_by_you", step=name_of(plan, event.step))
    later = after(plan, event.step)
    if any(key in state.done or _is_touched(state, key) for key in later):
        refuse("followed")
    before = Work(done.since, person=done.person, extra_days=done.extra_days, touched=True)
    return with_work(back_to(plan, state, event.step, event), event.step, before)


def _is_touched(state: State, key: str) -> bool:
    return key in state.work and state.work[key].touched


def transferred(plan: Plan, state: State, event: Transferred) -> State:
    work = active_work(plan, state, event.step)
    if not supervises(plan, state, event.step, event.by):
        work = held_work(plan, state, event)
    reasoned(event.opinion)
    if work.person is not None and event.to.id == work.person.id:
        refuse("same_person")
    _within(plan, state, event.step, event.to)
    separated(plan, state, event.step, event.to)
    return with_work(state, event.step, replace(work, person=event.to, delegate=None, touched=True))


def delegated(plan: Plan, state: State, event: Delegated) -> State:
    work = held_work(plan, state, event)
    if event.to.id == event.by.id:
        refuse("same_person")
    _within(plan, state, event.step, event.to)
    owner = work.person or event.by.person
    return with_work(state, event.step, replace(work, person=owner, delegate=event.to, touched=True))


def given_back(plan: Plan, state: State, event: GivenBack) -> State:
    work = active_work(plan, state, event.step)
    if work.delegate is None:
        refuse("not_delegated", step=name_of(plan, event.step))
    if event.by.id != work.delegate.id and not owns(plan, state, event.step, event.by):
        refuse("not_holder", step=name_of(plan, event.step))
    return with_work(state, event.step, replace(work, delegate=None, touched=True))


def signer_added(plan: Plan, state: State, event: SignerAdded) -> State:
    work = held_work(plan, state, event)
    _new_signers((*work.before, *work.after, event.by.person), event.who, name_of(plan, event.step))
    if event.where == "before":
        return with_work(state, event.step, replace(work, before=(*work.before, *event.who), touched=True))
    return with_work(state, event.step, replace(work, after=(*work.after, *event.who), touched=True))


def signer_removed(plan: Plan, state: State, event: SignerRemoved) -> State:
    """By the holder, even one who has passed already and waits for the last signer."""
    work = active_work(plan, state, event.step)
    if not owns(plan, state, event.step, event.by):
        refuse("not_holder", step=name_of(plan, event.step))
    reasoned(event.opinion)
    if event.who.id not in {person.id for person in (*work.before, *work.after)}:
        refuse("not_signer", who=event.who.name, step=name_of(plan, event.step))
    left = replace(work, before=_without(work.before, event.who), after=_without(work.after, event.who))
    return _settled(state, event, replace(left, touched=True))


def countersigned(plan: Plan, state: State, event: Countersigned) -> State:
    """Opens a panel; a later one takes the place of an earlier one."""
    work = held_work(plan, state, event)
    _new_signers((event.by.person,), event.who, name_of(plan, event.step))
    need = {"all": len(event.who), "any": 1, "share": event.share}[event.need]
    if not 1 <= need <= len(event.who):
        refuse("bad_share")
    return with_work(state, event.step, replace(work, panel=Panel(event.who, need), touched=True))


def signed(plan: Plan, state: State, event: Signed) -> State:
    work = active_work(plan, state, event.step)
    person = event.by.person
    if not event.agree:
        reasoned(event.opinion)
    if person.id in {p.id for p in work.before}:
        return with_work(state, event.step, replace(work, before=_without(work.before, person), touched=True))
    if work.passed_by is not None and person.id in {p.id for p in work.after}:
        return _signed_after(state, event, work)
    if work.panel is not None and person.id in {p.id for p in work.panel.waiting}:
        return with_work(state, event.step, replace(work, panel=_voted(work.panel, event), touched=True))
    refuse("not_signer", who=person.name, step=name_of(plan, event.step))


def _signed_after(state: State, event: Signed, work: Work) -> State:
    """The last agreement finishes the step; an objection gives it back to the holder."""
    if not event.agree:
        return with_work(state, event.step, replace(work, passed_by=None, said="", touched=True))
    return _settled(state, event, replace(work, after=_without(work.after, event.by.person)))


def _settled(state: State, event: OnStep, work: Work) -> State:
    kept = with_work(state, event.step, work)
    if work.passed_by is None or work.after:
        return kept
    return _done(kept, event, work.passed_by, "passed")


def _voted(panel: Panel, event: Signed) -> Panel:
    if event.agree:
        return replace(panel, agreed=(*panel.agreed, event.by.id))
    return replace(panel, objected=(*panel.objected, event.by.id))


def urged(plan: Plan, state: State, event: Urged) -> State:
    work = active_work(plan, state, event.step)
    if not may_urge(plan, state, event.step, event.by):
        refuse("may_not_urge")
    reasoned(event.opinion)
    urge = Urge(event.by.person, event.at, event.opinion)
    return with_work(state, event.step, replace(work, urged=work.urged + 1, urge=urge))


def urge_answered(plan: Plan, state: State, event: UrgeAnswered) -> State:
    """By whoever has the step in hand; the last word said counts as answered."""
    work = active_work(plan, state, event.step)
    if work.urge is None:
        refuse("not_urged", step=name_of(plan, event.step))
    if not has_in_hand(plan, state, event.step, event.by):
        refuse("not_holder", step=name_of(plan, event.step))
    reasoned(event.opinion)
    return with_work(state, event.step, replace(work, urge=None))


def with_work(state: State, key: str, work: Work) -> State:
    return replace(state, work={**state.work, key: work})


def touched(state: State, key: str) -> State:
    """Somebody has acted on the step: what was passed before it can no longer be withdrawn."""
    return with_work(state, key, replace(state.work[key], touched=True))


def reasoned(text: str) -> None:
    """Refuses an act that has to give its reason and gives none."""
    if not text.strip():
        refuse("reason_missing")


def checked_facts(plan: Plan, facts: Facts) -> None:
    """Refuses a fact the definition does not declare, or of another type."""
    for name, value in facts.items():
        if name not in plan.types:
            refuse("unknown_fact", name=name)
        if typed(value, plan.types[name]) is None:
            refuse("bad_fact", name=name)


def _done(state: State, event: OnStep, by: Person, outcome: Outcome) -> State:
    work = state.work[event.step]
    done = Done(by, event.at, outcome, state.count, work.since, work.person, work.extra_days)
    return replace(
        state,
        done={**state.done, event.step: done},
        work={key: other for key, other in state.work.items() if key != event.step},
        asks=tuple(ask for ask in state.asks if ask.step != event.step or ask.kind != "extension"),
    )


def _within(plan: Plan, state: State, key: str, person: Person) -> None:
    if person.org != unit(plan, state, key):
        refuse("other_unit", who=person.name)


def _new_signers(present: tuple[Person, ...], added: tuple[Person, ...], step: str) -> None:
    seen = {person.id for person in present}
    for person in added:
        if person.id in seen:
            refuse("already_signer", who=person.name, step=step)
        seen.add(person.id)


def _without(people: tuple[Person, ...], who: Person) -> tuple[Person, ...]:
    return tuple(person for person in people if person.id != who.id)

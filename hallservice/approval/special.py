"""What stops, prolongs or ends a case, always asked by one and granted by another; and its resumption."""

from dataclasses import replace
from datetime import datetime

from hallservice.approval.events import SYSTEM, Answered, Asked, Closed, Resumed, Resupplied
from hallservice.approval.plan import Plan
from hallservice.approval.refusals import refuse
from hallservice.approval.rights import active_work, decides, has_post, name_of, owns
from hallservice.approval.state import STATUS_NAMES, Ask, Pause, State
from hallservice.approval.verbs import reasoned, touched, with_work


def asked(plan: Plan, state: State, event: Asked) -> State:
    active_work(plan, state, event.step)
    if not owns(plan, state, event.step, event.by):
        refuse("not_holder", step=name_of(plan, event.step))
    reasoned(event.opinion)
    if event.kind in ("suspension", "extension") and state.status != "running":
        refuse("wrong_status", status=STATUS_NAMES[state.status])
    if event.kind == "extension" and event.days == 0:
        refuse("days_missing")
    if _open(state, event.kind, event.step) is not None:
        refuse("already_asked")
    ask = Ask(
        event.kind, event.step, event.by.person, event.at, event.days, event.opinion, event.ground.strip()
    )
    return replace(touched(state, event.step), asks=(*state.asks, ask))


def _open(state: State, kind: str, step: str) -> Ask | None:
    return next((ask for ask in state.asks if (ask.kind, ask.step) == (kind, step)), None)


def answered(plan: Plan, state: State, event: Answered) -> State:
    """While it waits the clock runs on; a grant takes effect at once."""
    ask = _open(state, event.kind, event.step)
    if ask is None:
        refuse("no_ask")
    if plan.posts.special not in event.by.posts or event.by.org != decides(plan, state, ask):
        refuse("not_special")
    if ask.by.id == event.by.id:
        refuse("own_ask")
    if ask.kind == "extension" and state.status != "running":
        refuse("wrong_status", status=STATUS_NAMES[state.status])
    if not event.grant:
        reasoned(event.opinion)
    left = replace(state, asks=tuple(other for other in state.asks if other is not ask))
    return _granted(left, ask, event.at) if event.grant else left


def _granted(state: State, ask: Ask, at: datetime) -> State:
    match ask.kind:
        case "suspension":
            if state.status != "running":
                refuse("wrong_status", status=STATUS_NAMES[state.status])
            return replace(state, status="suspended", pauses=(*state.pauses, Pause(at)))
        case "extension":
            if ask.step not in state.work:
                refuse("no_ask")
            work = state.work[ask.step]
            return with_work(state, ask.step, replace(work, extra_days=work.extra_days + ask.days))
        case "abort":
            return replace(state, status="aborted")
    return replace(state, status="terminated")


def resumed(plan: Plan, state: State, event: Resumed) -> State:
    """By a holder of a current step or the special post."""
    own = any(owns(plan, state, key, event.by) for key in state.active)
    if not own and not has_post(state, event.by, plan.posts.special):
        refuse("not_special")
    return _running(state, event.at)


def resupplied(plan: Plan, state: State, event: Resupplied) -> State:
    """By a holder of a current step, or by the system when the applicant did it online."""
    own = any(owns(plan, state, key, event.by) for key in state.active)
    if not own and event.by != SYSTEM:
        refuse("not_holder", step=name_of(plan, state.active[0]))
    return _running(state, event.at)


def closed(plan: Plan, state: State, event: Closed) -> State:
    """Nothing is left to decide; only the system says so."""
    if event.by != SYSTEM:
        refuse("only_system")
    return replace(state, status=event.outcome)


def _running(state: State, at: datetime) -> State:
    pauses = (*state.pauses[:-1], replace(state.pauses[-1], until=at))
    return replace(state, status="running", pauses=pauses)

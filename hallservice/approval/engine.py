"""The fold: `apply` takes a state and one event and gives the next state, or refuses; `replay` all of them.

Nothing else changes an instance. Time, people and organisations come with the event, so a replay of the
ledger's events gives the same state on any machine at any time.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from hallservice.approval import special, verbs
from hallservice.approval.definition import LEVEL_NAMES
from hallservice.approval.events import SYSTEM, Act, Event, Migrated, Started
from hallservice.approval.migration import migrated
from hallservice.approval.plan import Plan
from hallservice.approval.refusals import refuse
from hallservice.approval.state import STATUS_NAMES, State, Status, Work
from hallservice.approval.walk import walked

Plans = Mapping[str, Plan]  # by digest: every version that instances were ever started with

_ON_STEP: tuple[tuple[str, Callable[[Plan, State, Any], State]], ...] = (
    ("passed", verbs.passed),
    ("refused", verbs.refused),
    ("returned", verbs.returned),
    ("transferred", verbs.transferred),
    ("delegated", verbs.delegated),
    ("given_back", verbs.given_back),
    ("signer_added", verbs.signer_added),
    ("signer_removed", verbs.signer_removed),
    ("countersigned", verbs.countersigned),
    ("signed", verbs.signed),
    ("urged", verbs.urged),
    ("urge_answered", verbs.urge_answered),
    ("withdrawn", verbs.withdrawn),
    ("deemed", verbs.deemed),
    ("asked", special.asked),
    ("answered", special.answered),
    ("resumed", special.resumed),
    ("resupplied", special.resupplied),
    ("closed", special.closed),
)
HANDLERS: Mapping[str, Callable[[Plan, State, Any], State]] = MappingProxyType(dict(_ON_STEP))
_OPEN: frozenset[Status] = frozenset({"running", "suspended", "with_applicant"})
_WHILE: Mapping[str, frozenset[Status]] = {
    "asked": _OPEN,
    "answered": _OPEN,
    "migrated": _OPEN,
    "closed": _OPEN,
    "resumed": frozenset({"suspended"}),
    "resupplied": frozenset({"with_applicant"}),
}
_RUNNING: frozenset[Status] = frozenset({"running"})


def apply(plans: Plans, state: State | None, event: Event) -> State:
    """The state after the event (the first is Started, on None); ActRefused leaves everything as it was."""
    if isinstance(event, Started):
        return _start(_plan(plans, event.plan), event) if state is None else refuse("already_started")
    if state is None:
        refuse("not_started")
    if state.status not in _WHILE.get(event.verb, _RUNNING):
        refuse("wrong_status", status=STATUS_NAMES[state.status])
    if event.at < state.latest:
        refuse("time_backwards")
    plan = _plan(plans, state.plan)
    if isinstance(event, Migrated):
        new = _plan(plans, event.plan)
        return _advanced(new, migrated(plan, new, state, event), event)
    return _advanced(plan, HANDLERS[event.verb](plan, state, event), event)


def replay(plans: Plans, events: Iterable[Event]) -> State:
    """The state that a whole history leads to."""
    state: State | None = None
    for event in events:
        state = apply(plans, state, event)
    return state if state is not None else refuse("not_started")


def _plan(plans: Plans, digest: str) -> Plan:
    plan = plans.get(digest)
    return plan if plan is not None else refuse("unknown_plan")


def _start(plan: Plan, event: Started) -> State:
    for level in sorted(plan.levels - event.units.keys()):
        refuse("unit_missing", level=LEVEL_NAMES[level])
    if event.by != SYSTEM and event.by.org not in event.units.values():
        refuse("other_unit", who=event.by.name)
    verbs.checked_facts(plan, event.facts)
    units = {str(level): org for level, org in event.units.items()}
    begun = State(
        plan.digest, "running", event.at, event.at, units, dict(event.facts), event.accepted, count=0
    )
    return _advanced(plan, begun, event)


def _advanced(plan: Plan, state: State, event: Act) -> State:
    """Tokens move on: choices reached are fixed, steps reached get their work, an end is an end."""
    now: dict[str, Any] = {"latest": event.at, "count": state.count + 1}
    if state.ended:
        return replace(state, active=(), asks=(), **now)
    walk, result = walked(plan, state)
    if result != "open":
        status: Status = "finished" if result == "done" else "refused"
        return replace(state, status=status, active=(), asks=(), chosen=walk.chosen, **now)
    new = {key: Work(event.at) for key in walk.ready if key not in state.work}
    work = {**state.work, **new} if new else state.work
    return replace(state, work=work, active=tuple(walk.ready), chosen=walk.chosen, **now)

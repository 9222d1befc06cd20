"""What the to-do list, the clock and supervision ask of an instance: who acts, since when, until when."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from hallservice.approval.definition import Level, StepKind
from hallservice.approval.events import Person
from hallservice.approval.plan import Plan
from hallservice.approval.rights import awaited, decides, unit
from hallservice.approval.state import Pause, State, Urge, Work

Due = Callable[[datetime, int, tuple[Pause, ...]], datetime | None]
"""From when, how many working days, which pauses: the moment it is due; None while a pause lasts."""

Wanted = Literal["handle", "sign", "countersign", "give_back", "answer", "resume", "resupply"]


@dataclass(frozen=True, slots=True)
class Todo:
    """One thing to do: by `people` if there are any, else by whoever holds `post` in `org`."""

    step: str
    name: str
    kind: StepKind
    level: Level
    wanted: Wanted
    org: str
    post: str
    people: tuple[Person, ...]
    since: datetime
    due: datetime | None
    urged: int
    integrity_risk: bool
    urge: Urge | None = None


def todos(plan: Plan, state: State, due: Due) -> tuple[Todo, ...]:
    """What is to be done now, in reading order; nothing once the instance has ended."""
    if state.ended:
        return ()
    handling = tuple(_todo(plan, state, key, due) for key in state.active)
    return handling + _answers(plan, state)


def _todo(plan: Plan, state: State, key: str, due: Due) -> Todo:
    place, work = plan.places[key], state.work[key]
    return Todo(
        step=key,
        name=place.step.name,
        kind=place.step.kind,
        level=place.step.level,
        wanted=_wanted(state, work),
        org=unit(plan, state, key),
        post=place.step.post,
        people=awaited(work),
        since=work.since,
        due=due_of(plan, state, key, due),
        urged=work.urged,
        integrity_risk=place.step.integrity_risk,
        urge=work.urge,
    )


def _wanted(state: State, work: Work) -> Wanted:
    if state.status != "running":
        return "resume" if state.status == "suspended" else "resupply"
    if work.delegate is not None:
        return "give_back"
    if work.before or work.passed_by is not None:
        return "sign"
    return "countersign" if work.panel is not None and work.panel.waiting else "handle"


def due_of(plan: Plan, state: State, key: str, due: Due) -> datetime | None:
    """When a step that has been reached is due, extensions and pauses counted; None without a limit."""
    limit, work = plan.places[key].step.limit_days, state.work[key]
    if limit == 0:
        return None
    since = tuple(pause for pause in state.pauses if pause.until is None or pause.until > work.since)
    return due(work.since, limit + work.extra_days, since)


def _answers(plan: Plan, state: State) -> tuple[Todo, ...]:
    """What somebody asked the special post of the case's units for."""
    found = []
    for ask in state.asks:
        step, org = plan.places[ask.step].step, decides(plan, state, ask)
        found.append(
            Todo(ask.step, step.name, step.kind, step.level, "answer", org, plan.posts.special, (), ask.at,
                 None, 0, step.integrity_risk)
        )  # fmt: skip
    return tuple(found)

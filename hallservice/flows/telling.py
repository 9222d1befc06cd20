"""What an act in a process says of its case: which canonical messages, in which order. Pure.

The case's own machine (canonical.case) is coarse: undertaken, reviewed, decided. A process may have any
steps, side by side, at several levels. Everything the rest of the world is told follows from here; the rules
and why they are so stand in docs/adr/approval-steps-and-case-messages.md.
"""

from dataclasses import dataclass, replace
from typing import Literal

from hallservice.approval.definition import KIND_NAMES, StepKind
from hallservice.approval.events import (
    Answered,
    Asked,
    Closed,
    Event,
    Migrated,
    OnStep,
    Person,
    Resumed,
    Resupplied,
    Returned,
    Started,
    Withdrawn,
)
from hallservice.approval.plan import Plan, after
from hallservice.approval.state import Ask, State
from hallservice.refusals import HallRefused

Kind = Literal["undertake", "review", "approve"]
Action = Literal["pass", "return", "refuse"]
PHASES: tuple[Kind, ...] = ("undertake", "review", "approve")
RANK: dict[StepKind, int] = {"undertake": 0, "review": 1, "approve": 2}
MOST_STEPS = 1000  # canonical.messages.parts.Step
WITH_APPLICANT = "退回申请人补充材料"
AGREED = "同意"


@dataclass(frozen=True, slots=True)
class Told:
    """What the case has been told: `phase` is what it waits for now, `open` the special procedure running."""

    no_review: bool = False
    phase: int = 0
    steps: int = 0
    specials: int = 0
    open: int | None = None
    decided: bool = False


@dataclass(frozen=True, slots=True)
class StepSaid:
    """case.step.v1."""

    step: Kind
    name: str
    number: int
    action: Action
    opinion: str
    by: Person


@dataclass(frozen=True, slots=True)
class SpecialBegun:
    """case.special_started.v1; `days` 0 for no limit."""

    number: int
    kind: Literal["extension", "other"]
    name: str
    reason: str
    approver: str
    days: int


@dataclass(frozen=True, slots=True)
class SpecialOver:
    """case.special_finished.v1."""

    number: int
    result: Literal["finished", "refused"]


@dataclass(frozen=True, slots=True)
class Ended:
    """case.concluded.v1."""

    result: Literal["returned", "voided"]
    reason: str
    by: Person


Saying = StepSaid | SpecialBegun | SpecialOver | Ended
Said = tuple[list[Saying], Told]


def begun(plan: Plan) -> Told:
    """Of an instance that was just started."""
    return Told(no_review=all(place.step.kind != "review" for place in plan.places.values()))


def say(plan: Plan, before: State, event: Event, after: State, told: Told) -> Said:
    """The messages of this event in order, and what the case knows then; HallRefused where it cannot be."""
    _expect_possible(plan, before, event, after, told)
    match event:
        case Started() | Closed():
            return [], told
        case Resumed() | Resupplied():
            return _over(told)
        case Answered():
            return _answered(before, event, after, told)
        case Returned() if event.to == "applicant":
            return _special(told, "other", WITH_APPLICANT, event.opinion, event.by.name, 0)
        case Returned() | Withdrawn():
            return _gone_back(plan, event, after, told)
    return _passed(plan, before, event, after, told)


def _expect_possible(plan: Plan, before: State, event: Event, after: State, told: Told) -> None:
    """What the case's machine has no word for is not done in the process either."""
    if told.steps >= MOST_STEPS - 3:
        raise HallRefused("too_many_steps", "本办件上报的环节次数已达上限，不能继续办理")
    if told.decided and (_stops(event) or _reopened(plan, before, after)):
        raise HallRefused("decided", "决定已经作出并上报，不能退回、撤回或再办特别程序")
    if after.status in ("finished", "refused") and isinstance(event, Migrated) and not told.decided:
        raise HallRefused("undecided", "更换版本会使流程没有批准决定就结束，不能更换")
    if after.status != "refused" or not isinstance(event, OnStep):
        return
    if told.decided or plan.places[event.step].step.kind != "approve":
        said = "只有批准环节可以作出不予许可的决定；请写明意见后提交，或者退回"
        raise HallRefused("only_approver_refuses", said)


def _stops(event: Event) -> bool:
    """What is asked for may still be refused: that changes nothing."""
    asks = isinstance(event, Asked) or (isinstance(event, Answered) and event.grant)
    return asks or (isinstance(event, Returned) and event.to == "applicant")


def _reopened(plan: Plan, before: State, after: State) -> bool:
    """Whether a step of which the case was told is to be done again."""
    return any(plan.places[key].step.kind in RANK for key in before.done.keys() - after.done.keys())


def _passed(plan: Plan, before: State, event: Event, state: State, told: Told) -> Said:
    """A step that is done now; most acts finish none."""
    key = next((key for key in state.done if key not in before.done), None)
    if key is None:
        return [], told
    done, step = state.done[key], plan.places[key].step
    opinion = before.work[key].said if before.work[key].passed_by else getattr(event, "opinion", "")
    said = _Speech(step.name, opinion.strip() or AGREED, done.by, RANK.get(step.kind))
    if done.outcome == "refused":
        return said.to(told, 2, "refuse") if state.status == "refused" else ([], told)
    if not told.decided and (state.ended or (step.kind in RANK and not _deciding_left(plan, state))):
        return said.to(told, 2, "pass")
    if step.kind not in RANK or told.decided:
        return [], told
    return said.to(told, _sayable(RANK[step.kind], told), "pass")


def _sayable(rank: int, told: Told) -> int:
    """Undertaking is undertaking until a review was told; everything before the decision is review then."""
    return 0 if rank == 0 and (told.phase < 2 or told.no_review) else 1


def _deciding_left(plan: Plan, state: State) -> bool:
    """Whether a step that undertakes, reviews or approves runs now or may still follow."""
    left = {*state.active, *(key for active in state.active for key in after(plan, active))}
    return any(plan.places[key].step.kind in RANK and key not in state.done for key in left)


@dataclass(frozen=True, slots=True)
class _Speech:
    name: str
    opinion: str
    by: Person
    own: int | None  # rank of the step itself

    def to(self, told: Told, rank: int, action: Literal["pass", "refuse"]) -> Said:
        """Says the step as of that rank, and before it what the case has to have heard first."""
        missing = [r for r in range(told.phase, rank) if not (r == 1 and told.no_review)]
        said = [self.one(told.steps + n, r, "pass") for n, r in enumerate(missing, 1)]
        last = self.one(told.steps + len(missing) + 1, rank, action, rank < 2 or self.own is None)
        phase = max(told.phase, rank + 1, 2 if told.no_review else 0)
        decided = told.decided or rank == 2
        return [*said, last], replace(told, phase=min(phase, 2), steps=last.number, decided=decided)

    def one(self, number: int, rank: int, action: Action, plain: bool = False) -> StepSaid:
        """`name（批准）` where the case hears of more than the step is itself."""
        suffix = "" if plain or rank == self.own else f"（{KIND_NAMES[PHASES[rank]]}）"
        return StepSaid(PHASES[rank], self.name + suffix, number, action, self.opinion, self.by)


def _gone_back(plan: Plan, event: Returned | Withdrawn, state: State, told: Told) -> Said:
    """The case goes back only if all of it does: what turns back within one branch stays there."""
    step = plan.places[event.step].step
    if len(state.active) != 1 or step.kind not in RANK:
        return [], told
    opinion = event.opinion.strip() or "撤回"
    said = _Speech(step.name, opinion, event.by.person, told.phase).one(told.steps + 1, told.phase, "return")
    earlier = 0 if told.no_review else max(told.phase - 1, 0)
    return [said], replace(told, phase=earlier, steps=said.number)


def _special(
    told: Told, kind: Literal["extension", "other"], name: str, reason: str, approver: str, days: int
) -> Said:
    number = told.specials + 1
    begun = SpecialBegun(number, kind, name, reason, approver, days)
    return [begun], replace(told, specials=number, open=number)


def _over(told: Told, result: Literal["finished", "refused"] = "finished") -> Said:
    return ([], told) if told.open is None else ([SpecialOver(told.open, result)], replace(told, open=None))


def _answered(before: State, event: Answered, state: State, told: Told) -> Said:
    """What was granted takes effect at once; an extension is told even if refused: it was asked for."""
    ask = next(ask for ask in before.asks if (ask.kind, ask.step) == (event.kind, event.step))
    if event.kind == "extension" and not told.decided:
        said, asked = _special(told, "extension", "延长办理期限", ask.reason, event.by.name, ask.days)
        result, left = _over(asked, "finished" if event.grant else "refused")
        return [*said, *result], left
    if not event.grant:
        return [], told
    if event.kind == "suspension":
        return _special(told, "other", ask.ground or "挂起", ask.reason, event.by.name, ask.days)
    return _ended(ask, event, told)


def _ended(ask: Ask, event: Answered, told: Told) -> Said:
    said, left = _over(told)
    result: Literal["returned", "voided"] = "returned" if ask.kind == "abort" else "voided"
    return [*said, Ended(result, ask.reason, event.by.person)], left

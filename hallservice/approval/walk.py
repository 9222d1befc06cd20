"""Which steps are ready: the block tree walked over what is done, chosen and failed. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from hallservice.approval.conditions import Fact, FieldType, holds
from hallservice.approval.definition import Block, Choice, HandDown, HandUp, Parallel, Serial, Step, Sub
from hallservice.approval.plan import Plan
from hallservice.approval.state import Done, State

Result = Literal["open", "done", "failed"]
OTHERWISE = -1


@dataclass(slots=True)
class Walk:
    """One walk; `ready` and `chosen` fill on the way."""

    facts: Mapping[str, Fact]
    types: Mapping[str, FieldType]
    done: Mapping[str, Done]
    chosen: dict[str, int]
    ready: list[str] = field(default_factory=list)

    def result(self, block: Block) -> Result:
        match block:
            case Step():
                return self._step(block)
            case Serial():
                return self._serial(block)
            case Parallel():
                return self._parallel(block)
            case Choice():
                return self._choice(block)
            case Sub() | HandUp() | HandDown():
                return "done" if block.body is None else self.result(block.body)

    def _step(self, step: Step) -> Result:
        done = self.done.get(step.key)
        if done is None:
            self.ready.append(step.key)
            return "open"
        return "failed" if done.outcome == "refused" else "done"

    def _serial(self, block: Serial) -> Result:
        for part in block.parts:
            result = self.result(part)
            if result != "done":
                return result
        return "done"

    def _parallel(self, block: Parallel) -> Result:
        before = len(self.ready)
        results = [self.result(branch) for branch in block.branches]
        done = results.count("done")
        if done < block.need and results.count("failed") <= len(results) - block.need:
            return "open"
        del self.ready[before:]
        return "done" if done >= block.need else "failed"

    def _choice(self, block: Choice) -> Result:
        at = self.chosen.get(block.key)
        if at is None:
            at = self.chosen[block.key] = self._met(block)
        then = block.otherwise if at == OTHERWISE else block.branches[at].then
        return "done" if then is None else self.result(then)

    def _met(self, block: Choice) -> int:
        met = (i for i, b in enumerate(block.branches) if holds(b.when, self.facts, self.types))
        return next(met, OTHERWISE)


def walked(plan: Plan, state: State) -> tuple[Walk, Result]:
    """The walk over a state, and what has become of the whole."""
    walk = Walk(state.facts, plan.types, state.done, dict(state.chosen))
    return walk, walk.result(plan.body)


def ready(plan: Plan, state: State) -> tuple[str, ...]:
    """The steps that are next, in reading order; none of an instance that has ended."""
    return () if state.ended else tuple(walked(plan, state)[0].ready)

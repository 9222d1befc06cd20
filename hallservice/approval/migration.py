"""A running instance moved to another version of its process: what stays, what runs again, what never."""

from dataclasses import dataclass, replace

from hallservice.approval.definition import Block, Choice, Parallel, children, steps
from hallservice.approval.events import Migrated
from hallservice.approval.plan import Plan
from hallservice.approval.refusals import refuse
from hallservice.approval.rights import has_post, name_of
from hallservice.approval.state import State
from hallservice.approval.verbs import reasoned
from hallservice.approval.walk import Walk, walked


@dataclass(frozen=True, slots=True)
class Migration:
    """What a change of version would do, to be shown before it is done.

    `rerun`: done steps whose kind, post or level changed; `skips`: steps of the old version that the new one
    lacks, and steps that the new one puts where a parallel or a choice has already been decided without them.
    """

    kept: tuple[str, ...]
    rerun: tuple[str, ...]
    added: tuple[str, ...]
    skips: tuple[str, ...]
    state: State


def migration(old: Plan, new: Plan, state: State) -> Migration:
    """What moving would do; changes nothing."""
    same = {key for key in old.places.keys() & new.places.keys() if _same(old, new, key)}
    moved = replace(
        state,
        plan=new.digest,
        done={key: done for key, done in state.done.items() if key in same},
        work={key: work for key, work in state.work.items() if key in same},
        chosen={key: at for key, at in state.chosen.items() if _same_choice(old, new, key)},
        asks=tuple(ask for ask in state.asks if ask.step in same),
    )
    added = tuple(key for key in new.places if key not in old.places)
    before = _avoided(old.body, walked(old, state)[0])
    lost = {key for key in old.places if key not in new.places}
    skips = (lost | _avoided(new.body, walked(new, moved)[0])) - before
    rerun = tuple(key for key in state.done if key in new.places and key not in same)
    return Migration(tuple(moved.done), rerun, added, tuple(sorted(skips)), moved)


def _same(old: Plan, new: Plan, key: str) -> bool:
    one, two = old.places[key], new.places[key]
    return (one.step.kind, one.step.post, one.step.level, one.org) == (
        two.step.kind,
        two.step.post,
        two.step.level,
        two.org,
    )


def _same_choice(old: Plan, new: Plan, key: str) -> bool:
    """A choice made stands only where the same branches are asked the same."""
    if key not in new.choices:
        return False
    one, two = old.choices[key][0], new.choices[key][0]
    return [(b.name, b.when) for b in one.branches] == [(b.name, b.when) for b in two.branches]


def _avoided(block: Block, walk: Walk) -> set[str]:
    """Steps not done that will not run: in a parallel decided without them, in a branch not chosen."""
    if isinstance(block, Parallel) and _afresh(walk).result(block) != "open":
        return _undone(block, walk)
    if isinstance(block, Choice) and block.key in walk.chosen:
        inner = children(block)
        taken = inner[walk.chosen[block.key]]  # the default is the last, OTHERWISE is -1
        left = set().union(*(_undone(child, walk) for child in inner if child is not taken))
        return left | _avoided(taken, walk)
    return set().union(*(_avoided(child, walk) for child in children(block)))


def _undone(block: Block, walk: Walk) -> set[str]:
    return {step.key for step in steps(block) if step.key not in walk.done}


def _afresh(walk: Walk) -> Walk:
    return Walk(walk.facts, walk.types, walk.done, dict(walk.chosen))


def migrated(old: Plan, new: Plan, state: State, event: Migrated) -> State:
    """By the administrator's post, with a reason, naming every step that will not run."""
    if not has_post(state, event.by, old.posts.administrator):
        refuse("not_administrator")
    reasoned(event.opinion)
    if new.digest == old.digest:
        refuse("same_plan")
    for level in sorted(new.levels - state.units.keys()):
        refuse("unit_missing", level=level)
    change = migration(old, new, state)
    if set(event.skips) != set(change.skips):
        names = [name_of(new if key in new.places else old, key) for key in change.skips]
        refuse("skips_differ", steps="、".join(names) or "无")
    return change.state

"""A definition made ready to run: references replaced by what they name, every step with its place."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256

from hallservice.approval.conditions import FieldType
from hallservice.approval.definition import (
    Block,
    Choice,
    Definition,
    Level,
    Parallel,
    Posts,
    Serial,
    Step,
    Sub,
    children,
    digest,
)
from hallservice.approval.validation import DefinitionRefused, Problem, longest_days, problems

MOST_STEPS, MOST_SUBS, DEEPEST_SUBS = 500, 100, 4
Find = Callable[[str], Definition | None]
Route = tuple[tuple[str, int], ...]  # from the root: the kind of each block and the number of its child


@dataclass(frozen=True, slots=True)
class Place:
    """A step in its surroundings; `org` where a sub-process gives one.

    `leads`: organisation and post of every step of the lead department working beside it.
    """

    step: Step
    route: Route
    org: str | None
    leads: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """A linked definition; `digest` covers it and every definition it refers to."""

    definition: Definition
    digest: str
    places: Mapping[str, Place]
    choices: Mapping[str, tuple[Choice, Route]]
    types: Mapping[str, FieldType]
    levels: frozenset[Level]

    @property
    def body(self) -> Block:
        return self.definition.body

    @property
    def posts(self) -> Posts:
        return self.definition.posts


def nothing(_: str) -> None:
    """For definitions that refer to no other."""
    return


def linked(definition: Definition, find: Find = nothing) -> Plan:
    """The plan of a valid definition; DefinitionRefused (cycle, unknown_process, too_large, any problem)."""
    if found := problems(definition):
        raise DefinitionRefused(found)
    used = [digest(definition)]
    body = _resolved(
        definition.body, "", _Linking(find, (definition.key,), definition.level, definition.types, used)
    )
    whole = replace(definition, body=body, fields=definition.fields)
    index = _Index()
    index.visit(body, (), None, ())
    if len(index.places) > MOST_STEPS:
        raise DefinitionRefused([Problem("body", "too_large")])
    if definition.total_days and longest_days(body) > definition.total_days:
        raise DefinitionRefused([Problem("total_days", "over_total")])
    name = sha256("\n".join(used).encode()).hexdigest()
    needed = frozenset(place.step.level for place in index.places.values() if place.org is None)
    return Plan(whole, name, index.places, index.choices, whole.types, needed | {definition.level})


@dataclass(frozen=True, slots=True)
class _Linking:
    find: Find
    above: tuple[str, ...]
    level: Level
    types: Mapping[str, FieldType]
    used: list[str]


def _resolved(block: Block, prefix: str, linking: _Linking) -> Block:
    """The block with every reference replaced; keys within a sub-process begin with its own and a point."""
    if isinstance(block, Serial):
        return replace(block, parts=tuple(_resolved(part, prefix, linking) for part in block.parts))
    named = replace(block, key=prefix + block.key)
    match named:
        case Parallel():
            inside = tuple(_resolved(branch, prefix, linking) for branch in named.branches)
            return replace(named, branches=inside)
        case Choice():
            return _resolved_choice(named, prefix, linking)
        case Sub():
            return _resolved_sub(named, linking)
        case Step():
            return named
    return replace(named, body=_resolved(named.body, prefix, replace(linking, level=named.to)))


def _resolved_choice(block: Choice, prefix: str, linking: _Linking) -> Choice:
    branches = tuple(replace(b, then=_resolved(b.then, prefix, linking)) for b in block.branches)
    default = None if block.otherwise is None else _resolved(block.otherwise, prefix, linking)
    return replace(block, branches=branches, otherwise=default)


def _resolved_sub(block: Sub, linking: _Linking) -> Sub:
    if block.ref is None:
        inside, further = block.body, linking
    else:
        inside, further = _referred(block, block.ref, linking)
    if inside is None:
        raise DefinitionRefused([Problem(block.key, "sub_source")])
    return replace(block, ref=None, body=_resolved(inside, f"{block.key}.", further))


def _referred(block: Sub, ref: str, linking: _Linking) -> tuple[Block, _Linking]:
    if ref in linking.above:
        raise DefinitionRefused([Problem(block.key, "cycle")])
    if len(linking.above) > DEEPEST_SUBS or len(linking.used) > MOST_SUBS:
        raise DefinitionRefused([Problem(block.key, "too_deep")])
    found = linking.find(ref)
    if found is None:
        raise DefinitionRefused([Problem(block.key, "unknown_process")])
    if wrong := [*problems(found), *_misplaced(block, found, linking)]:
        raise DefinitionRefused([Problem(f"{block.key}.{p.path}", p.code) for p in wrong])
    linking.used.append(digest(found))
    return found.body, replace(linking, above=(*linking.above, found.key), level=found.level)


def _misplaced(block: Sub, found: Definition, linking: _Linking) -> list[Problem]:
    """A sub-process works at its caller's level, and its choices ask what the caller also declares."""
    level = [] if found.level == linking.level else [Problem("level", "level_not_handed")]
    known = linking.types.items() >= found.types.items()
    return level if known else [*level, Problem("fields", "unknown_field")]


@dataclass(slots=True)
class _Index:
    places: dict[str, Place] = field(default_factory=dict)
    choices: dict[str, tuple[Choice, Route]] = field(default_factory=dict)

    def visit(self, block: Block, route: Route, org: str | None, leads: tuple[tuple[str, str], ...]) -> None:
        if isinstance(block, Step):
            self.places[block.key] = Place(block, route, org, leads)
        if isinstance(block, Choice):
            self.choices[block.key] = (block, route)
        if isinstance(block, Parallel):
            leads = (*leads, *_lead_posts(block))
        inside = block.org if isinstance(block, Sub) else org
        for at, child in enumerate(children(block)):
            self.visit(child, (*route, (block.block, at)), inside, leads)


def _lead_posts(block: Parallel) -> list[tuple[str, str]]:
    leads = [branch for branch in block.branches if isinstance(branch, Sub) and branch.lead]
    return [(sub.org, post) for sub in leads for post in sorted(_posts_of(sub))]


def _posts_of(block: Block) -> set[str]:
    own = {block.post} if isinstance(block, Step) else set()
    return own.union(*(_posts_of(child) for child in children(block)))


def follows(later: Route, earlier: Route) -> bool:
    """Whether the one comes after the other in every run: they part in a serial, and it is further along."""
    for (kind, at), (_, other) in zip(later, earlier, strict=False):
        if at != other:
            return kind == "serial" and at > other
    return False


def after(plan: Plan, key: str) -> frozenset[str]:
    """The steps that come after a step in every run that reaches both."""
    route = plan.places[key].route
    return frozenset(other for other, place in plan.places.items() if follows(place.route, route))

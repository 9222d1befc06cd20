"""Builds the closures of one scope (the whole document, or one entry of a list) from its declarations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from exchange.errors import Misconfigured
from exchange.mapping import hearing, saying
from exchange.mapping.conversions import Form, Step, conversions
from exchange.mapping.fields import Canon, Path, canon_of, leaves
from exchange.mapping.run import Places
from exchange.mapping.scalars import Tables, derived_by, said_by, steps
from exchange.mapping.spec import EachSpec, FieldSpec


def _stop(fault: Misconfigured) -> None:
    raise fault


@dataclass(slots=True)
class Branch:
    """One wire element or object while the scope is put together."""

    handlers: dict[str, hearing.Handler] = field(default_factory=dict)
    branches: dict[str, Branch] = field(default_factory=dict)
    required: list[str] = field(default_factory=list)
    after: list[hearing.After] = field(default_factory=list)


@dataclass(slots=True)
class Built:
    """A finished scope: how to hear it, say it, and where its fields are; `filled` are the canonical paths
    it covers."""

    handler: hearing.Handler
    sayer: saying.Sayer
    places: Places
    filled: frozenset[Path]


@dataclass(frozen=True, slots=True)
class Builder:
    """What all scopes of one mapping share."""

    form: Form
    tables: Tables
    loses: tuple[str, ...] = ()
    report: Callable[[Misconfigured], None] = _stop

    def build(
        self, model: type[BaseModel] | None, fields: Sequence[FieldSpec], eaches: Sequence[EachSpec],
        ignore: Sequence[str], only: dict[str, tuple[str, ...]] | None = None,
    ) -> Built:  # fmt: skip
        """The closures of one scope; Misconfigured."""
        scope = _Scope(self, model)
        for name, codes in (only or {}).items():
            scope.add(name, hearing.skip, saying.constant(codes[0]), True)
        for spec in fields:
            self._try(scope.field, spec)
        for group in _by_wire(eaches):
            self._try(scope.repeated, group)
        for path in ignore:
            self._try(scope.hear, path, hearing.skip, False)
        return scope.finish()

    def lost_in(self, name: str) -> tuple[str, ...]:
        """What the mapping loses inside the entries of the list `name`."""
        return tuple(one.removeprefix(f"{name}.") for one in self.loses if one.startswith(f"{name}."))

    def _try(self, declare: Callable[..., None], *args: object) -> None:
        """Normally the first fault ends the reading; whoever wants all of them takes the reports."""
        try:
            declare(*args)
        except Misconfigured as fault:
            self.report(fault)


class _Scope:
    def __init__(self, shared: Builder, model: type[BaseModel] | None) -> None:
        self.shared, self.model = shared, model
        self.top = Branch()
        self.said: list[tuple[tuple[str, ...], saying.Sayer]] = []
        self.places: dict[Path, str] = {}
        self.lists: dict[Path, tuple[str, Places]] = {}
        self.whole: tuple[hearing.Handler, saying.Sayer] | None = None

    @property
    def xml(self) -> bool:
        return self.shared.form == "xml"

    def add(self, wire: str, handler: hearing.Handler, sayer: saying.Sayer, required: bool) -> None:
        """A wire value both ways."""
        self.hear(wire, handler, required)
        self.said.append((tuple(wire.split("/")), sayer))

    def hear(self, wire: str, handler: hearing.Handler, required: bool) -> None:
        """A wire value that is heard."""
        *way, last = wire.split("/")
        branch = self.top
        for name in way:
            if name in branch.handlers:
                raise Misconfigured("duplicate_wire", "a value cannot also hold members", wire)
            if required and name not in branch.required:
                branch.required.append(name)
            branch = branch.branches.setdefault(name, Branch())
        if (
            last in branch.handlers
            or last in branch.branches
            or not last
            or (last[0] == "@" and not self.xml)
        ):
            raise Misconfigured("duplicate_wire", "the wire name is empty or declared twice", wire)
        branch.handlers[last] = handler
        branch.required += [last] if required else []

    def field(self, spec: FieldSpec) -> None:
        """One declared value."""
        if spec.wire is None:
            self._canon(spec)
            return
        rel = _shown(spec.wire)
        if spec.to is not None:
            self._mapped(spec, rel, spec.to)
        elif spec.derived is not None:
            self._derived(spec, rel, tuple(spec.derived.split(".")))
        elif spec.fill is not None:
            say = said_by(spec, self.shared.form)
            sayer = saying.fill(rel, spec.fill, say, spec.required is not False, spec.default)
            needed = spec.heard and spec.required is not False and not spec.when
            self._conditional(spec, rel, self._filled(spec, rel, say), sayer, needed)
        elif spec.digest is not None:
            sayer = saying.digest(rel, spec.digest.algorithm, spec.digest.of)
            self.add(spec.wire, hearing.skip, sayer, spec.heard)
            if spec.heard:
                self._after(hearing.digested(spec.wire, rel, spec.digest.algorithm, spec.digest.of))
        else:
            self._constant(spec, rel)

    def _filled(self, spec: FieldSpec, rel: str, say: Step) -> hearing.Handler:
        if not spec.heard or spec.fill is None:
            return hearing.skip
        if spec.within is None:
            return hearing.filled(rel, spec.fill, say)
        return hearing.near(rel, spec.fill, spec.within, conversions(self.shared.form)["datetime14"].hear)

    def _constant(self, spec: FieldSpec, rel: str) -> None:
        if isinstance(spec.constant, dict):
            self._empty_object(spec)
            return
        value = str(spec.constant).lower() if self.xml and isinstance(spec.constant, bool) else spec.constant
        value = str(value) if self.xml else value
        handler = hearing.constant(rel, value)
        self._conditional(
            spec, rel, handler, saying.constant(value), spec.required is not False and not spec.when
        )

    def _empty_object(self, spec: FieldSpec) -> None:
        """An object that must be there and holds nothing."""
        if spec.constant or self.xml:
            raise Misconfigured("bad_constant", "only {} of a JSON document is an object", spec.wire)
        *way, last = (spec.wire or "").split("/")
        branch = self.top
        for name in [*way, last]:
            if name in branch.handlers:
                raise Misconfigured("duplicate_wire", "a value cannot also hold members", spec.wire)
            branch.required += [] if name in branch.required else [name]
            branch = branch.branches.setdefault(name, Branch())
        self.said.append(((*way, last), lambda source, run, base: {}))

    def _mapped(self, spec: FieldSpec, rel: str, to: str) -> None:
        canon, path = self._canon(spec), tuple(to.split("."))
        hear, say = steps(spec, canon, self.shared.form, self.shared.tables)
        hear = _aliased(hear, spec)
        required = canon.required if spec.required is None else spec.required
        required = required and not spec.when and spec.default is None
        sayer = saying.leaf(rel, path, say, required)
        self.places[path] = rel
        self._conditional(spec, rel, hearing.leaf(rel, path, hear, self.xml), sayer, required)
        if spec.default is not None:
            self._after(hearing.default(path, spec.default))

    def _derived(self, spec: FieldSpec, rel: str, path: Path) -> None:
        canon = canon_of(self.model, path) if self.model else None
        if canon is None:
            raise Misconfigured("unknown_field", f"there is no canonical value {spec.derived}", spec.wire)
        say = derived_by(spec, canon)
        required = canon.required if spec.required is None else spec.required
        self._after(hearing.agreement(spec.wire or "", rel, path, say, canon.base))
        self._conditional(spec, rel, hearing.skip, saying.leaf(rel, path, say, required), required)

    def _conditional(
        self, spec: FieldSpec, rel: str, handler: hearing.Handler, sayer: saying.Sayer, required: bool
    ) -> None:
        wire = spec.wire or ""
        if spec.instead is not None:
            sayer = saying.instead(sayer, spec.instead)
        for conditions, expected_only in ((spec.when, True), (spec.required_when, False)):
            if conditions:
                self._check_condition(conditions, wire)
                needed = not expected_only or spec.required is True
                heard = saying.holds(conditions, hearing.peek)
                self._after(hearing.condition(wire, rel, heard, needed, expected_only, self.xml))
                said = saying.holds(conditions, saying.reach)
                if expected_only:
                    sayer = saying.when(sayer, said, rel, tuple(spec.to.split(".")) if spec.to else None)
                if needed:
                    sayer = saying.when_required(sayer, said, rel)
        self.add(wire, handler, sayer, required)

    def _check_condition(self, conditions: dict[str, tuple[str, ...]], wire: str) -> None:
        for name, values in conditions.items():
            canon = canon_of(self.model, tuple(name.split("."))) if self.model else None
            if canon is None:
                raise Misconfigured("bad_condition", f"there is no canonical field {name}", wire)
            names = set(canon.codes.names) | {"*"} if canon.codes else set(values)
            if not values or not set(values) <= names:
                raise Misconfigured("bad_condition", f"{name} never has one of these values", wire)

    def _after(self, check: hearing.After) -> None:
        self.top.after.append(check)

    def _canon(self, spec: FieldSpec) -> Canon:
        path = tuple((spec.to or "").split("."))
        canon = canon_of(self.model, path) if self.model else None
        if canon is None or (canon.model is not None and spec.as_ is None):
            raise Misconfigured("unknown_field", f"there is no canonical value {spec.to}", spec.wire)
        if path in self.places or path in self.lists:
            raise Misconfigured("duplicate_field", f"{spec.to} is filled twice", spec.wire)
        if spec.wire is None:
            self.places[path] = f"({spec.given})"
        return canon

    def repeated(self, group: list[EachSpec]) -> None:
        """One repeated element, with its kinds of entry."""
        first = group[0]
        rel = _shown(first.wire)
        if len(group) > 1 and not all(spec.only for spec in group):
            raise Misconfigured(
                "duplicate_wire", "a repeated element with several kinds needs only", first.wire
            )
        built = [self._kind(spec, rel) for spec in group]
        handlers = [handler for handler, _ in built]
        handler = (
            handlers[0]
            if first.key
            else hearing.each(rel, [h for h in handlers if isinstance(h, hearing.Choice)], self.xml)
        )
        if first.wire == "":
            self.whole = (handler, built[0][1])
            return
        self.hear(first.wire, handler, first.required)
        at = self._place_of(first.before, first.wire)
        self.said[at:at] = [(tuple(first.wire.split("/")), sayer) for _, sayer in built]

    def _place_of(self, before: str | None, wire: str) -> int:
        """Where in the said order a list stands; at the end when the contract does not ask for a place."""
        said = ["/".join(segments) for segments, _ in self.said]
        if before is not None and before not in said:
            raise Misconfigured("bad_order", f"nothing is said at {before}", wire)
        return len(said) if before is None else said.index(before)

    def _kind(self, spec: EachSpec, rel: str) -> tuple[Any, saying.Sayer]:
        path = tuple(spec.to.split("."))
        canon = canon_of(self.model, path) if self.model else None
        if canon is None or not canon.repeated or canon.model is None:
            raise Misconfigured("unknown_field", f"there is no canonical list {spec.to}", spec.wire)
        if path in self.lists or path in self.places:
            raise Misconfigured("duplicate_field", f"{spec.to} is filled twice", spec.wire)
        if spec.key and spec.value:
            self.places[path] = rel
            said = saying.members(rel, path, spec.key, spec.value, spec.required or spec.say_empty)
            return hearing.members(rel, path, spec.key, spec.value), said
        inner = self.shared.build(canon.model, spec.fields, spec.each, spec.ignore, spec.only)
        check_filled(canon.model, inner.filled, self.shared.lost_in(spec.to), spec.wire, self.shared.report)
        self.lists[path] = (rel, inner.places)
        only = tuple((name, frozenset(codes)) for name, codes in spec.only.items())
        choice = hearing.Choice(path, only, inner.handler, spec.row_wise)
        return choice, saying.each(rel, path, inner.sayer, spec.required, spec.say_empty)

    def finish(self) -> Built:
        """The scope's closures."""
        places = Places(dict(self.places), dict(self.lists))
        filled = frozenset(self.places) | frozenset(self.lists)
        if self.whole is not None:
            return Built(self.whole[0], self.whole[1], places, filled)
        return Built(_close(self.top, "", self.xml), saying.scope(self.said), places, filled)


def _close(branch: Branch, rel: str, xml: bool) -> hearing.Handler:
    handlers = dict(branch.handlers)
    for name, below in branch.branches.items():
        plain = name.removesuffix("[]")
        at = f"{rel}/{plain}" if rel else plain
        inner = _close(below, at, xml)
        handlers[plain] = hearing.only_entry(at, inner) if name != plain else inner
    plains = [name.removesuffix("[]") for name in branch.required]
    required = [(name, f"{rel}/{name}" if rel else name) for name in plains]
    return hearing.Node(rel, handlers, required, branch.after, xml)


def check_filled(
    model: type[BaseModel],
    filled: frozenset[Path],
    loses: Sequence[str],
    wire: str | None,
    report: Callable[[Misconfigured], None] = _stop,
) -> None:
    """Every canonical field is on the wire, or its loss is written down."""
    for path, canon in uncovered(model, filled, loses):
        code = "unfilled_field" if canon.required else "unmapped_field"
        detail = f"nothing fills {'.'.join(path)} and loses does not name it"
        report(Misconfigured(code, detail, wire))


def uncovered(
    model: type[BaseModel], filled: frozenset[Path], loses: Sequence[str]
) -> Iterator[tuple[Path, Canon]]:
    """The canonical fields that are neither on the wire nor named as lost."""
    lost = {tuple(name.split(".")) for name in loses}
    for path, canon in leaves(model).items():
        if path not in filled and not any(path[: len(one)] == one for one in lost):
            yield path, canon


def _shown(wire: str) -> str:
    return wire.replace("[]", "")


def _aliased(hear: Step, spec: FieldSpec) -> Step:
    rule = spec.instead
    if rule is None or rule.of is None:
        return hear
    return lambda value: hear(rule.of if value == rule.say else value)


def _by_wire(eaches: Sequence[EachSpec]) -> list[list[EachSpec]]:
    groups: dict[str, list[EachSpec]] = {}
    for spec in eaches:
        groups.setdefault(spec.wire, []).append(spec)
    return list(groups.values())

"""The closures that say: canonical value -> wire tree, in the order the mapping declares; absent when
None."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from exchange.mapping.conversions import Step
from exchange.mapping.digests import hex_digest
from exchange.mapping.fields import Path
from exchange.mapping.refusal import BadValue, FieldError
from exchange.mapping.spec import Instead

ABSENT = object()
"""Nothing is said."""


@dataclass(slots=True)
class Saying:
    """One document being said: the call context and what could not be said."""

    context: Mapping[str, Any]
    tree: Any = None
    errors: list[FieldError] = field(default_factory=list)


Sayer = Callable[[Any, Saying, str], Any]
Condition = Callable[[Any], bool]


def reach(source: Any, path: Path) -> Any:
    """The canonical value there, or None."""
    for name in path:
        source = getattr(source, name, None)
    return source


def as_said(value: Any) -> str:
    """A value as conditions write it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def holds(conditions: Mapping[str, tuple[str, ...]], get: Callable[[Any, Path], Any]) -> Condition:
    """Whether each field has one of its values; `*` is any value at all."""
    parts = [(tuple(name.split(".")), frozenset(values)) for name, values in conditions.items()]

    def check(source: Any) -> bool:
        found = [(get(source, path), values) for path, values in parts]
        return all(
            value is not None and ("*" in values or as_said(value) in values) for value, values in found
        )

    return check


def leaf(rel: str, to: Path, say: Step, required: bool) -> Sayer:
    """One canonical value; a missing one that the wire requires is complained of."""

    def said(source: Any, run: Saying, base: str) -> Any:
        value = reach(source, to)
        if value is None or value == ():
            return _missing(run, base + rel) if required else ABSENT
        try:
            return say(value)
        except BadValue as bad:
            run.errors.append(FieldError(base + rel, bad.code, bad.detail))
            return ABSENT

    return said


def instead(sayer: Sayer, rule: Instead) -> Sayer:
    """Another word while a fact of the case holds."""

    def said(source: Any, run: Saying, base: str) -> Any:
        value = sayer(source, run, base)
        active = run.context.get(rule.fact) is True and rule.of in (None, value)
        return rule.say if active else value

    return said


def fill(rel: str, name: str, say: Step, required: bool, default: Any = None) -> Sayer:
    """A value of the call context, else the contract's default."""

    def said(source: Any, run: Saying, base: str) -> Any:
        value = run.context.get(name)
        if (value is None or value == "") and default is not None:
            return default
        if value is None or value == "":
            return _missing(run, base + rel) if required else ABSENT
        try:
            return say(value)
        except BadValue as bad:
            run.errors.append(FieldError(base + rel, bad.code, bad.detail))
            return ABSENT

    return said


def digest(rel: str, algorithm: str, parts: Sequence[str]) -> Sayer:
    """A hex digest over what was said before and values of the call context."""

    def said(source: Any, run: Saying, base: str) -> Any:
        return hex_digest(algorithm, parts, run.context, run.tree) or _missing(run, base + rel)

    return said


def constant(value: Any) -> Sayer:
    """A value the contract fixes."""
    return lambda source, run, base: value


def when(sayer: Sayer, condition: Condition, rel: str, to: Path | None) -> Sayer:
    """Said only while the condition holds; a value that then has no place is complained of, never dropped."""

    def said(source: Any, run: Saying, base: str) -> Any:
        if condition(source):
            return sayer(source, run, base)
        if to is not None and reach(source, to) is not None:
            run.errors.append(FieldError(base + rel, "bad_value", "the contract has no such field here"))
        return ABSENT

    return said


def when_required(sayer: Sayer, condition: Condition, rel: str) -> Sayer:
    """Complained of when the condition holds and nothing would be said."""

    def said(source: Any, run: Saying, base: str) -> Any:
        value = sayer(source, run, base)
        return _missing(run, base + rel) if value is ABSENT and condition(source) else value

    return said


def scope(parts: Sequence[tuple[tuple[str, ...], Sayer]]) -> Sayer:
    """An object of the wire tree."""

    def said(source: Any, run: Saying, base: str) -> Any:
        tree: dict[str, Any] = {}
        run.tree = tree if base == "" else run.tree
        for segments, sayer in parts:
            value = sayer(source, run, base)
            if value is not ABSENT:
                _place(tree, segments, value)
        return tree

    return said


def each(rel: str, to: Path, inner: Sayer, required: bool, say_empty: bool) -> Sayer:
    """A repeated element or array."""

    def said(source: Any, run: Saying, base: str) -> Any:
        entries = reach(source, to) or ()
        if not entries and not say_empty:
            return _missing(run, base + rel) if required else ABSENT
        return [inner(one, run, f"{base}{rel}[{index}]/") for index, one in enumerate(entries)]

    return said


def members(rel: str, to: Path, key: str, value: str, required: bool) -> Sayer:
    """An object whose members are the entries; without entries it is said only where the wire requires it."""

    def said(source: Any, run: Saying, base: str) -> Any:
        entries = reach(source, to) or ()
        tree = {getattr(one, key): getattr(one, value) for one in entries}
        if len(tree) != len(entries):
            run.errors.append(FieldError(base + rel, "bad_value", "a name occurs twice"))
        return tree if tree or required else ABSENT

    return said


def _missing(run: Saying, path: str) -> Any:
    run.errors.append(FieldError(path, "missing_field", "the contract requires it"))
    return ABSENT


def _place(tree: dict[str, Any], segments: tuple[str, ...], value: Any) -> None:
    for segment in segments[:-1]:
        if segment.endswith("[]"):
            tree = tree.setdefault(segment[:-2], [{}])[0]
        else:
            tree = tree.setdefault(segment, {})
    last = segments[-1]
    if isinstance(tree.get(last), list) and isinstance(value, list):
        tree[last] += value
    else:
        tree[last] = value

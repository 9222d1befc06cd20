"""The closures that hear: one pass over the wire tree, every member handled, ignored by name, or complained
of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from canonical.errors import ValueRefused
from exchange.mapping.conversions import Step
from exchange.mapping.digests import hex_digest
from exchange.mapping.fields import Path
from exchange.mapping.paths import at
from exchange.mapping.refusal import BadValue, FieldError, shown_name
from exchange.mapping.rows import BrokenRow, broken_row

Context = Mapping[str, Any]
Out = dict[str, Any]


@dataclass(slots=True)
class Hearing:
    """One document being heard: what was wrong, the call context, and at which wire index each chosen entry
    stood. `broken` takes the entries of row-wise lists that cannot be read, `unknown` members the contract
    does not have; None: they refuse the whole."""

    context: Context
    errors: list[FieldError] = field(default_factory=list)
    positions: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    broken: list[BrokenRow] | None = None
    unknown: list[FieldError] | None = None

    def wrong(self, path: str, code: str, detail: str) -> None:
        """Notes one complaint."""
        self.errors.append(FieldError(path, code, detail))

    def strange(self, path: str) -> None:
        """Notes a member the contract does not have."""
        found = self.errors if self.unknown is None else self.unknown
        found.append(FieldError(path, "unknown_field", "the contract has no such field"))


Handler = Callable[[Any, Out, Hearing, str], None]
After = Callable[[Any, Out, Hearing, str], None]


def skip(value: Any, out: Out, run: Hearing, base: str) -> None:
    """A member that is known and not needed."""


def put(out: Out, path: Path, value: Any) -> None:
    """Sets a canonical value, making the nested objects on the way."""
    for name in path[:-1]:
        out = out.setdefault(name, {})
    out[path[-1]] = value


def peek(out: Any, path: Path) -> Any:
    """The canonical value there, or None."""
    for name in path:
        out = out.get(name) if isinstance(out, dict) else None
    return out


def leaf(rel: str, to: Path, hear: Step, empty_is_absent: bool) -> Handler:
    """One wire value that becomes one canonical value."""

    def handle_flat(value: Any, out: Out, run: Hearing, base: str) -> None:
        if value == "" and empty_is_absent:
            return
        try:
            out[name] = hear(value)
        except BadValue as bad:
            run.wrong(base + rel, bad.code, bad.detail)

    def handle_deep(value: Any, out: Out, run: Hearing, base: str) -> None:
        if value == "" and empty_is_absent:
            return
        try:
            put(out, to, hear(value))
        except BadValue as bad:
            run.wrong(base + rel, bad.code, bad.detail)

    name = to[0]
    return handle_flat if len(to) == 1 else handle_deep


def constant(rel: str, expected: Any) -> Handler:
    """A value the contract fixes."""

    def handle(value: Any, out: Out, run: Hearing, base: str) -> None:
        if type(value) is not type(expected) or value != expected:
            run.wrong(base + rel, "bad_value", "not the value the contract fixes")

    return handle


def filled(rel: str, name: str, say: Step) -> Handler:
    """What the hub itself would say from the call context; where that has no such value, anything."""

    def handle(value: Any, out: Out, run: Hearing, base: str) -> None:
        known = run.context.get(name)
        if known not in (None, "") and value != say(known):
            run.wrong(base + rel, "not_allowed", "not what is agreed with this party")

    return handle


def near(rel: str, name: str, seconds: int, hear: Step) -> Handler:
    """A time at most so many seconds from that of the call context."""

    def handle(value: Any, out: Out, run: Hearing, base: str) -> None:
        try:
            said, known = hear(value), run.context.get(name)
        except BadValue as bad:
            run.wrong(base + rel, bad.code, bad.detail)
            return
        if known is not None and abs(said - hear(known)) > timedelta(seconds=seconds):
            run.wrong(base + rel, "bad_value", f"more than {seconds} s from the clock here")

    return handle


@dataclass(frozen=True, slots=True)
class Node:
    """An element or object: handles each member, then what must be there, then conditions."""

    rel: str
    children: Mapping[str, Handler]
    required: Sequence[tuple[str, str]]
    after: Sequence[After]
    empty_is_absent: bool

    def __call__(self, value: Any, out: Out, run: Hearing, base: str) -> None:
        if type(value) is not dict:
            if value != "" or not self.empty_is_absent:
                run.wrong(base + self.rel or "/", "bad_value", "must hold named members, once")
                return
            value = {}
        children = self.children
        for name, member in value.items():
            handler = children.get(name)
            if handler is None:
                run.strange(base + _below(self.rel, name))
            else:
                handler(member, out, run, base)
        self._whole(value, run, base)
        for check in self.after:
            check(value, out, run, base)

    def _whole(self, value: Mapping[str, Any], run: Hearing, base: str) -> None:
        for name, path in self.required:
            if name not in value or (self.empty_is_absent and value[name] == ""):
                run.wrong(base + path, "missing_field", "the contract requires it")


def _below(rel: str, name: str) -> str:
    return f"{rel}/{shown_name(name)}" if rel else shown_name(name)


def only_entry(rel: str, inner: Handler) -> Handler:
    """A list that must hold exactly one entry."""

    def handle(value: Any, out: Out, run: Hearing, base: str) -> None:
        if type(value) is not list or len(value) != 1:
            run.wrong(base + rel, "bad_value", "must be a list of exactly one")
        else:
            inner(value[0], out, run, base)

    return handle


@dataclass(frozen=True, slots=True)
class Choice:
    """Entries of a repeated element for which every discriminator has one of its values go to `to`."""

    to: Path
    only: tuple[tuple[str, frozenset[str]], ...]
    handler: Handler
    row_wise: bool = False

    def takes(self, entry: Any) -> bool:
        """Whether the entry's discriminators are this choice's."""
        return all(isinstance(entry, dict) and entry.get(name) in codes for name, codes in self.only)


def each(rel: str, choices: Sequence[Choice], single_is_list: bool) -> Handler:
    """A repeated element or array."""
    plain = choices[0] if len(choices) == 1 and not choices[0].only else None
    row_wise = any(choice.row_wise for choice in choices)

    def handle(value: Any, out: Out, run: Hearing, base: str) -> None:
        entries = [value] if single_is_list and not isinstance(value, list) else value
        if type(entries) is not list:
            run.wrong(base + rel or "/", "bad_value", "must be a list")
            return
        for choice in choices:
            put(out, choice.to, [])
        for index, entry in enumerate(entries):
            chosen = plain or next((one for one in choices if one.takes(entry)), None)
            at = f"{base}{rel}[{index}]/"
            apart = Hearing(run.context) if row_wise and run.broken is not None else run
            heard: Out = {}
            if chosen is None:
                apart.wrong(
                    at + choices[0].only[0][0], "unknown_code", "none of the kinds the contract knows"
                )
            else:
                chosen.handler(entry, heard, apart, at)
            if apart is not run and run.broken is not None and apart.errors:
                run.broken.append(broken_row(entry, heard, apart.errors))
            elif chosen is not None:
                run.positions.update(apart.positions)
                run.positions.setdefault((base + rel, chosen.to[-1]), []).append(index)
                peek(out, chosen.to).append(heard)

    return handle


def members(rel: str, to: Path, key: str, value_name: str) -> Handler:
    """An object whose members are the entries: name -> text or number."""

    def handle(value: Any, out: Out, run: Hearing, base: str) -> None:
        if type(value) is not dict:
            run.wrong(base + rel, "bad_value", "must hold named members")
            return
        put(out, to, [{key: name, value_name: _as_text(one)} for name, one in value.items()])

    return handle


def _as_text(value: Any) -> Any:
    return str(value) if type(value) is int else value


def default(to: Path, value: Any) -> After:
    """The value the contract gives for an absent field."""

    def check(tree: Any, out: Out, run: Hearing, base: str) -> None:
        if peek(out, to) is None:
            put(out, to, value)

    return check


def agreement(wire: str, rel: str, path: Path, say: Step, base_type: Callable[[Any], Any]) -> After:
    """A value that follows from another one must be what follows; of a wrong one nothing follows."""

    def check(tree: Any, out: Out, run: Hearing, base: str) -> None:
        found, value = at(tree, wire), peek(out, path)
        if found in (None, "") or value is None:
            return
        with suppress(ValueRefused):
            if found != say(base_type(value)):
                run.wrong(base + rel, "bad_value", "does not agree with the value it follows from")

    return check


def digested(wire: str, rel: str, algorithm: str, parts: Sequence[str]) -> After:
    """A digest must be that of its parts, where all of them are known and nothing of them is wrong itself."""

    def check(tree: Any, out: Out, run: Hearing, base: str) -> None:
        found, wanted = at(tree, wire), hex_digest(algorithm, parts, run.context, tree)
        if not run.errors and None not in (found, wanted) and found != wanted:
            run.wrong(base + rel, "seal_invalid", "not the digest of what is said")

    return check


def condition(
    wire: str, rel: str, holds: Callable[[Any], bool], needed: bool, only: bool, empty_is_absent: bool
) -> After:
    """A field that must (`needed`) or may only (`only`) be there while a condition holds."""

    def check(tree: Any, out: Out, run: Hearing, base: str) -> None:
        found = at(tree, wire)
        present = found is not None and not (found == "" and empty_is_absent)
        if not present and needed and holds(out):
            run.wrong(base + rel, "missing_field", "the contract requires it here")
        if present and only and not run.errors and not holds(out):
            run.wrong(base + rel, "bad_value", "the contract has no such field here")

    return check

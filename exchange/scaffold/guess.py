"""Which canonical field a partner's name probably means, by the synonym table and what the samples hold."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import cache
from importlib.resources import files
from typing import Any

from pydantic import BaseModel

from canonical.messages import PAYLOADS
from canonical.values import (
    CaseNumber,
    CertificateIdentifier,
    CreditCode,
    ImplementationCode,
    MobileNumber,
)
from exchange.mapping.conversions import Form
from exchange.mapping.fields import Canon, canon_of, leaves
from exchange.scaffold.forms import entry_for
from exchange.scaffold.shape import Leaf, Scope, branches, turned

SURE = 60
"""From this score on (of 100) a guess is written down, below it is only suggested."""
OF_THE_CALL = ("account", "token", "time14")
"""What stands in a document for the call and not for the message."""
DISTINCT = (
    CaseNumber, ImplementationCode, CreditCode, MobileNumber, CertificateIdentifier, datetime, date,
)  # fmt: skip
"""Types a value can be known by without its name."""
MESSAGE, LISTED, OWN, BUILT, LABEL, WITHIN = 100, 90, 85, 75, 8, 40


@dataclass(frozen=True, slots=True)
class Guess:
    """One wire value and its probable target; `entry` is the rest of the mapping's line."""

    wire: str
    to: str
    score: int
    entry: Mapping[str, Any] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Drafted:
    """A scope's guesses by wire path, the lists among its fields with theirs, and what nothing was found
    for."""

    guesses: Mapping[str, Guess]
    lists: Mapping[str, tuple[str, Drafted]]
    open: tuple[Leaf, ...]
    before: Mapping[str, str] = field(default_factory=dict)

    @property
    def score(self) -> float:
        """Sum of the scores, 1 for a certain field."""
        own = sum(one.score for one in self.guesses.values()) / 100
        return own + sum(below.score for _, below in self.lists.values())


def normal(name: str) -> str:
    """A name as it is compared."""
    return re.sub(r"[\s_\-.:@/\[\]]", "", name).casefold()


@cache
def table() -> Mapping[str, Any]:
    """The synonym table."""
    return tomllib.loads((files("exchange.scaffold") / "synonyms.toml").read_text(encoding="utf-8"))


def draft(scope: Scope, type_: str, form: Form) -> Drafted:
    """The guesses for a document of this message type."""
    return _drafted(scope, PAYLOADS[type_], type_, "", form)


def likely(scope: Scope, form: Form) -> tuple[tuple[str, float], ...]:
    """The message types this document could be, the likeliest first: by how much of both is covered."""
    size = max(scope.size, 1)
    found = []
    for kind, model in PAYLOADS.items():
        drafted = draft(scope, kind, form)
        needed = [".".join(path) for path, canon in leaves(model).items() if canon.required]
        held = {one.to for one in drafted.guesses.values()} | {to for to, _ in drafted.lists.values()}
        covered = len([one for one in needed if one in held]) / max(len(needed), 1)
        found.append((kind, round(math.sqrt(min(drafted.score / size, 1.0) * covered), 3)))
    return tuple(sorted(found, key=lambda one: -one[1]))


def candidates(leaf: Leaf, type_: str, model: type[BaseModel], inside: str, form: Form) -> tuple[Guess, ...]:
    """Every field this value could be, the likeliest first; `inside` is the canonical list it is in."""
    found = []
    for path, canon in leaves(model).items():
        score = _score(leaf, ".".join(path), type_, inside)
        entry = entry_for(leaf, canon, form) if score else None
        if entry is not None:
            found.append(Guess(leaf.path, ".".join(path), score, entry))
    return tuple(sorted(found, key=lambda one: -one.score))


def context_name(name: str) -> str | None:
    """The value of the call context a name probably means."""
    wanted = normal(name)
    context: Mapping[str, list[str]] = table()["context"]
    return next((key for key, names in context.items() if wanted in map(normal, [key, *names])), None)


def _drafted(scope: Scope, model: type[BaseModel], type_: str, inside: str, form: Form) -> Drafted:
    scope = _with_lists(scope, model, type_, inside)
    lists: dict[str, tuple[str, Drafted]] = {}
    taken: set[str] = set()
    for wire, below in scope.lists.items():
        to = _list_of(wire, model, taken, type_)
        if to is None:
            single = tuple(replace(leaf, path=f"{wire}[]/{leaf.path}") for leaf in below.leaves)
            scope = replace(scope, leaves=scope.leaves + single)
            continue
        canon, taken = canon_of(model, tuple(to.split("."))), taken | {to}
        if canon is not None and canon.model is not None:
            lists[wire] = (to, _drafted(below, canon.model, type_, f"{inside}{to}.", form))
    guesses = _assigned(scope, model, type_, inside, form, taken)
    guesses |= _by_kind(scope, model, form, guesses, taken)
    rest = tuple(leaf for leaf in scope.leaves if leaf.path not in guesses)
    before = {wire: after for wire in lists if (after := scope.after(wire)) is not None}
    return Drafted(guesses, lists, rest, before if form == "xml" else {})


def _assigned(
    scope: Scope, model: type[BaseModel], type_: str, inside: str, form: Form, taken: set[str]
) -> dict[str, Guess]:
    """The best pairs first, each wire value and each canonical field once."""
    pairs = [one for leaf in scope.leaves for one in candidates(leaf, type_, model, inside, form)]
    found: dict[str, Guess] = {}
    used = set(taken)
    for one in sorted(pairs, key=lambda one: -one.score):
        if one.score >= SURE and one.wire not in found and one.to not in used:
            found[one.wire] = one
            used.add(one.to)
    return {leaf.path: found[leaf.path] for leaf in scope.leaves if leaf.path in found}


def _by_kind(
    scope: Scope, model: type[BaseModel], form: Form, guesses: Mapping[str, Guess], taken: set[str]
) -> dict[str, Guess]:
    """The one value left of a kind with a form of its own, where the message lacks one field of that kind."""
    filled = {one.to for one in guesses.values()} | taken
    lacking = [
        (".".join(path), canon) for path, canon in leaves(model).items() if ".".join(path) not in filled
    ]
    rest = [
        leaf
        for leaf in scope.leaves
        if leaf.path not in guesses and leaf.values and context_name(leaf.name) not in OF_THE_CALL
    ]
    found = {}
    for kind in DISTINCT:
        fields = [(to, canon) for to, canon in lacking if canon.base is kind and canon.required]
        fitting = [leaf for leaf in rest if fields and entry_for(leaf, fields[0][1], form) is not None]
        if len(fields) == 1 and len(fitting) == 1:
            (to, canon), leaf = fields[0], fitting[0]
            entry = {**(entry_for(leaf, canon, form) or {}), "todo": f"confirm: guessed by its form as {to}"}
            found[leaf.path] = Guess(leaf.path, to, SURE, entry)
    return found


def _score(leaf: Leaf, to: str, type_: str, inside: str) -> int:
    names = _names(to, type_, inside)
    steps = [step for step in leaf.path.split("/") if step]
    own = {normal(leaf.name), normal("".join(steps[-2:])), normal("".join(steps))}
    best = max((names.get(name, 0) for name in own), default=0)
    labels = max((names.get(normal(label), 0) for label in leaf.labels), default=0) - LABEL
    return max(best, labels, _partly(normal(leaf.name), names))


def _partly(name: str, names: Mapping[str, int]) -> int:
    """A name that only ends or begins with a known one is a hint."""
    return max((WITHIN for one in names if len(one) >= 4 and one != name and one in name), default=0)


@cache
def _names(to: str, type_: str, inside: str) -> Mapping[str, int]:
    """Every name of a canonical field, compared form -> how certain it is."""
    words, whole = table(), f"{inside}{to}"
    found: dict[str, int] = {}
    last = to.rsplit(".", 1)[-1]
    for name in _built(to):
        found[normal(name)] = BUILT
    if "." not in to:
        found[normal(to)] = OWN
    found[normal(whole)] = OWN
    listed = words["fields"].get(whole) or ([] if inside else words["fields"].get(to, []))
    own = words["messages"].get(type_, {}).get(whole, [])
    for name in (*listed, *words["lists"].get(whole, []), *([] if inside or "." in to else _parts(last))):
        found[normal(name)] = max(
            WITHIN if name not in listed and name in _parts(last) else LISTED, found.get(normal(name), 0)
        )
    return found | {normal(name): MESSAGE for name in own}


def _parts(last: str) -> list[str]:
    parts: list[str] = table()["parts"].get(last, [])
    return parts


def _built(to: str) -> Iterator[str]:
    prefix, _, last = to.partition(".")
    for first in table()["prefixes"].get(prefix, ()):
        yield from (f"{first}{part}" for part in (last, *_parts(last)))


def _with_lists(scope: Scope, model: type[BaseModel], type_: str, inside: str) -> Scope:
    """A branch with the name of a list's entries is a list with one entry, where the form cannot show it."""
    known = {to for path, canon in leaves(model).items() if canon.model and (to := ".".join(path))}
    for path in branches(scope):
        name = path.rsplit("/", 1)[-1]
        inner = [one for one in branches(scope) if one.startswith(f"{path}/")]
        held = any(f"{path}/".startswith(f"{one}/") or one.startswith(f"{path}/") for one in scope.lists)
        if not inner and not held and any(_names_list(name, to, type_) for to in known):
            scope = turned(scope, path)
    return scope


def _list_of(wire: str, model: type[BaseModel], taken: set[str], type_: str) -> str | None:
    """The canonical list a repeated element probably is."""
    names = wire.split("/")[::-1]
    found: list[tuple[str, Canon]] = [
        (".".join(path), canon)
        for path, canon in leaves(model).items()
        if canon.repeated and canon.model is not None and ".".join(path) not in taken
    ]
    return next((to for name in names for to, _ in found if _names_list(name, to, type_)), None)


def _names_list(name: str, to: str, type_: str) -> bool:
    words = table()
    known = [*words["lists"].get(to, []), *words["messages"].get(type_, {}).get(to, []), to]
    return normal(name) in map(normal, known)

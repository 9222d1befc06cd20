"""Versions and change notes of the contracts (contracts.toml), and the lock that holds what was published."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.resources import files
from typing import Any

from exchange.errors import Misconfigured
from exchange.publishing.rules import Rule, rules_from

Lock = dict[str, tuple[str, str]]
"""Contract name -> (version, SHA-256) as last published."""


@dataclass(frozen=True, slots=True)
class Change:
    """One line of the change notes: the contracts it concerns (a pattern), their new version."""

    contract: str
    version: str
    date: str
    note: str

    @property
    def order(self) -> tuple[int, ...]:
        """What versions are compared by."""
        return tuple(map(int, self.version.split(".")))


@dataclass(frozen=True, slots=True)
class Declared:
    """contracts.toml."""

    rules: tuple[Rule, ...]
    changes: tuple[Change, ...]

    def notes(self, name: str) -> tuple[Change, ...]:
        """The changes of one contract, newest first."""
        own = [change for change in self.changes if fnmatchcase(name, change.contract)]
        return tuple(sorted(own, key=lambda change: change.order, reverse=True))

    def version(self, name: str) -> str:
        """The newest version of one contract; Misconfigured when no line names it."""
        notes = self.notes(name)
        if not notes:
            raise Misconfigured("no_version", "no change line names this contract", name)
        return notes[0].version


def declared() -> Declared:
    """The data file of the shipped contracts."""
    return parse_declared((files("exchange") / "data" / "contracts.toml").read_text("utf-8"))


def parse_declared(text: str) -> Declared:
    """Rules and changes of the text of contracts.toml; Misconfigured."""
    try:
        data = tomllib.loads(text)
        changes = tuple(_change(one) for one in data.get("change", ()))
        return Declared(rules_from(data.get("rule", ())), changes)
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as fault:
        raise Misconfigured("bad_contracts", str(fault), "contracts.toml") from None


def _change(one: Mapping[str, Any]) -> Change:
    change = Change(one["contract"], one["version"], str(one["date"]), one["note"])
    if len(change.order) != 2:
        raise ValueError(f"{change.version} is not MAJOR.MINOR")
    return change


def parse_lock(text: str) -> Lock:
    """The lock file's content; Misconfigured."""
    try:
        return {name: (one["version"], one["sha256"]) for name, one in tomllib.loads(text).items()}
    except (tomllib.TOMLDecodeError, KeyError, TypeError) as fault:
        raise Misconfigured("bad_lock", str(fault), "contracts.lock.toml") from None


def lock_text(lock: Lock) -> str:
    """The lock file, one line a contract."""
    lines = [
        f'"{name}" = {{ version = "{v}", sha256 = "{digest}" }}' for name, (v, digest) in sorted(lock.items())
    ]
    head = (
        "# What was last published; `tongban contracts --lock` writes it, and only with a new version line."
    )
    return "\n".join([head, *lines]) + "\n"


def unversioned(lock: Lock, now: Lock) -> list[str]:
    """Contracts whose bytes changed, or that are gone, without a newer version line."""
    changed = [name for name, (version, digest) in now.items() if _stale(lock.get(name), version, digest)]
    return sorted([*changed, *(name for name in lock if name not in now)])


def _stale(locked: tuple[str, str] | None, version: str, digest: str) -> bool:
    return locked is not None and locked[1] != digest and not _newer(version, locked[0])


def _newer(version: str, old: str) -> bool:
    parts: Sequence[tuple[int, ...]] = [tuple(map(int, text.split("."))) for text in (version, old)]
    return parts[0] > parts[1]

"""The record of what was published: the lock of every contract and the baseline of the message schemas."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exchange.errors import Misconfigured
from exchange.publishing.compatibility import compare
from exchange.publishing.contracts import Contract, lock_of
from exchange.publishing.jsonschemas import ENVELOPE, RECEIPT
from exchange.publishing.versions import Declared, Lock, lock_text, parse_lock, unversioned

SCHEMAS = "schemas/"


@dataclass(frozen=True, slots=True)
class Repository:
    """Where a source tree keeps the record."""

    root: Path

    @property
    def lock_file(self) -> Path:
        return self.root / "exchange" / "data" / "contracts.lock.toml"

    @property
    def baseline(self) -> Path:
        """The folder of the message schemas as last published."""
        return self.root / "docs" / "contracts-baseline"

    def lock(self) -> Lock:
        """The recorded lock, empty before the first publication."""
        return parse_lock(self.lock_file.read_text("utf-8")) if self.lock_file.is_file() else {}

    def schemas(self) -> dict[str, dict[str, Any]]:
        """The recorded message schemas by contract name."""
        files = sorted(self.baseline.glob("*.json"))
        return {f"{SCHEMAS}{path.name}": json.loads(path.read_text("utf-8")) for path in files}


def breaking(baseline: Mapping[str, dict[str, Any]], found: Mapping[str, Contract]) -> list[str]:
    """What today's message schemas break of the baseline, each line with the contract's name. New message
    types are additions; the envelope grows with them."""
    lines: list[str] = []
    for name, old in baseline.items():
        if name not in found:
            lines.append(f"{name}: removed")
            continue
        lines += [f"{name}{line}" for line in _compared(name, old, json.loads(found[name].body))]
    return lines


def _compared(name: str, old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    if name == f"{SCHEMAS}{RECEIPT}.json":
        return compare(old, new, "received")
    if name == f"{SCHEMAS}{ENVELOPE}.json":
        return compare(_without_types(old), _without_types(new))
    return compare(old, new)


def locked(here: Repository, found: Mapping[str, Contract], declared: Declared) -> int:
    """Records these contracts; how many changed. Misconfigured breaking_change or no_version."""
    broken = breaking(here.schemas(), found)
    if broken:
        raise Misconfigured("breaking_change", "; ".join(broken), "needs a new message version (*.v2)")
    before, now = here.lock(), lock_of(found, declared)
    silent = unversioned(before, now)
    if silent:
        detail = f"changed without a version line in contracts.toml: {', '.join(silent)}"
        raise Misconfigured("no_version", detail, "contracts.toml")
    here.lock_file.write_text(lock_text(now), "utf-8")
    _keep(here.baseline, found)
    return sum(before.get(name) != one for name, one in now.items())


def _keep(baseline: Path, found: Mapping[str, Contract]) -> None:
    baseline.mkdir(exist_ok=True)
    for name, one in found.items():
        if name.startswith(SCHEMAS):
            (baseline / name.removeprefix(SCHEMAS)).write_bytes(one.body)


def _without_types(envelope: dict[str, Any]) -> dict[str, Any]:
    """The envelope without what only lists the message types."""
    members = {name: one for name, one in envelope["properties"].items() if name != "type"}
    return {key: value for key, value in envelope.items() if key != "allOf"} | {"properties": members}

"""Salts and values against the commitments in the leaves."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ledger.draft import SALT_SIZE, commitment
from ledger.erasure import Erasures
from ledger.report import Finding

ValueOf = Callable[[int, str], bytes | None]
"""The value an entry committed to under a name, None if it is no longer there."""


class Disclosures:
    """Collects what is missing on the way; erasure entries, which come later, excuse it at the end."""

    def __init__(self, value_of: ValueOf | None, findings: list[Finding]) -> None:
        self._value_of, self._findings = value_of, findings
        self._missing: list[tuple[int, str, str]] = []

    def page(self, leaves: Mapping[int, Mapping[str, str] | None], salts: Iterable[Any]) -> None:
        """Check the salts of a page of entries; `leaves` holds their commitments, None where unreadable."""
        stored = {(seq, name): salt for seq, name, salt in salts}
        for seq, commitments in leaves.items():
            for name, expected in (commitments or {}).items():
                self._one(seq, name, expected, stored.pop((seq, name), None))
        for seq, name in stored:
            if leaves.get(seq, {}) is not None:
                self._findings.append(
                    _at(seq, "disclosure", f"a salt for {name!r}, which it does not commit to")
                )

    def _one(self, seq: int, name: str, expected: str, salt: object) -> None:
        if salt is None:
            self._missing.append((seq, name, "salt"))
            return
        if not isinstance(salt, bytes) or len(salt) != SALT_SIZE:
            self._findings.append(_at(seq, "disclosure", f"the salt of {name} is not {SALT_SIZE} bytes"))
        elif self._value_of is not None:
            self._value(seq, name, expected, salt, self._value_of(seq, name))

    def _value(self, seq: int, name: str, expected: str, salt: bytes, value: bytes | None) -> None:
        if value is None:
            self._missing.append((seq, name, "value"))
        elif commitment(salt, value) != expected:
            message = f"value or salt of {name} was altered: the commitment does not open"
            self._findings.append(_at(seq, "commitment", message))

    def finish(self, erasures: Erasures, salts_between: Callable[[int, int], Iterable[Any]]) -> None:
        """Report what is missing without an erasure, and salts that outlived theirs."""
        for seq, name, what in self._missing:
            if not erasures.cover(seq, name):
                self._findings.append(
                    _at(seq, "value_missing", f"the {what} of {name} is gone without an erasure")
                )
        for low, high, erased in erasures.spans():
            for seq, name, _ in salts_between(low, high):
                if erased not in ("", name):
                    continue
                self._findings.append(
                    _at(seq, "salt_kept", f"{name} was to be erased, its salt is still there")
                )


def _at(seq: object, rule: str, message: str) -> Finding:
    return Finding(rule, seq if isinstance(seq, int) else repr(seq), message)

"""What a verification says: findings with their place, and one of three verdicts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

INCOMPLETE = frozenset({"missing", "leftover", "value_missing", "salt_kept"})
"""Rules whose breach means that something is absent or unfinished; every other breach is tampering."""

WHOLE, TAMPERED, UNFINISHED = "whole", "tampered", "incomplete"
EXIT_CODES: Mapping[str, int] = {WHOLE: 0, TAMPERED: 1, UNFINISHED: 2}

LISTED_GAP = 256
"""Neighbours missing one by one are listed one by one up to this many, as one range beyond."""


def printable(text: str, limit: int = 300) -> str:
    """Text from a hostile file, safe to print: nothing a terminal would obey, bounded."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[:limit])
    return shown if len(text) <= limit else shown + "…"


@dataclass(frozen=True, slots=True)
class Finding:
    """One piece of damage: the rule broken, the entry number or file, and a sentence."""

    rule: str
    where: int | str
    message: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", printable(self.message))
        if isinstance(self.where, str):
            object.__setattr__(self, "where", printable(self.where))

    @property
    def status(self) -> str:
        """What this finding alone would make of the whole."""
        return UNFINISHED if self.rule in INCOMPLETE else TAMPERED

    def __str__(self) -> str:
        place = f"entry {self.where}" if isinstance(self.where, int) else self.where
        return f"{self.status}: {place}: {self.message} [{self.rule}]"


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome: the size and root the log claims, the entries read, everything found."""

    size: int
    root: bytes
    findings: tuple[Finding, ...] = ()
    entries: int = 0

    @property
    def status(self) -> str:
        """`whole`, `tampered` or `incomplete`; tampering outranks absence."""
        found = {finding.status for finding in self.findings}
        return TAMPERED if TAMPERED in found else UNFINISHED if found else WHOLE

    @property
    def exit_code(self) -> int:
        """0 whole, 1 tampered, 2 incomplete."""
        return EXIT_CODES[self.status]

    def as_dict(self) -> dict[str, object]:
        """For JSON; the root in hexadecimal."""
        findings = [{"rule": f.rule, "where": f.where, "message": f.message} for f in self.findings]
        whole = {"status": self.status, "size": self.size, "root": self.root.hex(), "entries": self.entries}
        return {**whole, "findings": findings}


def gap(low: int, high: int) -> Iterator[tuple[int, int]]:
    """The missing numbers low..high-1: one by one if few, as one range if many."""
    if high - low > LISTED_GAP:
        yield low, high
    else:
        yield from ((number, number + 1) for number in range(low, high))

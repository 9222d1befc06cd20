"""What is still open in an adapter's folder, each point with its place and what to do about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal[
    "unread", "unfilled", "unmapped", "unknown_code", "unconfirmed", "bad_value", "broken", "todo",
    "missing_sample", "sample_differs",
]  # fmt: skip
SAID: dict[Kind, tuple[str, str]] = {
    "broken": ("fault in a file", "faults in files"),
    "unread": ("field unread", "fields unread"),
    "unfilled": ("canonical field unfilled", "canonical fields unfilled"),
    "unmapped": ("optional canonical field unmapped", "optional canonical fields unmapped"),
    "unknown_code": ("code unknown", "codes unknown"),
    "bad_value": ("value not understood", "values not understood"),
    "unconfirmed": ("guess unconfirmed", "guesses unconfirmed"),
    "todo": ("TODO left", "TODOs left"),
    "missing_sample": ("sample missing", "samples missing"),
    "sample_differs": ("sample differs", "samples differ"),
}
"""How many of one kind are counted in the summary, one and several; also the order of work."""


@dataclass(frozen=True, slots=True)
class Edit:
    """A suggested change of one file: line `line` (from 1) becomes `new`; `insert` puts `new` before it
    instead; None takes the line out."""

    file: str
    line: int
    new: str | None
    insert: bool = False


@dataclass(frozen=True, slots=True)
class Point:
    """One open point: `path` is the wire path or canonical path it concerns, `file` lies in the folder."""

    kind: Kind
    file: str
    line: int
    path: str
    detail: str
    suggestion: str
    edit: Edit | None = None

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.path}: {self.detail}; {self.suggestion}"


@dataclass(frozen=True, slots=True)
class Walk:
    """Everything open in one folder, in the order of work; nothing open means that the hub loads it."""

    adapter: str
    points: tuple[Point, ...]

    @property
    def complete(self) -> bool:
        """Whether nothing is open."""
        return not self.points

    @property
    def next(self) -> Point | None:
        """What to do first."""
        return self.points[0] if self.points else None

    @property
    def counts(self) -> dict[Kind, int]:
        """How many points of each kind there are."""
        found = Counter(point.kind for point in self.points)
        return {kind: found[kind] for kind in SAID if found[kind]}

    @property
    def summary(self) -> str:
        """`3 fields unread, 2 canonical fields unfilled`, or `nothing is open`."""
        said = [f"{count} {SAID[kind][count != 1]}" for kind, count in self.counts.items()]
        return ", ".join(said) or "nothing is open"

    def of(self, kind: Kind) -> tuple[Point, ...]:
        """The points of one kind."""
        return tuple(point for point in self.points if point.kind == kind)


def ordered(adapter: str, points: Iterable[Point]) -> Walk:
    """The walk over these points: by kind in the order of work, then by place; none twice."""
    order = list(SAID)
    unique = dict.fromkeys(points)
    return Walk(adapter, tuple(sorted(unique, key=lambda one: (order.index(one.kind), one.file, one.line))))


def apply(folder: Path, edits: Iterable[Edit]) -> None:
    """Carry out suggestions; of two for the same line the first counts."""
    by_file: dict[str, dict[tuple[int, str], Edit]] = {}
    for edit in edits:
        key = (edit.line, edit.new or "") if edit.insert else (edit.line, "")
        by_file.setdefault(edit.file, {}).setdefault(key, edit)
    for name, found in by_file.items():
        path = folder / name
        lines = path.read_text("utf-8").splitlines()
        for edit in sorted(found.values(), key=lambda one: (-one.line, one.insert)):
            lines[edit.line - 1 : edit.line - 1 + (not edit.insert)] = [] if edit.new is None else [edit.new]
        path.write_text("\n".join(lines) + "\n", "utf-8")

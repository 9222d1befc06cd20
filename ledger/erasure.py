"""How an `erasure` entry names what was erased: ranges of entries and, optionally, names of values."""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise

from ledger.errors import LedgerError

KIND = "erasure"
"""Kind of the entry that says which values were erased, by whose order and on what legal basis."""

_RANGES = re.compile(r"[0-9]{1,16}(-[0-9]{1,16})?(,[0-9]{1,16}(-[0-9]{1,16})?)*", re.ASCII)


def erasure_note(
    seqs: Iterable[int], names: Iterable[str] = (), **reasons: str | int
) -> dict[str, str | int]:
    """The note of an erasure entry: entries as ranges, names of values (none: all), the order."""
    ordered = sorted(set(seqs))
    if not ordered or ordered[0] < 0:
        raise LedgerError("erasure_malformed", "an erasure names at least one entry")
    note: dict[str, str | int] = {"seqs": ",".join(_ranges(ordered)), **reasons}
    joined = ",".join(sorted(names))
    return {**note, "names": joined} if joined else note


def _ranges(ordered: list[int]) -> Iterable[str]:
    starts = [ordered[0], *(later for earlier, later in pairwise(ordered) if later != earlier + 1)]
    ends = [*(earlier for earlier, later in pairwise(ordered) if later != earlier + 1), ordered[-1]]
    return [str(low) if low == high else f"{low}-{high}" for low, high in zip(starts, ends, strict=True)]


class Erasures:
    """What the erasure entries of a log cover; an erasure covers earlier entries only."""

    def __init__(self) -> None:
        self._spans: dict[str, list[tuple[int, int]]] = {}
        self._sorted = True

    def add(self, seq: int, note: Mapping[str, object]) -> bool:
        """Take in the note of the erasure entry `seq`; False if it does not say what it erased."""
        seqs, names = note.get("seqs"), note.get("names", "")
        if not isinstance(seqs, str) or not isinstance(names, str) or not _RANGES.fullmatch(seqs):
            return False
        spans = [_span(part) for part in seqs.split(",")]
        for name in names.split(","):
            self._spans.setdefault(name, []).extend((low, min(high, seq - 1)) for low, high in spans)
        self._sorted = False
        return all(low <= high < seq for low, high in spans)

    def cover(self, seq: int, name: str) -> bool:
        """Whether an erasure entry accounts for the missing value `name` of entry `seq`."""
        if not self._sorted:
            self._spans = {key: _merged(spans) for key, spans in self._spans.items()}
            self._sorted = True
        return any(_inside(self._spans.get(key, []), seq) for key in ("", name))

    def spans(self) -> Iterator[tuple[int, int, str]]:
        """(first entry, last entry, name of the value or empty for all) of everything erased."""
        for name, spans in self._spans.items():
            yield from ((low, high, name) for low, high in _merged(spans))


def _span(part: str) -> tuple[int, int]:
    low, _, high = part.partition("-")
    return int(low), int(high or low)


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for low, high in sorted(spans):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], high))
        elif low <= high:
            merged.append((low, high))
    return merged


def _inside(spans: list[tuple[int, int]], seq: int) -> bool:
    index = bisect_right(spans, seq, key=lambda span: span[0]) - 1
    return index >= 0 and spans[index][1] >= seq

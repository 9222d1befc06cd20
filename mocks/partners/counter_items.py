"""The list of items in force, which somebody else writes, and the facts of a case drawn from it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from mocks.partners.counter_papers import Item

PATIENCE = 60.0  # seconds to wait for the list of items


class Items:
    """Read once, and again when asked."""

    def __init__(self, path: Path) -> None:
        self._path, self._items, self._lock = path, list[Item](), threading.Lock()
        self._since = time.monotonic()

    @property
    def missing(self) -> bool:
        """Whether the list has not come in time."""
        return not self._items and time.monotonic() - self._since > PATIENCE

    def reload(self) -> None:
        """Reads the list anew at the next use."""
        with self._lock:
            self._items, self._since = [], time.monotonic()

    def all(self) -> Sequence[Item]:
        """Empty while the list is not there."""
        with self._lock:
            if not self._items:
                self._items = [item for raw in read_list(self._path) if (item := _item(raw))]
            return self._items

    def raw(self) -> list[dict[str, object]]:
        """The entries as they are written, each item once."""
        return list({str(one.get("code")): one for one in read_list(self._path)}.values())

    def by_code(self, code: str) -> Item | None:
        """The item of an implementation code."""
        return next((item for item in self.all() if item.code == code), None)


def read_list(path: Path) -> list[dict[str, object]]:
    """The objects of the file, none while it cannot be read."""
    try:
        raw = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return []
    listed = raw if isinstance(raw, list) else []
    return [one for one in listed if isinstance(one, dict)]


def _item(raw: Mapping[str, object]) -> Item | None:
    """None for an item nobody can apply for: half of it is missing."""
    try:
        return Item.read(raw)
    except (KeyError, ValueError):
        return None


def chosen(n: int, items: Sequence[Item]) -> Item:
    """The item of the n-th case: every item has its turn, in the order of the list."""
    return items[n % len(items)]

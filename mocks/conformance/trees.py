"""Places in a wire tree: reaching, changing and leaving out, always on a copy."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any

Step = str | int
Place = tuple[Step, ...]
_PART = re.compile(r"([^/\[\]]+)|\[(\d+)\]")


def place_of(path: str) -> Place:
    """`messages[0]/content` as steps."""
    return tuple(found[1] or int(found[2]) for found in _PART.finditer(path))


def written(place: Place) -> str:
    """A place as refusals write it."""
    return "".join(f"[{one}]" if isinstance(one, int) else f"/{one}" for one in place).removeprefix("/")


def leaves(tree: Any, at: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Every single value with its place."""
    if isinstance(tree, dict | list):
        for step, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
            yield from leaves(value, (*at, step))
    else:
        yield at, tree


def reach(tree: Any, place: Place) -> Any:
    """The value there, or None."""
    for step in place:
        try:
            tree = tree[step]
        except (KeyError, IndexError, TypeError):
            return None
    return tree


def put(tree: Any, place: Place, value: Any) -> Any:
    """A copy with another value there."""
    changed = copy.deepcopy(tree)
    part = changed
    for step in place[:-1]:
        part = part[step]
    part[place[-1]] = value
    return changed


def without(tree: Any, place: Place) -> Any:
    """A copy with that member left out."""
    changed = copy.deepcopy(tree)
    part = changed
    for step in place[:-1]:
        part = part[step]
    del part[place[-1]]
    return changed

"""Wire paths: names by `/`, `@name` an attribute, `name[]` the only entry of a list."""

from typing import Any


def at(tree: Any, path: str) -> Any:
    """The wire value at a path (`head/status`, `messages[]/mobile`), or None."""
    for name in path.split("/"):
        tree = tree.get(name.removesuffix("[]")) if isinstance(tree, dict) else None
        if name.endswith("[]"):
            tree = tree[0] if isinstance(tree, list) and len(tree) == 1 else None
    return tree


def every(tree: Any, path: str) -> list[Any]:
    """The wire values at a path whose `name[]` stands for all entries of a list; None where one has none."""
    found = [tree]
    for name in path.split("/"):
        found = [one.get(name.removesuffix("[]")) if isinstance(one, dict) else None for one in found]
        if name.endswith("[]"):
            found = [entry for one in found for entry in (one if isinstance(one, list) else [None])]
    return found

"""Wire paths: names by `/`, `@name` an attribute, `name[]` the only entry of a list."""

from typing import Any


def at(tree: Any, path: str) -> Any:
    """The wire value at a path (`head/status`, `messages[]/mobile`), or None."""
    for name in path.split("/"):
        tree = tree.get(name.removesuffix("[]")) if isinstance(tree, dict) else None
        if name.endswith("[]"):
            tree = tree[0] if isinstance(tree, list) and len(tree) == 1 else None
    return tree

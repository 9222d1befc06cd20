"""The shared-secret digests some partners put into their documents; what protects a message is its seal."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from exchange.mapping.paths import every


def hex_digest(algorithm: str, parts: Sequence[str], context: Mapping[str, Any], tree: Any) -> str | None:
    """Over the parts joined: `{name}` of the call context or a wire path (of a list's entries with commas);
    None when one is not known."""
    found = [context.get(one[1:-1]) if one.startswith("{") else _joined(every(tree, one)) for one in parts]
    if None in found:
        return None
    return hashlib.new(algorithm, "".join(map(str, found)).encode(), usedforsecurity=False).hexdigest()


def _joined(values: Sequence[Any]) -> str | None:
    return None if not values or None in values else ",".join(map(str, values))

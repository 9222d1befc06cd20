"""Lines of the folder's TOML files as a person would write them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+", re.ASCII).fullmatch


def value(one: Any) -> str:
    """A TOML value on one line."""
    if isinstance(one, bool):
        return str(one).lower()
    if isinstance(one, Mapping):
        inner = ", ".join(f"{key(name)} = {value(held)}" for name, held in one.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(one, list | tuple):
        return f"[{', '.join(value(held) for held in one)}]"
    return str(one) if isinstance(one, int | float) else text(str(one))


def key(name: str) -> str:
    """A TOML key, quoted where it must be."""
    return name if _BARE(name) else text(name)


def text(words: str) -> str:
    """A basic TOML string: JSON's escapes are TOML's, but for the delete character."""
    return json.dumps(words, ensure_ascii=False).replace("\x7f", "\\u007f")


def line(entry: Mapping[str, Any]) -> str:
    """One field of a mapping."""
    return f"  {value(entry)},"


def comment(words: str) -> str:
    """Text that stays within one comment line."""
    return "# " + " ".join("".join(sign if sign.isprintable() else " " for sign in words).split())[:200]

"""Identifiers of the hall's own rows: UUIDv7 (RFC 9562), so that rows of one time lie together."""

import secrets
from collections.abc import Callable
from uuid import UUID

_VERSION, _VARIANT = 0x7 << 76, 0b10 << 62
_RANDOM = (0xFFF << 64) | ((1 << 62) - 1)


def new_id(at: float, random: Callable[[int], bytes] = secrets.token_bytes) -> str:
    """A UUIDv7 of the moment `at` (Unix seconds) with 74 random bits."""
    stamp = int(at * 1000) & ((1 << 48) - 1)
    drawn = int.from_bytes(random(10)) & ((1 << 80) - 1)
    return str(UUID(int=stamp << 80 | _VERSION | _VARIANT | (drawn & _RANDOM)))

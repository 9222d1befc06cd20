"""One byte form for one value: JSON by RFC 8785 (JCS), so that two parties who mean the same hash the same.

Takes what canonical messages consist of: dict with str keys, list, tuple, str, int, bool, None. Floats are
refused: canonical carries none (money is text), so every number is its plain decimal digits. Refused too are
integers beyond 2^53-1, which RFC 8785 cannot tell apart, lone surrogates, and nesting deeper than 64.
"""

import json
from hashlib import sha256

from canonical.errors import ValueRefused
from canonical.values import Digest

LARGEST = 2**53 - 1
DEEPEST = 64

# json.dumps and RFC 8785 write strings alike: two-character escapes where JSON has them, else \u00xx in lower
# case below U+0020, and everything above as it is.
_in_order = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":")).encode
_sorted = json.JSONEncoder(
    ensure_ascii=False, check_circular=False, separators=(",", ":"), sort_keys=True
).encode


def canonical_bytes(value: object) -> bytes:
    """The UTF-8 bytes of RFC 8785; refuses not_json, not_integer, too_large, lone_surrogate, too_deep."""
    beyond_bmp = _inspect(value, DEEPEST)
    try:
        # Code points order keys as UTF-16 code units do, unless some key leaves the Basic Multilingual Plane.
        return (_in_order(_reordered(value)) if beyond_bmp else _sorted(value)).encode()
    except UnicodeEncodeError:
        raise ValueRefused("lone_surrogate", "text with a lone surrogate has no UTF-8 form") from None


def digest(value: object) -> Digest:
    """SHA-256 of the canonical bytes, in hexadecimal."""
    return Digest(sha256(canonical_bytes(value)).hexdigest())


def _inspect(value: object, depth: int) -> bool:
    """Refuses what has no canonical form; tells whether any key has a character beyond the BMP."""
    if isinstance(value, str) or value is None or value is True or value is False:
        return False
    if isinstance(value, dict):
        return _inspect_members(value, _deeper(depth))
    if isinstance(value, list | tuple):
        below = _deeper(depth)
        return any([_inspect(item, below) for item in value])
    _inspect_number(value)
    return False


def _inspect_members(members: dict[object, object], depth: int) -> bool:
    beyond_bmp = False
    for key, item in members.items():
        if not isinstance(key, str):
            raise ValueRefused("not_json", f"a member is named by text, not {type(key).__name__}")
        beyond_bmp |= not key.isascii() and max(key) > "\uffff"
        beyond_bmp |= _inspect(item, depth)
    return beyond_bmp


def _inspect_number(value: object) -> None:
    if isinstance(value, float):
        raise ValueRefused("not_integer", "floats have no place in a canonical value")
    if not isinstance(value, int):
        raise ValueRefused("not_json", f"{type(value).__name__} has no JSON form")
    if not -LARGEST <= value <= LARGEST:
        raise ValueRefused("too_large", "an integer beyond 2^53-1 has no canonical form")


def _deeper(depth: int) -> int:
    if depth == 0:
        raise ValueRefused("too_deep", f"nested deeper than {DEEPEST}")
    return depth - 1


def _reordered(value: object) -> object:
    """The same value with members in the order of their names' UTF-16 code units (RFC 8785 section 3.2.3)."""
    if isinstance(value, dict):
        return {key: _reordered(value[key]) for key in sorted(value, key=_utf16)}
    return [_reordered(item) for item in value] if isinstance(value, list | tuple) else value


def _utf16(key: str) -> bytes:
    return key.encode("utf-16-be")

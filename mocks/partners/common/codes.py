"""Codes several contracts carry, by their national standards."""

from __future__ import annotations

from typing import Final

CREDIT_ALPHABET: Final = "0123456789ABCDEFGHJKLMNPQRTUWXY"  # GB 32100: no I, O, S, V, Z


def is_credit_code(text: str) -> bool:
    """Whether a text is a unified social credit code with the right check character (GB 32100)."""
    if len(text) != 18 or any(character not in CREDIT_ALPHABET for character in text):
        return False
    values = [CREDIT_ALPHABET.index(character) for character in text]
    total = sum(value * pow(3, place, 31) for place, value in enumerate(values[:17]))
    return values[17] == (31 - total % 31) % 31

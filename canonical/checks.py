"""Check-character algorithms as their standards print them; pure text in, one character out.

Callers pass text already known to be in the algorithm's alphabet.
"""

ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
ID_CHECKS = "10X98765432"
CREDIT_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
CREDIT_WEIGHTS = tuple(pow(3, i, 31) for i in range(17))
ALPHANUMERIC = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"

_CREDIT_VALUE = {c: i for i, c in enumerate(CREDIT_ALPHABET)}
_ALPHANUMERIC_VALUE = {c: i for i, c in enumerate(ALPHANUMERIC)}


def mod_11_2(first17: str) -> str:
    """ISO 7064 MOD 11-2 with the weights of GB 11643-1999: the 18th character of an ID number, 0-9 or X."""
    return ID_CHECKS[sum(int(c) * w for c, w in zip(first17, ID_WEIGHTS, strict=True)) % 11]


def mod_31(first17: str) -> str:
    """GB 32100-2015: weights 3^i mod 31, alphabet without I O S V Z; the 18th character of a credit code."""
    total = sum(_CREDIT_VALUE[c] * w for c, w in zip(first17, CREDIT_WEIGHTS, strict=True))
    return CREDIT_ALPHABET[-total % 31]


def mod_37_36(text: str) -> str:
    """ISO/IEC 7064 MOD 37,36, the hybrid system over 0-9A-Z used by GB/T 36904 certificate identifiers."""
    product = 36
    for c in text:
        product = ((product + _ALPHANUMERIC_VALUE[c]) % 36 or 36) * 2 % 37
    return ALPHANUMERIC[(37 - product) % 36]

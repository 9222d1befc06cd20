"""Contact data that a correction keeps is encrypted at rest, its key derived from the hub's own secret."""

import hashlib
import hmac
import json
import os
from collections.abc import Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hallservice.refusals import HallRefused

NONCE = 12  # bytes, NIST SP 800-38D


def sealed(secret: bytes, about: str, told: Mapping[str, str]) -> bytes:
    """Opens only for the same `about`."""
    nonce = os.urandom(NONCE)
    return nonce + _cipher(secret).encrypt(nonce, json.dumps(told).encode(), about.encode())


def opened(secret: bytes, about: str, kept: bytes) -> dict[str, str]:
    """What was sealed; HallRefused tampered where it is not what was kept."""
    try:
        told: dict[str, str] = json.loads(_cipher(secret).decrypt(kept[:NONCE], kept[NONCE:], about.encode()))
    except InvalidTag:
        raise HallRefused("tampered", "更正记录已被改动，无法读取，请联系系统管理员") from None
    return told


def _cipher(secret: bytes) -> AESGCM:
    return AESGCM(hmac.digest(secret, b"hall applicants: contacts", hashlib.sha256))

"""Statements of the hub anybody can check: a compact JWS (RFC 7515) over canonical JSON, by the EC key."""

from __future__ import annotations

import base64
import json
from datetime import datetime
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509 import Certificate

from canonical.form import canonical_bytes
from exchange.errors import Misconfigured, Tampered
from exchange.seals.keys import SigningKey, check_validity, key_id

HALF = 32  # bytes of r and of s


def sign(value: dict[str, Any], key: SigningKey, kind: str) -> str:
    """The statement as `header.payload.signature`; `kind` is its `typ`."""
    if not isinstance(key.private, EllipticCurvePrivateKey):
        raise Misconfigured("key_unusable", "statements are signed by the hub's EC key")
    head = json.dumps({"alg": "ES256", "kid": key_id(key.certificate), "typ": kind}, separators=(",", ":"))
    signed = f"{_encode(head.encode())}.{_encode(canonical_bytes(value))}"
    r, s = decode_dss_signature(key.private.sign(signed.encode(), ECDSA(SHA256())))
    return f"{signed}.{_encode(r.to_bytes(HALF, 'big') + s.to_bytes(HALF, 'big'))}"


def read(token: str, certificate: Certificate, kind: str, now: datetime) -> dict[str, Any]:
    """What a statement says; Tampered unless this certificate signed it as this kind."""
    try:
        head, payload, signature = token.split(".")
        header, value = json.loads(_decode(head)), json.loads(_decode(payload))
        _check(f"{head}.{payload}".encode(), _decode(signature), certificate)
    except (ValueError, InvalidSignature) as fault:
        raise Tampered("seal_invalid", "the statement's signature does not hold") from fault
    wanted = {"alg": "ES256", "kid": key_id(certificate), "typ": kind}
    if header != wanted or not isinstance(value, dict):
        raise Tampered("seal_invalid", "the statement is of another kind or key")
    check_validity(certificate, now)
    return value


def _check(signed: bytes, value: bytes, certificate: Certificate) -> None:
    key = certificate.public_key()
    if not isinstance(key, EllipticCurvePublicKey) or len(value) != 2 * HALF:
        raise ValueError("not ES256")
    r, s = int.from_bytes(value[:HALF], "big"), int.from_bytes(value[HALF:], "big")
    key.verify(encode_dss_signature(r, s), signed, ECDSA(SHA256()))


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if _encode(data) != text:
        raise ValueError("not canonical base64url")
    return data

"""Detached JWS over raw bytes (RFC 7515, RFC 7797), the profile of docs/wire.md, on `cryptography` alone."""

from __future__ import annotations

import base64
import binascii
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from mocks.partners.common import strictjson
from mocks.partners.common.clock import Clock
from mocks.partners.common.keys import Certificates, PrivateKey, key_id

HEADER = "X-Gov-Signature"
WINDOW = 300  # seconds either side
FIXED = frozenset({"alg", "b64", "crit", "kid", "iat", "nonce"})
NONCE = re.compile(r"[A-Za-z0-9_-]{16,64}", re.ASCII)
LONGEST = 8192  # characters of a header value worth reading
Bound = Mapping[str, str | int]
"""What the bytes are bound to: method and path; status and req; exchange and routing_key."""


class BadSeal(Exception):
    """The seal does not hold; the text says which rule it breaks."""


@dataclass(frozen=True)
class Seal:
    """The members of a protected header that was verified."""

    kid: str
    iat: int
    nonce: str


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    """Base64url without padding; the one spelling of its bytes, or BadSeal."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadSeal("base64url") from error
    if _encode(data) != text:
        raise BadSeal("base64url")
    return data


def new_nonce() -> str:
    """32 characters of 192 random bits."""
    return secrets.token_urlsafe(24)


def _raw_signature(key: PrivateKey, data: bytes) -> bytes:
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(data, padding.PKCS1v15(), hashes.SHA256())
    r, s = decode_dss_signature(key.sign(data, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def _check_signature(key: object, alg: object, signature: bytes, data: bytes) -> None:
    """InvalidSignature if it does not verify; BadSeal if key and algorithm do not belong together."""
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1) and alg == "ES256":
        if len(signature) != 64:
            raise BadSeal("signature length")
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        return key.verify(encode_dss_signature(r, s), data, ec.ECDSA(hashes.SHA256()))
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= 2048 and alg == "RS256":
        return key.verify(signature, data, padding.PKCS1v15(), hashes.SHA256())
    raise BadSeal("alg")


def protected(value: str) -> dict[str, object]:
    """The protected header as claimed, nothing verified; BadSeal if it cannot be read."""
    parts = value.split(".")
    if len(value) > LONGEST or len(parts) != 3 or parts[1]:
        raise BadSeal("form")
    try:
        return strictjson.read_object(_decode(parts[0]))
    except strictjson.BadJson as error:
        raise BadSeal(str(error)) from error


def claimed_nonce(value: str | None) -> str | None:
    """The nonce an unverified seal claims, to bind a refusal to; None if there is none of the right form."""
    try:
        nonce = protected(value or "").get("nonce")
    except BadSeal:
        return None
    return nonce if isinstance(nonce, str) and NONCE.fullmatch(nonce) else None


def _same(given: object, wanted: str | int) -> bool:
    return type(given) is type(wanted) and given == wanted


def _seal(head: Mapping[str, object], bound: Bound, now: float) -> Seal:
    if head.keys() != FIXED | bound.keys():
        raise BadSeal("members")
    if head["b64"] is not False or head["crit"] != ["b64"]:
        raise BadSeal("b64")
    kid, iat, nonce = head["kid"], head["iat"], head["nonce"]
    if not isinstance(nonce, str) or not NONCE.fullmatch(nonce):
        raise BadSeal("nonce")
    if not isinstance(iat, int) or isinstance(iat, bool) or abs(now - iat) > WINDOW:
        raise BadSeal("iat")
    if wrong := [name for name, wanted in bound.items() if not _same(head[name], wanted)]:
        raise BadSeal(f"bound {wrong[0]}")
    return Seal(str(kid), iat, nonce)


def verify(value: str | None, body: bytes, trusted: Certificates, *, now: float, bound: Bound) -> Seal:
    """The verified header; BadSeal otherwise. Whether the nonce is new is the caller's to ask."""
    if value is None:
        raise BadSeal("missing")
    head = protected(value)
    seal = _seal(head, bound, now)
    certificate = trusted.get(seal.kid)
    if certificate is None:
        raise BadSeal("kid")
    if not certificate.not_valid_before_utc.timestamp() <= now <= certificate.not_valid_after_utc.timestamp():
        raise BadSeal("certificate not valid now")
    first, _, third = value.split(".")
    try:
        _check_signature(certificate.public_key(), head["alg"], _decode(third), first.encode() + b"." + body)
    except InvalidSignature as error:
        raise BadSeal("signature") from error
    return seal


@dataclass(frozen=True)
class Signer:
    """Seals with the partner's own key."""

    key: PrivateKey
    certificate: x509.Certificate
    clock: Clock

    def sign(
        self, body: bytes, bound: Bound, *, nonce: str | None = None, age: int = 0, spoil: bool = False
    ) -> str:  # fmt: skip
        """A detached JWS; `age` (seconds) and `spoil` are for the faults sig_expired and sig_bad."""
        head = {
            "alg": "RS256" if isinstance(self.key, rsa.RSAPrivateKey) else "ES256",
            "b64": False,
            "crit": ["b64"],
            "kid": key_id(self.certificate),
            "iat": int(self.clock()) - age,
            "nonce": nonce or new_nonce(),
            **bound,
        }
        first = _encode(strictjson.write(head))
        signature = _raw_signature(self.key, first.encode() + b"." + body)
        if spoil:
            signature = bytes([signature[0] ^ 1]) + signature[1:]
        return f"{first}..{_encode(signature)}"

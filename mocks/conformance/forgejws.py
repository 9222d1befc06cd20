"""Detached JWS seals, good and forged: each forgery is a line of data, the profile is docs/wire.md §3."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from exchange.seals.keys import SigningKey, key_id
from mocks.conformance.identity import Keys

SENT = ("rest", "amqp")
EVERY = (*SENT, "table")


@dataclass(frozen=True)
class Recipe:
    """How a seal departs from the profile. `change`: protected members set (None: left out); `bound`: what it
    is bound to instead; `shift`: seconds on its time; `key` signs, `kid` is named; `twist` and `body` are
    done after signing. `accepted`: it must be taken all the same."""

    id: str
    zh: str
    en: str
    change: Mapping[str, Any] = field(default_factory=dict)
    bound: Mapping[str, Any] = field(default_factory=dict)
    shift: int = 0
    key: str = "hub"
    kid: str = ""
    twist: str = ""
    body: str = ""
    accepted: bool = False
    on: tuple[str, ...] = EVERY


GOOD = Recipe("good", "正确签名", "a good seal", accepted=True)


@dataclass(frozen=True)
class Forged:
    """Header values to send (none, one or two) and the body as it leaves."""

    values: tuple[str, ...]
    body: bytes


def forge(
    recipe: Recipe, body: bytes, bound: Mapping[str, Any], keys: Keys, now: float, nonce: str
) -> Forged:
    """The seal of this recipe over the body."""
    signer = {"hub": keys.ec, "stranger": keys.stranger_ec, "rsa": keys.stranger_rsa}[recipe.key]
    named = {"": keys.ec, "own": signer, "stranger": keys.stranger_ec}.get(recipe.kid)
    header: dict[str, Any] = {
        "alg": "ES256", "b64": False, "crit": ["b64"],
        "kid": key_id(named.certificate) if named else recipe.kid,
        "iat": int(now) + recipe.shift, "nonce": nonce, **bound, **recipe.bound, **recipe.change,
    }  # fmt: skip
    header = {name: value for name, value in header.items() if value is not None}
    parts = Parts(header, signer, body)
    return Forged(TWISTS[recipe.twist](parts), BODIES[recipe.body](body))


@dataclass(frozen=True)
class Parts:
    """What a twist has to work with."""

    header: Mapping[str, Any]
    signer: SigningKey
    body: bytes

    @property
    def first(self) -> str:
        """The protected header, encoded."""
        return encode(json.dumps(self.header, separators=(",", ":")).encode())

    def signature(self, first: str) -> bytes:
        """r and s, or an RSA value, over the signing input of RFC 7797."""
        return raw_signature(self.signer, first.encode() + b"." + self.body)


def raw_signature(key: SigningKey, data: bytes) -> bytes:
    """ES256 (r and s) or RS256."""
    if isinstance(key.private, EllipticCurvePrivateKey):
        r, s = decode_dss_signature(key.private.sign(data, ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")
    return key.private.sign(data, padding.PKCS1v15(), hashes.SHA256())


def encode(data: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _plain(parts: Parts) -> tuple[str, ...]:
    first = parts.first
    return (f"{first}..{encode(parts.signature(first))}",)


def _altered(change: Callable[[bytes], bytes]) -> Callable[[Parts], tuple[str, ...]]:
    def twist(parts: Parts) -> tuple[str, ...]:
        first = parts.first
        return (f"{first}..{encode(change(parts.signature(first)))}",)

    return twist


def _attached(parts: Parts) -> tuple[str, ...]:
    first, middle = parts.first, encode(parts.body)
    return (f"{first}.{middle}.{encode(raw_signature(parts.signer, f'{first}.{middle}'.encode()))}",)


def _der(parts: Parts) -> tuple[str, ...]:
    first = parts.first
    key = parts.signer.private
    assert isinstance(key, EllipticCurvePrivateKey)  # noqa: S101 - this twist is of the hub's EC key alone
    return (f"{first}..{encode(key.sign(first.encode() + b'.' + parts.body, ECDSA(hashes.SHA256())))}",)


def _hmac(parts: Parts) -> tuple[str, ...]:
    """The public key as an HMAC secret: the classic confusion of algorithms."""
    pem = parts.signer.certificate.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    first = parts.first
    return (f"{first}..{encode(hmac.new(pem, first.encode() + b'.' + parts.body, hashlib.sha256).digest())}",)


def _twice_in_header(parts: Parts) -> tuple[str, ...]:
    """The member iat twice: readers differ in which one counts."""
    text = json.dumps(parts.header, separators=(",", ":"))
    first = encode((text[:-1] + f',"iat":{parts.header.get("iat", 0)}}}').encode())
    return (f"{first}..{encode(parts.signature(first))}",)


def _without_b64(parts: Parts) -> tuple[str, ...]:
    """Signed as RFC 7515 alone says: over the encoded body."""
    first = parts.first
    signed = f"{first}.{encode(parts.body)}".encode()
    return (f"{first}..{encode(raw_signature(parts.signer, signed))}",)


def _padded(parts: Parts) -> tuple[str, ...]:
    (token,) = _plain(parts)
    return (token + "=" * (-len(token.rsplit(".", 1)[1]) % 4 or 2),)


def _spelled(parts: Parts) -> tuple[str, ...]:
    """Another spelling of the same bytes: the unused low bits of the last character."""
    (token,) = _plain(parts)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return (token[:-1] + alphabet[alphabet.index(token[-1]) ^ 1],)


TWISTS: dict[str, Callable[[Parts], tuple[str, ...]]] = {
    "": _plain,
    "none": lambda parts: (),
    "empty": lambda parts: ("",),
    "garbage": lambda parts: ("not-a-signature",),
    "twice": lambda parts: _plain(parts) * 2,
    "flipped": _altered(lambda value: bytes([value[0] ^ 1]) + value[1:]),
    "cut": _altered(lambda value: value[:-1]),
    "zero": _altered(lambda value: bytes(64)),
    "unsigned": _altered(lambda value: b""),
    "attached": _attached,
    "der": _der,
    "hmac": _hmac,
    "twice_member": _twice_in_header,
    "encoded": _without_b64,
    "padded": _padded,
    "spelled": _spelled,
}

BODIES: dict[str, Callable[[bytes], bytes]] = {
    "": lambda body: body,
    "digit": lambda body: _last_digit(body),
    "space": lambda body: body + b" ",
    "cut": lambda body: body[:-1],
    "empty": lambda body: b"{}",
}


def _last_digit(body: bytes) -> bytes:
    """One digit of the content is another: still well-formed, still plausible."""
    at = next(i for i in range(len(body) - 1, -1, -1) if body[i : i + 1].isdigit())
    other = b"1" if body[at : at + 1] != b"1" else b"2"
    return body[:at] + other + body[at + 1 :]

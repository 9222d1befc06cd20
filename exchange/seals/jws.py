"""Detached JWS over raw body bytes (RFC 7515 with RFC 7797), exactly the profile of docs/wire.md §3."""

import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.x509 import Certificate
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey
from joserfc.jws import JWSRegistry

from exchange.errors import Refused, Tampered
from exchange.seals.keys import SigningKey, check_validity, key_id, public_key

HEADER_NAME = "X-Gov-Signature"
WINDOW = timedelta(seconds=300)
LONGEST_TOKEN = 4096  # characters
NONCE = re.compile(r"[A-Za-z0-9_-]{16,64}")
TOKEN = re.compile(r"([A-Za-z0-9_-]+)\.\.([A-Za-z0-9_-]+)")
COMMON_MEMBERS: Mapping[str, type] = {
    "alg": str, "b64": bool, "crit": list, "kid": str, "iat": int, "nonce": str,
}  # fmt: skip

Keyring = Callable[[str], Certificate | None]
Bound = Mapping[str, str | int]


class Algorithm(Protocol):
    """The part of a joserfc algorithm used here."""

    def check_key(self, key: Any) -> None: ...
    def sign(self, msg: bytes, key: Any) -> bytes: ...
    def verify(self, msg: bytes, sig: bytes, key: Any) -> bool: ...


@dataclass(frozen=True, slots=True)
class Sealed:
    """Who sealed the bytes, when (Unix seconds) and under which nonce; replay is the caller's to judge."""

    party_key_id: str
    iat: int
    nonce: str


def sign_request(body: bytes, key: SigningKey, *, method: str, path: str, now: datetime, nonce: str) -> str:
    """Seals an HTTP request; `path` is path and query as sent."""
    return _sign(body, key, {"method": method, "path": path}, now, nonce)


def sign_amqp(
    body: bytes, key: SigningKey, *, exchange: str, routing_key: str, now: datetime, nonce: str
) -> str:
    """Seals an AMQP message for one exchange and routing key."""
    return _sign(body, key, {"exchange": exchange, "routing_key": routing_key}, now, nonce)


def sign_answer(body: bytes, key: SigningKey, *, status: int, req: str, now: datetime, nonce: str) -> str:
    """Seals an HTTP answer; `req` is the nonce of the request it answers."""
    return _sign(body, key, {"status": status, "req": req}, now, nonce)


def sign_row(body: bytes, key: SigningKey, *, table: str, row: str, now: datetime, nonce: str) -> str:
    """Seals the signed text of a database row; `row` names it and its version."""
    return _sign(body, key, {"table": table, "row": row}, now, nonce)


def sign_file(body: bytes, key: SigningKey, *, file: str, now: datetime, nonce: str) -> str:
    """Seals a file that is dropped under the name `file`."""
    return _sign(body, key, {"file": file}, now, nonce)


def verify_request(
    token: str | None, body: bytes, keyring: Keyring, *, method: str, path: str, now: datetime
) -> Sealed:
    """Tampered or Refused by the codes of docs/wire.md §8 unless the seal holds for this method and path."""
    return _verify(token, body, keyring, {"method": method, "path": path}, now)


def verify_amqp(
    token: str | None, body: bytes, keyring: Keyring, *, exchange: str, routing_key: str, now: datetime
) -> Sealed:
    """As verify_request, for a message taken from an AMQP queue."""
    return _verify(token, body, keyring, {"exchange": exchange, "routing_key": routing_key}, now)


def verify_answer(
    token: str | None, body: bytes, keyring: Keyring, *, status: int, req: str, now: datetime
) -> Sealed:
    """As verify_request, for the answer to the request whose nonce was `req`."""
    return _verify(token, body, keyring, {"status": status, "req": req}, now)


def verify_row(
    token: str | None, body: bytes, keyring: Keyring, *, table: str, row: str, now: datetime
) -> Sealed:
    """As verify_request, for a row that may have waited any time: what guards against its coming twice is its
    identity."""
    return _verify(token, body, keyring, {"table": table, "row": row}, now, rests=True)


def verify_file(
    token: str | None, body: bytes, keyring: Keyring, *, file: str, now: datetime, oldest: float
) -> Sealed:
    """As verify_row, for a file of this name sealed at most `oldest` seconds ago."""
    sealed = _verify(token, body, keyring, {"file": file}, now, rests=True)
    if now.timestamp() - sealed.iat > oldest:
        raise Refused("stale", f"the seal is more than {oldest:.0f} s old", "iat")
    return sealed


def claimed_nonce(token: str | None) -> str | None:
    """The nonce a token gives itself, unverified: only to bind an answer to its request."""
    nonce = _claimed(token, "nonce")
    return nonce if isinstance(nonce, str) and NONCE.fullmatch(nonce) else None


def claimed_iat(token: str | None) -> int | None:
    """The time a token gives itself, Unix seconds; as good as whoever verified it."""
    iat = _claimed(token, "iat")
    return iat if type(iat) is int else None


def _claimed(token: str | None, member: str) -> Any:
    try:
        return json.loads(_decode(_split(token)[0])).get(member)
    except (Refused, ValueError, AttributeError, RecursionError):
        return None


def _sign(body: bytes, key: SigningKey, bound: Bound, now: datetime, nonce: str) -> str:
    name = "ES256" if isinstance(key.private, EllipticCurvePrivateKey) else "RS256"
    header = {
        "alg": name, "b64": False, "crit": ["b64"], "kid": key_id(key.certificate),
        "iat": int(now.timestamp()), "nonce": nonce, **bound,
    }  # fmt: skip
    protected = _encode(json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode())
    private = _private_key(key.private, name)
    return f"{protected}..{_encode(_algorithm(name).sign(protected.encode() + b'.' + body, private))}"


def _verify(
    token: str | None, body: bytes, keyring: Keyring, bound: Bound, now: datetime, *, rests: bool = False
) -> Sealed:
    protected, signature = _split(token)
    header = _header(protected, bound)
    certificate = keyring(header["kid"])
    if certificate is None or key_id(certificate) != header["kid"]:
        raise Tampered("unknown_party", "no registered certificate has this key id", "kid")
    _check_signature(header["alg"], protected.encode() + b"." + body, signature, certificate)
    check_validity(certificate, now)
    for name, value in bound.items():
        if header[name] != value:
            raise Tampered("seal_scope", f"the seal is for another {name}", name)
    _check_time(header["iat"], now.timestamp(), rests)
    return Sealed(header["kid"], header["iat"], header["nonce"])


def _check_time(iat: int, now: float, rests: bool) -> None:
    """What rests somewhere until it is fetched may be of any age, but not of the future."""
    if iat - now > WINDOW.total_seconds() and rests:
        raise Refused("bad_value", "the seal's time is more than 300 s ahead of the hub's clock", "iat")
    if abs(now - iat) > WINDOW.total_seconds() and not rests:
        raise Refused("stale", "the seal's time is more than 300 s from the hub's clock", "iat")


def _split(token: str | None) -> tuple[str, bytes]:
    if not token:
        raise Tampered("seal_missing", f"there is no {HEADER_NAME}")
    shape = TOKEN.fullmatch(token) if len(token) <= LONGEST_TOKEN else None
    if shape is None:
        raise _invalid("not a detached compact JWS of at most 4096 characters")
    return shape[1], _decode(shape[2])


def _header(protected: str, bound: Bound) -> dict[str, Any]:
    """The protected header; the members, their types and fixed values must be exactly the profile's."""
    try:
        header = json.loads(_decode(protected).decode(), object_pairs_hook=_no_duplicates)
    except (ValueError, RecursionError) as fault:
        raise _invalid("the protected header is not JSON with distinct members") from fault
    expected = {**COMMON_MEMBERS, **{name: type(value) for name, value in bound.items()}}
    if not isinstance(header, dict) or header.keys() != expected.keys():
        raise _invalid(f"the protected header must have exactly the members {', '.join(expected)}")
    if wrong := [name for name, kind in expected.items() if type(header[name]) is not kind]:
        raise _invalid(f"wrong type of {', '.join(wrong)}")
    if header["alg"] not in {"ES256", "RS256"} or header["b64"] or header["crit"] != ["b64"]:
        raise _invalid("alg must be ES256 or RS256, b64 false and crit [b64]")
    if not NONCE.fullmatch(header["nonce"]):
        raise _invalid("nonce must be 16 to 64 characters of A-Z a-z 0-9 _ -")
    return header


def _check_signature(name: str, signed: bytes, signature: bytes, certificate: Certificate) -> None:
    try:
        key = _public_key(certificate, name)
        genuine = _algorithm(name).verify(signed, signature, key)
    except (JoseError, ValueError, Refused) as fault:
        raise _invalid("the algorithm does not fit the registered key") from fault
    if not genuine:
        raise _invalid("the signature does not verify")


@lru_cache(maxsize=4)
def _algorithm(name: str) -> Algorithm:
    """joserfc's algorithm itself: its serialize_compact refuses bodies that are not UTF-8 (RFC 7797 §5.2)."""
    return JWSRegistry(algorithms=["ES256", "RS256"]).get_alg(name)


@lru_cache(maxsize=4096)
def _public_key(certificate: Certificate, name: str) -> ECKey | RSAKey:
    return _checked(public_key(certificate), name)


@lru_cache(maxsize=64)
def _private_key(private: Any, name: str) -> ECKey | RSAKey:
    return _checked(private, name)


def _checked(native: Any, name: str) -> ECKey | RSAKey:
    """A joserfc key, refused (JoseError) when the algorithm is for another type of key."""
    key: ECKey | RSAKey = ECKey.import_key(native) if hasattr(native, "curve") else RSAKey.import_key(native)
    _algorithm(name).check_key(key)
    return key


def _no_duplicates(members: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(members)) != len(members):
        raise ValueError("duplicate member")
    return dict(members)


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    """Canonical base64url only: a second spelling of the same bytes would be a second token."""
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)) if len(text) % 4 != 1 else b""
    if _encode(data) != text:
        raise _invalid("not canonical base64url")
    return data


def _invalid(detail: str) -> Tampered:
    return Tampered("seal_invalid", detail)

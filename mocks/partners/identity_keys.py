"""Keys of the ID tokens: ES256, published as JWKS; after a rotation the old one stays for a day."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from mocks.partners.common.record import Record

SCHEMA = """
CREATE TABLE IF NOT EXISTS oidc_key (
  kid TEXT PRIMARY KEY, pem BLOB NOT NULL, retired REAL) WITHOUT ROWID;
"""
DAY = 86400.0


def b64(data: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _public(key: ec.EllipticCurvePrivateKey) -> dict[str, str]:
    numbers = key.public_key().public_numbers()
    x, y = (b64(one.to_bytes(32, "big")) for one in (numbers.x, numbers.y))
    return {"crv": "P-256", "kty": "EC", "x": x, "y": y}


def thumbprint(key: ec.EllipticCurvePrivateKey) -> str:
    """RFC 7638."""
    return b64(hashlib.sha256(json.dumps(_public(key), separators=(",", ":")).encode()).digest())


@dataclass(frozen=True)
class Keys:
    """The keys in the record."""

    record: Record

    def rotate(self, now: float) -> str:
        """A new key; its id."""
        key = ec.generate_private_key(ec.SECP256R1())
        pem, kid = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), thumbprint(key)
        with self.record.work() as db:
            db.execute("DELETE FROM oidc_key WHERE retired < ?", (now - DAY,))
            db.execute("UPDATE oidc_key SET retired = ? WHERE retired IS NULL", (now,))
            db.execute("INSERT INTO oidc_key VALUES (?, ?, NULL)", (kid, pem))
        return kid

    def ensure(self, now: float) -> None:
        """A key, at the first start."""
        with self.record.work() as db:
            if db.execute("SELECT 1 FROM oidc_key").fetchone() is None:
                self.rotate(now)

    def jwks(self, now: float) -> dict[str, object]:
        """The keys a token may be signed by."""
        with self.record.work() as db:
            ask = "SELECT kid, pem FROM oidc_key WHERE retired IS NULL OR retired > ? ORDER BY retired"
            rows = db.execute(ask, (now - DAY,)).fetchall()
        more = {"use": "sig", "alg": "ES256"}
        return {"keys": [_public(_loaded(row["pem"])) | more | {"kid": row["kid"]} for row in rows]}

    def sign(self, claims: Mapping[str, object], *, kind: str = "JWT", spoil: bool = False) -> str:
        """A compact JWS by the newest key."""
        with self.record.work() as db:
            row = db.execute("SELECT kid, pem FROM oidc_key WHERE retired IS NULL").fetchone()
        head = {"alg": "ES256", "kid": row["kid"], "typ": kind}
        first = f"{b64(json.dumps(head).encode())}.{b64(json.dumps(claims, ensure_ascii=False).encode())}"
        key = _loaded(row["pem"])
        r, s = decode_dss_signature(key.sign(first.encode(), ec.ECDSA(hashes.SHA256())))
        value = r.to_bytes(32, "big") + s.to_bytes(32, "big")
        return f"{first}.{b64(bytes([value[0] ^ 1]) + value[1:] if spoil else value)}"

    def claims(self, token: str) -> dict[str, object] | None:
        """What one of our tokens says, however old; None if it is none of ours."""
        for row in self._all():
            try:
                head, body, _ = token.split(".")
                said = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
            except ValueError:
                return None
            if isinstance(said, dict) and _signed(_loaded(row), token, head, body):
                return said
        return None

    def _all(self) -> list[bytes]:
        with self.record.work() as db:
            return [row["pem"] for row in db.execute("SELECT pem FROM oidc_key")]


def _loaded(pem: bytes) -> ec.EllipticCurvePrivateKey:
    key = load_pem_private_key(pem, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("a key of another kind in the record")
    return key


def _signed(key: ec.EllipticCurvePrivateKey, token: str, head: str, body: str) -> bool:
    value = token.rsplit(".", 1)[1]
    try:
        raw = base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))
        r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
        key.public_key().verify(
            encode_dss_signature(r, s), f"{head}.{body}".encode(), ec.ECDSA(hashes.SHA256())
        )  # fmt: skip
    except (InvalidSignature, ValueError):
        return False
    return True

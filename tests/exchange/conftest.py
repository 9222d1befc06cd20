"""Keys, certificates and clocks for the exchange's tests; everything is invented and made anew."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

from exchange.seals.keys import SigningKey, fingerprint, key_id

NOW = datetime(2026, 11, 22, 1, 30, tzinfo=UTC)


def self_signed(
    private: Any, name: str = "party", first: datetime | None = None, last: datetime | None = None
) -> x509.Certificate:
    """A certificate as parties make their own: no CA, no extensions."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(first or NOW - timedelta(days=1))
        .not_valid_after(last or NOW + timedelta(days=365))
        .sign(private, SHA256())
    )


@dataclass(frozen=True)
class Ring:
    """The registry's two look-ups over a fixed list of certificates."""

    certificates: tuple[x509.Certificate, ...]

    def by_id(self, wanted: str) -> x509.Certificate | None:
        return next((one for one in self.certificates if key_id(one) == wanted), None)

    def by_digest(self, wanted: bytes) -> x509.Certificate | None:
        return next((one for one in self.certificates if fingerprint(one) == wanted), None)


@dataclass(frozen=True)
class SealKeys:
    """Two registered parties, one stranger who borrows a name, and one whose certificate has run out."""

    ec: SigningKey
    rsa: SigningKey
    stranger: SigningKey
    expired: SigningKey
    ring: Ring
    now: datetime
    make: Callable[..., x509.Certificate]


@pytest.fixture(scope="session")
def seal_keys() -> SealKeys:
    """Keys of both kinds; RSA generation is slow, so once per session."""
    rsa_private = rsa.generate_private_key(65537, 2048)
    ec_private, other, old = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
    ec_key = SigningKey(ec_private, self_signed(ec_private, "bureau"))
    rsa_key = SigningKey(rsa_private, self_signed(rsa_private, "hub"))
    expired = SigningKey(old, self_signed(old, "old", NOW - timedelta(days=9), NOW - timedelta(days=1)))
    stranger = SigningKey(other, self_signed(other, "bureau"))
    ring = Ring((ec_key.certificate, rsa_key.certificate, expired.certificate))
    return SealKeys(ec_key, rsa_key, stranger, expired, ring, NOW, self_signed)

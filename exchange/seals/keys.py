"""Keys and certificates: how a party is known (docs/wire.md §1) and when its certificate counts."""

import base64
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from exchange.errors import Misconfigured, Refused, Tampered

PrivateKey = EllipticCurvePrivateKey | RSAPrivateKey
PublicKey = EllipticCurvePublicKey | RSAPublicKey
SMALLEST_RSA = 2048  # bits


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key with the certificate that is registered for it."""

    private: PrivateKey
    certificate: x509.Certificate


@lru_cache(maxsize=4096)
def fingerprint(certificate: x509.Certificate) -> bytes:
    """SHA-256 of the DER bytes."""
    return certificate.fingerprint(SHA256())


@lru_cache(maxsize=4096)
def key_id(certificate: x509.Certificate) -> str:
    """RFC 7515 §4.1.8 `x5t#S256`: base64url SHA-256 of the DER bytes, without padding."""
    return base64.urlsafe_b64encode(fingerprint(certificate)).rstrip(b"=").decode()


@lru_cache(maxsize=4096)
def der(certificate: x509.Certificate) -> str:
    """Base64 of the DER bytes on one line, as X509Certificate and BinarySecurityToken hold it."""
    return base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()


@lru_cache(maxsize=4096)
def public_key(certificate: x509.Certificate) -> PublicKey:
    """The certificate's key if it is P-256 or RSA of at least 2048 bits, else Refused certificate_invalid."""
    try:
        key = certificate.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm) as fault:
        raise Refused("certificate_invalid", f"the key cannot be read: {fault}") from fault
    if isinstance(key, RSAPublicKey) and key.key_size >= SMALLEST_RSA:
        return key
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        return key
    raise Refused("certificate_invalid", "the key must be P-256 or RSA of at least 2048 bits")


@lru_cache(maxsize=4096)
def _validity(certificate: x509.Certificate) -> tuple[datetime, datetime]:
    return certificate.not_valid_before_utc, certificate.not_valid_after_utc


def check_validity(certificate: x509.Certificate, now: datetime) -> None:
    """Tampered certificate_invalid outside notBefore..notAfter."""
    first, last = _validity(certificate)
    if not first <= now <= last:
        raise Tampered("certificate_invalid", f"the certificate is valid from {first} to {last}")


def load_signing_key(key_pem: bytes, certificate_pem: bytes) -> SigningKey:
    """Misconfigured key_unreadable or key_mismatch when the two files do not make a usable pair."""
    try:
        private = load_pem_private_key(key_pem, None)
        certificate = x509.load_pem_x509_certificate(certificate_pem)
        public = public_key(certificate)
    except (ValueError, TypeError, Refused) as fault:
        raise Misconfigured("key_unreadable", f"{fault}") from fault
    if not isinstance(private, EllipticCurvePrivateKey | RSAPrivateKey) or private.public_key() != public:
        raise Misconfigured("key_mismatch", "the private key is not the certificate's")
    return SigningKey(private, certificate)

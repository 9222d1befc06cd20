"""The partner's own key pair and the certificates of the hub."""

from __future__ import annotations

import base64
import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from mocks.partners.common.config import Config, ConfigError

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
Certificates = Mapping[str, x509.Certificate]
"""Trusted certificates by key id."""

USAGE = x509.KeyUsage(
    digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
    key_agreement=False, key_cert_sign=False, crl_sign=False, encipher_only=False, decipher_only=False,
)  # fmt: skip
LIFETIME = timedelta(days=5 * 365)


def key_id(certificate: x509.Certificate) -> str:
    """x5t#S256 of RFC 7515: base64url SHA-256 of the DER bytes, no padding."""
    return base64.urlsafe_b64encode(certificate.fingerprint(hashes.SHA256())).rstrip(b"=").decode()


def _new_key(xml: bool) -> PrivateKey:
    return rsa.generate_private_key(65537, 2048) if xml else ec.generate_private_key(ec.SECP256R1())


def _self_signed(key: PrivateKey, name: str, now: datetime) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject)
    builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(minutes=5)).not_valid_after(now + LIFETIME)
    return builder.add_extension(USAGE, critical=True).sign(key, hashes.SHA256())


def _write(path: Path, data: bytes, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)
    part.replace(path)


def make_keys(config: Config, *, xml: bool) -> None:
    """Makes key and certificate unless both exist: RSA-2048 for XML partners, P-256 for the others."""
    if config.key.exists() and config.certificate.exists():
        return
    key = load_key(config.key) if config.key.exists() else _new_key(xml)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    _write(config.key, pem, 0o600)
    certificate = _self_signed(key, config.name, datetime.now(UTC))
    _write(config.certificate, certificate.public_bytes(Encoding.PEM), 0o644)


def load_key(path: Path) -> PrivateKey:
    """The private key in a PEM file."""
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(f"{path.name}: {error}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise ConfigError(f"{path.name}: neither EC nor RSA")
    return key


def load_certificates(path: Path) -> Certificates:
    """Every certificate of a PEM file (two while a key is rotated), by key id."""
    try:
        found = x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path.name}: {error}") from error
    return {key_id(certificate): certificate for certificate in found}


def wait_for(path: Path | None, seconds: float = 30.0) -> Path:
    """The path once the file is there; ConfigError after the seconds given."""
    if path is None:
        raise ConfigError("the hub's certificate is not named")
    end = time.monotonic() + seconds
    while not path.exists():
        if time.monotonic() > end:
            raise ConfigError(f"{path.name}: not there after {seconds:.0f} s")
        time.sleep(0.1)
    return path

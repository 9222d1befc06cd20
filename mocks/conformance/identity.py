"""The keys of a run: the hub's own, made once in the work folder, and those of an attacker, made anew."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from exchange.seals.keys import PrivateKey, SigningKey, load_signing_key

FILES = {"ec": "hub-ec", "rsa": "hub-rsa"}
"""`NAME.key` stays in the work folder, `NAME.pem` is what the vendor must trust."""


@dataclass(frozen=True)
class Keys:
    """The hub's pairs, and those of somebody the partner does not know."""

    ec: SigningKey
    rsa: SigningKey
    stranger_ec: SigningKey
    stranger_rsa: SigningKey


def prepare(work: Path) -> Keys:
    """The keys of this folder; missing ones are made and the certificates written beside them."""
    work.mkdir(parents=True, exist_ok=True, mode=0o700)
    own = {kind: _pair(work, name, kind == "ec") for kind, name in FILES.items()}
    return Keys(own["ec"], own["rsa"], fresh("stranger", curve=True), fresh("stranger", curve=False))


def fresh(name: str, *, curve: bool) -> SigningKey:
    """A new key under a self-signed certificate of a year."""
    private: PrivateKey = (
        ec.generate_private_key(ec.SECP256R1()) if curve else rsa.generate_private_key(65537, 2048)
    )
    return SigningKey(private, _certificate(private, name))


def _pair(work: Path, name: str, curve: bool) -> SigningKey:
    key_file, certificate_file = work / f"{name}.key", work / f"{name}.pem"
    if not key_file.exists():
        pair = fresh("tongban-conformance", curve=curve)
        pem = pair.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        with os.fdopen(os.open(key_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(pem)
        certificate_file.write_bytes(pair.certificate.public_bytes(Encoding.PEM))
    return load_signing_key(key_file.read_bytes(), certificate_file.read_bytes())


def _certificate(private: PrivateKey, name: str) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(subject, subject, private.public_key(), x509.random_serial_number())
    return (
        builder.not_valid_before(now - timedelta(days=2))
        .not_valid_after(now + timedelta(days=365))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(private, SHA256())
    )

"""A hub of its own for every test: an empty state directory, invented certificates, the command."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from exchange.app import cli
from exchange.app.settings import Settings, load_settings
from exchange.seals.keys import SigningKey, key_id


@dataclass(frozen=True)
class Answered:
    """What a command said."""

    code: int
    out: str
    err: str


def _certificate(private: Any, first: timedelta, last: timedelta) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "party")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, private.public_key(), x509.random_serial_number())
    return builder.not_valid_before(now + first).not_valid_after(now + last).sign(private, SHA256())


class Keys:
    """Invented key pairs; RSA is made once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._rsa = rsa.generate_private_key(65537, 2048)

    def ec(self, *, days: tuple[int, int] = (-1, 365)) -> SigningKey:
        return self._signing(ec.generate_private_key(ec.SECP256R1()), days)

    def rsa(self) -> SigningKey:
        return self._signing(self._rsa, (-1, 365))

    def other(self, private: Any) -> str:
        return self.pem(self._signing(private, (-1, 365)))

    def pem(self, key: SigningKey) -> str:
        return key.certificate.public_bytes(Encoding.PEM).decode()

    def file(self, key: SigningKey) -> str:
        """Path of a PEM file with the certificate."""
        path = self._folder / f"{key_id(key.certificate)}.pem"
        path.write_text(self.pem(key))
        return str(path)

    def _signing(self, private: Any, days: tuple[int, int]) -> SigningKey:
        return SigningKey(private, _certificate(private, timedelta(days[0]), timedelta(days[1])))


@pytest.fixture(scope="session")
def party_keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return Keys(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of a hub without any state yet; the commands use the same."""
    monkeypatch.setenv("TONGBAN_STATE", str(tmp_path / "var"))
    for name in ("TONGBAN_DATABASE_URL", "TONGBAN_AMQP_URL"):
        monkeypatch.delenv(name, raising=False)
    return load_settings()


@pytest.fixture
def tongban(settings: Settings, capsys: pytest.CaptureFixture[str]) -> Callable[..., Answered]:
    """Runs one command in this process."""

    def call(*words: str) -> Answered:
        capsys.readouterr()
        code = cli.main(list(words))
        out, err = capsys.readouterr()
        return Answered(code, out, err)

    return call

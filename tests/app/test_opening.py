"""Opening the store: what is made once, what is never made, and keys that do not fit."""

import sqlite3
import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.x509.oid import NameOID
from sqlalchemy import select

from exchange.acts import record
from exchange.app import opening
from exchange.app.settings import Settings
from exchange.errors import Misconfigured
from exchange.ledgervalues import value_of
from exchange.store.engine import reading
from exchange.store.tables import act
from ledger.verify import verify_store


def files(settings: Settings) -> dict[str, bytes]:
    folder = settings.state / "keys"
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


def test_keys_are_made_once_and_are_the_owners_alone(settings: Settings) -> None:
    opening.open_store(settings)
    made = files(settings)
    secret = {"data-1.key", "hub-ec.key", "hub-rsa.key", "ledger.key", "pseudonym.key"}
    assert made.keys() == secret | {"hub-ec.pem", "hub-rsa.pem", ".lock"}
    assert len(made["pseudonym.key"]) == len(made["data-1.key"]) == 32
    for name in secret:
        assert stat.S_IMODE((settings.state / "keys" / name).stat().st_mode) == 0o600
    opening.open_store(settings)
    assert files(settings) == made


def test_the_hubs_certificates(settings: Settings) -> None:
    opening.ensure_keys(settings)
    keys = (opening.ec_key(settings), opening.rsa_key(settings))
    publics = [key.certificate.public_key() for key in keys]
    assert isinstance(publics[0], EllipticCurvePublicKey) and isinstance(publics[0].curve, SECP256R1)
    assert isinstance(publics[1], RSAPublicKey) and publics[1].key_size == 2048
    for key in keys:
        (name,) = key.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        assert name.value == "hub"
        life = key.certificate.not_valid_after_utc - datetime.now(UTC)
        assert timedelta(days=3651) <= life <= timedelta(days=3653)
    shown = ["openssl", "x509", "-in", str(settings.rsa_certificate), "-noout", "-subject"]
    assert "CN = hub" in subprocess.run(shown, capture_output=True, text=True, check=True).stdout


def test_processes_started_together_share_one_set_of_keys(settings: Settings) -> None:
    with ThreadPoolExecutor(4) as pool:
        stores = list(pool.map(opening.open_store, [settings] * 4))
    assert len({store.log.signer.vkey for store in stores}) == 1


def test_reading_makes_nothing(settings: Settings) -> None:
    with pytest.raises(Misconfigured) as refusal:
        opening.open_reader(settings)
    assert refusal.value.code == "no_store"
    assert not settings.state.exists()


def test_an_act_is_found_again_by_the_verifier(settings: Settings) -> None:
    store = opening.open_store(settings)
    store.write(lambda work: record(work, "hub", "x.done", "x-1", "test", b"what was done"))
    vkey = store.log.signer.vkey
    with reading(opening.open_reader(settings)) as connection:
        assert verify_store(connection, vkey, value_of(connection)).findings == ()
    with store.engine.connect().execution_options(writing=True) as connection, connection.begin():
        connection.execute(act.update().values(body=b"what was not"))
    with reading(store.engine) as connection:
        (found,) = verify_store(connection, vkey, value_of(connection)).findings
        assert (found.rule, found.where) == ("commitment", 0)
    with store.engine.connect().execution_options(writing=True) as connection, connection.begin():
        connection.execute(act.delete())
    with reading(store.engine) as connection:
        assert connection.execute(select(act)).all() == []
        (found,) = verify_store(connection, vkey, value_of(connection)).findings
        assert found.rule == "value_missing"


def test_a_store_does_not_go_on_under_other_keys(settings: Settings) -> None:
    store = opening.open_store(settings)
    store.write(lambda work: record(work, "hub", "x.done", "x-1", "test", b"y"))
    old = settings.ledger_key.read_bytes()
    settings.ledger_key.unlink()
    with pytest.raises(Misconfigured, match="key_missing"):
        opening.open_store(settings)
    opening.ensure_keys(settings)  # as if somebody had made another
    with pytest.raises(Misconfigured, match="note_unsigned"):
        opening.open_store(settings)
    settings.ledger_key.write_bytes(old)
    opening.open_store(settings)


def test_a_restored_backup_is_refused(settings: Settings, tmp_path: Path) -> None:
    store = opening.open_store(settings)
    store.write(lambda work: record(work, "hub", "x.done", "x-1", "test", b"y"))
    backup = tmp_path / "backup.db"
    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        raw = connection.connection.driver_connection
        assert raw is not None
        with closing(sqlite3.connect(backup)) as copy:
            raw.backup(copy)
    store.write(lambda work: record(work, "hub", "x.done", "x-2", "test", b"z"))
    given: list[str] = []
    store.write(lambda work: work.at_checkpoint(lambda checkpoint: given.append(checkpoint.text)))
    (settings.state / "export").mkdir()
    (settings.state / "export" / "checkpoint").write_text(given[0])
    opening.open_store(settings)
    with pytest.raises(Misconfigured, match="store_older"):
        opening.open_store(replace(settings, database_url=f"sqlite:///{backup}"))


def test_keys_others_may_read_or_halves_are_refused(settings: Settings) -> None:
    opening.open_store(settings)
    settings.ec_key.chmod(0o644)
    with pytest.raises(Misconfigured, match="key_exposed"):
        opening.ec_key(settings)
    settings.ec_key.unlink()
    with pytest.raises(Misconfigured, match="key_incomplete"):
        opening.open_store(settings)

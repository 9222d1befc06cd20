"""Opening the hub's store and keys; what is missing is made once, and only when opening to write."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from sqlalchemy import Engine, inspect, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from exchange.app import datakeys
from exchange.app.secretfiles import alone, folder_of, read_secret, write_secret
from exchange.app.settings import Settings
from exchange.errors import HubError, Misconfigured, TryLater
from exchange.seals.keys import PrivateKey, SigningKey, load_signing_key
from exchange.store import schema
from exchange.store.engine import open_engine, reading
from exchange.store.work import Store
from hallservice import tables as hall_tables
from ledger import keys, tables
from ledger.errors import LedgerError
from ledger.log import Log
from ledger.note import MAX_NOTE, Signer, open_checkpoint

YEARS = 10  # of a self-signed certificate of the hub
PSEUDONYM_SIZE = 32  # bytes
EXPORTED = Path("export") / "checkpoint"  # under the state directory: the checkpoint last given out


@contextmanager
def coded() -> Iterator[None]:
    """What ledger, database and file system refuse leaves as one of our coded errors."""
    try:
        yield
    except (HubError, BrokenPipeError):
        raise
    except LedgerError as fault:
        raise Misconfigured(fault.code, fault.message) from fault
    except SQLAlchemyError as fault:
        raise TryLater(
            "store_unavailable", f"{getattr(fault, 'orig', None) or type(fault).__name__}"
        ) from fault
    except OSError as fault:
        raise Misconfigured("file_unusable", fault.strerror or str(fault), fault.filename) from fault


def open_store(settings: Settings) -> Store:
    """The store for writing; Misconfigured when its keys are not those it was written with."""
    with coded():
        settings.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        engine = open_engine(settings.database_url, create=False)
        schema.prepare(engine, hall_tables.metadata)
        _expect_keys_of_old(settings, engine)
        ensure_keys(settings)
        datakeys.arm(settings, engine)
        datakeys.enter(engine)
        log = Log(settings.ledger_origin, ledger_signer(settings))
        _expect_newest(settings, engine, log)
        return Store(engine, log)


def upgrade_store(settings: Settings) -> tuple[str | None, str]:
    """The database raised to this version's schema: its version before and after."""
    with coded():
        return schema.upgrade(open_engine(settings.database_url, create=False))


def open_reader(settings: Settings) -> Engine:
    """The database for reading; Misconfigured no_store when there is none."""
    with coded():
        url = make_url(settings.database_url)
        file = url.database if url.get_backend_name() == "sqlite" else None
        if file and not Path(file).is_file():
            raise Misconfigured("no_store", "there is no store yet; `tongban serve` makes one", file)
        engine = open_engine(settings.database_url, create=False)
        with reading(engine) as connection:
            if not inspect(connection).has_table("document"):
                raise Misconfigured("no_store", "the database holds no store of a hub")
        datakeys.arm(settings, engine)
        return engine


def ensure_keys(settings: Settings) -> None:
    """Makes what is missing of ledger key, the hub's two key pairs, pseudonym key and data key; replaces
    nothing."""
    folder = settings.state / "keys"
    with coded(), alone(folder):
        if not settings.ledger_key.exists():
            folder_of(settings.ledger_key)
            keys.create(settings.ledger_key, settings.ledger_origin)
        ensure_pair(settings.ec_key, settings.ec_certificate, settings.hub, curve=True)
        ensure_pair(settings.rsa_key, settings.rsa_certificate, settings.hub, curve=False)
        if not pseudonym_path(settings).exists():
            write_secret(pseudonym_path(settings), secrets.token_bytes(PSEUDONYM_SIZE))
        datakeys.ensure(settings)


def ledger_signer(settings: Settings) -> Signer:
    """The log's key; Misconfigured when it signs for another origin."""
    with coded():
        signer = keys.load(settings.ledger_key)
    if signer.name != settings.ledger_origin:
        raise Misconfigured(
            "other_log", f"the key is of {signer.name}, the settings say {settings.ledger_origin}"
        )
    return signer


def ec_key(settings: Settings) -> SigningKey:
    """The hub's P-256 key, for JSON and AMQP."""
    return _pair(settings.ec_key, settings.ec_certificate)


def rsa_key(settings: Settings) -> SigningKey:
    """The hub's RSA key, for XML and SOAP."""
    return _pair(settings.rsa_key, settings.rsa_certificate)


def pseudonym_path(settings: Settings) -> Path:
    """Where the key of the case pseudonyms lies."""
    return settings.state / "keys" / "pseudonym.key"


def pseudonym_key(settings: Settings) -> bytes:
    """The key of the case pseudonyms."""
    with coded():
        key = read_secret(pseudonym_path(settings))
    if len(key) != PSEUDONYM_SIZE:
        raise Misconfigured(
            "key_unreadable", f"must be {PSEUDONYM_SIZE} bytes", str(pseudonym_path(settings))
        )
    return key


def ensure_pair(key_path: Path, certificate_path: Path, name: str, *, curve: bool) -> None:
    """A key file (0600) and its self-signed certificate; half a pair is refused, not completed."""
    if key_path.exists() != certificate_path.exists():
        lacking = certificate_path if key_path.exists() else key_path
        raise Misconfigured(
            "key_incomplete", "key and certificate belong together, one is missing", str(lacking)
        )
    if key_path.exists():
        return
    private = _new_key(curve)
    certificate = self_signed(private, name, datetime.now(UTC))
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    write_secret(key_path, pem)
    folder_of(certificate_path)
    certificate_path.write_bytes(certificate.public_bytes(Encoding.PEM))


def self_signed(private: PrivateKey, name: str, now: datetime) -> x509.Certificate:
    """A certificate without a CA: partners register the certificate itself."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder(subject, subject, private.public_key(), x509.random_serial_number())
    first = now - timedelta(minutes=5)  # a partner's clock may be behind
    return (
        builder.not_valid_before(first)
        .not_valid_after(now + timedelta(days=YEARS * 365 + 2))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(private, SHA256())
    )


def _new_key(curve: bool) -> PrivateKey:
    return ec.generate_private_key(ec.SECP256R1()) if curve else rsa.generate_private_key(65537, 2048)


def _pair(key_path: Path, certificate_path: Path) -> SigningKey:
    with coded():
        return load_signing_key(read_secret(key_path), certificate_path.read_bytes())


def _expect_keys_of_old(settings: Settings, engine: Engine) -> None:
    """A store with entries whose keys are lost must not go on under new ones."""
    with reading(engine) as connection:
        old = connection.execute(select(tables.entry.c.seq).limit(1)).first() is not None
    for path in (settings.ledger_key, pseudonym_path(settings)):
        if old and not path.exists():
            raise Misconfigured("key_missing", "the store was written with this key; restore it", str(path))
    datakeys.expect(settings, engine)


def _expect_newest(settings: Settings, engine: Engine, log: Log) -> None:
    """The last checkpoint is by this key, and no checkpoint was given out that this store lacks."""
    newest = select(tables.checkpoint.c.note).order_by(tables.checkpoint.c.size.desc()).limit(1)
    given = settings.state / EXPORTED
    with reading(engine) as connection:
        note = connection.execute(newest).scalar()
        if note is not None:
            open_checkpoint(note.encode(), log.signer.verifier)
        if given.is_file():
            log.refuse_if_older_than(connection, given.read_bytes()[: MAX_NOTE + 1])

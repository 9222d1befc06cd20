"""The private log key in a file: `PRIVATE+KEY+<name>+<hash8>+<base64>`, as Go's sumdb/note writes it."""

import base64
import os
import stat
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger.errors import LedgerError
from ledger.note import ED25519, Signer, decoded, key_id
from ledger.tree import HASH_SIZE

_PREFIX = "PRIVATE+KEY+"
_MAX_FILE = 4096


def _encoded(signer: Signer, seed: bytes) -> bytes:
    identifier = key_id(signer.name, signer.verifier.public).hex()
    return f"{_PREFIX}{signer.name}+{identifier}+{base64.b64encode(ED25519 + seed).decode()}\n".encode()


def create(path: Path, origin: str, random: Callable[[int], bytes] = os.urandom) -> Signer:
    """Make a new key for this origin in a new file only the owner may read (0600); never replaces a file."""
    seed = random(HASH_SIZE)
    signer = Signer(origin, Ed25519PrivateKey.from_private_bytes(seed))
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(_encoded(signer, seed))
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError as error:
        raise LedgerError("key_exists", f"{path} exists; a log key is never overwritten") from error
    except OSError as error:
        raise LedgerError("key_unwritable", f"{path}: {error.strerror}") from error
    return signer


def load(path: Path) -> Signer:
    """Read the log key; refuses a file that others may read."""
    try:
        with path.open("rb") as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                raise LedgerError("key_exposed", f"{path} may be read by others; set its mode to 0600")
            raw = file.read(_MAX_FILE)
    except OSError as error:
        raise LedgerError("key_unreadable", f"{path}: {error.strerror}") from error
    return _parsed(raw, path)


def _parsed(raw: bytes, path: Path) -> Signer:
    try:
        line = raw.decode().strip()
        name, _, encoded = line.removeprefix(_PREFIX).split("+", 2)
        secret = decoded(encoded, "the key")
        signer = Signer(name, Ed25519PrivateKey.from_private_bytes(secret[1:]))
    except (ValueError, LedgerError) as error:
        raise LedgerError("key_malformed", f"{path} holds no log key") from error
    if _encoded(signer, secret[1:]) != line.encode() + b"\n":
        raise LedgerError("key_malformed", f"{path}: the parts of the log key do not fit each other")
    return signer

"""Signed notes and checkpoints (C2SP signed-note, tlog-checkpoint): text, empty line, signature lines."""

import base64
import binascii
import re
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ledger.errors import LedgerError
from ledger.tree import HASH_SIZE

ED25519 = b"\x01"
"""Signature type byte of an Ed25519 log key."""

MAX_NOTE = 65_536
MAX_SIGNATURES = 100
MAX_SIZE = 2**63 - 1

_NAME = re.compile(r"[^\s+]+")
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")


def _bad(message: str) -> LedgerError:
    return LedgerError("note_malformed", message)


def decoded(text: str, what: str) -> bytes:
    """Standard base64 in its only spelling (padding present, no stray bits, no other characters)."""
    try:
        raw = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise _bad(f"{what} is not base64") from error
    if base64.b64encode(raw).decode() != text:
        raise _bad(f"{what} is base64 in a second spelling")
    return raw


def _check_name(name: str) -> str:
    if not name.isprintable() or not _NAME.fullmatch(name):
        raise _bad("a key name is printable, not empty and has neither spaces nor plus signs")
    return name


def key_id(name: str, public: bytes) -> bytes:
    """SHA-256(name || LF || type || key), first four bytes."""
    return sha256(name.encode() + b"\n" + ED25519 + public).digest()[:4]


@dataclass(frozen=True, slots=True)
class Verifier:
    """A public log key under a name; the name of the key is the origin of the log."""

    name: str
    public: bytes

    @classmethod
    def parse(cls, vkey: str) -> "Verifier":
        """Read `<name>+<hash8>+<base64(0x01 || key)>`."""
        name, plus, rest = vkey.strip().partition("+")
        identifier, second, encoded = rest.partition("+")
        if not plus or not second:
            raise _bad("a verifier key reads name+hash+base64")
        raw = decoded(encoded, "the verifier key")
        if len(raw) != 1 + HASH_SIZE or raw[:1] != ED25519:
            raise _bad("the verifier key is not an Ed25519 key")
        if identifier != key_id(_check_name(name), raw[1:]).hex():
            raise _bad("the hash in the verifier key does not fit its name and key")
        return cls(name, raw[1:])

    def __str__(self) -> str:
        encoded = base64.b64encode(ED25519 + self.public).decode()
        return f"{self.name}+{key_id(self.name, self.public).hex()}+{encoded}"

    def open(self, note: bytes) -> str:
        """The text of a note that this key has signed; lines of other keys are passed over."""
        text, lines = split_note(note)
        mine = [raw for name, raw in lines if name == self.name and raw[:4] == key_id(self.name, self.public)]
        if not mine:
            raise LedgerError("note_unsigned", f"no signature by {self.name} with this key")
        if len(mine) > 1:
            raise _bad(f"two signature lines by {self.name}")
        self._check(text.encode(), mine[0][4:])
        return text

    def _check(self, message: bytes, signature: bytes) -> None:
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except (InvalidSignature, ValueError) as error:
            raise LedgerError("note_forged", f"the signature by {self.name} does not fit the text") from error


class Signer:
    """A private log key under its name; signs texts that end with a line break."""

    def __init__(self, name: str, key: Ed25519PrivateKey) -> None:
        self.name = _check_name(name)
        self._key = key
        self.verifier = Verifier(name, key.public_key().public_bytes_raw())
        self._id = key_id(name, self.verifier.public)

    @property
    def vkey(self) -> str:
        """The verifier key line to hand out."""
        return str(self.verifier)

    def sign(self, text: str) -> str:
        """The note: text, empty line, one signature line."""
        if not text.endswith("\n") or _CONTROL.search(text):
            raise _bad("a text to sign ends with a line break and has no control characters")
        signature = base64.b64encode(self._id + self._key.sign(text.encode())).decode()
        return f"{text}\n— {self.name} {signature}\n"


def split_note(note: bytes) -> tuple[str, list[tuple[str, bytes]]]:
    """Text and (name, key id || signature) lines of a note, nothing verified."""
    text, lines = _halves(_decoded_note(note))
    if not 0 < len(lines) <= MAX_SIGNATURES:
        raise _bad(f"a note has 1 to {MAX_SIGNATURES} signature lines")
    return text, [_signature_line(line) for line in lines]


def _decoded_note(note: bytes) -> str:
    if len(note) > MAX_NOTE:
        raise _bad(f"a note has at most {MAX_NOTE} bytes")
    try:
        whole = note.decode()
    except UnicodeDecodeError as error:
        raise _bad("the note is not UTF-8") from error
    if _CONTROL.search(whole):
        raise _bad("the note has control characters")
    return whole


def _halves(whole: str) -> tuple[str, list[str]]:
    text, gap, signatures = whole.rpartition("\n\n")
    if not gap or not signatures.endswith("\n"):
        raise _bad("a note is a text, an empty line and signature lines, each ended by a line break")
    return text + "\n", signatures[:-1].split("\n")


def _signature_line(line: str) -> tuple[str, bytes]:
    dash, _, rest = line.partition(" ")
    name, _, encoded = rest.partition(" ")
    raw = decoded(encoded, "a signature")
    if dash != "—" or len(raw) < 5:
        raise _bad("a signature line reads: dash, name, base64")
    return _check_name(name), raw


@dataclass(frozen=True, slots=True)
class TreeHead:
    """What a checkpoint says: this log had this many entries under this root."""

    origin: str
    size: int
    root: bytes

    def body(self) -> str:
        """The three lines that are signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def parse_head(text: str) -> TreeHead:
    """Read a checkpoint body; extension lines after the third are allowed and not interpreted."""
    lines = text.split("\n")
    if len(lines) < 4 or lines[-1] or not all(lines[:-1]):
        raise _bad("a checkpoint has an origin, a size and a root line and no empty line")
    if not _SIZE.fullmatch(lines[1]) or int(lines[1]) > MAX_SIZE:
        raise _bad("the size of a checkpoint is a plain decimal number below 2^63")
    root = decoded(lines[2], "the root of a checkpoint")
    if len(root) != HASH_SIZE:
        raise _bad(f"the root of a checkpoint has {HASH_SIZE} bytes")
    return TreeHead(lines[0], int(lines[1]), root)


def open_checkpoint(note: bytes, verifier: Verifier) -> TreeHead:
    """The tree head of a checkpoint signed by this log's key for this log's origin."""
    head = parse_head(verifier.open(note))
    if head.origin != verifier.name:
        raise LedgerError("other_log", f"a checkpoint of {head.origin}, not of {verifier.name}")
    return head

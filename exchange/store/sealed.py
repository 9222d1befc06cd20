"""Columns about persons: encrypted in the database's files, plain in the program, closed to queries.

A value is a version (1 byte), the number of its key (2), a random nonce (12), then the content under
AES-256-GCM with its tag (16; NIST SP 800-38D §8.2.2). What comes before the nonce and the name of the column
are authenticated too: a value opens only in the column it was sealed for.
"""

import json
import os
import struct
from collections.abc import Callable, Mapping
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Dialect, Engine, LargeBinary
from sqlalchemy.sql import operators
from sqlalchemy.types import TypeDecorator

from exchange.errors import Misconfigured, TryLater

KEY_SIZE = 32  # bytes
MOST_KEYS = 0xFFFF
VERSION = 1
_HEAD = struct.Struct(">BH")
_NONCE = 12
_AT = _HEAD.size + _NONCE  # where the content begins
_OF_DIALECT = "tongban_ring"
KEPT_FILE = b"files"  # what a file beside the database is sealed for
_PROOF, _PROVEN = b"data_key.proof", b"tongban data key"


class Ring:
    """The keys of one hub by their numbers: the newest seals, all open."""

    def __init__(self, keys: Mapping[int, bytes]) -> None:
        self._ciphers = {number: AESGCM(key) for number, key in keys.items()}
        self.newest = max(keys)
        self._head, self._cipher = _HEAD.pack(VERSION, self.newest), self._ciphers[self.newest]

    def __contains__(self, number: int) -> bool:
        return number in self._ciphers

    def seal(self, content: bytes, about: bytes) -> bytes:
        """Under the newest key, for the column `about`."""
        nonce = os.urandom(_NONCE)
        return self._head + nonce + self._cipher.encrypt(nonce, content, self._head + about)

    def open(self, value: bytes, about: bytes) -> bytes:
        """TryLater value_damaged or key_missing: a person must repair the store; no message is at fault."""
        head = bytes(value[: _HEAD.size])
        if len(value) < _AT or head[0] != VERSION:
            raise _damaged(about)
        cipher = self._ciphers.get(number := _HEAD.unpack(head)[1])
        if cipher is None:
            raise TryLater("key_missing", f"a value needs the data key {number}", about.decode())
        try:
            return cipher.decrypt(value[_HEAD.size : _AT], value[_AT:], head + about)
        except InvalidTag as fault:
            raise _damaged(about) from fault

    def resealed(self, value: bytes, about: bytes) -> bytes:
        """The same content under the newest key."""
        return value if value[: _HEAD.size] == self._head else self.seal(self.open(value, about), about)

    def proof(self) -> bytes:
        """What only the newest key can have made; kept beside its number."""
        return self.seal(_PROVEN, _PROOF)

    def proves(self, proof: bytes) -> bool:
        """Whether this ring holds the key that made it."""
        try:
            return self.open(proof, _PROOF) == _PROVEN
        except TryLater:
            return False


def _damaged(about: bytes) -> TryLater:
    return TryLater("value_damaged", "a value of the store is not as it was sealed", about.decode())


def arm(engine: Engine, ring: Ring) -> None:
    """Gives the engine's columns their keys; without them they can be neither written nor read."""
    vars(engine.dialect)[_OF_DIALECT] = ring


def ring_of(dialect: Dialect) -> Ring:
    """The keys of an engine's columns."""
    ring = vars(dialect).get(_OF_DIALECT)
    if not isinstance(ring, Ring):
        raise Misconfigured("key_missing", "this connection was opened without the data keys")
    return ring


class _Closed(TypeDecorator.Comparator[Any]):
    """Whether there is a value may be asked, nothing else."""

    def operate(self, op: Callable[..., Any], *other: Any, **kwargs: Any) -> Any:
        there = op in (operators.is_, operators.is_not, operators.eq, operators.ne) and other[0] is None
        if not there:
            raise TypeError(f"{self.expr} is sealed: no query can look inside it")
        return super().operate(op, *other, **kwargs)

    def reverse_operate(self, op: Callable[..., Any], other: Any, **kwargs: Any) -> Any:
        raise TypeError(f"{self.expr} is sealed: no query can look inside it")


class Sealed(TypeDecorator[Any]):
    """Bytes; `about` is `table.column`."""

    impl = LargeBinary
    cache_ok = True
    comparator_factory = _Closed

    def __init__(self, about: str) -> None:
        super().__init__()
        self.about = about
        self._about = about.encode()

    def process_bind_param(self, value: Any, dialect: Dialect) -> bytes | None:
        return None if value is None else ring_of(dialect).seal(self.written(value), self._about)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return None if value is None else self.read(ring_of(dialect).open(bytes(value), self._about))

    def written(self, value: Any) -> bytes:
        """The content of a value."""
        return bytes(value)

    def read(self, content: bytes) -> Any:
        """The value of a content."""
        return content


class SealedText(Sealed):
    """Text."""

    cache_ok = True

    def written(self, value: Any) -> bytes:
        return str(value).encode()

    def read(self, content: bytes) -> Any:
        return content.decode()


class SealedJSON(Sealed):
    """A JSON value; None is NULL."""

    cache_ok = True

    def written(self, value: Any) -> bytes:
        return dumps(value).encode()

    def read(self, content: bytes) -> Any:
        return json.loads(content.decode())


def dumps(value: object) -> str:
    """JSON as the store keeps it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

"""Files of secrets: made once, durable, the owner's alone."""

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from exchange.errors import Misconfigured, TryLater


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Two processes started together must not both make keys."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def held(path: Path, *, alone: bool) -> Iterator[None]:
    """Together with others, or alone; TryLater in_use while somebody holds it who does not go with that."""
    folder_of(path)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _take(descriptor, path, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int, path: Path, how: int) -> None:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError as fault:
        raise TryLater("in_use", "the hub runs, or its keys are being rotated", str(path)) from fault


def folder_of(path: Path) -> None:
    """Makes the folder a file is to lie in, the owner's alone."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)


def write_secret(path: Path, data: bytes) -> None:
    """A new file of mode 0600, durable on return."""
    folder_of(path)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    _sync(path.parent)  # what is written with it must not outlive it


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_secret(path: Path) -> bytes:
    """Its bytes; Misconfigured key_exposed where others may read it."""
    with path.open("rb") as file:
        if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
            raise Misconfigured("key_exposed", "may be read by others; set its mode to 0600", str(path))
        return file.read(65_536)

"""Careful access to a folder from anywhere: regular files only, sizes bounded, links never followed."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from ledger.errors import LedgerError


class FileProblem(LedgerError):
    """A file that is absent (code `missing`) or is not what may be read (code `unreadable`)."""


def read(root: Path, relative: str, limit: int) -> bytes:
    """The bytes of a regular file below `root`, at most `limit`; no link on the way is followed."""
    try:
        descriptor = _open_below(root, relative.split("/"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FileProblem("missing", f"{relative} is missing") from error
    except (OSError, ValueError) as error:
        raise FileProblem("unreadable", f"{relative} cannot be read: {_reason(error)}") from error
    with os.fdopen(descriptor, "rb") as file:
        return _bounded(file, relative, limit)


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__


def _open_below(root: Path, parts: list[str]) -> int:
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        for part in parts[:-1]:
            inner = os.open(part, flags | os.O_DIRECTORY, dir_fd=folder)
            os.close(folder)
            folder = inner
        return os.open(parts[-1], flags | os.O_NONBLOCK, dir_fd=folder)
    finally:
        os.close(folder)


def _bounded(file: BinaryIO, relative: str, limit: int) -> bytes:
    state = os.fstat(file.fileno())
    if not stat.S_ISREG(state.st_mode):
        raise FileProblem("unreadable", f"{relative} is not a regular file")
    if state.st_size > limit:
        raise FileProblem("unreadable", f"{relative} has {state.st_size} bytes, more than {limit}")
    try:
        return file.read(limit)
    except OSError as error:
        raise FileProblem("unreadable", f"{relative} cannot be read: {_reason(error)}") from error


def walk(root: Path) -> Iterator[tuple[str, bool]]:
    """(relative path, is it a regular file) of everything below `root` except plain folders, unsorted."""
    waiting = [""]
    while waiting:
        prefix = waiting.pop()
        try:
            with os.scandir(root / prefix) as found:
                entries = list(found)
        except OSError:
            yield prefix.rstrip("/") or ".", False
            continue
        for entry in entries:
            name = prefix + entry.name
            if entry.is_dir(follow_symlinks=False):
                waiting.append(f"{name}/")
            else:
                yield name, entry.is_file(follow_symlinks=False)


def put(root: Path, relative: str, data: bytes, temporary: str) -> None:
    """Write a file so that its name never shows half of it: temporary file, fsync, rename."""
    target = root / relative
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        half = target.with_name(target.name + temporary)
        half.unlink(missing_ok=True)
        with half.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        half.replace(target)
    except OSError as error:
        raise LedgerError("export_unwritable", f"{relative}: {_reason(error)}") from error


def sync(root: Path) -> None:
    """Make renames inside `root` durable."""
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(root: Path, relative: str) -> None:
    """Delete a file and the folders it leaves empty."""
    target = root / relative
    try:
        target.unlink(missing_ok=True)
        parent = target.parent
        while parent != root and not any(parent.iterdir()):
            parent.rmdir()
            parent = parent.parent
    except OSError as error:
        raise LedgerError("export_unwritable", f"{relative}: {_reason(error)}") from error

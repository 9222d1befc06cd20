"""A folder a partner drops files into: whole files with their flag are read, nothing outside is touched."""

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from exchange.errors import Refused, Tampered, TryLater
from exchange.manifest import FileDoor
from exchange.seals.jws import LONGEST_TOKEN

Verdict = Literal["done", "refused"]
MOST_FILES = 1000  # looked at in one round
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@dataclass(frozen=True)
class Dropped:
    """One file as it lies there; `fault` is what is wrong before anybody looks at its seal."""

    name: str
    body: bytes = b""
    seal: str | None = None
    values: dict[str, str] = field(default_factory=dict)
    fault: Refused | None = None


@dataclass(frozen=True)
class DropFolder:
    """One partner's folder; what the file system refuses is a TryLater."""

    folder: Path
    door: FileDoor
    largest: int  # bytes of one file

    def waiting(self, now: float) -> list[str]:
        """Names of files that are complete, or whose other half is overdue; flags left behind are put
        away."""
        with self._opened() as at:
            names = set(sorted(_names(at))[:MOST_FILES])
            self._put_flags_away(at, names)
            files = {name.removesuffix(self.door.flag) for name in names}
            meant = sorted(name for name in files if re.fullmatch(self.door.pattern, name))
            return [name for name in meant if self._is_due(at, name, names, now)]

    def read(self, name: str) -> Dropped:
        """A waiting file and what its flag says."""
        found = re.fullmatch(self.door.pattern, name)
        values = {key: value for key, value in (found.groupdict() if found else {}).items() if value}
        with self._opened() as at:
            try:
                body = _read(at, name, self.largest)
                seal = _read(at, name + self.door.flag, LONGEST_TOKEN).decode("ascii", "replace").strip()
            except Refused as fault:
                return Dropped(name, values=values, fault=fault)
        return Dropped(name, body, seal, values)

    def put_away(self, name: str, verdict: Verdict) -> None:
        """Move file and flag, the file first; a name that is taken there gets a number."""
        with self._opened() as at, _subfolder(at, verdict) as below:
            target = _free(below, name)
            for suffix in ("", self.door.flag):
                with suppress(FileNotFoundError):
                    os.rename(name + suffix, target + suffix, src_dir_fd=at, dst_dir_fd=below)

    def _is_due(self, at: int, name: str, names: set[str], now: float) -> bool:
        if {name, name + self.door.flag} <= names:
            return True
        half = name if name in names else name + self.door.flag
        with suppress(FileNotFoundError):
            return now - os.stat(half, dir_fd=at, follow_symlinks=False).st_ctime > self.door.flag_within
        return False

    def _put_flags_away(self, at: int, names: set[str]) -> None:
        """A flag whose file was moved when the hub was killed."""
        for flag in sorted(name for name in names if name.endswith(self.door.flag)):
            name = flag.removesuffix(self.door.flag)
            if name in names or not re.fullmatch(self.door.pattern, name):
                continue
            for verdict in ("done", "refused"):
                with suppress(FileNotFoundError), _subfolder(at, verdict) as below:
                    os.stat(name, dir_fd=below, follow_symlinks=False)
                    os.rename(flag, flag, src_dir_fd=at, dst_dir_fd=below)

    @contextmanager
    def _opened(self) -> Iterator[int]:
        try:
            at = os.open(self.folder, _FOLDER)
            try:
                yield at
            finally:
                os.close(at)
        except OSError as fault:
            raise TryLater("drop_folder_away", fault.strerror or type(fault).__name__) from fault


def _names(at: int) -> set[str]:
    with os.scandir(at) as entries:
        return {entry.name for entry in entries}


def _read(at: int, name: str, largest: int) -> bytes:
    """A plain file of one name, whole; Refused for anything else that bears the name."""
    try:
        file = os.open(name, _READ, dir_fd=at)
    except FileNotFoundError:
        raise Tampered("seal_missing", "there is no such file", name) from None
    except OSError as fault:
        raise Refused("bad_request", f"it cannot be read: {fault.strerror}", name) from fault
    about = os.fstat(file)
    if not stat.S_ISREG(about.st_mode) or about.st_nlink != 1:
        os.close(file)
        raise Refused("bad_request", "it is no plain file of one name", name)
    with os.fdopen(file, "rb") as opened:
        body = opened.read(largest + 1)
    if len(body) > largest:
        raise Refused("too_large", f"it exceeds {largest} bytes", name)
    return body


@contextmanager
def _subfolder(at: int, name: str) -> Iterator[int]:
    with suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=at)
    below = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=at)
    try:
        yield below
    finally:
        os.close(below)


def _free(at: int, name: str) -> str:
    taken = _names(at)
    return next(
        one for n in range(1, len(taken) + 3) if (one := name if n == 1 else f"{name}.{n}") not in taken
    )

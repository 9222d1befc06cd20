"""The zip of a package: its entries below one folder, each read once, nothing written and nothing trusted."""

from __future__ import annotations

import base64
import hashlib
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from mocks.partners.archive_finding import FORMAT, SECURITY, Closed, Finding

INDEX: Final = "eep.xml"
LARGEST_INDEX: Final = 64 << 20  # bytes of eep.xml
MOST_FILES: Final = 20_000
LARGEST_FILE: Final = 2 * 10**9  # bytes: 2 GB
MOST_RATIO: Final = 200
METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
PROGRAMS: Final = (b"MZ", b"#!", b"\x7fELF")
HEADS: Final[Mapping[str, tuple[bytes, ...]]] = {
    "PDF": (b"%PDF-",), "OFD": (b"PK\x03\x04",), "TIFF": (b"II*\0", b"MM\0*"), "XML": (b"<",),
}  # fmt: skip
ZIP_ERRORS: Final = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, NotImplementedError, RuntimeError,
    EOFError, OSError, ValueError, OverflowError, LookupError,
)  # fmt: skip


@dataclass(frozen=True)
class Seen:
    """What one file of the package is."""

    size: int
    sha256: str  # base64
    head: bytes


@dataclass(frozen=True)
class Entries:
    """The files below `<fileno>/` by their name there, and what is wrong with the zip itself."""

    package: zipfile.ZipFile
    infos: Mapping[str, zipfile.ZipInfo]
    closed: frozenset[str]  # names that are not read: encrypted, a bomb, in another form
    findings: tuple[Finding, ...]

    def look(self, name: str) -> Seen | None:
        """Reads a file to its end; None if that cannot or must not be done."""
        if name in self.closed:
            return None
        size, digest, head = 0, hashlib.sha256(), b""
        try:
            with self.package.open(self.infos[name]) as file:
                while chunk := file.read(1 << 16):
                    head = head or chunk[:8]
                    size += len(chunk)
                    digest.update(chunk)
        except ZIP_ERRORS:
            return None
        return Seen(size, base64.b64encode(digest.digest()).decode(), head)

    def is_of(self, name: str, seen: Seen, form: str) -> bool:
        """Whether the first bytes agree with 格式信息; an OFD file is a zip with OFD.xml."""
        if not seen.head.startswith(HEADS.get(form, ())):
            return False
        return form != "OFD" or self._is_ofd(name)

    def _is_ofd(self, name: str) -> bool:
        try:
            with self.package.open(self.infos[name]) as file, zipfile.ZipFile(file) as inner:
                return "OFD.xml" in inner.namelist()
        except ZIP_ERRORS:
            return False

    def index(self) -> bytes:
        """eep.xml; `Closed` if it cannot be had."""
        if INDEX not in self.infos or INDEX in self.closed:
            raise Closed(FORMAT, f"no {INDEX}")
        try:
            with self.package.open(self.infos[INDEX]) as file:
                data = file.read(LARGEST_INDEX + 1)
        except ZIP_ERRORS as error:
            raise Closed(FORMAT, f"{INDEX} cannot be read") from error
        if len(data) > LARGEST_INDEX:
            raise Closed(FORMAT, f"{INDEX} is too large")
        return data


def is_inside(name: str) -> bool:
    """Whether a relative name stays in its folder."""
    return "\\" not in name and not any(part in ("", ".", "..") for part in name.split("/"))


def is_program(head: bytes) -> bool:
    """Whether a file begins as a program or a script does."""
    return head.startswith(PROGRAMS)


def read_entries(package: zipfile.ZipFile, fileno: str) -> Entries:
    """The entries; `Closed` (3-1-1) if the zip is no package at all."""
    infos = package.infolist()
    if sum(not info.is_dir() for info in infos) > MOST_FILES:
        raise Closed(FORMAT, f"more than {MOST_FILES} files")
    kept: dict[str, zipfile.ZipInfo] = {}
    closed: set[str] = set()
    findings: list[Finding] = []
    for info in infos:
        folder, _, name = info.filename.partition("/")
        if folder != fileno or not (is_inside(name) or (info.is_dir() and is_inside(f"{name}x"))):
            findings.append(Finding(SECURITY, "an entry lies outside the folder"))
        elif name in kept:
            raise Closed(FORMAT, f"{name} twice")
        elif not info.is_dir():
            kept[name] = info
            findings += (wrong := list(_form(info, name)))
            closed |= {name} if wrong else set()
    return Entries(package, kept, frozenset(closed), tuple(findings))


def _form(info: zipfile.ZipInfo, name: str) -> Iterator[Finding]:
    """What is wrong with an entry before it is read; one with which anything is, is not read."""
    if info.flag_bits & 1:
        yield Finding(SECURITY, f"{name}: encrypted")
    if info.file_size > MOST_RATIO * info.compress_size:
        yield Finding(SECURITY, f"{name}: compressed more than 1:{MOST_RATIO}")
    if info.compress_type not in METHODS:
        yield Finding(FORMAT, f"{name}: neither deflate nor stored")
    if info.file_size > LARGEST_FILE:
        yield Finding(FORMAT, f"{name}: above 2 GB")
    if not (info.flag_bits & 0x800 or info.filename.isascii()):
        yield Finding(FORMAT, "a name that is not UTF-8")

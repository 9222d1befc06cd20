"""What the archive examines in a package: size, digest, form, signature, and every file it lists."""

from __future__ import annotations

import base64
import copy
import hashlib
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509

from mocks.partners.common import xmlsig
from mocks.partners.common.xmlsig import DS, Element, SealError, XmlError

SIGNATURE, HELD, SIZE, DIGEST, FORMAT = "1-1-1", "1-2-2", "2-1-1", "2-2-1", "3-1-1"
LISTS = ("authenticity", "integrity", "usability", "security")
LARGEST_INDEX = 8 << 20  # bytes of package.xml
MOST_FILES = 20_000
ZIP_ERRORS = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, NotImplementedError, RuntimeError,
    EOFError, OSError, ValueError, OverflowError, LookupError,
)  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """One failed check."""

    item: str
    msg: str


class Malformed(Exception):
    """Not the package form; the text is the message of 3-1-1."""


@dataclass(frozen=True)
class Listed:
    """A file that package.xml lists."""

    name: str
    size: int
    sha256: str


def detection(findings: Iterable[Finding]) -> dict[str, list[dict[str, str]]]:
    """`detectionResult`: a finding stands in the list of its first figure."""
    result: dict[str, list[dict[str, str]]] = {name: [] for name in LISTS}
    for finding in findings:
        result[LISTS[int(finding.item[0]) - 1]].append({"item": finding.item, "msg": finding.msg})
    return result


def examine(
    path: Path, fileno: str, size: int, digest: str, trusted: Sequence[x509.Certificate], now: datetime
) -> list[Finding]:  # fmt: skip
    """Every failed check; a package that is not the one announced is not opened."""
    if path.stat().st_size != size:
        return [Finding(SIZE, "size differs")]
    if _digest_of(path) != digest:
        return [Finding(DIGEST, "digest differs")]
    try:
        with zipfile.ZipFile(path) as package:
            return _examine_zip(package, fileno, trusted, now)
    except Malformed as error:
        return [Finding(FORMAT, str(error))]
    except ZIP_ERRORS:
        return [Finding(FORMAT, "not a readable zip")]


def _digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return base64.b64encode(hashlib.file_digest(file, "sha256").digest()).decode()


def _examine_zip(
    package: zipfile.ZipFile, fileno: str, trusted: Sequence[x509.Certificate], now: datetime
) -> list[Finding]:  # fmt: skip
    held = _entries(package, fileno)
    root = _index(package, held, fileno)
    try:
        verify(root, trusted, now)
    except SealError as error:
        return [Finding(SIGNATURE, f"signature: {error}")]
    listed = _listed(root)
    if extra := held.keys() - {"package.xml"} - {item.name for item in listed}:
        raise Malformed(f"not listed: {min(extra)}")
    findings = [_compare(package, held, item) for item in listed]
    return [finding for finding in findings if finding is not None]


def _entries(package: zipfile.ZipFile, fileno: str) -> dict[str, zipfile.ZipInfo]:
    """Entries by their name below `<fileno>/`, folders left out."""
    entries: dict[str, zipfile.ZipInfo] = {}
    infos = [info for info in package.infolist() if not info.is_dir()]
    if len(infos) > MOST_FILES:
        raise Malformed("too many files")
    for info in infos:
        folder, _, name = info.filename.partition("/")
        if folder != fileno or not _is_inside(name) or info.flag_bits & 1:
            raise Malformed("a name outside the package folder, or an encrypted file")
        if name in entries:
            raise Malformed("a name twice")
        entries[name] = info
    return entries


def _is_inside(name: str) -> bool:
    return "\\" not in name and not any(part in ("", ".", "..") for part in name.split("/"))


def _index(package: zipfile.ZipFile, held: dict[str, zipfile.ZipInfo], fileno: str) -> Element:
    info = held.get("package.xml")
    if info is None:
        raise Malformed(f"no {fileno}/package.xml")
    with package.open(info) as file:
        data = file.read(LARGEST_INDEX + 1)
    if len(data) > LARGEST_INDEX:
        raise Malformed("package.xml too large")
    try:
        root = xmlsig.parse(data)
    except XmlError as error:
        raise Malformed(f"package.xml: {error}") from error
    if root.tag != "Package" or not set(root.attrib) <= {"Id"}:
        raise Malformed("package.xml: Package")
    return root


def _listed(root: Element) -> list[Listed]:
    """The File elements; nothing else but the signature may stand beside them."""
    files = [_one_listed(node) for node in list(root)[:-1]]
    if len({item.name for item in files}) != len(files) or any(item.name == "package.xml" for item in files):
        raise Malformed("package.xml: a file twice, or itself")
    return files


def _one_listed(node: Element) -> Listed:
    if node.tag != "File" or set(node.attrib) != {"name", "size", "sha256"} or len(node):
        raise Malformed("package.xml: File")
    size, digest = node.get("size"), node.get("sha256")
    if not (size.isascii() and size.isdigit() and len(size) <= 12) or len(digest) != 64:
        raise Malformed("package.xml: size or sha256")
    return Listed(node.get("name"), int(size), digest.lower())


def _compare(package: zipfile.ZipFile, held: dict[str, zipfile.ZipInfo], item: Listed) -> Finding | None:
    """Reads no more than the listed size and one byte: a bomb is a size that differs."""
    info = held.get(item.name)
    if info is None:
        raise Malformed(f"missing: {item.name}")
    size, digest = 0, hashlib.sha256()
    with package.open(info) as file:
        while chunk := file.read(min(1 << 16, item.size + 1 - size)):
            size += len(chunk)
            digest.update(chunk)
    if size != item.size:
        return Finding(SIZE, f"size differs: {item.name}")
    return None if digest.hexdigest() == item.sha256 else Finding(DIGEST, f"digest differs: {item.name}")


def verify(root: Element, trusted: Sequence[x509.Certificate], now: datetime) -> None:
    """One enveloped signature, last child, over the whole root (URI "" or its Id); SealError otherwise."""
    found = root.findall(f".//{{{DS}}}Signature")
    if len(found) != 1 or found[0] is not root[-1]:
        raise SealError("not one Signature as last child")
    info, value, key_info = xmlsig.signature_parts(found[0])
    data = xmlsig.require_children(key_info, [f"{{{DS}}}X509Data"])[0]
    shown = xmlsig.require_children(data, [f"{{{DS}}}X509Certificate"])[0]
    certificate = xmlsig.trusted_certificate(xmlsig.decode_base64(shown.text), trusted, now)
    digests = xmlsig.read_references(info, [xmlsig.ENVELOPED, xmlsig.EXC_C14N])
    name = root.get("Id")
    if len(digests) != 1 or not digests.keys() <= {"", f"#{name}" if name else ""}:
        raise SealError("Reference")
    xmlsig.check_digest(xmlsig.canonical(_bare(root)), next(iter(digests.values())), "package.xml")
    xmlsig.check_value(info, value, certificate)


def _bare(root: Element) -> Element:
    """The document without its last child, the white space after it kept."""
    bare = copy.deepcopy(root)
    last = bare[-1]
    before, tail = last.getprevious(), last.tail or ""
    if before is None:
        bare.text = (bare.text or "") + tail
    else:
        before.tail = (before.tail or "") + tail
    bare.remove(last)
    return bare

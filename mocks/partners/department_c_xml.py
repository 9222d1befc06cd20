"""Department C's documents: SM4-CBC both ways (GB/T 32907), and XML as strict as its contract."""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final
from xml.parsers import expat
from xml.sax.saxutils import escape

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

BLOCK: Final = 16  # bytes
DEEPEST: Final = 4  # root, MATERIALS, MATERIAL, MNAME
_BASE64: Final = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?", re.ASCII)
_CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")


class Unreadable(Exception):
    """Cipher, padding, base64 or well-formedness; the contract does not tell them apart."""


class BadDocument(Exception):
    """A well-formed document that the contract does not allow; the text says why."""


@dataclass
class Element:
    """One element while it is read: text, or elements."""

    name: str
    text: list[str] = field(default_factory=list)
    inner: list[Element] = field(default_factory=list)

    @property
    def value(self) -> str:
        """Its text as it stands."""
        return "".join(self.text)


@dataclass(frozen=True)
class Document:
    """Root, its members with a value, and the names of materials (None: no MATERIALS)."""

    root: str
    members: Mapping[str, str]
    materials: tuple[Mapping[str, str], ...] | None = None


def encrypt(plain: bytes, key: bytes) -> str:
    """Base64 of a random IV and the SM4-CBC ciphertext, PKCS#7 padded."""
    iv, padder = os.urandom(BLOCK), PKCS7(BLOCK * 8).padder()
    cipher = Cipher(algorithms.SM4(key), modes.CBC(iv)).encryptor()
    padded = padder.update(plain) + padder.finalize()
    return base64.b64encode(iv + cipher.update(padded) + cipher.finalize()).decode()


def decrypt(text: str, key: bytes) -> bytes:
    """The plain text; Unreadable for anything else."""
    raw = _unbased(text)
    if len(raw) < 2 * BLOCK or len(raw) % BLOCK:
        raise Unreadable
    cipher, strip = (
        Cipher(algorithms.SM4(key), modes.CBC(raw[:BLOCK])).decryptor(),
        PKCS7(BLOCK * 8).unpadder(),
    )
    padded = cipher.update(raw[BLOCK:]) + cipher.finalize()
    try:
        return strip.update(padded) + strip.finalize()
    except ValueError as error:
        raise Unreadable from error


def _unbased(text: str) -> bytes:
    if not _BASE64.fullmatch(text):
        raise Unreadable
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Unreadable from error


class _Reader:
    """Builds elements while expat reads; whatever the contract forbids ends it at once."""

    def __init__(self) -> None:
        self.open: list[Element] = [Element("")]
        self.parser = expat.ParserCreate("utf-8")
        self.parser.buffer_text = True
        self.parser.XmlDeclHandler = self._declared
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.StartElementHandler = self._begin
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text

    def _declared(self, version: str, encoding: str | None, standalone: int) -> None:
        if encoding is not None and encoding.lower() != "utf-8":
            raise BadDocument("encoding")

    def _doctype(self, *_: object) -> None:
        raise BadDocument("DOCTYPE")

    def _begin(self, name: str, attributes: Mapping[str, str]) -> None:
        if attributes or ":" in name:
            raise BadDocument(f"{name[:50]}: attribute or namespace")
        if len(self.open) > DEEPEST:
            raise BadDocument(f"{name[:50]}: too deep")
        element = Element(name)
        self.open[-1].inner.append(element)
        self.open.append(element)

    def _end(self, name: str) -> None:
        element = self.open.pop()
        if element.inner and element.value.strip():
            raise BadDocument(f"{name[:50]}: text between elements")

    def _text(self, text: str) -> None:
        self.open[-1].text.append(text)


def read(plain: bytes) -> Document:
    """The document; Unreadable if it is not well-formed, BadDocument for what the contract forbids."""
    reader = _Reader()
    try:
        plain.decode("utf-8")
        reader.parser.Parse(plain, True)
    except (UnicodeDecodeError, expat.ExpatError) as error:
        raise Unreadable from error
    root = reader.open[0].inner[0]
    if root.value.strip():
        raise BadDocument("text instead of elements")
    lists = [one for one in root.inner if one.name == "MATERIALS"]
    members = _members(one for one in root.inner if one.name != "MATERIALS")
    return Document(root.name, members, _materials(lists))


def _members(elements: Iterable[Element]) -> Mapping[str, str]:
    """Values by name; an empty member counts as absent."""
    found: dict[str, str] = {}
    seen: set[str] = set()
    for one in elements:
        if one.inner:
            raise BadDocument(f"{one.name[:50]}: text is needed")
        if one.name in seen:
            raise BadDocument(f"{one.name[:50]}: twice")
        if one.value == "null":
            raise BadDocument(f"{one.name[:50]}: null")
        seen.add(one.name)
        if one.value:
            found[one.name] = one.value
    return found


def _materials(lists: list[Element]) -> tuple[Mapping[str, str], ...] | None:
    if not lists:
        return None
    if len(lists) > 1 or lists[0].value.strip() or any(one.name != "MATERIAL" for one in lists[0].inner):
        raise BadDocument("MATERIALS: one list of MATERIAL")
    return tuple(_members(one.inner) for one in lists[0].inner)


def write(root: str, members: Mapping[str, object]) -> bytes:
    """One document in UTF-8, its members in the order given."""
    inner = "".join(f"<{name}>{_escaped(str(value))}</{name}>" for name, value in members.items())
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<{root}>{inner}</{root}>'.encode()


def _escaped(text: str) -> str:
    return escape(_CONTROL.sub("", text)).replace("\r", "&#13;")

"""The two ways a partner's SOAP service is sealed: WS-Security around it, or XML-DSig on what it carries."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from lxml import etree

from exchange.errors import Tampered
from exchange.seals import dsig, safexml, wssec, xmldsig
from exchange.seals.keys import SigningKey
from exchange.seals.safexml import Element
from exchange.seals.xmldsig import Keyring, XmlDsigProfile


class SoapSeal(Protocol):
    """What a client does to a call before it is sent and to its answer before it is read."""

    @property
    def charset(self) -> str:
        """The label of the HTTP bodies both ways."""

    def arguments(self, given: Mapping[str, str], documents: Collection[str]) -> dict[str, str]:
        """The strings the operation is called with; `documents` names those that are documents."""

    def headers(self, call_id: str) -> list[Element]:
        """The SOAP header blocks of the call."""

    def seal(self, envelope: Element) -> None:
        """Seals the whole envelope in place."""

    def open(self, envelope: Element, call_id: str) -> bytes:
        """The verified answer as an envelope for zeep, or one of our errors."""

    def result(self, text: str) -> str:
        """The verified result string."""


@dataclass(frozen=True, slots=True)
class WssSeal:
    """WS-Security both ways, faults included; the answer's business header must repeat the call's id."""

    key: SigningKey
    keyring: Keyring  # the partner's certificates, by SHA-256
    clock: Callable[[], datetime]
    header: str  # {namespace}name of the business header
    id_member: str  # local name of its id, in the same namespace
    charset: str = "utf-8"
    algorithms: frozenset[str] = dsig.ALGORITHMS

    def arguments(self, given: Mapping[str, str], documents: Collection[str]) -> dict[str, str]:
        """Unchanged: the envelope is sealed, not its strings."""
        return dict(given)

    def headers(self, call_id: str) -> list[Element]:
        """The business header with the id."""
        namespace = etree.QName(self.header).namespace
        block = etree.Element(self.header, nsmap={"c": namespace})
        etree.SubElement(block, f"{{{namespace}}}{self.id_member}").text = call_id
        return [block]

    def seal(self, envelope: Element) -> None:
        """Signs Body, Timestamp, token and business header."""
        wssec.sign(envelope, self.key, header=self.header, now=self.clock())

    def open(self, envelope: Element, call_id: str) -> bytes:
        """An envelope of the signed Body alone; Tampered seal_scope for the answer to another call."""
        found = wssec.verify(
            envelope, self.keyring, header=self.header, now=self.clock(), algorithms=self.algorithms
        )
        name = f"{{{etree.QName(self.header).namespace}}}{self.id_member}"
        if found.header.findtext(name) != call_id:
            raise Tampered("seal_scope", "the answer belongs to another call", self.id_member)
        return wssec.bare(found.body)

    def result(self, text: str) -> str:
        """Unchanged."""
        return text


@dataclass(frozen=True, slots=True)
class DocumentSeal:
    """An enveloped XML-DSig on the one document each way; the envelope itself is not sealed."""

    key: SigningKey
    keyring: Keyring  # the partner's certificates, by SHA-256
    clock: Callable[[], datetime]
    profile: XmlDsigProfile
    charset: str = "utf-8"

    def arguments(self, given: Mapping[str, str], documents: Collection[str]) -> dict[str, str]:
        """Each document is signed; its declaration names the charset of the HTTP body."""
        return {name: self._signed(text) if name in documents else text for name, text in given.items()}

    def headers(self, call_id: str) -> list[Element]:
        """None: the document carries its own id."""
        return []

    def seal(self, envelope: Element) -> None:
        """Nothing: the document is sealed already."""

    def open(self, envelope: Element, call_id: str) -> bytes:
        """The envelope as it came; `result` verifies the document in it."""
        wssec.body_of(envelope)
        return bytes(etree.tostring(envelope, encoding="UTF-8"))

    def result(self, text: str) -> str:
        """The signed document without its signature, as text without a declaration."""
        root = safexml.parse_text(text)
        found = xmldsig.verify(root, self.keyring, now=self.clock(), profile=self.profile)
        return str(etree.tostring(found.root, encoding="unicode"))

    def _signed(self, text: str) -> str:
        root = xmldsig.sign(safexml.parse_text(text), self.key, self.profile)
        label = self.charset.upper()
        return f'<?xml version="1.0" encoding="{label}"?>{etree.tostring(root, encoding="unicode")}'

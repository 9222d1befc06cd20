"""How the hub hears one door of its own: what came in a request, what is wrong with it, under which name it
is known again; REST under JWS, and SOAP operations that carry a document under XML-DSig."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from lxml import etree

from exchange.errors import HubError
from exchange.manifest import Inbound, RestDoor, SoapDoor, SoapServed
from exchange.mapping.refusal import DocumentRefused
from exchange.mapping.run import value_at
from exchange.seals import jws, safexml, xmldsig
from exchange.transports.wrapped import unwrap
from mocks.conformance.bench import Bench
from mocks.conformance.listener import Face, Heard
from mocks.conformance.soaphub import SoapHub

JSON = ("application/json", "application/json;charset=utf-8")
MOVING = ("HEAD/TIME",)
"""Members of a document that say when this copy was made."""


class Ear(Protocol):
    """One door."""

    @property
    def name(self) -> str:
        """Of the door: scripts are kept under it."""

    def schema(self, heard: Heard) -> str:
        """What is wrong with the document; empty when nothing is. So in each of these."""

    def seal(self, heard: Heard) -> str:
        """What is wrong with its seal."""

    def frame(self, heard: Heard) -> str:
        """What is wrong with what stands around the document."""

    def repeated(self, requests: Sequence[Heard]) -> str:
        """What is wrong with the seals and contents of its repeats."""


def read_by(bench: Bench, entry: Inbound, plain: bytes) -> str:
    """What our own reading of the contract says against a document."""
    try:
        tree = bench.adapter.mapping(entry.documents[0]).read(plain)
        path = entry.object_path
        document = entry.document_for(value_at(tree, path) if path else None)
        if document is None:
            return f"未约定的对象 / no such object is agreed: {path}"
        bench.adapter.mapping(document).hear(tree, bench.context())
    except DocumentRefused as fault:
        found = "; ".join(f"{error.path}: {error.code}" for error in fault.errors[:5])
        return f"不符合契约 / departs from the contract: {found}"
    except HubError as fault:
        return f"不可读 / unreadable: {fault.code} {fault.detail}"
    return ""


@dataclass(frozen=True)
class RestEar:
    """A path of the hub; the seal is a header over the raw bytes."""

    bench: Bench
    entry: Inbound
    door: RestDoor

    @property
    def name(self) -> str:
        """The path."""
        return self.door.path

    def schema(self, heard: Heard) -> str:
        """By the mapping, unwrapped where the contract wraps it."""
        try:
            wrap, cipher = self.door.wrap, self.bench.partner.cipher
            plain = heard.body if wrap is None else unwrap(heard.body, wrap, cipher)
        except HubError as fault:
            return f"不可读 / unreadable: {fault.code} {fault.detail}"
        return read_by(self.bench, self.entry, plain)

    def seal(self, heard: Heard) -> str:
        """Bound to method and path."""
        now, ring = datetime.fromtimestamp(heard.at, UTC), self.bench.partner.by_kid
        try:
            jws.verify_request(heard.seal, heard.body, ring, method=heard.method, path=heard.path, now=now)
        except HubError as fault:
            return f"{fault.code}: {fault.detail}"
        return ""

    def frame(self, heard: Heard) -> str:
        """The media type."""
        kind = heard.headers.get("content-type", "").lower().replace(" ", "")
        return "" if kind in JSON else f"标注为 / labelled {kind or '-'}"

    def repeated(self, requests: Sequence[Heard]) -> str:
        """Each under a nonce of its own."""
        nonces = {jws.claimed_nonce(one.seal) for one in requests}
        if len(nonces) < len(requests):
            return "同一 nonce 用了两次 / one nonce used twice"
        return next((said for one in requests if (said := self.seal(one))), "")


@dataclass(frozen=True)
class SoapEar:
    """An operation of the service the hub serves; the document in its argument carries the seal."""

    bench: Bench
    entry: Inbound
    door: SoapDoor
    served: SoapServed
    hub: SoapHub

    @property
    def name(self) -> str:
        """The operation."""
        return self.door.operation

    def schema(self, heard: Heard) -> str:
        """By the mapping; then the account, and the file beside the document."""
        call = self.hub.open(heard)
        if call.problem:
            return call.problem
        try:
            plain = bytes(etree.tostring(self._unsigned(call.arguments[self.door.argument])))
        except HubError as fault:
            return f"不可读 / unreadable: {fault.code} {fault.detail}"
        return read_by(self.bench, self.entry, plain) or self._beside(plain, call.arguments)

    def seal(self, heard: Heard) -> str:
        """One enveloped signature over the whole document."""
        call = self.hub.open(heard)
        if call.problem:
            return call.problem
        now, ring = datetime.fromtimestamp(heard.at, UTC), self.bench.partner.by_digest
        profile = xmldsig.in_string(self.bench.adapter.signatures)
        try:
            root = safexml.parse_text(call.arguments[self.door.argument])
            xmldsig.verify(root, ring, now=now, profile=profile)
        except HubError as fault:
            return f"{fault.code}: {fault.detail}"
        return ""

    def frame(self, heard: Heard) -> str:
        """Label, declaration, action and envelope, by the WSDL."""
        return self.hub.open(heard).problem

    def repeated(self, requests: Sequence[Heard]) -> str:
        """The same document, whenever its copy was made."""
        if bad := next((said for one in requests if (said := self.seal(one))), ""):
            return bad
        told = {self._content(one) for one in requests}
        return "" if len(told) == 1 else "重发的内容不同 / a repeat says something else"

    def _content(self, heard: Heard) -> bytes:
        root = self._unsigned(self.hub.open(heard).arguments[self.door.argument])
        for path in MOVING:
            if (node := root.find(path)) is not None:
                node.text = ""
        return bytes(etree.tostring(root, method="c14n"))

    def _unsigned(self, text: str) -> Any:
        root = safexml.parse_text(text)
        for node in root.findall("{http://www.w3.org/2000/09/xmldsig#}Signature"):
            root.remove(node)
        return root

    def _beside(self, plain: bytes, arguments: dict[str, str]) -> str:
        tree = self.bench.adapter.mapping(self.entry.documents[0]).read(plain)
        if (account := self.served.account) is not None:
            wanted = account.value.format_map({**self.bench.adapter.parameters, **self.bench.partner.values})
            if value_at(tree, account.path) != wanted:
                return f"{account.path} = {value_at(tree, account.path)}, 应为 / expected {wanted}"
        if self.door.file is None or self.door.file_digest is None:
            return ""
        return _file_problem(arguments[self.door.file], value_at(tree, self.door.file_digest) or "")


def _file_problem(text: str, digest: str) -> str:
    try:
        data = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return "附件不是 base64 / the file is no base64"
    good = hashlib.sha256(data).hexdigest() == digest.lower()
    return "" if good else "附件与摘要不符 / file and digest differ"


def ear_of(bench: Bench, entry: Inbound) -> Ear | None:
    """The ear of a door that is called over HTTP; None for any other, and without a listener."""
    if entry.rest is not None:
        return RestEar(bench, entry, entry.rest)
    served, listener = bench.adapter.served, bench.listener
    face: Face | None = listener.faces.get(served.path) if listener and served else None
    if entry.soap is not None and served is not None and isinstance(face, SoapHub):
        return SoapEar(bench, entry, entry.soap, served, face)
    return None

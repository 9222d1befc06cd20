"""Department B's documents as text: built, sealed, enveloped in GBK, and spoilt where a fault says so."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from lxml import etree

from mocks.partners.common import soapface
from mocks.partners.common.clock import Clock, compact
from mocks.partners.common.faults import Faults
from mocks.partners.common.soapdesk import distort, serialise, spoil_signature, wrapped
from mocks.partners.common.xmlseal import sign_enveloped
from mocks.partners.common.xmlsig import Element, Signer
from mocks.partners.department_b_steps import OPERATIONS

DECLARATION: Final = '<?xml version="1.0" encoding="GBK"?>'
GBK: Final = "text/xml; charset=GBK"
PUSH_FAULTS: Final = frozenset({
    "delay_ms", "drop_before_reply", "sig_bad", "duplicate_push", "reorder", "maintenance", "truncate_800b",
    "null_text", "wrong_charset_label", "bom", "cdata_in_cdata", "schema_new_field",
})  # fmt: skip
"""Faults of every document the department sends."""


def grown(parent: Element, members: Mapping[str, object]) -> Element:
    """Members below an element; what has no value is left out."""
    for name, value in members.items():
        if isinstance(value, Mapping):
            grown(etree.SubElement(parent, name), value)
        elif value != "":
            etree.SubElement(parent, name).text = str(value)
    return parent


def as_text(root: Element) -> str:
    """A document inside a string."""
    return DECLARATION + str(etree.tostring(root, encoding="unicode"))


@dataclass(frozen=True)
class Letter:
    """One copy on its way: its document, its HTTP body, and whether content or carriage was spoilt."""

    document: str
    body: bytes
    content_type: str
    wrong: bool  # the document itself says what it should not
    spoilt: bool


@dataclass(frozen=True)
class Scribe:
    """Writes and seals; `namespace` is that of the hub's service."""

    signer: Signer
    faults: Faults
    clock: Clock
    app_id: str
    namespace: str

    def sealed(self, row: sqlite3.Row) -> str:
        """The document of a row as it should be."""
        root = self._written(row, json.loads(row["data"]))
        sign_enveloped(root, self.signer)
        return as_text(root)

    def _written(self, row: sqlite3.Row, data: Mapping[str, object]) -> Element:
        head = {
            "MSGID": row["msg_id"], "KIND": row["step"][:2], "APPID": self.app_id,
            "TIME": compact(self.clock()),
        }  # fmt: skip
        return grown(etree.Element("REQUEST"), {"HEAD": head, "DATA": data})

    def letter(self, row: sqlite3.Row, good: str) -> Letter:
        """What leaves now; `good` is the sealed document of the row."""
        operation = OPERATIONS[row["step"][:2]]
        wrong = self._wrong(row, operation)
        said = wrong if wrong is not None else good
        sent = self._badly_sealed(said) if self.faults.take(operation, "sig_bad") else said
        carried = wrapped(sent, self.faults, operation)
        file = row["file"]
        if file and self.faults.take(operation, "missing_attachment"):
            file, wrong = "", said
        body, content_type, cut = self._enclosed(operation, carried, file)
        return Letter(said, body, content_type, wrong is not None, cut or carried != good)

    def _wrong(self, row: sqlite3.Row, operation: str) -> str | None:
        """A well sealed document with wrong content, if a fault asks for one."""
        data = json.loads(row["data"])
        if gap := self.faults.take(operation, "version_gap"):
            data["VERSION"] = str(int(data["VERSION"]) + 2)
        root = self._written(row, data)
        before = etree.tostring(root)
        distort(root.find("DATA"), self.faults, operation)
        if gap is None and etree.tostring(root) == before:
            return None
        sign_enveloped(root, self.signer)
        return as_text(root)

    def _badly_sealed(self, document: str) -> str:
        root = etree.fromstring(document.removeprefix(DECLARATION))
        spoil_signature(root)
        return as_text(root)

    def _enclosed(self, operation: str, document: str, file: str) -> tuple[bytes, str, bool]:
        """HTTP body, media type, and whether a fault changed them."""
        payload = etree.Element(f"{{{self.namespace}}}{operation}", nsmap={"hub": self.namespace})
        etree.SubElement(payload, f"{{{self.namespace}}}xml").text = document
        if operation == "PushCertificate":
            etree.SubElement(payload, f"{{{self.namespace}}}base64").text = file
        whole = body = serialise(soapface.envelope_with(payload), "GBK")
        if self.faults.take(operation, "truncate_800b"):
            body = body[:800]
        if self.faults.take(operation, "bom"):
            body = b"\xef\xbb\xbf" + body
        label = "UTF-8" if self.faults.take(operation, "wrong_charset_label") else "GBK"
        return body, f"text/xml; charset={label}", body != whole or label != "GBK"

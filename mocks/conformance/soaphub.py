"""The SOAP service the hub serves to a partner, answering as each check wants."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lxml import etree

from exchange.adapterfolder import Adapter
from exchange.answers import filled
from exchange.errors import HubError, Refused
from exchange.manifest import Inbound, SoapServed
from exchange.mapping import xml
from exchange.mapping.run import value_at
from exchange.seals import safexml, xmldsig
from exchange.seals.keys import SigningKey
from exchange.transports.soap_partner import Operations, PartnerService
from mocks.conformance.listener import Answer, Heard, Sent

PLAIN = {"http500": (500, b"Internal Server Error"), "http503": (503, b"Service Unavailable")}
CODES = {"refused": "*", "busy": "busy"}
"""How to answer -> the hub's code whose word of the contract is said."""


@dataclass(frozen=True)
class Call:
    """What a request held, or what is wrong with its framing."""

    operation: str = ""
    arguments: dict[str, str] = field(default_factory=dict)
    problem: str = ""


class _Turn(threading.local):
    """The request a thread is at."""

    call: Call = Call()
    how: str = ""


@dataclass
class SoapHub:
    """One service by the partner's own WSDL; documents are known again by their identity."""

    adapter: Adapter
    served: SoapServed
    key: SigningKey

    def __post_init__(self) -> None:
        entries = [one for one in self.adapter.inbound if one.soap is not None]
        self.entries: Mapping[str, Inbound] = {one.soap.operation: one for one in entries if one.soap}
        arguments = {name: _arguments(one) for name, one in self.entries.items()}
        files = {name: one.soap.file for name, one in self.entries.items() if one.soap and one.soap.file}
        operations = Operations(
            self.served.namespace, arguments, self.served.result, self.served.charset, files
        )
        description = (self.adapter.folder / self.served.wsdl).read_bytes()
        self.service = PartnerService(operations, description, self._serve, self._turned_away)
        self._turn = _Turn()

    def open(self, heard: Heard) -> Call:
        """The operation and its arguments, by the framing of the contract."""
        return self._served(heard, Answer("unsealed"))[0]

    def door(self, heard: Heard) -> str:
        """The operation that is called."""
        return self.open(heard).operation

    def ident(self, heard: Heard) -> bytes:
        """The document's own identity; of what cannot be read its bytes."""
        call = self.open(heard)
        entry = self.entries.get(call.operation)
        if entry is None or entry.soap is None:
            return heard.body
        try:
            root = safexml.parse_text(call.arguments[entry.soap.argument])
            tree = self.adapter.mapping(entry.documents[0]).read(bytes(etree.tostring(root)))
        except HubError:
            return heard.body
        path = entry.message_id.path
        return (value_at(tree, path) or "").encode() if isinstance(path, str) else heard.body

    def answer(self, heard: Heard, answer: Answer) -> Sent:
        """The answer as it goes out."""
        if answer.how in PLAIN:
            status, body = PLAIN[answer.how]
            return Sent(status, {"Content-Type": "text/plain"}, body)
        _, (status, kind, body) = self._served(heard, answer)
        return Sent(status, {"Content-Type": kind}, body)

    def _served(self, heard: Heard, answer: Answer) -> tuple[Call, tuple[int, str, bytes]]:
        self._turn.call, self._turn.how = Call(problem="unreadable"), answer.how
        kind, action = heard.headers.get("content-type"), heard.headers.get("soapaction", "")
        said = self.service.handle(heard.body, kind, action)
        return self._turn.call, said

    def _serve(self, operation: str, given: Mapping[str, str]) -> str:
        self._turn.call = Call(operation, dict(given))
        return self._result(self.entries[operation], self._turn.how)

    def _turned_away(self, body: bytes, refusal: Refused) -> None:
        self._turn.call = Call(problem=f"{refusal.code}: {refusal.detail}")

    def _result(self, entry: Inbound, how: str) -> str:
        tree: Any = _said(entry, how)
        (name,) = tree
        root = xml.build(name, tree[name])
        if how != "unsealed":
            root = xmldsig.sign(root, self.key, xmldsig.in_string(self.adapter.signatures))
        if how == "bad_seal":
            root[-2].text = f"{root[-2].text or ''} "
        return xml.text_of(root, self.served.charset.upper())


def _arguments(entry: Inbound) -> tuple[str, ...]:
    door = entry.soap
    return () if door is None else (door.argument, door.file) if door.file else (door.argument,)


def _said(entry: Inbound, how: str) -> Any:
    """The contract's answer, good or one of its refusals."""
    if entry.answer is None:
        return {"result": ""}
    if how not in CODES:
        return filled(entry.answer.ok, {})
    code = entry.answer.codes.get(CODES[how], "")
    return filled(entry.answer.refused, {"code": code, "hub_code": CODES[how].strip("*") or "bad_value"})


def soap_hub(adapter: Adapter, key: SigningKey) -> SoapHub | None:
    """The service of an adapter whose contract has the hub serve one."""
    return SoapHub(adapter, adapter.served, key) if adapter.served is not None else None

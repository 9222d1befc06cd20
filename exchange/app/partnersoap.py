"""SOAP services the hub serves to partners by their own WSDL, each operation on the one path."""

import base64
import binascii
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from exchange.adapterfolder import Adapter
from exchange.answers import partner_tree
from exchange.app.soapface import record_refusal
from exchange.envelope import Envelope, Heard, Sealed
from exchange.errors import Refused, Tampered, TryLater
from exchange.faces import Door
from exchange.hub import Hub
from exchange.manifest import Answer, SoapDoor, SoapServed
from exchange.mapping import xml
from exchange.mapping.run import value_at
from exchange.pipeline import receive
from exchange.receipts import Receipt, errors_of
from exchange.seals import xmldsig
from exchange.seals.safexml import Element, codec
from exchange.transports.soap_partner import Operations, PartnerService


@dataclass(frozen=True)
class Served:
    """One partner's service and where it stands."""

    path: str
    service: PartnerService
    largest: int  # bytes of a body


def partner_services(hub: Hub) -> list[Served]:
    """Every service an adapter's contract has the hub serve."""
    return [_served(hub, adapter, adapter.served) for adapter in hub.adapters.values() if adapter.served]


def _served(hub: Hub, adapter: Adapter, rules: SoapServed) -> Served:
    known = _operations(adapter)
    arguments = {name: _arguments(one.soap) for name, one in known.items()}
    files = {name: one.soap.file for name, one in known.items() if one.soap.file}
    operations = Operations(rules.namespace, arguments, rules.result, rules.charset, files)
    description = (adapter.folder / rules.wsdl).read_bytes()
    serve = partial(_serve, hub, adapter, rules, known)
    turned_away = partial(record_refusal, hub)
    return Served(rules.path, PartnerService(operations, description, serve, turned_away), rules.max_bytes)


def _operations(adapter: Adapter) -> "dict[str, ServedOperation]":
    """By name; loading has refused an operation without an answer."""
    return {
        entry.soap.operation: ServedOperation(ServedDoor(adapter, entry), entry.soap, entry.answer)
        for entry in adapter.inbound
        if entry.soap is not None and entry.answer is not None
    }


def _arguments(door: SoapDoor) -> tuple[str, ...]:
    return (door.argument, door.file) if door.file else (door.argument,)


def _serve(
    hub: Hub, adapter: Adapter, rules: SoapServed, known: "Mapping[str, ServedOperation]", operation: str,
    given: Mapping[str, str],
) -> str:  # fmt: skip
    """One operation: the sealed answer document as text."""
    called = known[operation]
    text, file = given[called.soap.argument], given[called.soap.file] if called.soap.file else None
    receipt = _received(hub, called.door, rules, text, file)
    tree = partner_tree(called.answer, receipt, {})
    (root,) = tree
    return _sealed(hub, xml.build(root, tree[root]), adapter, rules.charset)


def _received(hub: Hub, door: "ServedDoor", rules: SoapServed, text: str, file: str | None) -> Receipt:
    body, media = text.encode(codec(rules.charset)), f"text/xml; charset={rules.charset}"
    content = None if file is None else decoded(file)
    envelope = Envelope("soap", body, media, time.time(), file=content)

    def read(sealed: Sealed, envelope: Envelope) -> Heard:
        if file is not None and content is None:
            raise Refused("bad_value", "not base64", door.entry.soap.file if door.entry.soap else None)
        return door.read(hub, sealed, envelope)

    try:
        return receive(hub, envelope, lambda e: door.open(hub, e), read)
    except TryLater as fault:
        return Receipt("refused", "busy", {"errors": errors_of(fault)})


@dataclass(frozen=True)
class ServedDoor(Door):
    """One operation as a face: seal and account are looked at first, nothing of the rest otherwise."""

    def open(self, hub: Hub, envelope: Envelope) -> Sealed:
        """The seal of a party of this adapter, under the account agreed with it."""
        sealed, rules = super().open(hub, envelope), self.adapter.served
        if rules is not None and rules.account is not None:
            values = {**self.adapter.parameters, **sealed.party.account}
            wanted = rules.account.value.format_map(values)
            tree = self.adapter.mapping(self.entry.documents[0]).read(sealed.body)
            if value_at(tree, rules.account.path) != wanted:
                raise Tampered("not_allowed", "not the account agreed", rules.account.path)
        return sealed


@dataclass(frozen=True)
class ServedOperation:
    """One operation: its face, where its document stands, how it is answered."""

    door: ServedDoor
    soap: SoapDoor
    answer: Answer


def decoded(text: str) -> bytes | None:
    """The bytes of base64, line breaks aside; None when it is none."""
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return None


def _sealed(hub: Hub, document: Element, adapter: Adapter, charset: str) -> str:
    signed = xmldsig.sign(document, hub.rsa_key, xmldsig.in_string(adapter.signatures))
    return xml.text_of(signed, charset.upper())

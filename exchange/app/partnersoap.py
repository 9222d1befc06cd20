"""SOAP services the hub serves to partners by their own WSDL, each operation on the one path."""

import base64
import binascii
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from exchange.adapterfolder import Adapter
from exchange.answers import partner_tree
from exchange.app.soapface import record_refusal
from exchange.envelope import Envelope
from exchange.errors import Refused, TryLater
from exchange.faces import IN_STRING, Door
from exchange.hub import Hub
from exchange.manifest import Inbound, SoapDoor, SoapServed
from exchange.mapping import xml
from exchange.pipeline import receive
from exchange.receipts import Receipt, errors_of
from exchange.seals import xmldsig
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
    entries = {entry.soap.operation: entry for entry in adapter.inbound if entry.soap is not None}
    arguments = {name: _arguments(entry.soap) for name, entry in entries.items() if entry.soap}
    operations = Operations(rules.namespace, arguments, rules.result, rules.charset)
    description = (adapter.folder / rules.wsdl).read_bytes()
    serve = partial(_serve, hub, adapter, rules, entries)
    turned_away = partial(record_refusal, hub)
    return Served(rules.path, PartnerService(operations, description, serve, turned_away), rules.max_bytes)


def _arguments(door: SoapDoor) -> tuple[str, ...]:
    return (door.argument, door.file) if door.file else (door.argument,)


def _serve(
    hub: Hub, adapter: Adapter, rules: SoapServed, entries: Mapping[str, Inbound], operation: str,
    given: Mapping[str, str],
) -> str:  # fmt: skip
    """One operation: the sealed answer document as text."""
    entry = entries[operation]
    assert entry.soap is not None and entry.answer is not None  # noqa: S101 - checked when the adapter was loaded
    receipt = _received(
        hub, Door(adapter, entry), rules, given[entry.soap.argument], _file(entry.soap, given)
    )
    tree = partner_tree(entry.answer, receipt, {})
    (root,) = tree
    return _sealed(hub, root, tree[root], rules.charset)


def _received(hub: Hub, door: Door, rules: SoapServed, text: str, file: bytes | None) -> Receipt:
    codec = "gb18030" if rules.charset == "gbk" else rules.charset
    media = f"text/xml; charset={rules.charset}"
    envelope = Envelope("soap", text.encode(codec), media, time.time(), file=file)
    try:
        return receive(hub, envelope, lambda e: door.open(hub, e), lambda s, e: door.read(hub, s, e))
    except TryLater as fault:
        return Receipt("refused", "busy", {"errors": errors_of(fault)})


def _file(door: SoapDoor, given: Mapping[str, str]) -> bytes | None:
    """What cannot be decoded is no file; its digest will not match."""
    if door.file is None:
        return None
    try:
        return base64.b64decode("".join(given[door.file].split()), validate=True)
    except (binascii.Error, ValueError):
        raise Refused("bad_value", "not base64", door.file) from None


def _sealed(hub: Hub, root: str, tree: Any, charset: str) -> str:
    signed = xmldsig.sign(xml.build(root, tree), hub.rsa_key, IN_STRING)
    return xml.text_of(signed, charset.upper())

"""The hub's faces: how each kind of envelope is opened (whose seal, over which bytes) and read (which
message)."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from canonical.messages import Message
from exchange.adapterfolder import Adapter
from exchange.envelope import Envelope, Heard, Sealed, heard
from exchange.errors import Refused, Tampered
from exchange.hub import Hub
from exchange.manifest import AmqpDoor, Inbound
from exchange.mapping import house
from exchange.mapping.run import value_at
from exchange.mediatype import charset, is_utf8, kind
from exchange.parties import Party, fingerprint_id
from exchange.receipts import moment, moment14
from exchange.routing import HOUSE
from exchange.seals import jws, xmldsig
from exchange.seals.safexml import codec, parse, parse_text
from exchange.transports.queues import LONGEST_BODY
from exchange.transports.wrapped import unwrap

IDENT = re.compile(r"[A-Za-z0-9._-]{8,64}")
WINDOW = 300.0  # seconds a document without a detached signature may be off by its sent_at


def open_request(hub: Hub, envelope: Envelope) -> Sealed:
    """A detached JWS bound to method and path."""
    seal = jws.verify_request(
        envelope.seal,
        envelope.body,
        hub.parties.certificate,
        method=envelope.bound["method"],
        path=envelope.bound["path"],
        now=_at(envelope),
    )
    return _by_jws(hub, envelope, seal)


def open_post(hub: Hub, envelope: Envelope) -> Sealed:
    """A detached JWS bound to exchange and routing key."""
    seal = jws.verify_amqp(
        envelope.seal,
        envelope.body,
        hub.parties.certificate,
        exchange=envelope.bound["exchange"],
        routing_key=envelope.bound["routing_key"],
        now=_at(envelope),
    )
    return _by_jws(hub, envelope, seal)


def open_xml(hub: Hub, envelope: Envelope) -> Sealed:
    """An enveloped XML signature over the whole document."""
    root = parse(envelope.body, charset=charset(envelope.media_type))
    signed = xmldsig.verify(root, hub.parties.by_fingerprint, now=_at(envelope))
    key = fingerprint_id(signed.fingerprint)
    body = house.bytes_of(signed.root)
    digest = signed.signature_digest.hex()
    return Sealed(_holder(hub, key), key, body, digest, digest, "xmldsig")


def open_document(hub: Hub, envelope: Envelope, algorithms: Iterable[str]) -> Sealed:
    """An enveloped XML signature over a document that came as a string inside an envelope without a seal."""
    text = envelope.body.decode(codec(charset(envelope.media_type)) or "utf-8")
    profile = xmldsig.in_string(algorithms)
    signed = xmldsig.verify(parse_text(text), hub.parties.by_fingerprint, now=_at(envelope), profile=profile)
    key, digest = fingerprint_id(signed.fingerprint), signed.signature_digest.hex()
    return Sealed(_holder(hub, key), key, house.bytes_of(signed.root), digest, digest, "xmldsig")


def read_json(hub: Hub, sealed: Sealed, envelope: Envelope) -> Heard:
    """A house document as JSON."""
    del hub, envelope
    _expect_size(sealed)
    return heard(house.read_json(sealed.body))


def read_xml(hub: Hub, sealed: Sealed, envelope: Envelope) -> Heard:
    """A house document as XML; its sent_at stands for the time of the seal."""
    del hub
    message = house.read_xml(sealed.body)
    if abs(message.sent_at.timestamp() - envelope.received_at) > WINDOW:
        raise Refused("stale", "sent_at is more than 300 s from the hub's clock", "sent_at")
    return heard(message)


@dataclass(frozen=True)
class Door:
    """One inbound entry of an adapter, as a face."""

    adapter: Adapter
    entry: Inbound

    def open(self, hub: Hub, envelope: Envelope) -> Sealed:
        """The seal of a party of this adapter."""
        sealed = self._opened(hub, envelope)
        if sealed.party.adapter != self.adapter.name:
            raise Tampered("not_allowed", "this door is another partner's")
        return sealed

    def _opened(self, hub: Hub, envelope: Envelope) -> Sealed:
        if envelope.protocol == "rest":
            return open_request(hub, envelope)
        if envelope.protocol == "amqp":
            return open_post(hub, envelope)
        return open_document(hub, envelope, self.adapter.signatures)

    def read(self, hub: Hub, sealed: Sealed, envelope: Envelope) -> Heard:
        """The wire document as a message of this party, speaking for its own organisation."""
        self._expect_media(envelope)
        self._expect_size(sealed)
        values = self._values(hub, sealed.party, envelope)
        if self.entry.amqp is not None and values.get("org") not in (None, sealed.party.org):
            raise Tampered("not_allowed", "the routing key names another organisation", "routing_key")
        body = self._unwrapped(hub, sealed)
        document = self.entry.document_for(self._object(body, values))
        if document is None or document.type is None:
            raise Refused("unknown_type", "no such document is agreed", self.entry.object_path or "object")
        mapping = self.adapter.mapping(document)
        tree = mapping.read(body)
        self._expect_file(envelope, tree)
        payload = mapping.hear(tree, values)
        self._expect_headers(envelope, {**values, "version": getattr(payload, "version", 1)})
        ident = self._identity(envelope, sealed, tree)
        if not IDENT.fullmatch(ident) or len(ident) > self.entry.message_id.longest:
            raise Refused("bad_value", "an identity is 8 to 64 of A-Z a-z 0-9 . _ -", _named(self.entry))
        sent_at = moment(envelope.received_at)
        return heard(
            Message(
                message_id=ident,
                type=document.type,
                sender=sealed.party.name,
                sent_at=sent_at,
                payload=payload,
            )
        )

    def wire(self, where: str) -> str:
        """The wire path of what a refusal names by its canonical field; any other name stays as it is."""
        places = [self.adapter.mapping(one).places.fields for one in self.entry.documents]
        path = tuple(where.split("."))
        return next((found[path] for found in places if path in found), where)

    def _expect_media(self, envelope: Envelope) -> None:
        """What comes as something else than JSON, or labelled with another character set than its own, is not
        read."""
        if envelope.protocol == "rest" and kind(envelope.media_type) not in ("", "application/json"):
            raise Refused("bad_media_type", "send application/json", "Content-Type")
        if envelope.protocol in ("rest", "amqp") and not is_utf8(envelope.media_type):
            raise Refused("bad_media_type", "JSON is UTF-8, the label says otherwise", "Content-Type")

    def _expect_size(self, sealed: Sealed) -> None:
        """Over HTTP what the contract allows; the longest body there is for what a broker carried."""
        _expect_size(sealed, self.adapter.limits.max_bytes if self.entry.rest else LONGEST_BODY)

    def _unwrapped(self, hub: Hub, sealed: Sealed) -> bytes:
        rule = self.entry.rest.wrap if self.entry.rest else None
        return unwrap(sealed.body, rule, hub.ciphers.get(sealed.party.name)) if rule else sealed.body

    def _object(self, body: bytes, values: Mapping[str, Any]) -> str | None:
        """Which of the entry's documents it is: the routing key says it, or a value in the document."""
        if self.entry.object_path is None:
            return values.get("object")
        tree = self.adapter.mapping(self.entry.documents[0]).read(body)
        return value_at(tree, self.entry.object_path)

    def _expect_file(self, envelope: Envelope, tree: Any) -> None:
        door = self.entry.soap
        if door is None or door.file_digest is None:
            return
        said = value_at(tree, door.file_digest) or ""
        if hashlib.sha256(envelope.file or b"").hexdigest() != said.lower():
            raise Refused("bad_value", "the file and its digest differ", door.file)

    def document_type(self, envelope: Envelope) -> str:
        """The message type, as far as it is known before reading."""
        door = self.entry.amqp
        values = key_values(door, envelope.bound.get("routing_key", "")) if door else {}
        document = self.entry.document_for(values.get("object"))
        return (document.type if document else None) or "?"

    def _values(self, hub: Hub, party: Party, envelope: Envelope) -> dict[str, Any]:
        known = {"time14": moment14(envelope.received_at), **self.adapter.parameters, **party.account}
        values: dict[str, Any] = known | {"secret": hub.secrets.get(party.name)}
        if self.entry.amqp is not None:
            values |= key_values(self.entry.amqp, envelope.bound["routing_key"])
        return values

    def _expect_headers(self, envelope: Envelope, values: Mapping[str, Any]) -> None:
        """What stands beside the body must say the same as key and body."""
        for name, template in self.entry.amqp.headers.items() if self.entry.amqp else ():
            if envelope.properties.get(name) != template.format_map(values):
                raise Refused("bad_value", "the header differs from key and body", name)

    def _identity(self, envelope: Envelope, sealed: Sealed, tree: Any) -> str:
        rule = self.entry.message_id
        paths = (rule.path,) if isinstance(rule.path, str) else rule.path or ("message_id",)
        if rule.by in ("property", "row"):
            found = [envelope.properties.get(path) for path in paths]
        elif rule.by == "field":
            found = [value_at(tree, path) for path in paths]
        else:
            found = [hashlib.sha256(sealed.body).hexdigest()]
        parts = [one for one in found if one]
        if len(parts) != len(found):
            raise Refused("missing_field", "the message has no identity", paths[0])
        for path, part in zip(paths, parts, strict=False):
            if rule.pattern is not None and not re.fullmatch(rule.pattern, part, re.ASCII):
                raise Refused("bad_value", "not of the form agreed", path)
        return rule.prefix + "-".join(parts)


def _named(entry: Inbound) -> str:
    """Where the identity stands, for a person."""
    path = entry.message_id.path
    return "-".join(path) if isinstance(path, tuple) else path or "message_id"


def _expect_size(sealed: Sealed, most: int = LONGEST_BODY) -> None:
    """HTTP is bounded while it is read; what a broker carried is measured here: its sender is told."""
    if len(sealed.body) > most:
        raise Refused("too_large", f"the body exceeds {most} bytes")


def key_values(door: AmqpDoor, routing_key: str) -> Mapping[str, str]:
    """What a routing key says at the places of the pattern's {names}."""
    pattern, words = door.routing_key.split("."), routing_key.split(".")
    if len(pattern) != len(words):
        return {}
    return {
        part[1:-1]: word
        for part, word in zip(pattern, words, strict=True)
        if part.startswith("{") and part.endswith("}")
    }


def house_only(hub: Hub, sealed: Sealed) -> Sealed:
    """The house faces serve house parties."""
    del hub
    if sealed.party.adapter != HOUSE:
        raise Tampered("not_allowed", "this party has its own door")
    return sealed


def _by_jws(hub: Hub, envelope: Envelope, seal: jws.Sealed) -> Sealed:
    digest = hashlib.sha256((envelope.seal or "").encode()).hexdigest()
    return Sealed(
        _holder(hub, seal.party_key_id), seal.party_key_id, envelope.body, seal.nonce, digest, "jws"
    )


def _holder(hub: Hub, key: str) -> Party:
    held = hub.parties.holding(key)
    if held is None:
        raise Tampered("unknown_party", "the certificate is not registered")
    return held.party


def _at(envelope: Envelope) -> datetime:
    return datetime.fromtimestamp(envelope.received_at, UTC)

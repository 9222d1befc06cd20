"""What travels: an envelope as it arrived, what its seal proved, and the message it turned out to be."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from canonical.form import digest
from canonical.messages import Message
from exchange.parties import Party


@dataclass(frozen=True)
class Envelope:
    """Bytes as they arrived and what surrounds them; nothing in it is trusted yet."""

    protocol: str  # rest, soap, amqp, table, file
    body: bytes
    media_type: str
    received_at: float  # Unix seconds
    seal: str | None = None  # detached signature (X-Gov-Signature)
    bound: Mapping[str, str] = field(default_factory=dict)  # what a detached signature must be bound to
    properties: Mapping[str, str] = field(default_factory=dict)  # AMQP properties and headers
    file: bytes | None = None  # what travels beside the document, bound by a digest in it


@dataclass(frozen=True)
class Sealed:
    """What a verified seal vouches for: whose it is and exactly which bytes."""

    party: Party
    key_id: str
    body: bytes
    nonce: str
    signature: str  # hex digest of the signature itself
    suite: str


@dataclass(frozen=True)
class Heard:
    """A message understood, with the digest a retry must repeat."""

    message: Message
    canonical: dict[str, object]
    digest: str


def heard(message: Message) -> Heard:
    """The message with its canonical form; the digest leaves out when it was sent."""
    canonical = message.payload.model_dump(mode="json", exclude_none=True)
    content = {"type": message.type, "sender": message.sender, "payload": canonical}
    return Heard(message, canonical, digest(content))


def seal_digest(envelope: Envelope) -> str:
    """Identity of the very bytes sent, signature included."""
    return hashlib.sha256((envelope.seal or "").encode() + b"\n" + envelope.body).hexdigest()

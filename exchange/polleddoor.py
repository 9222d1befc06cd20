"""A door at the partner's own place: a row or file waits there until the hub fetches it, then goes the one
path of every message."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from exchange import faces
from exchange.envelope import Envelope, Heard, Sealed
from exchange.errors import Refused, Tampered
from exchange.hub import Hub
from exchange.parties import Party, Registered
from exchange.receipts import moment
from exchange.seals import jws

LONGEST_ID = 64  # characters of a message id

Parse = Callable[[bytes], bytes]


@dataclass(frozen=True)
class PolledDoor(faces.Door):
    """One polled entry of an adapter, for one party: another's seal is refused even where both share the
    adapter. `parse` makes the mapping's JSON of what is sealed, where that is something else."""

    party: str
    parse: Parse = bytes

    def open(self, hub: Hub, envelope: Envelope) -> Sealed:
        """The seal of the party whose place this is."""
        seal = self._verified(hub, envelope)
        held = hub.parties.holding(seal.party_key_id)
        if held is None or held.party.name != self.party:
            raise Tampered("not_allowed", "this place is another party's", "kid")
        return _sealed(held, seal.party_key_id, envelope)

    def read(self, hub: Hub, sealed: Sealed, envelope: Envelope) -> Heard:
        """The document as a message of this party."""
        self._expect_time(envelope)
        return super().read(hub, replace(sealed, body=self.parse(sealed.body)), envelope)

    def _expect_time(self, envelope: Envelope) -> None:
        """What rows are ordered by must be what was sealed."""
        terms = self.adapter.database
        if (
            envelope.protocol == "table"
            and terms
            and envelope.properties["written"] != moment(jws.claimed_iat(envelope.seal) or 0)
        ):
            raise Refused("bad_value", "it is not the second of the seal", terms.written)

    def _verified(self, hub: Hub, envelope: Envelope) -> jws.Sealed:
        at, ring, bound = (
            datetime.fromtimestamp(envelope.received_at, UTC),
            hub.parties.certificate,
            envelope.bound,
        )
        if envelope.protocol == "table":
            table, row = bound["table"], bound["row"]
            return jws.verify_row(envelope.seal, envelope.body, ring, table=table, row=row, now=at)
        oldest = self.entry.file.oldest if self.entry.file else 0.0
        return jws.verify_file(envelope.seal, envelope.body, ring, file=bound["file"], now=at, oldest=oldest)

    def _values(self, hub: Hub, party: Party, envelope: Envelope) -> dict[str, Any]:
        """What the name of row or file says is known beside the document."""
        return {**super()._values(hub, party, envelope), **envelope.properties}

    def _expect_size(self, sealed: Sealed) -> None:
        """It was measured where it was fetched."""

    def _identity(self, envelope: Envelope, sealed: Sealed, tree: Any) -> str:
        ident = super()._identity(envelope, sealed, tree)
        return ident if len(ident) <= LONGEST_ID else hashlib.sha256(ident.encode()).hexdigest()


def _sealed(held: Registered, key: str, envelope: Envelope) -> Sealed:
    """What lies at the partner's is fetched as often as it takes: its identity guards against a replay, so
    the nonce of the seal is not used up; one that stands for seal and identity takes its place."""
    seal = envelope.seal or ""
    digest = hashlib.sha256(seal.encode()).hexdigest()
    nonce = hashlib.sha256(f"{seal}\n{envelope.properties.get('message_id', '')}".encode()).hexdigest()
    return Sealed(held.party, key, envelope.body, nonce, digest, "jws")


def polled(
    protocol: str,
    body: bytes,
    seal: str | None,
    bound: Mapping[str, str],
    properties: Mapping[str, str],
    at: float,
) -> Envelope:
    """What was fetched, as an envelope."""
    media = "application/json" if protocol == "table" else "text/plain"
    return Envelope(protocol, body, media, at, seal, bound, properties)

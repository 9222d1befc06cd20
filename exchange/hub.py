"""One hub: everything the path needs, built once at start-up and passed down."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from uuid import uuid4

from canonical.messages import PAYLOADS, Message, Payload
from exchange.adapterfolder import Adapter
from exchange.cases import Cases
from exchange.outbox import Outbox
from exchange.parties import Parties, Party
from exchange.reactions import Reactions
from exchange.receipts import moment
from exchange.routing import HOUSE, Routes
from exchange.seals.keys import SigningKey
from exchange.store.work import Store

STRANGERS_A_MINUTE = 60


@dataclass
class Strangers:
    """How many messages from nobody we know get a ledger line of their own: a flood must not become the
    ledger."""

    minute: int = -1
    seen: int = 0

    def counted(self, now: float) -> bool:
        """Whether this one is recorded."""
        if int(now // 60) != self.minute:
            self.minute, self.seen = int(now // 60), 0
        self.seen += 1
        return self.seen <= STRANGERS_A_MINUTE


@dataclass(frozen=True)
class Hub:
    """What receiving and dispatching share."""

    name: str
    public_url: str
    store: Store
    parties: Parties
    adapters: Mapping[str, Adapter]
    routes: Routes
    reactions: Reactions
    ec_key: SigningKey
    rsa_key: SigningKey
    pseudonym_key: bytes
    secrets: Mapping[str, str]  # by party
    ciphers: Mapping[str, bytes] = field(default_factory=dict)  # by party: keys agreed for encrypted bodies
    cases: Cases = field(default_factory=Cases)
    outbox: Outbox = field(default_factory=Outbox)
    strangers: Strangers = field(default_factory=Strangers)

    def adapters_of(self, system: str) -> list[str]:
        """Adapters of one system of the requirements list."""
        return self._by_system.get(system, [])

    def sends(self, party: Party) -> frozenset[str]:
        """Message types this party may send."""
        if party.adapter == HOUSE:
            return frozenset(party.sends)
        return self._heard.get(party.adapter, frozenset())

    def judge(self, party: str, document: str, code: str) -> str:
        """What a party's business receipt with this code means, by the contract of the call it answers."""
        found = self.parties.named(party)
        adapter = self.adapters.get(found.adapter) if found else None
        return adapter.call(document).outcome.judge(code) if adapter else "ok"

    def own_message(self, payload: Payload, now: float, cause: str | None, sender: str) -> Message:
        """A message made here: by the hub itself, or in its hall."""
        return Message(
            message_id=str(uuid4()),
            type=payload.TYPE,
            sender=sender,
            sent_at=moment(now),
            causation_id=cause,
            payload=payload,
        )

    def message(self, stored: Mapping[str, Any]) -> Message:
        """A message from its stored form."""
        payload = PAYLOADS[stored["type"]].model_validate(stored["payload"])
        return Message.model_validate({**stored, "payload": payload})

    @cached_property
    def _by_system(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name, adapter in self.adapters.items():
            found.setdefault(adapter.system, []).append(name)
        return found

    @cached_property
    def _heard(self) -> dict[str, frozenset[str]]:
        return {name: frozenset(_types(adapter)) for name, adapter in self.adapters.items()}


def _types(adapter: Adapter) -> set[str]:
    heard = {doc.type for entry in adapter.inbound for doc in entry.documents if doc.type}
    replies = {call.reply.type for call in adapter.outbound if call.reply and call.reply.type}
    return heard | replies

"""A bridge between the kit's queues and the department's that makes the department wrong in one named way."""

import json
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from exchange.errors import HubError
from exchange.seals import jws
from exchange.seals.keys import SigningKey, key_id
from tests.mocks.busside import Got, Put, SqliteSide

TO_PARTNER = ("in", "receipt")
TO_HUB = ("hub.case.receipt", "hub.case.feedback", "gov.case.dead")


@dataclass
class Defect:
    """One way to be wrong. `inward` sees what the hub sends, `outward` what the department sends; each gives
    the messages that go on."""

    id: str
    finds: tuple[str, ...]
    inward: Callable[["Bridge", Got], list[Got]] = lambda bridge, got: [got]
    outward: Callable[["Bridge", Got], list[Got]] = lambda bridge, got: [got]
    options: dict[str, Any] = field(default_factory=dict)


CLEAN = Defect("clean", ())


class Bridge:
    """Carries messages between two queue files."""

    def __init__(self, kit: Path, partner: Path, org: str, hub: SigningKey, own: SigningKey) -> None:
        self.kit, self.partner, self.org, self.hub, self.own = (
            SqliteSide(kit),
            SqliteSide(partner),
            org,
            hub,
            own,
        )
        self.defect = CLEAN
        self.memory: dict[Any, Any] = {}
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def use(self, defect: Defect) -> None:
        self.defect, self.memory = defect, {}

    def problem(self, got: Got) -> str:
        """What a correct reader says of the seal of what the hub sent; empty when it holds."""
        certificate = self.hub.certificate

        def keyring(kid: str) -> Any:
            return certificate if kid == key_id(certificate) else None

        try:
            jws.verify_amqp(
                got.headers.get(jws.HEADER_NAME), got.body, keyring, exchange=got.exchange,
                routing_key=got.routing_key, now=datetime.now(UTC),
            )  # fmt: skip
        except HubError as fault:
            return fault.code
        return ""

    def sealed(self, got: Got, key: SigningKey, **bound: Any) -> Got:
        """The message under a seal of this key."""
        wanted = {"exchange": got.exchange, "routing_key": got.routing_key, "now": datetime.now(UTC)} | bound
        seal = jws.sign_amqp(got.body, key, nonce=secrets.token_urlsafe(24), **wanted)
        return replace(got, headers={**got.headers, jws.HEADER_NAME: seal})

    def with_body(self, got: Got, tree: Any, key: SigningKey) -> Got:
        """The message with other content, sealed by this key."""
        return self.sealed(replace(got, body=json.dumps(tree, ensure_ascii=False).encode()), key)

    def close(self) -> None:
        self.stopping.set()
        self.thread.join(3)

    def _run(self) -> None:
        while not self.stopping.is_set():
            if not any([self._one(name) for name in TO_PARTNER] + [self._back(name) for name in TO_HUB]):
                self.stopping.wait(0.01)

    def _one(self, name: str) -> bool:
        queue = f"dept.{self.org}.{name}"
        got = self.kit.get(queue)
        if got is not None:
            for one in self.defect.inward(self, got):
                self.partner.put(queue, put_of(one))
        return got is not None

    def _back(self, queue: str) -> bool:
        got = self.partner.get(queue)
        if got is not None:
            for one in self.defect.outward(self, got):
                self.kit.put(queue, put_of(one))
        return got is not None


def put_of(got: Got) -> Put:
    """The message as it is written into a queue."""
    return Put(
        got.exchange,
        got.routing_key,
        got.body,
        got.message_id,
        got.correlation_id,
        got.content_type,
        got.headers,
    )

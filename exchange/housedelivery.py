"""Deliveries to house parties: the house document, sealed, to their inbox URL or their queue."""

import secrets
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row

from canonical.messages import PAYLOADS, Message
from exchange.consuming import EXCHANGE
from exchange.delivery import Sent
from exchange.errors import TryLater
from exchange.hub import Hub
from exchange.mapping import house
from exchange.receipts import moment
from exchange.seals import jws
from exchange.transports.queues import Post
from exchange.transports.rest import RestClient

QUEUE = "amqp:"  # address of a house party that reads its queue


class HouseDelivery:
    """Makes one delivery to a house party."""

    def __init__(self, hub: Hub, rest: RestClient) -> None:
        self._hub, self._rest = hub, rest

    def __call__(self, row: Row[Any]) -> Sent:
        """TryLater until the party has answered; its refusal (3xx, 4xx) is kept with what it was sent."""
        party = self._hub.parties.named(row.party)
        if party is None or not party.address:
            raise TryLater("unknown_party", "this party has no address", row.party)
        body = house.write_json(self._message(row))
        return self._post(row, body) if party.address == QUEUE else self._send(party.address, body)

    def _message(self, row: Row[Any]) -> Message:
        payload = PAYLOADS[row.type].model_validate(row.payload)
        return Message(
            message_id=row.message_id,
            type=row.type,
            sender=self._hub.name,
            sent_at=moment(row.created_at),
            payload=payload,
        )

    def _post(self, row: Row[Any], body: bytes) -> Sent:
        key = f"out.{row.party}.{row.type}"
        seal = jws.sign_amqp(
            body, self._hub.ec_key, exchange=EXCHANGE, routing_key=key, now=datetime.now(UTC), nonce=_nonce()
        )
        post = Post(
            EXCHANGE, key, body, row.message_id, row.case_no, type=row.type, headers={jws.HEADER_NAME: seal}
        )
        return Sent(
            "amqp",
            body,
            "ok",
            "ok",
            seal=seal.encode(),
            bound={"exchange": EXCHANGE, "routing_key": key},
            post=post,
        )

    def _send(self, address: str, body: bytes) -> Sent:
        origin, path = split(address)
        seal = jws.sign_request(
            body, self._hub.ec_key, method="POST", path=path, now=datetime.now(UTC), nonce=_nonce()
        )
        headers = {jws.HEADER_NAME: seal, "Content-Type": "application/json"}
        answer = self._rest.send("POST", origin + path, body, headers)
        if answer.status >= 500 or answer.status in (408, 425, 429):
            raise TryLater(str(answer.status), "the party cannot answer now")
        bound, verdict = {"method": "POST", "path": path}, "ok" if answer.status < 300 else "refused"
        return Sent(
            "rest", body, str(answer.status), verdict, seal=seal.encode(), bound=bound, answer=answer.body
        )


def split(address: str) -> tuple[str, str]:
    """Origin and path of an inbox address; the path is what the seal is bound to."""
    scheme, _, rest = address.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host}", slash + path or "/"


def _nonce() -> str:
    return secrets.token_urlsafe(24)

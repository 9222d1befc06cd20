"""The hub's side of an AMQP partner: seals by hand, raw queues, checks receipts with joserfc."""

import json
import secrets
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.mocks.busside import Got, Put, SqliteSide
from tests.mocks.jsonparty import Program, checked_header, until

CODE = "11441400007000000K" + "3" + "440107001000"  # implementation code: body, level, basic code (type 01)
USCC = CODE[:18]


def check_character(text: str) -> str:
    """ISO 7064 MOD 37,36, written from the standard."""
    alphabet, p = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", 36
    for one in text:
        p = (p + alphabet.index(one)) % 36 or 36
        p = p * 2 % 37
    return alphabet[(37 - p) % 36]


def case_number(serial: int) -> str:
    text = f"441403000000202611222{serial:06d}"
    return text + check_character(text)


def uuid() -> str:
    return str(uuid4())


class AmqpProgram(Program):
    """A partner process on the database queue (or RabbitMQ, given its side and address)."""

    def __init__(
        self, module: str, folder: Path, queues: Any, side: Any = None, url: str = "", **own: Any
    ) -> None:
        self.side = side or SqliteSide(folder / "queue.db")
        self.side.declare(queues)
        super().__init__(module, folder, b"{}", amqp_url=url, **own)

    def push(
        self, queue: str, exchange: str, key: str, value: Any, *, message_id: str | None = "",
        case: str | None = "",
        headers: dict[str, str] | None = None, seal: str | None = "", content_type: str = "application/json",
        **members: Any,
    ) -> str:  # fmt: skip
        """Sends a value (or bytes) sealed as the hub, unless said otherwise; the message id."""
        body = value if isinstance(value, bytes) else json.dumps(value, ensure_ascii=False).encode()
        if message_id == "":
            message_id = uuid()
        if case == "":
            case = value["SBLSH"]
        sent = dict(headers or {})
        if seal == "":
            seal = self.hub.seal(body, **({"exchange": exchange, "routing_key": key} | members))
        if seal is not None:
            sent["X-Gov-Signature"] = seal
        self.side.put(queue, Put(exchange, key, body, message_id, case, content_type, sent))
        return message_id or ""

    def next(self, queue: str, seconds: float = 8.0) -> Got:
        """The next message of a queue, its seal checked over exchange and routing key."""
        got: Got = until(lambda: self.side.get(queue), seconds)
        header = checked_header(got.headers["X-Gov-Signature"], got.body, self.certificate)
        assert (header["exchange"], header["routing_key"]) == (got.exchange, got.routing_key)
        return got


def nonce() -> str:
    return secrets.token_hex(16)

"""Hostile messages by RabbitMQ and by the queue file: a coded receipt or dead letter, and no effect."""

import secrets
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.wire.queueside import Side, checked, dead, good, put_sealed, receipt
from tests.wire.rig import SEAL, Identity, application, identity, to_json


@pytest.fixture(scope="module")
def attacked(side: Side, window: Identity) -> Iterator[Side]:
    """As for the other faces: no effect, a whole ledger, and the consumer still reads."""
    good(side, window)
    before = side.hub.effects()
    yield side
    assert side.hub.effects() == before
    assert side.hub.verify()
    good(side, window)
    assert side.hub.effects()["case_record"] == before["case_record"] + 1


DEAD: dict[str, tuple[Callable[[Identity, bytes], dict[str, Any]], str]] = {
    "no seal": (lambda who, body: {}, "seal_missing"),
    "empty seal": (lambda who, body: {SEAL: ""}, "seal_missing"),
    "no token": (lambda who, body: {SEAL: "x.y"}, "seal_invalid"),
    "seal of other bytes": (
        lambda who, body: {SEAL: who.amqp(body + b" ", f"in.{who.name}")},
        "seal_invalid",
    ),
    "seal for another key": (lambda who, body: {SEAL: who.amqp(body, "in.bureau")}, "seal_scope"),
    "seal for another exchange": (
        lambda who, body: {SEAL: who.amqp(body, f"in.{who.name}", exchange="other")},
        "seal_scope",
    ),
    "seal of an HTTP request": (lambda who, body: {SEAL: who.jws(body)}, "seal_invalid"),
    "unknown key": (
        lambda who, body: {SEAL: identity(who.name).amqp(body, f"in.{who.name}")},
        "unknown_party",
    ),
    "algorithm none": (
        lambda who, body: {SEAL: who.amqp(body, f"in.{who.name}", alg="none")},
        "seal_invalid",
    ),
    "stale": (
        lambda who, body: {SEAL: who.amqp(body, f"in.{who.name}", iat=int(time.time()) - 400)},
        "replay",
    ),
    "from the future": (
        lambda who, body: {SEAL: who.amqp(body, f"in.{who.name}", iat=int(time.time()) + 86_400)},
        "replay",
    ),
}


@pytest.mark.parametrize("name", DEAD)
def test_what_cannot_be_attributed_is_set_aside_with_its_code(
    attacked: Side, window: Identity, name: str
) -> None:
    headers, code = DEAD[name]
    ident, body = secrets.token_hex(16), to_json(application(window.name))
    attacked.put(f"in.{window.name}", body, headers(window, body), ident)
    letter = dead(attacked, ident)
    assert letter.headers["x-tongban-code"] == code
    assert letter.body == body
    assert letter.routing_key == f"in.{window.name}"


def test_a_message_over_4_mb_is_set_aside(attacked: Side, window: Identity) -> None:
    ident, body = secrets.token_hex(16), b" " * (4 * 1024 * 1024) + to_json(application(window.name))
    put_sealed(attacked, window, body, ident)
    assert dead(attacked, ident).headers["x-tongban-code"] == "too_large"


REFUSED: dict[str, tuple[Callable[[Identity], bytes], str]] = {
    "empty": (lambda who: b"", "bad_request"),
    "no JSON": (lambda who: b"\x00\xff\xfe", "bad_request"),
    "byte order mark": (lambda who: b"\xef\xbb\xbf" + to_json(application(who.name)), "bad_request"),
    "duplicate key": (lambda who: b'{"sender": "x", ' + to_json(application(who.name))[1:], "bad_request"),
    "lone surrogate": (
        lambda who: to_json(application(who.name)).replace("测试甲".encode(), b"\\ud800"),
        "bad_request",
    ),
    "10000 deep": (lambda who: b"[" * 10_000 + b"]" * 10_000, "too_large"),
    "unknown field": (lambda who: to_json({**application(who.name), "colour": 1}), "unknown_field"),
    "unknown code": (lambda who: to_json(application(who.name, payload={"channel": "x"})), "unknown_code"),
    "unknown type": (
        lambda who: to_json({**application(who.name), "type": "case.abolished.v1"}),
        "unknown_type",
    ),
    "another sender": (lambda who: to_json(application("bureau")), "not_allowed"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_known_party_sends_wrong_gets_a_refusal(attacked: Side, window: Identity, name: str) -> None:
    make, code = REFUSED[name]
    ident, body = secrets.token_hex(16), make(window)
    put_sealed(attacked, window, body, ident)
    members = checked(attacked, receipt(attacked, window, ident), window)
    assert (members["status"], members["code"], members["sender"]) == ("refused", code, window.name)
    assert members["errors"]

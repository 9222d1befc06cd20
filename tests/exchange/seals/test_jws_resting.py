"""Seals of what rests until it is fetched: rows and files, bound to their name, never of the future."""

from datetime import timedelta
from typing import Any

import pytest

from exchange.errors import HubError, Refused
from exchange.seals import jws

TEXT = b'{"dataver":1,"projid":"4414"}'
NONCE = "n0nce-0123456789"
WEEK = 7 * 86400.0


def row(keys: Any, *, table: str = "t", row: str = "key-0001:1", at: Any = None, body: bytes = TEXT) -> str:
    return jws.sign_row(body, keys.ec, table=table, row=row, now=at or keys.now, nonce=NONCE)


def code_of_row(keys: Any, token: str, **over: Any) -> str:
    said = {"table": "t", "row": "key-0001:1", "now": keys.now, **over}
    body = said.pop("body", TEXT)
    try:
        jws.verify_row(token, body, keys.ring.by_id, **said)
    except HubError as fault:
        return fault.code
    return "ok"


@pytest.mark.parametrize("key", ["ec", "rsa"])
def test_a_row_and_a_file_are_opened_by_their_own_name(seal_keys: Any, key: str) -> None:
    signer = getattr(seal_keys, key)
    now, ring = seal_keys.now, seal_keys.ring.by_id
    token = jws.sign_row(TEXT, signer, table="t", row="key-0001:1", now=now, nonce=NONCE)
    seen = jws.verify_row(token, TEXT, ring, table="t", row="key-0001:1", now=now)
    assert (seen.nonce, seen.iat) == (NONCE, int(now.timestamp()))
    token = jws.sign_file(TEXT, signer, file="a.txt", now=now, nonce=NONCE)
    assert jws.verify_file(token, TEXT, ring, file="a.txt", now=now, oldest=WEEK).nonce == NONCE


def test_another_table_row_text_or_use_is_refused(seal_keys: Any) -> None:
    token = row(seal_keys)
    assert code_of_row(seal_keys, token) == "ok"
    assert code_of_row(seal_keys, token, table="u") == "seal_scope"
    assert code_of_row(seal_keys, token, row="key-0001:2") == "seal_scope"
    assert code_of_row(seal_keys, token, body=TEXT + b" ") == "seal_invalid"
    elsewhere = jws.sign_amqp(
        TEXT, seal_keys.ec, exchange="t", routing_key="key-0001:1", now=seal_keys.now, nonce=NONCE
    )
    assert code_of_row(seal_keys, elsewhere) == "seal_invalid"
    with pytest.raises(Refused):
        jws.verify_amqp(
            token, TEXT, seal_keys.ring.by_id, exchange="t", routing_key="key-0001:1", now=seal_keys.now
        )


def test_a_row_may_be_of_any_age_but_300_seconds_of_the_future_at_most(seal_keys: Any) -> None:
    ages = {-300: "ok", -301: "bad_value", 301: "ok", 86400: "ok"}
    token = row(seal_keys)
    for age, code in ages.items():
        assert code_of_row(seal_keys, token, now=seal_keys.now + timedelta(seconds=age)) == code, age


def test_a_file_lasts_as_long_as_its_contract_says(seal_keys: Any) -> None:
    token = jws.sign_file(TEXT, seal_keys.ec, file="a.txt", now=seal_keys.now, nonce=NONCE)

    def code(age: float, name: str = "a.txt") -> str:
        now = seal_keys.now + timedelta(seconds=age)
        try:
            jws.verify_file(token, TEXT, seal_keys.ring.by_id, file=name, now=now, oldest=WEEK)
        except HubError as fault:
            return fault.code
        return "ok"

    assert [code(WEEK), code(WEEK + 1), code(-301), code(0, "b.txt")] == [
        "ok", "stale", "bad_value", "seal_scope",
    ]  # fmt: skip


def test_the_claimed_time_is_read_of_tokens_alone(seal_keys: Any) -> None:
    assert jws.claimed_iat(row(seal_keys)) == int(seal_keys.now.timestamp())
    assert [jws.claimed_iat(token) for token in (None, "", "a..b", "W10..b", "e30..e30")] == [None] * 5

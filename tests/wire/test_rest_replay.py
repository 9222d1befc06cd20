"""The same message again, and what only looks like it (docs/wire.md §7, §8)."""

import secrets
from concurrent.futures import ThreadPoolExecutor

from tests.wire.rig import SEAL, Hub, Identity, application, sms, to_json

JSON = "application/json"


def test_identical_bytes_get_the_first_receipt(hub: Hub, window: Identity) -> None:
    body = to_json(sms(window.name))
    headers = {"Content-Type": JSON, SEAL: window.jws(body)}
    first, again = hub.post(body, headers), hub.post(body, headers)
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.content == again.content


def test_an_id_used_for_other_content_is_a_conflict(hub: Hub, window: Identity) -> None:
    value = sms(window.name)
    assert hub.send(window, value).status_code == 200
    other = {**value, "payload": {**value["payload"], "content": "另一内容"}}
    answer = hub.send(window, other)
    assert (answer.status_code, hub.check_answer(answer)["code"]) == (409, "conflict")


def test_a_nonce_used_under_a_new_id_is_a_replay(hub: Hub, window: Identity) -> None:
    nonce = secrets.token_urlsafe(24)
    assert hub.send(window, sms(window.name), nonce=nonce).status_code == 200
    answer = hub.send(window, sms(window.name), nonce=nonce)
    assert (answer.status_code, hub.check_answer(answer)["code"]) == (409, "replay")


def test_twenty_identical_requests_at_once_have_one_effect(hub: Hub, window: Identity) -> None:
    """Exactly what one request alone leaves."""
    start = hub.effects()
    assert hub.send(window, application(window.name)).status_code == 200
    before = hub.effects()
    body = to_json(application(window.name))
    headers = {"Content-Type": JSON, SEAL: window.jws(body)}
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: hub.post(body, headers), range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    after = hub.effects()
    assert {name: after[name] - before[name] for name in after} == {
        name: before[name] - start[name] for name in after
    }
    assert after["case_record"] == before["case_record"] + 1
    assert hub.verify()

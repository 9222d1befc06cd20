"""The kit's own hub: what a partner hears at a door that no check watches."""

import json
from pathlib import Path

import httpx2
import pytest

from mocks.conformance.bench import Partner
from mocks.conformance.identity import prepare
from mocks.conformance.listener import Listener
from mocks.conformance.plan import open_bench
from tests.conformance.partners import ROOT

TAKEN = [
    ("fees", "/fee/paid", {"code": "0", "msg": "success"}),
    ("portal", "/portal/apply", {"code": "0000", "message": "", "data": {}}),
    ("department_c", "/department_c/receiveDoneInfo", {"status": "200", "msg": "", "data": {}}),
    ("sms", "/sms/mo", {"code": 0}),
]


@pytest.mark.parametrize(("name", "path", "taken"), TAKEN, ids=[one[0] for one in TAKEN])
def test_door_without_a_script_answers_as_its_contract_says(
    tmp_path: Path, name: str, path: str, taken: dict[str, object]
) -> None:
    keys = prepare(tmp_path)
    listener = Listener(keys.ec)
    try:
        partner = Partner("http://127.0.0.1:9", keys.ec.certificate, "", "tongban")
        open_bench(ROOT / "adapters" / name, keys, partner, listener, 1, connect=False)
        answer = httpx2.post(f"{listener.url}{path}", content=b"{}", trust_env=False)
    finally:
        listener.close()
    assert (answer.status_code, json.loads(answer.content)) == (200, taken)

"""Department C's doors over real HTTP: always 200, whatever is wrong, always sealed
(adapters/department_c/contract/contract.md §1)."""

import base64
import json
import os
import secrets
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from exchange.errors import TryLater
from exchange.seals import jws
from exchange.seals.keys import SigningKey, key_id
from tests.exchange.core.departmentb import listening
from tests.exchange.core.rig import ITEM, ORG, Core, Story, case_number, new_key

KEY = bytes(range(16))
PATH = "/department_c/receiveProcInfo"
SEAL = "X-Gov-Signature"
Post = Callable[..., dict[str, Any]]


def cipher(text: bytes, key: bytes = KEY) -> str:
    """SM4-CBC by the openssl command, IV in front, base64."""
    iv = os.urandom(16)
    command = ["openssl", "enc", "-sm4-cbc", "-K", key.hex(), "-iv", iv.hex()]
    done = subprocess.run(command, input=text, capture_output=True, check=True)
    return base64.b64encode(iv + done.stdout).decode()


def step(no: str, number: int = 1, version: int = 1, **over: str) -> str:
    """EA_JC_STEP_PROC of the department."""
    said = {
        "ORGBUSNO": f"44{no}", "ITEMCODE": f"{ITEM[:18]}-{ITEM[18]}-{ITEM[19:]}", "REGIONID": "441402000000",
        "DATAVER": str(version), "NODETYPE": str(number + 1),
        "NODENAME": ("承办", "审核", "批准")[number - 1],
        "SN": str(number), "ORGNAME": "梅江区市场监督管理局", "ORGCODE": ORG, "USERNAME": "测试戊",
        "USERID": "S009", "NODERESULT": "1", "NODEADV": "同意", "NODETIME": "2026-03-02 09:45:00", **over,
    }  # fmt: skip
    inner = "".join(f"<{name}>{value}</{name}>" for name, value in said.items())
    return f"<EA_JC_STEP_PROC>{inner}</EA_JC_STEP_PROC>"


@pytest.fixture
def case(core: Core) -> Story:
    core.party("dept-c", adapter="department_c", org=ORG, account={"account": "tongban"})
    core.hub.ciphers["dept-c"] = KEY  # type: ignore[index] # the rig's own mapping
    story = Story(case_number(1))
    core.ok("hall", "case.applied.v1", story.applied())
    core.ok("hall", "case.accepted.v1", story.accepted())
    return story


@pytest.fixture
def address(core: Core, case: Story) -> Iterator[str]:
    del case
    with listening(core.hub) as address:
        yield address


@pytest.fixture
def post(core: Core, address: str) -> Post:
    """One sealed request; the answer, its HTTP status and seal checked."""
    hub = {key_id(core.hub.ec_key.certificate): core.hub.ec_key.certificate}

    def send(
        body: bytes, key: SigningKey | None = None, path: str = PATH, unsealed: bool = False, **headers: str
    ) -> dict[str, Any]:
        nonce, now = secrets.token_urlsafe(18), datetime.now(UTC)
        signer = key or core.keys["dept-c"]
        seal = jws.sign_request(body, signer, method="POST", path=path, now=now, nonce=nonce)
        sealed = {} if unsealed else {SEAL: seal}
        answer = requests.post(address + PATH, body, headers={**sealed, **headers}, timeout=20)
        assert answer.status_code == 200
        asked = "" if unsealed else nonce
        jws.verify_answer(answer.headers[SEAL], answer.content, hub.get, status=200, req=asked, now=now)
        found: dict[str, Any] = answer.json()
        assert set(found) == {"status", "msg", "data"}
        assert found["data"] == {}
        return found

    return send


def wrapped(text: str, key: bytes = KEY) -> bytes:
    return json.dumps({"xmlStr": cipher(text.encode(), key)}).encode()


def codes(core: Core) -> list[str]:
    return [
        row["code"] for row in core.rows("SELECT code FROM document WHERE state = 'refused' ORDER BY entry")
    ]


def test_a_step_is_taken_and_a_token_passed_over(core: Core, case: Story, post: Post) -> None:
    assert post(wrapped(step(case.no)), token="whatever")["status"] == "200"
    assert core.state(case.no) == "reviewing"


def test_the_same_text_encrypted_and_sealed_afresh(core: Core, case: Story, post: Post) -> None:
    for _ in range(2):
        assert post(wrapped(step(case.no)))["status"] == "200"
    assert post(wrapped(step(case.no, NODEADV="另有意见")))["status"] == "409"
    assert post(wrapped(step(case.no, version=2, NODEADV="另有意见")))["status"] == "200"
    core.verified()


@pytest.mark.parametrize("how", ["unsealed", "stranger", "another path", "another party"])
def test_403_for_a_seal_that_does_not_hold(core: Core, case: Story, post: Post, how: str) -> None:
    body = wrapped(step(case.no))
    if how == "unsealed":
        found = post(body, unsealed=True)
    elif how == "stranger":
        found = post(body, new_key("dept-c"))
    elif how == "another path":
        found = post(body, path="/department_c/receiveDoneInfo")
    else:
        found = post(body, core.party("other", adapter="department_a", org="114414020072081018"))
    assert found["status"] == "403"
    assert (core.state(case.no), len(codes(core))) == ("accepted", 1)


@pytest.mark.parametrize(
    "text",
    [cipher(b"<EA_JC_STEP_PROC/>", bytes(16)), "", "%%%", base64.b64encode(bytes(16)).decode(),
     base64.b64encode(bytes(33)).decode(), base64.b64encode(bytes(64)).decode()],
    ids=["another key", "empty", "no base64", "iv alone", "no whole block", "padding"],
)  # fmt: skip
def test_403_and_one_text_for_every_way_a_cipher_is_wrong(
    core: Core, case: Story, post: Post, text: str
) -> None:
    found = post(json.dumps({"xmlStr": text}).encode())
    assert (found["status"], found["msg"]) == ("403", "cannot be decrypted with the agreed key")
    assert codes(core) == ["bad_cipher"]


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"{}", b'{"xmlStr": 1}', b'{"xmlStr": null}', b"\xff\xfe", b"[" * 100_000],
    ids=["empty", "cut", "list", "no member", "number", "null", "no utf-8", "deep"],
)
def test_500_for_what_cannot_be_read(core: Core, case: Story, post: Post, body: bytes) -> None:
    assert post(body)["status"] == "500"
    assert len(codes(core)) == 1


def test_500_for_a_second_member(core: Core, case: Story, post: Post) -> None:
    found = json.loads(wrapped(step(case.no)))
    assert post(json.dumps({**found, "more": "x"}).encode())["status"] == "500"


@pytest.mark.parametrize(
    ("old", "new"),
    [("<NODEADV>同意</NODEADV>", "<NODEADV>null</NODEADV>"), ("<SN>1</SN>", ""),
     ("<SN>1</SN>", "<SN>1</SN><X/>"),
     ("<NODETYPE>2", "<NODETYPE>1"), ("2026-03-02 09:45:00", "1772415900000"),
     ("<EA_JC", "<!DOCTYPE a><EA_JC"), ("<SN>", '<SN a="1">')],
)  # fmt: skip
def test_500_for_content(core: Core, case: Story, post: Post, old: str, new: str) -> None:
    text = step(case.no)
    assert old in text
    assert post(wrapped(text.replace(old, new, 1)))["status"] == "500"
    assert core.state(case.no) == "accepted"


def test_500_for_more_than_4_mb_as_a_higher_status_would_come_again(core: Core, post: Post) -> None:
    assert post(json.dumps({"xmlStr": "A" * (4 << 20)}).encode())["status"] == "500"
    assert codes(core) == ["too_large"]


@pytest.mark.parametrize("fault", [TryLater("busy", "locked"), KeyError("x")])
def test_503_when_busy_or_broken(
    core: Core, case: Story, post: Post, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    def away(*_: Any, **__: Any) -> Any:
        raise fault

    with monkeypatch.context() as patched:
        patched.setattr(type(core.hub.store), "write", away)
        assert post(wrapped(step(case.no)))["status"] == "503"
    assert post(wrapped(step(case.no)))["status"] == "200"


def test_503_while_our_own_key_is_missing(core: Core, case: Story, post: Post) -> None:
    del core.hub.ciphers["dept-c"]  # type: ignore[attr-defined] # the rig's own mapping
    assert post(wrapped(step(case.no)))["status"] == "503"

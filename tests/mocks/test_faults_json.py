"""Each fault of sealed JSON over HTTP, seen by a client that shares no code with the partner."""

import base64
import json
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc.errors import BadSignatureError

from tests.mocks.jsonparty import BEIJING, Heard, Program, checked_header, until
from tests.mocks.test_archives_mock import token_path
from tests.mocks.test_certificates_mock import CALLBACK_ANSWER, token_request
from tests.mocks.test_sms_mock import BALANCE, OWN, SUBMIT, submission, text

NOBODY = [text(mobile="12345") for _ in range(30)]  # all rejected: a long answer and no report


@pytest.fixture(scope="module")
def sms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    program = Program("sms", tmp_path_factory.mktemp("sms"), b'{"code":0}', **OWN | {"report_delay_ms": 20})
    yield program
    program.close()


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    program = Program("certificates", tmp_path_factory.mktemp("certificates"), CALLBACK_ANSWER)
    yield program
    program.close()


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    program = Program("archives", tmp_path_factory.mktemp("archives"), b"{}")
    yield program
    program.close()


@pytest.fixture(autouse=True)
def calm(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    for name in {"sms", "library", "archives"} & set(request.fixturenames):
        program = request.getfixturevalue(name)
        program.client.delete(f"{program.url}/admin/faults")
        program.client.post(f"{program.url}/admin/clock", json={"offset_s": 0})


def arm(program: Program, fault: str, operation: str = "submit", **more: Any) -> None:
    answer = program.arm(operation=operation, fault=fault, **more)
    assert answer.status_code == 200, answer.text


def call(sms: Program) -> httpx2.Response:
    return sms.post(SUBMIT, submission(*NOBODY))


def header(program: Program, value: str, body: bytes) -> dict[str, Any]:
    """The protected header, verified over the body, however old it is."""
    first, _, third = value.split(".")
    raw = base64.urlsafe_b64decode(third + "==")
    pair = encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
    key: Any = program.certificate.public_key()
    key.verify(pair, first.encode() + b"." + body, ec.ECDSA(SHA256()))
    head: dict[str, Any] = json.loads(base64.urlsafe_b64decode(first + "=" * (-len(first) % 4)))
    return head


def sealed(program: Program, answer: httpx2.Response) -> dict[str, Any]:
    return header(program, answer.headers["X-Gov-Signature"], answer.content)


def test_late(sms: Program) -> None:
    arm(sms, "delay_ms", value=300)
    began = time.monotonic()
    assert call(sms).status_code == 200
    assert time.monotonic() - began >= 0.3


def test_dropped_with_the_work_done(sms: Program) -> None:
    message = text(mobile="13712345678")
    arm(sms, "drop_before_reply")
    with pytest.raises(httpx2.RemoteProtocolError):
        sms.post(SUBMIT, submission(message))
    assert any(one["id"] == message["clientMsgId"] and one["accepted"] for one in sms.admin("record"))


def test_half_open(sms: Program) -> None:
    arm(sms, "half_open")
    assert sms.client.get(sms.url + BALANCE, timeout=2).status_code == 401  # another operation is answered
    with pytest.raises(httpx2.ReadTimeout):
        sms.client.post(sms.url + SUBMIT, content=b"{}", timeout=0.4)


def test_errors_instead_of_an_answer(sms: Program) -> None:
    arm(sms, "http500")
    answer = call(sms)
    assert (answer.status_code, answer.headers.get("X-Gov-Signature")) == (500, None)
    arm(sms, "http200_error_body")
    answer = call(sms)
    assert (answer.status_code, answer.json()["code"]) == (200, 500)
    arm(sms, "rate_limit")
    answer = call(sms)
    assert (answer.status_code, sms.checked(answer)["code"]) == (429, 429)


def test_bytes(sms: Program) -> None:
    arm(sms, "schema_new_field")
    assert sms.checked(call(sms))["newField"] == "新增字段"
    arm(sms, "schema_new_field", value="extraFee")
    arm(sms, "gbk_body")
    answer = call(sms)
    with pytest.raises(UnicodeDecodeError):
        answer.content.decode("utf-8")
    assert json.loads(answer.content.decode("gbk"))["extraFee"] == "新增字段"
    assert answer.headers["Content-Type"] == "application/json"
    assert sealed(sms, answer)["status"] == 200
    arm(sms, "bom")
    assert call(sms).content[:4] == b"\xef\xbb\xbf{"
    arm(sms, "wrong_charset_label")
    assert call(sms).headers["Content-Type"] == "application/json; charset=GBK"
    arm(sms, "truncate_800b")
    answer = call(sms)
    assert len(answer.content) == 800
    assert sealed(sms, answer)
    arm(sms, "null_text")
    assert sms.checked(call(sms))["msg"] == "null"


@pytest.mark.parametrize("who", ["library", "archives"])
def test_other_date_pattern(who: str, request: pytest.FixtureRequest) -> None:
    program: Program = request.getfixturevalue(who)
    arm(program, "bad_date_pattern", "token")
    if who == "library":
        answer = program.post("/auth/token", token_request())
    else:
        answer = program.send("GET", token_path())
    data = program.checked(answer)["data"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", data["expires"])


def test_seals(sms: Program) -> None:
    arm(sms, "sig_bad")
    with pytest.raises(BadSignatureError):
        sms.checked(call(sms))
    arm(sms, "sig_expired")
    assert 3500 < time.time() - sealed(sms, call(sms))["iat"] < 3700
    assert abs(time.time() - sealed(sms, call(sms))["iat"]) < 5


def test_a_skewed_clock_seals_and_judges_wrongly(sms: Program) -> None:
    arm(sms, "clock_skew_s", value=-120)
    answer = call(sms)
    assert answer.status_code == 200
    assert 115 <= time.time() - sealed(sms, answer)["iat"] <= 125
    arm(sms, "clock_skew_s")
    answer = call(sms)
    assert answer.status_code == 401  # 400 s: the hub's own seal is too old for it
    assert 395 <= sealed(sms, answer)["iat"] - time.time() <= 405


def window(first: timedelta, last: timedelta) -> str:
    now = datetime.now(UTC).astimezone(BEIJING)
    return f"{now + first:%H:%M}-{now + last:%H:%M}"


def test_maintenance_by_the_hour(sms: Program) -> None:
    arm(sms, "maintenance", value=window(timedelta(hours=-1), timedelta(hours=1)), operation="*")
    for _ in range(2):
        answer = call(sms)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
        assert "X-Gov-Signature" not in answer.headers
    shift = sms.client.post(f"{sms.url}/admin/clock", json={"offset_s": 7200, "seals": False})
    assert shift.json()["offset_s"] == 7200
    assert call(sms).status_code == 200  # by its own clock the window is over; its seals are right
    sms.client.post(f"{sms.url}/admin/clock", json={"offset_s": 0})
    assert call(sms).status_code == 503


def test_a_clock_set_wrong_altogether(sms: Program) -> None:
    answer = sms.client.post(f"{sms.url}/admin/clock", json={"offset_s": 200})
    assert answer.json()["seals"] is True
    assert 195 <= sealed(sms, call(sms))["iat"] - time.time() <= 205
    sms.client.post(f"{sms.url}/admin/clock", json={"offset_s": 400})
    assert call(sms).status_code == 401


@pytest.mark.parametrize(
    "asked", [{}, {"offset_s": "1"}, {"offset_s": True}, {"offset_s": 1e12}, {"offset_s": 1, "seals": 1}]
)
def test_a_clock_is_set_by_seconds(sms: Program, asked: dict[str, Any]) -> None:
    assert sms.client.post(f"{sms.url}/admin/clock", json=asked).status_code == 422
    assert sms.client.post(f"{sms.url}/admin/clock", content=b"{").status_code == 422


def test_limits_and_partial_acceptance(sms: Program) -> None:
    arm(sms, "batch_limit", value=2)
    assert sms.checked(sms.post(SUBMIT, submission(*[text() for _ in range(3)])))["code"] == 1
    arm(sms, "batch_limit", value=2)
    assert sms.checked(sms.post(SUBMIT, submission(text(), text())))["data"]["accepted"] == 2
    arm(sms, "partial_accept")
    data = sms.checked(sms.post(SUBMIT, submission(text(), text())))["data"]
    assert (data["accepted"], len(data["rejected"])) == (1, 1)


def quiet(sms: Program) -> int:
    """How many calls came, once no more of earlier tests come."""
    count = -1
    while count != len(sms.stub.heard):
        count = len(sms.stub.heard)
        time.sleep(0.3)
    return count


def pushed(sms: Program, count: int = 1, seconds: float = 8.0) -> list[Heard]:
    """The calls that report on a fresh submission."""
    messages = [text(mobile="13612345678") for _ in range(count)]
    names = {one["clientMsgId"].encode() for one in messages}
    assert sms.post(SUBMIT, submission(*messages)).status_code == 200
    heard = sms.stub.heard
    return list(until(lambda: [one for one in heard if any(name in one.body for name in names)], seconds))


def push_header(sms: Program, heard: Heard) -> dict[str, Any]:
    return header(sms, heard.headers["X-Gov-Signature"], heard.body)


def test_pushes_before_the_answer(sms: Program) -> None:
    arm(sms, "callback_before_reply")
    message = text(mobile="13612345678")
    sms.post(SUBMIT, submission(message))
    assert any(message["clientMsgId"].encode() in one.body for one in sms.stub.heard)


PUSHED: dict[str, tuple[int, Callable[[Program, Heard], Any]]] = {
    "bom": (1, lambda sms, one: one.body.startswith(b"\xef\xbb\xbf[")),
    "wrong_charset_label": (1, lambda sms, one: one.headers["Content-Type"].endswith("charset=GBK")),
    "bad_date_pattern": (1, lambda sms, one: re.match(r"\d{4}-\d\d-\d\d ", one.json()[0]["submitDate"])),
    "schema_new_field": (1, lambda sms, one: one.json()[0]["newField"] == "新增字段"),
    "truncate_800b": (20, lambda sms, one: len(one.body) == 800),
}


@pytest.mark.parametrize("fault", PUSHED)
def test_pushed_bytes_under_a_good_seal(sms: Program, fault: str) -> None:
    count, seen = PUSHED[fault]
    quiet(sms)  # else what an earlier test is still owed takes the fault
    arm(sms, fault, "report")
    heard = pushed(sms, count)[0]
    assert seen(sms, heard)
    assert push_header(sms, heard)["path"] == "/sms/report"


def test_pushed_null_and_gbk(sms: Program) -> None:
    before = quiet(sms)
    arm(sms, "null_text", "report")
    sms.post(SUBMIT, submission(text(mobile="13612345678")))
    until(lambda: len(sms.stub.heard) > before)
    assert set(sms.stub.heard[-1].json()[0].values()) == {"null"}
    arm(sms, "schema_new_field", "report")
    arm(sms, "gbk_body", "report")
    assert "新增字段" in pushed(sms)[0].body.decode("gbk")


def test_pushed_seals(sms: Program) -> None:
    quiet(sms)
    arm(sms, "sig_bad", "report")
    heard = pushed(sms)[0]
    with pytest.raises(BadSignatureError):
        checked_header(heard.headers["X-Gov-Signature"], heard.body, sms.certificate)
    arm(sms, "sig_expired", "report")
    assert time.time() - push_header(sms, pushed(sms)[0])["iat"] > 3500
    arm(sms, "clock_skew_s", "report", value=150)
    assert 145 <= push_header(sms, pushed(sms)[0])["iat"] - time.time() <= 155


def test_pushed_late_twice_and_out_of_order(sms: Program) -> None:
    arm(sms, "delay_ms", "report", value=400)
    began = time.time()
    before = pushed(sms)[0]
    assert before.at - began >= 0.4
    name = before.json()[0]["clientMsgId"]  # its end comes after its arrival, and would take the next fault
    until(lambda: [one for one in sms.admin("record") if (one["kind"], one["id"]) == ("report", name)])
    arm(sms, "duplicate_push", "report", value=2)
    first = pushed(sms)[0]
    until(lambda: len([one for one in sms.stub.heard if one.body == first.body]) == 3)
    arm(sms, "reorder", "report")
    early, late = text(mobile="13612345678"), text(mobile="13612345678")
    count = quiet(sms)
    sms.post(SUBMIT, submission(early))
    time.sleep(0.1)
    sms.post(SUBMIT, submission(late))
    until(lambda: len(sms.stub.heard) == count + 2)
    order = [one.json()[0]["clientMsgId"] for one in sms.stub.heard[count:]]
    assert order == [late["clientMsgId"], early["clientMsgId"]]


def test_pushed_never(sms: Program) -> None:
    arm(sms, "drop_before_reply", "report")
    message, before = text(mobile="13612345678"), quiet(sms)
    sms.post(SUBMIT, submission(message))
    rows = until(lambda: [
        one for one in sms.admin("record") if one["kind"] == "report" and one["id"] == message["clientMsgId"]
    ])  # fmt: skip
    assert [(one["code"], one["accepted"]) for one in rows] == [("lost", False)]
    time.sleep(0.5)
    assert len(sms.stub.heard) == before


def test_an_outage_and_its_backlog(sms: Program) -> None:
    """Down for a while; then what waited comes twice and out of order."""
    after = [{"fault": "reorder", "times": 4}, {"fault": "duplicate_push", "times": 4}]
    arm(sms, "maintenance", "report", until=1.5, then=after)
    before, messages = quiet(sms), [text(mobile="13612345678") for _ in range(4)]
    began = time.time()
    for message in messages:
        assert sms.post(SUBMIT, submission(message)).status_code == 200
    heard = until(lambda: found if len(found := sms.stub.heard[before:]) == 8 else None)
    assert min(one.at for one in heard) - began >= 1.4
    order = list(dict.fromkeys(one.json()[0]["clientMsgId"] for one in heard))
    assert sorted(order) == sorted(one["clientMsgId"] for one in messages)
    assert order != [one["clientMsgId"] for one in messages]


def test_what_is_supported_is_listed_with_its_meaning(sms: Program) -> None:
    said = sms.admin("faults")
    assert set(said) == {"armed", "supported", "meanings"}
    assert "batch_limit" in said["supported"]["submit"]
    assert "batch_limit" not in said["supported"]["report"]
    assert set(said["meanings"]) == set().union(*said["supported"].values())
    assert all(said["meanings"].values())
    refused = sms.arm(operation="report", fault="cdata_in_cdata")
    assert refused.status_code == 422
    assert refused.json()["supported"] == said["supported"]

"""The SMS gateway against adapters/sms/contract/contract.md and docs/wire.md, as a process of its own."""

import hashlib
import json
import secrets
import signal
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.mocks.jsonparty import ACCOUNT, SECRET, Identity, Program, b64url, checked_header, until

SIGN = "【梅州政务】"
SUBMIT, BALANCE = "/sms/v1/submit", "/sms/v1/balance"
OWN: dict[str, Any] = {
    "report_delay_ms": 200,
    "blacklist": ["13900000001"],
    "sensitive": ["中奖"],
    "repeat_seconds": [0.2, 0.4, 0.6],
    "share_undeliv": 0,
    "share_expired": 0,
    "share_rejectd": 0,
    "share_ma0006": 0,
    "share_never": 0,
    "share_twice": 0,
    "share_without_id": 0,
    "share_before_reply": 0,
}


@pytest.fixture(scope="module")
def sms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    program = Program("sms", tmp_path_factory.mktemp("sms"), b'{"code":0}', **OWN)
    yield program
    program.close()


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Any]:
    """Starts a gateway of its own with other keys."""
    programs: list[Program] = []

    def make(**own: Any) -> Program:
        programs.append(Program("sms", tmp_path, b'{"code":0}', **{**OWN, **own}))
        return programs[-1]

    yield make
    for program in programs:
        program.close()


def text(
    content: str = "您的办件已受理。", mobile: str = "13800000000", name: str | None = None
) -> dict[str, str]:
    return {"mobile": mobile, "content": SIGN + content, "clientMsgId": name or secrets.token_hex(8)}


def submission(*messages: dict[str, str], **other: Any) -> dict[str, Any]:
    value = {
        "ecName": ACCOUNT,
        "apId": "ap1",
        "extCode": "01",
        "messages": list(messages),
        "sign": SIGN,
    } | other
    mobiles = ",".join(message["mobile"] for message in messages)
    plain = f"{value['ecName']}{value['apId']}{SECRET}{mobiles}{value['sign']}{value['extCode']}"
    return value | {"mac": hashlib.md5(plain.encode()).hexdigest()}


def ok(program: Program, *messages: dict[str, str]) -> dict[str, Any]:
    answer = program.post(SUBMIT, submission(*messages))
    assert answer.status_code == 200
    said = program.checked(answer)
    assert (said["code"], said["msg"]) == (0, "success")
    data: dict[str, Any] = said["data"]
    return data


def reports_of(program: Program, name: str) -> list[dict[str, str]]:
    calls = [heard for heard in program.stub.heard if heard.path == "/sms/report"]
    return [one for heard in calls for one in heard.json() if one.get("clientMsgId") == name]


def test_a_message_is_taken_and_its_delivery_reported(sms: Program) -> None:
    message, nonce, began = text(), secrets.token_hex(16), time.time()
    answer = sms.post(SUBMIT, submission(message), nonce=nonce)
    data = sms.checked(answer, nonce)["data"]
    assert data["accepted"] == 1
    assert data["rejected"] == []
    until(lambda: reports_of(sms, message["clientMsgId"]))
    heard = next(one for one in sms.stub.heard if message["clientMsgId"].encode() in one.body)
    header = checked_header(heard.headers["X-Gov-Signature"], heard.body, sms.certificate)
    assert (header["method"], header["path"]) == ("POST", "/sms/report")
    assert set(header) == {"alg", "b64", "crit", "kid", "iat", "nonce", "method", "path"}
    report = next(one for one in heard.json() if one["clientMsgId"] == message["clientMsgId"])
    dates = {name: report.pop(name) for name in ("submitDate", "receiveDate")}
    assert all(len(date) == 14 and date.isdigit() for date in dates.values())
    assert report == {
        "msgGroup": data["msgGroup"],
        "mobile": "13800000000",
        "clientMsgId": message["clientMsgId"],
        "reportStatus": "DELIVRD",
    }
    assert 0.15 <= heard.at - began <= 3


def test_the_key_is_its_own_alone_and_names_the_partner(sms: Program) -> None:
    assert stat.S_IMODE((sms.folder / "keys" / "key.pem").stat().st_mode) == 0o600
    assert sms.certificate.subject.rfc4514_string() == "CN=sms"


def test_rejections_by_message(sms: Program) -> None:
    good = text()
    black, bad, word = text(mobile="13900000001"), text(mobile="12345"), text("恭喜中奖")
    plain = {**text(), "content": "没有签名"}
    data = ok(sms, good, black, bad, word, plain)
    assert data["accepted"] == 1
    assert {one["clientMsgId"]: one["code"] for one in data["rejected"]} == {
        black["clientMsgId"]: "BLACKLIST",
        bad["clientMsgId"]: "BADMOBILE",
        word["clientMsgId"]: "SENSITIVE",
        plain["clientMsgId"]: "NOSIGN",
    }
    assert ok(sms, text(mobile="12345"))["accepted"] == 0  # code 0 also when all are rejected


def test_the_same_message_is_not_sent_twice(sms: Program) -> None:
    message = text()
    before = sms.checked(sms.send("GET", BALANCE))["data"]["segments"]
    groups = {ok(sms, message)["msgGroup"] for _ in range(3)}
    assert len(groups) == 1
    assert sms.checked(sms.send("GET", BALANCE))["data"]["segments"] == before - 1
    until(lambda: reports_of(sms, message["clientMsgId"]))
    time.sleep(0.5)
    assert len(reports_of(sms, message["clientMsgId"])) == 1
    rows = [row for row in sms.admin("record") if row["id"] == message["clientMsgId"]]
    assert [(row["kind"], row["repeats"]) for row in rows] == [("sms", 2), ("report", 0)]


def test_the_same_id_with_other_content_is_a_conflict(sms: Program) -> None:
    message = text()
    ok(sms, message)
    data = ok(sms, {**message, "content": SIGN + "别的内容"})
    assert (data["accepted"], data["rejected"]) == (
        0,
        [{"clientMsgId": message["clientMsgId"], "code": "CONFLICT"}],
    )
    other = text()
    data = ok(sms, other, other, {**other, "mobile": "13700000000"})
    assert (data["accepted"], data["rejected"]) == (
        1,
        [{"clientMsgId": other["clientMsgId"], "code": "CONFLICT"}],
    )


@pytest.mark.parametrize(("length", "parts"), [(70, 1), (71, 2), (134, 2), (135, 3)])
def test_long_text_is_billed_by_67(sms: Program, length: int, parts: int) -> None:
    before = sms.checked(sms.send("GET", BALANCE))["data"]["segments"]
    ok(sms, text("办" * (length - len(SIGN))))
    assert sms.checked(sms.send("GET", BALANCE))["data"]["segments"] == before - parts


def test_nothing_is_sent_without_balance(fresh: Any) -> None:
    sms = fresh(balance_segments=2)
    assert sms.checked(sms.post(SUBMIT, submission(text(), text(), text())))["code"] == 3
    assert sms.admin("counts")["received"] == 0
    assert ok(sms, text(), text())["accepted"] == 2
    assert sms.checked(sms.post(SUBMIT, submission(text())))["code"] == 3


def refused_seal(program: Program, answer: httpx2.Response) -> None:
    assert answer.status_code == 401
    assert answer.json() == {"code": 401, "msg": "signature"}


def seal_of(program: Program, body: bytes, **members: Any) -> str:
    return program.hub.seal(body, **({"method": "POST", "path": SUBMIT} | members))


BREAKS: dict[str, dict[str, Any]] = {
    "other path": {"path": "/sms/v1/balance"},
    "path with a query that was not sent": {"path": SUBMIT + "?a=1"},
    "other method": {"method": "GET"},
    "too old": {"iat": int(time.time()) - 400},
    "from the future": {"iat": int(time.time()) + 86_400},
    "time as text": {"iat": str(int(time.time()))},
    "time as a fraction": {"iat": time.time()},
    "no nonce": {"nonce": None},
    "short nonce": {"nonce": "abc"},
    "nonce with a dot": {"nonce": "a" * 16 + "."},
    "extra member": {"typ": "JOSE"},
    "b64 true": {"b64": True},
    "b64 as a number": {"b64": 0},
    "no crit": {"crit": None},
    "crit with more": {"crit": ["b64", "iat"]},
    "algorithm none": {"alg": "none"},
    "algorithm of another key": {"alg": "RS256"},
    "unknown key": {"kid": "A" * 43},
}


@pytest.mark.parametrize("members", BREAKS.values(), ids=BREAKS.keys())
def test_a_seal_outside_the_profile_is_refused(sms: Program, members: dict[str, Any]) -> None:
    body = json.dumps(submission(text())).encode()
    received = sms.admin("counts")["received"]
    refused_seal(sms, sms.send("POST", SUBMIT, body, seal=seal_of(sms, body, **members)))
    assert sms.admin("counts")["received"] == received


def test_a_seal_that_does_not_verify_is_refused(sms: Program) -> None:
    body = json.dumps(submission(text())).encode()
    good = seal_of(sms, body)
    first, _, third = good.split(".")
    stranger = Identity("hub").seal(body, method="POST", path=SUBMIT)
    forged = f"{first}..{b64url(bytes(64))}"
    attached = f"{first}.{b64url(body)}.{third}"
    for seal in (None, "", "x", "..", good + "=", good[:-4], attached, stranger, forged, "A" * 70_000):
        answer = sms.send("POST", SUBMIT, body, seal=seal if seal is None else seal or ".")
        assert answer.status_code in (401, 400)  # 400: a header line longer than HTTP servers take
        assert answer.status_code == 400 or answer.json() == {"code": 401, "msg": "signature"}
    refused_seal(sms, sms.send("POST", SUBMIT, body + b" ", seal=good))


def test_duplicate_members_in_the_protected_header_are_refused(sms: Program) -> None:
    body = json.dumps(submission(text())).encode()
    head = json.dumps({"alg": "ES256", "b64": False, "crit": ["b64"], "iat": int(time.time())})
    head = (
        head[:-1] + f', "nonce": "{"n" * 20}", "nonce": "{"m" * 20}", "method": "POST", "path": "{SUBMIT}"}}'
    )
    refused_seal(sms, sms.send("POST", SUBMIT, body, seal=f"{b64url(head.encode())}..{b64url(bytes(64))}"))


def test_a_nonce_is_used_once_even_over_a_restart(fresh: Any) -> None:
    sms = fresh()
    body = json.dumps(submission(text())).encode()
    seal = seal_of(sms, body)
    assert sms.checked(sms.send("POST", SUBMIT, body, seal=seal))["code"] == 0
    refused_seal(sms, sms.send("POST", SUBMIT, body, seal=seal))
    sms.end(signal.SIGKILL)
    sms.start()
    refused_seal(sms, sms.send("POST", SUBMIT, body, seal=seal))


def test_an_expired_hub_certificate_seals_nothing(tmp_path: Path, fresh: Any) -> None:
    sms = fresh()
    sms.end()
    expired = Identity("hub", days=-1)
    (tmp_path / "hub-ec.pem").write_bytes(expired.pem() + sms.hub.pem())
    sms.start()
    body = json.dumps(submission(text())).encode()
    refused_seal(sms, sms.send("POST", SUBMIT, body, seal=expired.seal(body, method="POST", path=SUBMIT)))
    assert ok(sms, text())["accepted"] == 1  # two certificates at once: the other one holds


BODIES: dict[str, bytes] = {
    "empty": b"",
    "no object": b"[]",
    "byte order mark": b"\xef\xbb\xbf" + json.dumps(submission(text())).encode(),
    "not UTF-8": json.dumps(submission(text()), ensure_ascii=False).encode("gb18030"),
    "NaN": b'{"a": NaN}',
    "deep": b'{"a":' * 100_000,
    "long number": b'{"a":' + b"9" * 10_000 + b"}",
    "lone surrogate": json.dumps(submission({**text(), "content": SIGN + "\ud800"})).encode(),
    "duplicate key": json.dumps(submission(text()))[:-1].encode() + b', "apId": "ap1"}',
    "unknown member": json.dumps(submission(text(), more=1)).encode(),
    "missing member": json.dumps({k: v for k, v in submission(text()).items() if k != "extCode"}).encode(),
    "number for text": json.dumps(submission(text(), extCode=1)).encode(),
    "no messages": json.dumps(submission()).encode(),
    "501 messages": json.dumps(submission(*[text()] * 501)).encode(),
    "unknown member of a message": json.dumps(submission({**text(), "x": "y"})).encode(),
    "other sign": json.dumps(submission(text(), sign="【别的】")).encode(),
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_a_body_outside_the_contract_is_a_bad_parameter(sms: Program, body: bytes) -> None:
    received = sms.admin("counts")["received"]
    answer = sms.send("POST", SUBMIT, body)
    assert answer.status_code == 200
    assert sms.checked(answer)["code"] == 1
    assert sms.admin("counts")["received"] == received


def test_five_hundred_messages_are_taken(sms: Program) -> None:
    names = [secrets.token_hex(8) for _ in range(500)]
    assert ok(sms, *[text(name=name) for name in names])["accepted"] == 500
    until(lambda: reports_of(sms, names[-1]))
    assert max(len(heard.json()) for heard in sms.stub.heard) == 500


@pytest.mark.parametrize("wrong", [{"mac": "0" * 32}, {"mac": ""}, {"ecName": "somebody"}, {"extCode": "02"}])
def test_a_wrong_mac_is_code_2(sms: Program, wrong: dict[str, str]) -> None:
    assert sms.checked(sms.post(SUBMIT, submission(text()) | wrong))["code"] == 2


def test_a_mac_in_capitals_is_wrong(sms: Program) -> None:
    value = submission(text())
    assert sms.checked(sms.post(SUBMIT, value | {"mac": value["mac"].upper()}))["code"] == 2


def test_oversize_and_other_media_are_not_read(sms: Program) -> None:
    assert sms.send("POST", SUBMIT, b"[" + b" " * (4 << 20)).status_code == 413
    body = json.dumps(submission(text())).encode()
    for media in ("text/plain", "application/json; charset=GBK", "application/xml"):
        assert sms.send("POST", SUBMIT, body, headers={"Content-Type": media}).status_code == 415


def test_too_fast_is_429(fresh: Any) -> None:
    sms = fresh(max_per_second=1)
    answers = [sms.post(SUBMIT, submission(text())) for _ in range(6)]
    fast = [answer for answer in answers if answer.status_code == 429]
    assert fast
    assert sms.checked(fast[0])["code"] == 429


def test_a_killed_gateway_keeps_its_record_and_goes_on_reporting(fresh: Any) -> None:
    sms = fresh(report_delay_ms=4000)
    message = text()
    group = ok(sms, message)["msgGroup"]
    record = sms.admin("record")
    sms.end(signal.SIGKILL)
    assert sms.stub.heard == []
    sms.start()
    assert sms.admin("record") == record
    assert ok(sms, message)["msgGroup"] == group
    until(lambda: reports_of(sms, message["clientMsgId"]))
    assert sms.admin("counts")["by_kind"]["received.sms"] == 1


def test_reports_are_repeated_until_answered_200_each_time_under_a_fresh_seal(fresh: Any) -> None:
    sms = fresh()
    sms.stub.answers = [(503, "sealed"), (200, "unsealed"), (200, "sealed")]
    message = text()
    ok(sms, message)
    until(lambda: len(sms.stub.heard) == 3)
    time.sleep(0.9)
    assert len(sms.stub.heard) == 3  # the third was answered: no more
    seals = [heard.headers["X-Gov-Signature"] for heard in sms.stub.heard]
    headers = [checked_header(s, h.body, sms.certificate) for s, h in zip(seals, sms.stub.heard, strict=True)]
    assert len({header["nonce"] for header in headers}) == 3
    assert {heard.body for heard in sms.stub.heard} == {sms.stub.heard[0].body}
    assert sms.admin("counts")["by_kind"]["sent.report"] == 1


def test_a_report_never_answered_is_given_up_after_three_repeats(fresh: Any) -> None:
    sms = fresh(repeat_seconds=[0.05, 0.1, 0.15])
    sms.stub.answers = [(500, "sealed")] * 9
    ok(sms, text())
    until(lambda: len(sms.stub.heard) == 4)
    time.sleep(0.6)
    assert len(sms.stub.heard) == 4
    assert sms.admin("counts")["sent"] == 0
    assert sms.admin("counts")["undelivered"] == 1


def test_shares_decide_how_messages_end(fresh: Any) -> None:
    sms = fresh(share_undeliv=0.3, share_ma0006=0.3, share_never=0.2, share_without_id=0.2, share_twice=0.2)
    names = [f"m{number}" for number in range(200)]
    ok(sms, *[text(name=name, mobile=f"138{number:08d}") for number, name in enumerate(names)])
    until(lambda: len(sms.stub.heard) == 2)
    first, second = (heard.json() for heard in sms.stub.heard)
    assert 130 <= len(first) <= 185  # 160 expected
    assert 15 <= len(second) <= 60  # 32 expected
    assert {json.dumps(one) for one in second} <= {json.dumps(one) for one in first}
    statuses = [one["reportStatus"] for one in first]
    assert set(statuses) == {"DELIVRD", "UNDELIV", "MA:0006"}
    assert 0.15 <= statuses.count("UNDELIV") / len(first) <= 0.45
    assert 10 <= sum("clientMsgId" not in one for one in first) <= 60


def test_a_report_can_come_before_the_answer(fresh: Any) -> None:
    sms = fresh(report_delay_ms=5000, share_before_reply=1)
    ok(sms, text())
    assert len(sms.stub.heard) == 1


def test_faults(sms: Program) -> None:
    def submit(message: dict[str, str]) -> httpx2.Response:
        return sms.post(SUBMIT, submission(message))

    assert sms.arm(operation="submit", fault="http500").status_code == 200
    assert submit(text()).status_code == 500
    message = text()
    sms.arm(operation="submit", fault="drop_before_reply")
    with pytest.raises(httpx2.RemoteProtocolError):
        submit(message)
    rows = [row for row in sms.admin("record") if row["id"] == message["clientMsgId"]]
    assert rows[0]["accepted"] is True  # the work was done
    assert ok(sms, message)["accepted"] == 1
    sms.arm(operation="submit", fault="half_open")
    with pytest.raises(httpx2.ReadTimeout):
        body = json.dumps(submission(text())).encode()
        headers = {"X-Gov-Signature": seal_of(sms, body), "Content-Type": "application/json"}
        sms.client.post(sms.url + SUBMIT, content=body, headers=headers, timeout=0.5)
    sms.arm(operation="submit", fault="sig_bad")
    answer = submit(text())
    with pytest.raises(Exception, match="bad_signature"):
        sms.checked(answer)
    sms.arm(operation="*", fault="rate_limit")
    assert submit(text()).status_code == 429
    sms.arm(operation="submit", fault="partial_accept", times=1)
    assert sms.checked(submit(text()))["data"]["accepted"] == 0
    sms.arm(operation="submit", fault="bom")
    assert submit(text()).content.startswith(b"\xef\xbb\xbf{")
    sms.arm(operation="submit", fault="delay_ms", value=400)
    began = time.monotonic()
    ok(sms, text())
    assert time.monotonic() - began >= 0.4
    assert sms.admin("faults")["armed"] == []


def test_unknown_faults_are_refused_by_name(sms: Program) -> None:
    for wrong in (
        {"operation": "submit", "fault": "earthquake"},
        {"operation": "report", "fault": "partial_accept"},
        {"operation": "nothing", "fault": "bom"},
        {"operation": "submit", "fault": "bom", "times": 0},
        {"operation": "submit", "fault": "bom", "probability": 2},
        {"operation": "submit", "fault": "bom", "x": 1},
        {"operation": "submit", "fault": "bom", "times": 1, "probability": 0.5},
    ):
        answer = sms.arm(**wrong)
        assert answer.status_code == 422
        assert "partial_accept" in answer.json()["supported"]["submit"]


def test_a_report_is_pushed_again_on_demand(fresh: Any) -> None:
    sms, message = fresh(), text()
    sms.arm(operation="report", fault="duplicate_push", value=2)
    ok(sms, message)
    until(lambda: len(reports_of(sms, message["clientMsgId"])) == 3)
    time.sleep(0.3)
    assert len(reports_of(sms, message["clientMsgId"])) == 3


def test_sigterm_ends_it_in_two_seconds(fresh: Any) -> None:
    sms = fresh()
    sms.arm(operation="submit", fault="half_open")
    body = json.dumps(submission(text())).encode()
    headers = {"X-Gov-Signature": seal_of(sms, body), "Content-Type": "application/json"}
    with pytest.raises(httpx2.ReadTimeout):
        sms.client.post(sms.url + SUBMIT, content=body, headers=headers, timeout=0.3)
    code, seconds = sms.end()
    assert code == 0
    assert seconds < 2


def test_the_log_holds_no_personal_data(sms: Program) -> None:
    log = (sms.folder / "state" / "sms.log").read_text("utf-8")
    assert "started" in log
    assert "1380000" not in log
    assert SECRET not in log

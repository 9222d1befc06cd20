"""Replies, templates and lost reports of the SMS gateway, on the wire of its contract."""

import json
import re
import secrets
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.mocks.jsonparty import Program, checked_header, until
from tests.mocks.test_sms_mock import BALANCE, OWN, SIGN, SUBMIT, ok, reports_of, submission, text

ASK = "请对本次服务作出评价，回复1至5。"
MEMBERS = {"moId", "mobile", "content", "extCode", "clientMsgId", "moTime"}


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


@pytest.fixture(scope="module")
def sms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    own = OWN | {"templates": ["S000007 您的办件{1}已由{2}受理。", "S000008 系统升级。"]}
    program = Program("sms", tmp_path_factory.mktemp("sms"), b'{"code":0}', **own)
    yield program
    program.close()


def mobile() -> str:
    return f"137{secrets.randbelow(10**8):08d}"


def replied(program: Program, **reply: str) -> httpx2.Response:
    return program.client.post(f"{program.url}/admin/mo", json=reply)


def heard(program: Program, **members: str) -> list[Any]:
    calls = [one for one in program.stub.heard if one.path == "/sms/mo"]
    return [one for one in calls if members.items() <= one.json().items()]


def record(program: Program, name: str) -> list[tuple[str, str, bool]]:
    rows = [row for row in program.admin("record") if row["id"] == name]
    return [(row["kind"], row["code"], row["accepted"]) for row in rows]


def test_a_reply_is_pushed_as_written_with_the_last_message_to_that_mobile(sms: Program) -> None:
    who = mobile()
    ok(sms, text(mobile=who))
    last = text(mobile=who)
    ok(sms, last)
    for content in ("5", " 5", "５", "满意", "", "好" * 500):
        told = replied(sms, mobile=who, content=content)
        assert told.status_code == 200
        call = until(lambda: heard(sms, moId=told.json()["moId"]))[0]  # noqa: B023  # asked at once
        header = checked_header(call.headers["X-Gov-Signature"], call.body, sms.certificate)
        assert (header["method"], header["path"]) == ("POST", "/sms/mo")
        said = call.json()
        assert set(said) == MEMBERS
        assert re.fullmatch(r"[A-Za-z0-9._-]{8,50}", said["moId"])
        assert abs(time.mktime(time.strptime(said["moTime"], "%Y%m%d%H%M%S")) - time.time()) < 86_400
        assert (said["mobile"], said["content"], said["extCode"], said["clientMsgId"]) == (
            who, content, "01", last["clientMsgId"]
        )  # fmt: skip
    empty = {"mobile": who, "content": ""}
    for wrong in (
        {"mobile": "12345", "content": ""}, {"mobile": who}, empty | {"content": "好" * 501},
        empty | {"moId": "short"}, empty | {"x": "y"},
    ):  # fmt: skip
        assert replied(sms, **wrong).status_code == 422


def test_the_access_number_and_72_hours_decide_which_message_is_meant(sms: Program) -> None:
    who, first = mobile(), text()
    first["mobile"] = who
    assert sms.checked(sms.post(SUBMIT, submission(first, extCode="02")))["code"] == 0
    other = text(mobile=who)
    ok(sms, other)  # from 01
    name = replied(sms, mobile=who, content="1", extCode="02").json()
    assert name["clientMsgId"] == first["clientMsgId"]
    assert "clientMsgId" not in replied(sms, mobile=who, content="1", extCode="03").json()
    sms.client.post(f"{sms.url}/admin/clock", json={"offset_s": 71 * 3600, "seals": False})
    assert "clientMsgId" in replied(sms, mobile=who, content="1").json()
    sms.client.post(f"{sms.url}/admin/clock", json={"offset_s": 73 * 3600, "seals": False})
    assert "clientMsgId" not in replied(sms, mobile=who, content="1").json()
    sms.client.post(f"{sms.url}/admin/clock", json={"offset_s": 0})
    stranger = replied(sms, mobile=mobile(), content="退订").json()
    assert (stranger["extCode"], "clientMsgId" in stranger) == ("01", False)


def test_a_reply_is_repeated_until_200_and_code_1_is_final(fresh: Any) -> None:
    sms = fresh(mo_repeat_seconds=[0.1, 0.1, 0.1, 0.1, 0.1], repeat_seconds=[0.1])
    sms.stub.answers = [(500, "sealed"), (200, "unsealed"), (503, "sealed"), (500, "sealed"), (500, "sealed")]
    who = mobile()
    name = replied(sms, mobile=who, content="5", moId="mo-00001").json()["moId"]
    until(lambda: len(sms.stub.heard) == 6)  # five repeats
    seals = {one.headers["X-Gov-Signature"] for one in sms.stub.heard}
    assert (len(seals), len({one.body for one in sms.stub.heard})) == (6, 1)
    until(lambda: record(sms, name) == [("mo", "0", True)])
    sms.stub.answers = [(200, "sealed", b'{"code":1,"msg":"moId"}')]
    replied(sms, mobile=who, content="4", moId="mo-00001")  # the same number with other content
    until(lambda: len(sms.stub.heard) == 7)
    time.sleep(0.4)
    assert len(sms.stub.heard) == 7
    assert record(sms, name) == [("mo", "0", True), ("mo", "1", False)]
    sms.stub.answers = [(500, "sealed")] * 9
    replied(sms, mobile=who, content="5")
    until(lambda: len(sms.stub.heard) == 13)
    time.sleep(0.3)
    assert len(sms.stub.heard) == 13
    sms.stub.answers.clear()
    sms.arm(operation="mo", fault="duplicate_push")
    replied(sms, mobile=who, content="5", moId="mo-00002")
    until(lambda: len(heard(sms, moId="mo-00002")) == 2)


def test_a_share_of_those_who_are_asked_for_a_rating_answers(fresh: Any) -> None:
    sms = fresh(reply_share=0.5, reply_odd_share=0.2, reply_delay_ms=0, report_delay_ms=0, share_undeliv=0.2)
    asked = [text(ASK, f"138{number:08d}", f"r{number}") for number in range(120)]
    plain = [text("您的办件已受理。", f"138{number:08d}", f"p{number}") for number in range(120)]
    ok(sms, *plain, *asked)
    until(lambda: len(sms.stub.heard) > 20)
    time.sleep(1.0)
    said = [one.json() for one in heard(sms)]
    assert 30 <= len(said) <= 66  # half of the four fifths that arrived: 48
    assert {one["clientMsgId"][0] for one in said} == {"r"}
    undelivered = {one["clientMsgId"] for call in sms.stub.heard if call.path == "/sms/report"
                   for one in call.json() if one["reportStatus"] != "DELIVRD"}  # fmt: skip
    assert not undelivered & {one["clientMsgId"] for one in said}
    contents = [one["content"] for one in said]
    digits = [one for one in contents if one in {"1", "2", "3", "4", "5"}]
    assert 0.6 <= len(digits) / len(contents) < 1
    assert len(set(digits)) > 2


def test_nobody_replies_unless_told_so(sms: Program) -> None:
    message = text(ASK, mobile())
    ok(sms, message)
    until(lambda: reports_of(sms, message["clientMsgId"]))
    time.sleep(0.5)
    assert heard(sms, mobile=message["mobile"]) == []


def test_lost_reports_never_come(fresh: Any) -> None:
    sms = fresh(lost_share=1, report_delay_ms=10)
    ok(sms, text(), text())
    time.sleep(0.6)
    assert sms.stub.heard == []


def by_template(name: str, *params: Any, **more: Any) -> dict[str, Any]:
    message = {"mobile": mobile(), "templateId": name, "params": list(params)}
    return message | {"clientMsgId": secrets.token_hex(8)} | more


def test_a_template_is_filled_signed_and_billed(sms: Program) -> None:
    before = sms.checked(sms.send("GET", BALANCE))["data"]["segments"]
    short, long = by_template("S000007", "甲", "乙"), by_template("S000007", "甲" * 60, "{1}")
    data = ok(sms, short, long, text(mobile=mobile()), by_template("S000008"))
    assert data["accepted"] == 4
    assert sms.checked(sms.send("GET", BALANCE))["data"]["segments"] == before - 5
    until(lambda: reports_of(sms, short["clientMsgId"]))
    group = ok(sms, short)["msgGroup"]
    assert group == data["msgGroup"]
    written = {name: short[name] for name in ("mobile", "clientMsgId")}
    assert ok(sms, written | {"content": SIGN + "您的办件甲已由乙受理。"})["msgGroup"] == group
    data = ok(sms, short | {"params": ["甲", "丙"]}, by_template("S000007", "中奖", "乙"))
    assert [one["code"] for one in data["rejected"]] == ["CONFLICT", "SENSITIVE"]


@pytest.mark.parametrize(
    "wrong",
    [
        by_template("S000007", "甲"), by_template("S000007", "甲", "乙", "丙"), by_template("S000007"),
        by_template("S999999"), by_template("S1"), by_template("s000008"), by_template("S000008", 5),
        by_template("S000008", content=SIGN + "甲"), by_template("S000008", content=None),
        by_template("S000008", params=None), by_template("S000008", params="甲"),
        {"mobile": "13800000000", "clientMsgId": "x"}, text() | {"params": []},
        {"mobile": "13800000000", "clientMsgId": "x", "templateId": "S000008"},
    ],
)  # fmt: skip
def test_both_forms_neither_or_a_wrong_one_is_code_1_and_nothing_is_sent(
    sms: Program, wrong: dict[str, Any]
) -> None:
    received = sms.admin("counts")["received"]
    assert sms.checked(sms.post(SUBMIT, submission(text(), wrong)))["code"] == 1
    assert sms.admin("counts")["received"] == received


def test_five_hundred_by_template_and_not_one_more(sms: Program) -> None:
    batch = [by_template("S000008") for _ in range(500)]
    assert ok(sms, *batch)["accepted"] == 500
    answer = sms.post(SUBMIT, submission(*batch, by_template("S000008")))
    assert sms.checked(answer)["code"] == 1


def test_a_killed_gateway_still_tells_of_replies(fresh: Any) -> None:
    sms = fresh(reply_share=1, reply_odd_share=0, reply_delay_ms=1500, share_undeliv=0)
    message = text(ASK)
    ok(sms, message)
    sms.end(signal.SIGKILL)
    sms.start()
    until(lambda: heard(sms, clientMsgId=message["clientMsgId"]))
    assert json.loads(heard(sms)[0].body)["content"] in {"1", "2", "3", "4", "5"}

"""The portal against its contract: what it sends by the contract's schemas, what it takes and refuses."""

import base64
import hashlib
import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.mocks.amqpparty import check_character, uuid
from tests.mocks.hallparty import FULL, PLAIN, REGION
from tests.mocks.jsonparty import Identity, until
from tests.mocks.portalparty import (
    ACCEPTED,
    CONCLUDED,
    DELIVERED,
    NOTHING,
    Asked,
    PortalProgram,
    Reply,
    event_of,
)

MATERIALS = [{"name": "申请书", "copies": 1, "form": "E"}]
TABLE = {  # an event of each kind as the contract describes it
    "PRE_REVIEWED": {"orgName": "示范局", "result": "OK"},
    "ACCEPTED": ACCEPTED,
    "SUPPLEMENT": {"handler": "窗口甲", "reason": "缺件", "materials": MATERIALS},
    "SUPPLIED": {"handler": "窗口甲", "materials": MATERIALS},
    "STEP": {"stepName": "批准", "step": "A", "stepNo": 3, "orgName": "示范局", "result": "DENY"},
    "PAUSED": {"no": 1, "kind": "OTHER", "name": "听证", "reason": "涉及多人"},
    "RESUMED": {"no": 1, "result": "DONE"},
    "CONCLUDED": CONCLUDED,
    "DELIVERED": DELIVERED,
}
EVERYTHING = {"attach_every": 1, "evaluate_every": 1, "complain_every": 1, "ask_every": 1}


@pytest.fixture
def portal(tmp_path: Path) -> Iterator[Any]:
    made: list[PortalProgram] = []

    def make(**own: Any) -> PortalProgram:
        made.append(PortalProgram(tmp_path, [PLAIN, FULL], **own))
        return made[-1]

    yield make
    for one in made:
        one.close()


def answering(asked: Asked) -> Reply:
    """The hub's answers, those to questions included."""
    if asked.kind != "ask":
        return 200, NOTHING
    return 200, {"case_no": asked.question[0], "state": "handling", "provisional": False}


def test_an_application_goes_its_whole_way(portal: Any) -> None:
    program = portal(cases=1, **EVERYTHING)
    program.desk.answer = answering
    case = program.case()
    until(lambda: program.desk.of("attach"))
    program.ok(case, "SUPPLEMENT", TABLE["SUPPLEMENT"])
    supplied = until(lambda: program.desk.of("supplement"))[0].value
    assert [one["name"] for one in supplied["materials"]] == ["申请书"]
    program.ok(case, "ACCEPTED", ACCEPTED)
    assert until(lambda: program.desk.of("ask"))[0].question == (case, "004711")
    until(lambda: program.desk.of("complain"))
    assert not program.desk.of("evaluate")
    program.ok(case, "CONCLUDED", CONCLUDED)
    assert until(lambda: program.desk.of("evaluate"))[0].value["serviceNo"] == 1
    program.ok(case, "DELIVERED", DELIVERED)
    until(lambda: program.admin("progress")["finished"] == 1)
    assert program.admin("progress") == {"cases": 1, "finished": 1, "by_state": {"finished": 1}, "failed": []}
    for asked in program.desk.asked:
        assert asked.kind == "ask" or program.sealed_by_portal(asked)
    kinds = [one.kind for one in program.desk.asked]
    assert sorted(kinds) == ["apply", "ask", "attach", "complain", "evaluate", "supplement"]
    assert len(program.admin(f"case/{case}")) == 4


def test_numbers_people_and_files_are_what_the_contract_says(portal: Any) -> None:
    program = portal(cases=30, attach_every=3)
    until(lambda: len(program.desk.of("apply")) == 30 and len(program.desk.of("attach")) == 10)
    applied = [one.value for one in program.desk.of("apply")]
    for one in applied:
        number = one["applyNo"]
        assert number[:12] == REGION and number[20] == "1" and check_character(number[:27]) == number[27]
        assert one["areaCode"] == number[:9]
        assert abs(one["applyTime"] / 1000 - time.time()) < 60
        assert (one["user"]["idType"] == "USCC") == (one["user"]["userType"] == "2")
        assert one["contact"]["idNo"].startswith("441499")
    assert sorted(int(one["applyNo"][21:27]) for one in applied) == list(range(500_001, 500_031))
    assert {one["user"]["userType"] for one in applied} == {"1", "2"}
    assert len({one["requestId"] for one in applied}) == 30
    for asked in program.desk.asked:
        assert program.sealed_by_portal(asked)
    for asked in program.desk.of("attach"):
        content = base64.b64decode(asked.value["content"], validate=True)
        assert content.startswith(b"%PDF-") and content.rstrip().endswith(b"%%EOF")
        assert hashlib.sha256(content).hexdigest() == asked.value["sha256"]


def test_requests_are_repeated_under_fresh_seals_until_the_hub_takes_them(portal: Any) -> None:
    program = portal()
    tries: list[Reply] = [None, (500, {}), (200, {"code": "1009", "message": "", "data": {}})]
    program.desk.answer = lambda asked: tries.pop(0) if tries else (200, NOTHING)
    assert program.run(1).status_code == 200
    found = until(lambda: (asked := program.desk.of("apply")) and len(asked) == 4 and asked)
    assert len({one.body for one in found}) == 1
    assert len({one.nonce for one in found}) == 4
    until(lambda: program.admin("progress")["by_state"] == {"applied": 1})
    record = [one for one in program.admin("record") if one["kind"] == "apply"]
    assert [(one["direction"], one["code"], one["accepted"]) for one in record] == [("sent", "0000", True)]
    value, body = found[0].value, found[0].body
    assert (record[0]["id"], record[0]["case"]) == (value["requestId"], value["applyNo"])
    assert record[0]["sha256"] == hashlib.sha256(body).hexdigest()


def test_a_refused_application_fails_and_is_not_repeated(portal: Any) -> None:
    program = portal()
    said = {"code": "1004", "message": "item not in force", "data": {}}
    program.desk.answer = lambda asked: (200, said)
    program.run(1)
    until(lambda: program.admin("progress")["failed"])
    assert [(one["code"], one["path"]) for one in program.admin("progress")["failed"]] == [("1004", "apply")]
    time.sleep(0.4)
    assert len(program.desk.asked) == 1


def test_an_answer_outside_the_contract_is_no_answer(portal: Any) -> None:
    program = portal(ask_every=1, repeat_seconds=[0.05] * 12)
    replies: list[Any] = [
        {"code": "0000", "message": ""}, {"code": "0007", "message": "", "data": {}},
        NOTHING | {"data": {"x": 1}}, {"code": 0, "message": "", "data": {}}, NOTHING | {"more": ""},
    ]  # fmt: skip
    program.desk.answer = lambda asked: (200, replies.pop(0)) if replies else (200, NOTHING)
    program.run(1)
    until(lambda: len(program.desk.of("apply")) == 6)
    case = program.case()
    data = {"case_no": case, "state": "handling", "provisional": False}
    questions: list[Any] = [
        (200, {}), (200, data | {"x": 1}), (200, data | {"case_no": "1"}),
        (200, data | {"promised_due": "2026/11/22"}), (200, data | {"provisional": "0"}),
        (404, {"code": "0"}), (500, data), (200, data | {"promised_due": "2026-11-30"}),
    ]  # fmt: skip
    program.desk.answer = lambda asked: questions.pop(0) if asked.kind == "ask" else (200, NOTHING)
    program.ok(case, "ACCEPTED", ACCEPTED)
    until(lambda: not questions)
    time.sleep(0.3)
    assert len(program.desk.of("ask")) == 8
    assert {one["kind"] for one in program.admin("record")} == {"apply", "accepted"}


def test_every_event_is_taken_and_shown_by_time_then_seq(portal: Any) -> None:
    program = portal(cases=1)
    case = program.case()
    for place, (event, detail) in enumerate(TABLE.items()):
        program.ok(case, event, detail, time=1_795_000_000_000 - place, seq=place + 1)
    program.ok(case, "STEP", TABLE["STEP"], time=1_795_000_000_000 - 4, seq=1)
    shown = program.admin(f"case/{case}")
    assert [one["event"] for one in shown][:5] == ["DELIVERED", "CONCLUDED", "RESUMED", "PAUSED", "STEP"]
    assert [one["seq"] for one in shown if one["event"] == "STEP"] == [1, 5]
    window = "441403000000202611222000001"
    program.ok(window + check_character(window), "DELIVERED", DELIVERED)
    assert program.admin("progress")["finished"] == 1


WRONG: tuple[tuple[str, dict[str, Any], str], ...] = (  # event, what is wrong (...: absent), the member named
    ("CONCLUDED", {"fee": "105"}, "fee"), ("CONCLUDED", {"fee": 105.5}, "fee"),
    ("CONCLUDED", {"certNo": ...}, "certNo"), ("CONCLUDED", {"result": "VOID"}, "reason"),
    ("CONCLUDED", {"certValidTo": "2031-11-22"}, "certValidTo"),
    ("CONCLUDED", {"certValidTo": "2031/02/30"}, "certValidTo"), ("ACCEPTED", {"promised": ...}, "promised"),
    ("ACCEPTED", {"result": "NO"}, "reason"), ("ACCEPTED", {"noticeNo": None}, "noticeNo"),
    ("ACCEPTED", {"noticeNo": "null"}, "noticeNo"), ("ACCEPTED", {"noticeNo": ""}, "noticeNo"),
    ("ACCEPTED", {"queryCode": "12345"}, "queryCode"),
    ("ACCEPTED", {"promised": {"num": 5, "unit": "工作日"}}, "promised.unit"),
    ("PRE_REVIEWED", {"result": "MORE"}, "note"), ("SUPPLEMENT", {"materials": []}, "materials"),
    ("SUPPLEMENT", {"materials": [{"name": "x", "copies": -1, "form": "E"}]}, "materials[0].copies"),
    ("STEP", {"stepNo": True}, "stepNo"), ("STEP", {"more": "x"}, "more"),
)  # fmt: skip


def test_wrong_details_are_refused_by_the_member(portal: Any) -> None:
    program = portal(cases=1)
    case = program.case()
    for event, change, member in WRONG:
        detail = {name: value for name, value in (TABLE[event] | change).items() if value is not ...}
        assert program.event(case, event, detail) == (200, "invalid", f"detail.{member}")
    assert program.admin("counts")["by_kind"] == {"sent.apply": 1}


def test_wrong_events_are_refused_by_the_member(portal: Any) -> None:
    program = portal(cases=1)
    case = program.case()
    other = f"{case[:21]}999998"
    for name, value in (
        ("time", 1_795_000_000.5), ("time", "1795000000000"), ("areaCode", "441403"), ("seq", 0),
        ("seq", 10_000), ("event", "FINISHED"),
        ("applyNo", case[:27] + ("0" if case[27] != "0" else "1")), ("eventId", "a b"),
        ("applyNo", other + check_character(other)),
    ):  # fmt: skip
        event = event_of(case, "STEP", TABLE["STEP"]) | {name: value}
        assert program.tell("progress", event) == (200, "invalid", name)
    assert program.admin(f"case/{case}") == []


def test_an_event_id_is_one_call(portal: Any) -> None:
    program = portal(cases=1)
    case = program.case()
    event = event_of(case, "STEP", TABLE["STEP"])
    assert [program.tell("progress", event)[1] for _ in range(3)] == ["success"] * 3
    assert program.tell("progress", event | {"seq": 2})[1] == "conflict"
    assert len(program.admin(f"case/{case}")) == 1
    wrong = event_of(case, "STEP", {})
    first = program.tell("progress", wrong)
    assert first[1] == "invalid"
    assert program.tell("progress", wrong) == first
    counts = program.admin("counts")
    assert (counts["by_kind"]["received.step"], counts["repeats"], counts["refused"]) == (1, 3, 2)


def test_fee_complaint_and_performance(portal: Any) -> None:
    program = portal(cases=1, complain_every=1)
    case = program.case()
    fee = {"applyNo": case, "noticeNo": "N1", "checkNo": "C1", "bookCheckNo": "B1"}
    assert program.tell("fee", {"eventId": uuid(), **fee})[1] == "success"
    assert program.tell("fee", {"eventId": uuid(), **fee, "amount": "5.00"}) == (200, "invalid", "amount")
    program.ok(case, "ACCEPTED", ACCEPTED)
    number = until(lambda: program.desk.of("complain"))[0].value["complaintNo"]
    result = {
        "complaintNo": number, "conclusion": "P", "orgName": "示范局", "reply": "已改进",
        "replyTime": 1_795_000_000_000,
    }  # fmt: skip
    assert program.tell("complaint/result", {"eventId": uuid(), **result})[1] == "success"
    unknown = result | {"complaintNo": "TS-0"}
    assert program.tell("complaint/result", {"eventId": uuid(), **unknown})[2] == "complaintNo"
    row = {
        "type": "PERSON", "code": "P1", "name": "甲", "indexCode": "J1", "indexName": "按期", "caseCount": 3,
        "score": "-12.50",
    }  # fmt: skip
    report = {
        "reportNo": "R1", "areaCode": "441400000", "from": "2026/11/01", "to": "2026/11/30", "rows": [row],
        "publishTime": 1_795_000_000_000,
    }  # fmt: skip
    for score in ("12.345", "1e3", "012"):
        bad = report | {"rows": [row, row | {"score": score}]}
        assert program.tell("performance", {"eventId": uuid(), **bad})[2] == "rows[1].score"
    assert program.tell("performance", {"eventId": uuid(), **report, "rows": []})[2] == "rows"
    assert program.tell("performance", {"eventId": uuid(), **report})[1] == "success"
    later = report | {"rows": [row | {"score": "1"}]}
    assert program.tell("performance", {"eventId": uuid(), **later})[1] == "success"
    assert program.admin("published")["R1"]["rows"][0]["score"] == "1"


def test_seals_and_forms_are_checked(portal: Any) -> None:
    program = portal(cases=1)
    event = event_of(program.case(), "STEP", TABLE["STEP"])
    body, stranger = json.dumps(event).encode(), Identity("stranger")
    path = "/openapi/v1/progress"
    bound, hub = {"method": "POST", "path": path}, program.hub
    used = hub.seal(body, **bound, nonce="n" * 32)
    for seal in (
        None, stranger.seal(body, **bound), hub.seal(body + b" ", **bound), hub.seal(body, method="PUT"),
        hub.seal(body, method="POST", path=path + "?x=1"),
        hub.seal(body, **bound, iat=int(time.time()) - 400),
    ):  # fmt: skip
        answer = program.send("POST", path, body, seal=seal)
        assert (answer.status_code, answer.json()["custom"]) == (200, "unauthorized")
    assert program.send("POST", path, body, seal=used).json()["custom"] == "success"
    assert program.send("POST", path, body, seal=used).json()["custom"] == "unauthorized"
    assert (
        program.send("POST", path, body, headers={"Content-Type": "text/plain"}).json()["custom"] == "invalid"
    )
    for raw in (b"", b"[]", b'{"eventId":"a","eventId":"b"}', "﻿{}".encode()):
        assert program.send("POST", path, raw).json()["custom"] == "invalid"


def test_more_than_fifty_calls_a_second_are_too_many(portal: Any) -> None:
    program = portal(cases=1, max_per_second=3)
    case = program.case()
    answers = [program.event(case, "STEP", TABLE["STEP"])[:2] for _ in range(12)]
    assert (429, "busy") in answers
    assert set(answers) <= {(429, "busy"), (200, "success")}


def test_faults_of_its_requests(portal: Any) -> None:
    program = portal(ask_every=1, complain_every=1, attach_every=1)

    def strict(asked: Asked) -> Reply:
        if asked.kind == "attach" and "content" not in asked.value:
            return 200, {"code": "1001", "message": "content", "data": {}}
        return answering(asked)

    program.desk.answer = strict
    for operation, fault in (
        ("evaluate", "early_evaluation"), ("evaluate", "rush_rating"), ("complain", "double_complaint"),
        ("ask", "unknown_case"), ("attach", "missing_attachment"), ("apply", "duplicate_push"),
    ):  # fmt: skip
        assert program.arm(operation=operation, fault=fault).status_code == 200
    assert program.arm(operation="apply", fault="early_evaluation").status_code == 422
    program.run(1)
    case = program.case()
    until(lambda: len(program.desk.of("apply")) == 2)
    until(lambda: program.desk.of("attach"))
    program.ok(case, "ACCEPTED", ACCEPTED)
    until(lambda: program.desk.of("evaluate") and len(program.desk.of("complain")) == 2)
    assert program.desk.of("evaluate")[0].value["score"] == "10"
    first, second = (one.value for one in program.desk.of("complain"))
    assert first["complaintNo"] == second["complaintNo"] and first["requestId"] != second["requestId"]
    other, _ = until(lambda: program.desk.of("ask"))[0].question
    assert other != case and check_character(other[:27]) == other[27]


def test_a_spoilt_request_is_sent_corrected_under_another_id(portal: Any) -> None:
    program = portal()

    def strict(asked: Asked) -> Reply:
        wrong = asked.value["itemName"] == "null"
        return 200, {"code": "1001", "message": "itemName", "data": {}} if wrong else NOTHING

    program.desk.answer = strict
    program.arm(operation="apply", fault="null_text")
    program.run(1)
    until(lambda: program.admin("progress")["by_state"] == {"applied": 1})
    spoilt, right = (one.value for one in program.desk.of("apply"))
    assert spoilt["requestId"] == "null" and right["itemName"] == PLAIN["name"]
    assert program.admin("progress")["failed"] == []


def test_a_request_refused_for_its_label_is_sent_under_the_right_one(portal: Any) -> None:
    program = portal()

    def strict(asked: Asked) -> Reply:
        wrong = "GBK" in {name.lower(): value for name, value in asked.headers.items()}["content-type"]
        return 200, {"code": "1001", "message": "Content-Type", "data": {}} if wrong else NOTHING

    program.desk.answer = strict
    program.arm(operation="apply", fault="wrong_charset_label")
    program.run(1)
    until(lambda: program.admin("progress")["by_state"] == {"applied": 1})
    assert program.admin("progress")["failed"] == []


def test_nothing_is_lost_or_doubled_when_it_is_killed(portal: Any) -> None:
    program, count = portal(cases=20, attach_every=1), [0]

    def shaky(asked: Asked) -> Reply:
        count[0] += 1
        return None if count[0] % 7 == 0 else (200, NOTHING)

    program.desk.answer = shaky
    for _ in range(2):
        time.sleep(0.4)
        program.end(signal.SIGKILL)
        program.start()
    until(lambda: program.admin("counts")["sent"] == 40, 15)
    assert len({one.value["applyNo"] for one in program.desk.of("apply")}) == 20
    by_id = {one.value["requestId"]: one.body for one in program.desk.asked}
    assert all(by_id[one.value["requestId"]] == one.body for one in program.desk.asked)
    assert len(by_id) == 40
    code, seconds = program.end()
    assert code == 0 and seconds < 2

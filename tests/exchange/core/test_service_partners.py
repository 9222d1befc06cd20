"""Courier, data sharing, evaluation, higher platform, revenue system and portal by their contracts: what the
hub sends them, what their answers become, what their doors make of theirs. Expected values: the contracts."""

import hashlib
import json
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from exchange.answers import partner_answer
from exchange.envelope import Envelope
from exchange.faces import Door
from exchange.pipeline import receive
from exchange.receipts import Receipt
from exchange.seals import jws
from tests.exchange.core.partner import Call, Stub, serving
from tests.exchange.core.rig import PLAIN_ITEM, Core, Story, case_number, iso
from tests.exchange.core.test_delivery import worker

SECRET = "agreed-secret"
USCC = "114414020072081005"
HOLDER = {"name": "陈试", "document_type": "resident_id_card", "document_no": "441499199003074018"}
OFFICE = (
    "parcel.requested.v1", "verification.requested.v1", "fee.basis_requested.v1", "performance.reported.v1",
    "complaint.resolved.v1",
)  # fmt: skip
COURIER = {"resultCode": "1000", "resultMsg": ""}
Answer = Callable[[Call], Any]


@pytest.fixture
def now(core: Core) -> Core:
    """Calls carry the machine's time."""
    core.clock.now = time.time()
    core.party("office", sends=OFFICE)
    return core


@pytest.fixture
def case(now: Core, story: Story) -> Story:
    """A case of an item without fee and certificate, accepted."""
    plain = Story(story.no, PLAIN_ITEM)
    now.ok("hall", "case.applied.v1", plain.applied())
    now.ok("hall", "case.accepted.v1", plain.accepted())
    return plain


@pytest.fixture
def partner(now: Core) -> Iterator[Callable[[str, Answer], Stub]]:
    """Registers a partner of this adapter, played by a stub that answers so."""
    with serving(Stub(now.hub.ec_key)) as stub:

        def registered(adapter: str, answer: Answer) -> Stub:
            account = {"account": "tongban"}
            stub.key = now.party("other", adapter=adapter, address=stub.address, account=account)
            stub.answer = answer
            return stub

        yield registered


def sent(core: Core) -> dict[str, Any]:
    """One round of deliveries to the partner, and what became of the last."""
    worker(core, "other", secrets={"other": SECRET}).round()
    return core.outbox("party = 'other'")[-1]


def replies(core: Core, kind: str) -> list[dict[str, Any]]:
    """What the hub took down of answers of this type."""
    rows = core.rows("SELECT canonical FROM document WHERE type = :kind AND direction = 'in'", kind=kind)
    return [
        json.loads(row["canonical"]) if isinstance(row["canonical"], str) else row["canonical"]
        for row in rows
    ]


def knocked(core: Core, name: str, body: Any, media_type: str = "application/json") -> tuple[Receipt, Any]:
    """A document at one of the partner's doors: the receipt and the answer in the partner's words."""
    adapter = core.hub.adapters[core.hub.parties.named("other").adapter or ""]
    entry = adapter.heard(name)
    assert entry.rest is not None
    raw = json.dumps(body, ensure_ascii=False).encode()
    seal = jws.sign_request(
        raw, core.keys["other"], method="POST", path=entry.rest.path,
        now=datetime.fromtimestamp(core.clock.now, UTC), nonce=secrets.token_urlsafe(24),
    )  # fmt: skip
    bound = {"method": "POST", "path": entry.rest.path}
    envelope = Envelope("rest", raw, media_type, core.clock.now, seal, bound)
    door, hub = Door(adapter, entry), replace(core.hub, secrets={"other": SECRET})
    receipt = receive(hub, envelope, lambda e: door.open(hub, e), lambda s, e: door.read(hub, s, e))
    answer, status = partner_answer(entry.answer, receipt, {}, door.wire)
    assert status == 200
    return receipt, json.loads(answer)


def parcel(story: Story, core: Core) -> dict[str, Any]:
    end = {"name": "陈试", "mobile": "13800000001", "region": "441424100000", "address": "水寨镇测试路2号"}
    return {
        "request_id": "parcel-17", "case_no": story.no, "sender": {**end, "region": "441402000000"},
        "receiver": end, "contents": "食品经营许可证", "requested_at": at(core),
    }  # fmt: skip


def at(core: Core, off: int = 0) -> str:
    return iso(datetime.fromtimestamp(int(core.clock.now) + off, UTC))


def test_a_parcel_gets_its_waybill(now: Core, case: Story, partner: Any) -> None:
    data = {
        "orderId": "parcel-17",
        "waybillNo": "EB441400017CN",
        "bookTime": "20261127170003",
        "freight": 1200,
    }
    stub = partner("logistics", lambda call: (200, {**COURIER, "data": data}))
    now.ok("office", "parcel.requested.v1", parcel(case, now))
    assert sent(now)["state"] == "sent"
    (order,) = stub.to("/order/create")
    assert (order.json["partnerId"], order.json["caseNo"]) == ("tongban", case.no)
    assert (order.json["sender"]["areaCode"], order.json["receiver"]["areaCode"]) == ("441402", "441424")
    assert replies(now, "parcel.booked.v1") == [
        {
            "request_id": "parcel-17",
            "case_no": case.no,
            "waybill_no": "EB441400017CN",
            "booked_at": "2026-11-27T17:00:03+08:00",
        }
    ]


@pytest.mark.parametrize(
    ("code", "state"),
    [("2002", "refused"), ("2004", "refused"), ("2001", "dead"), ("2003", "dead"), ("9001", "pending")],
)
def test_each_code_of_the_courier(now: Core, case: Story, partner: Any, code: str, state: str) -> None:
    partner("logistics", lambda call: (200, {"resultCode": code, "resultMsg": "见说明"}))
    now.ok("office", "parcel.requested.v1", parcel(case, now))
    assert sent(now)["state"] == state


@pytest.mark.parametrize(("code", "told"), [("2004", ["2004"]), ("2003", ["2003"]), ("9001", [])])
def test_a_refusal_of_the_courier_is_told_to_who_asked(
    now: Core, case: Story, partner: Any, code: str, told: list[str]
) -> None:
    """As a receipt for its own message; other houses hear nothing."""
    for name in ("desk", "elsewhere"):
        now.party(name, sends=OFFICE, takes=("exchange.receipted.v1",), address="http://127.0.0.1:9")
    partner("logistics", lambda call: (200, {"resultCode": code, "resultMsg": "该县区不通邮"}))
    asked = now.send("desk", "parcel.requested.v1", parcel(case, now))
    sent(now)
    found = [json.loads(row["payload"]) for row in now.outbox("type = 'exchange.receipted.v1'")]
    assert [one["code"] for one in found] == told
    for one in found:
        assert (one["case_no"], one["detail"]) == (case.no, "该县区不通邮")
        assert one["message_id"] == asked.facts["message_id"]
    assert {row["party"] for row in now.outbox("type = 'exchange.receipted.v1'")} <= {"desk"}


def test_tracks_come_twice_and_a_number_has_one_content(now: Core, case: Story, partner: Any) -> None:
    data = {"orderId": "parcel-17", "waybillNo": "EB441400017CN", "bookTime": "20261127170003", "freight": 1}
    partner("logistics", lambda call: (200, {**COURIER, "data": data}))
    now.ok("office", "parcel.requested.v1", parcel(case, now))
    assert sent(now)["state"] == "sent"
    when = beijing(now).translate(str.maketrans("", "", "- :"))
    track = {"traceNo": "tr-00000017", "waybillNo": "EB441400017CN", "opCode": "20", "opTime": when}
    for _ in range(2):
        receipt, answer = knocked(now, "track", track)
        assert (receipt.status, answer) == ("accepted", COURIER)
    assert len(replies(now, "parcel.tracked.v1")) == 1
    assert knocked(now, "track", {**track, "opCode": "30"})[1]["resultCode"] == "2003"
    unsigned = {**track, "traceNo": "tr-00000018", "opCode": "40"}
    assert knocked(now, "track", unsigned)[1]["resultCode"] == "2002"


@pytest.mark.parametrize(
    ("change", "member"),
    [
        ({"traceNo": "tr-0017"}, "traceNo"),
        ({"traceNo": "t" * 51}, "traceNo"),
        ({"waybillNo": "EB441400017"}, "waybillNo"),
        ({"waybillNo": "EB441400017US"}, "waybillNo"),
    ],
)
def test_numbers_of_another_form_are_refused_by_name(
    now: Core, partner: Any, change: dict[str, str], member: str
) -> None:
    partner("logistics", lambda call: (500, b""))
    answer = knocked(now, "track", {**track(now), **change})[1]
    assert (answer["resultCode"], answer["resultMsg"]) == ("2002", f"{member} not of the form agreed")


def track(core: Core) -> dict[str, str]:
    when = beijing(core).translate(str.maketrans("", "", "- :"))
    return {"traceNo": "tr-00000017", "waybillNo": "EB441400017CN", "opCode": "20", "opTime": when}


@pytest.mark.parametrize("end", ["sender", "receiver"])
@pytest.mark.parametrize("region", ["441400000000", "440000000000"])
def test_a_place_that_is_no_county_is_not_asked_of_the_courier(
    now: Core, case: Story, partner: Any, end: str, region: str
) -> None:
    stub = partner("logistics", lambda call: (500, b""))
    asked = parcel(case, now)
    asked[end] = {**asked[end], "region": region}
    now.ok("office", "parcel.requested.v1", asked)
    row = sent(now)
    assert (row["state"], row["code"], stub.calls) == ("refused", "bad_value", [])
    (found,) = now.rows("SELECT detail FROM finding WHERE code = 'delivery_refused'")
    assert f"{end}/areaCode" in found["detail"]


def test_a_city_without_counties_stands_in_their_place(now: Core, case: Story, partner: Any) -> None:
    stub = partner("logistics", lambda call: (200, {"resultCode": "9001", "resultMsg": ""}))
    asked = parcel(case, now)
    asked["receiver"] = {**asked["receiver"], "region": "441900003000"}
    now.ok("office", "parcel.requested.v1", asked)
    assert sent(now)["state"] == "pending"
    assert stub.calls[-1].json["receiver"]["areaCode"] == "441900"


NO_JSON = ("text/plain", "application/xml", "application/json-seq")
NOT_UTF8 = ("application/json; charset=GBK", 'application/json;charset="gb18030"')


@pytest.mark.parametrize("media_type", [*NO_JSON, *NOT_UTF8])
def test_what_does_not_come_as_json_is_refused_in_the_partners_terms(
    now: Core, partner: Any, media_type: str
) -> None:
    partner("logistics", lambda call: (500, b""))
    receipt, answer = knocked(now, "track", track(now), media_type)
    assert (receipt.code, answer["resultCode"]) == ("bad_media_type", "2002")
    assert answer["resultMsg"].startswith("Content-Type ")
    assert knocked(now, "track", track(now), "Application/JSON; charset=utf-8")[1] == COURIER


def test_a_body_over_the_contracts_size_is_refused_for_its_size(now: Core, partner: Any) -> None:
    """At most 1 MB: the one member too long would be refused in a smaller body too, for itself."""
    partner("logistics", lambda call: (500, b""))
    receipt, answer = knocked(now, "track", {**track(now), "opPlace": "地" * (1 << 20)})
    assert (receipt.code, answer["resultCode"]) == ("too_large", "2002")
    assert "1048576" in answer["resultMsg"]
    assert knocked(now, "track", {**track(now), "opPlace": "地" * 300_000})[0].code == "bad_value"


@pytest.mark.parametrize(("code", "result", "meant"), [("200", "Y", "match"), ("404", "X", "not_found")])
def test_no_record_is_an_answer(
    now: Core, case: Story, partner: Any, code: str, result: str, meant: str
) -> None:
    data = {
        "requestId": "hy-17",
        "result": result,
        "source": "公安",
        "verifyTime": "2026-11-20 09:30:02",
        "items": [],
    }
    stub = partner("sharing", lambda call: (200, {"code": code, "message": "", "data": data}))
    asked = {
        "request_id": "hy-17",
        "case_no": case.no,
        "subject": "person",
        "holder": HOLDER,
        "purpose": "核验申请人身份",
    }
    now.ok("office", "verification.requested.v1", asked)
    assert sent(now)["state"] == "sent"
    assert stub.calls[-1].json["serviceCode"] == "SFHC"
    (answer,) = replies(now, "verification.answered.v1")
    assert (answer["result"], answer["case_no"]) == (meant, case.no)


def test_the_same_charge_by_the_departments_own_record(now: Core, case: Story, partner: Any) -> None:
    data = {
        "queryNo": "fb-17",
        "caseNo": case.no,
        "chargeCode": "103042750",
        "standard": "每证105元",
        "unitAmount": "10500",
        "lawText": "文件",
        "validFrom": "20200101",
    }
    partner("revenue", lambda call: (200, {"rtnCode": "00", "rtnMsg": "", "data": data}))
    asked = {
        "request_id": "fb-17",
        "case_no": case.no,
        "item_code": case.head["item_code"],
        "fee_code": "103042750",
    }
    now.ok("office", "fee.basis_requested.v1", asked)
    assert sent(now)["state"] == "sent"
    assert [one["amount"] for one in replies(now, "fee.basis.v1")] == ["105.00"]


@pytest.mark.req("S3-89")
def test_efficiency_data_goes_up_and_a_partial_accept_is_kept_as_such(now: Core, partner: Any) -> None:
    answer = {
        "ret": 0,
        "msg": "",
        "data": {"batchNo": "XN-2026-11", "accepted": 1, "reason": "row 2: indexCode"},
    }
    stub = partner("performance", lambda call: (200, answer))
    row = {
        "subject_kind": "department",
        "subject_code": USCC,
        "subject_name": "测试局",
        "indicator": "SX-01",
        "indicator_name": "按时办结率",
        "cases": 120,
        "score": "98.5",
    }
    report = {
        "report_id": "XN-2026-11",
        "region": "441402000000",
        "period_from": "2026-11-01",
        "period_to": "2026-11-30",
        "rows": [row, {**row, "indicator": "SX-02"}],
        "reported_at": at(now),
    }
    now.ok("office", "performance.reported.v1", report)
    assert sent(now)["state"] == "sent"
    assert [one["score"] for one in stub.calls[-1].json["rows"]] == ["98.5", "98.5"]
    assert replies(now, "performance.received.v1") == [
        {"report_id": "XN-2026-11", "accepted": 1, "reason": "row 2: indexCode"}
    ]
    assert now.rows("SELECT category, code, detail FROM finding") == [
        {
            "category": "content",
            "code": "partial_accept",
            "detail": "XN-2026-11: 1 of 2 rows; row 2: indexCode",
        }
    ]


@pytest.mark.parametrize(
    ("batch", "accepted", "found"),
    [
        ("XN-2026-11", 2, []),
        ("XN-2026-11", 0, ["partial_accept"]),
        ("XN-2026-11", 3, ["partial_accept"]),
        ("XN-2026-10", 2, ["another_report"]),
    ],
)
def test_what_the_platform_took_is_held_against_what_was_sent(
    now: Core, partner: Any, batch: str, accepted: int, found: list[str]
) -> None:
    data = {"batchNo": batch, "accepted": accepted}
    partner("performance", lambda call: (200, {"ret": 0, "msg": "", "data": data}))
    row = {
        "subject_kind": "department", "subject_code": USCC, "subject_name": "测试局",
        "indicator": "SX-01", "indicator_name": "按时办结率", "cases": 120, "score": "98.5",
    }  # fmt: skip
    report = {
        "report_id": "XN-2026-11", "region": "441402000000", "period_from": "2026-11-01",
        "period_to": "2026-11-30", "rows": [row, {**row, "indicator": "SX-02"}], "reported_at": at(now),
    }  # fmt: skip
    now.ok("office", "performance.reported.v1", report)
    assert sent(now)["state"] == "sent"
    assert [one["code"] for one in now.rows("SELECT code FROM finding")] == found


def test_a_service_is_recorded_in_the_envelope_of_the_evaluation_system(
    now: Core, story: Story, partner: Any
) -> None:
    good = {"C-Response-Desc": "success", "C-Response-Code": "000000", "C-Response-Msg": ""}
    stub = partner("evaluation", lambda call: (200, good, {"C-Response-Desc": "success"}))
    plain = Story(story.no, PLAIN_ITEM)
    now.ok("hall", "case.applied.v1", plain.applied())
    now.ok("hall", "case.accepted.v1", plain.accepted())  # the hub records the service of itself
    assert sent(now)["state"] == "sent"
    body = stub.calls[-1].json["txnBodyCom"]
    params = body["params"]
    assert (params["projectNo"], params["proStatus"]) == (f"44{story.no}", "2")
    text = f"tongban{body['time']}44{story.no}{params['serviceNumber']}{SECRET}"
    assert body["sign"] == hashlib.md5(text.encode()).hexdigest()
    assert stub.calls[-1].json["txnCommCom"] == {}


def test_a_rating_of_the_evaluation_system_is_turned_to_the_national_scale(
    now: Core, story: Story, partner: Any
) -> None:
    partner("evaluation", lambda call: (500, b""))
    case = rated_case(now, story)
    receipt, answer = knocked(now, "rated", rating(now, case))
    assert answer == {"C-Response-Desc": "success", "C-Response-Code": "000000", "C-Response-Msg": ""}, (
        receipt.body
    )
    assert [one["satisfaction"] for one in replies(now, "case.evaluated.v1")] == ["very_satisfied"]
    assert knocked(now, "rated", rating(now, case))[1]["C-Response-Code"] == "000000", "the same again"
    assert len(replies(now, "case.evaluated.v1")) == 1
    assert knocked(now, "rated", rating(now, case, satisfaction="1"))[1]["C-Response-Code"] == "100003"


def rated_case(core: Core, story: Story) -> Story:
    """A case of which the evaluation system knows one service: its acceptance."""
    plain = Story(story.no, PLAIN_ITEM)
    core.ok("hall", "case.applied.v1", plain.applied())
    core.ok("hall", "case.accepted.v1", plain.accepted())
    return plain


def rating(core: Core, case: Story, late: int = 0, app: str = "tongban", **params: Any) -> dict[str, Any]:
    """A rating of the first service, in an envelope of now (or so many seconds off) under its sign."""
    params = {
        "assessNo": "pf-00000017", "projectNo": f"44{case.no}", "serviceNumber": 1,
        "taskCode": case.head["item_code"],
        "areaCode": "441402000000", "satisfaction": "5", "pf": "ewm", "assessTime": beijing(core), **params,
    }  # fmt: skip
    time_ = at(core, late)[:19].translate(str.maketrans("", "", "-T:"))
    text = f"{app}{time_}{params['projectNo']}{params['serviceNumber']}{SECRET}"
    body = {"sign": hashlib.md5(text.encode()).hexdigest(), "params": params, "time": time_, "appMark": app}
    return {"txnBodyCom": body, "txnCommCom": {}}


@pytest.mark.parametrize(
    ("change", "code", "member"),
    [
        ({"projectNo": "1" * 30}, "100002", "txnBodyCom/params/projectNo"),
        ({"projectNo": f"44{case_number(4711)}"}, "100004", "txnBodyCom/params/projectNo"),
        ({"serviceNumber": 2}, "100004", "txnBodyCom/params/serviceNumber"),
        ({"areaCode": "441424000000"}, "100002", "txnBodyCom/params/areaCode"),
        ({"taskCode": "1144140200720810054440125105001"}, "100002", "txnBodyCom/params/taskCode"),
        ({"evalDetail": "510,51"}, "100002", "txnBodyCom/params/evalDetail"),
        ({"assessNo": "pf-0017"}, "100002", "txnBodyCom/params/assessNo"),
        ({"assessNo": "p" * 51}, "100002", "txnBodyCom/params/assessNo"),
        ({"app": "somebody"}, "100001", "txnBodyCom/appMark"),
        ({"late": 310}, "100002", "txnBodyCom/time"),
        ({"late": -310}, "100002", "txnBodyCom/time"),
    ],
    ids=str,
)
def test_a_wrong_rating_is_refused_by_the_contracts_code_and_names_the_member(
    now: Core, story: Story, partner: Any, change: dict[str, Any], code: str, member: str
) -> None:
    partner("evaluation", lambda call: (500, b""))
    case = rated_case(now, story)
    answer = knocked(now, "rated", rating(now, case, **change))[1]
    assert (answer["C-Response-Desc"], answer["C-Response-Code"]) == ("fail", code)
    assert answer["C-Response-Msg"].startswith(f"{member} ")
    assert ratings(now) == []
    late = rating(now, case, late=-290, assessNo="pf-00000018")
    assert knocked(now, "rated", late)[1]["C-Response-Code"] == "000000", "the first one left nothing"


def test_the_sign_of_a_rating_is_that_of_the_shared_secret(now: Core, story: Story, partner: Any) -> None:
    partner("evaluation", lambda call: (500, b""))
    case = rated_case(now, story)
    wrong = rating(now, case)
    wrong["txnBodyCom"]["sign"] = "0" * 32
    assert knocked(now, "rated", wrong)[1]["C-Response-Code"] == "100001"
    del wrong["txnBodyCom"]["sign"]
    assert knocked(now, "rated", wrong)[1]["C-Response-Code"] == "100002"


def test_a_service_is_rated_once_by_the_evaluation_system(now: Core, story: Story, partner: Any) -> None:
    partner("evaluation", lambda call: (500, b""))
    case = rated_case(now, story)
    now.party("stars", sends=("case.evaluated.v1",))
    here = {
        "satisfaction": "satisfied", "channel": "hall_tablet", "service_number": 1, "evaluated_at": at(now)
    }  # fmt: skip
    now.ok("stars", "case.evaluated.v1", {**case.head, "region": "441402000000", **here})
    assert knocked(now, "rated", rating(now, case))[1]["C-Response-Code"] == "000000"
    second = knocked(now, "rated", rating(now, case, assessNo="pf-00000018", satisfaction="1"))[1]
    assert second["C-Response-Code"] == "100005"
    assert [one["satisfaction"] for one in ratings(now)] == ["satisfied", "very_satisfied"]


def ratings(core: Core) -> list[dict[str, Any]]:
    """What the hub accepted of ratings."""
    rows = core.rows("SELECT canonical FROM document WHERE type = 'case.evaluated.v1' AND state = 'accepted'")
    return [json.loads(row["canonical"]) for row in rows]


def beijing(core: Core) -> str:
    return at(core)[:19].replace("T", " ")


@pytest.mark.req("S3-79")
def test_a_complaint_of_the_portal_is_registered_once(now: Core, partner: Any) -> None:
    partner("portal", lambda call: (500, b""))
    complaint = {
        "requestId": "wx-00000006", "complaintNo": "TS20261125-01", "areaCode": "441402004",
        "title": "超过承诺时限",
        "content": "未按时办结", "name": "陈试", "mobile": "13800000001", "source": "APP",
        "submitTime": int(now.clock.now) * 1000,
    }  # fmt: skip
    for _ in range(2):
        assert knocked(now, "complain", complaint)[1] == {"code": "0000", "message": "", "data": {}}
    assert [(one["source"], one["region"]) for one in replies(now, "complaint.registered.v1")] == [
        ("portal", "441402004000")
    ]
    assert knocked(now, "complain", {**complaint, "title": "另一件"})[1]["code"] == "1003"
    assert (
        knocked(now, "complain", {**complaint, "requestId": "wx-00000007", "source": "TEL"})[1]["code"]
        == "1001"
    )


@pytest.mark.req("S3-81")
def test_the_result_of_a_complaint_goes_to_the_portal(now: Core, partner: Any) -> None:
    stub = partner("portal", lambda call: (200, {"custom": "success", "message": ""}))
    said = {
        "complaint_no": "TS20261125-01",
        "result": "substantiated",
        "organisation": "测试局",
        "reply": "已改正",
        "resolved_at": at(now),
    }
    now.ok("office", "complaint.resolved.v1", said)
    assert sent(now)["state"] == "sent"
    (call,) = stub.to("/openapi/v1/complaint/result")
    assert (call.json["conclusion"], call.json["replyTime"]) == ("Y", int(now.clock.now) * 1000)

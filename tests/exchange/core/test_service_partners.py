"""Courier, data sharing, evaluation, higher platform, revenue system and portal by their contracts: what the
hub sends them, what their answers become, what their doors make of theirs. Expected values: the contracts."""

import hashlib
import json
import secrets
import time
from collections.abc import Callable, Iterator
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
from tests.exchange.core.rig import PLAIN_ITEM, Core, Story, iso
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


def knocked(core: Core, name: str, body: Any) -> tuple[Receipt, Any]:
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
    envelope = Envelope("rest", raw, "application/json", core.clock.now, seal, bound)
    door = Door(adapter, entry)
    receipt = receive(
        core.hub, envelope, lambda e: door.open(core.hub, e), lambda s, e: door.read(core.hub, s, e)
    )
    answer, status = partner_answer(entry.answer, receipt, {})
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
    now: Core, case: Story, partner: Any
) -> None:
    partner("evaluation", lambda call: (500, b""))
    params = {
        "assessNo": "pf-00000017", "projectNo": f"44{case.no}", "serviceNumber": 1,
        "taskCode": case.head["item_code"],
        "areaCode": "441402000000", "satisfaction": "5", "pf": "ewm", "assessTime": beijing(now),
    }  # fmt: skip
    envelope = {
        "txnBodyCom": {"sign": "0" * 32, "params": params, "time": "20261127161000", "appMark": "tongban"},
        "txnCommCom": {},
    }
    receipt, answer = knocked(now, "rated", envelope)
    assert answer == {"C-Response-Desc": "success", "C-Response-Code": "000000", "C-Response-Msg": ""}, (
        receipt.body
    )
    assert [one["satisfaction"] for one in replies(now, "case.evaluated.v1")] == ["very_satisfied"]
    changed = {
        **envelope,
        "txnBodyCom": {**envelope["txnBodyCom"], "params": {**params, "satisfaction": "1"}},
    }
    assert knocked(now, "rated", changed)[1]["C-Response-Code"] == "100003"
    stranger = {**params, "assessNo": "pf-00000018", "projectNo": case.no}
    wrong = {**envelope, "txnBodyCom": {**envelope["txnBodyCom"], "params": stranger}}
    assert knocked(now, "rated", wrong)[1]["C-Response-Code"] == "100002"


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

"""A case that nobody comes to a window for, from the portal's application to the delivery, in its words."""

import json
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from canonical.messages import PAYLOADS
from canonical.values import RegionCode, make_case_number
from exchange.answers import partner_answer
from exchange.delivery import Sent
from exchange.envelope import Envelope
from exchange.faces import Door
from exchange.pipeline import receive
from exchange.replies import take_pulled
from exchange.seals import jws
from tests.exchange.core.conftest import core, hub_keys, pattern, story  # noqa: F401 - fixtures
from tests.exchange.core.partner import Call, Stub
from tests.exchange.core.rig import ITEM, PLAIN_ITEM, REGION, START, Core, Story
from tests.exchange.core.test_delivery import worker
from tests.exchange.core.test_service_partners import knocked, now, partner  # noqa: F401 - fixtures

GOOD = {"custom": "success", "message": ""}
Registered = Callable[[str, Callable[[Call], Any]], Stub]


def application(core: Core, no: str) -> dict[str, Any]:  # noqa: F811 - the hub, not the fixture
    """§1 of the portal's contract."""
    return {
        "requestId": "wx-20261120-0001", "applyNo": no, "itemCode": PLAIN_ITEM, "areaCode": "441402000",
        "itemName": "食品经营许可", "applyType": "1", "subject": "新办食品经营许可",
        "user": {"userType": "1", "name": "陈试", "idType": "ID_CARD", "idNo": "441499199003074018"},
        "contact": {"name": "陈试", "mobile": "13800000001"},
        "materials": [{"name": "申请书", "copies": 1, "form": "E"}],
        "applyTime": int(core.clock.now) * 1000,
    }  # fmt: skip


@pytest.mark.req("S3-59")
def test_application_acceptance_examination_decision_and_delivery_online(
    now: Core,  # noqa: F811 - a fixture
    partner: Registered,  # noqa: F811 - a fixture
) -> None:
    stub = partner("portal", lambda call: (200, GOOD))
    case = Story(str(make_case_number(RegionCode(REGION), START.date(), "1", 500_001)), PLAIN_ITEM)
    receipt, answer = knocked(now, "apply", application(now, case.no))
    assert (receipt.status, answer["code"]) == ("accepted", "0000")
    acts = [
        ("case.pre_reviewed.v1", case.pre_reviewed()), ("case.accepted.v1", case.accepted()),
        *(("case.step.v1", case.step(number)) for number in (1, 2, 3)),
        ("case.concluded.v1", case.concluded("concluded")),
        ("case.delivered.v1", {**case.delivered(), "mode": "online"}),
    ]  # fmt: skip
    for kind, payload in acts:
        now.ok("hall", kind, payload)
        worker(now, "other").round()
    told = [call.json for call in stub.to("/openapi/v1/progress")]
    assert [one["event"] for one in told] == [
        "PRE_REVIEWED", "ACCEPTED", "STEP", "STEP", "STEP", "CONCLUDED", "DELIVERED"
    ]  # fmt: skip
    assert {one["applyNo"] for one in told} == {case.no}
    details = [one["detail"] for one in told]
    assert [one["step"] for one in details[2:5]] == ["U", "R", "A"]
    assert (details[1]["result"], details[1]["queryCode"]) == ("OK", "402817")
    assert details[5]["result"] == "DONE"
    assert details[6]["mode"] == "ONLINE"
    (row,) = now.rows("SELECT state, application FROM case_record WHERE case_no = :no", no=case.no)
    assert row["state"] == "delivered"
    application_ = row["application"]
    held = json.loads(application_) if isinstance(application_, str) else application_
    assert held["channel"] == "online"


def bank_says(core: Core, body: dict[str, Any]) -> tuple[str, Any]:  # noqa: F811 - the hub, not the fixture
    """The bank's callback at the hub's door: the receipt's status, the answer in the fee system's words."""
    adapter = core.hub.adapters["fees"]
    entry = adapter.heard("paid")
    raw, at = json.dumps(body).encode(), datetime.fromtimestamp(core.clock.now, UTC)
    bound = {"method": "POST", "path": "/fee/paid"}
    seal = jws.sign_request(raw, core.keys["fees"], now=at, nonce=secrets.token_urlsafe(24), **bound)
    envelope, door = (
        Envelope("rest", raw, "application/json", core.clock.now, seal, bound),
        Door(adapter, entry),
    )
    hub = core.hub
    receipt = receive(hub, envelope, lambda e: door.open(hub, e), lambda s, e: door.read(hub, s, e))
    answer, _ = partner_answer(entry.answer, receipt, {}, door.wire)
    return receipt.status, json.loads(answer)


@pytest.mark.req("S3-44")
def test_a_fee_is_paid_online_by_the_numbers_the_portal_shows(
    now: Core,  # noqa: F811 - a fixture
    partner: Registered,  # noqa: F811 - a fixture
) -> None:
    stub = partner("portal", lambda call: (200, GOOD))
    now.party("fees", adapter="fees", address="http://127.0.0.1:1", account={"account": "tongban"})
    case, number = (
        Story(str(make_case_number(RegionCode(REGION), START.date(), "1", 500_002)), ITEM),
        "7" * 20,
    )
    opened = application(now, case.no) | {"itemCode": ITEM}
    assert knocked(now, "apply", opened)[1]["code"] == "0000"
    now.ok("hall", "case.accepted.v1", case.accepted())
    for step in (1, 2, 3):
        now.ok("hall", "case.step.v1", case.step(step))
    now.ok("hall", "fee.requested.v1", case.fee_requested())
    noticed = PAYLOADS["fee.noticed.v1"].model_validate(case.fee_noticed(number))
    take_pulled(
        now.hub, "fees", Sent("soap", b"<FEE/>", "000000", "ok"), ("fee.noticed.v1", noticed), "notice-0001"
    )
    worker(now, "other").round()
    (shown,) = [call.json for call in stub.to("/openapi/v1/fee")]
    numbers = {"noticeNo": number, "checkNo": "4821", "bookCheckNo": "90210773"}
    assert {name: shown[name] for name in ("applyNo", *numbers)} == {"applyNo": case.no, **numbers}
    paid = {
        "payNoteNo": shown["noticeNo"], "paySerial": "BK-1", "amount": "5.00", "overdueAmount": "0.00",
        "payTime": "20261122093000", "bankCode": "103", "voucherNo": "V-17",
    }  # fmt: skip
    assert bank_says(now, paid) == ("accepted", {"code": "0", "msg": "success"})
    (row,) = now.rows("SELECT facts FROM case_record WHERE case_no = :no", no=case.no)
    facts = row["facts"]
    assert (json.loads(facts) if isinstance(facts, str) else facts)["fee_paid"] is True

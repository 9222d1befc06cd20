"""The courier against adapters/logistics/contract and docs/wire.md, as a process of its own."""

import json
import re
import signal
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from tests.mocks.jsonparty import ACCOUNT, Program, until
from tests.mocks.plainparty import (
    CASE,
    beijing,
    conforms,
    fresh_id,
    lines,
    programs,
    pushed,
    refused_without_seal,
    said,
    unsealed,
    without,
)

CREATE, CANCEL, ROUTE, TRACK = "/order/create", "/order/cancel", "/order/route", "/logistics/track"
DONE = b'{"resultCode":"1000","resultMsg":""}'
BASE: dict[str, Any] = {
    "step_seconds": 0.08, "share_twice": 0, "share_ahead": 0, "share_behind": 0, "repeat_seconds": [0.1, 0.2],
    "unserved": ["4690"],
}  # fmt: skip
SENDER = {"name": "测试大厅", "mobile": "13800000001", "areaCode": "441402", "address": "测试路1号"}
RECEIVER = {"name": "测试甲", "mobile": "13800000002", "areaCode": "441422", "address": "样例街2号"}


@pytest.fixture(scope="module")
def courier(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    with programs("logistics", DONE, BASE) as make:
        yield make(tmp_path_factory.mktemp("logistics"))


@pytest.fixture
def fresh(tmp_path: Any) -> Iterator[Any]:
    with programs("logistics", DONE, BASE) as make:
        yield lambda **own: make(tmp_path, **own)


def order(**other: Any) -> dict[str, Any]:
    value = {
        "partnerId": ACCOUNT, "orderId": fresh_id(), "caseNo": CASE, "sender": SENDER, "receiver": RECEIVER,
        "goods": "食品经营许可证", "orderTime": beijing("%Y%m%d%H%M%S"),
    } | other  # fmt: skip
    if not other:
        conforms("logistics", "order", value)
    return value


def booked(program: Program, value: dict[str, Any]) -> dict[str, Any]:
    answer = said(program, CREATE, value)
    conforms("logistics", "booked", answer)
    assert answer["resultCode"] == "1000"
    data: dict[str, Any] = answer["data"]
    return data


def tracks(program: Program, waybill: str) -> list[dict[str, str]]:
    return [one for one in pushed(program, TRACK) if one["waybillNo"] == waybill]


def codes(program: Program, waybill: str) -> list[str]:
    return [one["opCode"] for one in tracks(program, waybill)]


def test_an_order_gets_a_waybill_and_its_parcel_is_signed_for(courier: Program) -> None:
    value = order()
    data = booked(courier, value)
    assert data["orderId"] == value["orderId"]
    digits = data["waybillNo"][2:11]
    total = sum(int(d) * w for d, w in zip(digits, (8, 6, 4, 2, 3, 5, 9, 7), strict=False)) % 11
    assert int(digits[8]) == {0: 5, 1: 0}.get(total, 11 - total)  # UPU S10
    until(lambda: "40" in codes(courier, data["waybillNo"]))
    told = tracks(courier, data["waybillNo"])
    assert re.fullmatch(r"10(,20)+,30,40", ",".join(one["opCode"] for one in told))
    for one in told:
        conforms("logistics", "track", one)
    assert len({one["traceNo"] for one in told}) == len(told)
    time.sleep(0.3)
    assert len(tracks(courier, data["waybillNo"])) == len(told)  # nothing after 40
    (row,) = lines(courier, kind="order", id=value["orderId"])
    assert (row["case"], row["code"], row["accepted"]) == (CASE, "1000", True)
    sent = lines(courier, kind="track", id=told[-1]["traceNo"])
    assert [(row["direction"], row["case"], row["accepted"]) for row in sent] == [("sent", CASE, True)]


def test_the_same_order_gets_the_same_waybill_and_another_content_2003(courier: Program) -> None:
    value = order()
    first = booked(courier, value)
    assert booked(courier, value) == first
    assert said(courier, CREATE, value | {"goods": "别的"})["resultCode"] == "2003"
    rows = lines(courier, kind="order", id=value["orderId"])
    assert [(row["code"], row["repeats"]) for row in rows] == [("1000", 1), ("2003", 0)]


def test_a_refusal_is_an_answer_that_stays(courier: Program) -> None:
    value = order(receiver=RECEIVER | {"areaCode": "469021"})
    assert said(courier, CREATE, value)["resultCode"] == "2004"
    assert said(courier, CREATE, value)["resultCode"] == "2004"
    wrong = order(goods="")
    assert said(courier, CREATE, wrong)["resultCode"] == "2002"
    assert said(courier, CREATE, wrong | {"goods": "证照"})["resultCode"] == "2003"


@pytest.mark.parametrize(
    ("changed", "member"),
    [
        ({"more": 1}, "more"),
        ({"goods": "长" * 201}, "goods"),
        ({"goods": None}, "goods"),
        ({"orderId": "a b"}, "orderId"),
        ({"orderTime": "20261322000000"}, "orderTime"),
        ({"caseNo": CASE[:-1]}, "caseNo"),
        ({"sender": SENDER | {"areaCode": "441400"}}, "sender.areaCode"),
        ({"sender": without(SENDER, "mobile")}, "sender.mobile"),
        ({"receiver": RECEIVER | {"mobile": 13800000002}}, "receiver.mobile"),
    ],
)
def test_a_member_outside_the_contract_is_named(
    courier: Program, changed: dict[str, Any], member: str
) -> None:  # fmt: skip
    answer = said(courier, CREATE, order(**changed))
    assert (answer["resultCode"], answer["resultMsg"]) == ("2002", member)
    conforms("logistics", "booked", answer)


def test_seal_account_and_size(courier: Program) -> None:
    assert {one["resultCode"] for one in refused_without_seal(courier, CREATE, order())} == {"2001"}
    assert said(courier, CREATE, order(partnerId="somebody"))["resultCode"] == "2001"
    assert said(courier, CREATE, order(goods="x" * (1 << 20)))["resultMsg"] == "body: too large"


def test_cancel_only_before_collection(fresh: Any) -> None:
    courier = fresh(step_seconds=0.7)
    value = order()
    booked(courier, value)
    cancel = {"partnerId": ACCOUNT, "orderId": value["orderId"], "reason": "当事人自取"}
    answer = said(courier, CANCEL, cancel)
    conforms("logistics", "cancelled", answer)
    assert (answer["resultCode"], answer["data"]) == ("1000", {"orderId": value["orderId"]})
    other = order()
    waybill = booked(courier, other)["waybillNo"]
    until(lambda: codes(courier, waybill))
    assert said(courier, CANCEL, cancel | {"orderId": other["orderId"]})["resultCode"] == "2005"
    assert said(courier, CANCEL, cancel | {"orderId": "never"})["resultCode"] == "2002"
    route = said(courier, ROUTE, {"partnerId": ACCOUNT, "waybillNo": waybill})
    conforms("logistics", "routed", route)
    assert [one["opCode"] for one in route["data"]["traces"]] == ["10"]
    assert said(courier, ROUTE, {"partnerId": ACCOUNT, "waybillNo": "EM000000000CN"})["resultCode"] == "2005"
    assert [one for one in pushed(courier, TRACK) if one["waybillNo"] != waybill] == []


@pytest.mark.parametrize("code", ["50", "60"])
def test_a_parcel_comes_back_or_is_lost_by_admin(courier: Program, code: str) -> None:
    value = order()
    waybill = booked(courier, value)["waybillNo"]
    asked = {"orderId": value["orderId"], "opCode": code}
    assert courier.client.post(courier.url + "/admin/parcel", json=asked).status_code == 200
    until(lambda: code in codes(courier, waybill))
    time.sleep(0.2)
    assert codes(courier, waybill)[0] == "10" and codes(courier, waybill)[-1] == code
    assert not {"30", "40"} & set(codes(courier, waybill))
    assert courier.client.post(courier.url + "/admin/parcel", json=asked).status_code == 409


def test_a_track_is_repeated_until_a_final_code_and_no_longer(fresh: Any) -> None:
    courier = fresh(step_seconds=0.5)
    busy, wrong = b'{"resultCode":"9001","resultMsg":""}', b'{"resultCode":"2002","resultMsg":"opPlace"}'
    courier.stub.answers = [(200, "sealed", busy), (200, "unsealed"), (200, "sealed", wrong)]
    waybill = booked(courier, order())["waybillNo"]
    until(lambda: "40" in codes(courier, waybill))
    seen = [one["traceNo"] for one in tracks(courier, waybill)]
    first = f"{waybill}-01"
    assert seen.count(first) == 3  # busy, an answer without seal, refused: then no more
    assert len(seen) == len(set(seen)) + 2
    (row,) = lines(courier, kind="track", id=first)
    assert (row["code"], row["accepted"]) == ("2002", False)


def test_terminals_double_tracks_and_have_their_own_clocks(fresh: Any) -> None:
    courier = fresh(share_twice=1, share_ahead=1)
    waybill = booked(courier, order())["waybillNo"]
    until(lambda: codes(courier, waybill).count("40") == 2)
    ahead = [one["opTime"] > beijing("%Y%m%d%H%M%S", seconds=1) for one in tracks(courier, waybill)]
    assert any(ahead)
    assert all(one["opTime"] <= beijing("%Y%m%d%H%M%S", seconds=121) for one in tracks(courier, waybill))


def test_faults(courier: Program) -> None:
    courier.arm(operation="create", fault="callback_before_reply")
    waybill = booked(courier, order())["waybillNo"]
    assert codes(courier, waybill)[:1] == ["10"]  # before its answer
    courier.arm(operation="create", fault="busy")
    value = order()
    assert said(courier, CREATE, value)["resultCode"] == "9001"
    assert booked(courier, value)
    courier.arm(operation="create", fault="rate_limit")
    unsealed(courier.post(CREATE, order()), 429)
    courier.arm(operation="create", fault="maintenance")
    unsealed(courier.post(CREATE, order()), 503)
    courier.arm(operation="create", fault="drop_before_reply")
    value = order()
    with pytest.raises(httpx2.RemoteProtocolError):
        courier.post(CREATE, value)
    assert booked(courier, value)
    courier.arm(operation="track", fault="duplicate_push", times=1)
    courier.arm(operation="track", fault="bad_date_pattern", times=1)
    waybill = booked(courier, order())["waybillNo"]
    until(lambda: "40" in codes(courier, waybill))
    assert any(re.search(r"\d-\d\d ", one["opTime"]) for one in pushed(courier, TRACK))
    assert courier.arm(operation="cancel", fault="partial_accept").status_code == 422


def test_a_track_lost_on_the_way_is_sent_again(courier: Program) -> None:
    courier.arm(operation="track", fault="drop_before_reply", times=2)
    waybill = booked(courier, order())["waybillNo"]
    until(lambda: "40" in codes(courier, waybill))
    (first,) = until(
        lambda: [one for one in lines(courier, kind="track", id=f"{waybill}-01") if one["accepted"]]
    )
    assert [one["traceNo"] for one in tracks(courier, waybill)].count(first["id"]) == 1


def test_a_killed_courier_goes_on(fresh: Any) -> None:
    courier = fresh(step_seconds=0.5)
    value = order()
    first = booked(courier, value)
    until(lambda: codes(courier, first["waybillNo"]))
    courier.end(signal.SIGKILL)
    courier.start()
    assert booked(courier, value) == first
    until(lambda: "40" in codes(courier, first["waybillNo"]))
    log = (courier.folder / "state" / "logistics.log").read_text("utf-8")
    assert RECEIVER["name"] not in log and RECEIVER["mobile"] not in json.dumps(courier.admin("parcels"))

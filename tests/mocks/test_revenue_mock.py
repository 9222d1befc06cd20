"""The revenue system against adapters/revenue/contract and docs/wire.md, as a process of its own."""

import tomllib
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.mocks.jsonparty import ACCOUNT, BEIJING, ROOT, Program
from tests.mocks.plainparty import (
    CASE,
    ITEM,
    beijing,
    conforms,
    fresh_id,
    lines,
    programs,
    refused_without_seal,
    said,
    unsealed,
)

QUERY = "/api/basis/query"
EXAM, ROADS, GONE = "103043101", "103043301", "103043501"


@pytest.fixture(scope="module")
def revenue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    with programs("revenue", b"{}", {"closing": ""}) as make:
        yield make(tmp_path_factory.mktemp("revenue"))


def query(code: str = EXAM, **other: Any) -> dict[str, Any]:
    return {
        "sysId": ACCOUNT, "queryNo": fresh_id(), "chargeCode": code, "itemCode": ITEM, "caseNo": CASE,
        "queryTime": beijing("%Y%m%d%H%M%S"),
    } | other  # fmt: skip


def answer(program: Program, value: Any) -> dict[str, Any]:
    told: dict[str, Any] = said(program, QUERY, value)
    conforms("revenue", "basis", told)
    return told


def test_the_basis_in_force_in_fen(revenue: Program) -> None:
    value = query()
    conforms("revenue", "query", value)
    assert answer(revenue, value) == {
        "rtnCode": "00",
        "rtnMsg": "",
        "data": {
            "queryNo": value["queryNo"], "caseNo": CASE, "chargeCode": EXAM, "standard": "每人每次 105 元",
            "unitAmount": "10500", "lawText": "粤发改价格〔2019〕137号", "validFrom": "20190701",
        },
    }  # fmt: skip
    without_case = {name: one for name, one in query().items() if name not in ("caseNo", "itemCode")}
    assert "caseNo" not in answer(revenue, without_case)["data"]
    (row,) = lines(revenue, kind="basis", id=value["queryNo"])
    assert (row["case"], row["code"], row["accepted"]) == (CASE, "00", True)


def test_the_day_of_query_time_decides(revenue: Program) -> None:
    old = answer(revenue, query(queryTime="20190630235959"))["data"]
    assert (old["unitAmount"], old["validFrom"]) == ("12000", "20070801")
    assert answer(revenue, query(queryTime="20190701000000"))["data"]["unitAmount"] == "10500"


def test_it_says_what_the_fee_system_says_but_of_one_charge() -> None:
    """The deliberate difference of data/revenue/basis.toml, and no other."""
    data = ROOT / "mocks" / "partners" / "data"
    fees = tomllib.loads((data / "fees" / "basis.toml").read_text("utf-8"))["basis"]
    here = tomllib.loads((data / "revenue" / "basis.toml").read_text("utf-8"))["basis"]
    now = {one["code"]: one["fen"] for one in here if "until" not in one}
    wanted = {one["code"]: int(Decimal(one["amount"]) * 100) for one in fees}
    assert now.keys() == wanted.keys()
    assert {code: (wanted[code], now[code]) for code in now if now[code] != wanted[code]} == {
        ROADS: (15000, 16000)
    }


def test_no_such_charge_and_since_when(revenue: Program) -> None:
    assert answer(revenue, query("999")) == {"rtnCode": "03", "rtnMsg": "no such charge"}
    assert answer(revenue, query(GONE)) == {"rtnCode": "03", "rtnMsg": "abolished since 20130101"}
    assert answer(revenue, query(GONE, queryTime="20121231235959"))["rtnCode"] == "00"


def test_the_first_answer_stays(revenue: Program) -> None:
    value = query(ROADS)
    first = answer(revenue, value)
    body = {"chargeCode": ROADS, "unitAmount": "17000"}
    assert revenue.client.post(revenue.url + "/admin/basis", json=body).status_code == 200
    assert answer(revenue, value | {"queryTime": "20300101000000"}) == first
    assert answer(revenue, query(ROADS))["data"]["unitAmount"] == "17000"
    assert revenue.admin("basis")[ROADS] == "17000"
    assert answer(revenue, value | {"chargeCode": EXAM})["rtnCode"] == "04"


@pytest.mark.parametrize(
    ("changed", "member"),
    [
        ({"more": ""}, "more"),
        ({"queryTime": "2026-11-22 10:00:00"}, "queryTime"),
        ({"caseNo": ""}, "caseNo"),
        ({"itemCode": ITEM[:-1]}, "itemCode"),
        ({"chargeCode": None}, "chargeCode"),
    ],
)
def test_a_wrong_member_is_named(revenue: Program, changed: dict[str, Any], member: str) -> None:
    assert answer(revenue, query(**changed)) == {"rtnCode": "02", "rtnMsg": member}


def test_seal_and_account(revenue: Program) -> None:
    assert {one["rtnCode"] for one in refused_without_seal(revenue, QUERY, query())} == {"01"}
    assert answer(revenue, query(sysId="somebody"))["rtnCode"] == "01"


def test_day_end_closing_is_no_answer_that_stays(tmp_path: Any) -> None:
    with programs("revenue", b"{}", {}) as make:
        revenue, value = make(tmp_path), query()
        now = datetime.now(BEIJING)
        night = now.replace(hour=23, minute=50) - now
        for shift, code in ((night, "99"), (night + timedelta(hours=8), "00")):
            asked = {"offset_s": shift.total_seconds(), "seals": False}
            assert revenue.client.post(revenue.url + "/admin/clock", json=asked).status_code == 200
            assert answer(revenue, value)["rtnCode"] == code


def test_faults(revenue: Program) -> None:
    revenue.arm(operation="query", fault="busy")
    assert answer(revenue, query())["rtnCode"] == "99"
    revenue.arm(operation="query", fault="rate_limit")
    unsealed(revenue.post(QUERY, query()), 503)
    revenue.arm(operation="query", fault="null_text")
    assert said(revenue, QUERY, query())["data"]["unitAmount"] == "null"
    revenue.arm(operation="query", fault="http200_error_body")
    assert said(revenue, QUERY, query()) == {"error": "system error"}

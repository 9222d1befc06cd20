"""The higher platform against adapters/performance/contract and docs/wire.md, as a process of its own."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.mocks.jsonparty import ACCOUNT, Program
from tests.mocks.plainparty import (
    beijing,
    citizen,
    conforms,
    fresh_id,
    lines,
    programs,
    refused_without_seal,
    said,
    unsealed,
)

REPORT = "/perf/v2/report"


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    with programs("performance", b"{}", {}) as make:
        yield make(tmp_path_factory.mktemp("performance"))


def row(code: str = "CK-01", **other: Any) -> dict[str, Any]:
    return {
        "objType": "CK", "objCode": code, "objName": "综合窗口", "indexCode": "ontime",
        "indexName": "按时办结率",
        "caseNum": 12, "score": "98.5",
    } | other  # fmt: skip


def batch(*rows: Any, **head: Any) -> dict[str, Any]:
    plain = {
        "platformId": ACCOUNT, "batchNo": fresh_id(), "regionCode": "441402",
        "beginDate": beijing("%Y%m%d", days=-30), "endDate": beijing("%Y%m%d", days=-1),
        "reportTime": beijing("%Y%m%dT%H%M%S"),
    }  # fmt: skip
    return {"head": plain | head, "rows": list(rows)}


def answer(program: Program, value: Any) -> dict[str, Any]:
    told: dict[str, Any] = said(program, REPORT, value)
    conforms("performance", "received", told)
    return told


def test_a_batch_is_taken_once(platform: Program) -> None:
    value = batch(row(), row("CK-02", score="-3", caseNum=0))
    conforms("performance", "report", value)
    first = answer(platform, value)
    number = value["head"]["batchNo"]
    assert first == {"ret": 0, "msg": "", "data": {"batchNo": number, "accepted": 2}}
    assert answer(platform, value) == first
    assert answer(platform, value | {"rows": [row()]})["ret"] == 3
    kept = lines(platform, kind="report", id=number)
    assert [(one["code"], one["accepted"], one["repeats"]) for one in kept] == [
        ("0", True, 1),
        ("3", False, 0),
    ]


def test_rows_are_refused_one_by_one_and_what_was_accepted_stands(platform: Program) -> None:
    rows = [
        row("A"), row("A"), row("B", objType="XX"), row("C", score="1000.01"), row("D", score="1000"),
        row("E", score="1,5"), row("F", caseNum=-1), row("G", more=1), row(citizen(1), objType="GR"), "text",
    ]  # fmt: skip
    told = answer(platform, batch(*rows))
    assert told["data"]["accepted"] == 2
    assert told["data"]["reason"].split("; ") == [
        "row 2: indexCode", "row 3: objType", "row 4: score", "row 6: score", "row 7: caseNum", "row 8: more",
        "row 9: objCode", "row 10: body",
    ]  # fmt: skip
    many = answer(platform, batch(row(), *[row(f"N{number}", score="x") for number in range(499)]))
    assert many["data"]["accepted"] == 1
    assert len(many["data"]["reason"]) <= 500


def test_a_later_batch_replaces_the_rows_it_names(platform: Program) -> None:
    assert answer(platform, batch(row("R1"), row("R2"), regionCode="441424"))["ret"] == 0
    later = batch(row("R2", score="7"), regionCode="441424")
    assert answer(platform, later)["ret"] == 0
    held = {one["row"]["objCode"]: one for one in platform.admin("rows") if one["region"] == "441424"}
    assert {code: one["row"]["score"] for code, one in held.items()} == {"R1": "98.5", "R2": "7"}
    assert held["R2"]["batch"] == later["head"]["batchNo"]


@pytest.mark.parametrize(
    ("head", "msg"),
    [
        ({"more": 1}, "head.more"),
        ({"regionCode": "440000"}, "head.regionCode"),
        ({"beginDate": "20260231"}, "head.beginDate"),
        ({"endDate": "20200101"}, "head.endDate"),
        ({"reportTime": "20261122103000"}, "head.reportTime"),
        ({"batchNo": None}, "head.batchNo"),
        ({"batchNo": "null"}, "head.batchNo"),
    ],
)
def test_a_wrong_head_takes_nothing(platform: Program, head: dict[str, Any], msg: str) -> None:
    told = answer(platform, batch(row(), **head))
    assert told == {"ret": 1, "msg": msg}


def test_a_batch_of_which_no_row_is_taken_is_not_kept(platform: Program) -> None:
    value = batch(row(score="x"))
    assert answer(platform, value) == {"ret": 1, "msg": "row 1: score"}
    assert answer(platform, batch())["ret"] == 1
    assert answer(platform, batch(*[row(str(number)) for number in range(501)])) == {"ret": 1, "msg": "rows"}
    assert answer(platform, batch(*[row(str(number)) for number in range(500)]))["data"]["accepted"] == 500


@pytest.mark.parametrize(("begin", "end", "ret"), [(-75, -46, 4), (-75, -45, 0), (1, 30, 4), (0, 0, 0)])
def test_a_period_is_open_until_45_days_after_its_end(
    platform: Program, begin: int, end: int, ret: int
) -> None:
    days = {"beginDate": beijing("%Y%m%d", days=begin), "endDate": beijing("%Y%m%d", days=end)}
    assert answer(platform, batch(row(), **days))["ret"] == ret


def test_seal_and_account(platform: Program) -> None:
    assert {one["ret"] for one in refused_without_seal(platform, REPORT, batch(row()))} == {2}
    assert answer(platform, batch(row(), platformId="somebody"))["ret"] == 2


def test_faults(platform: Program) -> None:
    platform.arm(operation="report", fault="partial_accept")
    told = answer(platform, batch(row("P1"), row("P2")))
    assert told["data"]["accepted"] == 1 and told["data"]["reason"] == "row 1: indexCode"
    platform.arm(operation="report", fault="busy")
    value = batch(row())
    assert answer(platform, value)["ret"] == 9
    assert answer(platform, value)["ret"] == 0  # busy is not kept
    platform.arm(operation="report", fault="rate_limit")
    limited = platform.post(REPORT, value)
    unsealed(limited, 429)
    assert limited.headers["Retry-After"] == "1"
    platform.arm(operation="report", fault="batch_limit", value=1)
    assert answer(platform, batch(row("P1"), row("P2")))["msg"] == "rows"
    platform.arm(operation="report", fault="sig_bad")
    with pytest.raises(Exception, match="bad_signature"):
        said(platform, REPORT, batch(row()))

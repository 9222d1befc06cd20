"""The data-sharing platform against adapters/sharing/contract and docs/wire.md, as a process of its own."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.mocks.jsonparty import ACCOUNT, Program
from tests.mocks.plainparty import (
    CASE,
    beijing,
    citizen,
    company,
    conforms,
    fresh_id,
    lines,
    programs,
    refused_without_seal,
    said,
    unsealed,
    without,
)

VERIFY = "/share/v1/verify"
SURE: dict[str, Any] = {"share_unknown": 0, "share_mismatch": 0, "max_per_second": 0}


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    with programs("sharing", b"{}", SURE) as make:
        yield make(tmp_path_factory.mktemp("sharing"))


@pytest.fixture
def fresh(tmp_path: Any) -> Iterator[Any]:
    with programs("sharing", b"{}", SURE) as make:
        yield lambda **own: make(tmp_path, **own)


def subject(no: str, kind: str = "111", name: str = "测试甲") -> dict[str, str]:
    return {"name": name, "idType": kind, "idNo": no}


def query(service: str = "SFHC", who: dict[str, str] | None = None, **other: Any) -> dict[str, Any]:
    return {
        "consumerId": ACCOUNT, "requestId": fresh_id(), "serviceCode": service, "caseNo": CASE,
        "purpose": "受理时核查申请人身份", "queryTime": beijing("%Y%m%d%H%M%S"),
        "subject": who or subject(citizen(2)),
    } | other  # fmt: skip


def answer(program: Program, value: Any) -> dict[str, Any]:
    told: dict[str, Any] = said(program, VERIFY, value)
    conforms("sharing", "answered", told)
    return told


def items(told: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["value"] for one in told["data"]["items"]}


def test_a_person_in_the_register(platform: Program) -> None:
    value = query()
    conforms("sharing", "query", value)
    told = answer(platform, value)
    assert (told["code"], told["message"], told["data"]["result"]) == ("200", "", "Y")
    assert told["data"]["requestId"] == value["requestId"]
    assert items(told) == {"nameMatches": "true", "alive": "true"}
    (row,) = lines(platform, kind="query", id=value["requestId"])
    assert (row["case"], row["code"], row["accepted"]) == (CASE, "200", True)
    seen = platform.admin("queries")[-1]
    assert (seen["purpose"], seen["result"]) == ("受理时核查申请人身份", "Y")


@pytest.mark.parametrize(
    ("service", "who", "names"),
    [
        ("QYHC", subject(company(1), "001", "测试公司"), {"regStatus", "regOrg"}),
        ("CLHC", subject(citizen(4)), {"materialStatus", "validTo"}),
        ("SFHC", subject("E12345678", "414", "SAMPLE ALPHA"), {"nameMatches", "alive"}),
    ],
)
def test_each_service_publishes_its_own(
    platform: Program, service: str, who: dict[str, str], names: set[str]
) -> None:  # fmt: skip
    told = answer(platform, query(service, who))
    assert told["data"]["result"] == "Y"
    assert set(items(told)) == names


@pytest.mark.parametrize(
    ("service", "who"),
    [
        ("SFHC", subject(citizen(2)[:17] + ("0" if citizen(2)[17] != "0" else "1"))),
        ("SFHC", subject("440101" + citizen(2)[6:])),
        ("SFHC", subject(company(1), "001")),
        ("QYHC", subject(company(1)[:17] + ("0" if company(1)[17] != "0" else "1"), "001")),
        ("QYHC", subject(citizen(2))),
    ],
    ids=["check digit", "region", "a body as a person", "check character", "a person as a body"],
)
def test_no_record_is_an_answer(platform: Program, service: str, who: dict[str, str]) -> None:
    told = answer(platform, query(service, who))
    assert (told["code"], told["data"]["result"], told["data"]["items"]) == ("404", "X", [])


def test_names_are_compared_as_the_platform_spells_them(platform: Program) -> None:
    number = citizen(8)
    setting = {"serviceCode": "SFHC", "idNo": number, "result": "Y", "name": "阿依·测试Ａ"}
    assert platform.client.post(platform.url + "/admin/answer", json=setting).status_code == 200
    results = {}
    for name in ("阿依•测试A", "阿依·测试Ａ", "阿依测试"):
        results[name] = answer(platform, query(who=subject(number, name=name)))["data"]["result"]
    assert results == {"阿依•测试A": "Y", "阿依·测试Ａ": "Y", "阿依测试": "N"}
    rare = answer(platform, query(who=subject(citizen(10), name="测\U00020bb7")))
    assert (rare["data"]["result"], items(rare)["nameMatches"]) == ("N", "false")


def test_the_first_answer_stays_for_a_day(fresh: Any) -> None:
    platform, number, value = fresh(), citizen(12), query(who=subject(citizen(12)))
    first = answer(platform, value)
    setting = {"serviceCode": "SFHC", "idNo": number, "result": "X"}
    platform.client.post(platform.url + "/admin/answer", json=setting)
    assert answer(platform, value | {"queryTime": "20200101000000"}) == first
    assert answer(platform, value | {"purpose": "另外的目的说明"})["code"] == "409"
    assert answer(platform, query(who=subject(number)))["code"] == "404"
    for hours, code in ((23.9, "200"), (24.1, "404")):
        platform.client.post(platform.url + "/admin/clock", json={"offset_s": hours * 3600, "seals": False})
        assert answer(platform, value)["code"] == code


@pytest.mark.parametrize(
    ("changed", "member"),
    [
        ({"purpose": "核查身份"}, "purpose"),
        ({"more": 1}, "more"),
        ({"serviceCode": "ABCD"}, "serviceCode"),
        ({"subject": subject(citizen(2), "222")}, "subject.idType"),
        ({"subject": without(subject(citizen(2)), "name")}, "subject.name"),
        ({"subject": subject("1" * 19)}, "subject.idNo"),
        ({"queryTime": beijing("%Y-%m-%d %H:%M:%S")}, "queryTime"),
        ({"caseNo": None}, "caseNo"),
        ({"purpose": "x" * (64 << 10)}, "body: too large"),
    ],
)
def test_a_wrong_member_is_named(platform: Program, changed: dict[str, Any], member: str) -> None:
    told = answer(platform, query(**changed))
    assert (told["code"], told["message"]) == ("400", member)
    assert "data" not in told


def test_seal_and_account(platform: Program) -> None:
    assert {one["code"] for one in refused_without_seal(platform, VERIFY, query())} == {"401"}
    assert answer(platform, query(consumerId="somebody"))["code"] == "401"


def test_twenty_queries_a_second_and_no_more(fresh: Any) -> None:
    platform = fresh(max_per_second=20)
    answers = [platform.post(VERIFY, query()) for _ in range(60)]
    by_status = Counter(one.status_code for one in answers)
    assert by_status[429] > 0 and by_status[200] >= 20
    limited = next(one for one in answers if one.status_code == 429)
    unsealed(limited, 429)
    assert limited.headers["Retry-After"] == "1"
    assert limited.json()["code"] == "429"


def test_shares_and_grants(fresh: Any) -> None:
    platform = fresh(share_unknown=0.3, share_mismatch=0.3, not_granted=["CLHC"], refused_purposes=["营销"])
    people = [citizen(number) for number in range(100)]
    first = [answer(platform, query(who=subject(one)))["data"]["result"] for one in people]
    counts = Counter(first)
    assert set(counts) == {"X", "N", "Y"}
    assert 15 <= counts["X"] <= 45 and 8 <= counts["N"] <= 35  # 30 and 21 expected
    assert [answer(platform, query(who=subject(one)))["data"]["result"] for one in people] == first
    assert answer(platform, query("CLHC"))["code"] == "403"
    assert answer(platform, query(purpose="用于营销推广"))["code"] == "403"


def test_faults(platform: Program) -> None:
    for fault, code in (("busy", "503"), ("not_granted", "403")):
        platform.arm(operation="verify", fault=fault)
        assert answer(platform, query())["code"] == code
    platform.arm(operation="verify", fault="rate_limit")
    unsealed(platform.post(VERIFY, query()), 429)
    platform.arm(operation="verify", fault="maintenance")
    unsealed(platform.post(VERIFY, query()), 503)
    platform.arm(operation="verify", fault="bad_date_pattern")
    assert "/" in said(platform, VERIFY, query())["data"]["verifyTime"]

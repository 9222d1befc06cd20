"""The evaluation system against adapters/evaluation/contract and docs/wire.md, as a process of its own."""

import hashlib
import secrets
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from tests.mocks.jsonparty import ACCOUNT, BEIJING, SECRET, Program, compact_now, until
from tests.mocks.plainparty import (
    ITEM,
    beijing,
    conforms,
    lines,
    programs,
    pushed,
    refused_without_seal,
    unsealed,
    without,
)

RECORD, RATED = "/pf/v1/serviceRecord", "/evaluation/rated"
CODE, DESC = "C-Response-Code", "C-Response-Desc"
DONE = b'{"C-Response-Desc":"success","C-Response-Code":"000000","C-Response-Msg":""}'
OK = {DESC: "success"}
BASE: dict[str, Any] = {
    "rate_every": 0, "rating_delay_ms": 100, "share_time_off": 0, "repeat_seconds": [0.1, 0.2]
}  # fmt: skip


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    with programs("evaluation", DONE, BASE) as make:
        program = make(tmp_path_factory.mktemp("evaluation"))
        program.stub.headers = OK
        yield program


@pytest.fixture
def fresh(tmp_path: Any) -> Iterator[Any]:
    def start(**own: Any) -> Program:
        program: Program = make(tmp_path, **own)
        program.stub.headers = OK
        return program

    with programs("evaluation", DONE, BASE) as make:
        yield start


def case() -> str:
    return "44140200000020261122" + f"{secrets.randbelow(10**7):07d}" + "X"


def params(number: str = "", **other: Any) -> dict[str, Any]:
    now = beijing("%Y-%m-%d %H:%M:%S")
    return {
        "taskCode": ITEM, "taskName": "食品经营许可", "areaCode": "441402000000",
        "projectNo": "44" + (number or case()),
        "serviceNumber": 1, "proStatus": "3", "orgcode": "441400000000_11441400XX0031309Q",
        "orgName": "测试局",
        "acceptDate": now, "resultDate": now, "serviceTime": now, "serviceName": "办结", "userProp": "1",
        "userName": "测试甲", "userPageType": "111", "certKey": "441499199003070021", "mobile": "13800000001",
        "projectType": "2", "proChannel": "ck", "promiseDay": 5, "promiseDayType": "2",
    } | other  # fmt: skip


def enveloped(value: dict[str, Any], **other: Any) -> dict[str, Any]:
    at = compact_now()
    plain = f"{ACCOUNT}{at}{value['projectNo']}{value['serviceNumber']}{SECRET}"
    content = {
        "sign": hashlib.md5(plain.encode()).hexdigest(),
        "params": value,
        "time": at,
        "appMark": ACCOUNT,
    }
    return {"txnBodyCom": content | other, "txnCommCom": {}}


def asked(program: Program, value: Any) -> tuple[str, str]:
    """Code and message; header and body agree, and the seal holds."""
    nonce = secrets.token_hex(16)
    answer = program.post(RECORD, value, nonce=nonce)
    assert answer.status_code == 200
    told = program.checked(answer, nonce)
    assert set(told) == {DESC, CODE, "C-Response-Msg"}
    assert answer.headers[DESC] == told[DESC] == ("success" if told[CODE] == "000000" else "fail")
    return told[CODE], told["C-Response-Msg"]


def recorded(program: Program, value: dict[str, Any]) -> str:
    conforms("evaluation", "service_record", enveloped(value))
    return asked(program, enveloped(value))[0]


def ratings(program: Program, value: dict[str, Any]) -> list[dict[str, Any]]:
    """The ratings of a service, each envelope checked."""
    found = []
    for one in pushed(program, RATED):
        conforms("evaluation", "rated", one)
        body = one["txnBodyCom"]
        given = body["params"]
        plain = f"{ACCOUNT}{body['time']}{given['projectNo']}{given['serviceNumber']}{SECRET}"
        assert body["sign"] == hashlib.md5(plain.encode()).hexdigest()
        assert body["appMark"] == ACCOUNT
        if given["projectNo"] == value["projectNo"]:
            found.append(given)
    return found


def wish(program: Program, **given: Any) -> int:
    return program.client.post(program.url + "/admin/rate", json=given).status_code


def test_a_record_is_taken_once(system: Program) -> None:
    value = params()
    assert recorded(system, value) == "000000"
    assert recorded(system, value) == "000000"
    (row,) = lines(system, kind="service_record", case=value["projectNo"][2:])
    assert (row["id"], row["repeats"], row["accepted"]) == (f"{value['projectNo']}/1", 1, True)


def test_a_record_is_replaced_while_unrated_and_never_by_a_lower_status(system: Program) -> None:
    value = params(proStatus="2")
    assert recorded(system, value) == "000000"
    assert recorded(system, value | {"proStatus": "3"}) == "000000"
    assert recorded(system, value) == "100003"
    assert wish(system, caseNo=value["projectNo"][2:], satisfaction="5", afterMs=0) == 200
    until(lambda: ratings(system, value))
    assert recorded(system, value | {"proStatus": "3"}) == "000000"  # the same again
    assert recorded(system, value | {"proStatus": "3", "serviceName": "别的"}) == "100003"
    assert wish(system, caseNo=value["projectNo"][2:], satisfaction="1") == 409


@pytest.mark.parametrize(
    ("changed", "member"),
    [
        ({"more": 1}, "params.more"),
        ({"areaCode": "441402004000"}, "params.areaCode"),
        ({"orgcode": "441402000000_11441400XX0031309Q"}, "params.orgcode"),
        ({"acceptDate": "20261122100000"}, "params.acceptDate"),
        ({"serviceTime": "2026-02-30 10:00:00"}, "params.serviceTime"),
        ({"promiseDay": "5"}, "params.promiseDay"),
        ({"anticipateDayType": "1"}, "params.anticipateDayType"),
        ({"userProp": "7"}, "params.userProp"),
        ({"mobile": None}, "txnBodyCom.params.mobile"),
        ({"projectNo": case()}, "params.projectNo"),
    ],
)
def test_a_wrong_member_is_named(system: Program, changed: dict[str, Any], member: str) -> None:
    assert asked(system, enveloped(params(**changed))) == ("100002", member)


def test_missing_members_and_envelopes(system: Program) -> None:
    assert asked(system, enveloped(without(params(), "resultDate"))) == ("100002", "params.resultDate")
    assert asked(system, enveloped(without(params(), "promiseDay"))) == ("100002", "params.promiseDayType")
    assert asked(system, enveloped(params()) | {"txnCommCom": {"a": 1}}) == ("100002", "txnCommCom")
    assert asked(system, without(enveloped(params()), "txnCommCom")) == ("100002", "txnCommCom")


def test_seal_sign_and_account(system: Program) -> None:
    refused = refused_without_seal(system, RECORD, enveloped(params()))
    assert {one[CODE] for one in refused} == {"100001"}
    good = enveloped(params())["txnBodyCom"]["sign"]
    for wrong in (
        {"sign": "0" * 32},
        {"sign": good.upper()},
        {"appMark": "somebody"},
        {"time": compact_now(-60)},
    ):
        assert asked(system, enveloped(params(), **wrong)) == ("100001", "sign")


def test_every_third_service_is_rated_by_itself(fresh: Any) -> None:
    system = fresh(rate_every=3)
    services = [params() for _ in range(9)]
    assert {recorded(system, one) for one in services} == {"000000"}
    until(lambda: len(pushed(system, RATED)) == 3)
    time.sleep(0.3)
    rated = [index for index, one in enumerate(services) if ratings(system, one)]
    assert len(rated) == 3 and rated[1] - rated[0] == rated[2] - rated[1] == 3
    given = ratings(system, services[rated[0]])[0]
    assert (given["taskCode"], given["areaCode"], given["serviceNumber"]) == (ITEM, "441402000000", 1)
    row = lines(system, kind="rated", id=given["assessNo"])[0]
    assert (row["direction"], row["case"], row["code"]) == ("sent", given["projectNo"][2:], "000000")


def test_a_machine_gives_five_stars_to_the_next_service_concluded(system: Program) -> None:
    assert wish(system, satisfaction="5", pf="zd", evalDetail="510,517", afterMs=200) == 200
    value = params(proStatus="1")
    assert recorded(system, without(value, "resultDate")) == "000000"
    time.sleep(0.4)
    assert ratings(system, value) == []  # not concluded yet
    assert recorded(system, value | {"proStatus": "3"}) == "000000"
    given = until(lambda: ratings(system, value))[0]
    assert (given["satisfaction"], given["pf"], given["evalDetail"]) == ("5", "zd", "510,517")
    at = datetime.strptime(given["assessTime"], "%Y-%m-%d %H:%M:%S").replace(tzinfo=BEIJING)
    assert (datetime.now(BEIJING) - at).total_seconds() < 5


def test_a_bad_rating_by_admin(system: Program) -> None:
    value = params()
    recorded(system, value)
    number = value["projectNo"][2:]
    bad = {"satisfaction": "1", "evalDetail": "101", "writingEvaluation": "等候时间较长。"}
    assert wish(system, caseNo=number, afterMs=0, **bad) == 200
    given = until(lambda: ratings(system, value))[0]
    assert {name: given[name] for name in bad} == bad
    assert wish(system, satisfaction="6") == 422


def test_repeats_end_with_the_first_final_code(system: Program) -> None:
    busy = b'{"C-Response-Desc":"fail","C-Response-Code":"100009","C-Response-Msg":""}'
    no = b'{"C-Response-Desc":"fail","C-Response-Code":"100004","C-Response-Msg":""}'
    value = params()
    recorded(system, value)
    system.stub.answers = [(200, "sealed", busy, {DESC: "fail"}), (200, "sealed", no, {DESC: "fail"})]
    wish(system, caseNo=value["projectNo"][2:], satisfaction="4", afterMs=0)
    until(lambda: len(ratings(system, value)) == 2)
    time.sleep(0.5)
    assert len(ratings(system, value)) == 2
    first, second = ratings(system, value)
    assert first == second
    (row,) = lines(system, kind="rated", id=first["assessNo"])
    assert (row["code"], row["accepted"]) == ("100004", False)


def test_a_header_that_differs_from_the_body_is_no_last_word(system: Program) -> None:
    value = params()
    recorded(system, value)
    system.stub.answers = [(200, "sealed", DONE, {DESC: "fail"})]
    wish(system, caseNo=value["projectNo"][2:], satisfaction="3", afterMs=0)
    until(lambda: len(ratings(system, value)) == 2)


def test_faults(fresh: Any) -> None:
    system = fresh(share_time_off=1)
    for fault, count in (("second_rating", 2), ("duplicate_push", 2)):
        system.arm(operation="rated", fault=fault)
        value = params()
        recorded(system, value)
        wish(system, caseNo=value["projectNo"][2:], satisfaction="5", afterMs=0)
        until(lambda value=value, count=count: len(ratings(system, value)) == count)
        names = {one["assessNo"] for one in ratings(system, value)}
        assert len(names) == (2 if fault == "second_rating" else 1)
    system.arm(operation="rated", fault="unknown_service")
    system.arm(operation="service_record", fault="callback_before_reply")
    value = params()
    recorded(system, value)
    assert [one["serviceNumber"] for one in ratings(system, value)] == [901]
    offsets = [one["txnBodyCom"]["time"] for one in pushed(system, RATED)]
    assert all(compact_now(-300) <= at <= compact_now(300) for at in offsets)
    system.arm(operation="service_record", fault="header_differs")
    answer = system.post(RECORD, enveloped(params()))
    assert answer.headers[DESC] != system.checked(answer)[DESC]
    system.arm(operation="service_record", fault="rate_limit")
    unsealed(system.post(RECORD, enveloped(params())), 429)
    system.arm(operation="service_record", fault="busy")
    assert asked(system, enveloped(params()))[0] == "100009"

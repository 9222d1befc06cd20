"""The provincial side against adapters/provincial_reporting/contract/contract.md, as a process of its own."""

import json
import signal
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from exchange.app.rabbit import RabbitNode
from tests.mocks.amqpparty import CODE, USCC, AmqpProgram, case_number, nonce
from tests.mocks.busside import Got, Queues, RabbitSide
from tests.mocks.jsonparty import Identity, until

QUEUES: Queues = [
    ("prov.report", "prov.hall", "report.#", None),
    ("prov.receipt.441400", "prov.hall", "receipt.441400", None),
    ("prov.audit.441400", "prov.hall", "audit.441400", None),
]
WHEN = "20261122T093000"
SERIAL = iter(range(1, 100_000))


@pytest.fixture(scope="module")
def province(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AmqpProgram]:
    program = AmqpProgram("province", tmp_path_factory.mktemp("province"), QUEUES)
    yield program
    program.close()


def new_case() -> str:
    return case_number(next(SERIAL))


def common(case: str) -> dict[str, Any]:
    return {"SBLSH": case, "SXBM": CODE, "XZQHDM": "441403000000", "SJBBH": 1}


def applied(case: str) -> dict[str, Any]:
    return common(case) | {
        "SXMC": "食品经营许可", "SQRLX": "10", "SQRMC": "测试甲", "SQRZJLX": "111",
        "SQRZJHM": "441499199001011234",
        "LXRXM": "测试甲", "LXRSJ": "13800138000", "SBXMMC": "新办", "SBCLQD": r"申请书*1;图\*纸\;甲*2",
        "TJFS": "1",
        "SBSJ": WHEN,
    }  # fmt: skip


def accepted(case: str) -> dict[str, Any]:
    return common(case) | {
        "SLBMMC": "示范局", "SLBMZZJDDM": USCC, "BLRXM": "林示范", "BLRGH": "A001", "SLZTDM": "1",
        "SLSJ": WHEN,
        "CXMM": "123456", "CNBLSX": 5, "CNBLSXDW": "G", "GDBLSX": 20, "GDBLSXDW": "G",
    }  # fmt: skip


def step(case: str, number: int, state: str = "1") -> dict[str, Any]:
    return common(case) | {
        "SPHJDM": str(number), "SPHJMC": "承办", "SPBMMC": "示范局", "SPBMZZJDMD": USCC, "SPRXM": "林示范",
        "SPRGH": "A001", "SPYJ": "同意", "SPSJ": WHEN, "SPHJZTDM": state, "SPBZH": number,
    }  # fmt: skip


def concluded(case: str, result: str = "0", **more: Any) -> dict[str, Any]:
    number = {"ZJBH": "粤梅2026000001"} if result == "0" else {}
    why = {"ZFHTHYY": "原因"} if result in "12345" else {}
    by = {"BJBMMC": "示范局", "BJBMZZJDDM": USCC, "BLRXM": "林示范"}
    return common(case) | number | why | by | {"BJJGDM": result, "BJSJ": WHEN} | more


def others(case: str) -> dict[str, dict[str, Any]]:
    return {
        "1": {"YSLBMMC": "示范局", "YSLBMZZJGDM": USCC, "BLRXM": "林", "BLRGH": "1", "YSLZTDM": "1",
        "YSLSJ": WHEN},
        "5": {"XH": 1, "TBCXZL": "A", "TBCXZLMC": "延长", "TBCXKSRQ": WHEN, "TBCXPZR": "黄",
        "TBCXQDLY": "复杂",
              "TBCXSX": 10, "TBCXSXDW": "G"},
        "6": {"XH": 1, "TBCXJG": "1", "TBCXJSRQ": WHEN},
        "7": {"BZGZFCRXM": "林", "BZGZYY": "缺图纸", "BZCLQD": "图纸*1", "BZGZSJ": WHEN},
        "8": {"BZSLBLRXM": "林", "BZCLQD": "图纸*1", "BZSJ": WHEN},
        "9": {"LQRXM": "测试甲", "LQRZJLX": "111", "LQRSFZJHM": "441499199001011234", "LQFS": "1",
        "LQSJ": WHEN},
    }  # fmt: skip


def send(program: AmqpProgram, number: str, value: Any, **more: Any) -> str:
    ver = {"x-ver": str(value.get("SJBBH"))} if isinstance(value, dict) else {}
    headers = {"x-obj": number} | ver | more.pop("headers", {})
    key = more.pop("key", f"report.441400.{number}")
    return program.push("prov.report", "prov.hall", key, value, headers=headers, **more)


def receipt(program: AmqpProgram) -> dict[str, Any]:
    got: Got = program.next("prov.receipt.441400")
    assert (got.exchange, got.routing_key) == ("prov.hall", "receipt.441400")
    said: dict[str, Any] = got.json()
    assert {"message_id", "code", "msg"} <= said.keys() <= {"message_id", "SBLSH", "code", "msg", "rowErrors"}
    assert ("rowErrors" in said) is (said["code"] in {"10", "70", "80"})
    return said


def told(program: AmqpProgram, number: str, value: Any, **more: Any) -> dict[str, Any]:
    name = send(program, number, value, **more)
    said = receipt(program)
    assert said["message_id"] == name
    return said


def code(program: AmqpProgram, number: str, value: Any, **more: Any) -> str:
    return str(told(program, number, value, **more)["code"])


def missing(program: AmqpProgram, number: str, value: Any) -> list[str]:
    """The objects that the receipt says have to come first."""
    said = told(program, number, value)
    assert (said["code"], said["msg"]) == ("70", "缺少受理数据")
    return [row["field"] for row in said["rowErrors"]]


def kept(program: AmqpProgram, case: str) -> list[tuple[str, int, int]]:
    return [(one["object"], one["step"], one["version"]) for one in program.admin(f"case/{case}")]


def test_a_case_is_reported_from_application_to_delivery(province: AmqpProgram) -> None:
    case = new_case()
    more = {number: common(case) | value for number, value in others(case).items()}
    for number, value in [
        ("0", applied(case)), ("1", more["1"]), ("7", more["7"]), ("8", more["8"]), ("2", accepted(case)),
        ("3", step(case, 1)), ("3", step(case, 2)), ("5", more["5"]), ("6", more["6"]), ("3", step(case, 3)),
        ("4", concluded(case, SFJE="10500", JEDWDM="CNY", ZJYXQX="20310101T000000")), ("9", more["9"]),
    ]:  # fmt: skip
        said = told(province, number, value)
        assert (said["code"], said["SBLSH"]) == ("0", case), (number, said)
    assert kept(province, case) == [
        ("0", 0, 1), ("1", 0, 1), ("7", 0, 1), ("8", 0, 1), ("2", 0, 1), ("3", 1, 1), ("3", 2, 1), ("5", 1,
        1),
        ("6", 1, 1), ("3", 3, 1), ("4", 0, 1), ("9", 0, 1),
    ]  # fmt: skip
    assert province.admin(f"case/{case}")[0]["body"] == applied(case)


def test_steps_need_application_and_acceptance_and_a_conclusion_needs_steps(province: AmqpProgram) -> None:
    case = new_case()
    assert missing(province, "3", step(case, 1)) == ["0", "2"]
    assert missing(province, "2", accepted(case)) == ["0"]
    assert code(province, "0", applied(case)) == "0"
    assert missing(province, "3", step(case, 1)) == ["2"]
    assert code(province, "2", accepted(case)) == "0"
    assert missing(province, "3", step(case, 2)) == ["3"]  # in order of SPBZH
    assert missing(province, "4", concluded(case)) == ["3"]
    assert code(province, "3", step(case, 1)) == "0"
    assert code(province, "4", concluded(case)) == "0"
    assert ("3", 1, 1) in kept(province, case)


def test_a_refused_acceptance_ends_a_case(province: AmqpProgram) -> None:
    case = new_case()
    assert code(province, "0", applied(case)) == "0"
    refusal = accepted(case) | {"SLZTDM": "2"}
    assert told(province, "2", refusal)["rowErrors"] == [
        {"field": "BSLYY", "msg": "missing where SLZTDM is 2"}
    ]
    assert code(province, "2", refusal | {"BSLYY": "不属于本机关"}) == "0"
    assert code(province, "3", step(case, 1)) == code(province, "4", concluded(case)) == "70"


def test_a_case_that_was_never_accepted_may_end_deleted_or_without_its_supplement(
    province: AmqpProgram,
) -> None:
    deleted, waited = new_case(), new_case()
    assert missing(province, "4", concluded(deleted, "3")) == ["0"]
    assert code(province, "0", applied(deleted)) == code(province, "0", applied(waited)) == "0"
    assert missing(province, "4", concluded(deleted, "1")) == ["2"]
    assert code(province, "4", concluded(deleted, "3")) == "0"
    assert missing(province, "4", concluded(waited, "5")) == ["7"]
    assert code(province, "7", common(waited) | others(waited)["7"]) == "0"
    assert code(province, "4", concluded(waited, "5")) == "0"


def test_a_refused_decision_is_concluded_as_seven(province: AmqpProgram) -> None:
    case = new_case()
    for number, value in (("0", applied(case)), ("2", accepted(case)), ("3", step(case, 1, "3"))):
        assert code(province, number, value) == "0"
    assert code(province, "4", concluded(case, "6")) == "70"
    assert code(province, "4", concluded(case, "7")) == "0"
    other = new_case()
    for number, value in (("0", applied(other)), ("2", accepted(other)), ("3", step(other, 1))):
        assert code(province, number, value) == "0"
    assert code(province, "4", concluded(other, "7")) == "70"
    assert code(province, "4", concluded(other, "6")) == "0"


def test_the_same_report_changes_nothing_and_another_needs_the_next_version(
    province: AmqpProgram,
) -> None:
    case = new_case()
    name = send(province, "0", applied(case))
    assert receipt(province)["code"] == "0"
    assert code(province, "0", applied(case)) == "0"  # another message id
    assert code(province, "0", applied(case), message_id=name) == "0"
    assert kept(province, case) == [("0", 0, 1)]
    changed = applied(case) | {"SBXMMC": "变更"}
    assert code(province, "0", changed) == "10"
    assert code(province, "0", changed | {"SJBBH": 3}) == "10"
    assert code(province, "0", changed | {"SJBBH": 2}) == "0"
    assert code(province, "0", applied(case)) == "0"  # the earlier one once more
    assert kept(province, case) == [("0", 0, 1), ("0", 0, 2)]
    assert code(province, "0", applied(new_case()), message_id=name) == "70"


@pytest.mark.parametrize(
    ("number", "change", "field", "expected"),
    [
        ("0", {"SXMC": None}, "SXMC", "70"), ("0", {"SQRLX": "1"}, "SQRLX", "70"),
        ("0", {"TJFS": "3"}, "TJFS", "70"),
        ("0", {"XZQHDM": "441403"}, "XZQHDM", "70"), ("0", {"SBSJ": "2026-11-22 09:30:00"}, "SBSJ", "70"),
        ("0", {"SBSJ": "20261131T093000"}, "SBSJ", "70"), ("0", {"SBCLQD": "申请书"}, "SBCLQD[0]", "70"),
        ("0", {"SBCLQD": [{"CLMC": "a", "CLSL": 1, "SQFS": "1"}]}, "SBCLQD", "70"),
        ("0", {"SBCLQD": r"a*1;b\;*2;a*b*1"}, "SBCLQD[2]", "70"),
        ("0", {"XXXX": "1"}, "XXXX", "70"), ("0", {"BZ": ""}, "BZ", "70"), ("0", {"SQRZJLX": "999"},
        "SQRZJLX", "70"),
        ("0", {"SXBM": "4401"}, "SXBM", "70"), ("0", {"SXMC": "名" * 200}, "", "0"),
        ("0", {"SXMC": "名" * 201}, "SXMC", "80"),
        ("0", {"SQRMC": "名" * 101}, "SQRMC", "80"), ("0", {"SBXMMC": "名" * 1001}, "SBXMMC", "80"),
        ("0", {"BZ": "注" * 501}, "BZ", "80"), ("0", {"BZ": "注" * 501, "TJFS": "9"}, "TJFS", "70"),
        ("2", {"SLZTDM": "2", "BSLYY": "由" * 501}, "BSLYY", "80"), ("2", {"CXMM": "12345"}, "CXMM", "70"),
        ("2", {"CNBLSX": "5"}, "CNBLSX", "70"), ("2", {"CNBLSXDW": "D"}, "CNBLSXDW", "70"),
        ("2", {"SLBMZZJDDM": "1"}, "SLBMZZJDDM", "70"),
    ],
)  # fmt: skip
def test_every_member_is_checked(
    province: AmqpProgram, number: str, change: dict[str, Any], field: str, expected: str
) -> None:
    case = new_case()
    value = (applied(case) if number == "0" else accepted(case)) | change
    value = {name: one for name, one in value.items() if one is not None}
    said = told(province, number, value)
    assert said["code"] == expected, said
    fields = [row["field"] for row in said.get("rowErrors", [])]
    assert (field in fields) is (expected != "0")


@pytest.mark.parametrize(
    ("change", "expected"),
    [({"SFJE": 105}, "70"), ({"SFJE": "105.00"}, "70"), ({"BJJGDM": "1", "ZFHTHYY": None}, "70"),
    ({"ZJBH": None}, "70"),
     ({"ZJYXQX": "2031-01-01"}, "70"), ({"BJJGDM": "8"}, "70"), ({"SFJE": "10500"}, "0")],
)  # fmt: skip
def test_a_conclusion_is_checked(province: AmqpProgram, change: dict[str, Any], expected: str) -> None:
    case = new_case()
    for number, value in (("0", applied(case)), ("2", accepted(case)), ("3", step(case, 1))):
        assert code(province, number, value) == "0"
    value = {name: one for name, one in (concluded(case) | change).items() if one is not None}
    assert code(province, "4", value) == expected
    assert code(province, "3", step(case, 2) | {"SPYJ": "见" * 1001}) == "80"


@pytest.mark.parametrize(
    "more",
    [
        {"headers": {"x-ver": "2"}}, {"case": "another"}, {"case": None}, {"content_type": "text/plain"},
        {"headers": {"x-obj": "2"}}, {"headers": {"x-obj": "F"}}, {"key": "report.441403.0"},
        {"key": "report.441400.1"},
    ],
)  # fmt: skip
def test_properties_must_agree(province: AmqpProgram, more: dict[str, Any]) -> None:
    case = new_case()
    assert code(province, "0", applied(case), **more) == "70"
    assert kept(province, case) == []


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b"\xff\xfe", b'{"SBLSH":"a","SBLSH":"b"}', b'{"SJBBH":1e999}', b"\xef\xbb\xbf{}"],
)
def test_what_is_no_object_is_refused(province: AmqpProgram, body: bytes) -> None:
    name = send(province, "0", body, case="c")
    said = receipt(province)
    assert (said["message_id"], said["code"]) == (name, "70")


def test_numbers_no_database_holds_are_refused(province: AmqpProgram) -> None:
    case = new_case()
    for member in ({"SJBBH": 10**30}, {"SJBBH": 0}, {"SJBBH": True}, {"SPBZH": 10**30}, {"SPBZH": 0}):
        assert code(province, "3", step(case, 1) | member) == "70"
    assert code(province, "0", applied(case)) == "0"


def test_a_seal_that_does_not_hold_is_not_authorised(province: AmqpProgram) -> None:
    case, stranger, used = new_case(), Identity("stranger"), nonce()
    body = json.dumps(applied(case)).encode()
    bound = {"exchange": "prov.hall", "routing_key": "report.441400.0"}
    for seal in (
        None, "", "a..b", province.hub.seal(body + b" ", **bound), stranger.seal(body, **bound),
        province.hub.seal(body, exchange="gov.case", routing_key="report.441400.0"),
        province.hub.seal(body, exchange="prov.hall", routing_key="report.441400.2"),
        province.hub.seal(body, **bound, method="POST"), province.hub.seal(body, **bound, alg="none"),
        province.hub.seal(body, **bound, nonce="short"), province.hub.seal(body, exchange="prov.hall"),
    ):  # fmt: skip
        seal = "x" if seal == "" else seal
        assert code(province, "0", body, seal=seal, case=case, headers={"x-ver": "1"}) == "60"
    late = {"seal": province.hub.seal(body, **bound, iat=int(time.time()) - 400)}
    assert code(province, "0", body, case=case, headers={"x-ver": "1"}, **late) == "20"
    assert kept(province, case) == []
    assert code(province, "0", body, case=case, headers={"x-ver": "1"}, nonce=used) == "0"
    assert code(province, "2", accepted(case), nonce=used) == "60"
    assert province.admin("record")[-1]["code"] == "60"


def test_what_cannot_be_answered_does_not_stop_the_queue(province: AmqpProgram) -> None:
    case = new_case()
    for name in (None, "not-a-uuid"):
        send(province, "0", applied(case), message_id=name)
    assert code(province, "0", applied(case)) == "0"
    assert province.side.count("prov.report") == 0


def test_faults_of_a_bus_that_is_away(province: AmqpProgram) -> None:
    case = new_case()
    province.arm(operation="report", fault="http500")
    province.arm(operation="report", fault="rate_limit")
    first = int(code(province, "0", applied(case)))
    second = int(code(province, "0", applied(case)))
    assert first in range(100, 200)
    assert second in range(100, 200)
    province.arm(operation="receipt", fault="drop_before_reply")
    name = send(province, "0", applied(case))
    until(lambda: kept(province, case))
    assert code(province, "0", applied(case), message_id=name) == "0"
    province.arm(operation="receipt", fault="sig_bad")
    send(province, "0", applied(case))
    with pytest.raises(Exception, match="bad_signature"):
        receipt(province)
    province.arm(operation="receipt", fault="duplicate_push")
    send(province, "0", applied(case))
    assert receipt(province) == receipt(province)
    answer = province.arm(operation="report", fault="bom")
    assert answer.status_code == 422
    assert "http500" in answer.json()["supported"]["report"]


def test_nothing_is_lost_or_doubled_when_it_is_killed(tmp_path: Path) -> None:
    program = AmqpProgram("province", tmp_path, QUEUES)
    with closing(program):
        cases = [new_case() for _ in range(6)]
        for case in cases:
            send(program, "0", applied(case))
        program.arm(operation="receipt", fault="delay_ms", probability=1, value=300)
        for case in cases:
            send(program, "2", accepted(case))
        until(lambda: program.admin("counts")["received"] >= 8)
        program.end(signal.SIGKILL)
        for case in cases:
            send(program, "3", step(case, 1))
        program.start()
        until(lambda: program.side.count("prov.report") == 0)
        for case in cases:
            assert kept(program, case) == [("0", 0, 1), ("2", 0, 1), ("3", 1, 1)]
        codes: dict[str, set[str]] = {}
        while got := program.side.get("prov.receipt.441400"):
            codes.setdefault(got.json()["message_id"], set()).add(got.json()["code"])
        assert len(codes) == 18
        assert set.union(*codes.values()) == {"0"}
        counts = program.admin("counts")
        assert (counts["received"], counts["refused"]) == (18, 0)
        code_, seconds = program.end()
        assert code_ == 0
        assert seconds < 2


def test_it_speaks_over_rabbitmq(rabbit: RabbitNode, tmp_path: Path) -> None:
    side = RabbitSide(rabbit.url)
    program = AmqpProgram("province", tmp_path, QUEUES, side=side, url=rabbit.url)
    with closing(program), closing(side):
        case = new_case()
        assert code(program, "0", applied(case)) == "0"
        assert code(program, "0", applied(case) | {"SBXMMC": "二"}) == "10"
        assert kept(program, case) == [("0", 0, 1)]
        side.delete(QUEUES)


def test_the_log_holds_no_personal_data(province: AmqpProgram) -> None:
    case = new_case()
    assert code(province, "0", applied(case)) == "0"
    log = (province.folder / "state" / "province.log").read_text("utf-8")
    assert "started" in log
    assert "测试甲" not in log
    assert "441499" not in log

"""Order, corrections, row errors and the nightly audit of the province, on the wire of its contract."""

import json
import re
import signal
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from exchange.app.rabbit import RabbitNode
from tests.mocks.amqpparty import AmqpProgram, uuid
from tests.mocks.busside import Got, RabbitSide
from tests.mocks.jsonparty import BEIJING, checked_header, until
from tests.mocks.test_province_mock import (
    QUEUES,
    accepted,
    applied,
    code,
    common,
    concluded,
    kept,
    missing,
    new_case,
    others,
    receipt,
    send,
    step,
    told,
)  # fmt: skip

AUDIT = "prov.audit.441400"
GOOD_BODY = "11441499007415073P"  # with its check character
PERSON = "44149919900101121"  # and its check digit


@pytest.fixture(scope="module")
def province(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AmqpProgram]:
    program = AmqpProgram("province", tmp_path_factory.mktemp("province"), QUEUES)
    yield program
    program.close()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Any]:
    programs: list[AmqpProgram] = []

    def make(**keys: Any) -> AmqpProgram:
        programs.append(AmqpProgram("province", tmp_path, QUEUES, **keys))
        return programs[-1]

    yield make
    for program in programs:
        program.close()


def admin(program: AmqpProgram, path: str, value: Any, status: int = 200) -> Any:
    answer = program.client.post(f"{program.url}/admin/{path}", json=value)
    assert answer.status_code == status
    return answer.json()


def today(shift: int = 0) -> str:
    return (datetime.now(BEIJING) + timedelta(days=shift)).strftime("%Y%m%d")


def other(case: str, number: str, **more: Any) -> dict[str, Any]:
    return common(case) | others(case)[number] | more


def taken(program: AmqpProgram, *reports: tuple[str, dict[str, Any]]) -> list[str]:
    """Sends what is expected to be taken; the message ids."""
    names = []
    for number, value in reports:
        names.append(send(program, number, value))
        assert receipt(program)["code"] == "0"
    return names


def batch(program: AmqpProgram) -> dict[str, Any]:
    got: Got = program.next(AUDIT)
    assert (got.exchange, got.routing_key, got.content_type) == (
        "prov.hall",
        "audit.441400",
        "application/json",
    )
    assert got.message_id
    value: dict[str, Any] = got.json()
    assert value.keys() == {"batchId", "XZQHDM", "auditDate", "rows"}
    assert re.fullmatch(r"[0-9]{12}", value["XZQHDM"])
    return value | {"message_id": got.message_id}


# Order


def test_every_object_waits_for_its_predecessor(province: AmqpProgram) -> None:
    case = new_case()
    for number, needed in (
        ("1", "0"),
        ("2", "0"),
        ("7", "0"),
        ("8", "7"),
        ("5", "2"),
        ("6", "5"),
        ("9", "4"),
    ):
        value = accepted(case) if number == "2" else other(case, number)
        assert missing(province, number, value) == [needed]
    taken(province, ("0", applied(case)), ("7", other(case, "7")), ("8", other(case, "8")))
    taken(province, ("1", other(case, "1")), ("2", accepted(case)), ("5", other(case, "5")))
    assert missing(province, "6", other(case, "6", XH=2)) == ["5"]  # of the same XH
    taken(province, ("6", other(case, "6")))
    assert missing(province, "3", step(case, 2)) == ["3"]
    taken(
        province, ("3", step(case, 1)), ("3", step(case, 2)), ("4", concluded(case)), ("9", other(case, "9"))
    )


@pytest.mark.parametrize(
    ("result", "expected"), [("1", "0"), ("2", "0"), ("3", "0"), ("4", "0"), ("5", "70"), ("6", "70")]
)
def test_a_conclusion_without_steps_is_for_cases_ended_early(
    province: AmqpProgram, result: str, expected: str
) -> None:
    case = new_case()
    taken(province, ("0", applied(case)))
    if expected == "0" and result != "3":  # what is deleted need not have been accepted
        assert missing(province, "4", concluded(case, result)) == ["2"]
    taken(province, ("2", accepted(case)))
    assert code(province, "4", concluded(case, result)) == expected


def test_after_the_missing_one_the_same_object_is_taken_under_a_new_message_id(province: AmqpProgram) -> None:
    case = new_case()
    value = accepted(case)
    assert missing(province, "2", value) == ["0"]
    taken(province, ("0", applied(case)), ("2", value))
    assert kept(province, case) == [("0", 0, 1), ("2", 0, 1)]


# Corrections


def test_after_row_errors_the_next_version_is_taken_even_twice(province: AmqpProgram) -> None:
    case = new_case()
    wrong = applied(case) | {"TJFS": "9"}
    assert code(province, "0", wrong) == "70"
    assert code(province, "0", applied(case) | {"SXMC": "名" * 201, "SJBBH": 2}) == "80"
    assert kept(province, case) == []
    said = told(province, "0", applied(case) | {"SJBBH": 4})
    assert (said["code"], said["rowErrors"][0]["field"]) == ("10", "SJBBH")
    assert "3" in said["msg"]
    taken(province, ("0", applied(case) | {"SJBBH": 3}))
    taken(province, ("0", applied(case) | {"SJBBH": 4, "SBXMMC": "变更"}), ("2", accepted(case)))
    said = told(province, "0", applied(case) | {"SJBBH": 4, "SBXMMC": "又变"})
    assert said["code"] == "10"
    assert "5" in said["msg"]
    assert kept(province, case) == [("0", 0, 3), ("0", 0, 4), ("2", 0, 1)]


def test_row_errors_on_order(province: AmqpProgram) -> None:
    case, rows = (
        new_case(),
        [{"field": "SQRZJHM", "msg": "证件号码查无此人"}, {"field": "SBCLQD[2]", "msg": "长" * 500}],
    )
    admin(province, "row_errors", {"rows": rows, "object": "2"})
    admin(province, "row_errors", {"rows": rows, "SBLSH": case, "times": 2})
    taken(province, ("0", applied(new_case())))  # neither the object nor the case
    for version in (1, 2):
        said = told(province, "0", applied(case) | {"SJBBH": version})
        assert (said["code"], said["msg"], said["rowErrors"]) == ("70", "数据校验不通过", rows)
    taken(province, ("0", applied(case) | {"SJBBH": 3}))
    assert told(province, "2", accepted(case))["rowErrors"] == rows
    taken(province, ("2", accepted(case) | {"SJBBH": 2}))
    admin(province, "row_errors", {"rows": [], "code": "80", "msg": "超长"})
    said = told(province, "0", applied(new_case()))
    assert (said["code"], said["msg"], said["rowErrors"]) == ("80", "超长", [])
    for wrong in ({"rows": rows * 26}, {"rows": rows, "code": "0"}, {"rows": [{"field": "A"}]},
                  {"rows": rows, "object": "F"}, {}, {"rows": rows, "times": 0}, []):  # fmt: skip
        admin(province, "row_errors", wrong, 422)


def test_a_share_of_first_versions_has_a_row_error(own: Any) -> None:
    program = own(row_error_share=0.5)
    codes = {}
    for _ in range(24):
        case = new_case()
        said = told(program, "0", applied(case))
        codes[case] = said["code"]
        if said["code"] == "70":
            assert said["rowErrors"][0]["field"] in applied(case).keys() - {"SBLSH", "SJBBH"}
            assert code(program, "0", applied(case) | {"SJBBH": 2}) == "0"
    assert 5 <= list(codes.values()).count("70") <= 19


def test_receipts_come_in_any_order_each_with_its_own_properties(own: Any) -> None:
    program = own(receipt_delay_ms=100)
    program.arm(operation="receipt", fault="reorder", times=6, value=0.6)
    sent = [send(program, "0", applied(new_case())) for _ in range(6)]
    until(lambda: program.side.count("prov.receipt.441400") == 6)
    got = [program.next("prov.receipt.441400") for _ in range(6)]
    heard = [one.json()["message_id"] for one in got]
    assert sorted(heard) == sorted(sent)
    assert heard != sent
    assert len({one.message_id for one in got}) == 6
    case, name = new_case(), uuid()
    twice = []
    for _ in range(2):
        send(program, "0", applied(case), message_id=name)
        twice.append(program.next("prov.receipt.441400"))
    assert (twice[0].message_id, twice[0].body) == (twice[1].message_id, twice[1].body)
    seals = [checked_header(one.headers["X-Gov-Signature"], one.body, program.certificate) for one in twice]
    assert seals[0]["nonce"] != seals[1]["nonce"]


def test_receipts_wait_for_a_killed_process(own: Any) -> None:
    program = own(receipt_delay_ms=1500)
    name = send(program, "0", applied(new_case()))
    until(lambda: program.admin("counts")["received"] == 1)
    program.end(signal.SIGKILL)
    assert program.side.count("prov.receipt.441400") == 0
    program.start()
    assert receipt(program)["message_id"] == name


# Audit


def sound(case: str) -> dict[str, Any]:
    """Object 0 without anything an audit could find."""
    return applied(case) | {"SQRZJHM": PERSON + check_digit(PERSON)}


def check_digit(text: str) -> str:
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)  # GB 11643
    return "10X98765432"[sum(int(one) * weight for one, weight in zip(text, weights, strict=True)) % 11]


def test_the_audit_finds_what_is_wrong_in_what_was_taken(province: AmqpProgram) -> None:
    case = new_case()
    bodies = {"SLBMZZJDDM": GOOD_BODY}
    names = taken(
        province,
        ("0", sound(case)),
        ("2", accepted(case) | bodies | {"BLRXM": "-", "SLSJ": "20261121T093000", "CNBLSX": 21}),
        ("3", step(case, 1, "3") | {"SPBMZZJDMD": "11441499007415073X"}),
        ("4", concluded(case, "0") | {"BJBMZZJDDM": GOOD_BODY}),
        ("9", other(case, "9", LQRSFZJHM=PERSON + "Z")),
    )
    admin(province, "audit", {})
    said = batch(province)
    assert (said["batchId"], said["auditDate"]) == (f"AUD441400{today()}", today())
    rows = [row for row in said["rows"] if row["SBLSH"] == case]
    assert all(row["errMsg"] for row in rows)
    found = {
        (names.index(row["messageId"]), row["errType"], row["tableName"], row["fieldName"]) for row in rows
    }
    assert found == {
        (1, "E01", "up_pro_accept", "BLRXM"), (1, "E03", "up_pro_accept", "SLSJ"),
        (1, "E04", "up_pro_accept", "CNBLSX"), (2, "E05", "up_pro_process", "SPBMZZJDMD"),
        (3, "E06", "up_pro_result", "BJJGDM"), (4, "E05", "up_pro_result", "LQRSFZJHM"),
    }  # fmt: skip
    admin(province, "audit", {})  # the same batch again
    again = batch(province)
    assert again == said
    assert province.side.count(AUDIT) == 0
    assert ("0", 0, 1) in kept(province, case)  # an abnormal row stays taken
    taken(province, ("2", accepted(case) | bodies | {"SJBBH": 2}))
    records = [row for row in province.admin("record") if row["kind"] == "audit"]
    assert [(row["direction"], row["id"], row["repeats"]) for row in records] == [
        ("sent", said["batchId"], 1)
    ]


def test_rows_on_order_come_in_batches_of_500_and_continuations(own: Any) -> None:
    program = own()
    row = {"messageId": uuid(), "errType": "E99", "tableName": "up_pro_accept", "errMsg": "抽查不符"}
    told_ = admin(
        program, "audit", {"date": "20261120", "rows": [row | {"SBLSH": str(at)} for at in range(501)]}
    )
    assert told_ == {"batches": ["AUD44140020261120", "AUD44140020261120-2"]}
    first, second = batch(program), batch(program)
    assert (len(first["rows"]), second["rows"]) == (500, [row | {"SBLSH": "500"}])
    assert {first["batchId"], second["batchId"]} == set(told_["batches"])
    assert first["message_id"] != second["message_id"]
    admin(program, "audit", {"date": "20261120", "rows": [row]})
    assert batch(program)["batchId"] == "AUD44140020261120-3"
    for wrong in (
        {"rows": [row | {"errType": "E98"}]}, {"rows": [row | {"tableName": "x"}]}, {"date": "2026-11-20"},
        {"rows": [row | {"errMsg": "长" * 501}]}, {"rows": [{}]}, {"more": 1}, [],
    ):  # fmt: skip
        admin(program, "audit", wrong, 422)


def test_by_its_clock_the_audit_comes_the_next_morning_also_when_there_is_nothing(own: Any) -> None:
    program = own()
    taken(program, ("0", applied(new_case())))  # an identity number whose check digit is wrong
    now = datetime.now(BEIJING)
    morning = (now + timedelta(days=1)).replace(hour=6, minute=0, second=0, microsecond=0)

    def clock(at: datetime) -> None:
        admin(program, "clock", {"offset_s": (at - datetime.now(BEIJING)).total_seconds(), "seals": False})

    clock(morning - timedelta(seconds=20))
    with pytest.raises(AssertionError):
        until(lambda: program.side.count(AUDIT), 1.5)
    clock(morning + timedelta(seconds=5))
    said = batch(program)
    assert (said["auditDate"], [row["errType"] for row in said["rows"]]) == (today(), ["E05"])
    program.end(signal.SIGKILL)
    program.start()
    clock(morning + timedelta(days=1, minutes=1))
    said = batch(program)
    assert (said["auditDate"], said["rows"]) == (today(1), [])
    assert program.side.count(AUDIT) == 0


def test_faults_of_an_audit(own: Any) -> None:
    program = own()
    program.arm(operation="audit", fault="duplicate_push")
    admin(program, "audit", {})
    assert batch(program) == batch(program)
    program.arm(operation="audit", fault="sig_bad")
    admin(program, "audit", {})
    with pytest.raises(Exception, match="bad_signature"):
        batch(program)
    program.arm(operation="audit", fault="drop_before_reply")
    admin(program, "audit", {})
    program.arm(operation="audit", fault="schema_new_field", value="more")
    admin(program, "audit", {})
    assert "more" in json.loads(until(lambda: program.side.get(AUDIT)).body)
    assert program.arm(operation="audit", fault="http500").status_code == 422


def test_an_audit_over_rabbitmq(rabbit: RabbitNode, tmp_path: Path) -> None:
    side = RabbitSide(rabbit.url)
    program = AmqpProgram("province", tmp_path, QUEUES, side=side, url=rabbit.url)
    with closing(program), closing(side):
        admin(program, "audit", {})
        assert batch(program)["batchId"] == f"AUD441400{today()}"
        side.delete(QUEUES)

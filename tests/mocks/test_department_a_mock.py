"""Department A against adapters/department_a/contract/contract.md, as a process of its own."""

import json
import re
import signal
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from exchange.app.rabbit import RabbitNode
from tests.mocks.amqpparty import CODE, USCC, AmqpProgram, case_number, nonce, uuid
from tests.mocks.busside import Got, Queues, RabbitSide
from tests.mocks.jsonparty import Identity, checked_header, until

IN, RECEIPT = f"dept.{USCC}.in", f"dept.{USCC}.receipt"
FEEDBACK, ANSWERS, DEAD = "hub.case.feedback", "hub.case.receipt", "gov.case.dead"
QUEUES: Queues = [
    (IN, "gov.case", f"case.push.{USCC}.*", "gov.case.dlx"),
    (FEEDBACK, "gov.case", "case.feedback.#", "gov.case.dlx"),
    (ANSWERS, "gov.case", "case.receipt.hub.#", "gov.case.dlx"),
    (RECEIPT, "gov.case", f"case.receipt.{USCC}", "gov.case.dlx"),
    (DEAD, "gov.case.dlx", "#", None),
]
WHEN = "2026-11-22 09:30:00"
TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
PLAIN = CODE[:-1] + "9"  # an item without a certificate
OWN: dict[str, Any] = {
    "uscc": USCC, "department_name": "示范局", "staff": ["林一", "陈二", "黄三"], "suspend_every": 7,
    "extend_every": 13, "refuse_every": 11, "resend_seconds": 1, "without_certificate": [PLAIN],
}  # fmt: skip
SERIAL = iter(one for one in range(1, 100_000) if one % 7 and one % 11 and one % 13)


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AmqpProgram]:
    program = AmqpProgram("department_a", tmp_path_factory.mktemp("department"), QUEUES, **OWN)
    yield program
    program.close()


@pytest.fixture(autouse=True)
def _empty(request: pytest.FixtureRequest) -> Iterator[None]:
    """Nothing of an earlier test is left in a queue of the shared process."""
    yield
    if "office" in request.fixturenames:
        program = request.getfixturevalue("office")
        with closing(program.side.db()) as db:
            db.execute("DELETE FROM message")


def new_case() -> str:
    return case_number(next(SERIAL))


def common(case: str, item: str = CODE) -> dict[str, Any]:
    return {"SBLSH": case, "SXBM": item, "XZQHDM": "441403", "SJBBH": 1}


def applied(case: str, item: str = CODE) -> dict[str, Any]:
    return common(case, item) | {
        "SXMC": "食品经营许可", "SQRLX": "1", "SQRMC": "测试甲", "SQRZJLX": "111",
        "SQRZJHM": "441499199001011234", "LXRXM": "测试甲", "LXRSJ": "13800138000", "SBXMMC": "新办",
        "SBCLQD": [{"CLMC": "申请书", "CLSL": 1, "SQFS": "1"}], "TJFS": "2", "SBSJ": WHEN,
    }  # fmt: skip


def accepted(case: str, item: str = CODE, *, fee: bool = False) -> dict[str, Any]:
    value = common(case, item) | {
        "SLBMMC": "示范局", "SLBMZZJDDM": USCC, "BLRXM": "窗口", "BLRGH": "W1", "SLZTDM": "1", "SLSJ": WHEN,
        "CXMM": "123456", "CNBLSX": 5, "CNBLSXDW": "G",
    }  # fmt: skip
    return value | ({"BZ": "收费"} if fee else {})


def paid(case: str, amount: str = "105.00", item: str = CODE) -> dict[str, Any]:
    return common(case, item) | {"JKTZSH": "12345678901234567890", "SFJE": amount, "JFSJ": WHEN}


def issued(case: str) -> dict[str, Any]:
    return common(case) | {
        "ZZBS": "1.2.156.3005.2.x", "ZZBH": "粤梅2026000001", "ZZMC": "许可证", "YXQZ": "2031-11-21"
    }  # fmt: skip


def send(program: AmqpProgram, number: str, value: Any, **more: Any) -> str:
    ver = {"x-ver": str(value.get("SJBBH"))} if isinstance(value, dict) else {}
    headers = {"x-obj": number} | ver | more.pop("headers", {})
    return program.push(IN, "gov.case", f"case.push.{USCC}.01", value, headers=headers, **more)


def told(program: AmqpProgram, number: str, value: Any, **more: Any) -> dict[str, Any]:
    name = send(program, number, value, **more)
    got = program.next(ANSWERS)
    assert got.routing_key == f"case.receipt.hub.{USCC}"
    said: dict[str, Any] = got.json()
    assert said.keys() == {"message_id", "code", "msg"}
    assert said["message_id"] == name
    return said


def code(program: AmqpProgram, number: str, value: Any, **more: Any) -> str:
    return str(told(program, number, value, **more)["code"])


def feedback(program: AmqpProgram, case: str, *, answer: str | None = "0") -> tuple[str, dict[str, Any], Got]:
    """The next feedback on a case, its properties checked, and receipted by the hub."""
    got = next_of(program, case)
    value, number = got.json(), got.headers["x-obj"]
    assert (got.exchange, got.routing_key) == ("gov.case", f"case.feedback.{USCC}.{number}")
    assert (value["SBLSH"], got.headers["x-ver"]) == (case, str(value["SJBBH"]))
    assert got.content_type == "application/json"
    assert UUID(got.message_id or "")
    if answer is not None:
        receipt(program, got.message_id or "", answer)
    return number, value, got


def next_of(program: AmqpProgram, case: str) -> Got:
    """The next feedback on a case; those on the cases of earlier tests are receipted and passed over."""
    while (got := program.next(FEEDBACK)).correlation_id != case:
        receipt(program, got.message_id or "")
    return got


def receipt(program: AmqpProgram, name: str, answer: str = "0", **more: Any) -> None:
    said = {"message_id": name, "code": answer, "msg": ""}
    program.push(RECEIPT, "gov.case", f"case.receipt.{USCC}", said, case=None, **more)


def silent(program: AmqpProgram, case: str, seconds: float = 0.5) -> None:
    time.sleep(seconds)
    while got := program.side.get(FEEDBACK):
        assert got.correlation_id != case


def opened(program: AmqpProgram, case: str, item: str = CODE, *, fee: bool = False) -> None:
    assert code(program, "0", applied(case, item)) == "0"
    assert code(program, "2", accepted(case, item, fee=fee)) == "0"


def steps_of(program: AmqpProgram, case: str, wanted: list[str]) -> list[dict[str, Any]]:
    found = []
    for want in wanted:
        number, value, _ = feedback(program, case)
        assert number == want
        found.append(value)
    return found


def test_a_case_with_fee_and_certificate_is_walked_to_its_conclusion(office: AmqpProgram) -> None:
    case = new_case()
    assert code(office, "0", applied(case)) == "0"
    silent(office, case)  # nothing before the acceptance
    assert code(office, "2", accepted(case, fee=True)) == "0"
    steps = steps_of(office, case, ["3", "3", "3"])
    assert [one["SPBZH"] for one in steps] == [1, 2, 3]
    assert [one["SPHJDM"] for one in steps] == ["1", "2", "3"]
    assert [one["SPHJMC"] for one in steps] == ["承办", "审核", "批准"]
    assert [one["SPHJZTDM"] for one in steps] == ["1", "1", "1"]
    assert [one["SPRXM"] for one in steps] == ["林一", "陈二", "黄三"]
    for one in steps:
        assert {name: one[name] for name in ("SBLSH", "SXBM", "XZQHDM", "SJBBH")} == common(case)
        assert TIME.fullmatch(one["SPSJ"])
        assert (one["SPBMMC"], one["SPBMZZJDMD"]) == ("示范局", USCC)
        assert "" not in one.values()
    silent(office, case)
    assert code(office, "F", paid(case)) == "0"
    silent(office, case)
    assert code(office, "C", issued(case)) == "0"
    [last] = steps_of(office, case, ["4"])
    assert (last["BJJGDM"], last["ZJBH"], last["ZJGZMC"], last["ZJYXQX"]) == (
        "0", "粤梅2026000001", "许可证", "2031-11-21"
    )  # fmt: skip
    assert (last["SFJE"], last["JEDWDM"]) == (105, "CNY")
    assert TIME.fullmatch(last["BJSJ"])
    silent(office, case, 1.3)
    assert {step: one["state"] for step, one in office.admin("cases")[case].items()} == {
        "3:1": "receipted", "3:2": "receipted", "3:3": "receipted", "4:1": "receipted"
    }  # fmt: skip


def test_a_refused_case_is_concluded_at_once(office: AmqpProgram) -> None:
    case = case_number(22)
    opened(office, case, fee=True)
    *_, decision, last = steps_of(office, case, ["3", "3", "3", "4"])
    assert (decision["SPHJDM"], decision["SPHJZTDM"]) == ("3", "3")
    assert last["BJJGDM"] == "6"
    assert "SFJE" not in last
    assert "ZJBH" not in last


def test_an_item_without_certificate_waits_for_the_fee_alone(office: AmqpProgram) -> None:
    case = new_case()
    opened(office, case, PLAIN, fee=True)
    steps_of(office, case, ["3", "3", "3"])
    silent(office, case)
    assert code(office, "F", paid(case, "12.50", PLAIN)) == "0"
    [last] = steps_of(office, case, ["4"])
    assert (last["BJJGDM"], last["SFJE"]) == ("6", 13)
    other = new_case()
    opened(office, other, PLAIN)
    *_, last = steps_of(office, other, ["3", "3", "3", "4"])
    assert last["BJJGDM"] == "6"
    assert "SFJE" not in last


def test_special_procedures_come_between_review_and_approval(office: AmqpProgram) -> None:
    case = case_number(7 * 13)
    opened(office, case)
    found = steps_of(office, case, ["3", "3", "5", "6", "5", "6", "3"])
    assert [one["XH"] for one in found[2:6]] == [1, 1, 2, 2]
    assert [found[2]["TBCXZL"], found[4]["TBCXZL"]] == ["B", "A"]
    assert [found[3]["TBCXJG"], found[5]["TBCXJG"]] == ["1", "1"]
    for one in (found[2], found[4]):
        assert TIME.fullmatch(one["TBCXKSRQ"])
        assert (one["TBCXSX"], one["TBCXSXDW"]) == (10, "G")
        assert one["TBCXZLMC"] and one["TBCXPZR"] and one["TBCXQDLY"]
    assert found[6]["SPBZH"] == 3


def test_a_step_waits_for_the_receipt_of_the_one_before_and_is_sent_again(office: AmqpProgram) -> None:
    case = new_case()
    opened(office, case)
    _, first, one = feedback(office, case, answer=None)
    _, again, two = feedback(office, case, answer=None)
    assert first["SPBZH"] == again["SPBZH"] == 1
    assert (one.message_id, one.body) == (two.message_id, two.body)
    seals = [
        checked_header(got.headers["X-Gov-Signature"], got.body, office.certificate) for got in (one, two)
    ]
    assert seals[0]["nonce"] != seals[1]["nonce"]
    receipt(office, one.message_id or "")
    assert feedback(office, case)[1]["SPBZH"] == 2
    receipt(office, one.message_id or "")  # once more: nothing is doubled
    assert feedback(office, case)[1]["SPBZH"] == 3
    silent(office, case, 1.3)


def test_only_the_hubs_own_receipts_count(office: AmqpProgram) -> None:
    case, stranger = new_case(), Identity("stranger")
    opened(office, case)
    name = feedback(office, case, answer=None)[2].message_id or ""
    body = json.dumps({"message_id": name, "code": "0", "msg": ""}).encode()
    key = f"case.receipt.{USCC}"
    stale = office.hub.seal(body, exchange="gov.case", routing_key=key, iat=int(time.time()) - 400)
    for seal in (None, stranger.seal(body, exchange="gov.case", routing_key=key), stale):
        office.push(RECEIPT, "gov.case", key, body, case=None, seal=seal)
        assert until(lambda: office.side.get(DEAD)).headers["x-code"] == "60"
    for wrong in (
        {"message_id": name, "code": "0"},
        {"message_id": name, "code": 0, "msg": ""},
        [name],
        b"{",
    ):
        office.push(RECEIPT, "gov.case", key, wrong, case=None)
        assert until(lambda: office.side.get(DEAD)).headers["x-code"] == "70"
    assert feedback(office, case)[1]["SPBZH"] == 1  # still the first
    assert feedback(office, case)[1]["SPBZH"] == 2


def test_a_refused_step_ends_the_walk(office: AmqpProgram) -> None:
    case = new_case()
    opened(office, case)
    feedback(office, case, answer="70")
    silent(office, case, 1.3)
    assert office.admin("cases")[case] == {"3:1": {"state": "refused", "code": "70"}}


def test_the_same_push_twice_has_one_effect(office: AmqpProgram) -> None:
    case = new_case()
    name = send(office, "0", applied(case))
    first = office.next(ANSWERS).body
    send(office, "0", applied(case), message_id=name)
    assert office.next(ANSWERS).body == first
    assert code(office, "0", applied(case)) == "0"  # another id, the same object
    assert code(office, "0", applied(case) | {"SXMC": "别的"}, message_id=name) == "30"
    assert code(office, "0", applied(case) | {"SXMC": "别的"}) == "30"
    assert code(office, "0", applied(case) | {"SXMC": "别的", "SJBBH": 2}) == "0"
    send(office, "0", applied(case), message_id=name)
    assert office.next(ANSWERS).body == first
    mid = send(office, "2", accepted(case))
    send(office, "2", accepted(case), message_id=mid)
    assert [office.next(ANSWERS).json()["code"] for _ in range(2)] == ["0", "0"]
    steps_of(office, case, ["3", "3", "3"])
    silent(office, case, 1.3)


def test_a_refused_message_keeps_its_first_receipt(office: AmqpProgram) -> None:
    case = new_case()
    name = send(office, "2", accepted(case))  # object 0 has not come
    first = office.next(ANSWERS)
    assert first.json()["code"] == "70"
    assert code(office, "0", applied(case)) == "0"
    send(office, "2", accepted(case), message_id=name)
    assert office.next(ANSWERS).body == first.body
    assert code(office, "2", accepted(case)) == "0"


def test_fee_and_certificate_must_be_due(office: AmqpProgram) -> None:
    case = new_case()
    assert code(office, "0", applied(case)) == "0"
    assert code(office, "F", paid(case)) == code(office, "C", issued(case)) == "70"
    assert code(office, "2", accepted(case)) == "0"
    assert code(office, "F", paid(case)) == "70"  # no BZ 收费
    plain = new_case()
    opened(office, plain, PLAIN)
    assert code(office, "C", issued(plain) | {"SXBM": PLAIN}) == "70"
    assert code(office, "C", issued(case) | {"SXBM": PLAIN}) == "70"
    refused = new_case()
    assert code(office, "0", applied(refused)) == "0"
    assert code(office, "2", accepted(refused) | {"SLZTDM": "2", "BSLYY": "不属于本机关"}) == "0"
    assert office.admin("cases")[refused] == {}


@pytest.mark.parametrize(
    ("number", "change"),
    [
        ("0", {"SXMC": None}), ("0", {"SQRLX": "10"}), ("0", {"XZQHDM": "441403000000"}), ("0",
        {"TJFS": "0"}),
        ("0", {"SBSJ": "20261122T093000"}), ("0", {"SBSJ": "2026-11-31 09:30:00"}), ("0",
        {"SBCLQD": "申请书*1"}),
        ("0", {"SBCLQD": []}), ("0", {"SBCLQD": [{"CLMC": "a", "CLSL": "1", "SQFS": "1"}]}), ("0",
        {"BZ": ""}),
        ("0", {"SBCLQD": [{"CLMC": "a", "CLSL": 1}]}), ("0", {"SJBBH": "1"}), ("0", {"SJBBH": 10**30}),
        ("0", {"SJBBH": True}), ("0", {"LXRYX": None, "XYZ": "1"}), ("0", {"SQRZJLX": "110"}), ("0",
        {"YWLSH": None, "PDH": 7}),
        ("2", {"CNBLSX": "5"}), ("2", {"CNBLSXDW": "D"}), ("2", {"CXMM": "12"}), ("2", {"SLZTDM": "2"}),
        ("2", {"SLBMZZJDDM": "1"}), ("F", {"SFJE": "105"}), ("F", {"SFJE": 105}), ("F", {"BZ": "x"}), ("C",
        {"ZZBH": None}),
        ("C", {"YXQZ": "20311121"}), ("1", {}), ("9", {}), ("", {}),
    ],
)  # fmt: skip
def test_every_member_is_checked(office: AmqpProgram, number: str, change: dict[str, Any]) -> None:
    case = new_case()
    opened(office, case, fee=True)
    makers = {"2": accepted, "F": paid, "C": issued}
    value = makers.get(number, applied)(case) | change
    value = {name: one for name, one in value.items() if one is not None}
    if number in ("0", "2"):
        value |= {"SBLSH": case}
    assert code(office, number, value) == "70"


@pytest.mark.parametrize(
    "more",
    [{"headers": {"x-ver": "2"}}, {"case": "another"}, {"case": None}, {"content_type": "text/plain"}],
)
def test_properties_must_agree(office: AmqpProgram, more: dict[str, Any]) -> None:
    assert code(office, "0", applied(new_case()), **more) == "70"


def test_a_seal_that_does_not_hold_is_answered_and_dead(office: AmqpProgram) -> None:
    case, stranger, used = new_case(), Identity("stranger"), nonce()
    body, key = json.dumps(applied(case)).encode(), f"case.push.{USCC}.01"
    bound = {"exchange": "gov.case", "routing_key": key}
    more = {"case": case, "headers": {"x-ver": "1"}}
    for seal in (
        None, "a..b", office.hub.seal(body + b" ", **bound), stranger.seal(body, **bound),
        office.hub.seal(body, exchange="gov.case", routing_key="case.push.x"),
        office.hub.seal(body, **bound, status=200), office.hub.seal(body, **bound, crit=None),
        office.hub.seal(body, **bound, iat=int(time.time()) - 400),
    ):  # fmt: skip
        assert code(office, "0", body, seal=seal, **more) == "60"
        dead = until(lambda: office.side.get(DEAD))
        assert (dead.body, dead.headers["x-code"], dead.routing_key) == (body, "60", key)
    assert case not in office.admin("cases")
    name = send(office, "0", body, **more, nonce=used)
    assert office.next(ANSWERS).json()["code"] == "0"
    assert code(office, "2", accepted(case), nonce=used) == "60"
    # What was answered is answered again, however late it is delivered again.
    late = office.hub.seal(body, **bound, iat=int(time.time()) - 400)
    assert code(office, "0", body, **more, message_id=name, seal=late) == "0"


def test_a_message_nobody_can_answer_is_dead(office: AmqpProgram) -> None:
    for name in (None, "not-a-uuid"):
        send(office, "0", applied(new_case()), message_id=name)
        assert until(lambda: office.side.get(DEAD)).headers["x-code"] == "70"


def numbers(office: AmqpProgram, case: str) -> list[int]:
    """The steps of a case as they came; one whose receipt was late may come twice."""
    came = dict[int, None]()
    while len(came) < 3:
        came[feedback(office, case)[1]["SPBZH"]] = None
    return list(came)


def test_faults_of_the_feedback(office: AmqpProgram) -> None:
    office.arm(operation="feedback", fault="reorder")
    case = new_case()
    opened(office, case)
    assert (came := numbers(office, case))[0] == 2 and set(came) == {1, 2, 3}
    office.arm(operation="feedback", fault="duplicate_push")
    case = new_case()
    opened(office, case)
    one, two = feedback(office, case, answer=None)[2], feedback(office, case)[2]
    assert (one.message_id, one.body) == (two.message_id, two.body)
    steps_of(office, case, ["3", "3"])
    office.arm(operation="feedback", fault="null_text")
    case = new_case()
    opened(office, case)
    spoilt = next_of(office, case)
    assert spoilt.json()["SPYJ"] == "null"
    receipt(office, spoilt.message_id or "", "70")
    _, value, got = feedback(office, case)
    assert value["SPBZH"] == 1
    assert got.message_id != spoilt.message_id  # corrected, so another message
    steps_of(office, case, ["3", "3"])
    office.arm(operation="feedback", fault="version_gap")
    case = new_case()
    opened(office, case)
    assert feedback(office, case)[1]["SJBBH"] == 3
    steps_of(office, case, ["3", "3"])
    office.arm(operation="feedback", fault="bad_date_pattern")
    case = new_case()
    opened(office, case)
    assert re.fullmatch(r"\d{8}T\d{6}", next_of(office, case).json()["SPSJ"])
    assert office.arm(operation="feedback", fault="half_open").status_code == 422


def test_nothing_is_lost_or_doubled_when_it_is_killed(tmp_path: Path) -> None:
    program = AmqpProgram("department_a", tmp_path, QUEUES, **OWN | {"step_delay_ms": 50})
    cases = [new_case() for _ in range(5)]
    seen: dict[str, bytes] = {}
    with closing(program):
        for case in cases:
            send(program, "0", applied(case, PLAIN))
            send(program, "2", accepted(case, PLAIN))
        for round_ in range(3):  # answers four feedbacks, then the process dies
            for _ in range(4):
                got = program.next(FEEDBACK)
                receipt(program, got.message_id or "")
                assert seen.setdefault(got.message_id or "", got.body) == got.body
            program.end(signal.SIGKILL)
            program.start()
            assert round_ < 3

        def finished() -> bool:
            while got := program.side.get(FEEDBACK):
                assert seen.setdefault(got.message_id or "", got.body) == got.body
                receipt(program, got.message_id or "")
            states = [[one["state"] for one in steps.values()] for steps in program.admin("cases").values()]
            return len(states) == 5 and all(one == ["receipted"] * 4 for one in states)

        until(finished, 20)
        values = [json.loads(one) for one in seen.values()]
        assert len(values) == 20
        for case in cases:
            mine = [one for one in values if one["SBLSH"] == case]
            assert sorted(one.get("SPBZH", 4) for one in mine) == [1, 2, 3, 4]
        counts = program.admin("counts")
        assert (counts["received"], counts["sent"], counts["refused"], counts["undelivered"]) == (
            10,
            20,
            0,
            0,
        )
        assert program.end()[0] == 0


def test_it_speaks_over_rabbitmq(rabbit: RabbitNode, tmp_path: Path) -> None:
    side = RabbitSide(rabbit.url)
    program = AmqpProgram("department_a", tmp_path, QUEUES, side=side, url=rabbit.url, **OWN)
    with closing(program), closing(side):
        case = new_case()
        opened(program, case)
        steps_of(program, case, ["3", "3", "3"])
        assert code(program, "C", issued(case)) == "0"
        steps_of(program, case, ["4"])
        assert code(program, "0", applied(case), seal=None) == "60"
        assert until(lambda: side.get(DEAD)).headers["x-code"] == "60"
        assert program.end()[1] < 2
        side.delete(QUEUES)


def test_items_are_known_by_a_file_written_later(tmp_path: Path) -> None:
    own = {name: value for name, value in OWN.items() if name != "without_certificate"}
    program = AmqpProgram("department_a", tmp_path, QUEUES, **own, items_file="items.json")
    with closing(program):
        (tmp_path / "items.json").write_text(json.dumps([{"code": PLAIN, "result_kind": "none"}]))
        case = new_case()
        opened(program, case, PLAIN)
        steps_of(program, case, ["3", "3", "3", "4"])


def test_the_log_holds_no_personal_data(office: AmqpProgram) -> None:
    assert code(office, "0", applied(new_case()), message_id=uuid()) == "0"
    log = (office.folder / "state" / "department_a.log").read_text("utf-8")
    assert "started" in log
    assert "测试甲" not in log
    assert "441499" not in log

"""Department A that is pulled from, against adapters/department_a_pull/contract, as a process of its own."""

import hashlib
import json
import re
import signal
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2
import pytest

from exchange.app.rabbit import RabbitNode
from tests.mocks.amqpparty import USCC, AmqpProgram, case_number, nonce, uuid
from tests.mocks.busside import Got, Queues, RabbitSide
from tests.mocks.jsonparty import Identity, checked_header, until
from tests.mocks.test_department_a_mock import accepted, applied, issued, paid

EXCHANGE = "gov.case.pull"
IN, RECEIPT = f"dept.{USCC}.pull.in", f"dept.{USCC}.pull.receipt"
FEEDBACK, ANSWERS, DEAD = "hub.pull.feedback", "hub.pull.receipt", "gov.case.pull.dead"
QUEUES: Queues = [
    (IN, EXCHANGE, f"case.push.{USCC}.*", f"{EXCHANGE}.dlx"),
    (FEEDBACK, EXCHANGE, "case.feedback.#", f"{EXCHANGE}.dlx"),
    (ANSWERS, EXCHANGE, "case.receipt.hub.#", f"{EXCHANGE}.dlx"),
    (RECEIPT, EXCHANGE, f"case.receipt.{USCC}", f"{EXCHANGE}.dlx"),
    (DEAD, f"{EXCHANGE}.dlx", "#", None),
]
OWN: dict[str, Any] = {"uscc": USCC, "department_name": "示范局", "suspend_every": 7, "resend_seconds": 1}
GUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
SERIAL = iter(one for one in range(200, 100_000) if one % 7 and one % 11)


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AmqpProgram]:
    program = AmqpProgram("department_a_pull", tmp_path_factory.mktemp("pull"), QUEUES, **OWN)
    yield program
    program.close()


@pytest.fixture(autouse=True)
def _empty(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "office" in request.fixturenames:
        program = request.getfixturevalue("office")
        program.client.delete(program.url + "/admin/faults")
        with closing(program.side.db()) as db:
            db.execute("DELETE FROM message")


def new_case() -> str:
    return case_number(next(SERIAL))


def code(program: AmqpProgram, number: str, value: Any, key: str = "01", **more: Any) -> str:
    headers = {"x-obj": number, "x-ver": "1"}
    name = program.push(IN, EXCHANGE, f"case.push.{USCC}.{key}", value, headers=headers, **more)
    got = program.next(ANSWERS)
    assert (got.exchange, got.routing_key) == (EXCHANGE, f"case.receipt.hub.{USCC}")
    assert got.json().keys() == {"message_id", "code", "msg"}
    assert got.json()["message_id"] == name
    return str(got.json()["code"])


def opened(program: AmqpProgram, case: str, ends: str = "1", *, fee: bool = False) -> None:
    assert code(program, "0", applied(case)) == "0"
    assert code(program, "2", accepted(case, fee=fee) | {"SFCZ": ends}) == "0"


def receipt(program: AmqpProgram, got: Got, answer: str = "0") -> None:
    said = {"message_id": got.message_id, "code": answer, "msg": ""}
    program.push(RECEIPT, EXCHANGE, f"case.receipt.{USCC}", said, case=got.correlation_id)


def notice(program: AmqpProgram, case: str) -> tuple[str, Got]:
    """The guid of the next notice on a case; what it must look like is the contract's table."""
    while (got := program.next(FEEDBACK)).correlation_id != case:
        receipt(program, got)
    assert (got.exchange, got.routing_key) == (EXCHANGE, f"case.feedback.{USCC}")
    assert not {"x-obj", "x-ver"} & got.headers.keys()
    assert len(got.body) <= 200
    match = re.fullmatch(f'"SPECIAL@{case}\\.441403\\.({GUID})"', got.body.decode())
    assert match is not None
    return match[1], got


def pull(program: AmqpProgram, guid: str, **more: Any) -> httpx2.Response:
    return program.send("GET", f"/cases/{guid}", headers={}, **more)


def pulled(program: AmqpProgram, guid: str) -> dict[str, Any]:
    used = nonce()
    answer = pull(program, guid, nonce=used)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    value: dict[str, Any] = program.checked(answer, used)
    assert next(iter(value)) == "OBJ"
    return value


def steps_of(program: AmqpProgram, case: str, wanted: str) -> list[dict[str, Any]]:
    """Pulls and receipts as many objects as there are letters in `wanted`."""
    found = []
    for want in wanted:
        guid, got = notice(program, case)
        found.append(pulled(program, guid))
        assert found[-1]["OBJ"] == want
        assert (found[-1]["SBLSH"], found[-1]["XZQHDM"]) == (case, "441403")
        receipt(program, got)
    return found


def silent(program: AmqpProgram, case: str, seconds: float = 0.4) -> None:
    time.sleep(seconds)
    while got := program.side.get(FEEDBACK):
        assert got.correlation_id != case


def test_a_case_with_fee_and_certificate(office: AmqpProgram) -> None:
    case = new_case()
    opened(office, case, fee=True)
    steps = steps_of(office, case, "333")
    assert [one["SPBZH"] for one in steps] == [1, 2, 3]
    silent(office, case)
    assert code(office, "F", paid(case)) == "0"
    silent(office, case)
    assert code(office, "C", issued(case)) == "0"
    [last] = steps_of(office, case, "4")
    assert (last["BJJGDM"], last["ZJBH"], last["SFJE"]) == ("0", "粤梅2026000001", 105)


def test_sfcz_says_how_the_case_ends(office: AmqpProgram) -> None:
    case = new_case()
    opened(office, case, "0")
    *_, last = steps_of(office, case, "3334")
    assert last["BJJGDM"] == "6"
    assert code(office, "C", issued(case)) == "70"  # the item gives no certificate
    assert code(office, "0", applied(new := new_case())) == "0"
    assert code(office, "2", accepted(new)) == "70"  # SFCZ is required
    assert code(office, "2", accepted(new) | {"SFCZ": "2"}) == "70"
    assert code(office, "2", accepted(new) | {"SFCZ": 1}) == "70"
    assert code(office, "0", applied(new_case()) | {"SFCZ": "1"}) == "70"  # object 2 alone has it


def test_special_procedures_and_refusals_are_pulled_too(office: AmqpProgram) -> None:
    opened(office, case := case_number(7), "1")
    found = steps_of(office, case, "33563")
    assert [one.get("XH") for one in found] == [None, None, 1, 1, None]
    opened(office, case := case_number(22), "1")
    *_, decision, last = steps_of(office, case, "3334")
    assert (decision["SPHJZTDM"], last["BJJGDM"]) == ("3", "6")


def test_a_step_follows_the_receipt_of_the_one_before(office: AmqpProgram) -> None:
    case = new_case()
    opened(office, case, "0")
    guid, one = notice(office, case)
    pulled(office, guid)
    again, two = notice(office, case)  # no receipt: the same again
    assert (again, one.message_id, one.body) == (guid, two.message_id, two.body)
    receipt(office, two)
    assert pulled(office, notice(office, case)[0])["SPBZH"] == 2


def test_a_guid_never_changes_its_content(office: AmqpProgram) -> None:
    case = new_case()
    opened(office, case, "0")
    guid, _ = notice(office, case)
    one, two = pull(office, guid), pull(office, guid)
    assert one.content == two.content
    assert one.headers["X-Gov-Signature"] != two.headers["X-Gov-Signature"]
    assert office.admin("objects")[guid]["pulls"] == 2
    office.end(signal.SIGKILL)
    office.start()
    assert pull(office, guid).content == one.content


def test_no_such_object(office: AmqpProgram) -> None:
    for guid in (uuid(), "not-a-guid", uuid().upper()):
        used = nonce()
        answer = pull(office, guid, nonce=used)
        assert answer.status_code == 404
        office.checked(answer, used)


def test_a_seal_that_does_not_hold_is_answered_401_without_one(office: AmqpProgram) -> None:
    case, stranger = new_case(), Identity("stranger")
    opened(office, case, "0")
    guid, _ = notice(office, case)
    bound, used = {"method": "GET", "path": f"/cases/{guid}"}, nonce()
    for seal in (
        None, "x", stranger.seal(b"", **bound), office.hub.seal(b"x", **bound),
        office.hub.seal(b"", method="POST", path=bound["path"]),
        office.hub.seal(b"", method="GET", path=f"/cases/{uuid()}"),
        office.hub.seal(b"", **bound, iat=int(time.time()) - 400), office.hub.seal(b"", **bound, status=200),
    ):  # fmt: skip
        answer = pull(office, guid, seal=seal)
        assert answer.status_code == 401
        assert "X-Gov-Signature" not in answer.headers
    assert [pull(office, guid, nonce=used).status_code for _ in range(2)] == [200, 401]
    assert office.admin("objects")[guid]["pulls"] == 1


def test_a_withdrawn_object_is_gone_and_corrected_under_another_name(office: AmqpProgram) -> None:
    case = new_case()
    opened(office, case, "0")
    guid, one = notice(office, case)
    assert office.client.post(f"{office.url}/admin/withdraw", json={"guid": guid}).status_code == 200
    used = nonce()
    answer = pull(office, guid, nonce=used)
    assert answer.status_code == 410
    office.checked(answer, used)
    receipt(office, one, "70")
    other, two = notice(office, case)
    assert other != guid
    assert two.message_id != one.message_id
    assert pulled(office, other)["SPBZH"] == 1
    receipt(office, two)
    steps_of(office, case, "334")
    office.arm(operation="pull", fault="withdrawn")
    opened(office, case := new_case(), "0")
    guid, one = notice(office, case)
    assert [pull(office, guid).status_code for _ in range(2)] == [410, 410]
    receipt(office, one, "70")
    steps_of(office, case, "3334")
    assert office.client.post(f"{office.url}/admin/withdraw", json={"guid": uuid()}).status_code == 404


def test_a_refused_notice_ends_the_walk(office: AmqpProgram) -> None:
    case = new_case()
    opened(office, case, "0")
    guid, got = notice(office, case)
    pulled(office, guid)
    receipt(office, got, "70")
    silent(office, case, 1.3)
    assert office.admin("cases")[case] == {"3:1": {"state": "refused", "code": "70"}}


def test_the_routing_key_ends_with_an_item_type(office: AmqpProgram) -> None:
    assert [code(office, "0", applied(new_case()), key) for key in ("1", "x1", "09")] == ["70", "70", "0"]


def test_the_record(office: AmqpProgram) -> None:
    case = new_case()
    opened(office, case, "0")
    guid, got = notice(office, case)
    receipt(office, got)
    before = office.admin("counts")
    notice(office, case)
    rows = [row for row in office.admin("record") if row["case"] == case]
    sent = [row for row in rows if row["id"] == got.message_id and row["kind"] != "receipt"]
    digest = hashlib.sha256(f'"SPECIAL@{case}.441403.{guid}"'.encode()).hexdigest()
    assert [(row["direction"], row["kind"], row["sha256"], row["accepted"]) for row in sent] == [
        ("sent", "3:1", digest, True)
    ]
    kinds = [(row["direction"], row["kind"]) for row in rows]
    assert kinds.count(("sent", "receipt")) == 2  # for objects 0 and 2
    assert kinds.count(("received", "receipt")) == 1
    assert not [name for name in before["by_kind"] if "receipt" in name]


@pytest.mark.parametrize(
    ("fault", "seen"),
    [
        ("sig_bad", lambda answer: answer.status_code == 200),
        ("sig_expired", lambda answer: answer.status_code == 200),
        ("http500", lambda answer: answer.status_code == 500),
        ("rate_limit", lambda answer: answer.status_code == 429),
        ("maintenance", lambda answer: answer.status_code == 503),
        ("http200_error_body", lambda answer: "OBJ" not in answer.json()),
        ("truncate_800b", lambda answer: len(answer.content) <= 800),
        ("null_text", lambda answer: answer.json()["SPYJ"] == "null"),
        ("bom", lambda answer: answer.content.startswith(b"\xef\xbb\xbf")),
        ("bad_date_pattern", lambda answer: re.fullmatch(r"\d{8}T\d{6}", answer.json()["SPSJ"])),
        ("schema_new_field", lambda answer: "newField" in answer.json()),
        ("wrong_charset_label", lambda answer: "GBK" in answer.headers["content-type"]),
        ("gbk_body", lambda answer: "同意".encode("gb18030") in answer.content),
    ],
)
def test_faults_of_an_answer(office: AmqpProgram, fault: str, seen: Any) -> None:
    opened(office, case := new_case(), "0")
    guid, _ = notice(office, case)
    assert office.arm(operation="pull", fault=fault).status_code == 200
    answer = pull(office, guid)
    assert seen(answer)
    sealed = "X-Gov-Signature" in answer.headers
    if fault in ("sig_bad", "sig_expired"):
        with pytest.raises(Exception):  # noqa: B017  # joserfc's or the assertion on iat
            office.checked(answer)
    elif sealed:
        checked_header(answer.headers["X-Gov-Signature"], answer.content, office.certificate)
    assert sealed == (fault not in ("http500", "rate_limit", "maintenance"))
    pulled(office, guid)  # and then all is well


def test_an_object_spoilt_on_its_way_is_corrected(office: AmqpProgram) -> None:
    opened(office, case := new_case(), "0")
    for fault in ("null_text", "http200_error_body"):
        guid, got = notice(office, case)
        office.arm(operation="pull", fault=fault)
        assert pull(office, guid).status_code == 200
        receipt(office, got, "70")
    steps_of(office, case, "3334")
    row = next(row for row in office.admin("record") if row["id"] == got.message_id)
    assert (row["code"], row["accepted"]) == ("70", False)
    opened(office, case := new_case(), "0")
    for _ in range(5):  # never pulled, and refused each time: four corrections, then no more
        receipt(office, notice(office, case)[1], "70")
    silent(office, case, 1.3)


def test_a_dropped_answer(office: AmqpProgram) -> None:
    opened(office, case := new_case(), "0")
    guid, _ = notice(office, case)
    office.arm(operation="pull", fault="drop_before_reply")
    with pytest.raises(httpx2.HTTPError):
        pull(office, guid)
    pulled(office, guid)


def test_faults_of_the_notice(office: AmqpProgram) -> None:
    office.arm(operation="feedback", fault="reorder")
    opened(office, case := new_case(), "1")
    assert [one["SPBZH"] for one in steps_of(office, case, "333")] == [2, 3, 1]
    office.arm(operation="feedback", fault="null_text")
    opened(office, case := new_case(), "0")
    spoilt = until(lambda: next_null(office))
    receipt(office, spoilt, "70")
    guid, got = notice(office, case)  # corrected: another message, the same object
    assert got.message_id != spoilt.message_id
    assert pulled(office, guid)["SPBZH"] == 1
    office.arm(operation="feedback", fault="version_gap")
    opened(office, case := new_case(), "0")
    assert pulled(office, notice(office, case)[0])["SJBBH"] == 3
    assert office.arm(operation="feedback", fault="truncate_800b").status_code == 422


def next_null(program: AmqpProgram) -> Got | None:
    got = program.side.get(FEEDBACK)
    return got if got is not None and got.body == b'"null"' else None


def test_nothing_is_lost_or_doubled_when_it_is_killed(tmp_path: Path) -> None:
    program = AmqpProgram("department_a_pull", tmp_path, QUEUES, **OWN | {"step_delay_ms": 50})
    cases, seen = [new_case() for _ in range(3)], {}
    with closing(program):
        for case in cases:
            opened(program, case, "0")

        def work(count: int) -> None:
            while count and (got := program.side.get(FEEDBACK)):
                guid = json.loads(got.body).rpartition(".")[2]
                assert seen.setdefault(got.message_id, (guid, pulled(program, guid))) == (
                    guid,
                    pulled(program, guid),
                )
                receipt(program, got)
                count -= 1

        for _ in range(2):
            until(lambda: program.side.count(FEEDBACK))
            work(2)
            program.end(signal.SIGKILL)
            program.start()

        def finished() -> bool:
            work(100)
            states = [[one["state"] for one in steps.values()] for steps in program.admin("cases").values()]
            return states == [["receipted"] * 4] * 3

        until(finished, 15)
        assert sorted((value["SBLSH"], value.get("SPBZH", 4)) for _, value in seen.values()) == sorted(
            (case, step) for case in cases for step in (1, 2, 3, 4)
        )
        counts = program.admin("counts")
        assert (counts["received"], counts["sent"], counts["refused"]) == (6, 12, 0)
        assert program.end()[0] == 0


def test_it_speaks_over_rabbitmq(rabbit: RabbitNode, tmp_path: Path) -> None:
    side = RabbitSide(rabbit.url)
    program = AmqpProgram("department_a_pull", tmp_path, QUEUES, side=side, url=rabbit.url, **OWN)
    with closing(program), closing(side):
        opened(program, case := new_case(), "0")
        steps_of(program, case, "3334")
        assert code(program, "0", applied(case), seal=None) == "60"
        assert until(lambda: side.get(DEAD)).headers["x-code"] == "60"
        side.delete(QUEUES)

"""The faults of partners behind a queue, seen in the raw tables of the database queue."""

import json
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from exchange.app.rabbit import RabbitNode
from tests.mocks.amqpparty import AmqpProgram
from tests.mocks.busside import Got, RabbitSide
from tests.mocks.jsonparty import until
from tests.mocks.test_archives_mock import OWN as ARCHIVES_OWN
from tests.mocks.test_archives_mock import PackageServer, add, new_case, package, request
from tests.mocks.test_department_a_mock import (
    FEEDBACK,
    IN,
    OWN,
    QUEUES,
    applied,
    feedback,
    issued,
    next_of,
    opened,
    receipt,
    send,
    steps_of,
    told,
)
from tests.mocks.test_department_a_mock import new_case as department_case
from tests.mocks.test_faults_json import header
from tests.mocks.test_province_mock import QUEUES as PROVINCE_QUEUES
from tests.mocks.test_province_mock import applied as report
from tests.mocks.test_province_mock import kept
from tests.mocks.test_province_mock import new_case as province_case
from tests.mocks.test_province_mock import send as report_to
from tests.mocks.test_province_mock import told as reported

ARCHIVE_QUEUES = [("hub.archive.result", "gov.archive", "result.#", None)]


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AmqpProgram]:
    program = AmqpProgram("department_a", tmp_path_factory.mktemp("department"), QUEUES, **OWN)
    yield program
    program.close()


@pytest.fixture(scope="module")
def province(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AmqpProgram]:
    program = AmqpProgram("province", tmp_path_factory.mktemp("province"), PROVINCE_QUEUES)
    yield program
    program.close()


@pytest.fixture(autouse=True)
def calm(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    for name in {"office", "province"} & set(request.fixturenames):
        program = request.getfixturevalue(name)
        program.client.delete(f"{program.url}/admin/faults")
        with closing(program.side.db()) as db:
            db.execute("DELETE FROM message")


def arm(program: Any, operation: str, fault: str, **more: Any) -> None:
    answer = program.arm(operation=operation, fault=fault, **more)
    assert answer.status_code == 200, answer.text


def head(program: AmqpProgram, got: Got) -> dict[str, Any]:
    return header(program, got.headers["X-Gov-Signature"], got.body)


def test_in_a_maintenance_nothing_is_taken(office: AmqpProgram) -> None:
    arm(office, "push", "maintenance", until=1.5)
    case = department_case()
    send(office, "0", applied(case))
    time.sleep(0.8)
    assert (office.side.count(IN), case in office.admin("cases")) == (1, False)
    assert until(lambda: office.side.count(IN) == 0, 4)
    assert until(lambda: case in office.admin("cases"))


def test_half_open_takes_and_does_not_answer(office: AmqpProgram) -> None:
    arm(office, "push", "half_open", times=2)
    case, began = department_case(), time.monotonic()
    assert told(office, "0", applied(case))["code"] == "0"
    assert time.monotonic() - began >= 1.5  # offered again twice, a second apart
    assert office.admin("counts")["by_kind"]["received.0"] >= 1


def test_the_backlog_of_an_outage(tmp_path: Path) -> None:
    """Down: nothing is sent; afterwards it comes twice and out of order."""
    with closing(AmqpProgram("department_a", tmp_path, QUEUES, **OWN)) as office:
        outage(office)


def outage(office: AmqpProgram) -> None:
    after = [{"fault": "reorder", "times": 3}, {"fault": "duplicate_push", "times": 9}]
    arm(office, "feedback", "maintenance", until=2.0, then=after)
    began, cases = time.monotonic(), [department_case() for _ in range(3)]
    for case in cases:
        opened(office, case)
    first: list[Got] = []
    while len({got.correlation_id for got in first}) < 3:
        got = office.next(FEEDBACK)
        if got.json()["SPBZH"] == 1:
            first.append(got)
    assert time.monotonic() - began >= 1.8
    order = list(dict.fromkeys(got.correlation_id for got in first))
    assert order != cases
    assert len(first) > len({got.message_id for got in first})


def test_a_skewed_clock(office: AmqpProgram) -> None:
    arm(office, "push", "clock_skew_s")
    assert told(office, "0", applied(department_case()))["code"] == "60"
    arm(office, "receipt", "clock_skew_s", value=-90)
    send(office, "0", applied(department_case()))
    got = until(lambda: office.side.get("hub.case.receipt"))
    assert 85 <= time.time() - head(office, got)["iat"] <= 95


def test_contents(office: AmqpProgram) -> None:
    for fault in ("gbk_body", "schema_new_field", "bom", "wrong_charset_label"):
        arm(office, "feedback", fault)
        case = department_case()
        opened(office, case)
        got = next_of(office, case)
        assert head(office, got)["routing_key"] == got.routing_key
        if fault == "gbk_body":
            with pytest.raises(UnicodeDecodeError):
                got.body.decode("utf-8")
            assert json.loads(got.body.decode("gbk"))["SPHJMC"] == "承办"
        elif fault == "schema_new_field":
            assert got.json()["newField"] == "新增字段"
        elif fault == "bom":
            assert got.body.startswith(b"\xef\xbb\xbf{")
        else:
            assert got.content_type == "application/json; charset=GBK"
        receipt(office, got.message_id or "")
        steps_of(office, case, ["3", "3"])


def test_a_conclusion_without_its_certificate(office: AmqpProgram) -> None:
    arm(office, "feedback", "missing_attachment")
    case = department_case()
    opened(office, case)
    steps_of(office, case, ["3", "3", "3"])
    assert told(office, "C", issued(case))["code"] == "0"
    number, value, _ = feedback(office, case)
    assert (number, value["BJJGDM"]) == ("4", "0")
    assert {"ZJBH", "ZJGZMC", "ZJYXQX"}.isdisjoint(value)
    assert {"ZJBH", "ZJGZMC"} <= issued_conclusion(office).keys()


def issued_conclusion(office: AmqpProgram) -> dict[str, Any]:
    case = department_case()
    opened(office, case)
    steps_of(office, case, ["3", "3", "3"])
    assert told(office, "C", issued(case))["code"] == "0"
    return feedback(office, case)[1]


def test_the_province_refuses_rows(province: AmqpProgram) -> None:
    arm(province, "report", "partial_accept", value="SQRMC")
    case = province_case()
    said = reported(province, "0", report(case))
    assert (said["code"], [row["field"] for row in said["rowErrors"]]) == ("70", ["SQRMC"])
    assert kept(province, case) == []
    arm(province, "report", "version_gap")
    said = reported(province, "0", report(case))
    assert (said["code"], said["rowErrors"][0]["field"]) == ("10", "SJBBH")
    assert reported(province, "0", report(case))["code"] == "0"


def test_the_province_is_down(province: AmqpProgram) -> None:
    arm(province, "*", "maintenance", until=1.2)
    case = province_case()
    began = time.monotonic()
    assert reported(province, "0", report(case))["code"] == "0"
    assert time.monotonic() - began >= 1.0
    arm(province, "report", "half_open")
    began = time.monotonic()
    assert reported(province, "0", report(province_case()))["code"] == "0"
    assert time.monotonic() - began >= 0.9


def test_results_of_the_archives(tmp_path_factory: pytest.TempPathFactory) -> None:
    server = PackageServer()
    folder = tmp_path_factory.mktemp("archives")
    with closing(server), closing(
        AmqpProgram("archives", folder, ARCHIVE_QUEUES, **ARCHIVES_OWN)
    ) as archives:  # fmt: skip

        def asked() -> str:
            case = new_case()
            add(archives, request(server, case, package(archives, case)))
            return case

        arm(archives, "result", "maintenance", until=1.5)
        began, case = time.monotonic(), asked()
        got = archives.next("hub.archive.result")
        assert (got.correlation_id, time.monotonic() - began >= 1.3) == (case, True)
        arm(archives, "result", "drop_before_reply")
        lost = asked()
        until(
            lambda: [one for one in archives.admin("record") if one["code"] == "lost" and one["case"] == lost]
        )
        assert archives.side.count("hub.archive.result") == 0
        arm(archives, "result", "reorder")
        first, second = asked(), asked()
        order = [archives.next("hub.archive.result").correlation_id for _ in range(2)]
        assert order == [second, first]
        for fault, seen in (
            ("schema_new_field", lambda got: got.json()["newField"] == "新增字段"),
            ("null_text", lambda got: got.json()["retcode"] == "null"),
            ("truncate_800b", lambda got: len(got.body) <= 800),
        ):
            arm(archives, "result", fault)
            asked()
            assert seen(archives.next("hub.archive.result"))
        arm(archives, "result", "clock_skew_s", value=120)
        asked()
        got = until(lambda: archives.side.get("hub.archive.result"))
        assert 115 <= head(archives, got)["iat"] - time.time() <= 125


def test_in_a_maintenance_nothing_is_taken_from_rabbitmq(rabbit: RabbitNode, tmp_path: Path) -> None:
    side = RabbitSide(rabbit.url)
    program = AmqpProgram("province", tmp_path, PROVINCE_QUEUES, side=side, url=rabbit.url)
    with closing(program), closing(side):
        case = province_case()
        assert reported(program, "0", report(case))["code"] == "0"
        arm(program, "report", "maintenance", until=2.5)
        time.sleep(0.5)  # the consumer looks up five times a second
        began, cases = time.monotonic(), [province_case() for _ in range(2)]
        for one in cases:
            report_to(program, "0", report(one))
        time.sleep(1)
        assert [kept(program, one) for one in cases] == [[], []]
        for one in cases:
            until(lambda one=one: kept(program, one) == [("0", 0, 1)])
        assert time.monotonic() - began >= 1.5
        side.delete(PROVINCE_QUEUES)

"""`tongban mock` against a partner that really runs; what it armed is seen on the wire by another client."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from exchange.app.settings import Settings
from tests.mocks.jsonparty import Program

Tongban = Callable[..., Any]
BALANCE = "/sms/v1/balance"


@pytest.fixture(scope="module")
def sms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    program = Program("sms", tmp_path_factory.mktemp("sms"), b'{"code":0}')
    yield program
    program.close()


@pytest.fixture
def running(settings: Settings, sms: Program) -> Iterator[Program]:
    """The state directory of a demonstration in which sms runs and fees is gone."""
    (settings.state / "demo").mkdir(parents=True)
    ports = {"sms": httpx2.URL(sms.url).port, "fees": 9}
    (settings.state / "demo" / "ports.json").write_text(json.dumps(ports), "utf-8")
    yield sms
    sms.client.delete(f"{sms.url}/admin/faults")
    sms.client.post(f"{sms.url}/admin/clock", json={"offset_s": 0})


def statuses(program: Program, count: int) -> list[int]:
    return [program.send("GET", BALANCE).status_code for _ in range(count)]


def test_a_fault_is_armed_by_name(tongban: Tongban, running: Program) -> None:
    done = tongban("mock", "fault", "sms", "http500", "--operation", "balance", "--times", "2")
    assert (done.code, done.out, done.err) == (0, "sms: http500 armed\n", "")
    assert statuses(running, 3) == [500, 500, 200]


def test_every_option_reaches_the_partner(tongban: Tongban, running: Program) -> None:
    words = (
        "--operation",
        "report",
        "--probability",
        "0.5",
        "--value",
        "3",
        "--from",
        "10",
        "--until",
        "99.5",
    )
    assert tongban("mock", "fault", "sms", "duplicate_push", *words).code == 0
    (armed,) = running.admin("faults")["armed"]
    spans = [armed.pop(name) for name in ("from", "until")]
    assert armed == {
        "operation": "report", "fault": "duplicate_push", "times": None, "probability": 0.5, "value": 3
    }  # fmt: skip
    assert all(span.startswith("20") for span in spans)
    assert tongban("mock", "fault", "sms", "maintenance", "--value", "02:00-04:00").code == 0
    assert running.admin("faults")["armed"][1]["value"] == "02:00-04:00"


def test_a_fault_at_a_url(tongban: Tongban, sms: Program) -> None:
    done = tongban(
        "mock", "fault", "anybody", "maintenance", "--operation", "balance", "--url", sms.url + "/"
    )
    assert done.code == 0
    assert statuses(sms, 2) == [503, 200]


def test_clear_disarms_and_puts_the_clock_right(tongban: Tongban, running: Program) -> None:
    assert tongban("mock", "fault", "sms", "http500", "--probability", "1").code == 0
    assert tongban("mock", "clock", "sms", "4000").code == 0
    assert running.admin("clock")["offset_s"] == 4000
    assert statuses(running, 1) == [500]
    assert tongban("mock", "clear", "sms").code == 0
    assert statuses(running, 2) == [200, 200]
    assert running.admin("clock")["offset_s"] == 0


def test_a_clock_of_the_business_alone(tongban: Tongban, running: Program) -> None:
    assert tongban("mock", "clock", "sms", "-4000.5", "--business").code == 0
    said = running.admin("clock")
    assert (said["offset_s"], said["seals"]) == (-4000.5, False)
    assert statuses(running, 1) == [200]  # its seals are right


def test_what_can_go_wrong_is_listed(tongban: Tongban, running: Program) -> None:
    running.arm(operation="submit", fault="batch_limit", value=7)
    done = tongban("mock", "faults", "sms")
    assert done.code == 0
    table, armed = done.out.split("\narmed:\n")
    lines = {line.split()[0]: line for line in table.splitlines()}
    assert "submit" in lines["batch_limit"]
    assert "report" not in lines["batch_limit"]
    assert "at most VALUE entries" in lines["batch_limit"]
    assert armed.splitlines()[1].split() == ["submit", "batch_limit", "1", "7"]
    said = json.loads(tongban("mock", "faults", "sms", "--json").out)
    assert set(said) == {"armed", "supported", "meanings"}


def test_the_partners_are_listed_with_those_that_are_away(tongban: Tongban, running: Program) -> None:
    assert tongban("mock", "list").out.splitlines()[1].split()[::2] == ["fees", "away"]
    said = json.loads(tongban("mock", "list", "--json").out)
    assert [(one["partner"], one["state"], one["armed"]) for one in said] == [
        ("fees", "away", None),
        ("sms", "ready", 0),
    ]


def test_a_scenario_is_played(tongban: Tongban, running: Program) -> None:
    began = time.monotonic()
    done = tongban("mock", "play", "sms_reports_lost", "--scale", "0.02")
    assert done.code == 0
    assert time.monotonic() - began < 5
    lines = done.out.splitlines()
    assert "短信状态报告丢失" in lines[0]
    assert [line.split()[:2] for line in lines[1:]] == [["sms:", "done"]] * 4
    done = tongban("mock", "play", "fees_frozen", "--scale", "0.01")
    assert {line.split()[1] for line in done.out.splitlines()[1:]} == {"unreachable"}


REFUSED: dict[str, tuple[tuple[str, ...], str]] = {
    "partner": (("fault", "nobody", "bom"), "unknown_partner: there are: fees, sms (nobody)"),
    "fault": (("fault", "sms", "earthquake"), "refused: earthquake is not offered on *; supported: bad_date"),
    "operation": (
        ("fault", "sms", "bom", "--operation", "x"),
        "refused: no operation is called x; there are:",
    ),
    "value": (("fault", "sms", "delay_ms", "--value", "long"), "refused: value: a number from 0 to 600000"),
    "away": (("fault", "fees", "bom"), "unreachable: ConnectError (fees)"),
    "away when asked": (("faults", "fees"), "unreachable: ConnectError (fees)"),
    "no address": (("faults", "sms", "--url", "nonsense"), "unreachable:"),
    "scenario": (("play", "nowhere"), "unknown_scenario: there are: all, archive_interrupted"),
}


@pytest.mark.parametrize(("words", "line"), REFUSED.values(), ids=REFUSED.keys())
def test_refusals_are_one_coded_line(
    tongban: Tongban, running: Program, words: tuple[str, ...], line: str
) -> None:
    done = tongban("mock", *words)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith(f"tongban: {line}")
    assert done.err.count("\n") == 1
    assert running.admin("faults")["armed"] == []


def test_without_a_demonstration(tongban: Tongban, settings: Settings) -> None:
    done = tongban("mock", "list")
    assert done.code == 1
    assert done.err.startswith("tongban: no_demonstration: ")
    (settings.state / "demo").mkdir(parents=True)
    (settings.state / "demo" / "ports.json").write_text("{", "utf-8")
    assert tongban("mock", "list").code == 1


def test_another_server_is_no_partner(tongban: Tongban, running: Program, settings: Settings) -> None:
    port = httpx2.URL(running.stub.url).port  # answers 501 to GET
    Path(settings.state / "demo" / "ports.json").write_text(json.dumps({"sms": port}), "utf-8")
    assert tongban("mock", "faults", "sms").err.startswith("tongban: unreachable: no partner answers at")


@pytest.mark.parametrize(
    "words",
    [
        (), ("fault",), ("fault", "sms"), ("fault", "sms", "bom", "--times", "1", "--probability", "1"),
        ("fault", "sms", "bom", "--times", "x"), ("fault", "sms", "bom", "--probability", "nan"),
        ("clock", "sms", "soon"), ("play", "all", "--scale", "0"), ("dance",),
    ],
    ids=" ".join,
)  # fmt: skip
def test_asked_wrongly(tongban: Tongban, settings: Settings, words: tuple[str, ...]) -> None:
    done = tongban("mock", *words)
    assert (done.code, done.out) == (2, "")
    assert done.err.count("\n") == 1

"""The verdict, the JSON and what a person reads of them."""

import base64
import io
from dataclasses import replace

import pytest
from rich.cells import cell_len
from rich.console import Console

from exchange.adapterfolder import load_adapters
from exchange.app.demo.comparing import Difference, Outcome
from exchange.app.demo.hall import site
from exchange.app.demo.hall.running import Seen
from exchange.app.demo.layout import partners
from exchange.app.demo.result import Result
from exchange.app.demo.screen import Screen, View, frame, plain_line
from exchange.app.demo.watching import Progress
from ledger.report import Finding, Report

MEMBERS = partners(load_adapters())
GOOD = Result(
    MEMBERS, {one.name: Outcome(sent=3, received=2, receipts=1) for one in MEMBERS},
    {"archived": 4, "not_accepted": 1},
    5, 5, Report(77, bytes(range(32))), True, 4.0, 100, {"sms": 1}, {"hub": "http://127.0.0.1:1"},
)  # fmt: skip
MISSING = Finding("missing", "tile/0/000", "is not there")
DIFFERENCE = Difference("sms", "to", "u1", "the bytes differ: aa here, ab there")


def differing() -> Result:
    return replace(GOOD, outcomes={**GOOD.outcomes, "sms": Outcome(sent=3, differences=(DIFFERENCE,))})


FAULTY = {
    "1 messages differ": differing(),
    "the ledger is tampered": replace(GOOD, report=Report(77, bytes(32), (Finding("root", 3, "differs"),))),
    "the export is incomplete": replace(GOOD, exported=replace(GOOD.report, findings=(MISSING,))),
    "not at the ledger's root": replace(GOOD, exported=Report(76, bytes(32))),
    "unfinished after 5 s: 2 cases": replace(GOOD, unfinished="unfinished after 5 s: 2 cases"),
}  # fmt: skip


def shown(result: Result, width: int = 100) -> str:
    stream = io.StringIO()
    Screen(Console(file=stream, width=width, highlight=False)).summary(result)
    return stream.getvalue()


def test_a_run_that_holds() -> None:
    assert GOOD.problems() == []
    assert "通过 OK: 40 business messages agree on both sides" in shown(GOOD)


@pytest.mark.parametrize(("words", "result"), FAULTY.items(), ids=FAULTY.keys())
def test_what_does_not_hold_is_said_in_the_last_line(words: str, result: Result) -> None:
    assert any(words in problem for problem in result.problems())
    last = shown(result, 200).strip().splitlines()[-1]
    assert "不符 NOT OK" in last
    assert words in last
    assert result.as_json()["ok"] is False


def test_a_difference_is_listed_with_system_direction_and_id() -> None:
    assert "hub → sms u1: the bytes differ: aa here, ab there" in shown(differing(), 200)


def test_the_json_names_the_seven_systems_and_the_root_as_in_the_checkpoint() -> None:
    told = GOOD.as_json()
    numbers = ("01", "02", "03", "04", "05", "06", "14")
    assert told["systems"] == {f"SYS-{n}": {"sent": 3, "received": 2, "receipts": 1} for n in numbers}
    assert told["amqp"] == "rabbitmq"
    assert replace(GOOD, rabbit=False).as_json()["amqp"] == "database"
    assert told["ledger"] == {
        "size": 77, "root": base64.b64encode(bytes(range(32))).decode(), "verdict": "whole",
    }  # fmt: skip
    assert (told["seconds"], told["messages_per_second"]) == (4.0, 25.0)
    assert (told["refused"], told["differences"]) == (0, 0)
    assert told["urls"] == {"hub": "http://127.0.0.1:1"}


@pytest.mark.parametrize("width", [80, 100])
def test_every_figure_fits_the_terminal(width: int) -> None:
    text = shown(GOOD, width)
    assert "…" not in text
    assert max(map(cell_len, text.splitlines())) <= width
    for one in MEMBERS:
        assert one.title in text
        assert one.english in text
    assert GOOD.root in text


@pytest.mark.parametrize("width", [80, 100])
def test_the_live_view_fits_24_lines(width: int) -> None:
    now = Progress(
        500, {one.party: 1234 for one in MEMBERS}, {}, 3, 12, 7, 99_999, {"submitted": 5, "archived": 7}
    )
    view = View(MEMBERS, 100, 37, now, {"sms": 1}, 12.0, 250.0)
    stream = io.StringIO()
    Console(file=stream, width=width).print(frame(view))
    lines = stream.getvalue().splitlines()
    assert len(lines) < 24
    assert max(map(cell_len, lines)) <= width
    assert "37/100" in stream.getvalue()
    line = plain_line(view)
    assert "cases 37/100" in line
    assert "restarts 1" in line


def test_every_account_that_is_told_is_shown_with_its_role() -> None:
    stream = io.StringIO()
    seen = Seen(url="http://127.0.0.1:1/hall", password="once", accounts=site.accounts())
    Screen(Console(file=stream, width=80)).accounts(seen)
    assert [one.login for one in seen.accounts if f" {one.login} " not in stream.getvalue()] == []
    assert max(map(cell_len, stream.getvalue().splitlines())) <= 80

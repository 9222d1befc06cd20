"""`tongban catalogue` on a store whose imports went well, badly, and wait."""

import json
from typing import Any

import pytest

from exchange.app.cli import main
from tests.exchange.core.rig import Core, increment, service_item
from tests.exchange.core.test_catalogue import broken, code, current, gone, item, land, loaded, take

__all__ = ["land"]


@pytest.fixture
def held(land: Core, monkeypatch: pytest.MonkeyPatch) -> Core:
    """30 items in force; an import that adds one and withdraws ten waits."""
    monkeypatch.setenv("TONGBAN_STATE", str(land.settings.state))
    loaded(land, 30)
    take(land, increment(10, 11, [item(40)], [gone(n) for n in range(1, 11)]))
    return land


def said(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> Any:
    assert main(["catalogue", *words]) == code
    return json.loads(capsys.readouterr().out)


def test_the_status_shows_what_waits(held: Core, capsys: pytest.CaptureFixture[str]) -> None:
    status = said(capsys, "status", "--json", code=1)
    assert status["items"] == 32
    assert [(one["state"], one["reason"]) for one in status["imports"][:1]] == [
        ("held", "10 of 32 items in force would be withdrawn")
    ]
    assert main(["catalogue", "status"]) == 1
    assert "would be withdrawn" in capsys.readouterr().out


def test_the_difference_is_shown_before_and_after(held: Core, capsys: pytest.CaptureFixture[str]) -> None:
    before = said(capsys, "diff", "--json")
    assert before["difference"] == {"added": 1, "withdrawn": 10}
    assert {(row["effect"], row["item"]) for row in before["rows"]} == {
        ("added", code(40)), *(("withdrawn", code(n)) for n in range(1, 11)),
    }  # fmt: skip
    assert code(40) not in current(held)
    done = said(capsys, "apply", "--json")
    assert done["difference"] == {"added": 1, "withdrawn": 10}
    assert current(held)[code(40)] == (1, "in_use")
    after = said(capsys, "diff", "--json")
    assert (after["state"], {row["item"] for row in after["rows"]}) == (
        "applied",
        {row["item"] for row in before["rows"]},
    )
    assert said(capsys, "status", "--json")["imports"][0]["state"] == "applied"
    held.verified()


def test_a_held_import_can_be_turned_down_once(held: Core, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "discard", "--json")["done"] == "discard"
    assert (code(40) in current(held), current(held)[code(1)]) == (False, (1, "in_use"))
    assert main(["catalogue", "discard"]) == 1
    assert "not_held" in capsys.readouterr().err


def test_rows_that_could_not_be_read_are_listed(held: Core, capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys, "discard", "--json")
    take(held, increment(10, 11, [item(1, 2)], total=2), [broken(7)])
    status = said(capsys, "status", "--json")
    assert status["imports"][0]["reason"] == "applied with 1 row errors"
    assert [(row["item"], row["where"], row["code"]) for row in status["broken"]] == [
        (code(7), "LIST/ITEM[3]/TASK_NAME", "missing_field")
    ]


@pytest.mark.parametrize("words", [["catalogue"], ["catalogue", "fix"], ["catalogue", "diff", "x"]])
def test_a_wrong_call_is_told(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert capsys.readouterr().err


def test_without_an_import_there_is_no_difference(
    core: Core, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TONGBAN_STATE", str(core.settings.state))
    assert main(["catalogue", "diff", "99"]) == 1
    assert "no_import" in capsys.readouterr().err
    assert said(capsys, "worklist", "--json") == []
    assert service_item()["code"] in {row["item"] for row in said(capsys, "diff", "--json")["rows"]}

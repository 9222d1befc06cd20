"""Scenarios: the shipped ones are whole, a play keeps their times, and a real partner is told over HTTP."""

import importlib
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

from mocks import scenario
from mocks.scenario import ScenarioError, calm, load, names, parse, play, scaled, sender
from tests.mocks.jsonparty import Program, until

TEXTS = {"title": "甲", "english": "A", "shows": "a"}
SHIPPED = {
    "all", "archive_interrupted", "catalogue_gap", "certificates_pending_and_expired_url", "clock_drift",
    "department_c_night", "fees_frozen", "flaky_network", "gbk_mess", "maintenance_window",
    "province_row_errors", "sms_reports_lost",
}  # fmt: skip
HERE = ("archives", "catalogue", "certificates", "counter", "department_a", "fees", "province", "sms")
START = datetime(2026, 11, 20, 17, 59, 0, tzinfo=UTC).timestamp()  # 01:59 of the 21st in Beijing


class Time:
    """A clock that only waiting moves."""

    def __init__(self) -> None:
        self.now = START

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds


def step(**more: Any) -> dict[str, Any]:
    return {"at": 1, "partner": "sms", "fault": "http500"} | more


def played(steps: list[dict[str, Any]], **more: Any) -> tuple[list[tuple[float, str, Any]], Any]:
    """Seconds after the start, partner and action of each post, and what play returned."""
    time, heard = Time(), list[tuple[float, str, Any]]()

    def post(partner: str, action: Any) -> None:
        heard.append((time.now - START, partner, action))

    made = parse("x", {**TEXTS, "step": steps})
    return heard, play(made, post, clock=time.clock, sleep=time.sleep, **more)


def test_at_least_ten_scenarios_ship_and_each_can_be_read() -> None:
    assert set(names()) >= SHIPPED
    for name in names():
        found = load(name)
        assert found.name == name
        assert any("\u4e00" <= char <= "\u9fff" for char in found.title)
        assert found.english.isascii()
    assert load("all").steps == ()


@pytest.mark.parametrize("name", sorted(SHIPPED - {"all"}))
def test_what_a_scenario_asks_of_a_partner_the_partner_offers(name: str) -> None:
    for one in load(name).steps:
        for partner in set(one.partners) & set(HERE):
            tables = importlib.import_module(f"mocks.partners.{partner}").FAULTS
            operation, fault = str(one.action.get("operation", "*")), one.action.get("fault")
            assert operation == "*" or operation in tables, (partner, operation)
            offered = set().union(*tables.values()) if operation == "*" else tables[operation]
            assert fault is None or fault in offered, (partner, operation, fault)


def test_steps_are_done_in_time_whatever_their_order_in_the_file() -> None:
    heard, done = played([step(at=20), step(at=5, partner="fees"), step(at=5, clear=True, fault=None)][:2])
    assert heard == [(5, "fees", {"fault": "http500"}), (20, "sms", {"fault": "http500"})]
    assert [one.outcome for one in done] == ["done", "done"]


def test_a_play_is_scaled_with_its_relative_times() -> None:
    heard, _ = played(
        [step(at=20, until=10, then={"fault": "http500", "until": 4}), step(at=30, **{"from": 2})], scale=0.5
    )
    assert heard[0] == (10, "sms", {"fault": "http500", "until": 5, "then": {"fault": "http500", "until": 2}})
    assert heard[1] == (15, "sms", {"fault": "http500", "from": 1})
    later = {"fault": "x", "until": "2026-11-21T04:00:00+08:00"}
    assert scaled(later, 0.5) == later


def test_a_step_at_an_hour_waits_for_it_in_beijing() -> None:
    heard, _ = played([step(at="02:00"), step(at="01:00", partner="fees"), step(at="02:00:30")], scale=0.1)
    assert [(at, partner) for at, partner, _ in heard] == [(60, "sms"), (90, "sms"), (60 + 23 * 3600, "fees")]


def test_a_partners_business_clock_is_set_to_an_hour() -> None:
    quiet = {"at": 10, "partner": "sms", "clock_at": "02:00"}
    heard, _ = played([quiet, {**quiet, "at": 20, "clock_at": "04:00"}])
    assert heard == [
        (10, "sms", {"clock": {"offset_s": 50, "seals": False}}),
        (20, "sms", {"clock": {"offset_s": 2 * 3600 + 40, "seals": False}}),
    ]


def test_partners_that_do_not_take_part_are_skipped_and_reported() -> None:
    told: list[Any] = []
    heard, done = played([step(partner=["sms", "fees"])], partners=["fees", "archives"], tell=told.append)
    assert [partner for _, partner, _ in heard] == ["fees"]
    assert [(one.partner, one.outcome) for one in done] == [("sms", "skipped"), ("fees", "done")]
    assert told == list(done)


def test_everybody_is_everybody_of_the_run() -> None:
    heard, _ = played([step(partner="*")], partners=["sms", "fees"])
    assert [partner for _, partner, _ in heard] == ["fees", "sms"]


def test_a_refusal_ends_nothing() -> None:
    def post(partner: str, action: Any) -> None:
        if partner == "fees":
            raise ScenarioError("refused", "supported: ...", partner)

    made = parse("x", {**TEXTS, "step": [step(partner=["fees", "sms"])]})
    done = play(made, post, clock=Time().clock, sleep=lambda _: None)
    assert [(one.partner, one.outcome, one.detail) for one in done] == [
        ("fees", "refused", "supported: ..."),
        ("sms", "done", ""),
    ]


def test_a_play_stops_when_waiting_says_so() -> None:
    time, heard = Time(), list[Any]()
    made = parse("x", {**TEXTS, "step": [step(at=0), step(at=5)]})
    done = play(made, lambda *one: heard.append(one), clock=time.clock, sleep=lambda _: True)
    assert len(done) == len(heard) == 1
    stop = threading.Event()
    stop.set()
    assert play(made, lambda *one: None, sleep=stop.wait)[1:] == ()


WRONG: dict[str, tuple[Callable[[], Any], str]] = {
    "unknown key": (lambda: parse("x", {**TEXTS, "stps": []}), "scenario_invalid"),
    "no title": (lambda: parse("x", {"english": "A", "shows": "a"}), "scenario_invalid"),
    "no list": (lambda: parse("x", {**TEXTS, "step": {}}), "scenario_invalid"),
    "no place": (lambda: parse("x", {**TEXTS, "step": [step(at=None)]}), "scenario_invalid"),
    "true is no time": (lambda: parse("x", {**TEXTS, "step": [step(at=True)]}), "scenario_invalid"),
    "no hour": (lambda: parse("x", {**TEXTS, "step": [step(at="25:00")]}), "scenario_invalid"),
    "no partner": (lambda: parse("x", {**TEXTS, "step": [step(partner=[])]}), "scenario_invalid"),
    "a path for a partner": (
        lambda: parse("x", {**TEXTS, "step": [step(partner="../x")]}),
        "scenario_invalid",
    ),
    "unknown fault": (lambda: parse("x", {**TEXTS, "step": [step(fault="earthquake")]}), "bad_fault"),
    "unknown fault at the end": (
        lambda: parse("x", {**TEXTS, "step": [step(until=1, then={"fault": "y"})]}),
        "bad_fault",
    ),
    "bad window": (
        lambda: parse("x", {**TEXTS, "step": [step(fault="maintenance", value="2-4")]}),
        "bad_fault",
    ),
    "clear and fault": (lambda: parse("x", {**TEXTS, "step": [step(clear=True)]}), "scenario_invalid"),
    "no action": (lambda: parse("x", {**TEXTS, "step": [{"at": 1, "partner": "sms"}]}), "scenario_invalid"),
    "unknown name": (lambda: load("nowhere"), "unknown_scenario"),
    "outside": (lambda: load("../partners/certificate_types"), "unknown_scenario"),
}


@pytest.mark.parametrize(("make", "code"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_scenario_is_a_coded_error(make: Callable[[], Any], code: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        make()
    assert caught.value.code == code


def test_a_file_that_is_no_toml_is_a_coded_error(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_bytes(b"\xff title =")
    with pytest.raises(ScenarioError, match="scenario_unreadable"):
        load("x", tmp_path)


def test_a_real_partner_is_told_and_calmed(tmp_path: Path) -> None:
    program = Program("sms", tmp_path, b'{"code":0}')
    try:
        post = sender({"sms": program.url, "fees": "http://127.0.0.1:9"})
        made = parse("x", {**TEXTS, "step": [
            step(at=0, operation="balance", times=3), step(at=0, partner="fees"), step(at=0, partner="no"),
            step(at=0, fault="version_gap"),
            {"at": 0, "partner": "sms", "clock_offset_s": 90, "seals": False},
        ]})  # fmt: skip
        assert [one.outcome for one in play(made, post)] == [
            "done",
            "unreachable",
            "unknown_partner",
            "refused",
            "done",
        ]
        assert program.send("GET", "/sms/v1/balance").status_code == 500  # seen on the wire
        assert [one["times"] for one in program.admin("faults")["armed"]] == [2]
        assert program.admin("clock")["offset_s"] == 90
        calm(post, ["sms", "fees"])
        assert program.send("GET", "/sms/v1/balance").status_code == 200
        assert program.admin("clock")["offset_s"] == 0
    finally:
        program.close()


def test_the_night_of_a_department_on_a_real_partner(tmp_path: Path) -> None:
    """The steps of the shipped scenario, on a partner of another kind and with other times."""
    program = Program("sms", tmp_path, b'{"code":0}', report_delay_ms=0)
    try:
        night = load("department_c_night").steps
        post = sender({"sms": program.url})
        made = scenario.Scenario("x", "夜", "night", "", tuple(
            scenario.Step(at, ("sms",), one.action) for at, one in zip((0, 0, 1.5, 9, 9), night, strict=True)
        ))  # fmt: skip
        player = threading.Thread(target=play, args=(made, post))
        player.start()
        until(lambda: program.send("GET", "/sms/v1/balance").status_code == 503)
        until(lambda: program.send("GET", "/sms/v1/balance").status_code == 200)
        armed = until(lambda: [one["fault"] for one in program.admin("faults")["armed"]])
        assert sorted(armed) == ["duplicate_push", "maintenance", "reorder"]
        assert httpx2.delete(f"{program.url}/admin/faults").status_code == 200
        player.join(12)
        assert not player.is_alive()
    finally:
        program.close()

"""Due dates as messages move them; every date is a worked example of the time-limit rules, not our output."""

from datetime import datetime
from typing import Any

import pytest

from tests.exchange.core.rig import BEIJING, PLAIN_ITEM, Core, Story, case_number, day


def accepted(core: Core, on: str, days: int, promised: int | None = None) -> Story:
    """A case accepted on a local day with a limit in working days."""
    core.clock.to(day(on))
    story = Story(case_number(1), PLAIN_ITEM)
    core.ok("hall", "case.applied.v1", story.applied())
    core.ok("hall", "case.accepted.v1", story.accepted(day(on), days, promised))
    return story


def paused(core: Core, story: Story, number: int, start: str, end: str) -> None:
    core.clock.to(day(start))
    core.ok("hall", "case.special_started.v1", story.special(number, at=day(start)))
    assert core.state(story.no) == "suspended"
    core.clock.to(day(end).replace(hour=15))
    core.ok("hall", "case.special_finished.v1", story.special_over(number, at=day(end).replace(hour=15)))


@pytest.mark.parametrize(
    ("on", "days", "pauses", "due"),
    [
        pytest.param("2025-03-03", 5, [], "2025-03-10", id="E01"),
        pytest.param("2025-09-26", 10, [], "2025-10-16", id="E08"),
        pytest.param("2025-12-22", 10, [], "2026-01-06", id="E14"),
        pytest.param("2026-03-02", 10, [("2026-03-09", "2026-03-13")], "2026-03-20", id="E26"),
        pytest.param("2026-03-02", 10, [("2026-03-09", "2026-03-09")], "2026-03-16", id="E27"),
        pytest.param("2026-03-02", 10, [("2026-03-06", "2026-03-09")], "2026-03-17", id="E28"),
        pytest.param("2026-04-27", 10, [("2026-05-02", "2026-05-09")], "2026-05-18", id="E29"),
        pytest.param(
            "2026-03-02",
            20,
            [("2026-03-05", "2026-03-10"), ("2026-03-18", "2026-03-24")],
            "2026-04-09",
            id="E30",
        ),
        pytest.param("2026-03-02", 5, [("2026-03-06", "2026-03-20")], "2026-03-23", id="E32"),
        pytest.param("2026-03-02", 0, [], "2026-03-02", id="E33"),
    ],
)
def test_suspensions_move_the_due_dates(core: Core, on: str, days: int, pauses: Any, due: str) -> None:
    story = accepted(core, on, days)
    for number, (start, end) in enumerate(pauses, 1):
        paused(core, story, number, start, end)
    assert core.due(story.no) == {"statutory_due": due, "promised_due": due, "provisional": 0}
    assert core.state(story.no) == "accepted"
    core.verified()


def test_statutory_and_promised_limits_run_side_by_side(core: Core) -> None:
    story = accepted(core, "2026-03-02", 20, promised=7)
    assert core.due(story.no) == {
        "statutory_due": "2026-03-30",
        "promised_due": "2026-03-11",
        "provisional": 0,
    }


@pytest.mark.req("S3-39")
def test_an_extension_counts_from_its_approval(core: Core) -> None:
    story = accepted(core, "2025-03-17", 20)
    assert core.due(story.no)["statutory_due"] == "2025-04-15"
    core.clock.to(day("2025-04-14"))
    core.ok("hall", "case.special_started.v1", story.special(1, "extension", day("2025-04-14"), days=10))
    assert core.state(story.no) == "extension_pending"
    assert core.due(story.no)["statutory_due"] == "2025-04-15", "asked is not approved"
    core.clock.to(day("2025-04-18"))
    core.ok("hall", "case.special_finished.v1", story.special_over(1, at=day("2025-04-18")))
    assert core.due(story.no)["statutory_due"] == "2025-04-28"
    assert core.state(story.no) == "accepted"


def test_a_refused_extension_moves_nothing(core: Core) -> None:
    story = accepted(core, "2025-03-17", 20)
    core.ok("hall", "case.special_started.v1", story.special(1, "extension", day("2025-03-20"), days=10))
    core.ok("hall", "case.special_finished.v1", story.special_over(1, "refused", day("2025-03-21")))
    assert core.due(story.no)["statutory_due"] == "2025-04-15"


def test_a_resumption_that_overtakes_its_suspension_moves_the_same(core: Core) -> None:
    """E26 again: the finish is held until the start has come, the dates are those in the messages."""
    story = accepted(core, "2026-03-02", 10)
    core.clock.to(day("2026-03-13"))
    late = core.send("hall", "case.special_finished.v1", story.special_over(1, at=day("2026-03-13")))
    assert late.status == "held"
    core.ok("hall", "case.special_started.v1", story.special(1, at=day("2026-03-09")))
    assert core.state(story.no) == "accepted"
    assert core.due(story.no)["statutory_due"] == "2026-03-20"


def test_the_end_of_another_procedure_does_not_resume_the_clock(core: Core) -> None:
    """E30's second pause ends before it began: it is held until then, and the dates are E30's."""
    story = accepted(core, "2026-03-02", 20)
    core.clock.to(day("2026-03-05"))
    core.ok("hall", "case.special_started.v1", story.special(1, at=day("2026-03-05")))
    core.clock.to(day("2026-03-24"))
    early = core.send("hall", "case.special_finished.v1", story.special_over(2, at=day("2026-03-24")))
    assert (early.status, core.state(story.no)) == ("held", "suspended")
    core.ok("hall", "case.special_finished.v1", story.special_over(1, at=day("2026-03-10")))
    assert core.state(story.no) == "accepted"
    core.ok("hall", "case.special_started.v1", story.special(2, at=day("2026-03-18")))
    assert core.state(story.no) == "accepted"
    assert core.due(story.no)["statutory_due"] == "2026-04-09"
    core.verified()


def test_a_suspension_and_an_extension_add_up(core: Core) -> None:
    """E31's limit of 30 days from 2025-03-17 ends on 2025-04-28; one uncounted Thursday moves it a day."""
    story = accepted(core, "2025-03-17", 20)
    paused(core, story, 1, "2025-03-20", "2025-03-21")
    core.ok("hall", "case.special_started.v1", story.special(2, "extension", day("2025-03-24"), days=10))
    core.ok("hall", "case.special_finished.v1", story.special_over(2, at=day("2025-03-25")))
    assert core.due(story.no)["statutory_due"] == "2025-04-29"


def test_midnight_is_the_citys_not_greenwichs(core: Core) -> None:
    """Accepted at 23:59 on Friday 2025-03-07 and at 00:01 on Saturday differ: E02 and E03."""
    for serial, moment, days, due in (
        (1, datetime(2025, 3, 7, 23, 59, tzinfo=BEIJING), 1, "2025-03-10"),
        (2, datetime(2025, 3, 8, 0, 1, tzinfo=BEIJING), 5, "2025-03-14"),
    ):
        story = Story(case_number(serial), PLAIN_ITEM)
        core.clock.to(moment)
        core.ok("hall", "case.applied.v1", story.applied())
        core.ok("hall", "case.accepted.v1", story.accepted(moment, days))
        assert core.due(story.no)["statutory_due"] == due


def test_a_limit_reaching_into_an_unpublished_year_is_provisional(core: Core) -> None:
    """2027 is not published: weekdays alone count (1 January too) and the date is marked."""
    story = accepted(core, "2026-12-21", 20, promised=5)
    due = core.due(story.no)
    assert due == {"statutory_due": "2027-01-18", "promised_due": "2026-12-28", "provisional": 1}


def test_calendar_days_roll_over_a_holiday(core: Core) -> None:
    """2025-09-02 + 30 days is 2 October, inside the holiday: due 9 October."""
    core.clock.to(day("2025-09-02"))
    story = Story(case_number(1), PLAIN_ITEM)
    core.ok("hall", "case.applied.v1", story.applied())
    limit = {"count": 30, "unit": "calendar_day"}
    core.ok("hall", "case.accepted.v1", story.accepted(day("2025-09-02"), statutory_limit=limit))
    assert core.due(story.no)["statutory_due"] == "2025-10-09"


def test_an_extension_beyond_the_law_is_refused(core: Core) -> None:
    """C8: at most ten working days, and once."""
    story = accepted(core, "2025-03-17", 20)
    started = day("2025-03-24")
    too_long = core.send("hall", "case.special_started.v1", story.special(1, "extension", started, days=11))
    assert (too_long.status, too_long.code, core.state(story.no)) == ("refused", "bad_value", "accepted")
    core.ok("hall", "case.special_started.v1", story.special(2, "extension", started, days=10))
    core.ok("hall", "case.special_finished.v1", story.special_over(2, at=day("2025-03-25")))
    assert core.due(story.no)["statutory_due"] == "2025-04-28"
    again = core.send(
        "hall", "case.special_started.v1", story.special(3, "extension", day("2025-03-26"), days=1)
    )
    assert (again.status, again.code) == ("refused", "bad_value")


def test_a_time_from_the_future_counts_from_its_receipt_and_is_a_finding(core: Core) -> None:
    """C17: a sender's clock cannot start a limit before the message is there."""
    story = Story(case_number(9), PLAIN_ITEM)
    core.clock.to(day("2025-03-03"))
    core.ok("hall", "case.applied.v1", story.applied())
    core.ok("hall", "case.accepted.v1", story.accepted(day("2026-07-01"), 5))
    assert core.due(story.no)["statutory_due"] == "2025-03-10"
    assert ("logic", "ahead_of_receipt") in core.findings(story.no)

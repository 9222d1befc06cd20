"""Applications told on a later day, by a department that was cut off, and silence after the first answer."""

from datetime import date

import pytest

from hallservice.hall import Hall
from hallservice.supervision.scanning import scan
from tests.exchange.core.rig import ITEM, Core, Story, case_number
from tests.hallservice.supervision.watch import moment, mornings, staffed, told

NOTICE = "supplement_notice"
MONDAY = date(2026, 3, 16)


def iso(day: str) -> str:
    return moment(day).isoformat()


def told_on_monday(hub: Core, watch: Hall) -> Story:
    """A licence applied for on the 2nd, two weeks ago: the fifth day was the 9th."""
    scan(watch, date(2026, 3, 13))
    hub.clock.to(moment(MONDAY))
    story = Story(case_number(1), ITEM)
    hub.ok("hall", "case.applied.v1", story.applied(applied_at=iso("2026-03-02")))
    return story


@pytest.mark.req("R-04", "S0-37")
def test_what_was_answered_in_time_alarms_nobody_and_is_not_accepted_by_silence(
    hub: Core, watch: Hall
) -> None:
    staffed(watch)
    story = told_on_monday(hub, watch)
    scan(watch, MONDAY)  # between the two messages
    assert hub.state(story.no) == "submitted" and told(hub, story, NOTICE) == []
    hub.ok("hall", "case.accepted.v1", story.accepted(moment("2026-03-03"), 20))
    mornings(hub, watch, MONDAY, date(2026, 3, 18))
    assert told(hub, story, NOTICE) == []
    assert hub.value("SELECT count(*) FROM hall_lawful_default") == 0


@pytest.mark.req("R-04", "S0-37")
def test_what_was_never_answered_is_a_card_and_accepted_by_silence_the_next_morning(
    hub: Core, watch: Hall
) -> None:
    story = told_on_monday(hub, watch)
    scan(watch, MONDAY)
    assert told(hub, story, NOTICE) == []
    mornings(hub, watch, MONDAY, date(2026, 3, 17))
    cards = [("red", "2026-03-09", "2026-03-17"), ("yellow", "2026-03-09", "2026-03-17")]
    assert sorted(told(hub, story, NOTICE)) == cards  # raised in one moment
    assert hub.state(story.no) == "accepted"


@pytest.mark.req("R-04")
def test_silence_after_papers_were_brought_in_accepts_nothing(hub: Core, watch: Hall) -> None:
    """行政许可法 art. 32: silence where nothing was asked for; here the office had asked in time."""
    hub.clock.to(moment("2026-03-02"))
    story = Story(case_number(1), ITEM)
    hub.ok("hall", "case.applied.v1", story.applied(applied_at=iso("2026-03-02")))
    hub.ok(
        "hall", "case.supplement_noticed.v1", {**story.supplement_noticed(), "noticed_at": iso("2026-03-02")}
    )
    hub.clock.to(moment("2026-03-04"))
    hub.ok("hall", "case.supplemented.v1", {**story.supplemented(), "received_at": iso("2026-03-04")})
    mornings(hub, watch, date(2026, 3, 4), date(2026, 3, 20))
    assert [signal for signal, _, _ in told(hub, story, NOTICE)][-1] == "red"
    assert hub.state(story.no) != "accepted"
    assert hub.value("SELECT count(*) FROM hall_lawful_default") == 0

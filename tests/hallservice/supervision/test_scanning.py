"""The same history, looked at every morning, now and then, and at its events alone, leaves the same cards."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hallservice.hall import Hall
from tests.exchange.core.rig import PLAIN_ITEM, Core, Story, case_number, copy_of
from tests.hallservice.supervision.watch import moment, morning, watched

FIRST = date(2026, 1, 26)  # the spring festival and its worked Saturdays lie ahead
SPAN = 40
NUMBERS = count(1000)

Row = tuple[str, str, str, str]


@dataclass(frozen=True)
class History:
    """Days (from acceptance) of what happens in turn; `limit` in working days."""

    limit: int
    begins: int
    gaps: tuple[int, ...]
    conclude: bool


histories = st.builds(
    History,
    st.integers(0, 12),
    st.integers(0, 9),
    st.lists(st.integers(0, 6), max_size=6).map(tuple),
    st.booleans(),
)


def acts(story: Story, history: History) -> Iterator[tuple[date, str, object]]:
    """Accepted; then suspended and resumed in turn with one extension among them; perhaps concluded."""
    day = FIRST + timedelta(days=history.begins)
    yield day, "case.applied.v1", story.applied(applied_at=moment(day).isoformat())
    yield day, "case.accepted.v1", story.accepted(moment(day), history.limit, min(history.limit, 3))
    number, extended = 1, history.limit == 0
    pairs = zip(history.gaps[::2], history.gaps[1::2], strict=False)
    for turn, (wait, length) in enumerate(pairs):
        start = day + timedelta(days=wait)
        day = start + timedelta(days=length)
        kind = "extension" if turn == 1 and not extended else "other"
        extended = extended or kind == "extension"
        begun = story.special(number, kind, moment(start), days=3)
        yield start, "case.special_started.v1", begun
        yield day, "case.special_finished.v1", story.special_over(number, at=moment(day))
        number += 1
    if history.conclude:
        day += timedelta(days=4)
        yield day, "case.concluded.v1", story.concluded("voided", moment(day))


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory, hall_pattern: Core) -> Iterator[list[tuple[Core, Hall]]]:
    """Three hubs that are told the same and scanned differently."""
    cores = [copy_of(hall_pattern, tmp_path_factory.mktemp(f"way{n}")) for n in range(3)]
    yield [(core, watched(core)) for core in cores]
    for core in cores:
        core.hub.store.engine.dispose()


def play(core: Core, hall: Hall, story: Story, history: History, scanned: set[int]) -> list[Row]:
    """Cards at the end, after a last scan; each with the day it was owed on."""
    diary: dict[date, list[tuple[str, object]]] = {}
    for day, kind, payload in acts(story, history):
        diary.setdefault(day, []).append((kind, payload))
    for number in range(SPAN):
        today = FIRST + timedelta(days=number)
        if number in scanned or number == SPAN - 1:
            morning(core, hall, today)
        core.clock.to(moment(today))
        for kind, payload in diary.get(today, ()):
            core.ok("hall", kind, payload)
    rows = core.rows("SELECT clock, signal, due, day FROM hall_card WHERE case_no = :no", no=story.no)
    return sorted((row["clock"], row["day"], row["signal"], row["due"]) for row in rows)


def close(core: Core, story: Story) -> None:
    """So that the next history's scans find nothing of this one."""
    if core.state(story.no) != "concluded":
        at = moment(FIRST + timedelta(days=SPAN))
        core.clock.to(at)
        core.ok("hall", "case.concluded.v1", story.concluded("voided", at))


@pytest.mark.req("S3-65", "S3-75")
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(histories, st.sets(st.integers(0, SPAN - 1), max_size=6))
def test_daily_late_and_event_looks_raise_the_same_cards(
    three: list[tuple[Core, Hall]], history: History, late: set[int]
) -> None:
    story = Story(case_number(next(NUMBERS)), PLAIN_ITEM)
    ways = (set(range(SPAN)), late, set())
    daily, seldom, events = (
        play(core, hall, story, history, scanned) for (core, hall), scanned in zip(three, ways, strict=True)
    )
    for core, _ in three:
        close(core, story)
    assert seldom == daily
    assert events == daily

"""When a case has to have been accepted to be so late today."""

from datetime import date

import pytest

from canonical.calendar import shipped
from exchange.app.demo.hall.late import accepted_on


@pytest.mark.parametrize(
    ("day", "over", "since"),
    [
        ("2026-11-22", 3, "2026-11-10"),  # a Sunday: due on Tuesday the 17th
        ("2026-11-22", 1, "2026-11-12"),  # due on Thursday the 19th
        ("2026-11-22", -2, "2026-11-17"),  # due on Tuesday the 24th
        ("2026-10-08", 1, "2026-09-22"),  # due on Wednesday the 30th; the 25th and the national days are off
    ],
)
def test_five_working_days(day: str, over: int, since: str) -> None:
    assert accepted_on(5, over, date.fromisoformat(day), shipped()) == date.fromisoformat(since)

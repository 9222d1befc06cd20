"""Whole ways through the counter on a real hub."""

import pytest

from hallservice.counter import notices
from tests.hallservice.counter.counter import PLAIN, Desk


@pytest.mark.req("S0-14", "S0-55", "S0-60")
def test_the_straight_way_of_a_case_without_a_fee(desk: Desk) -> None:
    no = desk.decided(PLAIN)
    assert desk.stage(no) == ("decided", "certificate")
    desk.concluded(no)
    assert desk.stage(no) == ("concluded", "deliver")
    desk.collected(no)
    assert desk.stage(no) == ("delivered", "done")
    with desk.core.hub.store.read() as connection:
        kinds = [one.kind for one in notices.of_case(connection, no)]
    assert kinds == ["receiving", "acceptance", "conclusion", "decision", "delivery_receipt"] or sorted(
        kinds
    ) == sorted(["receiving", "acceptance", "conclusion", "decision", "delivery_receipt"])
    desk.core.verified()

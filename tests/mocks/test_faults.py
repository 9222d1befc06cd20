"""The switches themselves on a clock the test moves: spans, daily windows, what follows, what is refused."""

import importlib
from datetime import UTC, datetime
from typing import Any

import pytest

from mocks.partners.common.clock import OwnClock
from mocks.partners.common.faultform import MEANINGS, BadFault
from mocks.partners.common.faults import Faults

CONTRACT = {
    "delay_ms", "drop_before_reply", "half_open", "http500", "http200_error_body", "gbk_body", "bom",
    "wrong_charset_label", "cdata_in_cdata", "null_text", "bad_date_pattern", "clock_skew_s",
    "duplicate_push", "reorder", "missing_attachment", "truncate_800b", "sig_bad", "sig_expired",
    "maintenance", "batch_limit", "rate_limit", "partial_accept", "version_gap", "pagination_shift",
    "schema_new_field", "callback_before_reply",
}  # fmt: skip
PARTNERS = (
    "archives", "catalogue", "certificates", "counter", "department_a", "department_c", "department_d",
    "fees", "province", "sms",
)  # fmt: skip


class Hand:
    """A clock moved by hand; it starts at 01:59:00 in Beijing."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 20, 17, 59, tzinfo=UTC).timestamp()
        self.faults = Faults({"push": CONTRACT, "pull": {"bom"}}, 7, lambda: self.now)

    def arm(self, **raw: Any) -> None:
        self.faults.add({"operation": "push"} | raw)

    def acts(self, fault: str = "maintenance") -> bool:
        return self.faults.take("push", fault) is not None


@pytest.fixture
def hand() -> Hand:
    return Hand()


def test_every_fault_of_the_contracts_is_offered_by_a_partner() -> None:
    assert MEANINGS.keys() >= CONTRACT
    offered: set[str] = set()
    for name in PARTNERS:
        for faults in importlib.import_module(f"mocks.partners.{name}").FAULTS.values():
            offered |= faults
    assert offered >= CONTRACT
    assert offered <= MEANINGS.keys()


def test_a_switch_acts_once_if_nothing_else_is_said(hand: Hand) -> None:
    hand.arm(fault="bom")
    assert [hand.acts("bom") for _ in range(3)] == [True, False, False]
    hand.arm(fault="bom", times=2)
    assert [hand.acts("bom") for _ in range(3)] == [True, True, False]


def test_probability_is_a_share(hand: Hand) -> None:
    hand.arm(fault="bom", probability=0.25)
    assert 200 <= sum(hand.acts("bom") for _ in range(1000)) <= 300


def test_a_daily_window_in_beijing_time(hand: Hand) -> None:
    hand.arm(fault="maintenance", value="02:00-04:00")
    seen = []
    for seconds in (0, 59, 1, 7199, 1, 79_200, 1):  # 01:59, 01:59:59, 02:00, 03:59:59, 04:00, next 02:00
        hand.now += seconds
        seen.append(hand.acts())
    assert seen == [False, False, True, True, False, True, True]


def test_a_window_over_midnight(hand: Hand) -> None:
    hand.arm(fault="maintenance", value="23:00–02:00")
    assert hand.acts()  # 01:59
    hand.now += 60
    assert not hand.acts()
    hand.now += 21 * 3600
    assert hand.acts()


def test_what_follows_a_window_is_armed_at_each_end_even_if_nobody_asked_inside(hand: Hand) -> None:
    hand.arm(fault="maintenance", value="02:00-04:00", then=[{"fault": "reorder", "times": 2}])
    assert not hand.acts("reorder")
    hand.now += 3 * 3600
    assert [hand.acts("reorder") for _ in range(3)] == [True, True, False]
    hand.now += 86_400
    assert hand.acts("reorder")


def test_a_span_begins_and_ends_and_is_followed(hand: Hand) -> None:
    hand.arm(fault="maintenance", **{"from": 10}, until=20, then={"fault": "duplicate_push", "value": 3})
    assert not hand.acts()
    hand.now += 10
    assert hand.acts()
    assert hand.acts()  # always, while it lasts
    assert hand.faults.take("push", "duplicate_push") is None
    hand.now += 10
    assert not hand.acts()
    follower = hand.faults.take("push", "duplicate_push")
    assert follower is not None
    assert follower.number(1) == 3
    assert hand.faults.armed() == []


def test_a_span_of_iso_times(hand: Hand) -> None:
    hand.arm(fault="bom", **{"from": "2026-11-21T02:00:00+08:00"}, until="2026-11-20T20:00:00Z")
    assert not hand.acts("bom")
    hand.now += 60
    assert hand.acts("bom")
    hand.now += 7200
    assert not hand.acts("bom")


def test_what_follows_used_up_times(hand: Hand) -> None:
    hand.arm(fault="half_open", times=2, then={"fault": "bom"})
    assert hand.acts("half_open")
    assert not hand.acts("bom")
    assert hand.acts("half_open")
    assert hand.acts("bom")


def test_after_disarming_nothing_follows(hand: Hand) -> None:
    hand.arm(fault="maintenance", until=5, then={"fault": "bom"})
    hand.faults.clear()
    hand.now += 10
    assert not hand.acts("bom")


def test_held_back_messages_are_never_held_equally_long(hand: Hand) -> None:
    hand.arm(fault="reorder", times=50, value=10)
    late = [hand.faults.late("push") or 0 for _ in range(50)]
    assert hand.faults.late("push") is None
    assert len(set(late)) == 50
    assert all(5 <= one <= 10 for one in late)
    assert late[:2] == sorted(late[:2], reverse=True)  # the second overtakes the first


WRONG: list[Any] = [
    None, [], {"fault": 1}, {"fault": "bom", "operation": 1}, {"fault": "bom", "more": 1},
    {"fault": "earthquake"}, {"fault": "bom", "operation": "nothing"},
    {"fault": "maintenance", "operation": "pull"}, {"fault": "bom", "times": 0},
    {"fault": "bom", "times": 1.5},
    {"fault": "bom", "times": True}, {"fault": "bom", "probability": 1.1},
    {"fault": "bom", "times": 1, "probability": 1}, {"fault": "delay_ms", "value": "long"},
    {"fault": "delay_ms", "value": -1}, {"fault": "duplicate_push", "value": 0},
    {"fault": "clock_skew_s", "value": 1e9}, {"fault": "maintenance", "value": "02:00"},
    {"fault": "maintenance", "value": "24:00-04:00"}, {"fault": "maintenance", "value": "02:00-02:00"},
    {"fault": "maintenance", "value": 2}, {"fault": "bom", "value": []}, {"fault": "bom", "until": -1},
    {"fault": "bom", "until": "tomorrow"}, {"fault": "bom", "until": "2026-11-21T02:00:00"},
    {"fault": "bom", "until": "1999-01-01T00:00:00Z"}, {"fault": "bom", "from": 20, "until": 10},
    {"fault": "bom", "then": {"fault": "earthquake"}}, {"fault": "bom", "then": "bom"},
    {"fault": "bom", "then": {"fault": "bom", "then": {"fault": "bom"}}},
]  # fmt: skip


@pytest.mark.parametrize("raw", WRONG, ids=repr)
def test_a_switch_that_cannot_be_is_refused(hand: Hand, raw: Any) -> None:
    with pytest.raises(BadFault):
        hand.faults.add(raw)
    assert hand.faults.armed() == []


def test_a_clock_set_wrong_times_nothing_that_waits() -> None:
    clock = OwnClock(lambda: 1000.0)
    clock.shift(60, seals=False)
    assert (clock(), clock.seals(), clock.base()) == (1060, 1000, 1000)
    clock.shift(-60, seals=True)
    assert (clock(), clock.seals(), clock.base()) == (940, 940, 1000)

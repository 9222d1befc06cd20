"""Numbers of the statistics against a count made without a database, over cases of every kind."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from canonical.amounts import BEIJING
from hallservice.counter.tables import hall_case
from hallservice.hall import Hall
from hallservice.people.clerk import Clerk
from hallservice.refusals import HallRefused
from hallservice.statistics import behind, counting
from hallservice.statistics.counting import VIEW, Wanted
from tests.exchange.core.rig import Core, copy_of


@pytest.fixture
def hub(tmp_path: Path, hall_pattern: Core) -> Iterator[Core]:
    """One whose lists hold what a test puts there, and no cases behind it."""
    copy = copy_of(hall_pattern, tmp_path)
    yield copy
    copy.hub.store.engine.dispose()


People = Callable[[str], Clerk]
TODAY = date(2026, 6, 15)
STATES = (
    "submitted", "pre_supplement", "pre_refused", "pre_accepted", "received", "supplementing", "not_accepted",
    "accepted", "undertaking", "reviewing", "approving", "suspended", "extension_pending", "decided",
    "awaiting_payment", "certified", "concluded", "delivered", "archived",
)  # fmt: skip
ENDED = ("concluded", "delivered", "archived")
TURNED_AWAY = ("not_accepted", "pre_refused")
STANDING_STILL = ("suspended", "supplementing", "pre_supplement")
MEI, XIAN = "/4414/441402/", "/4414/441403/"
ORGS = {"U1": MEI + "a/", "U2": MEI + "b/", "U3": XIAN + "a/", "U4": ""}
SITES = ("", MEI + "441402-dt/", MEI + "441402102/", XIAN + "441403-dt/")


def made(seed: int, many: int) -> list[dict[str, Any]]:
    """Cases as they may stand, one of each thing that may be missing among them."""
    draw = random.Random(seed)

    def some_day(first: date, most: int) -> str:
        return (first + timedelta(days=draw.randrange(most))).isoformat()

    def one(number: int) -> dict[str, Any]:
        opened = date(2025, 11, 1) + timedelta(days=draw.randrange(226))
        state, site, org = draw.choice(STATES), draw.choice(SITES), draw.choice(list(ORGS))
        begun = STATES.index(state) >= STATES.index("accepted")
        return {
            "case_no": f"T{number:05}", "org": org, "org_path": ORGS[org], "site_path": site, "state": state,
            "region": draw.choice(("441402000000", "441403000000")), "item": draw.choice("ABC"),
            "channel": draw.choice(("window", "agent", "online")), "opened": opened.isoformat(),
            "hour": draw.choice((0, 7, 8, 23)),
            "accepted": some_day(opened, 3) if begun else None,
            "due": some_day(opened, 40) if begun and draw.random() < 0.9 else None,
            "ended": some_day(opened, 40) if state in ENDED and draw.random() < 0.95 else None,
            "rating": draw.randint(1, 5) if state in ENDED and draw.random() < 0.5 else None,
            "clerk": draw.choice(("S1", "S2")) if site else "",
            "window": draw.choice(("A01", "A02", None)) if site else None,
        }  # fmt: skip

    return [found | {"is": truths(found)} for found in map(one, range(many))]


def kept(hub: Core, cases: Sequence[Mapping[str, Any]]) -> None:
    rows = []
    for one in cases:
        at = datetime.fromisoformat(one["opened"]).replace(tzinfo=BEIJING, hour=one["hour"]).timestamp()
        same = {name: one[name] for name in ("case_no", "org", "org_path", "site_path", "region", "channel")}
        rows.append({
            **same, "version": 1, "item_code": one["item"], "item_name": f"事项{one['item']}",
            "opened_at": at, "applicant_masked": "陈*", "document_masked": "4***1", "name_hash": "n",
            "document_hash": "d", "received_at": at, "state": one["state"], "stage": "x",
            "promised_due": one["due"], "statutory_due": None, "updated_at": at, "window": one["window"],
            "clerk": "甲" if one["clerk"] else None, "staff_no": one["clerk"] or None,
            "accepted_on": one["accepted"], "ended_on": one["ended"], "rating": one["rating"],
        })  # fmt: skip
    with hub.hub.store.engine.begin() as connection:
        connection.execute(insert(hall_case), rows)


KEYS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "item": lambda one: one["item"], "org": lambda one: one["org"], "site": lambda one: one["site_path"],
    "clerk": lambda one: one["clerk"], "channel": lambda one: one["channel"],
    "state": lambda one: one["state"],
    "window": lambda one: f"{one['site_path']}#{one['window']}" if one["window"] else "",
    "region": lambda one: one["region"], "day": lambda one: one["opened"],
    "month": lambda one: one["opened"][:7], "year": lambda one: one["opened"][:4],
}  # fmt: skip


def truths(one: Mapping[str, Any]) -> dict[str, bool]:
    """What each number says of a case, in words of the page."""
    ended, due, done = one["ended"], one["due"], one["state"] in ENDED
    open_ = not done and one["state"] not in TURNED_AWAY
    still = one["state"] in STANDING_STILL
    said = {
        "opened": True,
        "accepted": one["accepted"],
        "refused": one["state"] in TURNED_AWAY,
        "open": open_,
        "overdue": open_ and not still and due and date.fromisoformat(due) < TODAY,
        "done": done,
        "in_time": done and due and ended and date.fromisoformat(ended) <= date.fromisoformat(due),
        "late": done and due and ended and date.fromisoformat(ended) > date.fromisoformat(due),
        "rated": one["rating"],
        "satisfied": one["rating"] and one["rating"] in (1, 2, 3),
    }
    return {name: bool(true) for name, true in said.items()}


MEASURES = (
    "opened",
    "accepted",
    "refused",
    "open",
    "overdue",
    "done",
    "in_time",
    "late",
    "rated",
    "satisfied",
)


def seen(one: Mapping[str, Any], top: str) -> bool:
    return one["org_path"].startswith(top) or one["site_path"].startswith(top)


def wanted_ones(cases: Sequence[Mapping[str, Any]], wanted: Wanted, top: str) -> list[Mapping[str, Any]]:
    sides = {name: getattr(wanted, name) for name in ("org", "site", "item", "clerk", "window", "channel",
             "state", "region")}  # fmt: skip
    return [
        one for one in cases
        if seen(one, top)
        and (wanted.since or "0") <= one["opened"] <= (wanted.until or "9")
        and one["opened"].startswith(wanted.period)
        and all(not said or KEYS[side](one) == ("" if said == "-" else said) for side, said in sides.items())
    ]  # fmt: skip


def drawn(draw: random.Random, cases: Sequence[Mapping[str, Any]]) -> Wanted:
    """Filters that meet something, most of the time."""
    one, said = draw.choice(cases), dict[str, str]()
    for side in draw.sample(("org", "site", "item", "clerk", "window", "channel", "state", "region"), 2):
        if draw.random() < 0.4:
            said[side] = KEYS[side](one) or "-"
    if draw.random() < 0.5:
        said |= {"since": "2025-12-15", "until": one["opened"]}
    if draw.random() < 0.3:
        said["period"] = one["opened"][: draw.choice((4, 7, 10))]
    return Wanted(**said)


@pytest.mark.req("R-07")
def test_every_number_is_that_of_an_independent_count(hall: Hall, hub: Core, clerk_as: People) -> None:
    cases, draw = made(20, 600), random.Random(7)
    kept(hub, cases)
    county = clerk_as("supervisor")
    tops = {MEI: county, "/4414/": replace(county, scopes={VIEW: ("/4414/",)})}
    for by in (*KEYS, *KEYS, *KEYS):
        top = draw.choice(list(tops))
        wanted = drawn(draw, cases) if draw.random() < 0.8 else Wanted()
        ones = wanted_ones(cases, wanted, top)
        found = hall.read(lambda c: counting.counted(c, tops[top], by, wanted, TODAY))  # noqa: B023 - called at once
        expected = dict[str, dict[str, int]]()
        for one in ones:
            numbers = expected.setdefault(KEYS[by](one), dict.fromkeys(MEASURES, 0))
            for name in MEASURES:
                numbers[name] += one["is"][name]
        assert {one.key: one.numbers for one in found} == expected, (by, wanted)
        assert counting.total(found).numbers["opened"] == len(ones)
        for group in draw.sample(found, min(2, len(found))):
            listed_as_counted(hall, tops[top], by, wanted, group, ones)


def listed_as_counted(
    hall: Hall,
    clerk: Clerk,
    by: str,
    wanted: Wanted,
    group: counting.Group,
    ones: Sequence[Mapping[str, Any]],
) -> None:
    """The list behind a number holds the very cases, page by page."""
    measure = max(MEASURES[1:], key=lambda name: group.numbers[name])
    narrowed = counting.narrowed(wanted, by, group.key)
    listed, after = list[str](), ""
    while True:
        page = hall.read(lambda c: behind.found(c, clerk, narrowed, measure, TODAY, after, 60))  # noqa: B023 - called at once
        listed += [row.case_no for row in page.rows]
        after = page.next
        if not after:
            break
    expected = {one["case_no"] for one in ones if KEYS[by](one) == group.key and one["is"][measure]}
    assert len(listed) == len(set(listed)) == group.numbers[measure]
    assert set(listed) == expected
    assert hall.read(lambda c: behind.number(c, clerk, narrowed, measure, TODAY)) == len(expected)


def test_hostile_addresses_end_in_our_own_words(hall: Hall, hub: Core, clerk_as: People) -> None:
    kept(hub, made(3, 20))
    clerk = clerk_as("supervisor")
    with pytest.raises(HallRefused) as wrong:
        hall.read(lambda c: behind.found(c, clerk, Wanted(), "x", TODAY))
    assert wrong.value.code == "unknown_measure"
    with pytest.raises(HallRefused) as wrong:
        hall.read(lambda c: behind.found(c, clerk, Wanted(), "opened", TODAY, "2026~"))  # no such key…
        hall.read(lambda c: behind.found(c, clerk, Wanted(), "opened", TODAY, "x~y"))
    assert wrong.value.code == "bad_page"
    odd = Wanted(item="'; DROP TABLE hall_case --", period="%", clerk="_")
    assert hall.read(lambda c: counting.counted(c, clerk, "item", odd, TODAY)) == []
    nobody = replace(clerk, scopes={})
    assert hall.read(lambda c: counting.counted(c, nobody, "item", Wanted(), TODAY)) == []
    other = replace(clerk, scopes={VIEW: (XIAN,)})
    named = hall.read(lambda c: behind.named(c, other, "clerk", ["S1", "S9"]))
    assert named["S9"] == "S9", "whom nobody here knows has no name"

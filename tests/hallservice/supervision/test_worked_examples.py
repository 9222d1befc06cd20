"""The worked examples of the time-limit rules, told to a hub by messages under a clock that goes day by day.

Every date is from the examples; `at` names what is done on which day, in the order it is done.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import pytest

from canonical.messages import CaseAccepted
from exchange.adapterfolder import load_adapters
from hallservice.counter import progress
from hallservice.hall import Hall
from tests.exchange.core.rig import ITEM, PLAIN_ITEM, Core, Story, case_number
from tests.hallservice.supervision.watch import moment, morning, told

Pauses = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Example:
    name: str
    accepted: str
    days: int
    due: str
    warning: str
    yellow: str
    red: str
    pauses: Pauses = ()


def e(name: str, *facts: str, pauses: Pauses = ()) -> Example:
    accepted, days, due, warning, yellow, red = facts
    return Example(name, accepted, int(days), due, warning, yellow, red, pauses)


EXAMPLES = [
    e("E01", "2025-03-03", "5", "2025-03-10", "2025-03-06", "2025-03-11", "2025-03-12"),
    e("E02", "2025-03-07", "1", "2025-03-10", "2025-03-07", "2025-03-11", "2025-03-12"),
    e("E03", "2025-03-08", "5", "2025-03-14", "2025-03-12", "2025-03-17", "2025-03-18"),
    e("E04", "2025-03-17", "20", "2025-04-15", "2025-04-11", "2025-04-16", "2025-04-17"),
    e("E05", "2025-04-21", "15", "2025-05-14", "2025-05-12", "2025-05-15", "2025-05-16"),
    e("E06", "2025-04-27", "3", "2025-04-30", "2025-04-28", "2025-05-06", "2025-05-07"),
    e("E07", "2025-05-28", "5", "2025-06-05", "2025-06-03", "2025-06-06", "2025-06-09"),
    e("E08", "2025-09-26", "10", "2025-10-16", "2025-10-14", "2025-10-17", "2025-10-20"),
    e("E09", "2025-09-28", "3", "2025-10-09", "2025-09-29", "2025-10-10", "2025-10-11"),
    e("E10", "2025-10-03", "3", "2025-10-11", "2025-10-09", "2025-10-13", "2025-10-14"),
    e("E11", "2025-10-09", "2", "2025-10-11", "2025-10-09", "2025-10-13", "2025-10-14"),
    e("E12", "2025-01-24", "5", "2025-02-07", "2025-02-05", "2025-02-08", "2025-02-10"),
    e("E13", "2025-01-26", "3", "2025-02-06", "2025-01-27", "2025-02-07", "2025-02-08"),
    e("E14", "2025-12-22", "10", "2026-01-06", "2026-01-04", "2026-01-07", "2026-01-08"),
    e("E15", "2025-12-31", "2", "2026-01-05", "2025-12-31", "2026-01-06", "2026-01-07"),
    e("E16", "2026-02-09", "20", "2026-03-13", "2026-03-11", "2026-03-16", "2026-03-17"),
    e("E17", "2026-02-14", "5", "2026-02-28", "2026-02-26", "2026-03-02", "2026-03-03"),
    e("E18", "2026-02-25", "4", "2026-03-02", "2026-02-27", "2026-03-03", "2026-03-04"),
    e("E19", "2026-04-01", "5", "2026-04-09", "2026-04-07", "2026-04-10", "2026-04-13"),
    e("E20", "2026-04-29", "5", "2026-05-09", "2026-05-07", "2026-05-11", "2026-05-12"),
    e("E21", "2026-06-17", "3", "2026-06-23", "2026-06-18", "2026-06-24", "2026-06-25"),
    e("E22", "2026-09-18", "7", "2026-09-29", "2026-09-24", "2026-09-30", "2026-10-08"),
    e("E23", "2026-09-30", "3", "2026-10-10", "2026-10-08", "2026-10-12", "2026-10-13"),
    e("E24", "2026-08-03", "45", "2026-10-10", "2026-10-08", "2026-10-12", "2026-10-13"),
    e("E34", "2026-03-02", "2", "2026-03-04", "2026-03-02", "2026-03-05", "2026-03-06"),
    e("E35", "2026-09-24", "1", "2026-09-28", "2026-09-24", "2026-09-29", "2026-09-30"),
    e("E26", "2026-03-02", "10", "2026-03-20", "2026-03-18", "2026-03-23", "2026-03-24",
      pauses=(("2026-03-09", "2026-03-13"),)),
    e("E27", "2026-03-02", "10", "2026-03-16", "2026-03-12", "2026-03-17", "2026-03-18",
      pauses=(("2026-03-09", "2026-03-09"),)),
    e("E28", "2026-03-02", "10", "2026-03-17", "2026-03-13", "2026-03-18", "2026-03-19",
      pauses=(("2026-03-06", "2026-03-09"),)),
    e("E29", "2026-04-27", "10", "2026-05-18", "2026-05-14", "2026-05-19", "2026-05-20",
      pauses=(("2026-05-02", "2026-05-09"),)),
    e("E30", "2026-03-02", "20", "2026-04-09", "2026-04-07", "2026-04-10", "2026-04-13",
      pauses=(("2026-03-05", "2026-03-10"), ("2026-03-18", "2026-03-24"))),
]  # fmt: skip
BY_NAME = {one.name: one for one in EXAMPLES}
OTHERS = ("E25", "E31", "E32", "E33", "E36", "E37", "E38", "E39")
NUMBER = {name: 100 + n for n, name in enumerate([*BY_NAME, *OTHERS])}


def story(name: str) -> Story:
    return Story(case_number(NUMBER[name]), ITEM if name in ("E36", "E38") else PLAIN_ITEM)


@dataclass(frozen=True)
class Act:
    day: str
    kind: str
    payload: Mapping[str, object]


def diary() -> Iterator[Act]:
    """What happens to every example."""
    for one in EXAMPLES:
        yield from _accepted(one.name, one.accepted, one.days)
        for number, (start, end) in enumerate(one.pauses, 1):
            yield from _paused(one.name, number, start, end)
    yield from _accepted("E25", "2026-08-03", 45)
    yield from _extended("E25", "2026-09-01", "2026-09-04", 15)
    yield from _accepted("E31", "2025-03-17", 20)
    yield from _extended("E31", "2025-03-20", "2025-03-21", 10)
    yield from _accepted("E32", "2026-03-02", 5)
    yield from _paused("E32", 1, "2026-03-06", "2026-03-20")
    yield from _accepted("E33", "2026-03-02", 0)
    yield _applied("E36", "2026-02-11")
    yield from _accepted("E37", "2026-03-02", 20, promised=7)
    yield from _accepted("E38", "2026-09-01", 60)
    for number in (1, 2, 3):
        yield Act("2026-09-28", "case.step.v1", story("E38").step(number, at=moment("2026-09-28")))
    yield from _accepted("E39", "2025-03-17", 20)
    yield from _extended("E39", "2025-04-14", "2025-04-18", 10)


def _applied(name: str, day: str) -> Act:
    return Act(day, "case.applied.v1", story(name).applied(applied_at=moment(day).isoformat()))


def _accepted(name: str, day: str, days: int, promised: int | None = None) -> Iterator[Act]:
    yield _applied(name, day)
    yield Act(day, "case.accepted.v1", story(name).accepted(moment(day), days, promised))


def _paused(name: str, number: int, start: str, end: str) -> Iterator[Act]:
    begun = story(name).special(number, at=moment(start), days=60)
    yield Act(start, "case.special_started.v1", begun)
    over = story(name).special_over(number, at=moment(end))
    yield Act(end, "case.special_finished.v1", over)


def _extended(name: str, asked: str, approved: str, days: int) -> Iterator[Act]:
    ask = story(name).special(1, "extension", moment(asked), days=days)
    yield Act(asked, "case.special_started.v1", ask)
    yield Act(approved, "case.special_finished.v1", story(name).special_over(1, at=moment(approved)))


@pytest.fixture(scope="module")
def played(shared: tuple[Core, Hall]) -> Core:
    """All of it, from January 2025 to November 2026: each day the scan first, then what is done that day."""
    core, hall = shared
    acts: dict[str, list[Act]] = {}
    for act in diary():
        acts.setdefault(act.day, []).append(act)
    day, last = date(2025, 1, 20), date(2026, 11, 6)
    while day <= last:
        morning(core, hall, day)
        core.clock.to(moment(day))
        for act in acts.get(day.isoformat(), ()):
            core.ok("hall", act.kind, act.payload)
        day += timedelta(days=1)
    return core


@pytest.mark.req("S0-37", "S0-40", "S0-42", "S0-43", "S0-44", "S3-38", "S3-65", "S3-75", "S0-41")
@pytest.mark.parametrize("one", EXAMPLES, ids=list(BY_NAME))
def test_a_case_that_is_never_concluded_gets_each_signal_once_on_its_day(played: Core, one: Example) -> None:
    assert told(played, story(one.name)) == [
        ("warning", one.due, one.warning),
        ("due_today", one.due, one.due),
        ("yellow", one.due, one.yellow),
        ("red", one.due, one.red),
    ]


@pytest.mark.req("S3-39")
@pytest.mark.parametrize(
    ("name", "due", "warning", "yellow", "red"),
    [
        ("E25", "2026-10-30", "2026-10-28", "2026-11-02", "2026-11-03"),
        ("E31", "2025-04-28", "2025-04-25", "2025-04-29", "2025-04-30"),
    ],
)
def test_an_extension_approved_in_time_moves_everything(
    played: Core, name: str, due: str, warning: str, yellow: str, red: str
) -> None:
    days = [("warning", warning), ("due_today", due), ("yellow", yellow), ("red", red)]
    assert told(played, story(name)) == [(signal, due, day) for signal, day in days]


@pytest.mark.req("S3-39", "S0-43", "S0-44")
def test_e39_cards_raised_before_a_late_extension_stay(played: Core) -> None:
    assert told(played, story("E39")) == [
        ("warning", "2025-04-15", "2025-04-11"),
        ("due_today", "2025-04-15", "2025-04-15"),
        ("yellow", "2025-04-15", "2025-04-16"),
        ("red", "2025-04-15", "2025-04-17"),
        ("warning", "2025-04-28", "2025-04-25"),
        ("due_today", "2025-04-28", "2025-04-28"),
        ("yellow", "2025-04-28", "2025-04-29"),
        ("red", "2025-04-28", "2025-04-30"),
    ]


@pytest.mark.req("S3-38")
def test_e32_one_warning_before_the_suspension_and_one_at_once_after_it(played: Core) -> None:
    assert told(played, story("E32")) == [
        ("warning", "2026-03-09", "2026-03-05"),
        ("warning", "2026-03-23", "2026-03-20"),
        ("due_today", "2026-03-23", "2026-03-23"),
        ("yellow", "2026-03-23", "2026-03-24"),
        ("red", "2026-03-23", "2026-03-25"),
    ]


@pytest.mark.req("S0-40")
def test_e33_an_instant_item_is_due_on_the_day_it_is_accepted(played: Core) -> None:
    assert told(played, story("E33")) == [
        ("due_today", "2026-03-02", "2026-03-02"),
        ("yellow", "2026-03-02", "2026-03-03"),
        ("red", "2026-03-02", "2026-03-04"),
    ]


@pytest.mark.req("R-04", "S0-37")
def test_e36_silence_accepts_as_of_the_receipt_and_is_a_card_itself(played: Core) -> None:
    mine = story("E36")
    due = "2026-02-25"
    notice = [("warning", due, "2026-02-13"), ("due_today", due, due), ("yellow", due, "2026-02-26")]
    assert told(played, mine, "supplement_notice")[1:] == notice[1:]
    assert played.state(mine.no) == "accepted"
    assert played.due(mine.no)["statutory_due"] == "2026-03-17"
    assert told(played, mine) == [
        ("warning", "2026-03-17", "2026-03-13"),
        ("due_today", "2026-03-17", "2026-03-17"),
        ("yellow", "2026-03-17", "2026-03-18"),
        ("red", "2026-03-17", "2026-03-19"),
    ]
    row = played.rows("SELECT * FROM hall_lawful_default WHERE case_no = :no", no=mine.no)[0]
    assert (row["policy"], row["day"]) == ("DEEM_ACCEPTED", "2026-02-11")
    assert "第三十二条" in row["basis"]
    act = json.loads(played.value("SELECT body FROM act WHERE entry = :seq", seq=row["entry"]))
    assert act["basis"] == row["basis"], "the ledger's line commits to the basis"
    assert ("time", "deemed_accepted") in played.findings(mine.no)


@pytest.mark.req("R-04", "S0-66")
def test_e36_the_deemed_acceptance_is_told_to_everybody_it_concerns(played: Core) -> None:
    """The province gets object 2 as of the lawful day; the applicant reads it in progress and message."""
    no = story("E36").no
    facts = json.loads(played.value("SELECT facts FROM case_record WHERE case_no = :no", no=no))
    assert facts["deemed_accepted"] is True
    (said,) = [
        json.loads(row["canonical"])
        for row in played.rows(
            "SELECT canonical FROM document WHERE case_no = :no AND type = 'case.accepted.v1'", no=no
        )
    ]
    basis = "《中华人民共和国行政许可法》第三十二条第一款第四项"
    assert (said["deemed_basis"], said["decided_at"][:10]) == (basis, "2026-02-11")
    mapping = load_adapters()["provincial_reporting"].mappings["accepted"]
    payload = CaseAccepted.model_validate(said)
    context = {"case_no": no, "has_fee": False}
    told_up = json.loads(mapping.write(mapping.say(payload, context)))
    assert told_up["SLZTDM"] == "1" and told_up["SLSJ"].startswith("20260211")
    assert (told_up["BLRGH"], told_up["BZ"]) == ("system", f"视为受理：{basis}")
    with played.hub.store.read() as connection:
        (mark,) = [one for one in progress.course(connection, no) if one.what == "受理"]
    assert mark.said == "期限内未告知补正，依法视为受理（自2026-02-11起）"
    rows = played.rows(
        "SELECT canonical FROM document WHERE case_no = :no AND type = 'sms.requested.v1'", no=no
    )
    (message,) = [row["canonical"] for row in rows if "视为受理" in row["canonical"]]
    assert json.loads(message)["template"] == "deemed"


@pytest.mark.req("S3-65")
def test_e37_a_broken_promise_is_a_finding_and_cards_go_by_the_law(played: Core) -> None:
    mine = story("E37")
    assert told(played, mine, "promised")[-1] == ("breach", "2026-03-11", "2026-03-12")
    assert ("time", "promise_breach") in played.findings(mine.no)
    assert [(signal, day) for signal, _, day in told(played, mine)] == [
        ("warning", "2026-03-26"),
        ("due_today", "2026-03-30"),
        ("yellow", "2026-03-31"),
        ("red", "2026-04-01"),
    ]
    assert played.value(
        "SELECT count(*) FROM hall_card WHERE case_no = :no AND clock = 'promised' AND colour <> 'none'",
        no=mine.no,
    ) == 0  # fmt: skip


def test_e38_a_licence_is_issued_within_ten_days_of_its_decision(played: Core) -> None:
    assert told(played, story("E38"), "service") == [
        ("warning", "2026-10-16", "2026-10-14"),
        ("due_today", "2026-10-16", "2026-10-16"),
        ("yellow", "2026-10-16", "2026-10-19"),
        ("red", "2026-10-16", "2026-10-20"),
    ]


def test_every_card_stands_in_the_ledger(played: Core) -> None:
    orphans = (
        "SELECT count(*) FROM hall_card c LEFT JOIN ledger_entry e ON e.seq = c.entry WHERE e.seq IS NULL"
    )
    assert played.value("SELECT count(*) FROM hall_card") > 150
    assert played.value(orphans) == 0
    played.verified()

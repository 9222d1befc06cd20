"""What a scan of 30,000 open cases costs, beside reading the rows it is about.

Run: python benchmarks/bench_cards.py [--cases 30000] [--rounds 5] [--quick] [--output FILE]
Each case has a statutory and a promised clock; a fifth were suspended, limits are 20 to 60 working days.
*whole* counts every clock again, as after a new calendar; *day* is a morning's scan, which raises what is
owed; *idle* is a scan with nothing due. The ratio is to reading every open clock once in the same round.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import delete, func, insert, select

sys.path.insert(0, str(Path(__file__).resolve().parent))
import rig

from canonical.calendar import shipped
from canonical.counting import Suspension
from canonical.timelimit import Limit
from canonical.values import RegionCode, make_case_number
from exchange.app.opening import open_store
from exchange.app.serving import build_hub
from exchange.app.settings import load_settings
from exchange.store.tables import case_record
from exchange.store.work import Work
from hallservice.hall import Hall
from hallservice.supervision.limits import Facts, Reckoner, Rules
from hallservice.supervision.scanning import scan
from hallservice.supervision.tables import card, clock, looked

FIRST, TODAY = date(2026, 2, 2), date(2026, 3, 2)
REGION, ORG, ITEM = RegionCode("441402000000"), "114414020072081005", "1144140200720810054440125105000"
BATCH = 2_000
AT = 1_772_400_000.0  # Unix seconds


def case(number: int) -> dict[str, Any]:
    no = str(make_case_number(REGION, FIRST, "2", number))
    application = {"item_name": "食品经营许可", "summary": "测试" * 40, "materials": ["材料"] * 8}
    facts = {"state": "accepted", "back_to": None}
    return {
        "case_no": no, "state": "accepted", "facts": facts, "item_code": ITEM, "item_version": 1, "org": ORG,
        "region": str(REGION), "has_fee": False, "gives_certificate": True, "origin": "hall",
        "application": application, "acceptance": {"officer": {}}, "clock": {}, "provisional": False,
        "opened_at": AT, "changed_at": AT,
    }  # fmt: skip


def clocks(number: int, reckoner: Reckoner) -> Iterator[dict[str, Any]]:
    """As a look on the day before TODAY left them."""
    since = FIRST + timedelta(days=number % 28)
    start = since + timedelta(days=number % 7)
    pause = (Suspension(start, start + timedelta(days=3)),) if number % 5 == 0 else ()
    by_law = 20 + number % 41
    for name, days in (("statutory", by_law), ("promised", by_law - 5)):
        facts = Facts(name, since, Limit(days), pause)
        course, before = reckoner.course(facts, Rules()), TODAY - timedelta(days=1)
        following = course.next_after(before)
        yield {
            "case_no": case(number)["case_no"], "clock": name, "region": str(REGION), "unit": "working_day",
            "since": since.isoformat(), "count": days, "extension": 0, "extended_on": None, "concluded": None,
            "suspensions": [[p.start.isoformat(), p.end and p.end.isoformat()] for p in pause],
            "due": course.due and course.due.isoformat(), "provisional": course.provisional,
            "next_day": following and following.isoformat(), "looked": before.isoformat(),
        }  # fmt: skip


def fill(hall: Hall, cases: int) -> None:
    reckoner = Reckoner(shipped())
    for first in range(0, cases, BATCH):
        numbers = range(first, min(first + BATCH, cases))

        def act(work: Work, numbers: range = numbers) -> None:
            work.connection.execute(insert(case_record), [case(n) for n in numbers])
            work.connection.execute(insert(clock), [row for n in numbers for row in clocks(n, reckoner)])

        hall.write(act)


def timed(act: Callable[[], Any]) -> tuple[float, Any]:
    begun = time.perf_counter()
    found = act()
    return time.perf_counter() - begun, found


def read(hall: Hall) -> int:
    return len(hall.read(lambda connection: connection.execute(select(clock)).all()))


def forget_calendar(hall: Hall) -> None:
    """As if the calendar of the last scan had been another."""
    hall.write(lambda work: work.connection.execute(delete(looked)).rowcount)


def measure(hall: Hall, rounds: int) -> dict[str, Any]:
    """The first scan catches up whatever is owed of the past; then rounds of a day each."""
    begun, first = timed(lambda: scan(hall, TODAY))
    lines: dict[str, list[tuple[float, float]]] = {"whole": [], "day": [], "idle": []}
    raised, today = 0, TODAY
    for _ in range(rounds):
        today += timedelta(days=1)
        base, _ = timed(lambda: read(hall))
        took, report = timed(lambda day=today: scan(hall, day))
        raised += sum(report.raised.values())
        lines["day"].append((took, took / base))
        took, _ = timed(lambda day=today: scan(hall, day))
        lines["idle"].append((took, took / base))
        forget_calendar(hall)
        took, _ = timed(lambda day=today: scan(hall, day))
        lines["whole"].append((took, took / base))
    cards = hall.read(
        lambda connection: connection.execute(select(func.count()).select_from(card)).scalar_one()
    )
    found = {
        name: [statistics.median(one) for one in zip(*pairs, strict=True)] for name, pairs in lines.items()
    }
    return {
        "cards": cards, "first_s": begun, "first_raised": sum(first.raised.values()),
        "raised_a_day": raised / rounds,
        **{f"{name}_s": s for name, (s, _) in found.items()},
        **{f"{name}_ratio": ratio for name, (_, ratio) in found.items()},
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=30_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="600 cases, one round: shows that it works")
    parser.add_argument("--output", type=Path, default=rig.RESULTS)
    asked = parser.parse_args()
    cases, rounds = (600, 1) if asked.quick else (asked.cases, asked.rounds)
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings(environ={"TONGBAN_STATE": folder})
        store = open_store(settings)
        store.clock = lambda: AT
        hall = Hall(build_hub(settings, store))
        fill(hall, cases)
        found = measure(hall, rounds)
        store.engine.dispose()
    report(cases, found)
    rig.keep(asked.output, "cards", {"quick": asked.quick, "cases": cases, **found})


def report(cases: int, found: dict[str, Any]) -> None:
    print(f"{cases} open cases, {2 * cases} clocks; {found['raised_a_day']:.0f} signals raised a day")
    print(f"first scan: {found['first_s']:.2f} s for {found['first_raised']} signals")
    for name in ("day", "idle", "whole"):
        print(f"{name:6} {found[f'{name}_s']:7.3f} s   {found[f'{name}_ratio']:6.2f} times reading the rows")


if __name__ == "__main__":
    main()

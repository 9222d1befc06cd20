"""Why a limit ends on the day it ends: counted day by day, in words a clerk can read to an applicant."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Connection, select

from canonical.calendar import Calendar
from canonical.counting import Counting
from canonical.timelimit import Unit
from exchange import calendars
from exchange.store.tables import case_record
from hallservice.counter.tables import hall_case
from hallservice.people.clerk import Clerk
from hallservice.refusals import HallRefused
from hallservice.supervision import cards, roster, store
from hallservice.supervision.limits import Course, Facts, Reckoner
from hallservice.supervision.tables import call, card, default
from hallservice.supervision.thresholds import Rulebook, rulebook
from hallservice.supervision.words import CLOCKS, STARTS, clock_name, day_name, full_day, limit_name

SATURDAY = 5
MOST_LINES = 180
AFTER = 14  # days shown past the due date at most


@dataclass(frozen=True, slots=True)
class Line:
    """One day: its number where it counts, and why."""

    day: date
    number: int | None
    said: str
    kind: str = ""  # due, over, paused, rest


@dataclass(frozen=True, slots=True)
class Explained:
    """One clock of a case."""

    clock: str
    name: str
    facts: Facts
    due: date | None
    provisional: bool
    left: int | None  # counted days that remain; negative: over
    said: tuple[str, ...]
    lines: tuple[Line, ...]
    cut: bool  # too long to be shown whole


@dataclass(frozen=True, slots=True)
class CaseClocks:
    """Every clock of a case and what was told of them."""

    case_no: str
    item_name: str
    state: str
    clocks: tuple[Explained, ...]
    told: tuple[Any, ...]
    defaults: tuple[Any, ...]  # what silence did by law


def of_case(connection: Connection, clerk: Clerk, case_no: str, today: date) -> CaseClocks:
    """HallRefused not_found, also for a case the clerk may not see."""
    case = connection.execute(select(case_record).where(case_record.c.case_no == case_no)).first()
    if case is None or not _may_see(connection, clerk, case):
        raise HallRefused("not_found", "没有这个办件，或者不在您的查看范围内", case_no)
    reckoner, rules = Reckoner(calendars.loaded(connection)), rulebook(connection)
    rows = sorted(store.of_case(connection, case_no), key=_order)
    clocks = tuple(explained(store.facts_of(row), reckoner, rules, row.region, today) for row in rows)
    told = tuple(cards.of_case(connection, case_no))
    fired = connection.execute(
        select(default).where(default.c.case_no == case_no, default.c.policy != "NONE")
    )
    return CaseClocks(case_no, case.application["item_name"], case.state, clocks, told, tuple(fired))


def _order(row: Any) -> tuple[bool, int, str]:
    """Those that run, in the order of CLOCKS, before those that have ended."""
    return row.concluded is not None, list(CLOCKS).index(store.facts_of(row).name), row.since


def _may_see(connection: Connection, clerk: Clerk, case: Any) -> bool:
    """Where the case is handled or was received, and whoever was told a card of it."""
    row = connection.execute(select(hall_case.c.site_path).where(hall_case.c.case_no == case.case_no)).first()
    paths = [roster.place_of(connection, case.org, case.region).path, *([row.site_path] if row else [])]
    if any(clerk.may(function, path) for function in ("case.view", cards.VIEW) for path in paths if path):
        return True
    mine = select(call.c.id).join(card, card.c.id == call.c.card)
    told = mine.where(card.c.case_no == case.case_no, call.c.user == clerk.user).limit(1)
    return connection.execute(told).first() is not None


def explained(facts: Facts, reckoner: Reckoner, rules: Rulebook, region: str, today: date) -> Explained:
    """One clock in words; `today` numbers the days over."""
    course, own = reckoner.course(facts, rules.of(region)), reckoner.calendar
    counting = Counting(own, facts.suspensions if facts.limit.unit is Unit.WORKING_DAY else ())
    lines = _lines(facts, course, counting, today)
    shown = tuple(lines[:MOST_LINES])
    left = None
    if course.due is not None and facts.concluded is None:
        left = counting.between(today, course.due) or -counting.between(course.due, today)
    said = tuple(_sentences(facts, course, counting, own))
    return Explained(
        facts.clock, clock_name(facts.clock), facts, course.due, course.provisional, left, said, shown,
        len(lines) > len(shown),
    )  # fmt: skip


def _sentences(facts: Facts, course: Course, counting: Counting, calendar: Calendar) -> Iterator[str]:
    begins = STARTS[facts.name]
    yield f"{full_day(facts.since)}{begins}，{clock_name(facts.clock)}为 {limit_name(facts.limit)}。"
    if facts.limit.count:
        following = facts.since + timedelta(days=1)
        first = counting.nth_after(facts.since, 1) if facts.limit.unit is Unit.WORKING_DAY else following
        yield f"当日不计入，自{day_name(first)}起算。"
    if facts.extension:
        extension = facts.extension
        yield f"经批准延长 {extension.days} 个工作日，自{day_name(extension.approved)}批准之日起生效。"
    for pause in facts.suspensions:
        end = f"至{day_name(pause.end)}恢复" if pause.end else "起中止，尚未恢复"
        yield f"{day_name(pause.start)}{end}，中止期间不计入，恢复当日计入。"
    if course.due is None:
        yield "时限中止中，届满日在恢复后确定。"
        return
    yield from _end(facts, course, counting, calendar)


def _end(facts: Facts, course: Course, counting: Counting, calendar: Calendar) -> Iterator[str]:
    if course.due is None:
        return
    due = full_day(course.due)
    if facts.limit.unit is Unit.WORKING_DAY and facts.limit.count:
        number = counting.between(facts.since, course.due)
        yield f"第 {number} 个工作日是{due}，即届满日，当日 24 时前办结为按时。"
    else:
        yield f"届满日是{due}，当日 24 时前办结为按时；最后一天是休息日的，顺延到休息日后的第一个工作日。"
    if course.provisional:
        missing = [
            str(year)
            for year in range(facts.since.year, course.due.year + 1)
            if not calendar.is_published(year)
        ]
        yield f"{'、'.join(missing)} 年节假日安排尚未公布，届满日为暂定，公布后重新计算。"
    if facts.concluded is not None:
        yield f"{full_day(facts.concluded)}计时结束。"


def _lines(facts: Facts, course: Course, counting: Counting, today: date) -> list[Line]:
    last = facts.concluded or today
    if course.due is not None:
        last = min(max(course.due, last), course.due + timedelta(days=AFTER))
    number, found = 0, [Line(facts.since, None, f"{STARTS[facts.name]}当日，不计入")]
    for offset in range(1, min((last - facts.since).days, MOST_LINES + 1) + 1):
        day = facts.since + timedelta(days=offset)
        counted = _counts(facts, counting, day)
        number += counted
        found.append(_line(facts, course, counting, day, number if counted else None))
    return found


def _counts(facts: Facts, counting: Counting, day: date) -> bool:
    """Days of other units all count until the limit's own end; past it working days do."""
    if facts.limit.unit is not Unit.WORKING_DAY:
        return True
    paused = any(pause.covers(day) for pause in facts.suspensions)
    return counting.calendar.is_working_day(day) and not paused


def _line(facts: Facts, course: Course, counting: Counting, day: date, number: int | None) -> Line:
    calendar = counting.calendar
    if any(pause.covers(day) for pause in counting.suspensions):
        return Line(day, None, "中止期间，不计入", "paused")
    if course.due is not None and day > course.due:
        over = counting.between(course.due, day)
        said = f"超期第 {over} 个工作日" if calendar.is_working_day(day) else _rest(calendar, day)
        return Line(day, None, said, "over" if calendar.is_working_day(day) else "rest")
    if number is None:
        return Line(day, None, _rest(calendar, day), "rest")
    unit = "个工作日" if facts.limit.unit is Unit.WORKING_DAY else "日"
    swapped = day.weekday() >= SATURDAY and calendar.is_working_day(day)
    moved = f"（{calendar.reason(day)}）" if swapped else ""
    end = "，届满日" if day == course.due else ""
    return Line(day, number, f"第 {number} {unit}{moved}{end}", "due" if end else "")


def _rest(calendar: Calendar, day: date) -> str:
    reason = calendar.reason(day)
    return f"{reason}放假，不计入" if reason else "周末，不计入"

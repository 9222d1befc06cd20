"""The due moment of a step by canonical's working days: what `todo.todos` asks for as `due`."""

from datetime import date, datetime, time

from canonical.amounts import BEIJING
from canonical.calendar import Calendar
from canonical.counting import Counting, Suspension
from canonical.timelimit import Limit, due_date
from hallservice.approval.conditions import Facts, typed
from hallservice.approval.definition import EXPIRY
from hallservice.approval.state import Pause
from hallservice.approval.todo import Due

CLOSE = time(23, 59, 59, tzinfo=BEIJING)


def working_days(calendar: Calendar) -> Due:
    """Due at the end of the last counted day (Beijing time); None while a pause lasts."""

    def due(since: datetime, days: int, pauses: tuple[Pause, ...]) -> datetime | None:
        stopped = tuple(Suspension(_day(p.start), p.until and _day(p.until)) for p in pauses)
        last = due_date(_day(since), Limit(days), Counting(calendar, stopped))
        return None if last is None else datetime.combine(last, CLOSE)

    return due


def expiry(facts: Facts) -> datetime | None:
    """The last moment of the licence that is to be renewed: until then nothing is deemed renewed (行政许可法
    art. 50), however late a step is. None while nobody has written it down."""
    day = typed(facts.get(EXPIRY, ""), "date")
    return None if day is None else datetime.combine(day, CLOSE)


def _day(moment: datetime) -> date:
    return moment.astimezone(BEIJING).date()

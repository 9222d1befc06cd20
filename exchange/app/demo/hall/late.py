"""Cases that the shown body took over from its own records and told late: one that is nearly due, one with a
yellow and one with a red card, waiting for its approver, its reviewer and its undertaker."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import partial
from typing import Any

from sqlalchemy import Connection, func, select

from canonical.calendar import Calendar
from canonical.counting import Counting
from canonical.instants import SHANGHAI
from canonical.messages import CaseAccepted, CaseApplied
from canonical.timelimit import Limit, due_date
from canonical.values import RegionCode, complete_id_number
from exchange import calendars, items
from exchange.app.demo.hall import site
from exchange.app.demo.hall.site import Body
from exchange.clocks import today
from exchange.store.tables import item
from exchange.store.work import Work
from hallservice.counter import numbers, standing
from hallservice.flows import instances
from hallservice.hall import Hall
from hallservice.people.clerk import Clerk
from hallservice.supervision.tables import clock

WINDOW = "chuangkou"
STAFF = {"undertake": "chengban", "review": "shenhe"}
LEAST = 5  # working days of a limit worth being late with
FARTHEST = 400  # days


@dataclass(frozen=True, slots=True)
class Late:
    """`over`: working days past the due date, below zero those that are left; `done`: steps passed."""

    name: str
    number: str
    mobile: str
    over: int
    done: tuple[str, ...] = ()


CASES = (
    Late("钟国梁", "44149919720918211", "13800000031", 3),
    Late("巫秀兰", "44149919811102326", "13800000032", 1, ("undertake",)),
    Late("侯志坚", "44149919900625117", "13800000033", -2, ("undertake", "review")),
)


def seed(hall: Hall, bodies: Sequence[Body]) -> None:
    """Once; later runs find them there."""
    clerk = site.clerk(hall, WINDOW, "A01")
    day = today(hall.hub.store.clock())
    found = hall.read(lambda connection: _offered(connection, bodies[0])) if bodies else []
    if not found or hall.read(lambda connection: _is_there(connection, day)):
        return
    calendar = hall.read(calendars.loaded)
    for at, one in enumerate(CASES):
        content = found[at % len(found)]
        since = accepted_on(content["statutory_limit"]["count"], one.over, day, calendar)
        case_no = hall.write(partial(_told, hall, clerk=clerk, content=content, one=one, since=since))
        for step in one.done:
            who = site.clerk(hall, STAFF[step])
            instances.act(hall, who, case_no, "passed", step=step, opinion="材料齐全，同意")


def accepted_on(count: int, over: int, day: date, calendar: Calendar) -> date:
    """The last day on which a case can have been accepted to be so late on `day`."""
    counting = Counting(calendar)
    for back in range(FARTHEST):
        since = day - timedelta(days=back)
        due = due_date(since, Limit(count), counting)
        if due is not None and over == counting.between(due, day) - counting.between(day, due):
            return since
    raise ValueError(f"no day of the last {FARTHEST} is {over} working days after a limit of {count}")


def _is_there(connection: Connection, day: date) -> bool:
    """Whether a case is older than the demonstration."""
    found = select(func.count()).select_from(clock).where(clock.c.since < day.isoformat())
    return connection.execute(found).scalar_one() > 0


def _offered(connection: Connection, body: Body) -> list[Mapping[str, Any]]:
    """The body's items with a limit in working days; its first one goes through a joint process."""
    ask = select(item.c.code, item.c.version).where(item.c.current, item.c.code.in_(body.items[1:]))
    rows = connection.execute(ask.order_by(item.c.code)).all()
    contents = (items.content_of(connection, row.code, row.version) for row in rows)
    return [one for one in contents if _is_long(one["statutory_limit"])]


def _is_long(limit: Mapping[str, Any]) -> bool:
    return bool(limit["unit"] == "working_day" and limit["count"] >= LEAST)


def _told(hall: Hall, work: Work, *, clerk: Clerk, content: Mapping[str, Any], one: Late, since: date) -> str:
    """Applied for and accepted on that day, told now; the number of the case."""
    number = str(numbers.case_number(work, RegionCode(content["region"]), "window"))
    head = {"case_no": number, "item_code": content["code"], "region": content["region"]}
    for said in (_applied(head, content, one, since, clerk), _accepted(head, content, since, clerk)):
        standing.tell(hall, work, clerk, said)
    return number


def _applied(
    head: Mapping[str, Any], content: Mapping[str, Any], one: Late, since: date, clerk: Clerk
) -> CaseApplied:
    person = {
        "kind": "natural_person", "name": one.name, "document_type": "resident_id_card",
        "document_no": str(complete_id_number(one.number)),
    }  # fmt: skip
    said = {
        "item_name": content["name"][:200], "applicant": person, "summary": "由本单位原台账转入的在办件",
        "contact": {"name": one.name, "mobile": one.mobile}, "materials": [], "channel": "window",
        "applied_at": _at(since, 9), "site": clerk.region,
    }  # fmt: skip
    return CaseApplied.model_validate({**head, **said})


def _accepted(head: Mapping[str, Any], content: Mapping[str, Any], since: date, clerk: Clerk) -> CaseAccepted:
    officer = {
        "organisation": content["organisation"], "organisation_code": content["organisation_code"],
        "name": clerk.name, "staff_no": clerk.staff_no,
    }  # fmt: skip
    limits = {name: content[name] for name in ("statutory_limit", "promised_limit")}
    said = {"officer": officer, "result": "accepted", "decided_at": _at(since, 10), "channel": "window"}
    return CaseAccepted.model_validate({**head, **said, **limits, "query_password": numbers.query_password()})


def _at(day: date, hour: int) -> str:
    return datetime.combine(day, time(hour), SHANGHAI).isoformat()

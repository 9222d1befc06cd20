"""When an item may be booked at a site (S3-24): rules set by its staff, and the slots they make."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, select, update

from canonical.amounts import BEIJING
from exchange import calendars, items
from exchange.clocks import today
from exchange.errors import HubError
from exchange.store.tables import item
from exchange.store.work import Work
from hallservice import wording
from hallservice.counter.form import Check
from hallservice.counter.tables import hall_appointment, hall_slot_rule
from hallservice.hall import Hall
from hallservice.ids import new_id
from hallservice.people.clerk import Clerk
from hallservice.people.filtering import within
from hallservice.refusals import HallRefused
from ledger.prepared import run

FUNCTION = "counter.appoint"
TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]", re.ASCII)
_RULE = select(hall_slot_rule).where(hall_slot_rule.c.id == bindparam("of"))
_TAKEN = select(func.count()).where(
    hall_appointment.c.rule == bindparam("of"),
    hall_appointment.c.day == bindparam("on"),
    hall_appointment.c.begins == bindparam("from_"),
    hall_appointment.c.state.in_(("booked", "checked_in")),
)


@dataclass(frozen=True, slots=True)
class Rule:
    """The form: days as digits 1 (Monday) to 7, times 09:00, numbers as typed; no item: any."""

    weekdays: tuple[str, ...] = ("1", "2", "3", "4", "5")
    begins: str = "09:00"
    ends: str = "17:00"
    minutes: str = "30"
    capacity: str = "3"
    ahead_days: str = "7"
    item_code: str = ""


@dataclass(frozen=True, slots=True)
class Slot:
    """One bookable time; `left` places are free."""

    rule: str
    day: str
    begins: str
    ends: str
    left: int


def configure(hall: Hall, clerk: Clerk, asked: Rule) -> str:
    """A rule for the clerk's own site; its id."""
    clerk.expect(FUNCTION, clerk.path)
    check = Check()
    days = "".join(sorted(set(asked.weekdays) & set("1234567")))
    if not days:
        check.fault("weekdays", "required", "请至少选择一天")
    for name, given, label in (("begins", asked.begins, "开始时间"), ("ends", asked.ends, "结束时间")):
        if not TIME.fullmatch(given):
            check.fault(name, "bad_form", f"{label}应为时间，例如 09:00")
    minutes = check.whole("minutes", asked.minutes, "每段分钟数", 5, 240)
    row = {
        "site_path": clerk.path,
        "site_name": clerk.org_name,
        "item_code": asked.item_code,
        "weekdays": days,
        "begins": asked.begins,
        "ends": asked.ends,
        "minutes": minutes,
        "capacity": check.whole("capacity", asked.capacity, "每段人数", 1, 200),
        "ahead_days": check.whole("ahead_days", asked.ahead_days, "可提前天数", 1, 60),
        "active": True,
    }
    if not check.faults and not list(_times(row)):
        check.fault("ends", "before", "开始至结束不足一段，请检查时间")
    check.done()

    def act(work: Work) -> str:
        if asked.item_code:
            item_name(work, asked.item_code)
        ident = new_id(work.now)
        work.connection.execute(insert(hall_slot_rule), {"id": ident, **row})
        hall.record(work, clerk, "hall.slots_set", ident, row)
        return ident

    return hall.write(act)


def item_name(work: Work, code: str) -> str:
    """Of an item in force that may be booked; HallRefused also not_bookable."""
    try:
        items.in_force(work, code)
    except HubError as fault:
        raise wording.in_chinese(fault) from fault
    if not bookable(work.connection, code):
        raise HallRefused("not_bookable", "实施清单写明该事项不接受预约，请直接到窗口办理", "item_code")
    found = work.connection.execute(select(item.c.name).where(item.c.code == code, item.c.current)).scalar()
    return str(found or code)


def bookable(connection: Connection, code: str) -> bool:
    """What the item says of itself (S3-24); one that says nothing may be."""
    current = select(item.c.version).where(item.c.code == code, item.c.current)
    version = connection.execute(current).scalar() or 0
    return items.content_of(connection, code, version).get("by_appointment") is not False


def rules(connection: Connection, clerk: Clerk) -> tuple[Mapping[str, Any], ...]:
    """Those of the sites the clerk manages."""
    query = select(hall_slot_rule).where(within(hall_slot_rule.c.site_path, clerk, FUNCTION))
    return tuple(row._asdict() for row in connection.execute(query.order_by(hall_slot_rule.c.id)))


def close(hall: Hall, clerk: Clerk, rule: str) -> None:
    """No more bookings by this rule; what is booked stays."""

    def act(work: Work) -> None:
        found = rule_of(work.connection, rule)
        clerk.expect(FUNCTION, found["site_path"])
        work.connection.execute(
            update(hall_slot_rule).where(hall_slot_rule.c.id == rule).values(active=False)
        )
        hall.record(work, clerk, "hall.slots_closed", rule, {})

    hall.write(act)


def rule_of(connection: Connection, ident: str) -> dict[str, Any]:
    row = run(connection, _RULE, {"of": ident}).first()
    if row is None:
        raise HallRefused("unknown_rule", "没有这个预约时段设置")
    return dict(row._asdict())


def slots(hall: Hall, site_path: str, item_code: str) -> tuple[Slot, ...]:
    """What may be booked at a site for an item from now on, working days only; full slots are left out.
    Nothing of an item that is not booked."""
    query = select(hall_slot_rule).where(
        hall_slot_rule.c.active,
        hall_slot_rule.c.site_path == site_path,
        hall_slot_rule.c.item_code.in_(("", item_code)),
    )

    def ask(connection: Connection) -> tuple[Slot, ...]:
        if not bookable(connection, item_code):
            return ()
        now = hall.hub.store.clock()
        found = [row._asdict() for row in connection.execute(query.order_by(hall_slot_rule.c.id))]
        return tuple(slot for rule in found for slot in free(connection, rule, now))

    return hall.read(ask)


def free(connection: Connection, rule: Mapping[str, Any], now: float) -> Iterator[Slot]:
    calendar, first = calendars.loaded(connection), today(now)
    for ahead in range(rule["ahead_days"] + 1):
        day = first + timedelta(days=ahead)
        if str(day.isoweekday()) in rule["weekdays"] and calendar.is_working_day(day):
            for begins, ends in _times(rule):
                if moment_of(day, begins) > now:
                    left = rule["capacity"] - taken(connection, rule["id"], day.isoformat(), begins)
                    if left > 0:
                        yield Slot(rule["id"], day.isoformat(), begins, ends, left)


def _times(rule: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    begins, ends = _minutes(rule["begins"]), _minutes(rule["ends"])
    for at in range(begins, ends - rule["minutes"] + 1, rule["minutes"]):
        yield _clock(at), _clock(at + rule["minutes"])


def _minutes(text: str) -> int:
    hours, _, minutes = text.partition(":")
    return int(hours) * 60 + int(minutes)


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def moment_of(day: date, clock: str) -> float:
    at = datetime.combine(day, datetime.min.time(), BEIJING) + timedelta(minutes=_minutes(clock))
    return at.timestamp()


def taken(connection: Connection, rule: str, day: str, begins: str) -> int:
    return int(connection.execute(_TAKEN, {"of": rule, "on": day, "from_": begins}).scalar_one())

"""预约 (S3-24): which items may be booked where and when; slots with a capacity; booked, checked in, missed,
cancelled."""

import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, select, update

from canonical.amounts import BEIJING
from canonical.masking import name_masked
from canonical.messages import SmsRequested
from exchange import calendars, items
from exchange.clocks import today
from exchange.errors import HubError
from exchange.pipeline import submit
from exchange.store.tables import item
from exchange.store.work import Work
from hallservice import wording
from hallservice.counter.form import Check
from hallservice.counter.projection import hashed
from hallservice.counter.tables import hall_appointment, hall_slot_rule
from hallservice.hall import Hall
from hallservice.ids import new_id
from hallservice.people.clerk import Clerk
from hallservice.people.filtering import within
from hallservice.refusals import HallRefused
from ledger.prepared import run

FUNCTION = "counter.appoint"
GRACE = timedelta(minutes=15)  # after the end of the slot a person who has not come is missing
LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"  # nothing that is read for something else
STATES: Mapping[str, str] = {
    "booked": "已预约", "checked_in": "已签到", "missed": "未到", "cancelled": "已取消",
}  # fmt: skip
_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]", re.ASCII)
_RULE = select(hall_slot_rule).where(hall_slot_rule.c.id == bindparam("of"))
_ONE = select(hall_appointment).where(hall_appointment.c.id == bindparam("of"))
_TAKEN = select(func.count()).where(
    hall_appointment.c.rule == bindparam("of"),
    hall_appointment.c.day == bindparam("on"),
    hall_appointment.c.begins == bindparam("from_"),
    hall_appointment.c.state.in_(("booked", "checked_in")),
)
A = hall_appointment.c


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


@dataclass(frozen=True, slots=True)
class Person:
    """Who books; only the mobile number goes anywhere, with the message."""

    name: str
    document_type: str
    document_no: str
    mobile: str


@dataclass(frozen=True, slots=True)
class Booked:
    """What the person shows at the hall."""

    id: str
    code: str
    day: str
    begins: str
    ends: str
    state: str
    item_name: str
    name: str
    mobile: str


def configure(hall: Hall, clerk: Clerk, asked: Rule) -> str:
    """A rule for the clerk's own site; its id."""
    clerk.expect(FUNCTION, clerk.path)
    check = Check()
    days = "".join(sorted(set(asked.weekdays) & set("1234567")))
    if not days:
        check.fault("weekdays", "required", "请至少选择一天")
    for name, given, label in (("begins", asked.begins, "开始时间"), ("ends", asked.ends, "结束时间")):
        if not _TIME.fullmatch(given):
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
            _item_name(work, asked.item_code)
        ident = new_id(work.now)
        work.connection.execute(insert(hall_slot_rule), {"id": ident, **row})
        hall.record(work, clerk, "hall.slots_set", ident, row)
        return ident

    return hall.write(act)


def _item_name(work: Work, code: str) -> str:
    try:
        items.in_force(work, code)
    except HubError as fault:
        raise wording.in_chinese(fault) from fault
    found = work.connection.execute(select(item.c.name).where(item.c.code == code, item.c.current)).scalar()
    return str(found or code)


def rules(connection: Connection, clerk: Clerk) -> tuple[Mapping[str, Any], ...]:
    """Those of the sites the clerk manages."""
    query = select(hall_slot_rule).where(within(hall_slot_rule.c.site_path, clerk, FUNCTION))
    return tuple(row._asdict() for row in connection.execute(query.order_by(hall_slot_rule.c.id)))


def close(hall: Hall, clerk: Clerk, rule: str) -> None:
    """No more bookings by this rule; what is booked stays."""

    def act(work: Work) -> None:
        found = _rule(work.connection, rule)
        clerk.expect(FUNCTION, found["site_path"])
        work.connection.execute(
            update(hall_slot_rule).where(hall_slot_rule.c.id == rule).values(active=False)
        )
        hall.record(work, clerk, "hall.slots_closed", rule, {})

    hall.write(act)


def _rule(connection: Connection, ident: str) -> dict[str, Any]:
    row = run(connection, _RULE, {"of": ident}).first()
    if row is None:
        raise HallRefused("unknown_rule", "没有这个预约时段设置")
    return dict(row._asdict())


def slots(hall: Hall, site_path: str, item_code: str) -> tuple[Slot, ...]:
    """What may be booked at a site for an item from now on, working days only; full slots are left out."""
    query = select(hall_slot_rule).where(
        hall_slot_rule.c.active,
        hall_slot_rule.c.site_path == site_path,
        hall_slot_rule.c.item_code.in_(("", item_code)),
    )

    def ask(connection: Connection) -> tuple[Slot, ...]:
        now = hall.hub.store.clock()
        found = [row._asdict() for row in connection.execute(query.order_by(hall_slot_rule.c.id))]
        return tuple(slot for rule in found for slot in _free(connection, rule, now))

    return hall.read(ask)


def _free(connection: Connection, rule: Mapping[str, Any], now: float) -> Iterator[Slot]:
    calendar, first = calendars.loaded(connection), today(now)
    for ahead in range(rule["ahead_days"] + 1):
        day = first + timedelta(days=ahead)
        if str(day.isoweekday()) in rule["weekdays"] and calendar.is_working_day(day):
            for begins, ends in _times(rule):
                if _at(day, begins) > now:
                    taken = _taken(connection, rule["id"], day.isoformat(), begins)
                    if taken < rule["capacity"]:
                        yield Slot(rule["id"], day.isoformat(), begins, ends, rule["capacity"] - taken)


def _times(rule: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    begins, ends = _minutes(rule["begins"]), _minutes(rule["ends"])
    for at in range(begins, ends - rule["minutes"] + 1, rule["minutes"]):
        yield _clock(at), _clock(at + rule["minutes"])


def _minutes(text: str) -> int:
    hours, _, minutes = text.partition(":")
    return int(hours) * 60 + int(minutes)


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def _at(day: date, clock: str) -> float:
    at = datetime.combine(day, datetime.min.time(), BEIJING) + timedelta(minutes=_minutes(clock))
    return at.timestamp()


def _taken(connection: Connection, rule: str, day: str, begins: str) -> int:
    return int(connection.execute(_TAKEN, {"of": rule, "on": day, "from_": begins}).scalar_one())


def book(hall: Hall, person: Person, rule: str, day: str, begins: str, item_code: str) -> Booked:
    """One place in a slot; a message confirms it. FormRefused; HallRefused slot_full, slot_gone,
    already_booked, item_not_in_force. Bookings of the same moment never exceed the capacity."""
    check = Check()
    name = check.text("name", person.name, "姓名", 100)
    number = check.document("document_no", person.document_type, person.document_no)
    mobile = check.mobile("mobile", person.mobile)
    check.done()

    def act(work: Work) -> Booked:
        found = _rule(work.connection, rule)
        if found["item_code"] not in ("", item_code):
            raise HallRefused("slot_gone", "这个时段不办理该事项，请重新选择")
        slot = _open_slot(work, found, day, begins)
        who = hashed(hall.hub.pseudonym_key, number)
        _expect_once(work, who, day, item_code)
        row = {
            "id": new_id(work.now),
            "code": _code(work, day),
            "rule": rule,
            "site_path": found["site_path"],
            "item_code": item_code,
            "item_name": _item_name(work, item_code)[:200],
            "day": day,
            "begins": begins,
            "ends": slot.ends,
            "name_masked": name_masked(name),
            "document_hash": who,
            "mobile_masked": f"{mobile[:3]}****{mobile[-4:]}",
            "state": "booked",
            "booked_at": work.now,
            "changed_at": work.now,
        }
        work.connection.execute(insert(hall_appointment), row)
        _tell(hall, work, row, mobile, found["site_name"])
        return _booked(row)

    return hall.write(act)


def _open_slot(work: Work, rule: Mapping[str, Any], day: str, begins: str) -> Slot:
    free = {(one.day, one.begins): one for one in _free(work.connection, rule, work.now)}
    if not rule["active"] or (day, begins) not in free:
        full = (
            _TIME.fullmatch(begins) and _taken(work.connection, rule["id"], day, begins) >= rule["capacity"]
        )
        if full:
            raise HallRefused("slot_full", "这个时段刚刚约满，请另选时段", "slot")
        raise HallRefused("slot_gone", "这个时段不能预约，请重新选择", "slot")
    return free[day, begins]


def _expect_once(work: Work, who: str, day: str, item_code: str) -> None:
    mine = select(A.id).where(
        A.document_hash == who, A.day == day, A.item_code == item_code, A.state == "booked"
    )
    if work.connection.execute(mine).first() is not None:
        raise HallRefused("already_booked", "您当天已经预约过这个事项，可先取消再约")


def _code(work: Work, day: str) -> str:
    while True:
        code = "".join(secrets.choice(LETTERS) for _ in range(6))
        known = select(A.id).where(A.code == code, A.day == day)
        if work.connection.execute(known).first() is None:
            return code


def _tell(hall: Hall, work: Work, row: Mapping[str, Any], mobile: str, site: str) -> None:
    said = (
        f"【梅州政务】您已预约{row['day']} {row['begins']}至{row['ends']}在{site}办理，预约码{row['code']}。"
    )
    message = SmsRequested(request_id=row["id"], template="appointment", mobile=mobile, content=said)
    submit(hall.hub, work, message, cause=None)


def _booked(row: Mapping[str, Any]) -> Booked:
    same = ("id", "code", "day", "begins", "ends", "state", "item_name")
    return Booked(**{key: row[key] for key in same}, name=row["name_masked"], mobile=row["mobile_masked"])


def check_in(hall: Hall, clerk: Clerk, ident: str) -> None:
    """The person is here: on the day, until a quarter of an hour after the slot."""

    def act(work: Work) -> None:
        row = _mine(work, clerk, ident, "booked")
        if row["day"] != today(work.now).isoformat():
            raise HallRefused("other_day", f"预约日期是 {row['day']}，不是今天")
        if work.now > _at(date.fromisoformat(row["day"]), row["ends"]) + GRACE.total_seconds():
            raise HallRefused("too_late", "已超过预约时段 15 分钟，请现场取号")
        _move(hall, work, clerk, row, "checked_in")

    hall.write(act)


def cancel(hall: Hall, clerk: Clerk, ident: str) -> None:
    """By the counter, at the person's wish; the place is free again."""
    hall.write(lambda work: _move(hall, work, clerk, _mine(work, clerk, ident, "booked"), "cancelled"))


def mark_missed(hall: Hall, clerk: Clerk) -> int:
    """Everybody of the clerk's sites who did not come; how many."""

    def act(work: Work) -> int:
        query = select(hall_appointment).where(
            A.state == "booked", A.day <= today(work.now).isoformat(), within(A.site_path, clerk, FUNCTION)
        )
        late = [
            row._asdict()
            for row in work.connection.execute(query)
            if _at(date.fromisoformat(row.day), row.ends) + GRACE.total_seconds() < work.now
        ]
        for row in late:
            _move(hall, work, clerk, row, "missed")
        return len(late)

    return hall.write(act)


def _mine(work: Work, clerk: Clerk, ident: str, state: str) -> dict[str, Any]:
    row = run(work.connection, _ONE, {"of": ident}).first()
    if row is None or not clerk.may(FUNCTION, row.site_path):
        raise HallRefused("unknown_appointment", "没有这个预约，或者不在您的管辖范围内")
    if row.state != state:
        raise HallRefused("state_forbids", f"这个预约{STATES[row.state]}，不能这样办理")
    return dict(row._asdict())


def _move(hall: Hall, work: Work, clerk: Clerk, row: Mapping[str, Any], to: str) -> None:
    mine = hall_appointment.c.id == row["id"]
    work.connection.execute(update(hall_appointment).where(mine).values(state=to, changed_at=work.now))
    hall.record(
        work, clerk, f"hall.appointment_{to}", row["id"], {"day": row["day"], "begins": row["begins"]}
    )


def of_day(connection: Connection, clerk: Clerk, day: str) -> tuple[Booked, ...]:
    """The bookings of a day at the clerk's sites, in the order of their slots."""
    query = select(hall_appointment).where(A.day == day, within(A.site_path, clerk, FUNCTION))
    rows = connection.execute(query.order_by(A.begins, A.booked_at).limit(500))
    return tuple(_booked(row._asdict()) for row in rows)


def now_text(at: float) -> str:
    """A Unix time as a local day."""
    return datetime.fromtimestamp(at, UTC).astimezone(BEIJING).date().isoformat()

"""预约 (S3-24): a place in a slot; booked, checked in, missed, cancelled."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from canonical.masking import name_masked
from canonical.messages import SmsRequested
from exchange.clocks import today
from exchange.pipeline import submit
from exchange.reacting.telling import worded
from exchange.store.work import Work
from hallservice.counter import slots
from hallservice.counter.form import Check
from hallservice.counter.projection import hashed
from hallservice.counter.slots import FUNCTION, Slot
from hallservice.counter.tables import hall_appointment
from hallservice.hall import Hall
from hallservice.ids import new_id
from hallservice.people.clerk import Clerk
from hallservice.people.filtering import within
from hallservice.refusals import HallRefused
from ledger.prepared import run

GRACE = timedelta(minutes=15)  # after the end of the slot a person who has not come is missing
LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"  # nothing that is read for something else
STATES: Mapping[str, str] = {
    "booked": "已预约", "checked_in": "已签到", "missed": "未到", "cancelled": "已取消",
}  # fmt: skip
_ONE = select(hall_appointment).where(hall_appointment.c.id == bindparam("of"))
A = hall_appointment.c


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


def book(hall: Hall, person: Person, rule: str, day: str, begins: str, item_code: str) -> Booked:
    """One place in a slot; a message confirms it. FormRefused; HallRefused slot_full, slot_gone,
    already_booked, item_not_in_force. Bookings of the same moment never exceed the capacity."""
    check = Check()
    name = check.text("name", person.name, "姓名", 100)
    number = check.document("document_no", person.document_type, person.document_no)
    mobile = check.mobile("mobile", person.mobile)
    check.done()

    def act(work: Work) -> Booked:
        found = slots.rule_of(work.connection, rule)
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
            "item_name": slots.item_name(work, item_code)[:200],
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
    found = {(one.day, one.begins): one for one in slots.free(work.connection, rule, work.now)}
    if rule["active"] and (day, begins) in found:
        return found[day, begins]
    if slots.taken(work.connection, rule["id"], day, begins) >= rule["capacity"]:
        raise HallRefused("slot_full", "这个时段刚刚约满，请另选时段", "slot")
    raise HallRefused("slot_gone", "这个时段不能预约，请重新选择", "slot")


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
    said = worded("appointment", {**row, "site": site})
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
        if work.now > slots.moment_of(date.fromisoformat(row["day"]), row["ends"]) + GRACE.total_seconds():
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
            if slots.moment_of(date.fromisoformat(row.day), row.ends) + GRACE.total_seconds() < work.now
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

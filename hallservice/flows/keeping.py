"""Instances as rows: what is read before an act, and what an act writes in its commit."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from canonical.errors import ValueRefused
from exchange.store.tables import act
from exchange.store.work import Work
from hallservice.approval import events
from hallservice.approval.engine import Plans, replay
from hallservice.approval.events import Event, Migrated, Started
from hallservice.approval.plan import Plan
from hallservice.approval.state import State, restored, stored
from hallservice.flows import plans
from hallservice.flows import tables as t
from hallservice.flows.telling import Told
from hallservice.hall import Hall
from hallservice.people.clerk import Clerk
from hallservice.refusals import HallRefused
from ledger.prepared import run

KIND = "hall.approval"
_FIND = select(t.instance).where(t.instance.c.case_no == bindparam("of"))
_EVENTS = (
    select(t.event.c.number, t.event.c.entry, act.c.body)
    .join(act, act.c.entry == t.event.c.entry)
    .where(t.event.c.instance == bindparam("of"), t.event.c.number > bindparam("after"))
    .order_by(t.event.c.number)
)
_NEW, _EVENT = insert(t.instance), insert(t.event)
_CHANGE = (
    update(t.instance)
    .where(t.instance.c.id == bindparam("row"))
    .values({name: bindparam(f"new_{name}") for name in ("plan", "status", "number", "state", "told")})
)


@dataclass(frozen=True, slots=True)
class Instance:
    """One case in its process."""

    id: int
    case_no: str
    plan: Plan
    state: State
    told: Told


@dataclass(frozen=True, slots=True)
class Happened:
    """One event with its number and its line in the ledger."""

    number: int
    entry: int
    event: Event


def find(connection: Connection, case_no: str) -> Instance | None:
    """The case's instance; a copy of its state that cannot be read is made again from its events."""
    row = run(connection, _FIND, {"of": case_no}).first()
    if row is None:
        return None
    try:
        state = restored(row.state)
    except ValueRefused:
        state = replayed(connection, [one.event for one in happened(connection, row.id)])
    return Instance(row.id, row.case_no, plans.load(connection, state.plan), state, Told(**row.told))


def get(connection: Connection, case_no: str) -> Instance:
    """HallRefused no_instance."""
    found = find(connection, case_no)
    if found is None:
        raise HallRefused("no_instance", "本办件没有审批流程，或者不在您的管辖范围内", case_no)
    return found


def happened(connection: Connection, instance: int, after: int = 0) -> list[Happened]:
    """The events with a higher number, oldest first, from the bytes their ledger lines commit to."""
    rows = run(connection, _EVENTS, {"of": instance, "after": after})
    return [Happened(row.number, row.entry, event_in(row.body)) for row in rows]


def event_in(body: bytes) -> Event:
    """The event inside an act of kind `hall.approval`."""
    return events.from_json(json.dumps(json.loads(body)["what"]["event"]))


def replayed(connection: Connection, history: Iterable[Event]) -> State:
    """The state a history leads to, by nothing but its events and the plans they name."""
    seen = list(history)
    return replay(needed(connection, seen), seen)


def needed(connection: Connection, history: Iterable[Event]) -> Plans:
    """Every plan the events name."""
    names = {one.plan for one in history if isinstance(one, Started | Migrated)}
    return {name: plans.load(connection, name) for name in names}


def open_(hall: Hall, work: Work, clerk: Clerk, instance: Instance, event: Event) -> Instance:
    """The row of a new instance, with its first event."""
    values = {"case_no": instance.case_no, **_columns(instance)}
    row = work.connection.execute(_NEW, values).inserted_primary_key
    made = Instance(row[0] if row else 0, instance.case_no, instance.plan, instance.state, instance.told)
    _record(hall, work, clerk, made, event)
    return made


def keep(hall: Hall, work: Work, clerk: Clerk, instance: Instance, event: Event) -> int:
    """The instance after an event; the event's line in the ledger."""
    changed = {f"new_{name}": value for name, value in _columns(instance).items()}
    run(work.connection, _CHANGE, {"row": instance.id, **changed})
    return _record(hall, work, clerk, instance, event)


def _columns(instance: Instance) -> Mapping[str, Any]:
    state = instance.state
    return {
        "plan": state.plan, "status": state.status, "number": state.count, "state": stored(state),
        "told": told_value(instance.told),
    }  # fmt: skip


def told_value(told: Told) -> dict[str, Any]:
    """As the row keeps it."""
    return {name: getattr(told, name) for name in Told.__slots__}


def _record(hall: Hall, work: Work, clerk: Clerk, instance: Instance, event: Event) -> int:
    """The event's one copy is the act its ledger line commits to."""
    number = instance.state.count
    said = {"case_no": instance.case_no, "number": number, "event": events.as_value(event)}
    entry = hall.record(work, clerk, KIND, f"{instance.id}/{number}", said, instance.case_no)
    run(work.connection, _EVENT, {"entry": entry.seq, "instance": instance.id, "number": number})
    return entry.seq

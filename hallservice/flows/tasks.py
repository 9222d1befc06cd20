"""To-do rows: made anew from the state after each event, in the same commit; only what differs is written."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, insert, select, update

from exchange import calendars
from exchange.store.work import Work
from hallservice.approval.clock import expiry, working_days
from hallservice.approval.events import Person
from hallservice.approval.plan import Plan
from hallservice.approval.state import State
from hallservice.approval.todo import Todo, due_of, todos
from hallservice.flows import staff
from hallservice.flows import tables as t
from hallservice.supervision import colouring
from ledger.prepared import run

Row = dict[str, Any]
IDENTITY = ("step", "wanted", "org", "person", "since")  # of one thing to do: what it keeps its colour by
_WRITTEN = [column for column in t.task.c if column.name != "id"]
_FOUND = select(t.task).where(t.task.c.case_no == bindparam("of"))
_NEW = insert(t.task).values({column.name: bindparam(column.name) for column in _WRITTEN})
_GONE = delete(t.task).where(t.task.c.id == bindparam("row"))
_CHANGED = (
    update(t.task)
    .where(t.task.c.id == bindparam("row"))
    .values({column.name: bindparam(f"new_{column.name}") for column in _WRITTEN})
)


def renew(work: Work, case_no: str, plan: Plan, state: State) -> None:
    """The case's rows as its state has them; what is new has the colour of its case's card at once."""
    found = {
        _identity(row): row
        for row in (row._asdict() for row in run(work.connection, _FOUND, {"of": case_no}))
    }
    wanted = {_identity(row): row for row in rows(work, case_no, plan, state)}
    new = [row for key, row in wanted.items() if key not in found]
    colour = colouring.colour_of(work.connection, case_no) if new else ""
    for key, old in found.items():
        row = wanted.get(key)
        if row is not None:
            _change(work, old, {**row, "colour": old["colour"]})
        elif new:
            _change(work, old, {**new.pop(0), "colour": colour})
        else:
            run(work.connection, _GONE, {"row": old["id"]})
    if new:
        run(work.connection, _NEW, [{**row, "colour": colour} for row in new])


def _change(work: Work, old: Row, row: Row) -> None:
    """One row written over another, if it differs."""
    if any(old[name] != value for name, value in row.items()):
        run(work.connection, _CHANGED, {"row": old["id"], **{f"new_{k}": v for k, v in row.items()}})


def _identity(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in IDENTITY)


def rows(work: Work, case_no: str, plan: Plan, state: State) -> list[Row]:
    """One row for each person awaited by name, else one for the post."""
    if state.ended:
        return []
    counted = working_days(calendars.known(work))
    paths: dict[str, str] = {}
    made = []
    for todo in todos(plan, state, counted):
        path = paths.setdefault(todo.org, staff.path_of(work.connection, todo.org))
        made += [_row(case_no, plan, state, todo, path, who) for who in _awaited(todo)]
    return made


def due(work: Work, plan: Plan, state: State, step: str) -> datetime | None:
    """After which moment the lawful default of a step in hand may take its place: its limit, of a renewal the
    end of the licence. None without one, while the clock stands, or if it is not in hand."""
    if step not in state.active:
        return None
    if plan.places[step].step.overdue == "DEEM_RENEWED":
        return expiry(state.facts)
    return due_of(plan, state, step, working_days(calendars.known(work)))


def _awaited(todo: Todo) -> Iterable[Person | None]:
    return todo.people or (None,)


def _row(case_no: str, plan: Plan, state: State, todo: Todo, path: str, who: Person | None) -> Row:
    step = plan.places[todo.step].step
    extra = state.work[todo.step].extra_days if todo.step in state.work else 0
    return {
        "case_no": case_no,
        "step": todo.step,
        "name": todo.name,
        "kind": todo.kind,
        "wanted": todo.wanted,
        "level": todo.level,
        "org": todo.org,
        "org_path": path,
        "post": todo.post,
        "person": who.id if who else "",
        "person_name": who.name if who else "",
        "since": todo.since.timestamp(),
        "due": _seconds(todo.due),
        "limit_days": step.limit_days + extra if step.limit_days else 0,
        "urged": todo.urged,
        "urge": todo.urge.said if todo.urge else "",
        "urge_by": todo.urge.by.name if todo.urge else "",
        "urge_at": todo.urge.at.timestamp() if todo.urge else None,
        "risk": todo.integrity_risk,
        "colour": "",
    }


def _seconds(moment: datetime | None) -> float | None:
    return moment.timestamp() if moment else None

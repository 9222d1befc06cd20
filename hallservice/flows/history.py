"""What has happened to a case in its process, as people read it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from hallservice.approval.events import Event
from hallservice.approval.plan import Plan
from hallservice.flows import keeping, plans, reach
from hallservice.flows.wording import ASKS, VERBS
from hallservice.hall import Hall
from hallservice.people import tables as p
from hallservice.people.clerk import Clerk


@dataclass(frozen=True, slots=True)
class Line:
    """One act; `detail` says to whom, which kind, how many days; `entry` is its line in the ledger."""

    number: int
    entry: int
    at: datetime
    verb: str
    act: str
    step: str
    who: str
    org: str
    opinion: str
    detail: str


def history(hall: Hall, clerk: Clerk, case_no: str) -> list[Line]:
    """Oldest first; HallRefused no_instance."""
    return hall.read(lambda connection: _read(connection, clerk, case_no))


def _read(connection: Connection, clerk: Clerk, case_no: str) -> list[Line]:
    found = reach.seen(connection, clerk, case_no)
    happened = keeping.happened(connection, found.id)
    orgs = {one.event.by.org for one in happened}
    ask = select(p.org.c.code, p.org.c.name).where(p.org.c.code.in_(orgs))
    names = {row[0]: row[1] for row in connection.execute(ask)}
    known = [
        plans.load(connection, name) for name in keeping.needed(connection, [one.event for one in happened])
    ]
    return [
        Line(
            one.number,
            one.entry,
            one.event.at,
            one.event.verb,
            VERBS[one.event.verb],
            _step_name(known, getattr(one.event, "step", None)),
            one.event.by.name,
            names.get(one.event.by.org, ""),
            getattr(one.event, "opinion", ""),
            "，".join(_detail(known, one.event)),
        )
        for one in happened
    ]


def _step_name(known: list[Plan], key: str | None) -> str:
    places = (plan.places[key] for plan in reversed(known) if key is not None and key in plan.places)
    found = next(places, None)
    return found.step.name if found else ""


def _detail(known: list[Plan], event: Event) -> Iterator[str]:
    """What the verb alone does not say."""
    said: dict[str, Any] = {
        name: getattr(event, name, None) for name in ("kind", "to", "target", "who", "days")
    }
    if said["kind"]:
        yield ASKS[said["kind"]]
    if said["to"] == "applicant":
        yield "退回申请人"
    elif said["target"]:
        yield f"退回到“{_step_name(known, said['target'])}”"
    elif said["to"] and not isinstance(said["to"], str):
        yield f"交{said['to'].name}"
    if said["who"]:
        people = said["who"] if isinstance(said["who"], tuple) else (said["who"],)
        yield "、".join(person.name for person in people)
    if said["days"]:
        yield f"{said['days']} 个工作日"
    if event.verb in ("signed", "answered"):
        yield "同意" if getattr(event, "agree", getattr(event, "grant", False)) else "不同意"

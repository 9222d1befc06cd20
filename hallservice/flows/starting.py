"""The start of a process: in the very commit in which a case of a department of the hall is accepted."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Literal

from canonical.amounts import BEIJING
from canonical.messages import CaseAccepted, CaseConcluded, Payload
from exchange.cases import Case, Moved
from exchange.hub import Hub
from exchange.reacting.occasion import Occasion, Reaction
from exchange.store.work import Work
from hallservice.approval.conditions import Fact
from hallservice.approval.engine import apply
from hallservice.approval.events import SYSTEM, Closed, Person, Started
from hallservice.approval.plan import Plan
from hallservice.flows import assigning, keeping, plans, staff, tasks, telling
from hallservice.flows.keeping import Instance
from hallservice.flows.staff import SYSTEM_CLERK
from hallservice.hall import Hall
from hallservice.people import organisations
from hallservice.people.organisations import Org

BUILT_IN = ("applicant_kind", "channel", "region", "item_code", "has_fee", "promised_days")


def start(hall: Hall, work: Work, case: Case, accepted: CaseAccepted) -> Instance | None:
    """The instance of a case that was just accepted; None if its department works in a system of its own, or
    the instance is there already."""
    department = organisations.by_uscc(work.connection, case["org"])
    if department is None or department.has_own_system:
        return None
    if keeping.find(work.connection, case["case_no"]) is not None:
        return None
    chosen = assigning.for_case(work.connection, department, case["item_code"], case["item_version"])
    plan = plans.keep(hall, work, SYSTEM_CLERK, chosen)
    return _begun(hall, work, case, accepted, department, plan)


def _begun(
    hall: Hall, work: Work, case: Case, accepted: CaseAccepted, department: Org, plan: Plan
) -> Instance:
    event = Started(
        at=datetime.fromtimestamp(int(work.now), BEIJING),
        by=SYSTEM,
        plan=plan.digest,
        units=staff.units(work.connection, plan, department, case["application"].get("site")),
        facts=_facts(plan, case, accepted),
        accepted=_acceptor(work, accepted),
    )
    state = apply(plans.by_digest(plan), None, event)
    instance = Instance(0, case["case_no"], plan, state, telling.begun(plan))
    made = keeping.open_(hall, work, SYSTEM_CLERK, instance, event)
    tasks.renew(work, made.case_no, plan, state)
    return made


def _acceptor(work: Work, accepted: CaseAccepted) -> Person | None:
    """Who accepted, so that it is not the one who approves."""
    number = accepted.officer.staff_no
    return staff.persons(work.connection, [number]).get(number) if number else None


def _facts(plan: Plan, case: Case, accepted: CaseAccepted) -> dict[str, Fact]:
    """What the process asks of the case and the case itself knows."""
    application = case["application"]
    promised = accepted.promised_limit
    known: Mapping[str, Fact | None] = {
        "applicant_kind": application["applicant"]["kind"],
        "channel": application["channel"],
        "region": case["region"],
        "item_code": case["item_code"],
        "has_fee": bool(case["has_fee"]),
        "promised_days": promised.count if promised else None,
    }
    kinds: Mapping[str, Any] = {"has_fee": "boolean", "promised_days": "integer"}
    return {
        name: value
        for name, value in known.items()
        if value is not None and plan.types.get(name) == kinds.get(name, "text")
    }


def on_accepted(occasion: Occasion) -> Iterator[Payload]:
    """case.accepted.v1: the process begins; a case whose process has no review is marked so."""
    said, moved = occasion.message.payload, occasion.moved
    if (
        not isinstance(said, CaseAccepted)
        or said.result != "accepted"
        or moved.case is None
        or moved.repeated
    ):
        return
    hall = Hall(occasion.hub)
    instance = start(hall, occasion.work, moved.case, said)
    if instance is not None and instance.told.no_review:
        _without_review(occasion.hub, occasion.work, moved, moved.case)
    yield from ()


def _without_review(hub: Hub, work: Work, moved: Moved, case: Case) -> None:
    changed = {**case, "facts": {**case["facts"], "no_review": True}}
    hub.cases.store(work, replace(moved, case=changed, fresh=("facts",), opened=False))


def on_concluded(occasion: Occasion) -> Iterator[Payload]:
    """case.concluded.v1 by another way than the process: nothing is left to do in it."""
    said, case_no = occasion.message.payload, occasion.moved.case_no
    if isinstance(said, CaseConcluded) and case_no is not None:
        close(Hall(occasion.hub), occasion.work, case_no, said.reason or said.result_text or "")
    yield from ()


def close(hall: Hall, work: Work, case_no: str, why: str) -> None:
    """End the instance of a case that has ended; one that has ended itself stays as it is."""
    found = keeping.find(work.connection, case_no)
    if found is None or found.state.ended:
        return
    at = max(datetime.fromtimestamp(int(work.now), BEIJING), found.state.latest)
    outcome: Literal["finished", "terminated"] = "finished" if found.told.decided else "terminated"
    event = Closed(at=at, by=SYSTEM, outcome=outcome, opinion=why[:1000])
    state = apply(plans.by_digest(found.plan), found.state, event)
    keeping.keep(hall, work, SYSTEM_CLERK, replace(found, state=state), event)
    tasks.renew(work, case_no, found.plan, state)


REACTIONS: Mapping[str, tuple[Reaction, ...]] = {
    "case.accepted.v1": (on_accepted,),
    "case.concluded.v1": (on_concluded,),
}

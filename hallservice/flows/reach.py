"""Which cases a person sees in their process: those of the own rights' reach, and those with the own name."""

from sqlalchemy import Connection, bindparam, select

from exchange.store.tables import case_record
from hallservice.flows import keeping, staff
from hallservice.flows import tables as t
from hallservice.flows.keeping import Instance
from hallservice.people import tables as p
from hallservice.people.clerk import Clerk
from hallservice.refusals import HallRefused
from ledger.prepared import run

FUNCTIONS = ("case.view", "approval.handle", "approval.supervise", "supervision.urge")
_MINE = select(t.task.c.id).where(t.task.c.case_no == bindparam("of"), t.task.c.person == bindparam("me"))
_PATH = select(p.org.c.path).join(case_record, case_record.c.org == p.org.c.uscc).where(
    case_record.c.case_no == bindparam("of")
)  # fmt: skip


def seen(connection: Connection, clerk: Clerk, case_no: str) -> Instance:
    """HallRefused no_instance, also for a case beyond the clerk's reach."""
    found = keeping.get(connection, case_no)
    if not sees(connection, clerk, found):
        raise HallRefused("no_instance", "本办件没有审批流程，或者不在您的管辖范围内", case_no)
    return found


def sees(connection: Connection, clerk: Clerk, found: Instance) -> bool:
    """By the department in charge or a body that takes part, or by name."""
    if not any(clerk.may(function) for function in FUNCTIONS):
        return False
    orgs = {*found.state.units.values(), *(place.org for place in found.plan.places.values() if place.org)}
    if clerk.unit in orgs and any(clerk.may(function, clerk.path) for function in FUNCTIONS):
        return True
    paths = [run(connection, _PATH, {"of": found.case_no}).scalar()]
    paths += [staff.path_of(connection, org) for org in sorted(orgs)]
    if any(clerk.may(function, path) for function in FUNCTIONS for path in paths if path):
        return True
    return run(connection, _MINE, {"of": found.case_no, "me": clerk.staff_no}).first() is not None

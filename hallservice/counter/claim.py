"""签收: a clerk takes a waiting case in hand, so that two do not begin on the same one. It binds nobody: what
decides is who acts first."""

from sqlalchemy import Connection, bindparam, delete, insert, select

from exchange.store.work import Work
from hallservice.counter.standing import look
from hallservice.counter.tables import hall_claim
from hallservice.hall import Hall
from hallservice.people.clerk import Clerk
from hallservice.refusals import HallRefused
from ledger.prepared import run

_ONE = select(hall_claim).where(hall_claim.c.case_no == bindparam("of"))


def take(hall: Hall, clerk: Clerk, case_no: str) -> None:
    """HallRefused claimed names who has it."""

    def act(work: Work) -> None:
        look(work.connection, clerk, case_no, "counter.accept")
        row = run(work.connection, _ONE, {"of": case_no}).first()
        if row is not None and row.staff_no != clerk.staff_no:
            raise HallRefused("claimed", f"这个办件已由{row.clerk}签收")
        if row is None:
            said = {"case_no": case_no, "staff_no": clerk.staff_no, "clerk": clerk.name, "at": work.now}
            work.connection.execute(insert(hall_claim), said)
            hall.record(work, clerk, "hall.claimed", case_no, {}, case_no)

    hall.write(act)


def holder(connection: Connection, case_no: str) -> str | None:
    """The staff number of who has it."""
    row = run(connection, _ONE, {"of": case_no}).first()
    return str(row.staff_no) if row else None


def release(hall: Hall, clerk: Clerk, case_no: str) -> None:
    """Give it back to the counter."""

    def act(work: Work) -> None:
        mine = (hall_claim.c.case_no == case_no) & (hall_claim.c.staff_no == clerk.staff_no)
        if work.connection.execute(delete(hall_claim).where(mine)).rowcount:
            hall.record(work, clerk, "hall.unclaimed", case_no, {}, case_no)

    hall.write(act)

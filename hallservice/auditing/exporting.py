"""The list as a spreadsheet: an act of its own, in the ledger before anything is given out."""

from dataclasses import asdict

from hallservice.auditing.finding import SHEET, Found, Wanted, found
from hallservice.hall import Hall
from hallservice.people.clerk import Clerk


def export(hall: Hall, clerk: Clerk, wanted: Wanted) -> list[Found]:
    """The newest SHEET rows; HallRefused not_allowed."""
    rows = list(found(hall, clerk, wanted, size=SHEET).rows)
    said = {"filters": asdict(wanted), "rows": len(rows)}
    hall.write(lambda work: hall.record(work, clerk, "hall.exported", "audit", said))
    return rows

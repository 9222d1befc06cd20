"""The register as a spreadsheet: with a right of its own and a reason, and an act in the ledger that says how
many rows of what went out. Names and numbers stay masked."""

from dataclasses import asdict

from sqlalchemy import Connection

from hallservice.applicants.seeing import EXPORT, MOST, VIEW, Listed, Wanted, found
from hallservice.counter.form import Check
from hallservice.hall import Hall
from hallservice.people.clerk import Clerk

ROWS = 5_000


def export(hall: Hall, clerk: Clerk, wanted: Wanted, reason: str) -> list[Listed]:
    """FormRefused; HallRefused not_allowed. Nothing is given out before the act is in the ledger."""
    clerk.expect(VIEW)
    clerk.expect(EXPORT)
    check = Check()
    why = check.text("reason", reason, "导出理由", 200)
    check.done()
    rows = hall.read(lambda connection: _all(connection, hall.hub.pseudonym_key, clerk, wanted))
    said = {"filters": asdict(wanted), "rows": len(rows), "reason": why}
    hall.write(lambda work: hall.record(work, clerk, "hall.exported", "applicants", said))
    return rows


def _all(connection: Connection, key: bytes, clerk: Clerk, wanted: Wanted) -> list[Listed]:
    rows: list[Listed] = []
    after = ""
    while len(rows) < ROWS:
        page = found(connection, key, clerk, wanted, after, MOST, (VIEW, EXPORT))
        rows += page.rows
        after = page.next
        if not after:
            break
    return rows

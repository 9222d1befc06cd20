"""The register as a spreadsheet: with a right of its own and a reason, and an act in the ledger that says how
many rows of what went out. Names and numbers stay masked."""

from dataclasses import asdict

from exchange.store.work import Work
from hallservice.applicants.seeing import EXPORT, MOST, VIEW, Listed, Wanted, found
from hallservice.counter.form import Check
from hallservice.hall import Hall
from hallservice.people.clerk import Clerk

ROWS = 10_000


def export(hall: Hall, clerk: Clerk, wanted: Wanted, reason: str) -> list[Listed]:
    """FormRefused; HallRefused not_allowed."""
    clerk.expect(VIEW)
    clerk.expect(EXPORT)
    check = Check()
    why = check.text("reason", reason, "导出理由", 200)
    check.done()

    def act(work: Work) -> list[Listed]:
        rows = _all(hall, work, clerk, wanted)
        said = {"filters": asdict(wanted), "rows": len(rows), "reason": why}
        hall.record(work, clerk, "hall.exported", "applicants", said)
        return rows

    return hall.write(act)


def _all(hall: Hall, work: Work, clerk: Clerk, wanted: Wanted) -> list[Listed]:
    rows: list[Listed] = []
    key, after = hall.hub.pseudonym_key, ""
    while len(rows) < ROWS:
        page = found(work.connection, key, clerk, wanted, after, MOST, (VIEW, EXPORT))
        rows += page.rows
        after = page.next
        if not after:
            break
    return rows

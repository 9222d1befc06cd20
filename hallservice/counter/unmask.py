"""Reading personal data unmasked: needs case.unmask and a reason, and is an act in the ledger (S3-93)."""

from dataclasses import dataclass
from typing import Any

from exchange.store.work import Work
from hallservice.counter.form import Check
from hallservice.counter.standing import look
from hallservice.hall import Hall
from hallservice.people.clerk import Clerk


@dataclass(frozen=True, slots=True)
class Person:
    """The applicant as the application names one."""

    name: str
    document_no: str
    contact: str
    mobile: str
    address: str


def unmask(hall: Hall, clerk: Clerk, case_no: str, reason: str) -> Person:
    """The applicant and the contact in full."""
    check = Check()
    why = check.text("reason", reason, "查看理由", 200)
    check.done()

    def act(work: Work) -> Person:
        here = look(work.connection, clerk, case_no, "case.unmask")
        hall.record(work, clerk, "hall.unmasked", case_no, {"reason": why}, case_no)
        said: dict[str, Any] = here.case["application"]
        who, contact = said["applicant"], said["contact"]
        told = str((here.receipt or {}).get("address") or "")
        return Person(who["name"], who["document_no"], contact["name"], contact["mobile"], told)

    return hall.write(act)

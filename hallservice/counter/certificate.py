"""What was asked of the certificate library for a case, and how far it is."""

from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, select

from hallservice.counter.tables import hall_certificate
from hallservice.counter.turneddown import REFUSED
from ledger.prepared import run

FUNCTION = "counter.deliver"
ISSUED, AWAITED = "issued", ("requested", "pending_seal")
_OF = (
    select(hall_certificate)
    .where(hall_certificate.c.case_no == bindparam("of"))
    .order_by(hall_certificate.c.request_id.desc())
)


@dataclass(frozen=True, slots=True)
class Certificate:
    """One request as it stands; state requested, pending_seal, issued or refused; `later`: the case was
    concluded without waiting for it. A number may be known before the seal: it is none to hand out."""

    request_id: str
    name: str
    state: str
    valid_from: str
    asked_at: float
    again_at: float | None
    later: bool
    valid_to: str
    identifier: str
    number: str
    reason: str

    @property
    def refused(self) -> bool:
        """The library will not make it; it may be asked again."""
        return self.state == REFUSED

    @property
    def issued(self) -> bool:
        return self.state == ISSUED

    @property
    def awaited(self) -> bool:
        """The library has not answered yet, or has not sealed it."""
        return self.state in AWAITED


def latest(connection: Connection, case_no: str) -> Certificate | None:
    """The request made last."""
    row = run(connection, _OF, {"of": case_no}).first()
    if row is None:
        return None
    asked = (row.request_id, row.name, row.state, row.valid_from, row.asked_at, row.again_at, row.later)
    answered = (row.valid_to, row.identifier, row.number, row.reason)
    return Certificate(*asked, *(said or "" for said in answered))


def to_hand_out(connection: Connection, case_no: str) -> Certificate | None:
    """The certificate of a case, once it is made."""
    made = latest(connection, case_no)
    return made if made is not None and made.issued else None


def owed(connection: Connection, case_no: str) -> Certificate | None:
    """The certificate a concluded case still waits for, asked for or to be asked for anew."""
    made = latest(connection, case_no)
    return made if made is not None and made.later and not made.issued else None

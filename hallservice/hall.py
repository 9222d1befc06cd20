"""What the services of the hall share: the hub they are a party of, and the settings of the site."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, insert

from canonical.messages import Payload
from exchange import acts
from exchange.hub import Hub
from exchange.pipeline import submit
from exchange.records import pseudonym
from exchange.store.work import Work
from hallservice.auditing.tables import hall_act
from hallservice.people.clerk import Clerk
from hallservice.people.policy import AccountPolicy
from ledger.log import Entry

T = TypeVar("T")
_ACT = insert(hall_act)


@dataclass(frozen=True, slots=True)
class HallSettings:
    """Choices of the site."""

    title: str = "政务服务大厅"
    public_url: str = "http://127.0.0.1:8750/hall"
    idle_minutes: int = 30
    session_hours: int = 10
    files: Path = Path("var/files")  # where uploads lie, by their digest
    accounts: AccountPolicy = field(default_factory=AccountPolicy)
    certificate_days: int = 3  # working days the library may take before a case is concluded without waiting


@dataclass(frozen=True, slots=True)
class Hall:
    """One hall over one hub: reads in one consistent state, writes in the hub's own commits."""

    hub: Hub
    settings: HallSettings = field(default_factory=HallSettings)

    def read(self, ask: Callable[[Connection], T]) -> T:
        with self.hub.store.read() as connection:
            return ask(connection)

    def write(self, act: Callable[[Work], T]) -> T:
        """One commit, durable when this returns; what `act` raises undoes all of it."""
        return self.hub.store.write(act)

    def tell(self, work: Work, clerk: Clerk, payload: Payload, cause: str | None = None) -> Entry:
        """A clerk's act on a case: the one path, from the commit on."""
        entry = submit(self.hub, work, payload, cause=cause, by=clerk.staff)
        return _noted(work, clerk, payload.TYPE, entry)

    def record(
        self, work: Work, clerk: Clerk, kind: str, about: str, value: object, case_no: str | None = None
    ) -> Entry:
        """Any other act of staff (a grant, a sign-in, a reading of personal data): one line in the ledger.

        `kind` begins with `hall.`; `about` says on what; `value` is JSON and is only committed to, salted.
        """
        case = pseudonym(self.hub.pseudonym_key, case_no) if case_no else None
        said = {"by": clerk.staff_no, "org": clerk.org, "what": value}
        note = {"by": pseudonym(self.hub.pseudonym_key, f"staff:{clerk.staff_no}")}
        entry = acts.record_value(work, self.hub.name, kind, about, kind, said, case=case, note=note)
        return _noted(work, clerk, kind, entry)


def _noted(work: Work, clerk: Clerk, kind: str, entry: Entry) -> Entry:
    """For auditors: whose act this was."""
    work.later(_ACT, {"entry": entry.seq, "kind": kind, "staff_no": clerk.staff_no, "org": clerk.org})
    return entry

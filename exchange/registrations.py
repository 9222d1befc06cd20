"""Identifiers partners gave for a case (their case number, a notice, a waybill): each is committed before the
next step is taken, so that a resume never asks for a second one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from sqlalchemy import Connection, Row, bindparam, select, text

from exchange.errors import Conflict
from exchange.manifest import Remote
from exchange.store.tables import registration
from exchange.store.work import Store, Work
from ledger.prepared import run

_KEEP = text(
    "INSERT INTO registration (party, case_no, name, value, at) VALUES (:party, :case_no, :name, :value, :at)"
    " ON CONFLICT (party, case_no, name) DO NOTHING"
)
_KNOWN = select(registration.c.name, registration.c.value).where(
    registration.c.party == bindparam("of"), registration.c.case_no == bindparam("no")
)


@dataclass(frozen=True)
class Registrations:
    """What one partner has registered, by case."""

    store: Store
    party: str

    def known(self, case_no: str) -> dict[str, str]:
        """Name -> identifier."""
        with self.store.read() as connection:
            found = run(connection, _KNOWN, {"of": self.party, "no": case_no}).all()
        return {row.name: row.value for row in found}

    def keep(self, case_no: str, given: Mapping[str, str]) -> dict[str, str]:
        """Committed on return; Conflict when the partner now says another identifier than before."""
        self.store.write(lambda work: self._insert(work, case_no, given))
        kept = self.known(case_no)
        if different := [name for name, value in given.items() if kept[name] != value]:
            raise Conflict("registered_twice", "the partner gave a second identifier", different[0])
        return kept

    def _insert(self, work: Work, case_no: str, given: Mapping[str, str]) -> None:
        for name, value in given.items():
            row = {"party": self.party, "case_no": case_no, "name": name, "value": value, "at": work.now}
            work.connection.execute(_KEEP, row)


def named(remote: Remote, facts: Mapping[str, Any]) -> str:
    """The name an identifier is kept under."""
    return f"{remote.name}/{facts.get(remote.each, '')}" if remote.each else remote.name


def kept(connection: Connection, case_no: str) -> list[Row[Any]]:
    """party, name, value and time of everything partners registered for a case, oldest first."""
    mine = select(registration).where(registration.c.case_no == case_no)
    return list(
        connection.execute(mine.order_by(registration.c.at, registration.c.party, registration.c.name))
    )


def once_id(party: str, case_no: str, call: str) -> str:
    """The id a registration is asked for under: the same after any crash, so the partner can recognise it."""
    return str(uuid5(NAMESPACE_OID, f"registration/{party}/{case_no}/{call}"))

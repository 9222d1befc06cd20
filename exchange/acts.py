"""Acts of administration: each one line in the ledger and one row with the bytes the line commits to."""

from collections.abc import Mapping

from sqlalchemy import insert

from canonical.form import canonical_bytes
from exchange.store.tables import act as act_table
from exchange.store.work import Work
from ledger.log import Draft, Entry
from ledger.prepared import run

_ACT = insert(act_table)


def record(
    work: Work,
    hub: str,
    kind: str,
    xid: str,
    service: str,
    body: bytes,
    *,
    case: str | None = None,
    kid: str | None = None,
    note: Mapping[str, str | int] | None = None,
) -> Entry:
    """An act of the hub on itself; `case` is a pseudonym, `kid` the certificate concerned."""
    draft = Draft(kind, xid, hub, hub, service, case=case, kid=kid, values={"payload": body}, note=note)
    entry = work.append(draft)
    run(work.connection, _ACT, {"entry": entry.seq, "kind": kind, "body": body})
    return entry


def record_value(
    work: Work,
    hub: str,
    kind: str,
    xid: str,
    service: str,
    value: object,
    *,
    case: str | None = None,
    kid: str | None = None,
    note: Mapping[str, str | int] | None = None,
) -> Entry:
    """As `record`, of a JSON value in its canonical form."""
    return record(work, hub, kind, xid, service, canonical_bytes(value), case=case, kid=kid, note=note)

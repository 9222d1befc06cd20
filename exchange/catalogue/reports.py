"""Town and village items reported to the province: what became of every row. A batch may be taken in part;
the rows refused, and those the overnight audit finds abnormal, stay on a list for a person."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, insert, select, update

from canonical.messages import AuditedRow, CatalogueAudited, CatalogueReportAnswered, CatalogueReported
from exchange.errors import Refused
from exchange.receipts import BEIJING
from exchange.records import add_finding
from exchange.store.tables import catalogue_report
from exchange.store.work import Work

AUDIT = "QueryReportResult"
AUDIT_HOUR = 6  # local time; the province's audit runs at night
MOST_DUE = 20  # batches asked about at a time
WORKLIST = ("refused", "abnormal")
_TABLE = catalogue_report


def reported(work: Work, party: str, batch: CatalogueReported) -> None:
    """The rows are on their way; Refused conflict for a batch id that was used before."""
    used = select(_TABLE.c.row_id).where(_TABLE.c.party == party, _TABLE.c.batch_id == batch.batch_id)
    if work.connection.execute(used.limit(1)).first() is not None:
        raise Refused("conflict", "a batch of this id was reported before", "batch_id")
    if len({one.item.row_id for one in batch.items}) < len(batch.items):
        raise Refused("bad_value", "two rows have the same row_id", "items")
    rows = [
        {
            "party": party,
            "batch_id": batch.batch_id,
            "row_id": one.item.row_id,
            "code": one.item.code,
            "name": one.item.name,
            "state": "sent",
            "changed_at": work.now,
        }
        for one in batch.items
    ]
    work.connection.execute(insert(_TABLE), rows)


def answered(work: Work, party: str, answer: CatalogueReportAnswered, entry: int) -> None:
    """Row by row: taken, or on the work list with the province's code and words."""
    for row in answer.rows:
        state = "done" if row.code == "0" else "refused"
        _mark(work, party, answer.batch_id, row.row_id, state, row.code, row.message)
        if state == "refused":
            _note(
                work, "report_row_refused", f"{answer.batch_id}/{row.row_id} {row.code}: {row.message}", entry
            )
    of_batch = (_TABLE.c.party == party) & (_TABLE.c.batch_id == answer.batch_id)
    work.connection.execute(update(_TABLE).where(of_batch).values(audit_at=next_audit(work.now)))


def audited(work: Work, party: str, audit: CatalogueAudited, entry: int) -> None:
    """What the audit found; a row without a finding keeps its state."""
    for row in audit.rows:
        told = _told(row)
        _mark(work, party, audit.batch_id, row.row_id, "abnormal", row.error_type, told)
        detail = f"{audit.batch_id}/{row.row_id} {row.error_type}: {told}"
        _note(work, "report_row_abnormal", detail, entry)
    of_batch = (_TABLE.c.party == party) & (_TABLE.c.batch_id == audit.batch_id)
    work.connection.execute(update(_TABLE).where(of_batch).values(audit_at=None))


def due(connection: Connection, party: str, now: float) -> list[str]:
    """Batches whose audit can be asked for, the longest waiting first."""
    query = (
        select(_TABLE.c.batch_id)
        .where(_TABLE.c.party == party, _TABLE.c.audit_at <= now)
        .group_by(_TABLE.c.batch_id, _TABLE.c.audit_at)
        .order_by(_TABLE.c.audit_at)
        .limit(MOST_DUE)
    )
    return list(connection.execute(query).scalars())


def worklist(connection: Connection) -> Sequence[Any]:
    """Rows a person has to see to, the newest first."""
    query = select(_TABLE).where(_TABLE.c.state.in_(WORKLIST)).order_by(_TABLE.c.changed_at.desc())
    return connection.execute(query).all()


def next_audit(now: float) -> float:
    """The morning after, Unix seconds."""
    local = datetime.fromtimestamp(now, UTC).astimezone(BEIJING)
    morning = local.replace(hour=AUDIT_HOUR, minute=0, second=0, microsecond=0)
    return (morning + timedelta(days=1)).timestamp()


def _mark(work: Work, party: str, batch: str, row: str, state: str, told: str, message: str | None) -> None:
    where = (_TABLE.c.party == party) & (_TABLE.c.batch_id == batch) & (_TABLE.c.row_id == row)
    said = {"state": state, "told": told, "message": message, "changed_at": work.now}
    if not work.connection.execute(update(_TABLE).where(where).values(**said)).rowcount:
        raise Refused("unknown_row", "nothing of this row was reported", row)


def _told(row: AuditedRow) -> str:
    where = ".".join(part for part in (row.table, row.field) if part)
    return f"{where}: {row.message}" if where else row.message


def _note(work: Work, code: str, detail: str, entry: int) -> None:
    add_finding(work, None, ("procedure", code, detail[:500]), entry)

"""Efficiency data reported up: what the higher platform took of a report, against what was sent (SYS-10)."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import bindparam, select

from canonical.messages import Payload, PerformanceReceived, PerformanceReported
from exchange.reacting.occasion import Occasion
from exchange.store.tables import document

_REPORT = (
    select(document.c.canonical)
    .where(document.c.message_id == bindparam("of"), document.c.type == PerformanceReported.TYPE)
    .where(document.c.state != "refused")
    .order_by(document.c.entry.desc())
)


def compare_report(occasion: Occasion) -> Iterator[Payload]:
    """Fewer rows accepted than sent is a partial accept: what was accepted stands, the rest is for a
    person."""
    payload = occasion.message.payload
    report = _report(occasion) if isinstance(payload, PerformanceReceived) else None
    if isinstance(payload, PerformanceReceived) and report is not None:
        sent = len(report["rows"])
        if payload.report_id != report["report_id"]:
            detail = f"{report['report_id']}: answered as {payload.report_id}"
            occasion.note("content", "another_report", detail)
        if payload.accepted != sent:
            detail = f"{report['report_id']}: {payload.accepted} of {sent} rows; {payload.reason or ''}"
            occasion.note("content", "partial_accept", detail)
    yield from ()


def _report(occasion: Occasion) -> dict[str, Any] | None:
    """The report this answers."""
    occasion.work.flush()
    rows = occasion.work.connection.execute(_REPORT, {"of": occasion.message.causation_id})
    return next((row.canonical for row in rows if row.canonical is not None), None)

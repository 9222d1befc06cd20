"""Live traffic keeps testing a certificate: what the ledger's documents say against it is drift.

Nothing is counted while messages pass: the documents are kept anyway, and are looked through now and then.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from sqlalchemy import Connection, func, select

from exchange import conformance
from exchange.adapterfolder import Adapter
from exchange.conformance import Certificate
from exchange.records import add_finding
from exchange.store.tables import document, outbox, party
from exchange.store.work import Store, Work

CONTRADICTS = frozenset({
    "unknown_field", "missing_field", "unknown_code", "bad_value", "unknown_type",
    "seal_missing", "seal_invalid", "seal_scope", "bad_media_type", "bad_request", "too_large", "conflict",
})  # fmt: skip
"""Codes of documents that a conforming partner never causes."""
ANSWERS = frozenset({
    "answer_seal_missing", "answer_seal_invalid", "answer_seal_scope", "answer_stale", "answer_unknown_party",
    "answer_unreadable", "answer_too_large", "answer_bad_request",
})  # fmt: skip
"""Codes of deliveries whose answer was not the partner's word, or no answer of the contract."""
UNANSWERED = "receipt_missing"


def watch(store: Store, hub: str, adapters: Mapping[str, Adapter]) -> int:
    """Looks without holding up those who write, and writes only what there is to say; how many drifted."""
    with store.read() as connection:
        if not contradicted(connection, store.clock(), adapters):
            return 0
    return store.write(lambda work: examine(work, hub, adapters))


def examine(work: Work, hub: str, adapters: Mapping[str, Adapter]) -> int:
    """Records drift of every valid certificate that live traffic contradicts; how many were found."""
    work.flush()
    found = 0
    for certificate, reasons in contradicted(work.connection, work.now, adapters):
        entry = conformance.drifted(work, hub, certificate, reasons)
        detail = ", ".join(f"{code} × {count}" for code, count in sorted(reasons.items()))
        add_finding(work, None, ("drift", max(reasons, key=lambda code: reasons[code]), detail), entry.seq)
        found += 1
    return found


def contradicted(
    connection: Connection, now: float, adapters: Mapping[str, Adapter]
) -> Sequence[tuple[Certificate, Mapping[str, int]]]:
    """Certificates in force and what has spoken against them since: code -> how often."""
    folders = {name: Path(adapter.folder) for name, adapter in adapters.items()}
    newest: dict[str, Certificate] = {}
    for one in conformance.certificates(connection, now, folders):
        newest.setdefault(one.outcome.adapter, one)
    valid = [one for one in newest.values() if one.state == "valid"]
    counted = [(one, since(connection, one, adapters.get(one.outcome.adapter), now)) for one in valid]
    return [(one, reasons) for one, reasons in counted if reasons]


def since(
    connection: Connection, certificate: Certificate, adapter: Adapter | None, now: float
) -> dict[str, int]:  # fmt: skip
    """What the partners of a certificate's adapter did since that contradicts it."""
    names = select(party.c.name).where(party.c.adapter == certificate.outcome.adapter)
    rows = connection.execute(
        select(document.c.code, func.count())
        .where(
            document.c.entry > certificate.entry, document.c.party.in_(names), document.c.direction != "own"
        )
        .where(document.c.code.in_(CONTRADICTS))
        .group_by(document.c.code)
    )
    found = Counter({str(code): int(count) for code, count in rows})
    found.update(_answers(connection, certificate))
    if silent := _unanswered(connection, certificate, adapter, now):
        found[UNANSWERED] = silent
    return dict(found)


def _answers(connection: Connection, certificate: Certificate) -> dict[str, int]:
    """Deliveries since whose last answer could not be believed or read; they wait for another."""
    names = select(party.c.name).where(party.c.adapter == certificate.outcome.adapter)
    mine = outbox.c.party.in_(names) & (outbox.c.entry > certificate.entry)
    query = (
        select(outbox.c.code, func.count()).where(mine, outbox.c.code.in_(ANSWERS)).group_by(outbox.c.code)
    )
    return {str(code): int(count) for code, count in connection.execute(query)}


def _unanswered(
    connection: Connection, certificate: Certificate, adapter: Adapter | None, now: float
) -> int:  # fmt: skip
    """Messages sent since whose business receipt is overdue."""
    promised = [call.name for call in adapter.outbound if call.answered_by] if adapter else []
    if adapter is None or not promised or adapter.limits.unknown_after is None:
        return 0
    names = select(party.c.name).where(party.c.adapter == adapter.name)
    late = outbox.c.sent_at < now - adapter.limits.unknown_after
    query = (
        select(func.count())
        .select_from(outbox)
        .where(outbox.c.party.in_(names), outbox.c.document.in_(promised), outbox.c.entry > certificate.entry)
        .where(outbox.c.receipt_code.is_(None), late)
    )
    return int(connection.execute(query).scalar() or 0)

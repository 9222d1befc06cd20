"""What was exchanged, as the commands show it: lists without personal data, and the story of one message."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, or_, select

from exchange.errors import HubError
from exchange.mapping import house
from exchange.receipts import BEIJING
from exchange.seals.safexml import parse as parse_xml
from exchange.seals.wssec import SOAP
from exchange.store.tables import document, outbox
from ledger import tables
from ledger.errors import LedgerError
from ledger.leaf import parse

_LISTED = (
    document.c.message_id, document.c.at, document.c.party, document.c.direction, document.c.protocol,
    document.c.type, document.c.case_no, document.c.state, document.c.code,
)  # fmt: skip
_BRIEF = (document.c.entry, *_LISTED)
MOST = 1000  # documents in one story
Found = Any  # a row of the table document, or of some of its columns
_CHUNK = 500


@dataclass(frozen=True)
class Filter:
    """Which documents; None: any."""

    party: str | None = None
    case_no: str | None = None
    type: str | None = None
    state: str | None = None


def listing(connection: Connection, wanted: Filter, limit: int | None) -> list[dict[str, Any]]:
    """The newest documents, newest first."""
    query = select(*_LISTED).order_by(document.c.entry.desc()).limit(limit)
    for column, value in (
        (document.c.party, wanted.party), (document.c.case_no, wanted.case_no),
        (document.c.type, wanted.type), (document.c.state, wanted.state),
    ):  # fmt: skip
        query = query if value is None else query.where(column == value)
    return [listed(row) for row in connection.execute(query)]


def listed(row: Found) -> dict[str, Any]:
    """One document in the list: nothing in it names a person."""
    return {
        "id": row.message_id, "time": moment(row.at), "party": row.party, "direction": row.direction,
        "protocol": row.protocol, "type": row.type, "case": row.case_no, "state": row.state, "code": row.code,
    }  # fmt: skip


def moment(at: float) -> str:
    """A Unix time as ISO text with the offset of Beijing, to the millisecond."""
    return datetime.fromtimestamp(at, UTC).astimezone(BEIJING).isoformat(timespec="milliseconds")


def found(
    connection: Connection, message_id: str, party: str | None = None, entry: int | None = None
) -> Sequence[Found]:
    """The documents of this id, oldest first: what came or went before what the hub noted of itself."""
    query = select(document).where(document.c.message_id == message_id).order_by(document.c.entry)
    query = query if party is None else query.where(document.c.party == party)
    query = query if entry is None else query.where(document.c.entry == entry)
    return connection.execute(query.limit(MOST)).all()


def story(connection: Connection, roots: Sequence[Found]) -> list[dict[str, Any]]:
    """Every ledger line and planned delivery of these documents and of what they caused, in order of time."""
    documents = {row.entry: row for row in roots}
    deliveries: dict[int, Found] = {}
    causes = _causes(connection, roots)
    new = list(documents.values())
    while new and len(documents) < MOST:
        planned = _planned(connection, [row.entry for row in new])
        deliveries |= {row.id: row for row in planned}
        ids = {row.message_id for row in planned} | {f"re-{row.message_id}" for row in planned}
        ids |= {one for row in new for one in causes.get(row.message_id, ())}
        new = [row for row in _of_ids(connection, ids) if row.entry not in documents]
        documents |= {row.entry: row for row in new}
    lines = [_line(row, leaf) for row, leaf in _with_leaves(connection, documents)]
    lines += [_delivery(row) for row in deliveries.values()]
    return sorted(lines, key=lambda line: (line["time"], line["entry"] is None, line["entry"] or 0))


def _causes(connection: Connection, roots: Sequence[Found]) -> dict[str, set[str]]:
    """Message id -> ids of documents that name it as their cause, among those of the case and commit."""
    caused: dict[str, set[str]] = {}
    first = min((row.entry for row in roots), default=0)
    near = [document.c.at.in_({row.at for row in roots})]
    if cases := {row.case_no for row in roots if row.case_no}:
        near.append(document.c.case_no.in_(cases))
    columns = (document.c.message_id, document.c.body)
    query = select(*columns).where(document.c.entry >= first, document.c.direction != "out", or_(*near))
    for row in connection.execute(query.order_by(document.c.entry).limit(MOST)):
        if cause := causation_of(row.body):
            caused.setdefault(cause, set()).add(row.message_id)
    return caused


def causation_of(body: bytes) -> str | None:
    """The causation_id of a house document in JSON, XML or SOAP; None in any other."""
    try:
        if body[:1] == b"{":
            cause = json.loads(body).get("causation_id")
        elif body[:1] == b"<":
            cause = _xml_cause(body)
        else:
            return None
    except (HubError, ValueError, RecursionError):
        return None
    return cause if isinstance(cause, str) else None


def _xml_cause(body: bytes | str) -> str | None:
    root = parse_xml(body if isinstance(body, bytes) else body.encode())
    if root.tag == f"{{{SOAP}}}Envelope":
        inner = next((one.text for one in root.iter("{*}document")), None)
        return house.read_xml(inner).causation_id if inner else None
    found_at: str | None = root.findtext("{*}causation_id")
    return found_at


def _planned(connection: Connection, entries: Sequence[int]) -> list[Found]:
    return [
        row
        for chunk in _chunks(entries)
        for row in connection.execute(select(outbox).where(outbox.c.entry.in_(chunk)).order_by(outbox.c.id))
    ]


def _of_ids(connection: Connection, ids: Iterable[str]) -> list[Found]:
    return [
        row
        for chunk in _chunks(sorted(ids))
        for row in connection.execute(select(*_BRIEF).where(document.c.message_id.in_(chunk)))
    ]


def _chunks(values: Sequence[Any]) -> Iterable[Sequence[Any]]:
    return (values[at : at + _CHUNK] for at in range(0, len(values), _CHUNK))


def _with_leaves(connection: Connection, documents: Mapping[int, Found]) -> list[tuple[Found, bytes]]:
    leaves: dict[int, bytes] = {}
    for chunk in _chunks(sorted(documents)):
        columns = (tables.entry.c.seq, tables.entry.c.leaf)
        for seq, leaf in connection.execute(select(*columns).where(tables.entry.c.seq.in_(chunk))):
            leaves[seq] = leaf
    return [(row, leaves.get(entry, b"")) for entry, row in sorted(documents.items())]


def _line(row: Found, leaf: bytes) -> dict[str, Any]:
    fields = _fields(leaf)
    change = fields.get("state", {})
    return {
        "time": moment(row.at), "entry": row.entry, "kind": fields.get("kind", "?"), "party": row.party,
        "direction": row.direction, "type": row.type, "id": row.message_id, "state": row.state,
        "code": row.code, "case_state": change.get("to"), "attempts": None,
    }  # fmt: skip


def _fields(leaf: bytes) -> dict[str, Any]:
    try:
        return parse(leaf)
    except LedgerError:
        return {}  # `tongban ledger verify` says what is wrong with it


def _delivery(row: Found) -> dict[str, Any]:
    return {
        "time": moment(row.created_at), "entry": None, "kind": "delivery", "party": row.party,
        "direction": "out", "type": row.type, "id": row.message_id, "state": row.state,
        "code": row.receipt_code or row.code, "case_state": None, "attempts": row.attempts,
    }  # fmt: skip

"""Organisations and staff as the city's identity system knows them (S0-20, S0-26)."""

from collections.abc import Iterator

from sqlalchemy import JSON, bindparam, text

from canonical.messages import DirectoryIncrement, DirectoryOrganisation, DirectoryStaff, Payload
from exchange import items
from exchange.reacting.occasion import Occasion

STREAM = "directory"
_KEEP = text(
    "INSERT INTO directory_entry (party, kind, id, active, data) VALUES (:party, :kind, :id, :active, :data)"
    " ON CONFLICT (party, kind, id) DO UPDATE SET active = excluded.active, data = excluded.data"
).bindparams(bindparam("data", type_=JSON))


def keep_directory(occasion: Occasion) -> Iterator[Payload]:
    """The newest of each entry; the last page moves the stream on."""
    payload, party, work = occasion.message.payload, occasion.message.sender, occasion.work
    if isinstance(payload, DirectoryIncrement):
        for organisation in payload.organisations:
            _keep(occasion, "organisation", organisation)
        for person in payload.staff:
            _keep(occasion, "staff", person)
        if payload.next_cursor is None:
            items.move(work, party, payload.to_version, STREAM)
    yield from ()


def _keep(occasion: Occasion, kind: str, entry: DirectoryOrganisation | DirectoryStaff) -> None:
    data = entry.model_dump(mode="json", exclude_none=True)
    row = {
        "party": occasion.message.sender,
        "kind": kind,
        "id": entry.id,
        "active": entry.active,
        "data": data,
    }
    occasion.work.connection.execute(_KEEP, row)

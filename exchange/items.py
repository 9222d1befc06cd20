"""The implementation items in force, as the last catalogue that was applied left them."""

import json
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from exchange.clocks import today
from exchange.errors import Refused
from exchange.store.tables import item, item_content, stream
from exchange.store.work import Work
from ledger.prepared import run

STREAM = "catalogue"
WITHDRAWN = "withdrawn"  # taken out of the catalogue; its own states are those of the code list
_IN_FORCE = (
    select(
        item.c.version,
        item.c.org,
        item.c.state,
        item.c.has_fee,
        item.c.effective_on,
        item.c.cancelled_on,
        item_content.c.data,
    )
    .join(item_content, item_content.c.id == item.c.content, isouter=True)
    .where(item.c.code == bindparam("of"), item.c.current)
)
_CONTENT = (
    select(item_content.c.data)
    .join(item, item.c.content == item_content.c.id)
    .where(item.c.code == bindparam("of"), item.c.version == bindparam("number"))
)


@dataclass(frozen=True)
class InForce:
    """The version of an item a new case is pinned to."""

    version: int
    org: str
    has_fee: bool
    gives_certificate: bool


def in_force(work: Work, code: str) -> InForce:
    """The current version; Refused unknown_item or item_not_in_force (S3-11)."""
    row = run(work.connection, _IN_FORCE, {"of": code}).first()
    if row is None:
        raise Refused("unknown_item", "no item has this code", "item_code")
    if why := _not_in_force(row, today(work.now)):
        raise Refused("item_not_in_force", why, "item_code")
    content = json.loads(row.data) if row.data else {}
    return InForce(row.version, row.org, row.has_fee, content.get("result_kind") == "certificate")


def content_of(connection: Connection, code: str, version: int) -> dict[str, Any]:
    """The item as the province told it in that version; empty when that version is not stored."""
    data = run(connection, _CONTENT, {"of": code, "number": version}).scalar()
    return dict(json.loads(data)) if data else {}


def _not_in_force(row: Any, on: date) -> str | None:
    """An item whose cancellation is planned for a later day is in force until then."""
    day = on.isoformat()
    planned = row.cancelled_on is not None and row.cancelled_on > day
    if row.state != "in_use" and not (row.state == "cancelled" and planned):
        return f"the item is {row.state}"
    if (row.effective_on or day) > day or (row.cancelled_on is not None and not planned):
        return "the item is not in force today"
    return None


def position(connection: Connection, party: str, name: str = STREAM) -> int:
    """How far this party's catalogue has been read, or how far a stream has been given to it."""
    where = (stream.c.party == party) & (stream.c.name == name)
    return connection.execute(select(stream.c.position).where(where)).scalar() or 0


def move(work: Work, party: str, to: int, name: str = STREAM) -> None:
    """The stream has been read, or given, up to here."""
    where = (stream.c.party == party) & (stream.c.name == name)
    if not work.connection.execute(update(stream).where(where).values(position=to)).rowcount:
        work.connection.execute(insert(stream), {"party": party, "name": name, "position": to})

"""The implementation items in force, as the provincial catalogue's increments left them."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, select, update

from canonical.messages import CatalogueIncrement, ServiceItem
from exchange.clocks import today
from exchange.errors import Refused
from exchange.store.tables import item, stream
from exchange.store.work import Work
from ledger.prepared import run

STREAM = "catalogue"
_IN_FORCE = select(
    item.c.version, item.c.org, item.c.state, item.c.has_fee, item.c.effective_on, item.c.cancelled_on
).where(item.c.code == bindparam("of"), item.c.current)


@dataclass(frozen=True)
class InForce:
    """The version of an item a new case is pinned to."""

    version: int
    org: str
    has_fee: bool


def in_force(work: Work, code: str) -> InForce:
    """The current version; Refused unknown_item or item_not_in_force (S3-11)."""
    row = run(work.connection, _IN_FORCE, {"of": code}).first()
    if row is None:
        raise Refused("unknown_item", "no item has this code", "item_code")
    if row.state != "in_use":
        raise Refused("item_not_in_force", f"the item is {row.state}", "item_code")
    day = today(work.now).isoformat()
    if (row.effective_on or day) > day or (row.cancelled_on is not None and row.cancelled_on <= day):
        raise Refused("item_not_in_force", "the item is not in force today", "item_code")
    return InForce(row.version, row.org, row.has_fee)


def store_increment(work: Work, party: str, page: CatalogueIncrement) -> None:
    """Apply one page: new versions become current, withdrawn ones stop; the last page moves the stream on."""
    for changed in page.changed:
        _store(work, changed, page.to_version)
    for gone in page.withdrawn:
        where = (item.c.code == gone.code) & (item.c.row_id == gone.row_id) & (item.c.version <= gone.version)
        work.connection.execute(update(item).where(where).values(state="cancelled"))
    if page.next_cursor is None:
        if page.since == 0:
            _withdraw_unseen(work, page.to_version)
        move(work, party, page.to_version)


def _withdraw_unseen(work: Work, load: int) -> None:
    """What a full load does not hold is no longer in force."""
    gone = item.c.current & (item.c.loaded < load)
    work.connection.execute(update(item).where(gone).values(state="cancelled"))


def _store(work: Work, changed: ServiceItem, load: int) -> None:
    newest = select(func.max(item.c.version)).where(item.c.code == changed.code, item.c.current)
    known = work.connection.execute(newest).scalar() or 0
    if changed.version < known:
        work.connection.execute(
            update(item).where(item.c.code == changed.code, item.c.current).values(loaded=load)
        )
        return
    where = item.c.code == changed.code
    work.connection.execute(update(item).where(where).values(current=False))
    work.connection.execute(item.delete().where(where & (item.c.version == changed.version)))
    row: dict[str, Any] = {
        "code": changed.code,
        "version": changed.version,
        "state": changed.state,
        "row_id": changed.row_id,
        "org": changed.organisation_code,
        "has_fee": changed.has_fee,
        "name": changed.name,
        "data": changed.model_dump(mode="json", exclude_none=True),
        "current": True,
        "loaded": load,
        "effective_on": changed.effective_on and changed.effective_on.isoformat(),
        "cancelled_on": changed.cancelled_on and changed.cancelled_on.isoformat(),
    }
    work.connection.execute(insert(item), row)


def position(connection: Connection, party: str) -> int:
    """How far this party's catalogue has been read."""
    where = (stream.c.party == party) & (stream.c.name == STREAM)
    return connection.execute(select(stream.c.position).where(where)).scalar() or 0


def move(work: Work, party: str, to: int) -> None:
    """The catalogue has been read up to this version."""
    where = (stream.c.party == party) & (stream.c.name == STREAM)
    if not work.connection.execute(update(stream).where(where).values(position=to)).rowcount:
        work.connection.execute(insert(stream), {"party": party, "name": STREAM, "position": to})

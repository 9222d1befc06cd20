"""Giving the stream of changes to house parties that take catalogue.changed.v1: each has its own position,
and what waits for one of them is bounded."""

from typing import TYPE_CHECKING

from sqlalchemy import Connection, func, select

from canonical.messages import CatalogueChanged
from exchange import items
from exchange.catalogue import stream
from exchange.routing import HOUSE, Plan
from exchange.store.tables import catalogue_change, catalogue_load, outbox
from exchange.store.work import Work

if TYPE_CHECKING:
    from exchange.hub import Hub

STREAM = CatalogueChanged.TYPE
BLOCK = 200  # changes in one commit
MOST_WAITING = 1000  # of one party; more are planned as these are taken


def feed(hub: "Hub") -> int:
    """Plan the next changes of every subscriber; how many were planned."""
    takers = [one.name for one in hub.parties.all() if one.adapter == HOUSE and STREAM in one.takes]
    return sum(_fed(hub, party) for party in takers)


def _fed(hub: "Hub", party: str) -> int:
    with hub.store.read() as connection:
        behind = items.position(connection, party, STREAM) < stream.head(connection)[0]
        if not behind or _waiting(connection, party) + BLOCK > MOST_WAITING:
            return 0
    return hub.store.write(lambda work: _plan(hub, work, party))


def _plan(hub: "Hub", work: Work, party: str) -> int:
    since = items.position(work.connection, party, STREAM)
    found = stream.changes(work.connection, since, BLOCK)
    for change, entry in zip(found, _entries(work.connection, since), strict=False):
        ident = f"{STREAM}-{change['number']}"
        hub.outbox.add(work, [Plan(party, ident, HOUSE, STREAM, None, change, {})], entry)
    if found:
        items.move(work, party, found[-1]["number"], STREAM)
    return len(found)


def _entries(connection: Connection, since: int) -> list[int]:
    """The ledger lines by which the next changes came into force."""
    table = catalogue_change
    query = select(catalogue_load.c.entry).join(table, table.c.load == catalogue_load.c.id)
    return list(
        connection.execute(
            query.where(table.c.number > since).order_by(table.c.number).limit(BLOCK)
        ).scalars()
    )


def _waiting(connection: Connection, party: str) -> int:
    waiting = outbox.c.state.in_(("pending", "claimed"))
    query = select(func.count()).where(outbox.c.party == party, outbox.c.type == STREAM, waiting)
    return connection.execute(query).scalar_one()

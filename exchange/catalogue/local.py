"""Items a party of this place keeps itself (its `origin`): put in force beside those of the province, in the
same stream to subscribers. A list of the province never changes them (difference.compare)."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from canonical.form import canonical_bytes
from canonical.messages import ServiceItem
from exchange.catalogue.stream import change_bytes, head, link
from exchange.errors import Refused
from exchange.receipts import moment
from exchange.store.tables import catalogue_change, catalogue_load, item, item_content
from exchange.store.work import Work


@dataclass(frozen=True)
class _Kept:
    said: ServiceItem
    data: bytes
    content: int
    known: bool  # a version of it was in force before


def put(work: Work, origin: str, told: Sequence[ServiceItem], entry: int) -> None:
    """These versions come into force with this line of the ledger; Refused conflict for an item that is not
    of this origin, or a version that is not newer."""
    if not told:
        return
    after = work.connection.execute(select(func.max(item_content.c.id))).scalar() or 0
    kept = [
        _Kept(one, _bytes(one), after + at, _expect_own(work.connection, origin, one))
        for at, one in enumerate(told, 1)
    ]
    contents = [{"id": one.content, "data": one.data} for one in kept]
    work.connection.execute(insert(item_content), contents)
    codes = [one.said.code for one in kept]
    work.connection.execute(update(item).where(item.c.code.in_(codes)).values(current=False))
    work.connection.execute(insert(item), [_row(one, origin) for one in kept])
    _give(work, origin, kept, entry)


def _bytes(said: ServiceItem) -> bytes:
    return canonical_bytes(said.model_dump(mode="json", exclude_none=True))


def _expect_own(connection: Connection, origin: str, said: ServiceItem) -> bool:
    held = select(item.c.origin, item.c.version).where(item.c.code == said.code)
    for row in connection.execute(held):
        if row.origin != origin:
            raise Refused("conflict", "an item of this code is in the catalogue already", "code")
        if row.version >= said.version:
            raise Refused("conflict", "this version is not newer", "version")
    return connection.execute(held).first() is not None


def _row(one: _Kept, origin: str) -> dict[str, Any]:
    said = one.said
    return {
        "code": said.code,
        "version": said.version,
        "state": said.state,
        "row_id": said.row_id,
        "org": said.organisation_code,
        "name": said.name,
        "has_fee": said.has_fee,
        "digest": hashlib.sha256(one.data).digest(),
        "content": one.content,
        "current": True,
        "effective_on": said.effective_on and said.effective_on.isoformat(),
        "cancelled_on": said.cancelled_on and said.cancelled_on.isoformat(),
        "origin": origin,
    }


def _give(work: Work, origin: str, kept: Sequence[_Kept], entry: int) -> None:
    """Each becomes a change of the stream, under a load of its own that came from here."""
    before, hash_ = head(work.connection)
    effects = ["changed" if one.known else "added" for one in kept]
    load = _load(work, origin, before, effects, entry)
    at, rows = moment(work.now), []
    for number, (one, effect) in enumerate(zip(kept, effects, strict=True), before + 1):
        operation = "update" if one.known else "insert"
        said = change_bytes(number, operation, one.said.code, one.said.version, at, one.data)
        hash_ = link(hash_, said)
        rows.append(
            {
                "number": number,
                "operation": operation,
                "code": one.said.code,
                "version": one.said.version,
                "content": one.content,
                "changed_at": at,
                "hash": hash_,
                "load": load,
                "effect": effect,
            }
        )
    work.connection.execute(insert(catalogue_change), rows)


def _load(work: Work, origin: str, before: int, effects: Sequence[str], entry: int) -> int:
    row = {
        "party": origin,
        "state": "applied",
        "since": before,
        "to_version": before + len(effects),
        "total": len(effects),
        "pages": 0,
        "difference": {effect: effects.count(effect) for effect in set(effects)},
        "started_at": work.now,
        "changed_at": work.now,
        "entry": entry,
    }
    made = insert(catalogue_load).values(row).returning(catalogue_load.c.id)
    return int(work.connection.execute(made).scalar_one())

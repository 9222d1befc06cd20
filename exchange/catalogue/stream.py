"""The items in force as a stream for whoever publishes them: every change has a number, and a hash that holds
the one before, so that a change left out, altered or put in shows.

hash(n) = SHA-256(hash(n-1) || canonical bytes (RFC 8785) of the change without `previous` and `hash`);
hash(0) is 32 zero bytes.
"""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, and_, select

from canonical.form import canonical_bytes
from exchange.items import WITHDRAWN
from exchange.store.tables import catalogue_change, item, item_content

START = bytes(32)
_CHANGE = catalogue_change
_WITH_CONTENT = select(_CHANGE, item_content.c.data).join(
    item_content, item_content.c.id == _CHANGE.c.content, isouter=True
)


def head(connection: Connection) -> tuple[int, bytes]:
    """Number and hash of the newest change; (0, START) when nothing was ever in force."""
    newest = select(_CHANGE.c.number, _CHANGE.c.hash).order_by(_CHANGE.c.number.desc()).limit(1)
    row = connection.execute(newest).first()
    return (row.number, row.hash) if row else (0, START)


def hash_at(connection: Connection, number: int) -> bytes | None:
    """The hash of a change, None when there is none of this number."""
    if number == 0:
        return START
    return connection.execute(select(_CHANGE.c.hash).where(_CHANGE.c.number == number)).scalar()


def change_bytes(
    number: int, operation: str, code: str, version: int, changed_at: str, data: bytes | None
) -> bytes:
    """The canonical bytes of a change around the item's own, which are canonical already."""
    held = b'"item":' + data + b"," if data is not None else b""
    first, last = canonical_bytes({"changed_at": changed_at, "code": code}), {"number": number}
    rest = canonical_bytes(last | {"operation": operation, "version": version})
    return first[:-1] + b"," + held + rest[1:]


def link(previous: bytes, change: bytes) -> bytes:
    """The hash of a change after one."""
    return hashlib.sha256(previous + change).digest()


def changes(connection: Connection, since: int, limit: int) -> list[dict[str, Any]]:
    """What follows number `since`, oldest first: payloads of catalogue.changed.v1."""
    query = _WITH_CONTENT.where(_CHANGE.c.number > since).order_by(_CHANGE.c.number).limit(limit)
    previous, found = hash_at(connection, since), []
    for row in connection.execute(query):
        found.append(_payload(row, previous or START))
        previous = row.hash
    return found


def _payload(row: Any, previous: bytes) -> dict[str, Any]:
    said = {
        "number": row.number,
        "previous": previous.hex(),
        "hash": row.hash.hex(),
        "operation": row.operation,
        "code": row.code,
        "version": row.version,
        "changed_at": row.changed_at,
    }
    return said | ({"item": json.loads(row.data)} if row.data is not None else {})


_LISTED = (
    select(item.c.code, item.c.version, item_content.c.data)
    .join(item_content, item_content.c.id == item.c.content)
    .where(item.c.current, item.c.state != WITHDRAWN)
    .order_by(item.c.code)
)


def listed(connection: Connection, after: str, limit: int) -> Iterator[tuple[str, bytes]]:
    """Code and canonical bytes of the items of the list, by code, behind `after`."""
    for row in connection.execute(_LISTED.where(item.c.code > after).limit(limit)):
        yield row.code, row.data


def one(connection: Connection, code: str, version: int | None = None) -> bytes | None:
    """The canonical bytes of an item: the current version, or a stored one."""
    wanted = and_(item.c.current, item.c.state != WITHDRAWN) if version is None else item.c.version == version
    query = select(item_content.c.data).join(item, item.c.content == item_content.c.id)
    return connection.execute(query.where(item.c.code == code, wanted)).scalar()

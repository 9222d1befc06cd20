"""The bytes a ledger line committed to, for verifying the live store against its own log."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, Select, bindparam, select

from exchange.errors import TryLater
from exchange.store.tables import act, attachment, document

_COLUMNS = {"payload": document.c.body, "sig": document.c.seal, "answer": document.c.answer}
_OF_DOCUMENT = {
    name: select(column).where(document.c.entry == bindparam("seq")) for name, column in _COLUMNS.items()
}
_OF_DOCUMENT["file"] = select(attachment.c.body).where(attachment.c.entry == bindparam("seq"))
_OF_ACT = select(act.c.body).where(act.c.entry == bindparam("seq"))
_DAMAGED = b"\0what stands here is not as it was sealed"  # no commitment is to this


def value_of(connection: Connection) -> Callable[[int, str], bytes | None]:
    """Looks up the value of an entry by its name in the leaf; None when the store no longer has it."""

    def find(seq: int, name: str) -> bytes | None:
        query = _OF_DOCUMENT.get(name)
        found = None if query is None else _value(connection, query, seq)
        if found is None and name == "payload":
            found = _value(connection, _OF_ACT, seq)
        return found

    return find


def _value(connection: Connection, query: Select[Any], seq: int) -> bytes | None:
    try:
        found: bytes | None = connection.execute(query, {"seq": seq}).scalar()
    except TryLater:  # not opened by the keys of the store: it was altered
        return _DAMAGED
    return found

"""The bytes a ledger line committed to, for verifying the live store against its own log."""

from collections.abc import Callable

from sqlalchemy import Connection, bindparam, select

from exchange.store.tables import act, attachment, document

_COLUMNS = {"payload": document.c.body, "sig": document.c.seal, "answer": document.c.answer}
_OF_DOCUMENT = {
    name: select(column).where(document.c.entry == bindparam("seq")) for name, column in _COLUMNS.items()
}
_OF_DOCUMENT["file"] = select(attachment.c.body).where(attachment.c.entry == bindparam("seq"))
_OF_ACT = select(act.c.body).where(act.c.entry == bindparam("seq"))


def value_of(connection: Connection) -> Callable[[int, str], bytes | None]:
    """Looks up the value of an entry by its name in the leaf; None when the store no longer has it."""

    def find(seq: int, name: str) -> bytes | None:
        query = _OF_DOCUMENT.get(name)
        found = None if query is None else connection.execute(query, {"seq": seq}).scalar()
        if found is None and name == "payload":
            found = connection.execute(_OF_ACT, {"seq": seq}).scalar()
        return found if isinstance(found, bytes) else None

    return find

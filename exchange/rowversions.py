"""How far the versions of a partner's rows have been read: an older one never comes in again."""

import hashlib
from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, insert, select, update

from exchange.store.tables import stream
from exchange.store.work import Work


def stream_of(table: str, key: str) -> str:
    """The name under which a row's versions are numbered: a stream of its own."""
    return "r" + hashlib.sha256(f"{table}\n{key}".encode()).hexdigest()[:39]


def known(connection: Connection, party: str, names: Iterable[str]) -> dict[str, int]:
    """The highest version read, by stream."""
    mine = (stream.c.party == party) & stream.c.name.in_(list(names))
    query = select(stream.c.name, stream.c.position).where(mine)
    return {row.name: row.position for row in connection.execute(query)}


def advance(work: Work, party: str, read: Mapping[str, int]) -> None:
    """These versions have been read; nothing goes back."""
    before = known(work.connection, party, read)
    for name, position in read.items():
        mine = (stream.c.party == party) & (stream.c.name == name)
        if name not in before:
            work.connection.execute(insert(stream), {"party": party, "name": name, "position": position})
        elif before[name] < position:
            work.connection.execute(update(stream).where(mine).values(position=position))

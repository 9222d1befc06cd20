"""Collecting one list of the province page by page in a staging area, until all of it is there.

Nothing of a load is in force before its last page has come and as many different rows as `total` says were
counted; a list that moved while it was read (a row seen on two pages, another total or version) is given up.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, delete, func, insert, select, update

from canonical.errors import ValueRefused
from canonical.form import canonical_bytes
from canonical.messages import CatalogueIncrement, ServiceItem
from canonical.values import ImplementationCode
from exchange.mapping.rows import BrokenRow
from exchange.store.tables import catalogue_load, catalogue_row, item, item_content
from exchange.store.work import Work
from ledger.prepared import run

OPEN = ("loading", "held")
Staged = dict[str, Any]
Load = Row[Any]  # of catalogue_load

_CONTENT = insert(item_content)
_ROW = insert(catalogue_row)
_NEXT_CONTENT = select(func.max(item_content.c.id).label("id"))
_UNFINISHED = (
    select(catalogue_load)
    .where(catalogue_load.c.party == bindparam("of"), catalogue_load.c.state.in_(OPEN))
    .order_by(catalogue_load.c.id.desc())
    .limit(1)
)
_COUNT = select(func.count(catalogue_row.c.id).label("n")).where(catalogue_row.c.load == bindparam("of"))


@dataclass(frozen=True)
class Facts:
    """What every page of one list must say alike."""

    since: int
    to_version: int
    total: int


def facts_of(page: CatalogueIncrement) -> Facts:
    """Of the list this page belongs to."""
    return Facts(page.since, page.to_version, page.total)


def unfinished(connection: Connection, party: str) -> Load | None:
    """The party's load that is being collected or waits for a person."""
    return connection.execute(_UNFINISHED, {"of": party}).first()


def by_id(connection: Connection, load: int) -> Load | None:
    """A load by its number."""
    return connection.execute(_of(load)).first()


def _of(load: int) -> Select[Any]:
    return select(catalogue_load).where(catalogue_load.c.id == load)


def broken_codes(connection: Connection, load: int, limit: int) -> list[str]:
    """Items whose row could not be read, where at least the code could."""
    known = catalogue_row.c.code.is_not(None)
    query = select(catalogue_row.c.code).where(
        catalogue_row.c.load == load, catalogue_row.c.op == "bad", known
    )
    return list(connection.execute(query.distinct().limit(limit)).scalars())


def latest(connection: Connection, party: str | None = None) -> Load | None:
    """The newest load of a party, or of any."""
    query = select(catalogue_load).order_by(catalogue_load.c.id.desc()).limit(1)
    return connection.execute(
        query if party is None else query.where(catalogue_load.c.party == party)
    ).first()


def take(
    work: Work, party: str, page: CatalogueIncrement, broken: Sequence[BrokenRow] = ()
) -> tuple[Load, str | None]:
    """Stage one page; the load as it is now, and what shows that the list moved meanwhile."""
    load = unfinished(work.connection, party) or _begin(work, party, facts_of(page))
    if load.state == "held":  # another list came: what waited was overtaken
        give_up(work, load, "discarded", "overtaken by a newer list")
        load = _begin(work, party, facts_of(page))
    moved = _other(load, facts_of(page))
    moved = _stage(work, load, [*_bad(broken), *_gone(page), *_puts(work.connection, page)]) or moved
    _turn(work, load, page.next_cursor)
    found: Load = work.connection.execute(_of(load.id)).one()
    return found, moved or (_miscounted(work.connection, found) if page.next_cursor is None else None)


def give_up(work: Work, load: Load, state: str, reason: str, entry: int | None = None) -> None:
    """The load ends without effect: its rows go, its line stays."""
    fresh = select(catalogue_row.c.content).where(catalogue_row.c.load == load.id, catalogue_row.c.fresh)
    work.connection.execute(delete(item_content).where(item_content.c.id.in_(fresh)))
    work.connection.execute(delete(catalogue_row).where(catalogue_row.c.load == load.id))
    close(work, load.id, state, reason, entry=entry)


def close(
    work: Work, load: int, state: str, reason: str | None, difference: Any = None, entry: int | None = None
) -> None:
    """Write down what became of it."""
    said = {"state": state, "reason": reason, "changed_at": work.now, "entry": entry, "cursor": None}
    said |= {"difference": difference} if difference is not None else {}
    work.connection.execute(update(catalogue_load).where(catalogue_load.c.id == load).values(**said))


def _begin(work: Work, party: str, facts: Facts) -> Load:
    row = {
        "party": party,
        "state": "loading",
        "since": facts.since,
        "to_version": facts.to_version,
        "total": facts.total,
        "cursor": None,
        "pages": 0,
        "started_at": work.now,
        "changed_at": work.now,
    }
    work.connection.execute(insert(catalogue_load), row)
    begun: Load = work.connection.execute(_UNFINISHED, {"of": party}).one()
    return begun


def _turn(work: Work, load: Load, cursor: str | None) -> None:
    table = catalogue_load
    turned = update(table).where(table.c.id == load.id)
    work.connection.execute(turned.values(pages=table.c.pages + 1, cursor=cursor, changed_at=work.now))


def _other(load: Load, facts: Facts) -> str | None:
    if facts != Facts(load.since, load.to_version, load.total):
        return f"page {load.pages + 1} is of another list ({facts})"
    return None


def _miscounted(connection: Connection, load: Load) -> str | None:
    counted = run(connection, _COUNT, {"of": load.id}).scalar()
    return None if counted == load.total else f"{counted} different rows came, {load.total} were announced"


def _stage(work: Work, load: Load, rows: list[Staged]) -> str | None:
    """Insert what this page has first; a row of an earlier page again shows that rows changed pages."""
    distinct = {row["digest"]: row for row in rows}  # the same row twice on a page is one row delivered twice
    seen = _seen(work.connection, load, distinct.values())
    new = [row for digest, row in distinct.items() if digest not in seen]
    _store_contents(work, new)
    if new:
        common = {"load": load.id, "page": load.pages + 1}
        run(work.connection, _ROW, [row | common for row in new])
    again = len(distinct) - len(new)
    return f"{again} rows of page {load.pages + 1} stood on an earlier page" if again else None


def _seen(connection: Connection, load: Load, rows: Iterable[Staged]) -> set[bytes]:
    codes = {row["code"] for row in rows}
    table = catalogue_row
    known = table.c.code.in_(codes - {None}) | table.c.code.is_(None)
    query = select(table.c.digest).where(table.c.load == load.id, known)
    return set(connection.execute(query).scalars()) if load.pages else set()


def _store_contents(work: Work, rows: Sequence[Staged]) -> None:
    """The contents nobody holds yet; the numbers are given here, one writer writes."""
    number = run(work.connection, _NEXT_CONTENT).scalar() or 0
    contents = []
    for row in rows:
        data = row.pop("data", None)
        if data is not None and row["content"] is None:
            number += 1
            row["content"] = number
            row["fresh"] = True
            contents.append({"id": number, "data": data})
    if contents:
        run(work.connection, _CONTENT, contents)


def _puts(connection: Connection, page: CatalogueIncrement) -> list[Staged]:
    held = _held(connection, {one.code for one in page.changed})
    return [_put(one, held) for one in page.changed]


def _put(changed: ServiceItem, held: dict[bytes, int]) -> Staged:
    data = canonical_bytes(changed.model_dump(mode="json", exclude_none=True))
    digest = hashlib.sha256(data).digest()
    return _BLANK | {
        "op": "put",
        "code": changed.code,
        "version": changed.version,
        "row_id": changed.row_id,
        "digest": digest,
        "content": held.get(digest),
        "data": data,
        "state": changed.state,
        "org": changed.organisation_code,
        "name": changed.name,
        "has_fee": changed.has_fee,
        "effective_on": changed.effective_on and changed.effective_on.isoformat(),
        "cancelled_on": changed.cancelled_on and changed.cancelled_on.isoformat(),
    }


def _held(connection: Connection, codes: set[str]) -> dict[bytes, int]:
    """Contents the items in force have already: a full load of what is known stores nothing twice."""
    query = select(item.c.digest, item.c.content).where(item.c.code.in_(codes), item.c.current)
    return {row.digest: row.content for row in connection.execute(query) if row.digest is not None}


def _gone(page: CatalogueIncrement) -> list[Staged]:
    return [
        _BLANK
        | {
            "op": "gone",
            "code": one.code,
            "version": one.version,
            "row_id": one.row_id,
            "digest": hashlib.sha256(canonical_bytes(one.model_dump(mode="json"))).digest(),
        }
        for one in page.withdrawn
    ]


def _bad(broken: Sequence[BrokenRow]) -> list[Staged]:
    return [
        _BLANK
        | {
            "op": "bad",
            "code": code_of(one),
            "digest": one.digest,
            "path": one.errors[0].path,
            "error": one.errors[0].code,
            "detail": "; ".join(f"{wrong.path}: {wrong.code}, {wrong.detail}" for wrong in one.errors)[:2000],
        }
        for one in broken
    ]


def code_of(row: BrokenRow) -> str | None:
    """The item a row that could not be read is about, when at least its code can be."""
    try:
        return str(ImplementationCode(str(row.heard.get("code", ""))))
    except ValueRefused:
        return None


_BLANK: Staged = dict.fromkeys(
    (
        "code", "version", "row_id", "content", "state", "org", "name", "has_fee", "effective_on",
        "cancelled_on", "path", "error", "detail",
    )
) | {"fresh": False}  # fmt: skip

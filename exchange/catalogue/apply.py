"""The end of an import: the difference is worked out, held against the rules, and all of it comes into force
in one commit with its line in the ledger."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, bindparam, delete, exists, insert, select, true, update

from canonical.messages import CatalogueIncrement
from exchange import acts, items
from exchange.catalogue import loads
from exchange.catalogue.difference import GONE, PUTS, Rules, compare, objections
from exchange.catalogue.loads import Load
from exchange.catalogue.stream import change_bytes, head, link
from exchange.errors import Refused
from exchange.mapping.rows import BrokenRow
from exchange.receipts import moment
from exchange.records import add_finding
from exchange.store.tables import catalogue_change, catalogue_row, item, item_content
from exchange.store.work import Work
from ledger.prepared import run

if TYPE_CHECKING:
    from exchange.hub import Hub

MOST_FINDINGS = 50  # of one page; every broken row is listed in the load itself
OPERATION = {"added": "insert", "reinstated": "insert", "changed": "update", "corrected": "update"}
_CHANGE = insert(catalogue_change)
_BLOCK = 1000  # changes linked at a time
_ROW = catalogue_row
_EFFECTIVE = (
    select(_ROW.c.id, _ROW.c.effect, _ROW.c.code, _ROW.c.version, _ROW.c.content, item_content.c.data)
    .join(item_content, item_content.c.id == _ROW.c.content, isouter=True)
    .where(_ROW.c.load == bindparam("load"), _ROW.c.id > bindparam("after"), _ROW.c.effect.in_(PUTS + GONE))
    .order_by(_ROW.c.id)
    .limit(_BLOCK)
)
_COPIED = ("code", "version", "state", "row_id", "org", "name", "has_fee", "digest", "content",
           "effective_on", "cancelled_on")  # fmt: skip


def take_page(
    hub: "Hub", work: Work, party: str, page: CatalogueIncrement, broken: Sequence[BrokenRow], entry: int
) -> None:
    """Stage a page; with the last one the list is compared, and applied or held or given up."""
    load, moved = loads.take(work, party, page, broken)
    for row in broken[:MOST_FINDINGS]:
        what = loads.code_of(row) or "an item that cannot be told"
        _note(
            work,
            "catalogue_row_error",
            f"{party}: {what}: {row.errors[0].path} {row.errors[0].detail}",
            entry,
        )
    if moved is not None:
        _failed(hub, work, load, "pagination_shift", moved)
    elif page.next_cursor is None:
        finish(hub, work, load)


def finish(hub: "Hub", work: Work, load: Load) -> None:
    """All of the list is here: compare, then apply or hold."""
    if load.since == 0 and not _has_puts(work, load):
        what = "a full list of no items" if load.total == 0 else "no row of the full list can be read"
        _failed(hub, work, load, "empty_catalogue", what)
        return
    difference = compare(work.connection, load)
    why = objections(work.connection, load, difference, rules_of(hub, load.party))
    if why is None:
        _apply(hub, work, load, difference, None)
    else:
        entry = _act(hub, work, "catalogue.held", load, {"difference": difference, "reason": why})
        loads.close(work, load.id, "held", why, difference, entry)
        _note(work, "catalogue_held", f"{load.party}: {why}", entry)


def apply_held(hub: "Hub", work: Work, load: Load, by: str) -> dict[str, int]:
    """A person lets a held difference come into force, as it is against the items of now; Refused."""
    if load.state != "held":
        raise Refused("not_held", f"load {load.id} is {load.state}", str(load.id))
    difference = compare(work.connection, load)
    _apply(hub, work, load, difference, by)
    return difference


def discard_held(hub: "Hub", work: Work, load: Load, by: str) -> None:
    """A person turns a held difference down: the next pull asks the province again; Refused."""
    if load.state != "held":
        raise Refused("not_held", f"load {load.id} is {load.state}", str(load.id))
    entry = _act(hub, work, "catalogue.discarded", load, {"by": by, "reason": load.reason})
    loads.give_up(work, load, "discarded", f"by {by}: {load.reason}", entry)


def rules_of(hub: "Hub", party: str) -> Rules:
    """The adapter's parameters, and what the party's account says otherwise."""
    found = hub.parties.named(party)
    adapter = hub.adapters.get(found.adapter) if found else None
    return Rules.of({**(adapter.parameters if adapter else {}), **(found.account if found else {})})


def _apply(hub: "Hub", work: Work, load: Load, difference: dict[str, int], by: str | None) -> None:
    before, _ = head(work.connection)
    number, hash_ = _link_changes(work, load)
    _change_items(work, load)
    _clear(work, load)
    items.move(work, load.party, load.to_version)
    broken = difference.get("bad", 0)
    said: dict[str, Any] = {"difference": difference, "from": before, "to": number, "hash": hash_.hex()}
    entry = _act(hub, work, "catalogue.applied", load, said | ({"by": by} if by else {}))
    reason = f"applied with {broken} row errors" if broken else None
    loads.close(work, load.id, "applied", reason, difference, entry)


def _link_changes(work: Work, load: Load) -> tuple[int, bytes]:
    """Every effective row becomes a change of the stream; its newest number and hash."""
    number, hash_ = head(work.connection)
    at = moment(work.now)
    for block in _blocks(work, load):
        rows = []
        for row in block:
            number += 1
            operation = OPERATION.get(row.effect, "delete")
            data = row.data if row.effect in PUTS else None
            hash_ = link(hash_, change_bytes(number, operation, row.code, row.version, at, data))
            rows.append(
                {
                    "number": number,
                    "operation": operation,
                    "code": row.code,
                    "version": row.version,
                    "content": row.content if data is not None else None,
                    "changed_at": at,
                    "hash": hash_,
                    "load": load.id,
                    "effect": row.effect,
                }
            )
        run(work.connection, _CHANGE, rows)
    return number, hash_


def _blocks(work: Work, load: Load) -> Iterator[list[Any]]:
    after = 0
    while block := list(work.connection.execute(_EFFECTIVE, {"load": load.id, "after": after})):
        yield block
        after = block[-1].id


def _change_items(work: Work, load: Load) -> None:
    puts = select(_ROW.c.code).where(_ROW.c.load == load.id, _ROW.c.effect.in_(PUTS))
    same = and_(_ROW.c.load == load.id, _ROW.c.effect.in_(PUTS), _ROW.c.code == item.c.code)
    work.connection.execute(update(item).where(item.c.current, item.c.code.in_(puts)).values(current=False))
    work.connection.execute(delete(item).where(exists().where(same, _ROW.c.version == item.c.version)))
    new = select(*(_ROW.c[name] for name in _COPIED), true()).where(
        _ROW.c.load == load.id, _ROW.c.effect.in_(PUTS)
    )
    work.connection.execute(insert(item).from_select([*_COPIED, "current"], new))
    gone = select(_ROW.c.code).where(_ROW.c.load == load.id, _ROW.c.effect.in_(GONE))
    withdrawn = update(item).where(item.c.current, item.c.code.in_(gone)).values(state=items.WITHDRAWN)
    work.connection.execute(withdrawn)


def _clear(work: Work, load: Load) -> None:
    """Staged rows go, but for those that could not be read; contents nobody came to hold go with them."""
    unused = select(_ROW.c.content).where(_ROW.c.load == load.id, _ROW.c.fresh, ~_ROW.c.effect.in_(PUTS))
    work.connection.execute(delete(item_content).where(item_content.c.id.in_(unused)))
    work.connection.execute(delete(_ROW).where(_ROW.c.load == load.id, _ROW.c.op != "bad"))


def _has_puts(work: Work, load: Load) -> bool:
    query = select(_ROW.c.id).where(_ROW.c.load == load.id, _ROW.c.op == "put").limit(1)
    return work.connection.execute(query).first() is not None


def _failed(hub: "Hub", work: Work, load: Load, code: str, detail: str) -> None:
    entry = _act(hub, work, "catalogue.failed", load, {"code": code, "reason": detail})
    loads.give_up(work, load, "failed", f"{code}: {detail}", entry)
    _note(work, code, f"{load.party}: {detail}", entry)


def _act(hub: "Hub", work: Work, kind: str, load: Load, said: dict[str, Any]) -> int:
    facts = {"load": load.id, "party": load.party, "since": load.since, "to_version": load.to_version}
    xid = f"{kind}-{load.id}"
    return acts.record_value(
        work, hub.name, kind, xid, "catalogue", {**facts, "total": load.total, **said}
    ).seq


def _note(work: Work, code: str, detail: str, entry: int) -> None:
    add_finding(work, None, ("procedure", code, detail[:500]), entry)

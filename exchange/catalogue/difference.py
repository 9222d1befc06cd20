"""What a collected list would change, row by row, before anything changes: the dry run of an import.

Effects: added, changed (newer version), corrected (other content, same version), reinstated (was withdrawn),
withdrawn (told so), absent (a full list lacks it), unchanged, stale (older than what is in force),
superseded (the same list says something newer), unknown (withdraws what is not in force), bad (unreadable),
local (an item kept here, which no list of the province changes).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    case,
    delete,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)

from exchange.catalogue.loads import Load
from exchange.items import WITHDRAWN
from exchange.store.tables import catalogue_row, item

PROVINCE = ""  # origin of the items the province's list says
PUTS = ("added", "changed", "corrected", "reinstated")
GONE = ("withdrawn", "absent")
_ROW = catalogue_row
_other = catalogue_row.alias("other")


@dataclass(frozen=True)
class Rules:
    """When a difference waits for a person. Shares are of the items in force, and of the rows that came."""

    withdraw_share: float = 0.20
    withdraw_floor: int = 5  # so many may always go: a small catalogue changes by large shares
    broken_share: float = 0.20
    broken_floor: int = 5

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> "Rules":
        """From an adapter's parameters and a party's account; what is no number is left as it is."""
        given = {name: _number(settings.get(name)) for name in cls.__dataclass_fields__}
        return cls(**{name: value for name, value in given.items() if value is not None})


def _number(value: Any) -> Any:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if 0 <= number < float("inf") else None


def compare(connection: Connection, load: Load) -> dict[str, int]:
    """Give every staged row its effect on the items in force now; effect -> how many."""
    connection.execute(delete(_ROW).where(_ROW.c.load == load.id, _ROW.c.effect == "absent"))
    connection.execute(update(_ROW).where(_ROW.c.load == load.id).values(effect=None))
    connection.execute(_named(load, "bad", "bad"))
    _supersede(connection, load)
    connection.execute(_effect_of_puts(load))
    connection.execute(_named(load, "put", "added"))
    connection.execute(_effect_of_gone(load))
    connection.execute(_named(load, "gone", "unknown"))
    if load.since == 0:
        connection.execute(_absent(load))
    return counts(connection, load.id)


def counts(connection: Connection, load: int) -> dict[str, int]:
    """Effect -> number of staged rows."""
    query = select(_ROW.c.effect, func.count()).where(_ROW.c.load == load).group_by(_ROW.c.effect)
    return {effect: number for effect, number in connection.execute(query) if effect}


def objections(connection: Connection, load: Load, difference: Mapping[str, int], rules: Rules) -> str | None:
    """Why this difference needs a person's word, or None."""
    going = sum(difference.get(effect, 0) for effect in GONE)
    had = in_force(connection, (item.c.origin == PROVINCE,))
    if going > max(rules.withdraw_floor, rules.withdraw_share * had):
        return f"{going} of {had} items in force would be withdrawn"
    bad = difference.get("bad", 0)
    if bad > max(rules.broken_floor, rules.broken_share * load.total):
        return f"{bad} of {load.total} rows cannot be read"
    if difference.get("absent", 0) and _nameless(connection, load):
        return f"{difference['absent']} items are absent, and some rows do not tell which items they are"
    return None


def in_force(connection: Connection, only: Sequence[ColumnElement[bool]] = ()) -> int:
    """How many items the catalogue holds now, those kept here among them."""
    query = select(func.count()).select_from(item).where(item.c.current, item.c.state != WITHDRAWN, *only)
    return connection.execute(query).scalar_one()


def _nameless(connection: Connection, load: Load) -> bool:
    nameless = select(_ROW.c.id).where(_ROW.c.load == load.id, _ROW.c.op == "bad", _ROW.c.code.is_(None))
    return connection.execute(nameless.limit(1)).first() is not None


def _open(load: Load, op: str) -> Any:
    return and_(_ROW.c.load == load.id, _ROW.c.op == op, _ROW.c.effect.is_(None))


def _named(load: Load, op: str, effect: str) -> Any:
    return update(_ROW).where(_open(load, op)).values(effect=effect)


def _supersede(connection: Connection, load: Load) -> None:
    """Within one list versions decide; at the same version a withdrawal is the last word of its row."""
    same = and_(_other.c.load == load.id, _other.c.code == _ROW.c.code)
    later = or_(
        _other.c.version > _ROW.c.version, and_(_other.c.version == _ROW.c.version, _other.c.id > _ROW.c.id)
    )
    same_row = _other.c.row_id == _ROW.c.row_id
    steps = (
        ("put", and_(_other.c.op == "put", later)),
        ("put", and_(_other.c.op == "gone", same_row, _other.c.version >= _ROW.c.version)),
        ("gone", and_(_other.c.op == "put", _other.c.effect.is_(None))),
        ("gone", and_(_other.c.op == "gone", same_row, later)),
    )
    for op, newer in steps:
        superseded = exists().where(same, newer)
        connection.execute(update(_ROW).where(_open(load, op), superseded).values(effect="superseded"))


def _effect_of_puts(load: Load) -> Any:
    gone = item.c.state == WITHDRAWN
    back = and_(gone, _ROW.c.version >= item.c.version) if load.since else gone
    effect = case(
        (item.c.origin != PROVINCE, "local"),
        (back, "reinstated"),
        (item.c.version > _ROW.c.version, "stale"),
        (item.c.version < _ROW.c.version, "changed"),
        (item.c.digest == _ROW.c.digest, "unchanged"),
        else_="corrected",
    )
    known = and_(item.c.code == _ROW.c.code, item.c.current)
    return update(_ROW).where(_open(load, "put"), known).values(effect=effect)


def _effect_of_gone(load: Load) -> Any:
    theirs = and_(item.c.code == _ROW.c.code, item.c.row_id == _ROW.c.row_id)
    known = and_(theirs, item.c.current, item.c.origin == PROVINCE)
    known = and_(known, item.c.state != WITHDRAWN, item.c.version <= _ROW.c.version)
    return update(_ROW).where(_open(load, "gone"), known).values(effect="withdrawn")


def _absent(load: Load) -> Any:
    """Rows for what a full list does not hold; a row that could not be read still speaks of its item."""
    told = exists().where(_other.c.load == load.id, _other.c.code == item.c.code)
    missing = select(
        literal(load.id), literal(0), literal("gone"), item.c.code, item.c.version, item.c.row_id,
        func.coalesce(item.c.digest, literal(b"")), literal(False), literal("absent"),
    ).where(item.c.current, item.c.state != WITHDRAWN, item.c.origin == PROVINCE, ~told)  # fmt: skip
    columns = ("load", "page", "op", "code", "version", "row_id", "digest", "fresh", "effect")
    return insert(_ROW).from_select(columns, missing)

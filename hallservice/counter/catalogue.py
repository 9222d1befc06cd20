"""The items a counter may open cases of: in force today, and for the division the counter lies in."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, bindparam, or_, select

from canonical.values import RegionCode
from exchange.store.tables import item, item_content
from hallservice.items import situations
from hallservice.items.wording import LEVELS
from hallservice.people.clerk import Clerk

MOST = 200  # rows looked at for one search
SHOWN = 20
_FOUND = (
    select(
        item.c.code,
        item.c.version,
        item.c.name,
        item.c.effective_on,
        item.c.cancelled_on,
        item_content.c.data,
    )
    .join(item_content, item_content.c.id == item.c.content)
    .where(
        item.c.current,
        or_(item.c.state == "in_use", and_(item.c.state == "cancelled", item.c.cancelled_on.is_not(None))),
        or_(item.c.name.like(bindparam("like"), escape="\\"), item.c.code == bindparam("code")),
    )
    .order_by(item.c.name, item.c.code)
    .limit(MOST)
)


@dataclass(frozen=True, slots=True)
class Offered:
    """One item as the choice shows it; `limit` in Chinese."""

    code: str
    name: str
    organisation: str
    region: str
    case_kind: str
    limit: str
    has_fee: bool
    by_appointment: bool


UNITS: Mapping[str, str] = {
    "working_day": "个工作日", "calendar_day": "个自然日", "month": "个月", "year": "年",
}  # fmt: skip


def search(connection: Connection, clerk: Clerk, words: str, day: str) -> tuple[Offered, ...]:
    """By a part of the name or the whole code; `day` (ISO) is today."""
    like = "%" + words.strip().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    rows = connection.execute(_FOUND, {"like": like, "code": words.strip()})
    return tuple(_offered(connection, rows.all(), clerk.region, day))


def _offered(connection: Connection, rows: Any, region: str, day: str) -> Iterator[Offered]:
    shown = 0
    for row in rows:
        content = json.loads(row.data)
        near = shown < SHOWN and _in_force(row, day) and receivable(content, region)
        if near and at_level(connection, row.code, row.version, region):
            shown += 1
            yield Offered(
                row.code,
                row.name,
                content["organisation"],
                content["region"],
                content["case_kind"],
                limit_text(content["promised_limit"]),
                content["has_fee"],
                bool(content.get("by_appointment")),
            )


def _in_force(row: Any, day: str) -> bool:
    return (row.effective_on or day) <= day and (row.cancelled_on is None or row.cancelled_on > day)


def receivable(content: Mapping[str, Any], region: str) -> bool:
    """Whether a counter of this division may receive the item: one lies within the other (S0-13); an item of
    one town or village is received there and above alone."""
    here = RegionCode(region)
    narrowest = content.get("village") or content.get("town") or content.get("region")
    if narrowest is None:
        return True
    there = RegionCode(narrowest)
    return there.contains(here) or here.contains(there)


def at_level(connection: Connection, code: str, version: int, region: str) -> bool:
    """Whether the item is received at counters of this level: at all where nobody said at which."""
    levels = situations.setup_of(connection, code, version).received_at
    return not levels or LEVELS[RegionCode(region).level] in levels


def limit_text(limit: Mapping[str, Any]) -> str:
    """10个工作日; 即时 for none."""
    return f"{limit['count']}{UNITS[limit['unit']]}" if limit["count"] else "即时办结"

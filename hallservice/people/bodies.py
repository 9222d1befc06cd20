"""Bodies that items of the province's catalogue name and the hall does not know yet."""

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, func, select

from exchange.store.tables import item, item_content, party
from exchange.store.work import Work
from hallservice.hall import Hall
from hallservice.people import organisations
from hallservice.people import tables as t
from hallservice.people.clerk import Clerk
from hallservice.people.organisations import Org
from hallservice.people.orgforms import OrgRow
from hallservice.refusals import HallRefused

WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Body:
    """One of them as its items name it. `above`: the division it is registered in, or the top of the tree."""

    uscc: str
    name: str
    items: int
    above: Org
    party: str  # whose system the exchange knows for it; '' for none

    @property
    def row(self) -> OrgRow:
        """The organisation as it will be."""
        return OrgRow(
            f"{self.above.code}-{self.uscc[8:17]}", self.name[:100], "organ", self.above.region,
            self.above.code, uscc=self.uscc, org_code=self.uscc[8:17],
            has_own_system=bool(self.party), party=self.party,
        )  # fmt: skip


def named(connection: Connection) -> list[Body]:
    """By credit code."""
    return list(_named(connection))


def _named(connection: Connection) -> Iterator[Body]:
    i, known = item.c, select(t.org.c.uscc).where(t.org.c.uscc.is_not(None))
    ask = select(i.org, func.count().label("many"), func.max(i.content).label("content")).where(
        i.current, i.state != WITHDRAWN, i.org.is_not(None), i.org.not_in(known)
    )
    tops = organisations.children(connection, None)
    for row in connection.execute(ask.group_by(i.org).order_by(i.org)).all():
        above = _division(connection, row.org) or (tops[0] if tops else None)
        if above is not None:
            yield Body(row.org, _name(connection, row), row.many, above, _system(connection, row.org))


def _division(connection: Connection, uscc: str) -> Org | None:
    """Digits 3 to 8 of a credit code say where the body is registered (GB 32100-2015)."""
    try:
        return organisations.get(connection, uscc[2:8].removesuffix("00").removesuffix("00"))
    except HallRefused:
        return None


def _name(connection: Connection, row: Row[Any]) -> str:
    ask = select(item_content.c.data).where(item_content.c.id == row.content)
    data = connection.execute(ask).scalar()
    return str(json.loads(data).get("organisation") or row.org) if data else str(row.org)


def _system(connection: Connection, uscc: str) -> str:
    ask = select(party.c.name).where(party.c.org == uscc, party.c.active).order_by(party.c.name).limit(1)
    return str(connection.execute(ask).scalar() or "")


def adopt(hall: Hall, work: Work, by: Clerk, chosen: Collection[str]) -> int:
    """Those of these credit codes become organisations; how many."""
    rows = [body.row for body in named(work.connection) if body.uscc in chosen]
    if rows:
        organisations.upsert(hall, work, by, rows)
        hall.record(work, by, "hall.bodies_adopted", rows[0].code, [row.uscc for row in rows])
    return len(rows)

"""Cards as pages show them: lists with filters, counts by area and category, acknowledgement, the banner."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    exists,
    false,
    func,
    literal_column,
    or_,
    select,
    update,
)

from canonical.codes import code_list
from canonical.errors import ValueRefused
from canonical.regions import regions
from canonical.values import RegionCode
from exchange.store.work import Work
from hallservice.hall import Hall
from hallservice.people import tables as people
from hallservice.people.clerk import Clerk
from hallservice.people.filtering import within
from hallservice.refusals import HallRefused
from hallservice.supervision.colouring import CURRENT, SAME, gravity
from hallservice.supervision.roster import ROLES
from hallservice.supervision.tables import call, card, clock
from hallservice.supervision.words import FINDING

VIEW = "supervision.view"
PAGE = 50
COUNTY, TOWN = 6, 9  # digits of a region
CITY_DEPTH = 2  # slashes of the city's path
MOST_BANNER = 20


@dataclass(frozen=True, slots=True)
class Filter:
    """What to show; empty means all. `state`: open (the gravest card of each matter that is not concluded),
    ended, mine (to be acknowledged). `org`: part of the department's name."""

    colour: str = ""
    region: str = ""
    org: str = ""
    item: str = ""
    state: str = ""
    clock: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """A line of the list."""

    id: str
    case_no: str
    clock: str
    due: str
    signal: str
    colour: str
    day: str
    raised_at: float
    region: str
    org: str
    org_name: str
    item_code: str
    item_name: str
    concluded: str | None
    told: int
    delivered: int
    acknowledged: int


@dataclass(frozen=True, slots=True)
class Call:
    """One person the card was told to."""

    id: str
    role: str
    user: str | None
    name: str
    state: str
    attempts: int
    sent_at: float | None
    delivered_at: float | None
    acknowledged_at: float | None
    next_at: float | None


@dataclass(frozen=True, slots=True)
class Count:
    """One area or category: cards by colour, of matters still open."""

    key: str
    name: str
    colours: Mapping[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return sum(self.colours.values())


_CONCLUDED = clock.c.concluded
# Written out: PostgreSQL does not see that two parameters of GROUP BY are equal.
_ONE: ColumnElement[Any] = literal_column("1")


SORTS: Mapping[str, Any] = {
    "raised": card.c.raised_at,
    "due": card.c.due,
    "colour": gravity(card.c.colour),
    "case": card.c.case_no,
    "item": card.c.item_name,
}


def cards(
    connection: Connection, clerk: Clerk, wanted: Filter, *, offset: int = 0, size: int = PAGE, sort: str = ""
) -> tuple[list[Card], int]:
    """A page of what the clerk may see and how many there are; `sort`: a name of SORTS, `-` before it
    turns the order around; newest first without."""
    where = _where(clerk, wanted)
    column = SORTS.get(sort.lstrip("-"), card.c.raised_at)
    order = column.desc() if sort.startswith("-") or not sort else column.asc()
    rows = _rows(
        connection, _joined().where(where).order_by(order, card.c.id.desc()).limit(size).offset(offset)
    )
    total = _joined(func.count()).where(where)
    told = _told(connection, [row.id for row in rows])
    found = [_card(row, told) for row in rows]
    return found, connection.execute(total).scalar_one()


def card_of(connection: Connection, clerk: Clerk, ident: str) -> tuple[Card, list[Call]]:
    """One card and whom it was told to; HallRefused not_found, also for what the clerk may not see."""
    mine = select(call.c.card).where(call.c.user == clerk.user)
    seen = or_(within(card.c.org_path, clerk, VIEW), card.c.id.in_(mine))
    found = _rows(connection, _joined().where(card.c.id == ident, seen))
    if not found:
        raise HallRefused("not_found", "没有这张牌，或者不在您的查看范围内", ident)
    told = _told(connection, [ident])
    return _card(found[0], told), calls(connection, ident)


def calls(connection: Connection, ident: str) -> list[Call]:
    """Whom a card was told to, in the order of the roles."""
    name = func.coalesce(people.user.c.name, "")
    columns = (
        call.c.id, call.c.role, call.c.user, name, call.c.state, call.c.attempts, call.c.sent_at,
        call.c.delivered_at, call.c.acknowledged_at, call.c.next_at,
    )  # fmt: skip
    query = select(*columns).outerjoin(people.user, people.user.c.id == call.c.user)
    found = [Call(*row) for row in _rows(connection, query.where(call.c.card == ident))]
    return sorted(found, key=lambda one: (ROLES.index(one.role), one.name))


def of_case(connection: Connection, case_no: str) -> list[Any]:
    """Everything that was told of a case, oldest first."""
    return list(
        connection.execute(
            select(card).where(card.c.case_no == case_no).order_by(card.c.raised_at, card.c.id)
        )
    )


def acknowledge(hall: Hall, clerk: Clerk, ident: str) -> None:
    """By one it was told to; HallRefused not_receiver, acknowledged (done before changes nothing)."""
    hall.write(lambda work: _acknowledge(hall, work, clerk, ident))


def _acknowledge(hall: Hall, work: Work, clerk: Clerk, ident: str) -> None:
    mine = (call.c.card == ident) & (call.c.user == clerk.user)
    states = work.connection.execute(select(call.c.state).where(mine)).scalars().all()
    if not states:
        raise HallRefused("not_receiver", "您不是这张牌的接收人，不能签收", ident)
    if all(state == "acknowledged" for state in states):
        return
    done = {"state": "acknowledged", "next_at": None, "acknowledged_at": work.now}
    work.connection.execute(update(call).where(mine, call.c.state != "acknowledged").values(**done))
    of_case = work.connection.execute(select(card.c.case_no).where(card.c.id == ident)).scalar_one()
    hall.record(work, clerk, "hall.card_acknowledged", ident, {"card": ident}, case_no=of_case)


def banner(connection: Connection, clerk: Clerk) -> list[Any]:
    """What this person was told and has neither acknowledged nor ended, gravest first: above the worklist. Of
    a matter its gravest card alone."""
    mine = (call.c.user == clerk.user) & (call.c.state != "acknowledged") & _CONCLUDED.is_(None)
    rank = gravity(card.c.colour).label("rank")  # sorted by, so it has to be selected too
    columns = (card.c.id, card.c.case_no, card.c.clock, card.c.due, card.c.signal, card.c.colour, rank)
    query = select(*columns).distinct().join(call, call.c.card == card.c.id).join(clock, SAME)
    current = mine & (card.c.due == clock.c.due) & ((card.c.colour == FINDING) | _gravest())
    found = query.where(current).order_by(rank, card.c.due, card.c.id).limit(MOST_BANNER)
    return list(connection.execute(found))


def by_area(connection: Connection, clerk: Clerk) -> list[Count]:
    """Matters still open by their gravest card: by county for the city, by town below it (S0-31)."""
    wide = is_wide(clerk)
    area = func.substr(card.c.region, _ONE, literal_column(str(COUNTY if wide else TOWN)))
    return _counts(connection, clerk, area, lambda key: _area_name(key.ljust(12, "0"), wide))


def is_wide(clerk: Clerk) -> bool:
    """Whether the clerk supervises more than one county."""
    return any(path.count("/") <= CITY_DEPTH for path in clerk.scopes.get(VIEW, ()))


def _area_name(code: str, wide: bool) -> str:
    known = regions().get(code)
    if known is None:
        return code
    return known.name if known.level == "5" or (known.level == "4" and wide) else f"{known.name}本级"


def by_category(connection: Connection, clerk: Clerk) -> list[Count]:
    """The same by type of item (GB/T 39046 A.1)."""
    kinds = code_list("item_type")
    labels = {entry.code: entry.label for entry in kinds.entries}
    kind = func.substr(card.c.item_code, literal_column("22"), literal_column("2"))
    return _counts(connection, clerk, kind, lambda key: labels.get(key, key))


def by_colour(connection: Connection, clerk: Clerk) -> dict[str, int]:
    """How many matters still open have which card as their gravest."""
    query = select(card.c.colour, func.count()).join(clock, SAME).where(_open(clerk))
    return {row[0]: row[1] for row in connection.execute(query.group_by(card.c.colour))}


def _counts(connection: Connection, clerk: Clerk, key: Any, name: Any) -> list[Count]:
    query = select(key, card.c.colour, func.count()).join(clock, SAME).where(_open(clerk))
    found: dict[str, dict[str, int]] = {}
    for area, colour, number in connection.execute(query.group_by(key, card.c.colour).order_by(key)):
        found.setdefault(area, {})[colour] = number
    return [Count(area, name(area), colours) for area, colours in found.items()]


def _open(clerk: Clerk) -> ColumnElement[bool]:
    """One card of each matter, where the clerk may look."""
    return and_(within(card.c.org_path, clerk, VIEW), _gravest())


def _gravest() -> ColumnElement[bool]:
    """Not concluded, of the due date that counts now, and nothing graver was raised for it."""
    other = card.alias()
    graver = exists().where(
        other.c.case_no == card.c.case_no,
        other.c.clock == card.c.clock,
        other.c.due == card.c.due,
        gravity(other.c.colour) < gravity(card.c.colour),
    )
    return and_(CURRENT, ~graver)


def _where(clerk: Clerk, wanted: Filter) -> ColumnElement[bool]:
    mine = select(call.c.card).where(call.c.user == clerk.user)
    found: list[ColumnElement[bool]] = [or_(within(card.c.org_path, clerk, VIEW), card.c.id.in_(mine))]
    colour = card.c.colour == wanted.colour if wanted.colour else card.c.colour != FINDING
    found.append(colour)
    if wanted.region:
        found.append(_in_region(wanted.region))
    if wanted.org:
        found.append(people.org.c.name.contains(wanted.org, autoescape=True))
    if wanted.item:
        text = wanted.item.strip()
        found.append(card.c.item_name.contains(text, autoescape=True) | (card.c.item_code == text))
    if wanted.clock:
        found.append(card.c.clock.startswith(wanted.clock, autoescape=True))
    return and_(*found, *_state(clerk, wanted.state))


def _in_region(region: str) -> ColumnElement[bool]:
    """In this division or below it; nothing is in one that cannot be."""
    try:
        return card.c.region.startswith(RegionCode(region).prefix, autoescape=True)
    except ValueRefused:
        return false()


def _state(clerk: Clerk, state: str) -> list[ColumnElement[bool]]:
    over = _CONCLUDED.is_not(None) | (card.c.due != clock.c.due)
    waiting = select(call.c.card).where(call.c.user == clerk.user, call.c.acknowledged_at.is_(None))
    known: dict[str, ColumnElement[bool]] = {
        "open": _gravest(),
        "ended": over,
        "mine": card.c.id.in_(waiting),
    }
    return [known[state]] if state in known else []


def _card(row: Any, told: Mapping[str, tuple[int, int, int]]) -> Card:
    people_told, delivered, acknowledged = told.get(row.id, (0, 0, 0))
    return Card(**row._asdict(), told=people_told, delivered=delivered, acknowledged=acknowledged)


def _rows(connection: Connection, query: Select[Any]) -> list[Any]:
    return list(connection.execute(query))


def _joined(*columns: Any) -> Select[Any]:
    """Cards with their clock and the name of the department."""
    of_org, chosen = people.org.c.uscc == card.c.org, columns or _columns()
    return select(*chosen).select_from(card).outerjoin(clock, SAME).outerjoin(people.org, of_org)


def _columns() -> list[Any]:
    names = ("id", "case_no", "clock", "due", "signal", "colour", "day", "raised_at", "region", "org")
    about = [card.c[name] for name in names]
    org_name = func.coalesce(people.org.c.name, card.c.org).label("org_name")
    return [*about, org_name, card.c.item_code, card.c.item_name, _CONCLUDED]


def _told(connection: Connection, cards_: Sequence[str]) -> dict[str, tuple[int, int, int]]:
    """Card -> told to how many people, delivered to how many, acknowledged by how many."""
    if not cards_:
        return {}
    held = func.count(call.c.user)
    query = select(
        call.c.card, held, func.count(call.c.delivered_at), func.count(call.c.acknowledged_at)
    ).where(call.c.card.in_(cards_))
    return {row[0]: (row[1], row[2], row[3]) for row in connection.execute(query.group_by(call.c.card))}

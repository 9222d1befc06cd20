"""To-do, done and search: one query each over `hall_case`, filtered by row, paged by key (S0-56, S0-57)."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache, lru_cache
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Float,
    Integer,
    Select,
    and_,
    bindparam,
    cast,
    false,
    func,
    literal,
    null,
    or_,
    select,
    tuple_,
)

from canonical.amounts import BEIJING
from exchange.clocks import today
from hallservice import wording
from hallservice.counter.standing import visible
from hallservice.counter.tables import hall_case, hall_claim, hall_handled
from hallservice.hall import Hall
from hallservice.people.clerk import Clerk
from hallservice.people.filtering import within
from hallservice.refusals import HallRefused
from hallservice.supervision.colouring import CURRENT, RANKS, SAME, gravity
from hallservice.supervision.tables import card, clock
from hallservice.supervision.words import COLOURS
from ledger.prepared import run

COUNTER = ("prereview", "receive", "accept", "supplement", "fee", "certificate", "deliver")
MOST = 100  # rows a page
SOON = 2  # calendar days before the due date from which a case is shown as nearly due
ENDED = ("deliver", "done")
PAUSED = ("suspended", "supplementing", "pre_supplement")
GRAVEST_FIRST = tuple(RANKS)
EAST = 8 * 3600  # seconds by which clocks here are ahead of UTC
C = hall_case.c


def _text(column: Any) -> Any:
    return func.coalesce(column, "")


class Row(NamedTuple):
    """One case of a list, masked."""

    case_no: str
    item_name: str
    applicant: str
    document: str
    channel: str
    opened_at: float
    state: str
    stage: str
    promised_due: str
    rank: int | None = None  # of its gravest card that counts
    claimed_by: str = ""
    handled_at: float | None = None
    received_at: float | None = None
    window: str = ""
    clerk: str = ""

    @property
    def card(self) -> str:
        """The colour of that card, '' without one."""
        return "" if self.rank is None else GRAVEST_FIRST[self.rank]

    @property
    def key(self) -> str:
        """Where the next page begins."""
        at = self.opened_at if self.handled_at is None else self.handled_at
        return f"{at!r}~{self.case_no}"

    def told(self) -> str:
        """State in Chinese."""
        return wording.state(self.state)

    def supervised(self, day: date) -> str:
        """监察状态: the card where there is one (红牌, 黄牌, 到期提示, 预警), else by the due date: 正常,
        临期, 今日到期, 超期, 暂停计时, 已结束."""
        return supervised(self, day)


# The columns of a Row, in its order; what a list does not show is not asked for.
SHOWN = (
    C.case_no, C.item_name, C.applicant_masked, C.document_masked, C.channel, C.opened_at, C.state, C.stage,
    _text(C.promised_due).label("promised"),
)  # fmt: skip
TAKEN = (C.received_at, _text(C.window).label("at_window"), _text(C.clerk).label("by_clerk"))
NOT_HANDLED = cast(null(), Float).label("handled_at")
NOT_CLAIMED = literal("").label("claimed_by")
NO_CARD = cast(null(), Integer).label("rank")
CARD = (
    select(func.min(gravity(card.c.colour)))
    .join(clock, SAME)
    .where(card.c.case_no == C.case_no, CURRENT)
    .correlate(hall_case)
    .scalar_subquery()
    .label("rank")
)


def supervised(row: Row, day: date) -> str:
    """As Row.supervised."""
    if row.rank is not None:
        return COLOURS[row.card]
    if row.stage in ENDED:
        return "已结束"
    if row.state in PAUSED:
        return "暂停计时"
    if not row.promised_due:
        return "未计时"
    now, soon = _bounds(day)
    if row.promised_due < now:
        return "超期"
    return "今日到期" if row.promised_due == now else "临期" if row.promised_due <= soon else "正常"


@lru_cache(maxsize=8)
def _bounds(day: date) -> tuple[str, str]:
    """The day, and the last on which a case is nearly due."""
    return day.isoformat(), (day + timedelta(days=SOON)).isoformat()


@dataclass(frozen=True, slots=True)
class Page:
    """`next` is the key to ask for the rows after these; '' when there are none."""

    rows: tuple[Row, ...]
    next: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """Filters as typed; days are ISO."""

    case_no: str = ""
    who: str = ""  # the applicant, by name or number (projection.hashed)
    item: str = ""
    state: str = ""
    stage: str = ""
    region: str = ""
    channel: str = ""
    since: str = ""
    until: str = ""


def scope(clerk: Clerk) -> dict[str, str]:
    """The parameters of `_seen`: where the clerk may look at cases."""
    tops = clerk.scopes.get("case.view", ())
    return {
        f"{end}{at}": path for at, top in enumerate(tops) for end, path in (("t", top), ("e", top[:-1] + "0"))
    }


def _seen(tops: int) -> ColumnElement[bool]:
    """The rows of a clerk who looks at so many subtrees; a path ends in /, and 0 is the next character."""
    places = [(column, at) for column in (C.org_path, C.site_path) for at in range(tops)]
    return or_(
        false(),
        *(and_(column >= bindparam(f"t{at}"), column < bindparam(f"e{at}")) for column, at in places),
    )


@cache
def _counting(tops: int) -> Select[Any]:
    return select(func.count().label("n")).where(C.stage == bindparam("at"), _seen(tops))


def count(connection: Connection, clerk: Clerk, stage: str) -> int:
    """How many wait at one stage."""
    where = scope(clerk)
    return int(run(connection, _counting(len(where) // 2), {"at": stage, **where}).scalar())


def counts(connection: Connection, clerk: Clerk) -> Mapping[str, int]:
    """Stage -> how many wait there, every stage of the counter named."""
    return {stage: count(connection, clerk, stage) for stage in COUNTER}


@cache
def _waiting(tops: int, later: bool) -> Select[Any]:
    """What waits at a stage, as most pages ask for it; `later`: behind a key."""
    query = _todo().where(_seen(tops)).limit(bindparam("most", type_=Integer))
    if not later:
        return query
    return query.where(
        tuple_(C.opened_at, C.case_no) > tuple_(bindparam("at_", type_=Float), bindparam("no"))
    )


def _todo() -> Select[Any]:
    return (
        select(*SHOWN, CARD, _text(hall_claim.c.clerk).label("claimed_by"))
        .join(hall_claim, hall_claim.c.case_no == C.case_no, isouter=True)
        .where(C.stage == bindparam("at"))
        .order_by(C.opened_at, C.case_no)
    )


def todo(
    connection: Connection,
    clerk: Clerk,
    stage: str,
    wanted: Wanted = Wanted(),
    after: str = "",
    size: int = 20,
) -> Page:
    """What waits at a stage, the longest waiting first."""
    if stage not in COUNTER:
        raise HallRefused("unknown_stage", "没有这个环节")
    most, where = min(max(size, 1), MOST), scope(clerk)
    values: dict[str, Any] = {"at": stage, "most": most + 1, **where}
    if after:
        values["at_"], values["no"] = _key(after)
    query = _waiting(len(where) // 2, bool(after))
    if filters := _filters(wanted):
        return _paged(map(_row, connection.execute(query.where(*filters), values)), most)
    return _paged(run(connection, query, values, _row), most)


def done(
    connection: Connection,
    clerk: Clerk,
    wanted: Wanted = Wanted(),
    after: str = "",
    size: int = 20,
) -> Page:
    """What this clerk has handled, the latest first (S0-57)."""
    at = hall_handled.c.at
    query = (
        select(*SHOWN, CARD, NOT_CLAIMED, at.label("handled_at"), *TAKEN)
        .join(hall_handled, hall_handled.c.case_no == C.case_no)
        .where(hall_handled.c.staff_no == clerk.staff_no, visible(clerk, "case.view"), *_filters(wanted))
        .order_by(at.desc(), C.case_no.desc())
    )
    if after:
        query = query.where(tuple_(at, C.case_no) < tuple_(*_key(after)))
    return _page(connection, query, size)


def search(connection: Connection, clerk: Clerk, wanted: Wanted, after: str = "", size: int = 20) -> Page:
    """Every case the clerk may see, the newest first."""
    query = (
        select(*SHOWN, CARD)
        .where(visible(clerk, "case.view"), *_filters(wanted))
        .order_by(C.opened_at.desc(), C.case_no.desc())
    )
    if after:
        query = query.where(tuple_(C.opened_at, C.case_no) < tuple_(*_key(after)))
    return _page(connection, query, size)


def register(connection: Connection, clerk: Clerk, wanted: Wanted, after: str = "", size: int = 20) -> Page:
    """服务台账 (S0-05): what was taken in at the clerk's own sites, the newest first."""
    query = (
        select(*SHOWN, NO_CARD, NOT_CLAIMED, NOT_HANDLED, *TAKEN)
        .where(C.received_at.is_not(None), within(C.site_path, clerk, "case.view"), *_filters(wanted))
        .order_by(C.opened_at.desc(), C.case_no.desc())
    )
    if after:
        query = query.where(tuple_(C.opened_at, C.case_no) < tuple_(*_key(after)))
    return _page(connection, query, size)


def _filters(wanted: Wanted) -> list[Any]:
    found: list[Any] = []
    if wanted.case_no:
        found.append(C.case_no == wanted.case_no.strip().upper())
    if wanted.who:
        found.append(or_(C.name_hash == wanted.who, C.document_hash == wanted.who))
    if wanted.item:
        found.append(
            or_(C.item_name.contains(wanted.item.strip(), autoescape=True), C.item_code == wanted.item)
        )
    if wanted.region:
        found.append(C.region.startswith(_prefix(wanted.region), autoescape=True))
    same = {C.state: wanted.state, C.stage: wanted.stage, C.channel: wanted.channel}
    found += [column == value for column, value in same.items() if value]
    return found + _days(wanted)


def _days(wanted: Wanted) -> list[Any]:
    since, until = _begin(wanted.since), _begin(wanted.until)
    bounds = [C.opened_at >= since if since is not None else None]
    bounds.append(C.opened_at < until + 86_400 if until is not None else None)
    return [bound for bound in bounds if bound is not None]


def _begin(day: str) -> float | None:
    """Midnight of a local day; a day nobody can read filters nothing."""
    try:
        return datetime.fromisoformat(day).replace(tzinfo=BEIJING).timestamp() if day else None
    except ValueError:
        return None


def _prefix(region: str) -> str:
    """The digits of a region that say something: 441402000000 means all of 441402."""
    text = region.strip()
    while len(text) > 6 and text.endswith("000"):
        text = text[:-3]
    return text


def _key(after: str) -> tuple[float, str]:
    at, _, case_no = after.partition("~")
    try:
        return float(at), case_no
    except ValueError:
        raise HallRefused("bad_page", "页码无法识别，请从第一页开始") from None


def _page(connection: Connection, query: Select[Any], size: int) -> Page:
    most = min(max(size, 1), MOST)
    return _paged(map(_row, connection.execute(query.limit(most + 1))), most)


def _row(values: Iterable[Any]) -> Row:
    return Row(*values)


def _paged(rows_found: Iterable[Row], most: int) -> Page:
    found = list(rows_found)
    rows = tuple(found[:most])
    return Page(rows, rows[-1].key if len(found) > most else "")


class Pressing(NamedTuple):
    """The banner above the work list: how many are due soon, today, or over (R-05)."""

    soon: int
    today: int
    over: int


NOTHING_DUE = Pressing(0, 0, 0)


@cache
def _due(tops: int) -> Select[Any]:
    """Open cases by their promised due date, up to a day."""
    open_ = and_(
        or_(*(C.stage == stage for stage in ("approve", "fee", "certificate"))),
        C.promised_due <= bindparam("last"),
    )
    query = select(C.promised_due, func.count().label("n")).where(open_, _seen(tops))
    return query.where(*(C.state != state for state in PAUSED)).group_by(C.promised_due)


def pressing(hall: Hall, connection: Connection, clerk: Clerk) -> Pressing:
    """Open cases the clerk sees, by their promised due date."""
    day, where = today(hall.hub.store.clock()), scope(clerk)
    now, last = _bounds(day)
    rows = run(connection, _due(len(where) // 2), {"last": last, **where})
    found = [(row.promised_due, int(row.n)) for row in rows]
    return Pressing(
        sum(n for due, n in found if due > now),
        sum(n for due, n in found if due == now),
        sum(n for due, n in found if due < now),
    )


def local(at: float | None) -> str:
    """A Unix time as lists show it."""
    return "" if at is None else _minute(int(at // 60))


@lru_cache(maxsize=10_000)
def _minute(minutes: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.gmtime(minutes * 60 + EAST))

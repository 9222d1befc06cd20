"""To-do lists: what waits for the own posts in the own body, for the own name, in those one supervises."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, func, or_, select

from hallservice.counter.tables import hall_case
from hallservice.flows import tables as t
from hallservice.hall import Hall
from hallservice.people import tables as p
from hallservice.people.clerk import Clerk
from hallservice.people.filtering import within

HANDLE, SUPERVISE, URGE = "approval.handle", "approval.supervise", "supervision.urge"
KINDS: Mapping[str, str] = {"undertake": "承办", "review": "审核", "approve": "批准", "other": "其他"}
TABS: Mapping[str, tuple[str, ...]] = {
    "undertake": ("undertake",),
    "review": ("review",),
    "approve": ("approve",),
}


@dataclass(frozen=True, slots=True)
class Task:
    """One thing to do; times are Unix seconds, `due` None without a limit or while the clock stands."""

    case_no: str
    item_name: str
    applicant: str  # masked
    promised_due: str | None
    step: str
    name: str
    kind: str
    wanted: str
    org: str
    org_name: str
    post: str
    person: str
    person_name: str
    since: float
    due: float | None
    limit_days: int
    urged: int
    urge: str  # what waits for an answer
    urge_by: str
    urge_at: float | None
    risk: bool
    colour: str


@dataclass(frozen=True, slots=True)
class Page:
    """Part of a list; `total` counts all of it."""

    tasks: tuple[Task, ...]
    total: int


@dataclass(frozen=True, slots=True)
class Wish:
    """What part of the list: a kind of step, words in case number or item, overdue or urged ones alone."""

    kind: str = ""
    words: str = ""
    overdue: bool = False
    colour: str = ""
    urge: str = ""  # open: not answered; answered
    first: int = 0
    most: int = 20


_COLUMNS = [
    t.task.c.case_no, func.coalesce(hall_case.c.item_name, "").label("item_name"),
    func.coalesce(hall_case.c.applicant_masked, "").label("applicant"), hall_case.c.promised_due,
    t.task.c.step, t.task.c.name, t.task.c.kind, t.task.c.wanted, t.task.c.org,
    func.coalesce(p.org.c.name, t.task.c.org).label("org_name"), t.task.c.post, t.task.c.person,
    t.task.c.person_name, t.task.c.since, t.task.c.due, t.task.c.limit_days, t.task.c.urged, t.task.c.urge,
    t.task.c.urge_by, t.task.c.urge_at, t.task.c.risk, t.task.c.colour,
]  # fmt: skip


def list_(hall: Hall, clerk: Clerk, wish: Wish | None = None) -> Page:
    """What waits for this person: what was urged first, then what is due first."""
    if not clerk.may(SUPERVISE):
        clerk.expect(HANDLE)
    return _page(hall, mine(clerk), wish or Wish())


list = list_


def count(hall: Hall, clerk: Clerk) -> Mapping[str, int]:
    """How many of each kind (undertake, review, approve, other) and in `all`."""
    if not (clerk.may(HANDLE) or clerk.may(SUPERVISE)):
        return {}
    ask = select(t.task.c.kind, func.count()).where(mine(clerk)).group_by(t.task.c.kind)
    found: dict[str, int] = hall.read(lambda connection: {row[0]: row[1] for row in connection.execute(ask)})
    known = {kind: found.get(kind, 0) for kind in TABS}
    return {**known, "other": sum(found.values()) - sum(known.values()), "all": sum(found.values())}


def number(connection: Connection, clerk: Clerk) -> int:
    """How many things wait for this person in all."""
    return connection.execute(select(func.count()).where(mine(clerk))).scalar() or 0


def supervised(hall: Hall, clerk: Clerk, wish: Wish | None = None) -> Page:
    """Everything in hand in the bodies this person supervises, or may urge."""
    if not clerk.may(URGE):
        clerk.expect(SUPERVISE)
    seen = or_(*(within(t.task.c.org_path, clerk, function) for function in (SUPERVISE, URGE)))
    return _page(hall, seen, wish or Wish())


def mine(clerk: Clerk) -> ColumnElement[bool]:
    """Rows with the own name, and those of the own posts in the own body where the function is held."""
    own = clerk.unit or clerk.org
    by_post = and_(
        t.task.c.person == "", t.task.c.org == own, t.task.c.post.in_(clerk.posts),
        or_(within(t.task.c.org_path, clerk, HANDLE), within(t.task.c.org_path, clerk, SUPERVISE)),
    )  # fmt: skip
    return or_(t.task.c.person == clerk.staff_no, by_post)


def of_case(connection: Connection, case_no: str) -> Sequence[Task]:
    """Everything that is to be done in one case."""
    ask = _joined().where(t.task.c.case_no == case_no).order_by(t.task.c.id)
    return [Task(**row._mapping) for row in connection.execute(ask)]


def _joined() -> Select[Any]:
    joined = t.task.join(hall_case, hall_case.c.case_no == t.task.c.case_no, isouter=True)
    return select(*_COLUMNS).select_from(joined.join(p.org, p.org.c.code == t.task.c.org, isouter=True))


def _page(hall: Hall, which: ColumnElement[bool], wish: Wish) -> Page:
    asked = _joined().where(which, *_wished(wish, hall.hub.store.clock()))
    order = (t.task.c.urge_at.is_(None), func.coalesce(t.task.c.due, 1e12), t.task.c.since, t.task.c.id)
    shown = asked.order_by(*order).limit(min(wish.most, 200)).offset(wish.first)
    total = select(func.count()).select_from(asked.subquery())

    def read(connection: Connection) -> Page:
        tasks = tuple(Task(**row._mapping) for row in connection.execute(shown))
        return Page(tasks, connection.execute(total).scalar() or 0)

    return hall.read(read)


def _wished(wish: Wish, now: float) -> Sequence[ColumnElement[bool]]:
    wanted: Sequence[ColumnElement[bool] | None] = (
        t.task.c.kind.in_(TABS[wish.kind]) if wish.kind in TABS else None,
        t.task.c.kind.not_in([*TABS]) if wish.kind == "other" else None,
        t.task.c.due < now if wish.overdue else None,
        t.task.c.colour == wish.colour if wish.colour else None,
        t.task.c.urge_at.is_not(None) if wish.urge == "open" else None,
        (t.task.c.urged > 0) & t.task.c.urge_at.is_(None) if wish.urge == "answered" else None,
        or_(
            t.task.c.case_no.startswith(wish.words, autoescape=True),
            hall_case.c.item_name.contains(wish.words, autoescape=True),
        )
        if wish.words
        else None,
    )  # fmt: skip
    return tuple(one for one in wanted if one is not None)

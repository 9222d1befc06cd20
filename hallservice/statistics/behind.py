"""The cases behind a number: the same rows by the same predicate, paged by key, masked."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, func, select, tuple_

from canonical.codes import code_list
from canonical.regions import full_name, regions
from hallservice import wording
from hallservice.counter.materials import label
from hallservice.people.clerk import Clerk
from hallservice.people.filtering import within
from hallservice.people.tables import org
from hallservice.refusals import HallRefused
from hallservice.statistics.counting import NAMES, NONE, VIEW, C, Wanted, applied_at, chosen, measures

MOST = 2_000  # rows a page
NO_SIDE = {"site": "网上或部门系统收件", "clerk": "网上或部门系统收件", "window": "不在窗口收件"}


class Case(NamedTuple):
    """One case; days are ISO, '' where there is none."""

    case_no: str
    item_name: str
    applicant: str
    state: str
    opened_at: float
    promised_due: str
    ended_on: str
    rating: int | None
    window: str
    clerk: str

    @property
    def key(self) -> str:
        """Where the next page begins."""
        return f"{self.opened_at!r}~{self.case_no}"


@dataclass(frozen=True, slots=True)
class Page:
    """`next` is the key to ask for the rows after these; '' when there are none."""

    rows: tuple[Case, ...]
    next: str


def found(
    connection: Connection, clerk: Clerk, wanted: Wanted, measure: str, day: date, after: str = "",
    size: int = 20,
) -> Page:  # fmt: skip
    """The newest first."""
    most = min(max(size, 1), MOST)
    ask = _matching(_ROWS, clerk, wanted, measure, day)
    ask = ask.order_by(C.opened_at.desc(), C.case_no.desc()).limit(most + 1)
    if after:
        ask = ask.where(tuple_(C.opened_at, C.case_no) < tuple_(*_key(after)))
    rows = [Case(*row) for row in connection.execute(ask)]
    return Page(tuple(rows[:most]), rows[most - 1].key if len(rows) > most else "")


def number(connection: Connection, clerk: Clerk, wanted: Wanted, measure: str, day: date) -> int:
    """How many there are."""
    at = applied_at(connection, wanted)
    return int(connection.execute(_matching(_COUNT, clerk, wanted, measure, day, at)).scalar_one())


_COUNT = select(func.count(C.case_no))
_ROWS = select(
    C.case_no, C.item_name, C.applicant_masked, C.state, C.opened_at,
    *(func.coalesce(one, "") for one in (C.promised_due, C.ended_on)), C.rating,
    *(func.coalesce(one, "") for one in (C.window, C.clerk)),
)  # fmt: skip


def _matching(
    ask: Select[Any], clerk: Clerk, wanted: Wanted, measure: str, day: date, at: Any = C.opened_at
) -> Select[Any]:
    known = measures(day)
    if measure not in known:
        raise HallRefused("unknown_measure", "没有这个统计指标")
    return ask.where(*chosen(clerk, wanted, at), known[measure])


def _key(after: str) -> tuple[float, str]:
    at, _, case_no = after.partition("~")
    try:
        return float(at), case_no
    except ValueError:
        raise HallRefused("bad_page", "页码无法识别，请从第一页开始") from None


# -- how sides are named


def named(connection: Connection, clerk: Clerk, side: str, keys: Sequence[str]) -> Mapping[str, str]:
    """Key -> what people read; `NONE` and '' are the cases that have no such side."""
    wanted = [key for key in keys if key not in ("", NONE)]
    none = NO_SIDE.get(side, "无")
    return {"": none, NONE: none, **_names(connection, clerk, side, wanted)}


def _names(connection: Connection, clerk: Clerk, side: str, keys: Sequence[str]) -> Mapping[str, str]:
    if side in _BODIES:
        return _bodies(connection, _BODIES[side], keys)
    if side in NAMES:
        return _of_rows(connection, clerk, side, keys)
    if side == "window":
        return _windows(connection, keys)
    return {key: _WORDS[side](key) if side in _WORDS else key for key in keys}


def _channel(key: str) -> str:
    return label("apply_channel", key) if key in code_list("apply_channel").names else key


def _region(key: str) -> str:
    known = regions().get(key)
    return full_name(known.code) if known else key


_BODIES: Mapping[str, Any] = {"org": org.c.uscc, "site": org.c.path}
_WORDS: Mapping[str, Callable[[str], str]] = {"channel": _channel, "region": _region, "state": wording.state}


def _bodies(connection: Connection, column: Any, keys: Sequence[str]) -> dict[str, str]:
    rows = connection.execute(select(column, org.c.name).where(column.in_(keys)))
    known = {str(key): str(name) for key, name in rows}
    return {key: known.get(key, key) for key in keys}


def _windows(connection: Connection, keys: Sequence[str]) -> dict[str, str]:
    """Numbers are given by each site anew."""
    parts = {key: key.partition("#") for key in keys}
    sites = _bodies(connection, org.c.path, sorted({site for site, _, _ in parts.values()}))
    return {key: f"{sites[site]} {no} 号窗口" for key, (site, _, no) in parts.items()}


def _of_rows(connection: Connection, clerk: Clerk, side: str, keys: Sequence[str]) -> dict[str, str]:
    """As the rows one sees name it: whoever works elsewhere has no name here."""
    ask = select(func.max(NAMES[side]))
    found = {}
    for key in keys:
        own = chosen(clerk, Wanted(**{side: key}))
        found[key] = connection.execute(ask.where(*own)).scalar() or key
    return found


def bodies(connection: Connection, clerk: Clerk) -> list[tuple[str, str]]:
    """Credit code and name of the departments whose cases one counts."""
    mine = within(org.c.path, clerk, VIEW)
    ask = select(org.c.uscc, org.c.name).where(org.c.uscc.is_not(None), mine)
    return [(row.uscc, row.name) for row in connection.execute(ask.order_by(org.c.path))]

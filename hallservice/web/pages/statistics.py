"""办件统计 (R-07): the hall's own work counted by its sides, with the cases behind every number."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import Connection
from starlette.responses import Response

from canonical.codes import code_list
from exchange.clocks import today
from hallservice import wording
from hallservice.counter.lists import local
from hallservice.statistics import behind, counting
from hallservice.statistics.counting import MEASURES, MOST, PERIODS, VIEW, Group, Wanted
from hallservice.typed import day_in
from hallservice.web.context import Context
from hallservice.web.lists import Badge, Cell, Column, Link
from hallservice.web.pages.counter_parts import COLOURS, case_url, options
from hallservice.web.parts import tabs
from hallservice.web.registry import Pages

pages = Pages()
COUNTED, LISTED = "/statistics", "/statistics/cases"
EXPORTED = 10_000  # rows of a spreadsheet
SIDES: Mapping[str, str] = {
    "item": "事项", "org": "主管部门", "site": "收件单位", "clerk": "接件人", "window": "窗口",
    "channel": "申请方式", "state": "办件状态", "region": "区划", "month": "月份", "day": "日期",
    "year": "年度",
}  # fmt: skip
"""In the order of the tabs."""
NAMES: Mapping[str, str] = {
    "opened": "申请", "accepted": "受理", "refused": "不予受理", "open": "在办", "overdue": "超期未结",
    "done": "办结", "in_time": "按期办结", "late": "逾期办结", "rated": "已评价", "satisfied": "满意",
}  # fmt: skip
RATES = {"late": ("按期率", "in_time", ("in_time", "late")), "satisfied": ("满意率", "satisfied", ("rated",))}
"""Measure -> the rate that stands behind it: its name, the part, the whole."""
LIST_COLUMNS = (
    Column("办件编号"), Column("事项"), Column("申请人"), Column("状态", kind="act"),
    Column("申请时间", kind="date"), Column("承诺到期", kind="date"), Column("办结日期", kind="date"),
    Column("评价"), Column("窗口"), Column("接件人"),
)  # fmt: skip
TYPED = ("since", "until", "org", "channel", "state")  # in the query bar; the others come from a number


@dataclass(frozen=True, slots=True)
class Asked:
    """What an address asks for."""

    wanted: Wanted
    by: str
    measure: str

    def query(self, **other: str) -> str:
        """The address of the same with something changed; '' leaves it out."""
        said = {one.name: getattr(self.wanted, one.name) for one in fields(Wanted)}
        merged = {**said, "by": self.by, "measure": self.measure, **other}
        return "?" + urlencode({name: value for name, value in merged.items() if value})


def _asked(ctx: Context) -> Asked:
    """The bare address asks for the year so far."""
    said = {one.name: ctx.one(one.name)[:300] for one in fields(Wanted)}
    if not ctx.query:
        said["since"] = f"{_today(ctx).year}-01-01"
    days = {name: day_in(said[name]) for name in ("since", "until")}
    dates = {name: day.isoformat() if day else "" for name, day in days.items()}
    by, measure = ctx.one("by"), ctx.one("measure")
    return Asked(
        Wanted(**said | dates), by if by in SIDES else "item", measure if measure in MEASURES else "opened"
    )


def _today(ctx: Context) -> date:
    return today(ctx.hall.hub.store.clock())


@pages.get(COUNTED, function=VIEW, title="办件统计", menu="窗口", order=35, slow=True)
def counted(ctx: Context) -> Response:
    asked = _asked(ctx)
    groups, names, scope, bodies = ctx.hall.read(lambda connection: _read(ctx, connection, asked))
    columns = [Column(SIDES[asked.by]), *_columns()]
    whole = counting.total(groups)
    if ctx.one("as") == "xlsx":
        rows = [_plain(one, names[one.key]) for one in groups]
        name = f"办件统计（按{SIDES[asked.by]}）"
        return ctx.sheet(name, columns, [*rows, _plain(whole, "合计"), (scope, *[""] * (len(columns) - 1))])
    lines = [_line(ctx, asked, one, names[one.key]) for one in groups[:MOST]]
    sides = [
        (ctx.url(COUNTED) + asked.query(by=one, measure=""), SIDES[one], one == asked.by) for one in SIDES
    ]
    values: dict[str, Any] = {
        "tabs": tabs("统计口径", sides),
        "columns": columns,
        "rows": [*lines, _line(ctx, asked, whole, "合计", fixed=False)] if groups else [],
        "caption": f"按{SIDES[asked.by]}统计",
        "export": asked.query(measure="", **{"as": "xlsx"}),
        "more": max(len(groups) - MOST, 0),
        **_bar(ctx, asked, scope, bodies),
    }
    return ctx.render("statistics/counted.html", **values)


def _read(
    ctx: Context, connection: Connection, asked: Asked
) -> tuple[list[Group], Mapping[str, str], str, list[tuple[str, str]]]:
    groups = counting.counted(connection, ctx.clerk, asked.by, asked.wanted, _today(ctx))
    own = {one.key: one.name for one in groups if one.name}
    rest = [one.key for one in groups if not one.name]
    names = {**behind.named(connection, ctx.clerk, asked.by, rest), **own}
    return groups, names, _scope(ctx, connection, asked), behind.bodies(connection, ctx.clerk)


def _columns() -> Iterator[Column]:
    for one in MEASURES:
        yield Column(NAMES[one], kind="num")
        if one in RATES:
            yield Column(RATES[one][0], kind="num")


def _line(ctx: Context, asked: Asked, group: Group, name: str, *, fixed: bool = True) -> list[Cell]:
    """Every number leads to its cases; the sum's to those of all groups."""
    of = replace(asked, wanted=counting.narrowed(asked.wanted, asked.by, group.key)) if fixed else asked
    row: list[Cell] = [name]
    for one, cell in _numbers(group):
        link = isinstance(cell, int) and cell and one in NAMES
        url = ctx.url(LISTED) + of.query(measure=one) if link else ""
        row.append(Link(url, str(cell)) if url else cell)
    return row


def _numbers(group: Group) -> Iterator[tuple[str, Cell]]:
    for one in MEASURES:
        yield one, group.numbers[one]
        if one in RATES:
            _, part, whole = RATES[one]
            share = group.share(part, *whole)
            yield "", "" if share is None else f"{share:.1f}%"


def _plain(group: Group, name: str) -> list[Cell]:
    return [name, *(cell for _, cell in _numbers(group))]


def _bar(ctx: Context, asked: Asked, scope: str, bodies: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """The query bar: what is not typed goes along hidden."""
    said = {one.name: getattr(asked.wanted, one.name) for one in fields(Wanted)}
    hidden = {name: value for name, value in said.items() if value and name not in TYPED}
    states = [(code, text) for code, text in wording.STATES.items() if code != "draft"]
    choices = {"org": ("主管部门", bodies), "channel": ("申请方式", options("apply_channel")),
               "state": ("办件状态", states)}  # fmt: skip
    return {
        "asked": asked,
        "said": said,
        "hidden": hidden,
        "choices": choices,
        "scope": scope,
        "made": f"{ctx.clerk.org_name} {ctx.clerk.name} {local(ctx.hall.hub.store.clock())}",
        "reset": ctx.url(COUNTED),
    }


def _scope(ctx: Context, connection: Connection, asked: Asked) -> str:
    """Which cases, in words: on paper the query bar is not there."""
    wanted = asked.wanted
    days = (wanted.since or "最早", wanted.until or _today(ctx).isoformat())
    told = ["申请时间 " + (wanted.period if wanted.period else f"{days[0]} 至 {days[1]}")]
    for side, text in SIDES.items():
        if side not in PERIODS and (key := getattr(wanted, side)):
            told.append(f"{text}：{behind.named(connection, ctx.clerk, side, [key]).get(key, key)}")
    return "；".join(told)


# -- the cases behind a number


@pages.get(LISTED, function=VIEW, title="统计明细", slow=True)
def listed(ctx: Context) -> Response:
    asked = _asked(ctx)
    if ctx.one("as") == "xlsx":
        cases = ctx.hall.read(lambda connection: _all(ctx, connection, asked))
        return ctx.sheet(
            f"统计明细（{NAMES[asked.measure]}）", LIST_COLUMNS, [_cells(ctx, one) for one in cases]
        )
    after, day = ctx.one("after")[:100], _today(ctx)

    def read(connection: Connection) -> tuple[behind.Page, int, str]:
        page = behind.found(connection, ctx.clerk, asked.wanted, asked.measure, day, after)
        number = behind.number(connection, ctx.clerk, asked.wanted, asked.measure, day)
        return page, number, _scope(ctx, connection, asked)

    page, number, scope = ctx.hall.read(read)
    finer = [
        (ctx.url(COUNTED) + asked.query(by=one, measure=""), SIDES[one])
        for one in SIDES
        if not _is_fixed(asked.wanted, one)
    ]
    values: dict[str, Any] = {
        "columns": LIST_COLUMNS,
        "rows": [_cells(ctx, one) for one in page.rows],
        "caption": f"{NAMES[asked.measure]} {number} 件",
        "scope": scope,
        "export": asked.query(**{"as": "xlsx"}),
        "first": asked.query() if after else "",
        "next": asked.query(after=page.next) if page.next else "",
        "back": ctx.url(COUNTED) + asked.query(measure=""),
        "finer": finer,
    }
    return ctx.render("statistics/cases.html", **values)


def _is_fixed(wanted: Wanted, side: str) -> bool:
    """Whether all the cases have this side in common."""
    if side in PERIODS:
        return len(wanted.period) >= PERIODS[side]
    return bool(getattr(wanted, side))


def _all(ctx: Context, connection: Connection, asked: Asked) -> list[behind.Case]:
    rows: list[behind.Case] = []
    after, day = "", _today(ctx)
    while len(rows) < EXPORTED:
        page = behind.found(connection, ctx.clerk, asked.wanted, asked.measure, day, after, behind.MOST)
        rows += page.rows
        after = page.next
        if not after:
            break
    return rows


def _cells(ctx: Context, one: behind.Case) -> tuple[Cell, ...]:
    opened = ctx.clerk.may("case.view")
    number: Cell = Link(ctx.url(case_url(one.case_no)), one.case_no) if opened else one.case_no
    rating = code_list("satisfaction").label(str(one.rating)) if one.rating else ""
    return (
        number, one.item_name, one.applicant, Badge(COLOURS.get(one.state, "info"), wording.state(one.state)),
        local(one.opened_at), one.promised_due, one.ended_on, rating, one.window, one.clerk,
    )  # fmt: skip

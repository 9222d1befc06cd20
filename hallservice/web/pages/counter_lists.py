"""Work lists of the counter with their counts, the done list, the search; each as a spreadsheet too."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

from markupsafe import Markup
from sqlalchemy import Connection
from starlette.responses import Response

from exchange.clocks import today
from hallservice import wording
from hallservice.counter import awaiting, lists
from hallservice.counter.lists import Page, Row, Wanted, local
from hallservice.counter.materials import label
from hallservice.counter.projection import hashed
from hallservice.people.clerk import Clerk
from hallservice.supervision import words
from hallservice.supervision.words import Mark
from hallservice.web.context import Context
from hallservice.web.lists import Badge, Cell, Column, Filter, Link, asked, table_rows
from hallservice.web.pages.counter_parts import COLOURS, case_url, options
from hallservice.web.parts import heads, tabs
from hallservice.web.registry import Handler, Pages
from hallservice.web.written import Written

pages = Pages()
MENU = "窗口"
FIRST = 20  # place in the menu
COLUMNS = (
    Column("办件编号"), Column("事项"), Column("申请人"), Column("证件号码"), Column("方式"),
    Column("申请时间", kind="date"), Column("监察", kind="act"), Column("承诺到期", kind="date"),
    Column("签收人"),
)  # fmt: skip
ASKED_COLUMNS = (*COLUMNS[:4], Column("进展", kind="act"), *COLUMNS[5:])
DONE_COLUMNS = (
    Column("业务编号"), Column("事项"), Column("申请人"), Column("监察状态", kind="act"),
    Column("窗口状态", kind="act"), Column("窗口"), Column("办理时间", kind="date"),
)  # fmt: skip
FOUND_COLUMNS = (
    Column("办件编号"), Column("事项"), Column("申请人"), Column("证件号码"), Column("状态", kind="act"),
    Column("环节"), Column("监察", kind="act"), Column("承诺到期", kind="date"),
    Column("申请时间", kind="date"),
)  # fmt: skip
REGISTER_COLUMNS = (
    Column("接件时间", kind="date"), Column("办件编号"), Column("事项"), Column("申请人"), Column("方式"),
    Column("窗口"), Column("接件人"), Column("状态", kind="act"), Column("承诺到期", kind="date"),
)  # fmt: skip
BADGES = {
    "超期": "bad", "今日到期": "warn", "临期": "warn", "正常": "ok", "未计时": "plain", "暂停计时": "plain",
    "已结束": "plain",
}  # fmt: skip
MARKS: Mapping[str, Badge | Mark] = {
    **{said: Badge(kind, said) for said, kind in BADGES.items()},
    **{said: Mark(colour) for colour, said in words.COLOURS.items()},
}
CASE_NO, ITEM = Filter("case_no", "办件编号"), Filter("item", "事项")
STATES = [(code, text) for code, text in wording.STATES.items() if code != "draft"]
STATE = Filter("state", "状态", STATES)
CHANNEL = Filter("channel", "申请方式", options("apply_channel"))
SINCE, UNTIL = Filter("since", "申请时间自", kind="date"), Filter("until", "至", kind="date")
WHO = "who"
EXPORTED = 10_000


@dataclass(frozen=True)
class Shape:
    """One kind of list: its columns, filters and how a row is shown."""

    columns: Sequence[Column]
    filters: Sequence[Filter]
    cells: Callable[[Context, Sequence[Row], date], list[tuple[Cell, ...]]]
    name: str
    own: bool = True  # a line says what its row says, and the day

    @cached_property
    def heads(self) -> Markup:
        """The titles."""
        return heads(self.columns)

    @cached_property
    def written(self) -> Written[Row]:
        """Its lines."""
        return Written(self.columns)

    def lines(self, ctx: Context, rows: Sequence[Row], day: date) -> Markup:
        """The rows as the page shows them."""
        if not self.own:
            return table_rows(self.columns, self.cells(ctx, rows, day))
        return self.written.lines((day, ctx.kit.prefix), rows, lambda new: self.cells(ctx, new, day))


def _link(ctx: Context, row: Row) -> Link:
    return Link(ctx.url(case_url(row.case_no)), row.case_no)


def _supervised(row: Row, day: date) -> Badge | Mark:
    return MARKS[lists.supervised(row, day)]


def _state(row: Row) -> Badge:
    return Badge(COLOURS.get(row.state, "info"), row.told())


def _waiting(ctx: Context, rows: Sequence[Row], day: date) -> list[tuple[Cell, ...]]:
    """What most pages show: nothing is asked for in the loop that all rows share."""
    start, way = (
        ctx.url(case_url("")),
        {one: label("apply_channel", one) for one in {r.channel for r in rows}},
    )
    return [
        (
            Link(f"{start}{row.case_no}{SCREENS[row.stage]}", row.case_no), row.item_name, row.applicant,
            row.document, way[row.channel], local(row.opened_at), _supervised(row, day), row.promised_due,
            row.claimed_by,
        )
        for row in rows
    ]  # fmt: skip


def _asked(ctx: Context, rows: Sequence[Row], day: date) -> list[tuple[Cell, ...]]:
    """Of a stage that asks partners: in place of the channel, who has to do something now."""
    stage, numbers = rows[0].stage if rows else "", [row.case_no for row in rows]
    told = ctx.hall.read(lambda connection: awaiting.told(connection, stage, numbers))
    shown = zip(numbers, _waiting(ctx, rows, day), strict=True)
    return [(*cells[:4], Badge(*told[number]), *cells[5:]) for number, cells in shown]


def _done(ctx: Context, rows: Sequence[Row], day: date) -> list[tuple[Cell, ...]]:
    return [
        (
            _link(ctx, row), row.item_name, row.applicant, _supervised(row, day), _state(row), row.window,
            local(row.handled_at),
        )
        for row in rows
    ]  # fmt: skip


def _found(ctx: Context, rows: Sequence[Row], day: date) -> list[tuple[Cell, ...]]:
    return [
        (
            _link(ctx, row), row.item_name, row.applicant, row.document, _state(row),
            wording.stage(row.stage), _supervised(row, day), row.promised_due, local(row.opened_at),
        )
        for row in rows
    ]  # fmt: skip


def _registered(ctx: Context, rows: Sequence[Row], _day: date) -> list[tuple[Cell, ...]]:
    return [
        (
            local(row.received_at), _link(ctx, row), row.item_name, row.applicant,
            label("apply_channel", row.channel), row.window, row.clerk, _state(row), row.promised_due,
        )
        for row in rows
    ]  # fmt: skip


# Where a row of a stage leads: straight to its form.
SCREENS = {
    "prereview": "/prereview", "receive": "/receive", "accept": "/accept", "supplement": "/supplemented",
    "fee": "/fee", "certificate": "/certificate", "deliver": "/deliver",
}  # fmt: skip
TODO = Shape(COLUMNS, (CASE_NO, ITEM, CHANNEL), _waiting, "待办")
ASKED = Shape(ASKED_COLUMNS, TODO.filters, _asked, "待办", own=False)
DONE = Shape(DONE_COLUMNS, (CASE_NO, ITEM, STATE), _done, "已办")
SEARCH = Shape(FOUND_COLUMNS, (CASE_NO, ITEM, STATE, CHANNEL, SINCE, UNTIL), _found, "办件查询")
REGISTER = Shape(REGISTER_COLUMNS, (CASE_NO, ITEM, STATE, CHANNEL, SINCE, UNTIL), _registered, "服务台账")
Ask = Callable[[Connection, Wanted, str, int], Page]


def _listed(ctx: Context, shape: Shape, ask: Ask, **more: Any) -> Response:
    """The page, or with ?export=1 the spreadsheet of the same rows; a work list (`more`) has its banner."""
    hidden = (Filter("after", ""), Filter(WHO, ""))
    listing = asked(ctx.query, shape.columns, (*shape.filters, *hidden))
    named = {name: text for name, text in listing.wanted.items() if name != "after"}
    wanted, day = Wanted(**named), today(ctx.hall.hub.store.clock())
    if ctx.one("export"):
        return _exported(ctx, shape, lambda read, key: ask(read, wanted, key, lists.MOST), day)
    after = listing.wanted["after"]
    page, due = ctx.hall.read(
        lambda connection: (
            ask(connection, wanted, after, listing.size),
            lists.pressing(ctx.hall, connection, ctx.clerk) if more else lists.NOTHING_DUE,
        )
    )
    values: dict[str, Any] = {
        "caption": ctx.page.title,
        "columns": shape.columns,
        "heads": shape.heads,
        "lines": shape.lines(ctx, page.rows, day),
        "filters": shape.filters,
        "listing": listing,
        "next": page.next,
        "paged": bool(after),
        "export": listing.query(after="", export="1"),
        "empty": "没有符合条件的办件",
        "pressing": due if any(due) else None,
        "by_person": shape is SEARCH,
        "stages": "",
    }
    return ctx.render("counter/list.html", **values | more)


def _exported(ctx: Context, shape: Shape, ask: Callable[[Connection, str], Page], day: date) -> Response:
    def read(connection: Connection) -> list[Row]:
        rows: list[Row] = []
        after = ""
        while len(rows) < EXPORTED:
            page = ask(connection, after)
            rows += page.rows
            after = page.next
            if not after:
                break
        return rows

    ctx.takes_long()
    rows = ctx.hall.read(read)
    return ctx.sheet(f"{shape.name}{day.isoformat()}", shape.columns, shape.cells(ctx, rows, day))


def _stage_page(stage: str) -> Handler:
    def show(ctx: Context) -> Response:
        def ask(connection: Connection, wanted: Wanted, after: str, size: int) -> Page:
            return lists.todo(connection, ctx.clerk, stage, wanted, after, size)

        shape = ASKED if stage in awaiting.ASKED else TODO
        return _listed(ctx, shape, ask, stages=tabs("环节", _stages(ctx, stage)))

    return show


def _stages(ctx: Context, here: str) -> list[tuple[str, str, bool]]:
    """The stages with how many wait at each."""
    return [
        (
            ctx.url(f"/counter/{one}"),
            f"{wording.stage(one)}（{ctx.count(f'counter.{one}') or 0}）",
            one == here,
        )
        for one in lists.COUNTER
    ]


def _count(stage: str) -> Callable[[Connection, Clerk], int]:
    return lambda connection, clerk: lists.count(connection, clerk, stage)


_ACTS = ("counter.apply", "counter.accept", "counter.fee", "counter.deliver")
for _at, _stage in enumerate(lists.COUNTER):
    pages.counter(f"counter.{_stage}", "case.view", shared=True)(_count(_stage))
    pages.get(
        f"/counter/{_stage}",
        function=_ACTS,
        title=f"{wording.stage(_stage)}待办",
        menu=MENU,
        order=FIRST + _at,
        count=f"counter.{_stage}",
        at_once=True,
    )(_stage_page(_stage))


@pages.get("/counter/done", function=_ACTS, title="已办事项", menu=MENU, order=FIRST + 10, at_once=True)
def done(ctx: Context) -> Response:
    def ask(connection: Connection, wanted: Wanted, after: str, size: int) -> Page:
        return lists.done(connection, ctx.clerk, wanted, after, size)

    return _listed(ctx, DONE, ask)


@pages.get("/counter/register", function=_ACTS, title="服务台账", menu=MENU, order=FIRST + 12)
def register(ctx: Context) -> Response:
    def ask(connection: Connection, wanted: Wanted, after: str, size: int) -> Page:
        return lists.register(connection, ctx.clerk, wanted, after, size)

    return _listed(ctx, REGISTER, ask)


@pages.get("/counter/search", function="case.view", title="办件查询", menu=MENU, order=FIRST + 11)
def search(ctx: Context) -> Response:
    def ask(connection: Connection, wanted: Wanted, after: str, size: int) -> Page:
        return lists.search(connection, ctx.clerk, wanted, after, size)

    return _listed(ctx, SEARCH, ask)


@pages.post("/counter/search", function="case.view", title="办件查询", once=False, draft=False)
def search_person(ctx: Context) -> Response:
    """A name or number is posted, and only its keyed hash stands in the address."""
    said = ctx.form.one("person")
    if not said or len(said) > 100:
        return ctx.redirect("/counter/search", "请填写申请人完整的姓名或证件号码")
    who = hashed(ctx.hall.hub.pseudonym_key, said)
    return ctx.redirect(f"/counter/search?{WHO}={who}")

"""Work lists of the counter with their counts, the done list, the search; each as a spreadsheet too."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection
from starlette.responses import Response

from exchange.clocks import today
from hallservice import wording
from hallservice.counter import lists
from hallservice.counter.lists import Page, Row, Wanted, local
from hallservice.counter.materials import label
from hallservice.counter.projection import hashed
from hallservice.people.clerk import Clerk
from hallservice.web.context import Context
from hallservice.web.lists import Badge, Cell, Column, Filter, Link, asked
from hallservice.web.pages.counter_parts import COLOURS, case_url, options
from hallservice.web.registry import Handler, Pages

pages = Pages()
MENU = "窗口"
FIRST = 20  # place in the menu
COLUMNS = (
    Column("办件编号"), Column("事项"), Column("申请人"), Column("证件号码"), Column("方式"),
    Column("申请时间", kind="date"), Column("监察", kind="act"), Column("承诺到期", kind="date"),
    Column("签收人"),
)  # fmt: skip
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
BADGES = {"超期": "bad", "今日到期": "warn", "临期": "warn", "正常": "ok"}
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
    cells: Callable[[Context, Row, date], tuple[Cell, ...]]
    name: str


def _link(ctx: Context, row: Row, path: str = "") -> Link:
    return Link(ctx.url(case_url(row.case_no) + path), row.case_no)


def _supervised(row: Row, day: date) -> Badge:
    said = row.supervised(day)
    return Badge(BADGES.get(said, "plain"), said)


def _state(row: Row) -> Badge:
    return Badge(COLOURS.get(row.state, "info"), row.told())


def _waiting(ctx: Context, row: Row, day: date) -> tuple[Cell, ...]:
    who = (row.item_name, row.applicant, row.document, label("apply_channel", row.channel))
    when = (local(row.opened_at), _supervised(row, day), row.promised_due, row.claimed_by)
    return (_link(ctx, row, SCREENS[row.stage]), *who, *when)


def _done(ctx: Context, row: Row, day: date) -> tuple[Cell, ...]:
    states = (_supervised(row, day), _state(row))
    return (_link(ctx, row), row.item_name, row.applicant, *states, row.window, local(row.handled_at))


def _found(ctx: Context, row: Row, day: date) -> tuple[Cell, ...]:
    who = (row.item_name, row.applicant, row.document, _state(row), wording.stage(row.stage))
    return (_link(ctx, row), *who, _supervised(row, day), row.promised_due, local(row.opened_at))


def _registered(ctx: Context, row: Row, _day: date) -> tuple[Cell, ...]:
    who = (row.item_name, row.applicant, label("apply_channel", row.channel), row.window, row.clerk)
    return (local(row.received_at), _link(ctx, row), *who, _state(row), row.promised_due)


# Where a row of a stage leads: straight to its form.
SCREENS = {
    "prereview": "/prereview", "receive": "/receive", "accept": "/accept", "supplement": "/supplemented",
    "fee": "/fee", "certificate": "/certificate", "deliver": "/deliver",
}  # fmt: skip
TODO = Shape(COLUMNS, (CASE_NO, ITEM, CHANNEL), _waiting, "待办")
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
        "rows": [shape.cells(ctx, row, day) for row in page.rows],
        "filters": shape.filters,
        "listing": listing,
        "next": page.next,
        "paged": bool(after),
        "export": listing.query(after="", export="1"),
        "empty": "没有符合条件的办件",
        "pressing": due if any(due) else None,
        "by_person": shape is SEARCH,
        "stages": (),
        "stage": "",
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

    rows = ctx.hall.read(read)
    cells = [shape.cells(ctx, row, day) for row in rows]
    return ctx.sheet(f"{shape.name}{day.isoformat()}", shape.columns, cells)


def _stage_page(stage: str) -> Handler:
    def show(ctx: Context) -> Response:
        def ask(connection: Connection, wanted: Wanted, after: str, size: int) -> Page:
            return lists.todo(connection, ctx.clerk, stage, wanted, after, size)

        counted = [(one, wording.stage(one), ctx.count(f"counter.{one}") or 0) for one in lists.COUNTER]
        return _listed(ctx, TODO, ask, stages=counted, stage=stage)

    return show


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
    )(_stage_page(_stage))


@pages.get("/counter/done", function=_ACTS, title="已办事项", menu=MENU, order=FIRST + 10)
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

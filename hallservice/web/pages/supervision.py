"""Supervision: overview, cards, clocks of a case counted day by day, thresholds."""

from datetime import date
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection
from starlette.responses import Response

from canonical.regions import full_name, regions
from exchange.clocks import today
from hallservice.flows import todo
from hallservice.people.clerk import Clerk
from hallservice.refusals import HallRefused
from hallservice.supervision import cards, explaining, thresholds
from hallservice.supervision.cards import Card, Count
from hallservice.supervision.words import COLOURS, SIGNALS, STATES, Mark, clock_name
from hallservice.web.context import Context
from hallservice.web.lists import Cell, Column, Filter, Link, Listing, Paging, asked
from hallservice.web.registry import Pages

pages = Pages()
GROUP = "监察"
MOST_EXPORT = 5_000  # rows of a spreadsheet

COLUMNS = (
    Column("牌", "colour"), Column("办件编号", "case"), Column("事项", "item"), Column("承办部门"),
    Column("时限"), Column("届满日", "due", "date"), Column("发出日期", "raised", "date"), Column("办理"),
    Column("送达/接收", kind="num"), Column("签收", kind="num"),
)  # fmt: skip
COUNTS = (
    Column("名称"),
    *(Column(word, kind="num") for word in COLOURS.values()),
    Column("合计", kind="num"),
)


@pages.get("/supervision", function=cards.VIEW, title="监察总览", menu=GROUP, order=700, count="red")
def overview(ctx: Context) -> Response:
    with ctx.hall.hub.store.read() as connection:
        colours = cards.by_colour(connection, ctx.clerk)
        areas, kinds = cards.by_area(connection, ctx.clerk), cards.by_category(connection, ctx.clerk)
    tiles = [(colour, COLOURS[colour], colours.get(colour, 0)) for colour in COLOURS]
    by_area = [_counted(ctx, one, "region", one.key.ljust(12, "0")) for one in areas]
    by_kind = [_counted(ctx, one) for one in kinds]
    return ctx.render("supervision/overview.html", tiles=tiles, columns=COUNTS, areas=by_area, kinds=by_kind)


@pages.get("/supervision/cards", function=None, title="红黄牌", menu=GROUP, order=701, count="mine")
def listed(ctx: Context) -> Response:
    filters = _filters(ctx)
    listing = asked(ctx.query, COLUMNS, filters, "-raised")
    if ctx.one("as") == "xlsx":
        found, _ = _found(ctx, listing, 0, MOST_EXPORT)
        return ctx.sheet("红黄牌", COLUMNS, [_cells(ctx, one) for one in found])
    found, total = _found(ctx, listing, listing.offset, listing.size)
    rows = [_cells(ctx, one) for one in found]
    paging = Paging(listing, total)
    values: dict[str, Any] = {"columns": COLUMNS, "filters": filters, "rows": rows, "paging": paging}
    return ctx.render("supervision/cards.html", **values)


@pages.get(
    "/supervision/cards/{card}", function=None, title="红黄牌", example={"card": "@card", "@as": "supervisor"}
)
def shown(ctx: Context) -> Response:
    return ctx.render("supervision/card.html", **_card(ctx))


@pages.post("/supervision/cards/{card}/acknowledge", function=None, title="红黄牌")
def acknowledge(ctx: Context) -> Response:
    try:
        cards.acknowledge(ctx.hall, ctx.clerk, ctx.path["card"])
    except HallRefused as refusal:
        return ctx.fault(refusal, "supervision/card.html", **_card(ctx))
    return ctx.redirect(f"/supervision/cards/{quote(ctx.path['card'])}", "已签收，不再发送短信")


@pages.get(
    "/supervision/clocks/{case_no}",
    function=None,
    title="时限计算",
    example={"case_no": "@case", "@as": "supervisor"},
)
def clocks(ctx: Context) -> Response:
    now = _today(ctx)
    with ctx.hall.hub.store.read() as connection:
        found = explaining.of_case(connection, ctx.clerk, ctx.path["case_no"], now)
    told = [
        [Mark(row.colour, SIGNALS[row.signal]), clock_name(row.clock), row.due, row.day] for row in found.told
    ]
    columns = (Column("信号"), Column("时限"), Column("届满日", kind="date"), Column("应发日期", kind="date"))
    return ctx.render("supervision/clocks.html", found=found, today=now, told=told, columns=columns)


@pages.get("/supervision/thresholds", function=thresholds.SET, title="阈值设置", menu=GROUP, order=709)
def rules(ctx: Context) -> Response:
    return ctx.render("supervision/thresholds.html", **_rules(ctx, ctx.one("region")))


@pages.post("/supervision/thresholds", function=thresholds.SET, title="阈值设置")
def set_rules(ctx: Context) -> Response:
    region = ctx.form.one("region")
    try:
        if ctx.form.one("do") == "inherit":
            thresholds.inherit(ctx.hall, ctx.clerk, region)
        else:
            form = {name: ctx.form.one(name) for name in ctx.form}
            thresholds.set_rules(ctx.hall, ctx.clerk, region, form)
    except HallRefused as refusal:
        return ctx.fault(refusal, "supervision/thresholds.html", **_rules(ctx, region))
    return ctx.redirect(f"/supervision/thresholds?region={quote(region)}", "已保存，并记入账本")


@pages.counter("red", cards.VIEW)
def red(connection: Connection, clerk: Clerk) -> int:
    """Red cards of matters still open, where one supervises."""
    return cards.by_colour(connection, clerk).get("red", 0)


@pages.counter("mine", "approval.handle")
def mine(connection: Connection, clerk: Clerk) -> int:
    """What one was told and has not acknowledged."""
    return len(cards.banner(connection, clerk))


def _today(ctx: Context) -> date:
    return today(ctx.hall.hub.store.clock())


def _filters(ctx: Context) -> list[Filter]:
    own = ctx.clerk.scopes.get(cards.VIEW, ())
    levels = ("3", "4") if cards.is_wide(ctx.clerk) else ("4", "5")
    areas = [
        (one.code, one.name)
        for one in regions().values()
        if one.level in levels and any(_overlap(thresholds.region_path(one.code), top) for top in own)
    ]
    return [
        Filter("colour", "牌", tuple(COLOURS.items())),
        Filter("region", "区域", tuple(areas)),
        Filter("org", "部门"),
        Filter("item", "事项"),
        Filter(
            "state",
            "办理",
            (("open", "未办结（最重的牌）"), ("ended", "已办结或已变更"), ("mine", "待我签收")),
        ),
    ]


def _overlap(path: str, top: str) -> bool:
    return path.startswith(top) or top.startswith(path)


def _found(ctx: Context, listing: Listing, offset: int, size: int) -> tuple[list[Card], int]:
    wanted = cards.Filter(**listing.wanted)
    sort = ("-" if listing.descending else "") + listing.sort
    with ctx.hall.hub.store.read() as connection:
        return cards.cards(connection, ctx.clerk, wanted, offset=offset, size=size, sort=sort)


def _cells(ctx: Context, one: Card) -> list[Cell]:
    state = f"已于 {one.concluded} 办结" if one.concluded else "未办结"
    return [
        Mark(one.colour),
        Link(ctx.url(f"/supervision/cards/{one.id}"), one.case_no),
        one.item_name,
        one.org_name,
        clock_name(one.clock),
        one.due,
        one.day,
        state,
        f"{one.delivered}/{one.told}",
        one.acknowledged,
    ]


def _counted(ctx: Context, one: Count, name: str = "", value: str = "") -> list[Cell]:
    link = Link(ctx.url(f"/supervision/cards?state=open&{name}={quote(value)}"), one.name)
    first: Cell = link if name else one.name
    return [first, *(one.colours.get(colour, 0) for colour in COLOURS), one.total]


def _card(ctx: Context) -> dict[str, Any]:
    with ctx.hall.hub.store.read() as connection:
        found, calls = cards.card_of(connection, ctx.clerk, ctx.path["card"])
        in_hand = todo.of_case(connection, found.case_no)
    waiting = any(one.user == ctx.clerk.user and one.state != "acknowledged" for one in calls)
    name = clock_name(found.clock)
    return {
        "urge": ctx.clerk.may("supervision.urge") or ctx.clerk.may("approval.supervise"), "in_hand": in_hand,
        "card": found, "calls": calls, "waiting": waiting, "clock": name, "mark": Mark(found.colour),
        "states": STATES,
    }  # fmt: skip


def _rules(ctx: Context, region: str) -> dict[str, Any]:
    tops = ctx.clerk.scopes.get(thresholds.SET, ())
    mine = [
        one for one in regions().values() if any(thresholds.region_path(one.code).startswith(t) for t in tops)
    ]
    chosen = next((one.code for one in mine if one.code == region), mine[0].code if mine else None)
    with ctx.hall.hub.store.read() as connection:
        book = thresholds.rulebook(connection)
    upper = [(one.code, full_name(one.code)) for one in mine if one.level != "6"]
    return {
        "regions": upper,
        "region": chosen or "",
        "rules": book.of(chosen or "441400000000"),
        "source": book.source(chosen) if chosen else None,
        "own": chosen in book.own,
        "name_of": full_name,
    }

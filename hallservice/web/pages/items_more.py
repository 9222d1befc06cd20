"""Statistics of the lists, the categories of a locality, reports upward."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection
from starlette.responses import Response

from canonical.regions import full_name, regions
from hallservice.items import categories, finding, overlays, reporting
from hallservice.items.finding import Wanted
from hallservice.items.overlays import Laid
from hallservice.items.wording import DIRECTORY, EDIT, IMPLEMENTATION, LISTS, options
from hallservice.people.clerk import Clerk
from hallservice.refusals import HallRefused
from hallservice.web.context import Context
from hallservice.web.lists import Badge, Cell, Column, Filter, Link, asked
from hallservice.web.pages.items import FIRST, MENU, NEAR, SEEING, STATES, filters_of
from hallservice.web.registry import Pages

pages = Pages()
GROUPED = (
    ("department", "部门"), ("kind", "事项类型"), ("level", "行使层级"), ("category", "目录分类"),
    ("source", "来源"),
)  # fmt: skip
LAID = (
    Column("实施编码"), Column("事项名称"), Column("本地版本", kind="num"), Column("省版本", kind="num"),
    Column("状态", kind="act"), Column("待复核的内容"),
)  # fmt: skip


@pages.get("/items/statistics", function=SEEING, title="清单统计", menu=MENU, order=FIRST + 5)
def statistics(ctx: Context) -> Response:
    which = (Filter("list", "清单", tuple(LISTS.items())), Filter("by", "统计口径", GROUPED))
    filters = (*which, *filters_of(ctx, IMPLEMENTATION)[1:], filters_of(ctx, DIRECTORY)[-1])
    columns = (Column("名称"), *(Column(text, kind="num") for _, text in STATES), Column("合计", kind="num"))
    listing = asked(ctx.query, (), filters)
    by = listing.wanted["by"] or "department"
    list_ = listing.wanted["list"] or IMPLEMENTATION
    wanted = Wanted(**{name: said for name, said in listing.wanted.items() if name not in ("list", "by")})
    counted = ctx.hall.read(lambda connection: finding.statistics(connection, by, wanted, list_))
    rows: list[Sequence[Cell]] = [_counted(one.name, one.states) for one in counted]
    sums = {state: sum(one.states.get(state, 0) for one in counted) for state, _ in STATES}
    rows.append(_counted("合计", sums))
    if ctx.one("as") == "xlsx":
        return ctx.sheet(f"{LISTS[list_]}统计", columns, rows)
    listing = replace(listing, wanted={**listing.wanted, "list": list_, "by": by})
    export = listing.query(**{"as": "xlsx"})
    values: dict[str, Any] = {"columns": columns, "rows": rows, "filters": filters, "list": LISTS[list_]}
    return ctx.render("items/statistics.html", **values, listing=listing, export=export)


def _counted(name: str, states: Mapping[str, int]) -> tuple[Cell, ...]:
    return (name, *(states.get(state, 0) for state, _ in STATES), sum(states.values()))


# -- categories


@pages.get("/items/categories", function=SEEING, title="目录分类", menu=MENU, order=FIRST + 6)
def category_list(ctx: Context) -> Response:
    return ctx.render("items/categories.html", **_categories(ctx, ctx.one("region") or ctx.clerk.region))


@pages.post("/items/categories", function=EDIT, title="目录分类")
def adjust(ctx: Context) -> Response:
    region, version = ctx.form.one("region"), ctx.form.one("version", "0")
    rows = [
        {name: ctx.form.one(f"c-{at}-{name}") for name in ("code", "label", "base", "active")}
        for at in range(1, categories.MOST + 1)
        if f"c-{at}-code" in ctx.form
    ]
    try:
        number = int(version) if version.isdecimal() and len(version) < 9 else -1
        categories.adjust(ctx.hall, ctx.clerk, region, number, rows)
    except HallRefused as refusal:
        return ctx.fault(refusal, "items/categories.html", **_categories(ctx, region))
    return ctx.redirect(f"/items/categories?region={region}", "已发布新的分类版本")


def _categories(ctx: Context, region: str) -> dict[str, Any]:
    known = region if region in regions() else ctx.clerk.region

    def read(connection: Connection) -> dict[str, Any]:
        own = categories.versions(connection, known)
        return {
            "region": known, "adjusted": categories.of(connection, known), "own": own,
            "editable": categories.may_adjust(connection, ctx.clerk, known),
        }  # fmt: skip

    areas = [(one.code, full_name(one.code)) for one in regions().values() if one.level in NEAR]
    if known not in dict(areas):
        areas.append((regions()[known].code, full_name(regions()[known].code)))
    more = {"areas": areas, "bases": options(categories.CODES), "name_of": full_name}
    return ctx.hall.read(read) | more


# -- local situations over items of the province


@pages.counter("items_overlays", EDIT)
def doubtful(connection: Connection, clerk: Clerk) -> int:
    """Overlays a person has to look at, where this one edits."""
    return sum(1 for one in overlays.listed(connection) if one.doubts and clerk.may(EDIT, one.kept.org_path))


@pages.get(
    "/items/overlays", function=SEEING, title="本地情形", menu=MENU, order=FIRST + 4, count="items_overlays"
)
def overlay_list(ctx: Context) -> Response:
    found = ctx.hall.read(overlays.listed)
    rows = [_laid(ctx, one) for one in found]
    return ctx.render("items/overlays.html", columns=LAID, rows=rows)


def _laid(ctx: Context, one: Laid) -> tuple[Cell, ...]:
    link = Link(ctx.url(f"/items/guides/{one.kept.code}"), one.kept.code)
    state = Badge("warn", "待复核") if one.doubts else Badge("ok", "适用")
    return (link, one.kept.name, one.kept.version, one.version, state, "；".join(one.doubts))


# -- reports upward


@pages.get("/items/reports", function=EDIT, title="上报省目录", menu=MENU, order=FIRST + 7)
def reports(ctx: Context) -> Response:
    return ctx.render("items/reports.html", **_reports(ctx))


@pages.post("/items/reports", function=EDIT, title="上报省目录")
def report_again(ctx: Context) -> Response:
    try:
        number = reporting.again(ctx.hall, ctx.clerk, ctx.form.all("code"))
    except HallRefused as refusal:
        return ctx.fault(refusal, "items/reports.html", **_reports(ctx))
    return ctx.redirect("/items/reports", f"已上报 {number} 个事项" if number else "没有选择事项")


def _reports(ctx: Context) -> dict[str, Any]:
    found = ctx.hall.read(lambda connection: reporting.listed(connection, ctx.clerk))
    return {"rows": found, "states": reporting.STATES, "attached": reporting.attached(ctx.hall)}

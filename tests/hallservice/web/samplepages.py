"""A feature as others write them: a list, a form with files, and a page with a defect."""

from typing import Any

from sqlalchemy import Connection, select
from starlette.responses import Response

from exchange.store.tables import act
from hallservice.people.clerk import Clerk
from hallservice.refusals import FieldFault, FormRefused, HallRefused
from hallservice.web.context import Context
from hallservice.web.lists import Badge, Column, Filter, Link, Paging, asked
from hallservice.web.registry import Pages

pages = Pages()

COLUMNS = (
    Column("流水号", "no"), Column("申请人"), Column("事项", "item"), Column("状态"),
    Column("承诺期限", "due", "date"),
)  # fmt: skip
FILTERS = (Filter("q", "关键字"), Filter("state", "状态", (("open", "办理中"), ("done", "已办结"))))
STATES = (Badge("info", "办理中"), Badge("ok", "已办结"))
DAYS = [f"2026-03-{day:02}" for day in range(1, 29)]
ROWS = [
    (f"4414020002026030{n:04}", ("=cmd()", "张**")[n % 2], "食品经营许可", n % 3 == 0, DAYS[n % 28])
    for n in range(137)
]


@pages.get("/sample", function="case.view", title="示例列表", menu="办件", count="acts")
def shown(ctx: Context) -> Response:
    listing = asked(ctx.query, COLUMNS, FILTERS, "no")
    at = {"no": 0, "item": 2, "due": 4}[listing.sort]
    done = {"open": False, "done": True}.get(listing.wanted["state"])
    rows = [row for row in ROWS if done in (None, row[3]) and listing.wanted["q"] in row[0]]
    rows.sort(key=lambda row: row[at], reverse=listing.descending)
    cells: list[list[Any]] = [
        [Link(ctx.url("/sample"), no), who, item, STATES[done_], due]
        for no, who, item, done_, due in rows
    ]  # fmt: skip
    if ctx.one("as") == "xlsx":
        return ctx.sheet("示例", COLUMNS, cells)
    part = cells[listing.offset : listing.offset + listing.size]
    paging = Paging(listing, len(cells))
    return ctx.render("sample/list.html", columns=COLUMNS, filters=FILTERS, rows=part, paging=paging)


@pages.get("/sample/form", function="counter.apply", title="示例表单", menu="窗口")
def form(ctx: Context) -> Response:
    return ctx.render("sample/form.html")


@pages.post("/sample/form", function="counter.apply", title="示例表单", files=2, largest=3_000_000)
def submit(ctx: Context) -> Response:
    try:
        if not ctx.form.one("name"):
            raise FormRefused([FieldFault("name", "missing", "请填写姓名")])
        files = ctx.accept("paper", largest=1024 * 1024)
    except HallRefused as refusal:
        return ctx.fault(refusal, "sample/form.html")
    said = {"name": ctx.form.one("name"), "files": [one.name for one in files]}
    clerk = ctx.clerk
    ctx.hall.write(lambda work: ctx.hall.record(work, clerk, "hall.sample", "sample", said))
    return ctx.redirect("/sample", f"已登记：{ctx.form.one('name')}")


@pages.get("/sample/defect", function=None, title="缺陷")
def defect(_ctx: Context) -> Response:
    raise ZeroDivisionError("secret detail of the defect")


@pages.counter("acts", "case.view")
def acts(connection: Connection, _clerk: Clerk) -> int:
    return sum(b'"files"' in body for body in connection.scalars(select(act.c.body)))

"""Duties (职务): the list everybody gives from, and its order."""

from typing import Any
from urllib.parse import quote

from starlette.responses import Response

from hallservice.people import organisations, staffing
from hallservice.people.functions import MANAGE
from hallservice.refusals import FieldFault, FormRefused, HallRefused
from hallservice.web.context import Context
from hallservice.web.lists import Badge, Cell, Column, Link
from hallservice.web.registry import Pages

pages = Pages()
COLUMNS = (
    Column("职务"), Column("排序", kind="num"), Column("您管理范围内的人数", kind="num"), Column("状态"),
)  # fmt: skip


@pages.get(
    "/people/duties", function=MANAGE, title="职务管理", menu="系统", order=905, example={"@as": "root"}
)
def listed(ctx: Context) -> Response:
    return ctx.render("people/duties.html", **_duties(ctx, ctx.one("duty")))


@pages.post("/people/duties", function=MANAGE, title="职务管理")
def save(ctx: Context) -> Response:
    """A new one, or the one of that name as it is to be."""
    rank = ctx.form.one("rank") or "0"
    try:
        if not (rank.isascii() and rank.isdecimal() and len(rank) < 7):
            raise FormRefused([FieldFault("rank", "invalid", "排序是 0 到 999999 的整数")])
        active = ctx.form.one("active") == "1"
        staffing.save_duty(ctx.hall, ctx.clerk, ctx.form.one("name"), int(rank), active=active)
    except HallRefused as refusal:
        return ctx.fault(refusal, "people/duties.html", **_duties(ctx, ctx.form.one("name")))
    return ctx.redirect("/people/duties", "已保存，并记入账本")


def _duties(ctx: Context, name: str) -> dict[str, Any]:
    with ctx.hall.hub.store.read() as connection:
        found = staffing.duties(connection, ctx.clerk)
        tops = organisations.children(connection, None, closed=True)
    rows: list[list[Cell]] = [
        [
            Link(ctx.url(f"/people/duties?duty={quote(row.name)}"), row.name), row.rank, row.many,
            Badge("ok", "在用") if row.active else Badge("plain", "停用"),
        ]
        for row in found
    ]  # fmt: skip
    one = next((row for row in found if row.name == name), None)
    own = all(ctx.clerk.may(MANAGE, top.path) for top in tops)
    return {"columns": COLUMNS, "rows": rows, "one": one, "own": own}

"""Alarms of the sign-in: who is guessed at, from where, and who looked into it."""

from dataclasses import dataclass
from html import escape
from typing import Any

from sqlalchemy import Connection
from starlette.responses import Response

from hallservice.people import alarms
from hallservice.people.clerk import Clerk
from hallservice.people.functions import AUDIT, MANAGE
from hallservice.refusals import HallRefused
from hallservice.web.context import Context
from hallservice.web.lists import Cell, Column, Link, Paging, asked
from hallservice.web.registry import Pages
from hallservice.web.templating import moment

pages = Pages()
COLUMNS = (
    Column("时间", kind="date"), Column("情况"), Column("账号"), Column("最后的网络地址"), Column("核实"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Look:
    """A button that says of one row that it was looked into."""

    id: str
    about: str
    does: str

    def __html__(self) -> str:
        named = f'name="id" value="{escape(self.id)}" aria-label="{self.does}：{escape(self.about)}"'
        return f'<button class="plain" {named}>{self.does}</button>'


@pages.counter("alarms", MANAGE, shared=True)
def waiting(connection: Connection, clerk: Clerk) -> int:
    return alarms.waiting(connection, clerk)


@pages.get(
    "/people/alarms",
    function=(MANAGE, AUDIT),
    title="登录告警",
    menu="系统",
    order=907,
    count="alarms",
    example={"@as": "root"},
)
def shown(ctx: Context) -> Response:
    return ctx.render("people/alarms.html", **_listed(ctx))


@pages.post("/people/alarms", function=MANAGE, title="登录告警")
def look_into(ctx: Context) -> Response:
    try:
        alarms.look_into(ctx.hall, ctx.clerk, ctx.form.one("id"))
    except HallRefused as refusal:
        return ctx.fault(refusal, "people/alarms.html", **_listed(ctx))
    return ctx.redirect("/people/alarms", "已核实，并记入账本")


def _listed(ctx: Context) -> dict[str, Any]:
    listing = asked(ctx.query, COLUMNS, ())
    found = ctx.hall.read(
        lambda connection: alarms.listed(connection, ctx.clerk, offset=listing.offset, size=listing.size)
    )
    rows = [_cells(ctx, row) for row in found.rows]
    return {"columns": COLUMNS, "rows": rows, "paging": Paging(listing, found.total)}


def _cells(ctx: Context, row: Any) -> list[Cell]:
    who: Cell = "多个账号" if row.kind == "client" else "没有这个登录名"
    managed = ctx.clerk.may(MANAGE, row.path) if row.path else ctx.clerk.may(MANAGE)
    if row.user:
        said = f"{row.name}（{row.login}）"
        who = Link(ctx.url(f"/people/users/{row.user}"), said) if managed else said
    done: Cell = f"{row.seen_name} {moment(row.seen_at)}" if row.seen_at else "未核实"
    if managed and not row.seen_at:
        does = "已核实，解除限制" if row.kind == "client" else "已核实"
        done = Look(row.id, f"{moment(row.at)} {who}", does)
    return [moment(row.at), alarms.KINDS.get(row.kind, row.kind), who, row.client, done]

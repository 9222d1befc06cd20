"""What waits to be taken over from identity directories and from the province's catalogue, and the act."""

from dataclasses import dataclass
from html import escape
from typing import Any

from starlette.responses import Response

from hallservice.people import adopting, lists
from hallservice.people.adopting import CHANGES, KINDS, Taken, Waiting
from hallservice.people.functions import MANAGE
from hallservice.refusals import FieldFault, FormRefused, HallRefused
from hallservice.web.context import Context
from hallservice.web.lists import Badge, Cell, Column, Filter, Paging, asked
from hallservice.web.registry import Pages

pages = Pages()
COLUMNS = (
    Column("接收"), Column("种类"), Column("名称"), Column("编号"), Column("上级或所在机构"), Column("变化"),
    Column("说明"),
)  # fmt: skip
FILTERS = (
    Filter("words", "名称或编号"),
    Filter("kind", "种类", tuple(KINDS.items())),
    Filter("change", "变化", tuple(CHANGES.items())),
)
COLOURS = {"new": "info", "changed": "warn", "gone": "bad"}


@dataclass(frozen=True, slots=True)
class Tick:
    """A box to choose a row."""

    value: str
    label: str
    ticked: bool

    def __html__(self) -> str:
        ticked = " checked" if self.ticked else ""
        box = (
            f'type="checkbox" name="pick" value="{escape(self.value)}" aria-label="接收{escape(self.label)}"'
        )
        return f"<input {box}{ticked}>"


@pages.get(
    "/people/directory",
    function=MANAGE,
    title="待接收机构人员",
    menu="系统",
    order=904,
    example={"@as": "root", "?words": "@waiting"},
)
def shown(ctx: Context) -> Response:
    return ctx.render("people/directory.html", **_waiting(ctx), done=None)


@pages.post("/people/directory", function=MANAGE, title="待接收机构人员")
def adopt(ctx: Context) -> Response:
    """Those that were ticked, or all that wait at or below an organisation."""
    try:
        done = _taken(ctx)
    except HallRefused as refusal:
        return ctx.fault(refusal, "people/directory.html", **_waiting(ctx), done=None)
    return ctx.render("people/directory.html", **_waiting(ctx), done=done)


def _taken(ctx: Context) -> Taken:
    match ctx.form.one("do"):
        case "picked":
            return adopting.take(ctx.hall, ctx.clerk, ctx.form.all("pick"))
        case "all":
            text = ctx.form.one("org")
            org = ctx.hall.read(lambda connection: lists.resolve(connection, ctx.clerk, MANAGE, text))
            return adopting.take_all(ctx.hall, ctx.clerk, org)
    raise FormRefused([FieldFault("pick", "required", "请选择接收所选或接收全部")])


def _waiting(ctx: Context) -> dict[str, Any]:
    now, listing = ctx.hall.hub.store.clock(), asked(ctx.query, COLUMNS, FILTERS)
    with ctx.hall.hub.store.read() as connection:
        found = adopting.waiting(connection, ctx.clerk, now)
        stuck = adopting.stuck(connection, ctx.clerk, now)
        choices = lists.choices(connection, ctx.clerk, MANAGE)
    wanted = [one for one in found if _matches(one, dict(listing.wanted))]
    shown_ = wanted[listing.offset : listing.offset + listing.size]
    return {
        "columns": COLUMNS, "filters": FILTERS, "rows": [_cells(ctx, one) for one in shown_],
        "paging": Paging(listing, len(wanted)), "total": len(found), "stuck": stuck[:100], "kinds": KINDS,
        "choices": choices, "top": choices[0].code if choices else "",
    }  # fmt: skip


def _matches(one: Waiting, wanted: dict[str, str]) -> bool:
    words = wanted["words"]
    named = not words or words in one.name or one.id.startswith(words)
    return named and wanted["kind"] in ("", one.kind) and wanted["change"] in ("", one.change)


def _cells(ctx: Context, one: Waiting) -> list[Cell]:
    tick = Tick(one.key, one.name, one.key in ctx.typed.all("pick"))
    state = Badge(COLOURS[one.change], CHANGES[one.change])
    return [tick, KINDS[one.kind], one.name, one.id, one.where, state, one.note]

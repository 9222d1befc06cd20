"""Overlay printing of certificates and labels of a case."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from starlette.responses import Response

from hallservice import wording
from hallservice.counter import certificate, overlay
from hallservice.counter.overlay import FUNCTION, Asked
from hallservice.counter.standing import Standing
from hallservice.papers.overlay import Layout, shipped_layouts
from hallservice.papers.service import Papers
from hallservice.refusals import HallRefused
from hallservice.web.context import Context
from hallservice.web.pages.counter_case import CASE, PDF
from hallservice.web.pages.counter_parts import NO_PRINTING, acted, facts, the_case
from hallservice.web.registry import Pages

pages = Pages()


def layouts(ctx: Context) -> Mapping[str, Layout]:
    """Those of the site behind those that ship."""
    own = ctx.kit.extras.get("layouts")
    return {**shipped_layouts(), **(own if isinstance(own, dict) else {})}


@pages.get("/cases/{case_no}/overlay", function=FUNCTION, title="套打", example=CASE)
def form(ctx: Context) -> Response:
    return ctx.render("counter/overlay.html", **_values(ctx, the_case(ctx, FUNCTION), ctx.one("layout")))


def _values(ctx: Context, here: Standing, name: str) -> dict[str, Any]:
    found = layouts(ctx)
    layout = found.get(name) or found.get("food-permit") or next(iter(found.values()))
    made = ctx.hall.read(lambda connection: certificate.to_hand_out(connection, here.no))
    return {
        "row": here.row,
        "facts": facts(here),
        "idle": not overlay.printable(here),
        "state": wording.state(here.state),
        "layouts": [(one.name, one.title) for one in found.values()],
        "layout": layout,
        "known": {name for name, value in overlay.known(here, made).items() if value},
    }


@pages.post("/cases/{case_no}/overlay", function=FUNCTION, title="套打", once=False, slow=True)
def printed(ctx: Context) -> Response:
    here, name = the_case(ctx, FUNCTION), ctx.form.one("layout")

    def act() -> Response:
        layout = layouts(ctx).get(name)
        if layout is None:
            raise HallRefused("unknown_layout", "没有这个套打版式")
        values = {box.name: ctx.form.one(box.name) for box in layout.field}
        asked = Asked(values, ctx.form.one("right"), ctx.form.one("down"))
        body = overlay.printed(ctx.hall, ctx.clerk, here.no, layout, asked, _placer(ctx))
        return ctx.file(body, f"{here.no}.pdf", PDF, inline=True)

    return acted(ctx, "counter/overlay.html", lambda: _values(ctx, here, name), act)


def _placer(ctx: Context) -> overlay.Place:
    papers = ctx.kit.extras.get("papers")
    if not isinstance(papers, Papers):
        raise HallRefused("no_printing", NO_PRINTING)

    def place(
        layout: Layout, values: Mapping[str, str], at: datetime, shift: tuple[float, float]
    ) -> tuple[bytes, str]:
        made = papers.overlay(layout, values, at=at, shift=shift)
        return made.pdf, made.sha256

    return place

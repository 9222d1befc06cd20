"""Which process the items of a body take, and running cases moved to a newer version."""

from typing import Any

from markupsafe import Markup
from sqlalchemy import Connection, select
from starlette.responses import Response

from exchange.store.tables import item
from hallservice.flows import assigning, definitions, moving
from hallservice.people import organisations
from hallservice.refusals import HallRefused
from hallservice.web.context import Context
from hallservice.web.forms import whole
from hallservice.web.pages.flows_forms import Options, bodies
from hallservice.web.registry import Pages

pages = Pages()
EDIT = "flows.edit"
MOVED = {"owner": "@flow_owner", "key": "older", "case_no": "@older_case", "?version": "2", "@as": "leader"}


@pages.get("/flows/uses", function=EDIT, title="事项使用的流程", menu="流程", order=61)
def uses(ctx: Context) -> Response:
    return ctx.render("flows/uses.html", **_shown(ctx, ctx.one("org")))


def _shown(ctx: Context, org: str) -> dict[str, Any]:
    known = ctx.hall.read(lambda connection: bodies(connection, ctx.clerk))
    chosen = org or (known[0][0] if known else "")
    found = assigning.uses(ctx.hall, ctx.clerk, chosen) if chosen else []
    flows = [
        (f"{one.owner}/{one.key}/{number}", f"{one.name}（{one.owner_name}，{word}）")
        for one in definitions.listed(ctx.hall, ctx.clerk)
        if one.state == "published"
        for number, word in (("", "最新发布"), (one.version, f"固定第 {one.version} 版"))
    ]
    items = ctx.hall.read(lambda connection: _items(connection, chosen)) if chosen else []
    return {"org": chosen, "bodies": known, "uses": found, "flows": flows, "items": items}


def _items(connection: Connection, org: str) -> Options:
    """Items of the body that are in use, by code and name."""
    body = organisations.get(connection, org)
    ask = select(item.c.code, item.c.name).where(
        item.c.org == body.uscc, item.c.current, item.c.state == "in_use"
    )
    rows = connection.execute(ask.order_by(item.c.code).limit(500))
    return [(row.code, f"{row.code} {row.name or ''}") for row in rows]


@pages.post("/flows/uses", function=EDIT, title="事项使用的流程")
def assign(ctx: Context) -> Response:
    form = ctx.form
    org = form.one("org")
    owner, key, number = [*form.one("flow").split("/"), "", ""][:3]
    version = int(number) if number.isdecimal() and len(number) < 7 else None
    try:
        assigning.assign(ctx.hall, ctx.clerk, org, form.one("item_code"), owner, key, version)
    except HallRefused as refusal:
        return ctx.fault(refusal, "flows/uses.html", **_shown(ctx, org))
    return ctx.redirect(f"/flows/uses?org={org}", "已设置，此后受理的办件按它办理")


@pages.post("/flows/uses/remove", function=EDIT)
def unassign(ctx: Context) -> Response:
    org = ctx.form.one("org")
    assigning.unassign(ctx.hall, ctx.clerk, org, ctx.form.one("item_code"))
    return ctx.redirect(f"/flows/uses?org={org}", "已取消")


def _wish(ctx: Context, number: str) -> int:
    if not (number.isdecimal() and len(number) < 7):
        raise HallRefused("not_found", "没有这个版本")
    return int(number)


@pages.get("/flows/{owner}/{key}/running/{case_no}", function=EDIT, title="更换流程版本", example=MOVED)
def preview(ctx: Context) -> Response:
    return ctx.render("flows/migrate.html", **_previewed(ctx, _wish(ctx, ctx.one("version"))))


def svg(drawn: str) -> Markup:
    """A picture of ours as a page shows it."""
    return Markup(drawn)  # noqa: S704 - our own SVG, escaped there


def _previewed(ctx: Context, version: int) -> dict[str, Any]:
    owner, key, case_no = ctx.path["owner"], ctx.path["key"], ctx.path["case_no"]
    shown = moving.preview(ctx.hall, ctx.clerk, case_no, owner, key, version)
    return {
        "shown": shown, "version": version, "before": svg(shown.before), "after": svg(shown.after),
        "action": ctx.url(f"/flows/{owner}/{key}/running/{case_no}"),
        "back": ctx.url(f"/flows/{owner}/{key}"),
    }  # fmt: skip


@pages.post("/flows/{owner}/{key}/running/{case_no}", function=EDIT, title="更换流程版本")
def migrate(ctx: Context) -> Response:
    form, case_no = ctx.form, ctx.path["case_no"]
    version = _wish(ctx, form.one("version"))
    wish = moving.Wish(
        ctx.path["owner"], ctx.path["key"], version, form.one("opinion"), tuple(form.all("skips"))
    )
    try:
        moving.migrate(ctx.hall, ctx.clerk, case_no, wish, whole(form.one("expected")))
    except HallRefused as refusal:
        return ctx.fault(refusal, "flows/migrate.html", **_previewed(ctx, version))
    return ctx.redirect(
        f"/flows/{ctx.path['owner']}/{ctx.path['key']}", f"办件 {case_no} 已更换到第 {version} 版"
    )

"""One post, work group or window of an organisation: its name, and who is in it."""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from starlette.responses import Response

from hallservice.people import lists, staffing
from hallservice.people.functions import MANAGE
from hallservice.refusals import FieldFault, FormRefused, HallRefused
from hallservice.web.context import Context
from hallservice.web.registry import Pages

pages = Pages()
WORDS = {**staffing.WORDS, "window": "窗口"}
EXAMPLE = {"@as": "administrator", "kind": "group", "entry": "@group"}


@pages.get("/people/entries/{kind}/{entry}", function=MANAGE, title="岗位、工作组、窗口", example=EXAMPLE)
def shown(ctx: Context) -> Response:
    return ctx.render("people/entry.html", **_entry(ctx))


@pages.post("/people/entries/{kind}/{entry}", function=MANAGE, title="岗位、工作组、窗口")
def rename(ctx: Context) -> Response:
    try:
        org = _entry(ctx)["one"].org_code
        SAVES[ctx.path["kind"]](ctx, org)
    except HallRefused as refusal:
        return ctx.fault(refusal, "people/entry.html", **_entry(ctx))
    return ctx.redirect(_here(ctx), "已保存，并记入账本")


@pages.post("/people/entries/{kind}/{entry}/members", function=MANAGE, title="岗位、工作组、窗口")
def member(ctx: Context) -> Response:
    """Somebody comes in by login or staff number, or goes."""
    kind, id_ = ctx.path["kind"], ctx.path["entry"]
    try:
        if kind not in staffing.LISTS:
            raise FormRefused([FieldFault("person", "invalid", "窗口由坐窗口的人自己绑定")])
        if ctx.form.one("do") == "out":
            staffing.take_out(ctx.hall, ctx.clerk, kind, id_, ctx.form.one("user"))
        else:
            user = ctx.hall.read(lambda c: staffing.person(c, ctx.clerk, ctx.form.one("person")))
            staffing.put_in(ctx.hall, ctx.clerk, kind, id_, user)
    except HallRefused as refusal:
        return ctx.fault(refusal, "people/entry.html", **_entry(ctx))
    return ctx.redirect(_here(ctx), "已保存，并记入账本")


def _post(ctx: Context, org: str) -> None:
    one = ctx.form.one
    staffing.save_post(ctx.hall, ctx.clerk, org, one("code"), one("name"), ctx.path["entry"])


def _group(ctx: Context, org: str) -> None:
    staffing.save_group(ctx.hall, ctx.clerk, org, ctx.form.one("name"), ctx.path["entry"])


def _window(ctx: Context, org: str) -> None:
    one = ctx.form.one
    staffing.save_window(ctx.hall, ctx.clerk, org, one("number"), one("name"), ctx.path["entry"])


SAVES: Mapping[str, Callable[[Context, str], None]] = {"post": _post, "group": _group, "window": _window}


def _here(ctx: Context) -> str:
    return f"/people/entries/{ctx.path['kind']}/{quote(ctx.path['entry'])}"


def _entry(ctx: Context) -> dict[str, Any]:
    kind, id_, now = ctx.path["kind"], ctx.path["entry"], ctx.hall.hub.store.clock()
    with ctx.hall.hub.store.read() as connection:
        one = staffing.entry(connection, ctx.clerk, kind, id_)
        listed = kind in staffing.LISTS
        return {
            "one": one, "kind": kind, "word": WORDS[kind], "here": ctx.url(_here(ctx)), "listed": listed,
            "people": staffing.members(connection, kind, id_) if listed else [],
            "grants": lists.grants_of(connection, kind, id_, now) if listed else [],
        }  # fmt: skip

"""The rules for accounts: shown to who manages people anywhere, set by who manages everywhere."""

from itertools import groupby
from typing import Any

from starlette.responses import Response

from hallservice.people import organisations, policies
from hallservice.people.functions import MANAGE
from hallservice.refusals import HallRefused
from hallservice.web.context import Context
from hallservice.web.registry import Pages

pages = Pages()


@pages.get(
    "/people/policy", function=MANAGE, title="账号规则", menu="系统", order=906, example={"@as": "root"}
)
def shown(ctx: Context) -> Response:
    return ctx.render("people/policy.html", **_rules(ctx))


@pages.post("/people/policy", function=MANAGE, title="账号规则")
def change(ctx: Context) -> Response:
    try:
        policies.change(ctx.hall, ctx.clerk, {name: ctx.form.one(name) for name in policies.rules()})
    except HallRefused as refusal:
        return ctx.fault(refusal, "people/policy.html", **_rules(ctx))
    return ctx.redirect("/people/policy", "账号规则已保存，即刻生效，并记入账本")


def _rules(ctx: Context) -> dict[str, Any]:
    with ctx.hall.hub.store.read() as connection:
        said = policies.figures(policies.settings(ctx.hall, connection))
        tops = organisations.children(connection, None, closed=True)
        last = policies.last(connection)
    groups = groupby(policies.rules().values(), key=lambda rule: rule.group)
    return {
        "groups": [(name, [(rule, said[rule.name]) for rule in members]) for name, members in groups],
        "own": all(ctx.clerk.may(MANAGE, top.path) for top in tops),
        "last": last,
    }

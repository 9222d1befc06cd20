"""The identity directory of the city: what it has told so far, and taking it over."""

from typing import Any

from sqlalchemy import func, select
from starlette.responses import Response

from exchange.store.tables import directory_entry
from hallservice.people import directory, organisations
from hallservice.people.directory import Adopted
from hallservice.people.functions import MANAGE
from hallservice.refusals import FieldFault, FormRefused, HallRefused
from hallservice.web.context import Context
from hallservice.web.registry import Pages

pages = Pages()


@pages.get(
    "/people/directory",
    function=MANAGE,
    title="统一身份目录",
    menu="系统",
    order=904,
    example={"@as": "root"},
)
def shown(ctx: Context) -> Response:
    return ctx.render("people/directory.html", parties=_parties(ctx), done=None)


@pages.post("/people/directory", function=MANAGE, title="统一身份目录")
def adopt(ctx: Context) -> Response:
    """Rows of everywhere: only who manages the whole tree may."""
    party = ctx.form.one("party")
    try:
        if party not in {name for name, _, _ in _parties(ctx)}:
            raise FormRefused([FieldFault("party", "required", "请选择目录")])
        done = _adopted(ctx, party)
    except HallRefused as refusal:
        return ctx.fault(refusal, "people/directory.html", parties=_parties(ctx), done=None)
    return ctx.render("people/directory.html", parties=_parties(ctx), done=done)


def _adopted(ctx: Context, party: str) -> Adopted:
    def act(work: Any) -> Adopted:
        organisations.expect_everywhere(work.connection, ctx.clerk)
        return directory.adopt(ctx.hall, work, ctx.clerk, party)

    return ctx.hall.write(act)


def _parties(ctx: Context) -> list[tuple[str, int, int]]:
    """Each party that has told a directory, with its organisations and its staff."""
    e = directory_entry.c
    ask = select(e.party, e.kind, func.count()).where(e.active).group_by(e.party, e.kind).order_by(e.party)
    found: dict[str, dict[str, int]] = {}
    for party, kind, many in ctx.hall.read(lambda connection: connection.execute(ask).all()):
        found.setdefault(party, {})[kind] = many
    return [(party, has.get("organisation", 0), has.get("staff", 0)) for party, has in found.items()]

"""The workbench: what waits for the person, here and in other application systems."""

from starlette.responses import Response

from hallservice.web.context import Context
from hallservice.web.registry import Entry, Pages

pages = Pages()


@pages.get("/", function=None, title="工作台", menu="办公", order=0)
def workbench(ctx: Context) -> Response:
    waiting = [entry for _, entries in ctx.menu() for entry in entries if entry.count]
    others = ctx.kit.beside.of(ctx.clerk.staff_no)
    counted = [(entry, _count(ctx, entry)) for entry in waiting]
    return ctx.render("home/workbench.html", waiting=counted, others=others)


def _count(ctx: Context, entry: Entry) -> int:
    return ctx.count(entry.count) or 0

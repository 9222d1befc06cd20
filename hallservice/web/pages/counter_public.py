"""For everybody: the progress of a case by number and query password, and its evaluation."""

from typing import Any

from starlette.responses import Response

from hallservice.counter import evaluate, notices, progress
from hallservice.counter.lists import local
from hallservice.counter.progress import Progress
from hallservice.refusals import FormRefused
from hallservice.web.context import Context
from hallservice.web.lists import Column
from hallservice.web.pages.counter_case import PDF
from hallservice.web.pages.counter_money import rating, rating_values
from hallservice.web.pages.counter_parts import acted, renderer
from hallservice.web.registry import Pages

pages = Pages()
COLUMNS = (Column("时间", kind="date"), Column("环节"), Column("说明"))


@pages.get("/progress", function=None, public=True, title="办理进度查询")
def ask(ctx: Context) -> Response:
    return ctx.render("counter/progress.html", shown=None)


@pages.post("/progress", function=None, public=True, title="办理进度查询", once=False, draft=False)
def shown(ctx: Context) -> Response:
    form = ctx.form

    def act() -> Response:
        found = progress.of(ctx.hall, form.one("case_no"), form.one("password"), ctx.client)
        return ctx.render("counter/progress.html", **_values(ctx, found))

    return acted(ctx, "counter/progress.html", lambda: {"shown": None}, act)


def _values(ctx: Context, found: Progress) -> dict[str, Any]:
    password = ctx.form.one("password")
    return {
        "shown": found,
        "columns": COLUMNS,
        "rows": [(local(mark.at), mark.what, mark.said) for mark in found.marks],
        "papers": [
            (one.doc_no, one.title)
            for one in ctx.hall.read(lambda read: notices.of_case(read, found.case_no))
        ],
        "may_rate": found.ratable and not found.evaluated,
        **rating_values(ctx, "/progress/evaluate", found.case_no, password),
    }


@pages.post("/progress/paper", function=None, public=True, title="文书", once=False, draft=False, slow=True)
def paper(ctx: Context) -> Response:
    """Applicants print their notices themselves (S3-46)."""
    form = ctx.form
    here = progress.standing(ctx.hall, form.one("case_no"), form.one("password"), ctx.client)
    body = notices.of_applicant(ctx.hall, here.no, form.one("no"), renderer(ctx))
    return ctx.file(body, f"{here.no}.pdf", PDF, inline=True)


@pages.post("/progress/evaluate", function=None, public=True, title="评价", draft=False)
def evaluated(ctx: Context) -> Response:
    form = ctx.form
    case_no, password = form.one("case_no"), form.one("password")
    try:
        evaluate.by_applicant(ctx.hall, case_no, password, ctx.client, rating(ctx))
    except FormRefused as refusal:
        found = progress.of(ctx.hall, case_no, password, ctx.client)
        return ctx.fault(refusal, "counter/progress.html", **_values(ctx, found))
    return ctx.redirect("/progress", "评价已提交，谢谢。")

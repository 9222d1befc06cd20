"""代申请: choose an item, fill the form, take the papers in; and 补正续办 by the number of a notice."""

from typing import Any

from starlette.responses import Response

from exchange import items
from exchange.clocks import today
from exchange.errors import Refused
from hallservice.counter import apply, catalogue, materials, supplement
from hallservice.counter.apply import RELATIONS, Application
from hallservice.counter.form import read
from hallservice.counter.receive import CardReader, by_card
from hallservice.papers.code import code_in
from hallservice.refusals import HallRefused
from hallservice.web.context import Context
from hallservice.web.forms import Form
from hallservice.web.lists import Cell, Column, Link
from hallservice.web.pages.counter_parts import case_url, looked, options
from hallservice.web.registry import Pages

pages = Pages()
FUNCTION = "counter.apply"
COLUMNS = (
    Column("事项"), Column("主管部门"), Column("办件类型"), Column("承诺时限"), Column("收费"),
    Column("实施编码"),
)  # fmt: skip


@pages.get("/counter/apply", function=FUNCTION, title="代申请", menu="窗口", order=10)
def choose(ctx: Context) -> Response:
    if code := ctx.one("item"):
        return _form(ctx, code)
    words = ctx.one("q")[:100]
    day = today(ctx.hall.hub.store.clock()).isoformat()
    found = ctx.hall.read(lambda connection: catalogue.search(connection, ctx.clerk, words, day))
    rows = [item_cells(ctx, one, "/counter/apply") for one in found]
    return ctx.render("counter/items.html", words=words, columns=COLUMNS, rows=rows)


def item_cells(ctx: Context, one: catalogue.Offered, path: str) -> tuple[Cell, ...]:
    """One item of a choice; its name leads on."""
    kind = materials.label("case_kind", one.case_kind)
    link = Link(ctx.url(f"{path}?item={one.code}"), one.name)
    return (link, one.organisation, kind, one.limit, "收费" if one.has_fee else "不收费", one.code)


def _form(ctx: Context, code: str, refusal: HallRefused | None = None) -> Response:
    def ask() -> dict[str, Any]:
        with ctx.hall.hub.store.read() as connection:
            content = items.content_of(connection, code, apply.version_of(connection, code))
        return {
            "item": content,
            "limit": catalogue.limit_text(content["promised_limit"]),
            "kind": materials.label("case_kind", content["case_kind"]),
            "shown": materials.asked_by(content),
            "reader": _reader(ctx) is not None,
            "kinds": options("applicant_type"),
            "documents": options("document_type"),
            "relations": [("", "请选择"), *RELATIONS.items()],
        }

    if refusal is None:
        return ctx.render("counter/apply.html", **ask())
    return ctx.fault(refusal, "counter/apply.html", **ask())


def _reader(ctx: Context) -> CardReader | None:
    """The reader of the window, where the site has wired one in."""
    found = ctx.kit.extras.get("card_reader")
    return found if isinstance(found, CardReader) else None


@pages.post("/counter/apply", function=FUNCTION, title="代申请")
def submit(ctx: Context) -> Response:
    code = ctx.form.one("item_code")
    try:
        if ctx.form.one("do") == "card" and (reader := _reader(ctx)):
            ctx.typed = _with_card(ctx, reader)
            return _form(ctx, code)
        opened = apply.apply(
            ctx.hall, ctx.clerk, read(Application, ctx.form), looked(ctx.form), once=ctx.form.one("act")
        )
    except HallRefused as refusal:
        return _form(ctx, code, refusal)
    said = f"已收件。办件编号 {opened.case_no}，查询密码 {opened.query_password}。请打印收件回执交申请人。"
    return ctx.redirect(case_url(opened.case_no), said)


def _with_card(ctx: Context, reader: CardReader) -> Form:
    """What was typed, the applicant's fields from the card."""
    card = by_card(reader, today(ctx.hall.hub.store.clock()))
    return Form({**ctx.form, **{name: [value] for name, value in card.items()}})


@pages.get("/counter/resume", function="counter.accept", title="补正续办", menu="窗口", order=12)
def call_up(ctx: Context) -> Response:
    return ctx.render("counter/call_up.html")


@pages.post("/counter/resume", function="counter.accept", title="补正续办", once=False)
def called_up(ctx: Context) -> Response:
    try:
        here = supplement.called_up(ctx.hall, ctx.clerk, _number(ctx.form.one("case_no")))
    except HallRefused as refusal:
        return ctx.fault(refusal, "counter/call_up.html")
    return ctx.redirect(case_url(here.no) + "/supplemented")


def _number(said: str) -> str:
    """Typed, or read from the code on the notice."""
    if "TB1:" not in said:
        return said
    try:
        return code_in(said).case_no or said
    except Refused:
        return said

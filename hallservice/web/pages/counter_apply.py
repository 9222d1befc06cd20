"""代申请: choose an item, fill the form, take the papers in; and 补正续办 by the number of a notice."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from exchange.clocks import today
from exchange.errors import Refused
from hallservice.applicants import person, seeing
from hallservice.applicants.keeping import PERSON
from hallservice.counter import apply, cards, catalogue, materials, supplement
from hallservice.counter.apply import RELATIONS, Application, HandedIn
from hallservice.counter.form import read
from hallservice.items.situations import Question
from hallservice.papers.code import code_in
from hallservice.refusals import HallRefused
from hallservice.web.context import Context
from hallservice.web.forms import Form
from hallservice.web.lists import Cell, Column, Link
from hallservice.web.pages.counter_parts import (
    acted,
    card_reader,
    case_url,
    identified,
    identities,
    looked,
    options,
    read_card,
)
from hallservice.web.registry import Pages

pages = Pages()
FUNCTION = "counter.apply"
ANSWER = "a-"  # in front of the names of answers
COLUMNS = (
    Column("事项"), Column("主管部门"), Column("办件类型"), Column("承诺时限"), Column("收费"),
    Column("实施编码"),
)  # fmt: skip


@pages.get("/counter/apply", function=FUNCTION, title="代申请", menu="窗口", order=10)
def choose(ctx: Context) -> Response:
    if code := ctx.one("item"):
        return _form(ctx, code, _answers(ctx.query))
    words = ctx.one("q")[:100]
    day = today(ctx.hall.hub.store.clock()).isoformat()
    found = ctx.hall.read(lambda connection: catalogue.search(connection, ctx.clerk, words, day))
    if words and len(found) == 1:  # straight to its form
        return ctx.redirect(f"/counter/apply?item={found[0].code}")
    rows = [item_cells(ctx, one, "/counter/apply") for one in found]
    return ctx.render("counter/items.html", words=words, columns=COLUMNS, rows=rows)


def item_cells(ctx: Context, one: catalogue.Offered, path: str) -> tuple[Cell, ...]:
    """One item of a choice; its name leads on."""
    kind = materials.label("case_kind", one.case_kind)
    link = Link(ctx.url(f"{path}?item={one.code}"), one.name)
    return (link, one.organisation, kind, one.limit, "收费" if one.has_fee else "不收费", one.code)


def _form(ctx: Context, code: str, given: Mapping[str, str], refusal: HallRefused | None = None) -> Response:
    """The item's questions first, where it has any that are not answered; then the form they lead to."""
    wanted = ctx.hall.read(lambda connection: apply.asked_for(connection, code, given))
    content, questions = wanted.content, wanted.setup.questions
    if any(one.name not in wanted.answers for one in questions):
        shown = {"item": content, "questions": [_question(one) for one in questions], "given": given}
        return ctx.render("counter/questions.html", status=200, **shown)
    if refusal is not None:
        ctx.typed = ctx.form
    values: dict[str, Any] = {
        "item": content,
        "limit": catalogue.limit_text(content["promised_limit"]),
        "kind": materials.label("case_kind", content["case_kind"]),
        "shown": materials.asked_by(wanted.item),
        "answers": [(one.name, one.label, given[one.name]) for one in questions],
        "situations": wanted.situations,
        "reader": card_reader(ctx) is not None,
        "callable": ctx.clerk.may(seeing.UNMASK),
        "identities": identities(ctx),
        "kinds": options("applicant_type"),
        "documents": options("document_type"),
        "relations": [("", "请选择"), *RELATIONS.items()],
    }
    if refusal is None:
        return ctx.render("counter/apply.html", **values)
    return ctx.fault(refusal, "counter/apply.html", **values)


def _question(one: Question) -> dict[str, Any]:
    """As a field: a choice where there is one, else text."""
    chosen = one.options or (("是", "否") if one.type == "boolean" else ())
    options = [("", "请选择"), *((text, text) for text in chosen)] if chosen else []
    return {"name": ANSWER + one.name, "label": one.label, "options": options}


def _answers(said: Mapping[str, list[str]]) -> dict[str, str]:
    """The answers in an address or a form."""
    return {
        name.removeprefix(ANSWER): values[0].strip()[:200]
        for name, values in said.items()
        if name.startswith(ANSWER) and values
    }


@pages.post("/counter/apply", function=FUNCTION, title="代申请")
def submit(ctx: Context) -> Response:
    code, answers = ctx.form.one("item_code"), _answers(ctx.form)
    try:
        if ctx.form.one("do") == "card" and (reader := card_reader(ctx)):
            ctx.typed = _with_card(ctx, reader)
            return _form(ctx, code, answers)
        if ctx.form.one("do") == "known":
            return _called(ctx, code, answers)
        handed_in = HandedIn(looked(ctx.form), answers)
        asked = read(Application, ctx.form)
        identified(ctx, asked.document_no)
        opened = apply.apply(ctx.hall, ctx.clerk, asked, handed_in, once=ctx.form.one("act"))
    except HallRefused as refusal:
        return _form(ctx, code, answers, refusal)
    said = f"已收件。办件编号 {opened.case_no}，查询密码 {opened.query_password}。请打印收件回执交申请人。"
    return ctx.redirect(case_url(opened.case_no), said + _doubt(ctx, opened.case_no))


def _doubt(ctx: Context, case_no: str) -> str:
    """Said at once, while the body's licence still lies on the desk."""
    one = ctx.hall.read(lambda connection: seeing.of_case(connection, ctx.clerk, case_no))
    if one is None or one.kind == PERSON or not (one.names > 1 or one.namesakes):
        return ""
    return "请注意：该单位的名称与统一社会信用代码和以往登记的不一致，请核对证件。"


def _called(ctx: Context, code: str, answers: Mapping[str, str]) -> Response:
    """What is known of whoever has the typed number, put into the form: for this, the number is enough and
    nothing less is."""
    number = ctx.form.one("document_no")
    known = person.call_up(ctx.hall, ctx.clerk, ctx.form.one("document_type"), number)
    if known is None:
        ctx.typed, ctx.said = ctx.form, "没有这个证件号码的登记信息，请直接录入。本次查询已记入操作日志。"
        return _form(ctx, code, answers)
    told = {name: getattr(known, name) for name in ("kind", "name", "contact_name", "mobile", "address")}
    ctx.typed = Form({**ctx.form, **{name: [value] for name, value in told.items() if value}})
    ctx.said = "已填入登记过的信息，请与本人核对。本次调用已记入操作日志。"
    return _form(ctx, code, answers)


def _with_card(ctx: Context, reader: cards.CardReader) -> Form:
    """What was typed, the applicant's fields from the card."""
    card, typed = read_card(ctx, reader)
    return Form({**typed, **{name: [value] for name, value in card.fields().items()}})


@pages.get("/counter/resume", function="counter.accept", title="补正续办", menu="窗口", order=12)
def call_up(ctx: Context) -> Response:
    return ctx.render("counter/call_up.html")


@pages.post("/counter/resume", function="counter.accept", title="补正续办", once=False)
def called_up(ctx: Context) -> Response:
    def act() -> Response:
        here = supplement.called_up(ctx.hall, ctx.clerk, _number(ctx.form.one("case_no")))
        return ctx.redirect(case_url(here.no) + "/supplemented")

    return acted(ctx, "counter/call_up.html", dict, act)


def _number(said: str) -> str:
    """Typed, or read from the code on the notice."""
    if "TB1:" not in said:
        return said
    try:
        return code_in(said).case_no or said
    except Refused:
        return said

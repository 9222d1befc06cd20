"""The approval desk: to-do lists, a case with its opinion form and every verb, history, picture."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from markupsafe import Markup
from sqlalchemy import Connection
from starlette.responses import Response

from hallservice import wording
from hallservice.approval import bpmn as bpmn_
from hallservice.approval.picture import picture
from hallservice.approval.state import STATUS_NAMES
from hallservice.flows import desk, history, instances, todo
from hallservice.flows.desk import Desk
from hallservice.flows.wording import ASKS, GROUNDS, VERBS, WANTED
from hallservice.people.clerk import Clerk
from hallservice.refusals import HallRefused
from hallservice.supervision import banner, urging
from hallservice.supervision.words import STATES, Mark
from hallservice.web import lists
from hallservice.web.context import Context
from hallservice.web.forms import whole
from hallservice.web.lists import Badge, Column, Filter, Link, Paging
from hallservice.web.pages.approval_forms import fields_of
from hallservice.web.registry import Pages
from hallservice.web.templating import moment

pages = Pages()
HANDLE, SUPERVISE = "approval.handle", "approval.supervise"
URGE = "supervision.urge"
EITHER = (HANDLE, SUPERVISE)
WATCHING = (SUPERVISE, URGE)
ACTING = (*EITHER, URGE)
SEEING = ("case.view", *ACTING)
CASE = {"case_no": "@case"}
NOT_URGED = ("answer", "resume", "resupply")  # what waits for somebody else than the step's holder
RETURN = {**CASE, "verb": "asked", "?step": "undertake", "@as": "undertaker"}

COLUMNS = (
    Column("办件编号"), Column("事项"), Column("申请人"), Column("环节"), Column("要求"),
    Column("到岗时间", kind="date"), Column("环节到期", kind="date"), Column("办件承诺到期", kind="date"),
    Column("提示"),
)  # fmt: skip
SUPERVISED = (
    *COLUMNS[:4], Column("承办单位"), Column("经办人"), *COLUMNS[5:7], COLUMNS[8], Column("督办", kind="act"),
)  # fmt: skip
WORDS = Filter("words", "编号或事项")
LATE = Filter("late", "时限", (("", "全部"), ("1", "已超期")))
URGED = Filter("urge", "催办", (("open", "待回复"), ("answered", "已回复")))
SHOWN = 40  # characters of an urging in a list
KIND = Filter("kind", "环节", tuple((kind, name) for kind, name in todo.KINDS.items()))


@pages.counter("approval", HANDLE)
def waiting(connection: Connection, clerk: Clerk) -> int:
    return todo.number(connection, clerk)


@pages.get(
    "/approval", function=EITHER, title="审批待办", menu="审批", order=30, count="approval", at_once=True
)
def to_do(ctx: Context) -> Response:
    kind = ctx.one("kind")
    listing = lists.asked(ctx.query, COLUMNS, (WORDS, KIND))
    found = todo.list(ctx.hall, ctx.clerk, _wish(listing))
    tabs = [(code, name, count) for code, name, count in _tabs(todo.count(ctx.hall, ctx.clerk))]
    rows = [_row(ctx, task) for task in found.tasks]
    return ctx.render(
        "approval/todo.html", tabs=tabs, kind=kind, columns=COLUMNS, rows=rows,
        paging=Paging(listing, found.total), filters=(WORDS,), listing=listing,
        told=ctx.hall.read(lambda connection: banner.lines(connection, ctx.clerk)),
    )  # fmt: skip


def _tabs(counts: Mapping[str, int]) -> list[tuple[str, str, int]]:
    return [("", "全部", counts.get("all", 0)), *((k, n, counts.get(k, 0)) for k, n in todo.KINDS.items())]


def _wish(listing: lists.Listing) -> todo.Wish:
    wanted = listing.wanted
    return todo.Wish(
        kind=wanted.get("kind", ""), words=wanted.get("words", ""), overdue=wanted.get("late") == "1",
        urge=wanted.get("urge", ""), first=listing.offset, most=listing.size,
    )  # fmt: skip


def _row(ctx: Context, task: todo.Task) -> list[lists.Cell]:
    link = Link(ctx.url(f"/approval/cases/{task.case_no}"), task.case_no)
    return [
        link, task.item_name, task.applicant, task.name, WANTED[task.wanted], moment(task.since),
        moment(task.due), task.promised_due, _marks(ctx, task),
    ]  # fmt: skip


def _marks(ctx: Context, task: todo.Task) -> Markup:
    late = task.due is not None and task.due < ctx.hall.hub.store.clock()
    marks = [
        Mark(task.colour) if task.colour else None,
        Badge("bad", "已超期") if late else None,
        *_urging(task),
        Badge("info", "廉政风险点") if task.risk else None,
    ]
    return Markup(" ").join(one for one in marks if one is not None)


def _urging(task: todo.Task) -> Iterator[Badge | str]:
    """How often the step was urged, and the words that wait for an answer."""
    if task.urged:
        waits = task.urge_at is not None
        yield Badge("bad" if waits else "plain", f"催办 {task.urged} 次{'' if waits else '，已回复'}")
    if task.urge:
        said = task.urge if len(task.urge) <= SHOWN else f"{task.urge[: SHOWN - 1]}…"
        yield f"{task.urge_by}：{said}"


@pages.get("/approval/supervised", function=WATCHING, title="内部监察", menu="审批", order=31)
def supervised(ctx: Context) -> Response:
    filters = (WORDS, KIND, LATE, URGED)
    listing = lists.asked(ctx.query, SUPERVISED, filters)
    found = todo.supervised(ctx.hall, ctx.clerk, _wish(listing))
    rows = [_watched(ctx, task) for task in found.tasks]
    return ctx.render(
        "approval/supervised.html", columns=SUPERVISED, rows=rows, paging=Paging(listing, found.total),
        filters=filters, listing=listing,
    )  # fmt: skip


def _watched(ctx: Context, task: todo.Task) -> list[lists.Cell]:
    row = _row(ctx, task)
    ask = f"/approval/cases/{task.case_no}/acts/urged?step={task.step}"
    urge = Link(ctx.url(ask), f"催办{task.name}") if task.wanted not in NOT_URGED else None
    return [*row[:4], task.org_name, task.person_name or "（按岗位）", *row[5:7], row[8], urge]


# -- one case


@pages.get("/approval/cases/{case_no}", function=SEEING, title="审批办理", example=CASE)
def case(ctx: Context) -> Response:
    return _case(ctx, desk.open_case(ctx.hall, ctx.clerk, ctx.path["case_no"]), ctx.render)


def _case(ctx: Context, found: Desk, render: Callable[..., Response], **more: Any) -> Response:
    plan, state = found.instance.plan, found.instance.state
    return render(
        "approval/case.html", desk=found, case_no=found.summary.case_no, number=state.count,
        facts=_facts(found), picture=Markup(picture(plan, state)),  # noqa: S704 - our own SVG, escaped there
        lines=history.history(ctx.hall, ctx.clerk, found.summary.case_no), words=VERBS, wanted=WANTED,
        asks=ASKS, fields=plan.definition.fields, known=state.facts, states=STATES,
        notices=ctx.hall.read(lambda connection: urging.of_case(connection, found.summary.case_no)), **more,
    )  # fmt: skip


def _facts(found: Desk) -> list[tuple[str, str]]:
    said, state = found.summary, found.instance.state
    accepted = state.accepted
    return [
        ("办件编号", said.case_no), ("事项", said.item_name), ("申请人", said.applicant),
        ("办件状态", wording.state(said.state)), ("流程状态", STATUS_NAMES[state.status]),
        ("承诺到期", said.promised_due or "（时限暂停）"), ("受理人", accepted.name if accepted else ""),
        ("流程", f"{found.instance.plan.definition.name} 第 {found.instance.plan.definition.version} 版"),
    ]  # fmt: skip


@pages.get("/approval/cases/{case_no}/picture", function=SEEING, title="办理流程图", example=CASE)
def drawn(ctx: Context) -> Response:
    """The picture for paper; `?format=bpmn` the process for other programs."""
    found = desk.open_case(ctx.hall, ctx.clerk, ctx.path["case_no"])
    if ctx.one("format") == "bpmn":
        definition = found.instance.plan.definition
        name = f"{definition.name}-{definition.version}.bpmn"
        return ctx.file(bpmn_.bpmn(found.instance.plan), name, "application/xml")
    svg = Markup(picture(found.instance.plan, found.instance.state))  # noqa: S704 - our own SVG, escaped there
    return ctx.render(
        "approval/picture.html", desk=found, case_no=found.summary.case_no, picture=svg, facts=_facts(found)
    )


@pages.get(
    "/approval/cases/{case_no}/acts/{verb}",
    function=ACTING,
    title="审批操作",
    example=RETURN,
)
def ask(ctx: Context) -> Response:
    """The form of a verb that wants more than an opinion."""
    found = desk.open_case(ctx.hall, ctx.clerk, ctx.path["case_no"])
    return _form(ctx, found, ctx.path["verb"], ctx.one("step"), ctx.one("kind"), ctx.render)


def _form(
    ctx: Context, found: Desk, verb: str, step: str, kind: str, render: Callable[..., Response]
) -> Response:
    if verb not in instances.BY_HAND or (step and step not in found.instance.plan.places):
        raise HallRefused("not_found", "没有这项操作")
    plan, state = found.instance.plan, found.instance.state
    open_ = step in state.active
    people = desk.candidates(ctx.hall, found, step) if open_ else []
    return render(
        "approval/act.html", desk=found, case_no=found.summary.case_no, verb=verb, word=VERBS[verb],
        step=step, number=state.count, kind=kind, asks=ASKS,
        people=[(one.id, f"{one.name}（{one.id}）") for one in people],
        earlier=desk.earlier(plan, state, step) if open_ else [],
        signers=[(one.id, one.name) for one in desk.signers(found, step)],
        grounds=[*((one, one) for one in GROUNDS), ("", "其他（在理由中写明法律依据）")],
        asked=next((one for one in state.asks if (one.kind, one.step) == (kind, step)), None),
        work=state.work.get(step),
        title=f"{VERBS[verb]}{'：' + plan.places[step].step.name if step else ''}",
    )  # fmt: skip


@pages.post("/approval/cases/{case_no}/acts/{verb}", function=ACTING)
def act(ctx: Context) -> Response:
    case_no, verb = ctx.path["case_no"], ctx.path["verb"]
    step, kind, form = ctx.form.one("step"), ctx.form.one("kind"), ctx.form
    try:
        seen = whole(form.one("expected")) or None
        instances.act(ctx.hall, ctx.clerk, case_no, verb, expected=seen, **fields_of(ctx, verb, form))
    except HallRefused as refusal:
        if refusal.code in ("no_instance", "not_allowed", "unknown_verb"):
            raise
        return _again(ctx, case_no, verb, step, kind, refusal)
    said = f"“{VERBS[verb]}”已完成"
    return ctx.redirect(_next(ctx, verb, case_no), said)


def _next(ctx: Context, verb: str, case_no: str) -> str:
    """Where an act leads: to the case while it waits for this person or was only urged, else to the list."""
    stays = verb == "urged" or todo.list(ctx.hall, ctx.clerk, todo.Wish(words=case_no)).total
    return f"/approval/cases/{case_no}" if stays else "/approval"


def _again(ctx: Context, case_no: str, verb: str, step: str, kind: str, refusal: HallRefused) -> Response:
    """The same form with what was typed, on the case as it is now."""
    found = desk.open_case(ctx.hall, ctx.clerk, case_no)

    def render(template: str, **values: Any) -> Response:
        return ctx.fault(refusal, template, **values)

    if verb == "passed":
        return _case(ctx, found, render, title="审批办理")
    return _form(ctx, found, verb, step, kind, render)

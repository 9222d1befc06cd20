"""服务对象 (S0-04): the register of those the hall served, found by whole names or numbers, masked."""

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import Connection
from starlette.responses import Response

from canonical.codes import code_list
from hallservice import wording
from hallservice.applicants import beside, contacts, exporting, person, seeing
from hallservice.applicants.contacts import Correction
from hallservice.applicants.keeping import AGENT, APPLICANT, PERSON, known_by
from hallservice.applicants.person import Person
from hallservice.applicants.seeing import EDIT, EXPORT, UNMASK, VIEW, Listed, Wanted
from hallservice.complaints import places
from hallservice.counter.apply import RELATIONS
from hallservice.counter.form import read
from hallservice.counter.lists import local
from hallservice.counter.materials import label
from hallservice.people.clerk import Clerk
from hallservice.web.context import Context
from hallservice.web.lists import Badge, Cell, Column, Filter, Link, asked
from hallservice.web.pages.counter_parts import COLOURS, Facts, acted, case_url, options
from hallservice.web.registry import Pages

pages = Pages()
LIST, ONE = "/applicants", "/applicants/{applicant}"
LIST_PAGE, ONE_PAGE = "applicants/list.html", "applicants/applicant.html"
EXAMPLE = {"applicant": "@applicant"}
ROLES = ((APPLICANT, "申请人"), (AGENT, "代办人"))
DOUBTS = ((seeing.SAME_NUMBER, "一号多名"), (seeing.SAME_NAME, "一名多号（单位）"))
COLUMNS = (
    Column("姓名或名称"), Column("类型"), Column("证件类型"), Column("证件号码"), Column("身份", kind="act"),
    Column("办件", kind="num"), Column("最近办事", kind="date"), Column("提示", kind="act"),
)  # fmt: skip
FILTERS = (
    Filter("kind", "类型", options("applicant_type")), Filter("role", "身份", ROLES),
    Filter("doubt", "提示", DOUBTS),
)  # fmt: skip
CASES = (
    Column("办件编号"), Column("事项"), Column("身份", kind="act"), Column("状态", kind="act"),
    Column("申请时间", kind="date"), Column("承诺到期", kind="date"),
)  # fmt: skip
CERTIFICATES = (
    Column("证照"), Column("编号"), Column("状态"), Column("有效期至", kind="date"), Column("办件编号"),
)  # fmt: skip
COMPLAINTS = (
    Column("投诉编号"), Column("来源"), Column("标题"), Column("登记时间", kind="date"),
    Column("状态", kind="act"),
)  # fmt: skip
MESSAGES = (
    Column("时间", kind="date"), Column("内容"), Column("手机号码"), Column("结果"), Column("办件编号"),
)  # fmt: skip
AGENCIES = (
    Column("姓名或名称"), Column("代办关系"), Column("代办网点"), Column("办件", kind="num"),
    Column("最近代办", kind="date"),
)  # fmt: skip
CORRECTIONS = (
    Column("更正时间", kind="date"), Column("更正内容"), Column("更正人"), Column("单位"), Column("依据"),
)  # fmt: skip
ISSUING = {
    "requested": "已申请", "pending_seal": "待签章", "issued": "已签发", "refused": "证照系统未受理",
}  # fmt: skip
Beside = tuple[str, Sequence[Column], list[tuple[Cell, ...]], str]
"""Caption, columns, rows, and what is said where there are none."""
Ask = Callable[[Connection, Clerk, str], Sequence[Any]]
Show = Callable[[Context, Any], tuple[Cell, ...]]
WORDS = {"contact_name": "联系人", "mobile": "手机号码", "address": "住址"}


@pages.get(LIST, function=VIEW, title="服务对象", menu="窗口", order=34)
def listed(ctx: Context) -> Response:
    return ctx.render(LIST_PAGE, **_list(ctx))


def _list(ctx: Context) -> dict[str, Any]:
    hidden = (Filter("after", ""), Filter("who", ""))
    listing = asked(ctx.query, COLUMNS, (*FILTERS, *hidden))
    wanted, after = _wanted(listing.wanted), listing.wanted["after"]
    key = ctx.hall.hub.pseudonym_key
    page = ctx.hall.read(
        lambda connection: seeing.found(connection, key, ctx.clerk, wanted, after, listing.size)
    )
    return {
        "columns": COLUMNS,
        "filters": FILTERS,
        "listing": listing,
        "rows": [_cells(ctx, one) for one in page.rows],
        "next": page.next,
        "paged": bool(after),
        "may_export": ctx.clerk.may(EXPORT),
    }


def _wanted(said: Any) -> Wanted:
    return Wanted(**{name: said[name] for name in ("who", "kind", "role", "doubt")})


def _cells(ctx: Context, one: Listed) -> tuple[Cell, ...]:
    return (
        Link(ctx.url(_url(one.id)), one.name), label("applicant_type", one.kind),
        label("document_type", one.document_type), one.document, dict(ROLES)[one.role], one.cases,
        local(one.at), _doubt(one),
    )  # fmt: skip


def _doubt(one: Listed) -> Cell:
    told = [f"一号 {one.names} 名"] if one.names > 1 else []
    told += ["一名多号"] if one.namesakes else []
    return Badge("warn", "，".join(told)) if told else ""


def _url(applicant: str) -> str:
    return f"{LIST}/{applicant}"


@pages.post(LIST, function=VIEW, title="服务对象", once=False, draft=False)
def sought(ctx: Context) -> Response:
    """A name or number is posted, and only its keyed hash stands in the address."""
    said = ctx.form.one("person")
    if not said or len(said) > 100:
        return ctx.redirect(LIST, "请填写完整的姓名、名称、证件号码或统一社会信用代码")
    key = ctx.hall.hub.pseudonym_key
    who = known_by(key, said)
    page = ctx.hall.read(lambda connection: seeing.found(connection, key, ctx.clerk, Wanted(who)))
    if len(page.rows) == 1:
        return ctx.redirect(_url(page.rows[0].id))
    return ctx.redirect(f"{LIST}?{urlencode({'who': who})}")


@pages.post("/applicants/export", function=EXPORT, title="服务对象", draft=False, slow=True)
def exported(ctx: Context) -> Response:
    """The rows as listed, masked: full numbers leave the hall one by one or not at all."""

    def act() -> Response:
        said = {one.name: ctx.form.one(one.name) for one in (*FILTERS, Filter("who", ""))}
        rows = exporting.export(ctx.hall, ctx.clerk, _wanted(said), ctx.form.one("reason"))
        return ctx.sheet("服务对象", COLUMNS, [_cells(ctx, one) for one in rows])

    return acted(ctx, LIST_PAGE, lambda: _list(ctx), act)


# -- one of them


@pages.get(ONE, function=VIEW, title="服务对象", example=EXAMPLE)
def shown(ctx: Context) -> Response:
    return ctx.render(ONE_PAGE, **_values(ctx))


@pages.post(ONE + "/unmask", function=UNMASK, title="服务对象")
def unmasked(ctx: Context) -> Response:
    def act() -> Response:
        found = person.unmask(ctx.hall, ctx.clerk, ctx.path["applicant"], ctx.form.one("reason"))
        return ctx.render(ONE_PAGE, **_values(ctx, found))

    return acted(ctx, ONE_PAGE, lambda: _values(ctx), act)


@pages.post(ONE + "/correct", function=EDIT, title="服务对象")
def corrected(ctx: Context) -> Response:
    """The reason has a name of its own: the page asks for another one beside it."""

    def act() -> Response:
        asked_ = read(Correction, {**ctx.form, "reason": ctx.form.all("basis")})
        contacts.correct(ctx.hall, ctx.clerk, ctx.path["applicant"], asked_)
        return ctx.redirect(_url(ctx.path["applicant"]), "联系方式已更正，并记入账本")

    return acted(ctx, ONE_PAGE, lambda: _values(ctx), act)


def _values(ctx: Context, whole: Person | None = None) -> dict[str, Any]:
    applicant = ctx.path["applicant"]
    with ctx.hall.hub.store.read() as connection:
        one = seeing.look(connection, ctx.clerk, applicant)
        return {
            "one": one,
            "facts": _facts(one, whole),
            "person": whole,
            "doubts": _doubts(ctx, connection, one),
            "may_unmask": ctx.clerk.may(UNMASK),
            "may_correct": ctx.clerk.may(EDIT),
            "most": beside.MOST,
            "lists": _lists(ctx, connection, applicant),
        }


def _facts(one: Listed, whole: Person | None) -> Facts:
    kept: Facts = (
        ("姓名或名称", whole.name if whole else one.name),
        ("类型", label("applicant_type", one.kind)),
        ("证件类型", label("document_type", one.document_type)),
        ("证件号码", whole.document_no if whole else one.document),
        ("办件", f"{one.cases} 件"),
        ("最近办事", local(one.at)),
    )
    if whole is None:
        return kept
    more: Facts = (("联系人", whole.contact_name), ("手机号码", whole.mobile), ("住址", whole.address))
    return (*kept, *more, *((("出生日期", whole.born), ("性别", whole.sex)) if whole.born else ()))


def _doubts(ctx: Context, connection: Connection, one: Listed) -> list[str]:
    """What does not fit together, in words; the namesakes by their masked numbers."""
    found = []
    if one.names > 1:
        told = beside.names(connection, ctx.clerk, one.id)
        names = "、".join(f"{name}（最近 {local(at)[:10]}）" for name, at in told)
        what = "这个证件号码" if one.kind == PERSON else "这个统一社会信用代码"
        found.append(f"{what}登记过 {one.names} 个不同的名称：{names}，请核对证件原件。")
    if one.namesakes:
        others = seeing.namesakes(connection, ctx.clerk, one.id)
        numbers = "、".join(number for _, number in others)
        found.append(f"同一名称另有 {one.namesakes} 个统一社会信用代码：{numbers}，请核对营业执照。")
    body = beside.body_named(connection, ctx.hall.hub.pseudonym_key, ctx.clerk, one.id)
    if body:
        found.append(f"机构库中这个统一社会信用代码是“{body}”，与申请的名称不一致。")
    return found


def _lists(ctx: Context, connection: Connection, applicant: str) -> list[Beside]:
    """What stands beside, an empty list where it says something."""
    no_complaints = "没有投诉" if ctx.clerk.may(places.VIEW) else "您没有投诉查询的权限"
    kinds: tuple[tuple[str, Sequence[Column], Ask, Show, str], ...] = (
        ("办件", CASES, beside.cases, _case, "没有办件"),
        ("申领的证照", CERTIFICATES, beside.certificates, _certificate, "没有申领证照"),
        ("替谁代办", AGENCIES, beside.acted_for, _agency, ""),
        ("由谁代办", AGENCIES, beside.acted_by, _agency, ""),
        ("投诉", COMPLAINTS, beside.complaints, _complaint, no_complaints),
        ("短信", MESSAGES, beside.messages, _message, "没有短信"),
    )
    found = [
        (caption, columns, [show(ctx, one) for one in ask(connection, ctx.clerk, applicant)], none)
        for caption, columns, ask, show, none in kinds
    ]
    corrected_ = [_correction(one) for one in _history(ctx, connection, applicant)]
    found.append(("联系方式的更正", CORRECTIONS, corrected_, ""))
    return [one for one in found if one[2] or one[3]]


def _history(ctx: Context, connection: Connection, applicant: str) -> list[contacts.Corrected]:
    return contacts.history(connection, ctx.clerk, applicant)


def _number(ctx: Context, case_no: str) -> Link:
    return Link(ctx.url(case_url(case_no)), case_no)


def _case(ctx: Context, row: Any) -> tuple[Cell, ...]:
    state = Badge(COLOURS.get(row.state, "info"), wording.state(row.state))
    role = dict(ROLES)[row.role]
    return (
        _number(ctx, row.case_no), row.item_name, role, state, local(row.opened_at), row.promised_due or "",
    )  # fmt: skip


def _certificate(ctx: Context, row: Any) -> tuple[Cell, ...]:
    number = row.number or ""
    masked = number[:2] + "*" * max(len(number) - 4, 1) + number[-2:] if number else ""
    state = ISSUING.get(row.state, row.state)
    return (row.name, masked, state, row.valid_to or "长期", _number(ctx, row.case_no))


def _complaint(ctx: Context, row: Any) -> tuple[Cell, ...]:
    link = Link(ctx.url(f"/complaints/{row.id}"), row.number)
    state = Badge("ok" if row.state == "resolved" else "warn", places.STATES[row.state])
    return (link, label("complaint_source", row.source), row.title, local(row.registered_at), state)


def _message(ctx: Context, one: beside.Message) -> tuple[Cell, ...]:
    known = code_list("sms_status").names
    told = label("sms_status", one.status) if one.status in known else "已提交"
    words = beside.MESSAGES.get(one.template, one.template)
    return (local(one.at), words, one.mobile, told, _number(ctx, one.case_no))


def _agency(ctx: Context, one: beside.Agency) -> tuple[Cell, ...]:
    relation = RELATIONS.get(one.relation, one.relation)
    link = Link(ctx.url(_url(one.other)), one.name)
    return (link, relation, one.site, one.cases, local(one.last_at))


def _correction(one: contacts.Corrected) -> tuple[Cell, ...]:
    told = "；".join(f"{WORDS[name]} {value}" for name, value in one.masked().items())
    return (local(one.at), told, f"{one.clerk}（{one.staff_no}）", one.org_name, one.reason)

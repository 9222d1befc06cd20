"""操作日志: what staff did where one audits, checked against the ledger, with proofs to take away."""

from typing import Any

from starlette.responses import Response

from hallservice.auditing import checking, exporting, finding
from hallservice.auditing.finding import Found, Wanted
from hallservice.auditing.words import WORDS, field, said
from hallservice.people.functions import AUDIT
from hallservice.refusals import HallRefused
from hallservice.web.context import Context
from hallservice.web.lists import Badge, Cell, Column, Filter, Link, asked
from hallservice.web.registry import Pages
from hallservice.web.templating import moment

pages = Pages()
LIST, ONE = "/audit", "/audit/{entry}"
ZIP = "application/zip"
WIDEST = 48  # characters of what an act was about, in the list
COLUMNS = (
    Column("时间", kind="date"), Column("操作"), Column("账本序号", kind="num"), Column("对象"),
    Column("人员"), Column("工号"), Column("单位"),
)  # fmt: skip
FILTERS = (
    Filter("begin", "起", kind="date"), Filter("end", "止", kind="date"),
    Filter("kind", "操作", tuple(WORDS.items())), Filter("staff_no", "工号"),
    Filter("body", "单位名称或代码"),
)  # fmt: skip
CONTENT = (Column("项目"), Column("内容（脱敏）"))
STATES = {
    checking.MATCHES: Badge("ok", "与账本承诺一致"),
    checking.DIFFERS: Badge("bad", "与账本承诺不一致"),
    checking.GONE: Badge("warn", "内容已不再保存，无法核对"),
}


@pages.get(LIST, function=AUDIT, title="操作日志", menu="系统", order=906, example={"@as": "auditor"})
def listed(ctx: Context) -> Response:
    hidden = Filter("before", "")
    listing = asked(ctx.query, COLUMNS, (*FILTERS, hidden))
    before = _entry(listing.wanted["before"]) if listing.wanted["before"] else 0
    page = finding.found(ctx.hall, ctx.clerk, _wanted(listing.wanted), before)
    return ctx.render(
        "audit/list.html", columns=COLUMNS, filters=FILTERS, listing=listing, next=page.next,
        paged=bool(before), rows=[_cells(ctx, one) for one in page.rows], most=finding.SHEET,
    )  # fmt: skip


@pages.post("/audit/export", function=AUDIT, title="操作日志", draft=False, slow=True)
def exported(ctx: Context) -> Response:
    ctx.takes_long()
    wanted = asked({one.name: ctx.form.all(one.name) for one in FILTERS}, COLUMNS, FILTERS).wanted
    rows = exporting.export(ctx.hall, ctx.clerk, _wanted(wanted))
    return ctx.sheet("操作日志", COLUMNS, [_cells(ctx, one) for one in rows])


@pages.get(ONE, function=AUDIT, title="操作记录", example={"entry": "@audited", "@as": "auditor"})
def shown(ctx: Context) -> Response:
    act = checking.look(ctx.hall, ctx.clerk, _entry(ctx.path["entry"]))
    lines = [(field(name), value) for name, value in act.content.lines]
    return ctx.render(
        "audit/act.html", act=act, facts=_facts(act), columns=CONTENT, rows=lines,
    )  # fmt: skip


@pages.post(ONE + "/proof", function=AUDIT, title="操作记录", once=False, draft=False, slow=True)
def proven(ctx: Context) -> Response:
    ctx.takes_long()
    entry = _entry(ctx.path["entry"])
    return ctx.file(checking.proof(ctx.hall, ctx.clerk, entry), f"ledger-{entry}.zip", ZIP)


def _wanted(given: Any) -> Wanted:
    return Wanted(**{one.name: given[one.name] for one in FILTERS})


def _entry(text: str) -> int:
    """A position in the ledger; HallRefused not_found."""
    if not (text.isascii() and text.isdecimal() and len(text) < 16):
        raise HallRefused("not_found", "没有这条操作记录")
    return int(text)


def _cells(ctx: Context, one: Found) -> tuple[Cell, ...]:
    link = Link(ctx.url(f"{LIST}/{one.entry}"), said(one.kind))
    about = one.about if len(one.about) <= WIDEST else one.about[:WIDEST] + "…"
    return (moment(one.at), link, one.entry, about, one.name, one.staff_no, one.org_name)


def _facts(act: checking.Act) -> tuple[tuple[str, Cell], ...]:
    one = act.found
    return (
        ("操作", f"{said(one.kind)}（{one.kind}）"), ("时间", moment(one.at)), ("账本序号", one.entry),
        ("对象", one.about), ("人员", f"{one.name}（{one.staff_no}）"), ("单位", one.org_name or "本系统"),
        ("核对", STATES[act.state]),
    )  # fmt: skip

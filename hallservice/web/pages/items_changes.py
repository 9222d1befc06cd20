"""Changes of the item lists: begun, edited section by section, reviewed with old and new side by side."""

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection
from starlette.responses import Response

from canonical.regions import full_name, regions
from canonical.values import RegionCode
from hallservice.items import categories, charges, checking, comparing, drafts, finding, published, review
from hallservice.items.comparing import Difference
from hallservice.items.drafts import Change, Line
from hallservice.items.elements import ELEMENTS, GROUPS, Content, Element, sections
from hallservice.items.wording import (
    ACTS,
    EDIT,
    EDITABLE,
    IMPLEMENTATION,
    IN_REVIEW,
    ITEM_STATES,
    KEPT,
    OPEN,
    REVIEW,
    STAGES,
    STATES,
    STEPS,
    label,
)
from hallservice.people.clerk import Clerk
from hallservice.people.organisations import Org, get, search
from hallservice.refusals import HallRefused
from hallservice.web.context import Context
from hallservice.web.forms import Form
from hallservice.web.lists import Cell, Column, Link
from hallservice.web.pages.items import FIRST, MENU, badge
from hallservice.web.registry import Pages
from hallservice.web.templating import moment

pages = Pages()
EITHER = (EDIT, REVIEW)
LARGEST = 2 * 1024 * 1024  # bytes of an item's form
SPARE = 3  # empty rows a click adds
INLINE = 5  # lines compared on the page of the change itself
SHOWN = 200
COLUMNS = (
    Column("变更"), Column("清单"), Column("办理"), Column("状态", kind="act"), Column("编制人"),
    Column("最近办理", kind="date"),
)  # fmt: skip
LINE_COLUMNS = (
    Column("序号", kind="num"),
    Column("办理"),
    Column("编码"),
    Column("事项名称"),
    Column("待完善", kind="num"),
)
OPS = {"put": "发布新版本", "cancel": "取消", "suspend": "暂停", "resume": "恢复"}


@pages.counter("items_review", REVIEW)
def waiting(connection: Connection, clerk: Clerk) -> int:
    """Changes whose stage this person may review."""
    found = drafts.found(connection, clerk, IN_REVIEW, REVIEW)
    return sum(1 for one in found if review.may_review(clerk, one))


@pages.counter("items_mine", EDIT)
def unfinished(connection: Connection, clerk: Clerk) -> int:
    """Drafts and what came back."""
    return drafts.count(connection, clerk, EDITABLE, EDIT)


@pages.get("/items/changes", function=EDIT, title="清单变更", menu=MENU, order=FIRST + 2, count="items_mine")
def mine(ctx: Context) -> Response:
    closed = ctx.one("closed") == "1"
    states = ("published", "dropped") if closed else OPEN
    found = ctx.hall.read(lambda connection: drafts.found(connection, ctx.clerk, states, EDIT))
    rows = [_cells(ctx, one) for one in found]
    return ctx.render("items/changes.html", columns=COLUMNS, rows=rows, closed=closed)


@pages.get(
    "/items/review", function=REVIEW, title="清单审核", menu=MENU, order=FIRST + 3, count="items_review"
)
def desk(ctx: Context) -> Response:
    found = ctx.hall.read(lambda connection: drafts.found(connection, ctx.clerk, IN_REVIEW, REVIEW))
    rows = [_cells(ctx, one) for one in found if review.may_review(ctx.clerk, one)]
    return ctx.render("items/review.html", columns=COLUMNS, rows=rows)


def _cells(ctx: Context, one: Change) -> list[Cell]:
    link = Link(ctx.url(f"/items/changes/{one.id}"), one.title)
    state = badge(one.state, STATES[one.state])
    return [link, KEPT[one.list], ACTS[one.act], state, one.made_name, moment(one.changed_at)]


# -- beginning


@pages.get("/items/begin", function=EDIT, title="办理清单变更", menu=MENU, order=FIRST + 2)
def begin_form(ctx: Context) -> Response:
    return ctx.render("items/begin.html", **_begin(ctx, ctx.one))


@pages.post("/items/begin", function=EDIT, title="办理清单变更")
def begin(ctx: Context) -> Response:
    form = ctx.form
    codes = re.split(r"[\s;；,，]+", form.one("codes").upper())
    parts = form.one("parts")
    try:
        made = drafts.begin(
            ctx.hall, ctx.clerk, form.one("how"), form.one("list"), [one for one in codes if one],
            org=form.one("org"), on=form.one("on"),
            parts=int(parts) if parts in map(str, range(2, 11)) else 2,
        )  # fmt: skip
    except HallRefused as refusal:
        return ctx.fault(refusal, "items/begin.html", **_begin(ctx, form.one))
    first = form.one("how") in ("add", "change")
    return ctx.redirect(f"/items/changes/{made}" + ("/lines/1" if first else ""), "已建立草稿")


def _begin(ctx: Context, said: Any) -> dict[str, Any]:
    bodies = ctx.hall.read(lambda connection: search(connection, ctx.clerk, "", EDIT, 300))
    list_, how = said("list", IMPLEMENTATION), said("how", "add")
    return {
        "lists": list(KEPT.items()),
        "acts": [(code, text) for code, text in ACTS.items() if code != "import"],
        "orgs": [(one.code, one.name) for one in bodies], "list": list_, "how": how,
        "codes": said("code") or said("codes"), "org": said("org", ctx.clerk.unit or ctx.clerk.org),
    }  # fmt: skip


# -- one change


@pages.get("/items/changes/{change}", function=EITHER, title="清单变更", example={"change": "@item_change"})
def change_page(ctx: Context) -> Response:
    return ctx.render("items/change.html", **_change(ctx))


def _change(ctx: Context) -> dict[str, Any]:
    return ctx.hall.read(lambda connection: _change_values(ctx, connection))


def _change_values(ctx: Context, connection: Connection) -> dict[str, Any]:
    here = drafts.opened(connection, ctx.clerk, ctx.path["change"])
    lines = drafts.lines_of(connection, here.id, most=SHOWN)
    editable = here.state in EDITABLE and ctx.clerk.may(EDIT, here.org_path)
    facts = (
        ("清单", KEPT[here.list]), ("办理", ACTS[here.act]), ("部门", get(connection, here.org).name),
        ("状态", badge(here.state, STATES[here.state])), ("编制人", here.made_name),
        ("建立时间", moment(here.made_at)),
    )  # fmt: skip
    steps = [
        (STEPS[one.act], STAGES.get(one.stage, ""), one.name, one.org_name, one.words, moment(one.at))
        for one in drafts.steps_of(connection, here.id)
    ]
    compared = [(line, _differences(connection, line)) for line in lines] if len(lines) <= INLINE else []
    return {
        "change": here, "facts": facts, "columns": LINE_COLUMNS, "steps": steps, "editable": editable,
        "rows": [_line_cells(ctx, here, one, editable=editable) for one in lines], "compared": compared,
        "reviewing": review.may_review(ctx.clerk, here), "stage": STAGES.get(here.state, ""), "ops": OPS,
        "recallable": here.state == "org_review" and ctx.clerk.may(EDIT, here.org_path),
        "title": here.title, "shown": SHOWN, "more": len(lines) == SHOWN,
    }  # fmt: skip


def _line_cells(ctx: Context, here: Change, one: Line, *, editable: bool) -> list[Cell]:
    base = f"/items/changes/{here.id}/lines/{one.no}"
    path = base if editable and one.op == "put" else f"{base}/compare"
    link = Link(ctx.url(path), one.name)
    return [one.no, OPS[one.op], one.code or "（发布时生成）", link, one.faults or ""]


def _differences(connection: Connection, line: Line) -> list[Difference]:
    held = published.current(connection, line.list, line.code) if line.code else None
    if line.op == "put":
        old = None
        if line.code and line.base:
            old = published.expect(connection, line.list, line.code, line.base).content
        return comparing.compared(line.list, old, line.content)
    state = ITEM_STATES[held.state] if held else ""
    return [
        Difference("状态", state, OPS[line.op]),
        Difference("日期", "", str(line.content.get("on") or "发布之日")),
    ]


@pages.get(
    "/items/changes/{change}/lines/{no}/compare", function=EITHER, title="新旧对照",
    example={"change": "@item_change", "no": "1"},
)  # fmt: skip
def compare(ctx: Context) -> Response:
    def read(connection: Connection) -> dict[str, Any]:
        here = drafts.opened(connection, ctx.clerk, ctx.path["change"])
        line = drafts.line_of(connection, here.id, _number(ctx))
        return {"change": here, "line": line, "differences": _differences(connection, line), "ops": OPS}

    return ctx.render("items/compare.html", **ctx.hall.read(read))


def _number(ctx: Context) -> int:
    said = ctx.path["no"]
    if not said.isdecimal() or len(said) > 5:
        raise HallRefused("not_found", "没有这一行")
    return int(said)


@pages.post("/items/changes/{change}", function=EITHER, title="清单变更")
def act(ctx: Context) -> Response:
    """What a button of the page says."""
    change, form = ctx.path["change"], ctx.form
    here, revision = (ctx.hall, ctx.clerk), _revision(form)
    done = {"submit": "已提交编制审核", "recall": "已撤回", "drop": "已作废"}
    try:
        if (do := form.one("do")) in ("pass", "return"):
            state = review.decide(*here, change, revision, do == "pass", form.one("words"))
            return ctx.redirect("/items/review", f"已办理，现在：{STATES[state]}")
        if do not in done:
            raise HallRefused("bad_request", "请从页面重新进入")
        {"submit": review.submit, "recall": review.recall, "drop": review.drop}[do](*here, change, revision)
    except HallRefused as refusal:
        return ctx.fault(refusal, "items/change.html", **_change(ctx))
    return ctx.redirect(f"/items/changes/{quote(change)}", done[do])


def _revision(form: Form) -> int:
    said = form.one("revision")
    if not said.isdecimal() or len(said) > 9:
        raise HallRefused("bad_request", "请从页面重新进入")
    return int(said)


# -- the editor


@pages.get(
    "/items/changes/{change}/lines/{no}", function=EDIT, title="编制事项",
    example={"change": "@item_change", "no": "1"},
)  # fmt: skip
def editor(ctx: Context) -> Response:
    values = ctx.hall.read(lambda connection: _editor(ctx, connection, None))
    faults = values.pop("found") if ctx.one("check") else ()
    return ctx.render("items/editor.html", **values, faults=faults)


@pages.post("/items/changes/{change}/lines/{no}", function=EDIT, title="编制事项", largest=LARGEST)
def save(ctx: Context) -> Response:
    change, no, do = ctx.path["change"], _number(ctx), ctx.form.one("do")
    line = ctx.hall.read(lambda c: drafts.line_of(c, drafts.opened(c, ctx.clerk, change).id, no))
    content = typed(line.list, ctx.form)
    try:
        if do == "drop":
            drafts.drop_line(ctx.hall, ctx.clerk, change, _revision(ctx.form), no)
            return ctx.redirect(f"/items/changes/{change}", "已删除这一项")
        faults = drafts.save(ctx.hall, ctx.clerk, change, _revision(ctx.form), no, content)
    except HallRefused as refusal:
        values = ctx.hall.read(lambda connection: _editor(ctx, connection, content))
        values.pop("found")
        return ctx.fault(refusal, "items/editor.html", **values)
    here = f"/items/changes/{change}/lines/{no}"
    if do.startswith("more-"):
        return ctx.redirect(f"{here}?more={quote(do[5:])}", "已保存，增加了空行")
    if faults:
        return ctx.redirect(f"{here}?check=1", f"已保存，还有 {len(faults)} 处需要完善")
    return ctx.redirect(f"/items/changes/{change}", "已保存，要素检查通过，可以提交审核")


def typed(list_: str, form: Form) -> Content:
    """The item a form says; rows in which nothing was typed are none."""
    content: Content = {
        one.name: _value(one, form, one.name) for one in ELEMENTS[list_] if one.kind != "fixed"
    }
    for group in GROUPS[list_]:
        front = f"{group.letter}-"
        numbers = {name.split("-")[1] for name in form if name.startswith(front) and name.count("-") == 2}
        rows = [
            {one.name: _value(one, form, f"{front}{no}-{one.name}") for one in group.elements}
            for no in sorted((n for n in numbers if n.isdecimal() and len(n) < 4), key=int)
        ]
        content[group.name] = [row for row in rows if any(row.values())]
    return content


def _value(one: Element, form: Form, name: str) -> str | list[str]:
    return form.all(name) if one.kind == "choices" else form.one(name)


def _editor(ctx: Context, connection: Connection, content: Content | None) -> dict[str, Any]:
    here = drafts.opened(connection, ctx.clerk, ctx.path["change"])
    line = drafts.line_of(connection, here.id, _number(ctx))
    if line.op != "put" or here.state not in EDITABLE:
        raise HallRefused("wrong_state", "这一行不能编辑，请在变更页面查看")
    org = get(connection, here.org)
    shown = dict(line.content) | (content or {})
    more = ctx.one("more")
    groups = [(group, _rows(shown[group.name], more == group.name)) for group in GROUPS[line.list]]
    return {
        "change": here, "line": line, "content": shown, "sections": sections(line.list), "groups": groups,
        "entries": _entries(connection, line, org), "areas": _areas(line, org), "label": label,
        "categories": [("", "（无）"), *categories.of(connection, org.region).choices],
        "examples": _examples(shown), "droppable": here.act in ("split", "import") and not line.code,
        "found": checking.check(connection, line.list, org, line.code, shown).faults,
        "title": f"{ACTS[here.act]}：{line.name}",
    }  # fmt: skip


def _rows(rows: Sequence[Mapping[str, Any]], more: bool) -> list[Mapping[str, Any]]:
    """Those there are, and empty ones to type in."""
    return [*rows, *({} for _ in range(SPARE if more else 0 if rows else 1))]


def _entries(connection: Connection, line: Line, org: Org) -> list[tuple[str, str]]:
    if line.list != IMPLEMENTATION:
        return []
    return [(one.code, one.name) for one in finding.entries_for(connection, org.region)]


def _areas(line: Line, org: Org) -> list[tuple[str, str]]:
    if line.list != IMPLEMENTATION:
        return []
    top = RegionCode(org.region)
    return [(str(one.code), full_name(one.code)) for one in regions().values() if top.contains(one.code)]


def _examples(content: Mapping[str, Any]) -> list[str]:
    """For each fee what it comes to; '' where its formula is not right yet."""
    return [charges.shown(fee) for fee in content.get("fees", ())]

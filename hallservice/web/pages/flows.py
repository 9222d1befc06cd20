"""Processes of a body: the list, the editor (a vertical list worked by forms), versions and publication."""

from typing import Any

from markupsafe import Markup
from starlette.responses import Response

from hallservice.approval import bpmn as bpmn_
from hallservice.approval.picture import picture
from hallservice.approval.plan import Plan
from hallservice.approval.validation import DefinitionRefused
from hallservice.flows import definitions, editing, moving, outline, shipped
from hallservice.flows.checking import said
from hallservice.flows.definitions import Draft, Version
from hallservice.flows.editing import Json
from hallservice.refusals import FieldFault, FormRefused, HallRefused
from hallservice.web.context import Context
from hallservice.web.forms import whole
from hallservice.web.lists import Badge, Column, Link
from hallservice.web.pages import flows_forms as forms
from hallservice.web.registry import Pages
from hallservice.web.templating import moment

pages = Pages()
EDIT = "flows.edit"
FLOW = {"owner": "@flow_owner", "key": "@flow_key", "@as": "leader"}
COLUMNS = (
    Column("流程"), Column("编号"), Column("所属机构"), Column("版本", kind="num"), Column("状态"),
    Column("修改人"), Column("修改时间", kind="date"),
)  # fmt: skip
STATES = {
    "draft": Badge("warn", "草稿"),
    "published": Badge("ok", "已发布"),
    "retired": Badge("plain", "已停用"),
}


def drawn(plan: Plan | None) -> Markup | None:
    """The picture of a plan."""
    return None if plan is None else Markup(picture(plan))  # noqa: S704 - our own SVG, escaped there


def _faulty(ctx: Context, refusal: HallRefused) -> Any:
    """Renders the form again with what is wrong."""
    return lambda name, **values: ctx.fault(refusal, name, **values)


@pages.get("/flows", function=EDIT, title="流程定制", menu="流程", order=60)
def listed(ctx: Context) -> Response:
    rows = [_row(ctx, one) for one in definitions.listed(ctx.hall, ctx.clerk)]
    return ctx.render("flows/list.html", columns=COLUMNS, rows=rows)


def _row(ctx: Context, one: Version) -> list[Any]:
    where = "draft" if one.state == "draft" else f"versions/{one.version}"
    link = Link(ctx.url(f"/flows/{one.owner}/{one.key}/{where}"), one.name)
    who = one.published_by or one.author_name
    when = moment(one.published_at or one.changed_at) if one.changed_at else ""
    return [link, one.key, one.owner_name, one.version, STATES[one.state], who, when]


# -- new


@pages.get("/flows/new", function=EDIT, title="新建流程")
def new(ctx: Context) -> Response:
    return ctx.render("flows/new.html", **forms.choices_for_new(ctx))


@pages.post("/flows/new", function=EDIT, title="新建流程")
def create(ctx: Context) -> Response:
    form = ctx.form
    owner, key = form.one("body_of"), form.one("key")
    source = (form.one("source") or f"{shipped.OWNER}/{shipped.STANDARD}").partition("/")
    try:
        definitions.new(ctx.hall, ctx.clerk, owner, key, form.one("name"), (source[0], source[2]))
    except HallRefused as refusal:
        return ctx.fault(refusal, "flows/new.html", **forms.choices_for_new(ctx))
    return ctx.redirect(f"/flows/{owner}/{key}/draft", "草稿已建立")


# -- versions


@pages.get("/flows/{owner}/{key}", function=EDIT, title="流程版本", example=FLOW)
def versions(ctx: Context) -> Response:
    owner, key = ctx.path["owner"], ctx.path["key"]
    found = definitions.versions(ctx.hall, ctx.clerk, owner, key)
    if not found:
        raise HallRefused("not_found", "没有这个流程")
    running = [] if owner == shipped.OWNER else moving.running(ctx.hall, ctx.clerk, owner, key)
    numbers = {one.digest: one.version for one in found}
    return ctx.render(
        "flows/versions.html", versions=found, owner=owner, key=key, states=STATES, running=running,
        numbers=numbers, newest=max((one.version for one in found if one.state == "published"), default=0),
        has_draft=any(one.state == "draft" for one in found), own=owner != shipped.OWNER,
        title=f"流程版本：{found[0].name}",
    )  # fmt: skip


@pages.post("/flows/{owner}/{key}", function=EDIT)
def again(ctx: Context) -> Response:
    """The next version's draft, a copy of the newest."""
    owner, key = ctx.path["owner"], ctx.path["key"]
    name = ctx.form.one("name") or key
    definitions.new(ctx.hall, ctx.clerk, owner, key, name, (owner, key))
    return ctx.redirect(f"/flows/{owner}/{key}/draft", "已建立新版本的草稿")


def _version(ctx: Context) -> Draft:
    number = ctx.path["version"]
    if not (number.isdecimal() and len(number) < 7):
        raise HallRefused("not_found", "没有这个版本")
    return definitions.get(ctx.hall, ctx.clerk, ctx.path["owner"], ctx.path["key"], int(number))


@pages.get(
    "/flows/{owner}/{key}/versions/{version}",
    function=EDIT,
    title="流程版本",
    example={**FLOW, "version": "1"},
)
def version(ctx: Context) -> Response:
    """`?format=bpmn`: the process for other programs."""
    found = _version(ctx)
    if ctx.one("format") == "bpmn" and found.plan is not None:
        name = f"{found.version.name}-{found.version.version}.bpmn"
        return ctx.file(bpmn_.bpmn(found.plan), name, "application/xml")
    return ctx.render(
        "flows/version.html", draft=found, version=found.version, picture=drawn(found.plan), states=STATES,
        problems=[said(one) for one in found.problems], own=found.version.owner != shipped.OWNER,
        title=f"{found.version.name} 第 {found.version.version} 版",
    )  # fmt: skip


@pages.post("/flows/{owner}/{key}/versions/{version}/retire", function=EDIT)
def retire(ctx: Context) -> Response:
    found = _version(ctx).version
    definitions.retire(ctx.hall, ctx.clerk, found.owner, found.key, found.version)
    return ctx.redirect(
        f"/flows/{found.owner}/{found.key}", f"第 {found.version} 版已停用，在办的办件继续按它办理"
    )


# -- the editor


def _draft(ctx: Context) -> Draft:
    return definitions.draft(ctx.hall, ctx.clerk, ctx.path["owner"], ctx.path["key"])


def _here(ctx: Context, more: str = "") -> str:
    return f"/flows/{ctx.path['owner']}/{ctx.path['key']}/draft{more}"


def _seen(ctx: Context) -> Draft:
    """The draft that the form was made of; HallRefused changed where somebody was faster."""
    found = _draft(ctx)
    if ctx.form.one("revision") != str(found.version.revision):
        said = f"草稿已由{found.version.author_name}修改，您的这次修改没有保存，请核对最新内容后再改"
        raise HallRefused("changed", said)
    return found


@pages.get("/flows/{owner}/{key}/draft", function=EDIT, title="编辑流程", example=FLOW)
def editor(ctx: Context) -> Response:
    return _editor(ctx, ctx.render)


def _editor(ctx: Context, render: Any) -> Response:
    found = _draft(ctx)
    body = editing.tidied(found.body)
    made: Response = render(
        "flows/draft.html", draft=found, version=found.version, here=ctx.url(_here(ctx)),
        lines=outline.lines(body, found.problems), general=outline.unplaced(body, found.problems),
        picture=drawn(found.plan), head=body, title=f"编辑流程：{found.version.name}",
    )  # fmt: skip
    return made


def _save(ctx: Context, seen: Draft, body: Json) -> Draft:
    """The draft with another body, if nobody else changed it meanwhile."""
    owner, key = ctx.path["owner"], ctx.path["key"]
    return definitions.save_draft(ctx.hall, ctx.clerk, owner, key, body, seen.version.revision)


@pages.post("/flows/{owner}/{key}/draft/list", function=EDIT, title="编辑流程")
def rearrange(ctx: Context) -> Response:
    """Up, down or away with a line: the button's value is `up body.parts[1]`."""
    word, _, path = ctx.form.one("do").partition(" ")
    try:
        seen = _seen(ctx)
        body = editing.tidied(seen.body)
        if word in ("up", "down"):
            body, told = editing.moved(body, path, -1 if word == "up" else 1), "已移动"
        elif word == "remove":
            body, told = editing.removed(body, path), "已删除"
        else:
            raise HallRefused("bad_request", "没有这种操作")
        _save(ctx, seen, body)
    except HallRefused as refusal:
        return _editor(ctx, _faulty(ctx, refusal))
    return ctx.redirect(_here(ctx), told)


@pages.get("/flows/{owner}/{key}/draft/add", function=EDIT, title="添加", example=FLOW)
def adding(ctx: Context) -> Response:
    return _adding(ctx, ctx.render, ctx.one("at"), ctx.one("inside") == "1")


def _adding(ctx: Context, render: Any, at: str, inside: bool) -> Response:
    found = _draft(ctx)
    body = editing.tidied(found.body)
    near = next((line.title for line in outline.lines(body) if line.path == at), "")
    where = "流程末尾" if not near else f"“{near}”之{'内' if inside else '后'}"
    made: Response = render(
        "flows/add.html", version=found.version, here=ctx.url(_here(ctx)), at=at, inside=inside,
        kinds=list(editing.NEW.items()), title=f"添加到{where}",
    )  # fmt: skip
    return made


@pages.post("/flows/{owner}/{key}/draft/add", function=EDIT, title="添加")
def add(ctx: Context) -> Response:
    at, inside, kind = ctx.form.one("at"), ctx.form.one("inside") == "1", ctx.form.one("kind")
    try:
        seen = _seen(ctx)
        body, path = editing.added(editing.tidied(seen.body), at, inside, kind)
        _save(ctx, seen, body)
    except HallRefused as refusal:
        if refusal.code == "changed":
            return _editor(ctx, _faulty(ctx, refusal))
        return _adding(ctx, _faulty(ctx, refusal), at, inside)
    plain = kind in ("parallel",) or (path.endswith("]") and outline.is_lane(body, path))
    return ctx.redirect(_here(ctx) if plain else _here(ctx, f"/block?at={path}"), "已添加，请填写")


@pages.get(
    "/flows/{owner}/{key}/draft/block", function=EDIT, title="修改", example={**FLOW, "?at": "body.parts[0]"}
)
def block(ctx: Context) -> Response:
    return _block(ctx, ctx.render, ctx.one("at"))


def _block(ctx: Context, render: Any, at: str) -> Response:
    found = _draft(ctx)
    body = editing.tidied(found.body)
    made: Response = render(
        "flows/block.html", version=found.version, here=ctx.url(_here(ctx)), at=at,
        known=editing.identity(body, at),
        **forms.of_block(ctx, body, at, found.version.owner),
    )  # fmt: skip
    return made


@pages.post("/flows/{owner}/{key}/draft/block", function=EDIT, title="修改")
def change(ctx: Context) -> Response:
    at = ctx.form.one("at")
    try:
        seen = _seen(ctx)
        body = editing.tidied(seen.body)
        values = forms.values_of(ctx, editing.at_path(body, at), editing.facts_of(body))
        _save(ctx, seen, editing.changed(body, at, values))
    except HallRefused as refusal:
        if refusal.code == "not_found":
            raise
        if refusal.code == "changed":
            return _overtaken(ctx, refusal)
        return _block(ctx, _faulty(ctx, refusal), at)
    return ctx.redirect(_here(ctx), "已保存草稿")


def _overtaken(ctx: Context, refusal: HallRefused) -> Response:
    """The form again with what was typed, at the place where its block stands now; the list if it is gone."""
    at = editing.path_of(editing.tidied(_draft(ctx).body), ctx.form.one("known"))
    return _editor(ctx, _faulty(ctx, refusal)) if at is None else _block(ctx, _faulty(ctx, refusal), at)


@pages.get("/flows/{owner}/{key}/draft/head", function=EDIT, title="流程基本信息", example=FLOW)
def head(ctx: Context) -> Response:
    return _head(ctx, ctx.render)


def _head(ctx: Context, render: Any) -> Response:
    found = _draft(ctx)
    made: Response = render(
        "flows/head.html", version=found.version, here=ctx.url(_here(ctx)), head=found.body,
        **forms.of_head(ctx, found.body, found.version.owner),
    )  # fmt: skip
    return made


@pages.post("/flows/{owner}/{key}/draft/head", function=EDIT, title="流程基本信息")
def change_head(ctx: Context) -> Response:
    try:
        seen = _seen(ctx)
        _save(ctx, seen, editing.tidied({**editing.tidied(seen.body), **forms.head_of(ctx)}))
    except HallRefused as refusal:
        return _head(ctx, _faulty(ctx, refusal))
    return ctx.redirect(_here(ctx), "已保存草稿")


# -- publication


@pages.get("/flows/{owner}/{key}/draft/publish", function=EDIT, title="发布流程", example=FLOW)
def publishing(ctx: Context) -> Response:
    return _publishing(ctx, ctx.render)


def _publishing(ctx: Context, render: Any) -> Response:
    found = _draft(ctx)
    owner, key = found.version.owner, found.version.key
    earlier = [
        one for one in definitions.versions(ctx.hall, ctx.clerk, owner, key) if one.state == "published"
    ]
    before = definitions.get(ctx.hall, ctx.clerk, owner, key, earlier[0].version) if earlier else None
    made: Response = render(
        "flows/publish.html", version=found.version, here=ctx.url(_here(ctx)),
        before=drawn(before.plan) if before else None, before_version=earlier[0] if earlier else None,
        after=drawn(found.plan), digest=found.plan.digest if found.plan else "",
        problems=outline.named(editing.tidied(found.body), found.problems), unheld=found.unheld,
    )  # fmt: skip
    return made


@pages.post("/flows/{owner}/{key}/draft/publish", function=EDIT, title="发布流程")
def publish(ctx: Context) -> Response:
    found = _draft(ctx)
    seen = whole(ctx.form.one("revision")) or 0
    owner, key = found.version.owner, found.version.key
    try:
        definitions.publish(ctx.hall, ctx.clerk, owner, key, seen)
    except DefinitionRefused as refused:
        words = outline.named(editing.tidied(found.body), refused.problems)
        faults = [FieldFault("", "refused", one) for one in words]
        return _publishing(ctx, _faulty(ctx, FormRefused(faults)))
    except HallRefused as refusal:
        return _publishing(ctx, _faulty(ctx, refusal))
    return ctx.redirect(f"/flows/{owner}/{key}/versions/{found.version.version}", "已发布")


@pages.post("/flows/{owner}/{key}/draft/discard", function=EDIT, title="编辑流程")
def discard(ctx: Context) -> Response:
    try:
        found = _seen(ctx).version
        definitions.discard(ctx.hall, ctx.clerk, found.owner, found.key, found.revision)
    except HallRefused as refusal:
        return _editor(ctx, _faulty(ctx, refusal))
    return ctx.redirect("/flows", "草稿已放弃")

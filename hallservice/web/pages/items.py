"""The item lists: search, the guide of one item, its versions."""

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup
from sqlalchemy import Connection
from starlette.responses import Response

from canonical.regions import full_name, regions
from exchange import items as in_force
from exchange.clocks import today
from hallservice.approval.conditions import sentence
from hallservice.approval.picture import picture
from hallservice.counter.catalogue import limit_text
from hallservice.counter.fees import standards_of
from hallservice.flows import assigning, plans
from hallservice.items import (
    categories,
    charges,
    drafts,
    finding,
    following,
    layout,
    overlays,
    published,
    situations,
    workbooks,
)
from hallservice.items.categories import Adjusted
from hallservice.items.elements import SYNCHRONISED
from hallservice.items.finding import Found, Wanted
from hallservice.items.published import Kept
from hallservice.items.situations import Setup
from hallservice.items.wording import (
    COLOURS,
    DIRECTORY,
    EDIT,
    IMPLEMENTATION,
    ITEM_STATES,
    LISTS,
    RECEIVING,
    REVIEW,
    VIEW,
    label,
    labels,
    options,
)
from hallservice.people import organisations
from hallservice.refusals import HallRefused
from hallservice.web.context import XLSX, Context
from hallservice.web.forms import whole
from hallservice.web.lists import Badge, Cell, Column, Filter, Link, Paging, asked
from hallservice.web.registry import Pages

pages = Pages()
MENU, FIRST = "事项", 500
SHOWN = 200  # implementation items of an entry on its page
SEEING = (VIEW, EDIT, REVIEW)
NEAR = ("3", "4", "5")  # levels offered in the query bar; villages are found by their town
COLUMNS = (
    Column("编码", "code"), Column("事项名称", "name"), Column("类型"), Column("层级"),
    Column("部门", "department"), Column("状态", "state", "act"), Column("来源", kind="act"),
    Column("版本", kind="num"), Column("生效日期", kind="date"),
)  # fmt: skip
ENTRY_COLUMNS = (
    Column("基本编码", "code"), Column("事项名称", "name"), Column("类型"), Column("目录分类"),
    Column("部门", "department"), Column("状态", "state", "act"), Column("版本", kind="num"),
    Column("生效日期", kind="date"),
)  # fmt: skip
STATES = tuple((code, text) for code, text in ITEM_STATES.items() if code != "withdrawn")
SOURCES = (("hall", "本地清单"), ("province", "省统一目录"))


def filters_of(ctx: Context, list_: str) -> tuple[Filter, ...]:
    areas = tuple((one.code, full_name(one.code)) for one in regions().values() if one.level in NEAR)
    shared = (
        Filter("words", "名称或编码"), Filter("region", "区划", areas), Filter("department", "部门"),
        Filter("kind", "类型", tuple(options("item_type"))), Filter("state", "状态", STATES),
    )  # fmt: skip
    if list_ == IMPLEMENTATION:
        level = Filter("level", "层级", tuple(options("service_level")))
        return (*shared, level, Filter("source", "来源", SOURCES))
    offered = ctx.hall.read(lambda connection: categories.of(connection, ctx.clerk.region))
    return (*shared, Filter("category", "分类", tuple((one.code, one.label) for one in offered.entries)))


def badge(state: str, text: str = "") -> Badge:
    return Badge(COLOURS.get(state, "plain"), text or ITEM_STATES.get(state, state))


@pages.get("/items", function=SEEING, title="实施清单", menu=MENU, order=FIRST)
def implementation(ctx: Context) -> Response:
    return _listed(ctx, IMPLEMENTATION)


@pages.get("/items/directory", function=SEEING, title="目录清单", menu=MENU, order=FIRST + 1)
def directory(ctx: Context) -> Response:
    return _listed(ctx, DIRECTORY)


def _listed(ctx: Context, list_: str) -> Response:
    filters = filters_of(ctx, list_)
    columns = COLUMNS if list_ == IMPLEMENTATION else ENTRY_COLUMNS
    listing = asked(ctx.query, columns, filters, "name" if list_ == IMPLEMENTATION else "code")
    wanted = Wanted(**listing.wanted)
    if ctx.one("as") == "import":
        return _importable(ctx, list_, wanted)
    search = finding.implementation if list_ == IMPLEMENTATION else finding.directory
    whole = ctx.one("as") == "xlsx"
    offset, size = (0, finding.MOST_EXPORT) if whole else (listing.offset, listing.size)
    found, total = ctx.hall.read(
        lambda c: search(c, wanted, offset, size, listing.sort, descending=listing.descending)
    )
    adjusted = ctx.hall.read(lambda connection: categories.of(connection, ctx.clerk.region))
    rows = [_cells(ctx, one, adjusted) for one in found]
    if whole:
        return ctx.sheet(LISTS[list_], columns, rows)
    values: dict[str, Any] = {
        "list": list_,
        "lists": LISTS,
        "columns": columns,
        "rows": rows,
        "filters": filters,
    }
    return ctx.render("items/list.html", **values, listing=listing, paging=Paging(listing, total))


def _cells(ctx: Context, one: Found, adjusted: Adjusted) -> tuple[Cell, ...]:
    state = badge(one.state, _state_words(one))
    kind, when = label("item_type", one.kind), one.effective_on
    if one.list == DIRECTORY:
        link = Link(ctx.url(f"/items/directory/{one.code}"), one.code)
        return (link, one.name, kind, adjusted.label(one.category), one.department, state, one.version, when)
    link = Link(ctx.url(f"/items/guides/{one.code}"), one.code)
    source = Badge("info", "本地") if one.local else Badge("plain", "省")
    level = label("service_level", one.level)
    return (link, one.name, kind, level, one.department, state, source, one.version, when)


def _state_words(one: Found) -> str:
    """'' for the state's own label."""
    if one.held:
        return "随目录暂停"
    return f"{one.cancelled_on} 取消" if one.cancelled_on else ""


def _importable(ctx: Context, list_: str, wanted: Wanted) -> Response:
    """What is kept here as a workbook that can be changed and imported again."""
    kept = ctx.hall.read(lambda connection: finding.own(connection, list_, wanted))
    body = workbooks.write(layout.sheets(list_, [(one.code, dict(one.content)) for one in kept]))
    return ctx.file(body, f"{LISTS[list_]}.xlsx", XLSX)


# -- one item


@pages.get("/items/guides/{code}", function=SEEING, title="办事指南", example={"code": "@item"})
def guide(ctx: Context) -> Response:
    return ctx.hall.read(lambda c: _guide(ctx, c, ctx.path["code"], whole(ctx.one("version"))))


def _guide(ctx: Context, connection: Connection, code: str, version: int | None) -> Response:
    found, _ = finding.implementation(connection, Wanted(words=code), 0, 1)
    kept = published.versions(connection, IMPLEMENTATION, code)
    if not found or found[0].code != code:
        raise HallRefused("not_found", "没有这个事项", code)
    number = version or found[0].version
    content = in_force.content_of(connection, code, number)
    if not content:
        raise HallRefused("not_found", "没有这个版本", code)
    setup = situations.setup_of(connection, code, number)
    laid = overlays.listed(connection, code)
    body = organisations.by_uscc(connection, content["organisation_code"])
    here = next((one for one in kept if one.version == number), None)
    flow = _flow(connection, code, content)
    values: dict[str, Any] = {
        "item": {"conditions": None, "flow": None, "fee_basis": None} | content,
        "found": found[0], "kept": here, "versions": kept, "number": number, "flow": flow,
        "facts": _facts(content, here, setup), "materials": _materials(content, setup),
        "fees": _fees(content, setup), "situations": _situations(setup), "badge": badge(content["state"]),
        "old": number != found[0].version, "changes": drafts.told_of(connection, {k.change for k in kept}),
        "why": following.why(connection, here) if here is not None else "",
        "editable": here is not None and ctx.clerk.may(EDIT, here.org_path),
        "laid": laid[0] if laid else None,
        "layable": not found[0].local and body is not None and ctx.clerk.may(EDIT, body.path),
    }  # fmt: skip
    return ctx.render("items/guide.html", **values, title=content["name"])


def _facts(content: Mapping[str, Any], kept: Kept | None, setup: Setup) -> list[tuple[str, object]]:
    received_at = "、".join(RECEIVING[level] for level in setup.received_at)
    region = content.get("village") or content.get("town") or content["region"]
    known = regions().get(region)
    told: list[tuple[str, object]] = [
        ("实施编码", content["code"]), ("实施主体", content["organisation"]),
        ("事项类型", label("item_type", content["kind"])),
        ("行使层级", label("service_level", content["level"])),
        ("行政区划", full_name(known.code) if known else region),
        ("服务对象", labels("service_object", content["served"])),
        ("办件类型", label("case_kind", content["case_kind"])),
        ("法定时限", limit_text(content["statutory_limit"])),
        ("承诺时限", limit_text(content["promised_limit"])),
        ("办理形式", labels("handling_form", content.get("handling_forms", ()))),
        ("到现场次数", content.get("visits")), ("网上办理", "可以" if content["online"] else "不可以"),
        ("审批结果", content.get("result_name") or label("result_type", content["result_kind"])),
        ("收件层级", received_at),
        ("办理地点", content.get("address")), ("办理时间", content.get("opening_hours")),
        ("咨询电话", content.get("contact")), ("监督投诉", content.get("supervision")),
        ("生效日期", content.get("effective_on")), ("取消日期", content.get("cancelled_on")),
        ("发布版本", content["version"]), ("目录编码", content["catalog_code"]),
        ("本地编码", kept.content.get("local_code") if kept else None),
    ]  # fmt: skip
    return [(name, said) for name, said in told if said not in (None, "")]


def _materials(content: Mapping[str, Any], setup: Setup) -> list[tuple[Cell, ...]]:
    return [
        (
            no, one["name"], label("material_necessity", one["necessity"]),
            label("material_type", one["kind"]), label("material_format", one["format"]),
            one["copies"], label("material_source", one["source"]),
            one.get("review_point"), "、".join(setup.materials.get(one["name"], ())) or "全部",
        )
        for no, one in enumerate(situations.materials_for(content, {}), 1)
    ]  # fmt: skip


def _fees(content: Mapping[str, Any], setup: Setup) -> list[tuple[Cell, ...]]:
    return [
        (
            one.name,
            one.text,
            one.legal_basis,
            "可以" if one.reducible else "不可以",
            charges.example(one.formula),
        )
        for one in standards_of(content, setup.formulas)
    ]


def _situations(setup: Setup) -> list[tuple[str, str, str]]:
    names = {one.name: one.label for one in setup.questions}
    return [(one.name, sentence(one.condition, names), one.description) for one in setup.situations]


def _flow(connection: Connection, code: str, content: Mapping[str, Any]) -> Markup | None:
    """The picture of the process its cases take, where they are worked in this hall."""
    body = organisations.by_uscc(connection, content["organisation_code"])
    if body is None or body.has_own_system:
        return None
    plan = plans.link(assigning.for_case(connection, body, code))
    return Markup(picture(plan))  # noqa: S704 - our own SVG, escaped there


def _below(connection: Connection, items: Sequence[Kept]) -> list[tuple[Kept, str, Badge, str]]:
    """Each implementation item with its body, its state and why it is so, or what it has not followed yet."""
    found = []
    for one in items:
        behind = "基本要素与目录不一致，待变更时同步" if _behind(connection, one) else ""
        name = organisations.get(connection, one.org).name
        found.append((one, name, badge(one.state), following.why(connection, one) or behind))
    return found


def _behind(connection: Connection, one: Kept) -> bool:
    entry = published.expect(connection, DIRECTORY, one.above)
    return any(entry.content[name] != one.content[name] for name in SYNCHRONISED)


@pages.get("/items/directory/{code}", function=SEEING, title="目录事项", example={"code": "@entry"})
def entry(ctx: Context) -> Response:
    def read(connection: Connection) -> Response:
        versions = published.versions(connection, DIRECTORY, ctx.path["code"])
        if not versions:
            raise HallRefused("not_found", "目录清单中没有这个事项")
        wanted = whole(ctx.one("version")) or versions[0].version
        here = next((one for one in versions if one.version == wanted), versions[0])
        day = today(ctx.hall.hub.store.clock()).isoformat()
        below = published.implementing(connection, here.code, day)
        values: dict[str, Any] = {
            "kept": here, "versions": versions, "badge": badge(here.state),
            "elements": layout.columns(DIRECTORY),
            "below": _below(connection, below[:SHOWN]), "carried": len(below), "shown": SHOWN,
            "uncompiled": following.uncompiled(connection, here, day), "old": here != versions[0],
            "why": following.why(connection, here),
            "changes": drafts.told_of(connection, {one.change for one in versions}),
            "category": categories.of(connection, here.region).label(here.category),
            "editable": ctx.clerk.may(EDIT, here.org_path),
        }  # fmt: skip
        return ctx.render("items/entry.html", **values, title=here.name)

    return ctx.hall.read(read)

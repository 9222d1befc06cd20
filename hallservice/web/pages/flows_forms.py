"""Forms of the process editor: what a block shows, and what was typed as the draft keeps it."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, select

from hallservice.approval.definition import KIND_NAMES, LEVEL_NAMES, FactField
from hallservice.approval.rules import RuleRefused, read
from hallservice.flows import definitions, editing, outline, shipped
from hallservice.flows.editing import Json
from hallservice.people import organisations
from hallservice.people import tables as p
from hallservice.people.clerk import Clerk
from hallservice.people.filtering import under, within
from hallservice.refusals import FieldFault, FormRefused, HallRefused
from hallservice.web.context import Context
from hallservice.web.forms import Form

EDIT = "flows.edit"
FACTS = 8  # rows for facts on the form
TYPES = (
    ("text", "文字"),
    ("integer", "整数"),
    ("money", "金额（元）"),
    ("boolean", "是否"),
    ("date", "日期"),
)
OVERDUE = (
    ("NONE", "不作默认处理"), ("DEEM_ACCEPTED", "视为受理"), ("DEEM_RENEWED", "视为准予延续"),
    ("DEEM_NO_OPINION", "视为无意见"),
)  # fmt: skip
JOINS = (("all", "全部办结"), ("any", "任一办结"), ("share", "达到以下路数"))
Options = Sequence[tuple[str, str]]


def bodies(connection: Connection, clerk: Clerk) -> Options:
    """Bodies whose processes the clerk edits, the own one first."""
    ask = select(p.org.c.code, p.org.c.name).where(
        within(p.org.c.path, clerk, EDIT),
        p.org.c.active,
        p.org.c.section.is_(False),
        p.org.c.kind != "division",
    )
    rows = [(row.code, row.name) for row in connection.execute(ask.order_by(p.org.c.path).limit(300))]
    return sorted(rows, key=lambda one: one[0] != clerk.unit)


def partners(connection: Connection, owner: str) -> Options:
    """Bodies that may take part in a joint process: those of the owner's county, and of the city."""
    line = organisations.above(connection, organisations.get(connection, owner).path)
    top = line[-2].path if len(line) > 1 else line[0].path
    near = under(p.org.c.path, top) | (p.org.c.parent == line[0].code)
    ask = select(p.org.c.code, p.org.c.name).where(
        near,
        p.org.c.active,
        p.org.c.section.is_(False),
        p.org.c.kind.not_in(("division", "section", "village")),
    )
    return [(row.code, row.name) for row in connection.execute(ask.order_by(p.org.c.path).limit(500))]


def posts(connection: Connection, owner: str) -> Options:
    """Post codes with their names: what the body has, and what shipped processes ask for."""
    path = organisations.get(connection, owner).path
    ask = (
        select(p.post.c.code, p.post.c.name)
        .join(p.org, p.org.c.code == p.post.c.org)
        .where(under(p.org.c.path, path), p.post.c.active)
        .distinct()
    )
    found = {one.code: one.name for one in shipped.posts()}
    return list((found | {row.code: row.name for row in connection.execute(ask)}).items())


def choices_for_new(ctx: Context) -> dict[str, Any]:
    """Owner, and what the first draft is a copy of."""
    owners = ctx.hall.read(lambda connection: bodies(connection, ctx.clerk))
    known = definitions.listed(ctx.hall, ctx.clerk)
    sources = [
        (f"{one.owner}/{one.key}", f"{one.name}（{one.owner_name}）")
        for one in known
        if one.state == "published"
    ]
    return {"owners": owners, "sources": sources, "standard": f"{shipped.OWNER}/{shipped.STANDARD}"}


def of_block(ctx: Context, draft: Json, at: str, owner: str) -> dict[str, Any]:
    """Everything the form of the block at the path shows."""
    block = editing.at_path(draft, at)
    if not isinstance(block, dict):
        raise HallRefused("not_found", "找不到要修改的位置，请刷新后再改")
    facts = editing.facts_of(draft)
    return {
        "block": block,
        "kind": block.get("block") or "branch",
        "rule": outline.rule_of(block.get("when"), facts),
        "facts": [fact.label for fact in facts],
        "kinds": list(KIND_NAMES.items()),
        "overdue": OVERDUE,
        "joins": JOINS,
        "levels": list(LEVEL_NAMES.items()),
        "posts": ctx.hall.read(lambda connection: posts(connection, owner)),
        "orgs": ctx.hall.read(lambda connection: partners(connection, owner)),
        "refs": _refs(ctx, owner, str(draft.get("key", ""))),
        "title": next((f"修改：{line.title}" for line in outline.lines(draft) if line.path == at), "修改"),
    }


def _refs(ctx: Context, owner: str, own: str) -> Options:
    known = definitions.listed(ctx.hall, ctx.clerk)
    keys = {
        one.key: one.name for one in known if one.state == "published" and one.owner in (owner, shipped.OWNER)
    }
    return [(key, name) for key, name in keys.items() if key != own]


def values_of(ctx: Context, block: Any, facts: Sequence[FactField]) -> dict[str, Any]:
    """What was typed, as the block keeps it; FormRefused."""
    kind = block.get("block") if isinstance(block, dict) else None
    match kind:
        case "step":
            return _step(ctx.form)
        case "parallel":
            return {"join": ctx.form.one("join", "all"), "share": _share(ctx.form)}
        case "sub":
            return _sub(ctx, block)
        case "hand_up" | "hand_down":
            return {"to": ctx.form.one("to")}
        case "choice" | "serial":
            return {}
    return _branch(ctx.form, facts)


def _name(form: Form) -> str:
    name = form.one("name")
    if not name or len(name) > 100:
        raise FormRefused([FieldFault("name", "required", "请填写名称，最长 100 个字")])
    return name


def _number(form: Form, field: str, most: int) -> int:
    text = form.one(field, "0") or "0"
    if not text.isdecimal() or int(text[:9]) > most or len(text) > 9:
        raise FormRefused([FieldFault(field, "bad_number", f"请填写 0 到 {most} 的整数")])
    return int(text)


def _step(form: Form) -> dict[str, Any]:
    faults = [] if form.one("post") else [FieldFault("post", "required", "请填写岗位")]
    if len(form.one("post")) > 50:
        faults = [FieldFault("post", "too_long", "岗位最长 50 个字")]
    if faults:
        raise FormRefused(faults)
    return {
        "name": _name(form), "kind": form.one("kind", "custom"), "post": form.one("post"),
        "limit_days": _number(form, "limit_days", 3650), "overdue": form.one("overdue", "NONE"),
        "basis": form.one("basis")[:200], "integrity_risk": form.one("integrity_risk") == "1",
    }  # fmt: skip


def _share(form: Form) -> int:
    return _number(form, "share", 100) if form.one("join") == "share" else 0


def _sub(ctx: Context, block: Mapping[str, Any]) -> dict[str, Any]:
    org = ctx.form.one("org")
    if not org:
        raise FormRefused([FieldFault("org", "required", "请选择机构")])
    ref = ctx.form.one("ref") or None
    names = ctx.hall.read(
        lambda connection: connection.execute(select(p.org.c.name).where(p.org.c.code == org)).scalar()
    )
    body = None if ref else block.get("body") or {"block": "serial", "parts": []}
    name = ctx.form.one("name") or names or org
    return {"name": name[:100], "org": org, "lead": ctx.form.one("lead") == "1", "ref": ref, "body": body}


def _branch(form: Form, facts: Sequence[FactField]) -> dict[str, Any]:
    try:
        condition = read(form.one("rule"), facts)
    except RuleRefused as refused:
        raise FormRefused([FieldFault("rule", "bad_rule", refused.said)]) from None
    return {"name": _name(form), "when": outline.value_of(condition)}


def of_head(ctx: Context, draft: Json, owner: str) -> dict[str, Any]:
    """What the form of the whole shows."""
    known = draft.get("fields", [])
    rows = [*known, *({} for _ in range(max(FACTS - len(known), 2)))]
    return {
        "rows": rows, "types": TYPES, "levels": list(LEVEL_NAMES.items()),
        "posts": ctx.hall.read(lambda connection: posts(connection, owner)),
    }  # fmt: skip


def head_of(ctx: Context) -> dict[str, Any]:
    """What was typed of the whole; FormRefused."""
    form = ctx.form
    named = {name: form.one(name) for name in ("special", "supervisor", "administrator")}
    faults = [FieldFault(name, "required", "请填写岗位") for name, post in named.items() if not post]
    if faults:
        raise FormRefused(faults)
    return {
        "name": _name(form), "level": form.one("level", "county"), "posts": named,
        "total_days": _number(form, "total_days", 3650), "renewal": form.one("renewal") == "1",
        "fields": list(_facts(form)),
    }  # fmt: skip


def _facts(form: Form) -> list[dict[str, str]]:
    """Facts by their label; a new one is named by it where it can be."""
    found: list[dict[str, str]] = []
    for at in range(100):
        label, kind = form.one(f"fact{at}"), form.one(f"type{at}", "text")
        if not label:
            continue
        fault = _fact_fault(label, kind, at, found)
        if fault is not None:
            raise FormRefused([fault])
        found.append({"name": form.one(f"name{at}") or label.lower(), "label": label, "type": kind})
    return found


def _fact_fault(label: str, kind: str, at: int, before: Sequence[Mapping[str, str]]) -> FieldFault | None:
    if not editing.may_name_fact(label.lower()):
        said = "要素名称以汉字或小写字母开头，只含汉字、字母、数字，最长 40 个字"
        return FieldFault(f"fact{at}", "bad_name", said)
    if label in {one["label"] for one in before}:
        return FieldFault(f"fact{at}", "duplicate", "要素名称重复")
    known = kind in {code for code, _ in TYPES}
    return None if known else FieldFault(f"type{at}", "unknown", "请选择类型")

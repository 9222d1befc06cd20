"""Which process the cases of an item take: the item's own, else the body's, else the shipped one of its kind:
one act for an instant item (即办件), the standard process for any other."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select

from exchange import items
from exchange.store.tables import item
from exchange.store.work import Work
from hallservice.approval.definition import LEVEL_NAMES, Definition
from hallservice.approval.plan import Plan
from hallservice.flows import plans, shipped, staff
from hallservice.flows import tables as t
from hallservice.flows.checking import said, unknown_orgs
from hallservice.hall import Hall
from hallservice.people import organisations
from hallservice.people.clerk import Clerk
from hallservice.people.organisations import Org
from hallservice.refusals import FieldFault, FormRefused, HallRefused

EDIT = "flows.edit"


@dataclass(frozen=True, slots=True)
class Use:
    """Which process the cases of an item take; `item_code` '' for the body's default, `version` None for the
    newest published."""

    org: str
    item_code: str
    item_name: str
    owner: str
    key: str
    version: int | None
    name: str
    set_by: str
    set_at: float


def for_item(hall: Hall, clerk: Clerk, org: str, item_code: str) -> tuple[Definition, ...]:
    """The process a case of that item would take now, and what it refers to."""
    return hall.read(lambda connection: for_case(connection, organisations.get(connection, org), item_code))


def for_case(
    connection: Connection, department: Org, item_code: str, version: int | None = None
) -> tuple[Definition, ...]:
    """The item's process, else the body's, else the shipped one; what is retired no longer counts.
    `version`: the one a case is pinned to, None the current one."""
    ask = select(t.use).where(t.use.c.org == department.code, t.use.c.item_code.in_((item_code, "")))
    for row in connection.execute(ask.order_by(t.use.c.item_code.desc())):
        found = chosen(connection, department, row.owner, row.key, row.version)
        if found is not None:
            return found
    kind = shipped.INSTANT if _is_instant(connection, item_code, version) else shipped.STANDARD
    return (shipped.at_level(kind, staff.level_of(department.region)),)


def _is_instant(connection: Connection, item_code: str, version: int | None) -> bool:
    if version is None:
        current = select(item.c.version).where(item.c.code == item_code, item.c.current)
        version = connection.execute(current).scalar() or 0
    return items.content_of(connection, item_code, version).get("case_kind") == "instant"


def chosen(
    connection: Connection, department: Org, owner: str, key: str, version: int | None
) -> tuple[Definition, ...] | None:
    """A published process as the department runs it, with what it referred to when it was published; None if
    it is not (any more) one."""
    if owner == shipped.OWNER:
        return (shipped.at_level(key, staff.level_of(department.region)),) if key in shipped.KEYS else None
    ask = select(t.flow.c.digest).where(
        t.flow.c.owner == owner, t.flow.c.key == key, t.flow.c.state == "published"
    )
    if version is not None:
        ask = ask.where(t.flow.c.version == version)
    digest = connection.execute(ask.order_by(t.flow.c.version.desc()).limit(1)).scalar()
    return plans.definitions(connection, digest) if digest is not None else None


def uses(hall: Hall, clerk: Clerk, org: str) -> Sequence[Use]:
    """What the cases of a body take, its default first."""
    return hall.read(lambda connection: _uses(connection, clerk, org))


def _uses(connection: Connection, clerk: Clerk, org: str) -> list[Use]:
    body = organisations.get(connection, org)
    clerk.expect(EDIT, body.path)
    names = select(item.c.code, item.c.name).where(item.c.org == body.uscc, item.c.current).subquery()
    ask = (
        select(t.use, names.c.name.label("item_name"))
        .join(names, names.c.code == t.use.c.item_code, isouter=True)
        .where(t.use.c.org == org)
        .order_by(t.use.c.item_code)
    )
    return [_shown(connection, body, row) for row in connection.execute(ask)]


def _shown(connection: Connection, body: Org, row: Row[Any]) -> Use:
    found = chosen(connection, body, row.owner, row.key, row.version)
    name = found[0].name if found else "（已停用，按一般审批办理）"
    return Use(
        row.org,
        row.item_code,
        row.item_name or "",
        row.owner,
        row.key,
        row.version,
        name,
        row.set_by,
        row.set_at,
    )


def assign(
    hall: Hall, clerk: Clerk, org: str, item_code: str, owner: str, key: str, version: int | None = None
) -> None:
    """Cases accepted from now on take this process; `item_code` '' sets the body's default."""
    hall.write(
        lambda work: _assign(hall, work, clerk, Use(org, item_code, "", owner, key, version, "", "", 0.0))
    )


def _assign(hall: Hall, work: Work, clerk: Clerk, wanted: Use) -> None:
    body = organisations.get(work.connection, wanted.org)
    clerk.expect(EDIT, body.path)
    _expect_item(work.connection, body, wanted.item_code)
    usable(work.connection, body, wanted.owner, wanted.key, wanted.version)
    unassign_in(work, wanted.org, wanted.item_code)
    row = {
        "org": wanted.org, "item_code": wanted.item_code, "owner": wanted.owner, "key": wanted.key,
        "version": wanted.version,
    }  # fmt: skip
    work.connection.execute(insert(t.use), {**row, "set_by": clerk.name, "set_at": work.now})
    hall.record(work, clerk, "hall.flow_assigned", f"{wanted.org}/{wanted.item_code}", row)


def usable(
    connection: Connection, body: Org, owner: str, key: str, version: int | None
) -> tuple[Definition, ...]:
    """A process that cases of this body may take; FormRefused key, HallRefused flow_unfit, no_approval."""
    found = _expect_flow(connection, body, owner, key, version)
    plan = plans.link(found)
    if problems := unknown_orgs(connection, plan.body):
        words = "；".join(sorted({said(problem) for problem in problems}))
        raise HallRefused("flow_unfit", words, key)
    if all(place.step.kind != "approve" for place in plan.places.values()):
        raise HallRefused("no_approval", "流程里没有批准环节，不能用于办件", key)
    _expect_guided(connection, body, plan)
    return found


def _expect_guided(connection: Connection, body: Org, plan: Plan) -> None:
    """What is handed up goes to somebody above; else the body would approve its own work."""
    if above := staff.unguided(connection, plan, body):
        named = "、".join(LEVEL_NAMES[level] for level in above)
        why = f"流程要上交{named}，但“{body.name}”没有该级的业务上级，请先在机构关系中设置"
        raise HallRefused("flow_unfit", why, plan.definition.key)


def _expect_item(connection: Connection, body: Org, item_code: str) -> None:
    if not item_code:
        return
    ask = select(item.c.code).where(item.c.code == item_code, item.c.org == body.uscc, item.c.current)
    if connection.execute(ask).first() is None:
        raise FormRefused([FieldFault("item_code", "unknown", "这个机构没有此编码的事项")])


def _expect_flow(
    connection: Connection, body: Org, owner: str, key: str, version: int | None
) -> tuple[Definition, ...]:
    """Of the body itself, of one above it, or shipped."""
    above = {org.code for org in organisations.above(connection, body.path)}
    known = owner == shipped.OWNER or owner in above
    found = chosen(connection, body, owner, key, version) if known else None
    if found is None:
        raise FormRefused([FieldFault("key", "unknown", "没有这个已发布的流程")])
    return found


def unassign(hall: Hall, clerk: Clerk, org: str, item_code: str) -> None:
    """The item takes the body's default again, the body the standard process."""

    def act(work: Work) -> None:
        clerk.expect(EDIT, organisations.get(work.connection, org).path)
        if unassign_in(work, org, item_code):
            hall.record(
                work,
                clerk,
                "hall.flow_unassigned",
                f"{org}/{item_code}",
                {"org": org, "item_code": item_code},
            )

    hall.write(act)


def unassign_in(work: Work, org: str, item_code: str) -> bool:
    """Whether there was a line."""
    gone = delete(t.use).where(t.use.c.org == org, t.use.c.item_code == item_code)
    return bool(work.connection.execute(gone).rowcount)

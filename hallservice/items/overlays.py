"""Local situations and fee formulas laid over an item of the province (S3-12, S3-42): its own content is
never touched, so a new version of the province changes nothing here. Where a material or a fee they name is
gone or another one now, the safe reading holds (the material is asked for, the fee costs the province's
amount) and the overlay is listed for review."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from exchange import items
from exchange.catalogue.difference import PROVINCE
from exchange.items import WITHDRAWN
from exchange.store.tables import item
from hallservice.items import published, rowchecks
from hallservice.items.building import setup
from hallservice.items.elements import Content, blank
from hallservice.items.published import Kept
from hallservice.items.rowchecks import Checked
from hallservice.items.situations import fee_basis
from hallservice.items.tables import hall_item
from hallservice.items.wording import ITEM_STATES, OVERLAY
from hallservice.people.organisations import Org, by_uscc
from hallservice.refusals import HallRefused

_T = hall_item


@dataclass(frozen=True, slots=True)
class Theirs:
    """An item of the province as it is now."""

    code: str
    version: int
    state: str
    held: int  # the number its content is kept under: another content has another
    content: Mapping[str, Any]


def theirs(connection: Connection, code: str) -> Theirs:
    """HallRefused not_found for what is no item of the province."""
    mine = (item.c.code == code) & item.c.current & (item.c.origin == PROVINCE)
    ask = select(item.c.version, item.c.state, item.c.content).where(mine)
    row = connection.execute(ask).first()
    if row is None:
        raise HallRefused("not_found", "省统一目录中没有这个事项，本地事项请直接变更实施清单", code)
    said = items.content_of(connection, code, row.version)
    return Theirs(code, row.version, row.state, row.content, said)


def first(connection: Connection, code: str) -> tuple[dict[str, Any], Org]:
    """The line a new overlay begins with, its materials and fees those of the item, and the body whose it is;
    HallRefused not_found, no_body, known."""
    one = theirs(connection, code)
    org = by_uscc(connection, one.content["organisation_code"])
    if org is None:
        raise HallRefused("no_body", f"实施主体“{one.content['organisation']}”不在本大厅的机构中", code)
    held = published.current(connection, OVERLAY, code)
    if held is not None and held.state != "cancelled":
        raise HallRefused("known", "该事项已有本地情形，请用“变更”", code)
    base = held.version if held else 0
    return {"op": "put", "code": code, "base": base, "content": _content(one)}, org


def _content(one: Theirs) -> Content:
    said = one.content
    materials = [{"name": row["name"], "situations": ""} for row in said.get("materials", ())]
    empty = dict.fromkeys(("formula", "price", "unit", "least", "most", "tiers"), "")
    fees = [{"code": fee["code"], "name": fee["name"]} | empty for fee in said.get("fees", ())]
    told = {"item": one.code, "name": said["name"], "kind": said["kind"]}
    return blank(OVERLAY) | told | {"materials": materials, "fees": fees}


def check(connection: Connection, org: Org, content: Content, found: Checked) -> None:
    """Every material and fee it names is one of the item's, and it says something."""
    one = theirs(connection, content["item"])
    if one.content["organisation_code"] != org.uscc:
        found.fault("item", "other_org", "该事项的实施主体已不是本部门")
    if one.state in (WITHDRAWN, "cancelled"):
        found.fault("item", "gone", f"该事项已{ITEM_STATES[one.state]}")
    _known(
        content, "materials", "m", "name", {row["name"] for row in one.content.get("materials", ())}, found
    )
    _known(content, "fees", "f", "code", {fee["code"] for fee in one.content.get("fees", ())}, found)
    for at, fee in enumerate(content["fees"], 1):
        rowchecks.formula(at, fee, found)
    rowchecks.situations(content, found)
    formulas = any(fee["formula"] for fee in content["fees"])
    if not (content["situations"] or formulas or content.get("received_at")):
        found.fault("s-1-name", "empty", "请至少填写一个情形、一个收费项目的计费方式或收件层级")


def _known(content: Content, group: str, letter: str, key: str, known: set[str], found: Checked) -> None:
    names = [row.get(key, "") for row in content[group]]
    label = {"m": "材料", "f": "收费编码"}[letter]
    for at, name in enumerate(names, 1):
        if name and name not in known:
            found.fault(f"{letter}-{at}-{key}", "unknown", f"省统一目录的现行版本中没有{label}“{name}”")
        elif name and name in names[: at - 1]:
            found.fault(f"{letter}-{at}-{key}", "twice", f"{label}“{name}”重复")


def setup_over(connection: Connection, content: Content) -> dict[str, Any]:
    """As the counter needs it, and the state of the fees it was made from."""
    made, one = setup(content), theirs(connection, content["item"])
    fees = {
        fee["code"]: fee_basis(fee) for fee in one.content.get("fees", ()) if fee["code"] in made["formulas"]
    }
    return made | {"basis": {"version": one.version, "content": one.held, "fees": fees}}


# -- review


@dataclass(frozen=True, slots=True)
class Laid:
    """An overlay in use, the version of the province now, and what of it a person has to look at."""

    kept: Kept
    version: int
    doubts: tuple[str, ...]


def doubts(laid: Mapping[str, Any], state: str, content: Mapping[str, Any]) -> tuple[str, ...]:
    """What no longer fits, in words."""
    names = {row["name"] for row in content.get("materials", ())}
    now = {fee["code"]: fee_basis(fee) for fee in content.get("fees", ())}
    gone = [f"省目录中已没有材料“{name}”" for name in laid["materials"] if name not in names]
    fees = [
        _fee_doubt(code, code in now) for code, was in laid["basis"]["fees"].items() if now.get(code) != was
    ]
    return (*_ended(state), *gone, *fees)


def _ended(state: str) -> tuple[str, ...]:
    return (f"省目录中该事项已{ITEM_STATES[state]}",) if state in (WITHDRAWN, "cancelled") else ()


def _fee_doubt(code: str, there: bool) -> str:
    if not there:
        return f"省目录中已没有收费项目“{code}”"
    return f"收费项目“{code}”的标准、金额或依据已变，公式停用，现按省目录的金额收费"


def listed(connection: Connection, code: str = "") -> list[Laid]:
    """The overlays in use (or the one of an item), those to be reviewed first."""
    theirs_now = (item.c.version.label("now"), item.c.state.label("stands"), item.c.content.label("held"))
    ask = (
        select(_T, *theirs_now)
        .join(item, (item.c.code == _T.c.code) & item.c.current & (item.c.origin == PROVINCE))
        .where(_T.c.list == OVERLAY, _T.c.current, _T.c.state == "in_use")
    )
    ask = ask.where(_T.c.code == code) if code else ask
    found = [
        _laid(connection, dict(row._mapping)) for row in connection.execute(ask.order_by(_T.c.code)).all()
    ]
    return sorted(found, key=lambda one: not one.doubts)


def _laid(connection: Connection, row: dict[str, Any]) -> Laid:
    """Content that is the very one it was reviewed over needs no look."""
    now, stands, held = (row.pop(name) for name in ("now", "stands", "held"))
    kept = Kept(**row)
    same = kept.setup["basis"]["content"] == held
    content = {} if same else items.content_of(connection, kept.code, now)
    return Laid(kept, now, _ended(stands) if same else doubts(kept.setup, stands, content))

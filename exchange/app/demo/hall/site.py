"""The hall's bodies and staff, made once in a state folder: county, town and village, windows, processes."""

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert, select

from canonical.itemcodes import complete_credit_code
from exchange import items
from exchange.app.demo.hall import lists
from exchange.app.demo.hall.lists import Office
from exchange.app.demo.layout import write_file
from exchange.app.opening import coded
from exchange.catalogue.difference import PROVINCE
from exchange.store.tables import item
from exchange.store.work import Work
from hallservice.approval.definition import dumped
from hallservice.flows import assigning, definitions, shipped
from hallservice.hall import Hall
from hallservice.ids import new_id
from hallservice.people import grants, passwords, rights
from hallservice.people import tables as t
from hallservice.people.accounts import UserRow, add
from hallservice.people.bootstrap import bootstrap
from hallservice.people.clerk import Clerk
from hallservice.people.divisions import own_code, seed_divisions
from hallservice.people.grants import Wish
from hallservice.people.organisations import upsert
from hallservice.people.orgforms import OrgRow
from hallservice.people.sessions import clerk_of
from hallservice.people.system import SYSTEM

PASSES = "机构与授权管理"
ROLES = ("clerk", "undertaker", "reviewer", "approver", "supervisor", "administrator", "auditor",
         "items_editor", "establishment_reviewer", "legal_reviewer")  # fmt: skip
POSTS = {
    "undertake": "承办岗", "review": "审核岗", "approve": "批准岗", "special": "特别程序审批岗",
    "establishment": "编制审核岗", "legal": "法制审核岗",
}  # fmt: skip
SHARES = {"lead": "牵头部门", "second": "第二部门", "third": "第三部门"}  # of the shipped joint process


@dataclass(frozen=True, slots=True)
class Account:
    """One whose login is told."""

    role: str
    login: str
    name: str


@dataclass(frozen=True, slots=True)
class Body:
    """A body that works in the hall, as the catalogue names it."""

    code: str
    name: str
    uscc: str
    region: str
    items: tuple[str, ...]
    charged: tuple[str, ...] = ()  # those of its items that cost a fee


@cache
def told() -> Mapping[str, Any]:
    """staff.toml."""
    return tomllib.loads((files(__package__) / "staff.toml").read_text("utf-8"))


def accounts() -> list[Account]:
    """Whose logins are told, in the order of a case."""
    people = [*told()["person"], *({**one, "name": one["names"][0]} for one in told()["each"])]
    found = {one["account"]: one for one in people if "account" in one}
    return [Account(role, found[role]["login"], found[role]["name"]) for role in ROLES]


def kept_password(folder: Path) -> str:
    """One password for every account of this state folder; drawn at the first run."""
    with coded():
        file = folder / "password"
        if not file.exists():
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_file(file, passwords.one_time())
        return file.read_text("utf-8")


def bodies(connection: Connection, taken: frozenset[str]) -> list[Body]:
    """The bodies of county, town and village that have items in force and no system of their own."""
    regions = {told()[name] for name in ("county", "town", "village")}
    found: dict[str, list[dict[str, Any]]] = {}
    theirs = item.c.current & (item.c.state == "in_use") & (item.c.origin == PROVINCE)
    ask = select(item.c.code, item.c.version, item.c.org).where(theirs)
    for row in connection.execute(ask.order_by(item.c.code)):
        said = items.content_of(connection, row.code, row.version)
        if said.get("region") in regions and row.org not in taken:
            found.setdefault(row.org, []).append(said)
    order = sorted(found.items(), key=lambda pair: not pair[1][0]["organisation"].endswith(told()["shown"]))
    return [_body(at, uscc, mine) for at, (uscc, mine) in enumerate(order)]


def _body(at: int, uscc: str, mine: Sequence[Mapping[str, Any]]) -> Body:
    name, region = mine[0]["organisation"], mine[0]["region"]
    codes = tuple(one["code"] for one in mine)
    charged = tuple(one["code"] for one in mine if one["has_fee"])
    return Body(f"{own_code(region)}-b{at:02}", name, uscc, region, codes, charged)


def build(hall: Hall, password: str, taken: frozenset[str]) -> list[Body]:
    """Everybody in place; a second run finds them there. `taken`: bodies with a system of their own."""
    found = hall.read(lambda connection: bodies(connection, taken))
    if not hall.read(_built):
        kept = passwords.hashed(hall.settings.accounts, password)
        hall.write(lambda work: _build(hall, work, kept, found))
        _joint(hall, [body for body in found if body.region == told()["county"]])
        who = ("keeper", "establishment", "legal")
        lists.build(Office(hall, *(clerk(hall, lists.told()[one]) for one in who)))
    return found


def _built(connection: Connection) -> bool:
    login = accounts()[0].login
    return connection.execute(select(t.user.c.id).where(t.user.c.login == login)).first() is not None


def _build(hall: Hall, work: Work, kept: str, found: Sequence[Body]) -> None:
    root = bootstrap(hall, work, passwords.one_time())
    county, town, village = (told()[name] for name in ("county", "town", "village"))
    seed_divisions(hall, work, SYSTEM, (own_code(county),))
    upsert(hall, work, SYSTEM, [*_sites(county, town, village), *map(_organ, found)])
    roles = {row.name: row.id for row in work.connection.execute(select(t.role.c.name, t.role.c.id))}
    for at, one in enumerate(_people(found)):
        duty, mobile = one.get("duty", ""), f"1990009{at:04}"  # a prefix nobody has
        member = UserRow(f"M{at:04}", one["name"], one["org"], one["login"], duty, mobile)
        user = add(hall, work, SYSTEM, member, kept)
        for role in one["roles"]:
            grants.keep(work, Wish(roles[role], "user", user, one["over"], may_pass=role == PASSES), root)
        if PASSES in one["roles"]:
            more = Wish(roles["全部功能再授权"], "user", user, one["over"], may_use=False, may_pass=True)
            grants.keep(work, more, root)
        for post in one.get("posts", ()):
            _posted(work, user, one["org"], post)
    for number in told()["windows"]:
        row = {"id": new_id(work.now), "site": "441402-dt", "number": number, "active": True}
        work.connection.execute(insert(t.window), row | {"name": f"综合 {number} 号窗口"})
    rights.touched(work.connection)


def _sites(county: str, town: str, village: str) -> Iterator[OrgRow]:
    yield OrgRow("441402-dt", "梅江区政务服务大厅", "hall", county, own_code(county))
    yield OrgRow("441402-bb", "梅江区机构编制委员会办公室", "organ", county, own_code(county))
    yield OrgRow("441402-sfj", "梅江区司法局", "organ", county, own_code(county))
    named = ((town, "江南街道党群服务中心", "town"), (village, "梅龙社区服务点", "village"))
    for region, name, kind in named:
        own = own_code(region)
        uscc = str(complete_credit_code(told()["credit"][kind]))
        yield OrgRow(f"{own}-fw", name, kind, region, own, uscc=uscc)


def _organ(body: Body) -> OrgRow:
    return OrgRow(body.code, body.name, "organ", body.region, own_code(body.region), uscc=body.uscc)


def _people(found: Sequence[Body]) -> Iterator[dict[str, Any]]:
    yield from told()["person"]
    for at, body in enumerate(found):
        for one in told()["each"]:
            number = f"{at + 1:02}" if at else ""
            name = one["names"][at % len(one["names"])]
            yield {**one, "name": name, "login": one["login"] + number, "org": body.code, "over": body.code}
    for one in told()["told_of_red_cards"] if found else ():
        org = one.get("org", found[0].code)
        yield {**one, "org": org, "over": org, "roles": []}


def _posted(work: Work, user: str, org: str, code: str) -> None:
    ask = select(t.post.c.id).where(t.post.c.org == org, t.post.c.code == code)
    post = work.connection.execute(ask).scalar()
    if post is None:
        post = new_id(work.now)
        row = {"id": post, "org": org, "code": code, "name": POSTS[code], "active": True}
        work.connection.execute(insert(t.post), row)
    work.connection.execute(insert(t.user_post), {"user": user, "post": post})


def _joint(hall: Hall, found: Sequence[Body]) -> None:
    """The leading body's own process: three bodies work side by side; the first of its items takes it."""
    if len(found) < len(SHARES):
        return
    lead, whole = found[0], dumped(shipped.shipped()["joint"])
    text = json.dumps(whole, ensure_ascii=False)
    for (share, name), body in zip(SHARES.items(), found, strict=False):
        text = text.replace(json.dumps({"org": share})[1:-1], json.dumps({"org": body.code})[1:-1])
        text = text.replace(f'"{name}"', json.dumps(body.name, ensure_ascii=False))
    leader = clerk(hall, accounts()[3].login)
    named = {**json.loads(text), "name": "开办餐饮店联合审批"}
    draft = definitions.save_draft(hall, leader, lead.code, "joint", named)
    definitions.publish(hall, leader, lead.code, "joint", draft.version.revision)
    assigning.assign(hall, leader, lead.code, lead.items[0], lead.code, "joint")


def clerk(hall: Hall, login: str, window: str | None = None) -> Clerk:
    """A member of staff with the rights of this moment, at that window."""
    with hall.hub.store.read() as connection:
        user = connection.execute(select(t.user.c.id).where(t.user.c.login == login)).scalar_one()
        found = clerk_of(connection, user, hall.hub.store.clock())[0]
    return replace(found, window=window or found.window)

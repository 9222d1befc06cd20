"""A hall with two counties, departments with and without a system of their own, and staff of every role."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import insert, select, update

from canonical.itemcodes import complete_credit_code
from exchange.store.work import Work
from hallservice.hall import Hall, HallSettings
from hallservice.ids import new_id
from hallservice.people import grants, passwords, rights
from hallservice.people import tables as t
from hallservice.people.accounts import UserRow, add
from hallservice.people.bootstrap import bootstrap
from hallservice.people.clerk import Clerk
from hallservice.people.divisions import seed_divisions
from hallservice.people.grants import Wish
from hallservice.people.organisations import upsert
from hallservice.people.orgforms import OrgRow
from hallservice.people.policy import AccountPolicy
from hallservice.people.sessions import clerk_of
from hallservice.people.system import SYSTEM
from tests.exchange.core.rig import ORG, Core

PASSWORD = "Tong-2026-Ban"
SETTINGS = HallSettings(accounts=AccountPolicy(memory_kib=8, passes=1, oldest_days=0))
TOWN, VILLAGE = "441402102", "441402102001"
OWN_SYSTEM = str(complete_credit_code("11441402XX0064303"))
HEALTH = str(complete_credit_code("11441402XX0023309"))
LAND = str(complete_credit_code("11441402XX0015309"))

MEI = "441402000000"  # 梅江区
ORGS = (
    OrgRow("441400-dsj", "梅州市政务服务和数据管理局", "organ", "441400000000", "4414"),
    OrgRow("441402-dt", "梅江区政务服务大厅", "hall", MEI, "441402"),
    OrgRow("441402-scj", "梅江区市场监督管理局", "organ", MEI, "441402", uscc=ORG),
    OrgRow("441402-scj-sp", "行政审批股", "section", MEI, "441402-scj"),
    OrgRow("441402-wjj", "梅江区卫生健康局", "organ", MEI, "441402", uscc=HEALTH),
    OrgRow("441402-zrj", "梅江区自然资源局", "organ", MEI, "441402", uscc=LAND),
    OrgRow(
        "441402-cgj", "梅江区城市管理和综合执法局", "organ", MEI, "441402", uscc=OWN_SYSTEM,
        has_own_system=True, party="department_a",
    ),
    OrgRow("441403-dt", "梅县区政务服务大厅", "hall", "441403000000", "441403"),
)  # fmt: skip


@dataclass(frozen=True)
class Member:
    """A member of staff: where, which posts, which roles and over which subtree."""

    name: str
    org: str
    over: str
    roles: tuple[str, ...]
    posts: tuple[str, ...] = ()


POSTS = {
    "accept": "受理岗",
    "undertake": "承办岗",
    "review": "审核岗",
    "approve": "批准岗",
    "special": "特别程序岗",
}
BRANCH = ("undertake", "review", "approve")
STAFF: Mapping[str, Member] = {
    "clerk": Member("窗口甲", "441402-dt", "441402", ("窗口受理",), ("accept",)),
    "clerk2": Member("窗口乙", "441402-dt", "441402", ("窗口受理",), ("accept",)),
    "other": Member("窗口丙", "441403-dt", "441403", ("窗口受理",), ("accept",)),
    "town": Member("镇街丁", TOWN, TOWN, ("窗口受理", "审批办理"), ("accept", *BRANCH)),
    "village": Member("村居戊", VILLAGE, VILLAGE, ("窗口受理",), ("accept",)),
    "undertaker": Member("承办己", "441402-scj", "441402-scj", ("审批办理",), ("undertake",)),
    "reviewer": Member("审核庚", "441402-scj", "441402-scj", ("审批办理",), ("review",)),
    "approver": Member("批准辛", "441402-scj", "441402-scj", ("审批办理",), ("approve",)),
    "section": Member("审批壬", "441402-scj-sp", "441402-scj", ("审批办理",), ("undertake",)),
    "health": Member("卫健癸", "441402-wjj", "441402-wjj", ("审批办理",), BRANCH),
    "land": Member("资源子", "441402-zrj", "441402-zrj", ("审批办理",), BRANCH),
    "leader": Member("局长丑", "441402-scj", "441402-scj", ("部门审批管理",), ("special",)),
    "editor": Member("编制寅", "441402-scj", "441402-scj", ("事项编制",)),
    "examiner": Member("法制卯", "441402", "441402", ("事项审核",)),
    "supervisor": Member("监察辰", "441402", "441402", ("效能监察",)),
    "administrator": Member("管理巳", "441402", "441402", ("机构与授权管理",)),
    "auditor": Member("审计午", "4414", "4414", ("审计",)),
}
LOGINS = {name: f"ceshi.{name}" for name in STAFF} | {"root": "admin"}


def hall_of(core: Core) -> Hall:
    """The hall of that hub, with cheap password hashes."""
    return Hall(core.hub, SETTINGS)


def build(core: Core) -> None:
    """Everything above, in one act."""
    hall = hall_of(core)
    kept = passwords.hashed(SETTINGS.accounts, PASSWORD)
    hall.write(lambda work: _built(hall, work, kept))


def _built(hall: Hall, work: Work, kept: str) -> None:
    seed_divisions(hall, work, SYSTEM, ("441402", "441403"))
    upsert(hall, work, SYSTEM, ORGS)
    root = bootstrap(hall, work, PASSWORD)
    work.connection.execute(
        update(t.user).where(t.user.c.id == root)
        .values(password=kept, must_change=False, one_time_until=None)
    )  # fmt: skip
    roles = {row.name: row.id for row in work.connection.execute(select(t.role.c.name, t.role.c.id))}
    for name, one in STAFF.items():
        user = add(hall, work, SYSTEM, UserRow(f"S-{name}", one.name, one.org, LOGINS[name]), kept)
        for role in one.roles:
            passes = role == "机构与授权管理"
            grants.keep(work, Wish(roles[role], "user", user, one.over, may_pass=passes), root)
        for post in one.posts:
            _posted(work, user, one.org, post)
    administrator = _user(work, LOGINS["administrator"])
    passed = Wish(roles["全部功能再授权"], "user", administrator, "441402", may_use=False, may_pass=True)
    grants.keep(work, passed, root)
    for number in ("01", "02", "03"):
        row = {"id": new_id(work.now), "site": "441402-dt", "number": f"A{number}", "active": True}
        work.connection.execute(insert(t.window), row | {"name": f"综合 {number} 号窗口"})
    rights.touched(work.connection)


def _posted(work: Work, user: str, org: str, code: str) -> None:
    ask = select(t.post.c.id).where(t.post.c.org == org, t.post.c.code == code)
    post = work.connection.execute(ask).scalar()
    if post is None:
        post = new_id(work.now)
        row = {"id": post, "org": org, "code": code, "name": POSTS.get(code, code), "active": True}
        work.connection.execute(insert(t.post), row)
    work.connection.execute(insert(t.user_post), {"user": user, "post": post})


def _user(work: Work, login: str) -> str:
    return str(work.connection.execute(select(t.user.c.id).where(t.user.c.login == login)).scalar_one())


def clerk_of_role(hall: Hall, role: str) -> Clerk:
    """The member of staff of that name in STAFF (or root), with the rights of this moment."""
    with hall.hub.store.read() as connection:
        user = connection.execute(select(t.user.c.id).where(t.user.c.login == LOGINS[role])).scalar_one()
        return clerk_of(connection, user, hall.hub.store.clock())[0]

"""A change of a list on its way (S3-06 to S3-08): begun, edited, read. Nothing of it is in force."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from exchange.store.work import Work
from hallservice.hall import Hall
from hallservice.ids import new_id
from hallservice.items import checking, following, overlays, published
from hallservice.items.elements import SYNCHRONISED, Content, blank
from hallservice.items.tables import hall_item_change, hall_item_line, hall_item_step
from hallservice.items.wording import (
    ACTS,
    DIRECTORY,
    EDIT,
    EDITABLE,
    IMPLEMENTATION,
    KEPT,
    OPEN,
    OVERLAY,
    REVIEW,
)
from hallservice.people.clerk import Clerk
from hallservice.people.filtering import under_any
from hallservice.people.organisations import Org, get
from hallservice.people.separation import note_hand
from hallservice.refusals import FieldFault, HallRefused

_C, _L, _S = hall_item_change, hall_item_line, hall_item_step
MOST_LINES = 5000
OVER = ("add", "change", "cancel")  # what may be done with local situations
PARTS = 10  # into which one item may be split, or which may be merged


@dataclass(frozen=True, slots=True)
class Line:
    """What becomes of one item: op put, cancel, suspend, resume. `code` is '' until it is published."""

    no: int
    op: str
    list: str
    code: str
    base: int
    content: Mapping[str, Any]
    faults: int

    @property
    def name(self) -> str:
        return str(self.content.get("name") or "（未命名）")


@dataclass(frozen=True, slots=True)
class Step:
    """Who did what with a change."""

    act: str
    stage: str
    user: str
    name: str
    org_name: str
    words: str
    at: float


@dataclass(frozen=True, slots=True)
class Change:
    """One change as it stands."""

    id: str
    list: str
    act: str
    state: str
    title: str
    org: str
    org_path: str
    revision: int
    reason: str | None
    made_by: str
    made_name: str
    made_at: float
    changed_at: float

    @property
    def about(self) -> str:
        """As the ledger and the separation of duties name it."""
        return f"items/{self.id}"


def change_of(connection: Connection, change: str) -> Change:
    """HallRefused not_found."""
    row = connection.execute(select(_C).where(_C.c.id == change)).first()
    if row is None:
        raise HallRefused("not_found", "没有这份清单变更", change)
    return Change(**row._mapping)


def opened(connection: Connection, clerk: Clerk, change: str) -> Change:
    """For whoever edits or reviews there; HallRefused not_found for others."""
    found = change_of(connection, change)
    if not (clerk.may(EDIT, found.org_path) or clerk.may(REVIEW, found.org_path)):
        raise HallRefused("not_found", "没有这份清单变更", change)
    return found


def told_of(connection: Connection, changes: Collection[str]) -> dict[str, tuple[str, str]]:
    """Id -> act and title."""
    rows = connection.execute(select(_C.c.id, _C.c.act, _C.c.title).where(_C.c.id.in_(changes)))
    return {row.id: (row.act, row.title) for row in rows}


def lines_of(connection: Connection, change: str, first: int = 0, most: int = MOST_LINES) -> list[Line]:
    """In order, from a number on."""
    columns = [_L.c[name] for name in Line.__slots__]
    ask = select(*columns).where(_L.c.change == change, _L.c.no > first).order_by(_L.c.no).limit(most)
    return [Line(*row) for row in connection.execute(ask)]


def line_of(connection: Connection, change: str, no: int) -> Line:
    """HallRefused not_found."""
    found = lines_of(connection, change, no - 1, 1)
    if not found or found[0].no != no:
        raise HallRefused("not_found", "没有这一行", str(no))
    return found[0]


def steps_of(connection: Connection, change: str) -> list[Step]:
    """What was done with it, oldest first."""
    columns = [_S.c[name] for name in Step.__slots__]
    ask = select(*columns).where(_S.c.change == change).order_by(_S.c.no)
    return [Step(*row) for row in connection.execute(ask)]


def found(
    connection: Connection, clerk: Clerk, states: Sequence[str], function: str, most: int = 200
) -> list[Change]:
    """Changes in these states where the clerk holds the function, the latest first."""
    mine = under_any(_C.c.org_path, clerk.scopes.get(function, ()))
    ask = select(_C).where(_C.c.state.in_(states), mine).order_by(_C.c.changed_at.desc()).limit(most)
    return [Change(**row._mapping) for row in connection.execute(ask)]


def count(connection: Connection, clerk: Clerk, states: Sequence[str], function: str) -> int:
    mine = under_any(_C.c.org_path, clerk.scopes.get(function, ()))
    return connection.execute(select(func.count()).where(_C.c.state.in_(states), mine)).scalar_one()


# -- beginning


def begin(
    hall: Hall, clerk: Clerk, act: str, list_: str, codes: Sequence[str] = (), *, org: str = "", on: str = "",
    parts: int = 2,
) -> str:  # fmt: skip
    """Begin an act on items of a list: `codes` of the items concerned, for a new one `org` whose it is.
    `on`: the day of a cancellation (ISO; empty: when it is published). The change's id."""

    def do(work: Work) -> str:
        _expect_act(act, list_, codes)
        if act == "add" and list_ == OVERLAY:
            line, body = overlays.first(work.connection, codes[0])
            return keep(hall, work, clerk, act, list_, body, [line])
        held = [published.expect(work.connection, list_, code) for code in codes]
        for one in held:
            _expect_state(one, act)
            _expect_free_above(work.connection, one, act)
        owner = get(work.connection, held[0].org if held else org or clerk.org)
        if any(one.org != owner.code for one in held):
            raise HallRefused("other_org", "合并的事项应属于同一个部门")
        return keep(
            hall,
            work,
            clerk,
            act,
            list_,
            owner,
            _lines(list_, act, held, "" if list_ == OVERLAY else on, parts),
        )

    return hall.write(do)


def _expect_act(act: str, list_: str, codes: Sequence[str]) -> None:
    offered = OVER if list_ == OVERLAY else ACTS
    if act not in offered or act == "import" or list_ not in KEPT:
        raise HallRefused("bad_request", "没有这种办理")
    new = (1, 1) if list_ == OVERLAY else (0, 0)
    least, most = {"add": new, "merge": (2, PARTS)}.get(act, (1, 1))
    if not least <= len(set(codes)) == len(codes) <= most:
        raise HallRefused("bad_count", "合并须选择二至十个不同的事项" if act == "merge" else "请选择一个事项")


def _expect_state(one: published.Kept, act: str) -> None:
    allowed = {"suspend": ("in_use",), "resume": ("suspended",)}.get(act, ("in_use", "suspended"))
    if one.state not in allowed or (one.cancelled_on and act != "cancel"):
        raise HallRefused("wrong_state", f"“{one.name}”现在的状态不能{ACTS[act]}", one.code)


def _expect_free_above(connection: Connection, one: published.Kept, act: str) -> None:
    if act == "resume" and (above := following.stopped_above(connection, one)):
        said = f"目录事项“{above.name}”（{above.code}）已暂停，须先恢复该目录事项"
        raise HallRefused("held", said, one.code)


def _lines(list_: str, act: str, held: Sequence[published.Kept], on: str, parts: int) -> list[dict[str, Any]]:
    """op, code, base and content of each line."""
    if act == "add":
        return [_put(blank(list_))]
    if act == "change":
        return [_put(dict(held[0].content), held[0])]
    day = {"name": "", "on": on if act == "cancel" else ""}
    ends = [
        {
            "op": act if act in ("suspend", "resume") else "cancel",
            "code": one.code,
            "base": one.version,
            "content": day | {"name": one.name},
        }
        for one in held
    ]
    if act == "split":
        return ends + [_put(_copied(held[0])) for _ in range(min(max(parts, 2), PARTS))]
    return ends + ([_put(_copied(held[0]))] if act == "merge" else [])


def _put(content: Content, held: published.Kept | None = None) -> dict[str, Any]:
    code, base = (held.code, held.version) if held else ("", 0)
    return {"op": "put", "code": code, "base": base, "content": content | {"effective_on": ""}}


def _copied(one: published.Kept) -> Content:
    """A new item begins as the old one; its place in the directory has to be chosen anew."""
    content = dict(one.content)
    return content | ({"directory": ""} if one.list == IMPLEMENTATION else {"name": ""})


def keep(
    hall: Hall, work: Work, clerk: Clerk, act: str, list_: str, org: Org, lines: Sequence[Mapping[str, Any]]
) -> str:
    """A new change with its lines; HallRefused not_allowed, in_change."""
    clerk.expect(EDIT, org.path)
    if not 0 < len(lines) <= MOST_LINES:
        raise HallRefused("bad_count", f"一次最多 {MOST_LINES} 个事项")
    _expect_free(work.connection, list_, [line["code"] for line in lines if line["code"]])
    change = new_id(work.now)
    title = _title(act, list_, lines)
    row = {
        "id": change, "list": list_, "act": act, "state": "draft", "title": title, "org": org.code,
        "org_path": org.path, "revision": 1, "made_by": clerk.user, "made_name": clerk.name,
        "made_at": work.now, "changed_at": work.now,
    }  # fmt: skip
    work.connection.execute(insert(_C), row)
    rows = [
        {**line, "change": change, "no": no, "list": list_, "faults": _faults(work, list_, org, line)}
        for no, line in enumerate(lines, 1)
    ]
    work.connection.execute(insert(_L), rows)
    note_hand(work, clerk, EDIT, f"items/{change}")
    said = {"act": act, "list": list_, "org": org.code, "codes": [line["code"] for line in lines]}
    hall.record(work, clerk, "hall.items_begun", f"items/{change}", said)
    return change


def _title(act: str, list_: str, lines: Sequence[Mapping[str, Any]]) -> str:
    name = next((line["content"].get("name") for line in lines if line["content"].get("name")), "新事项")
    more = f"等 {len(lines)} 项" if len(lines) > 1 else ""
    return f"{ACTS[act]}{KEPT[list_]}：{name}{more}"[:200]


def _faults(work: Work, list_: str, org: Org, line: Mapping[str, Any]) -> int:
    if line["op"] != "put" or "faults" in line:
        return int(line.get("faults", 0))
    return len(checking.check(work.connection, list_, org, line["code"], line["content"]).faults)


def _expect_free(connection: Connection, list_: str, codes: Sequence[str]) -> None:
    for first in range(0, len(codes), 500):
        ask = (
            select(_L.c.code, _C.c.title)
            .join(_C, _C.c.id == _L.c.change)
            .where(_L.c.list == list_, _L.c.code.in_(codes[first : first + 500]), _C.c.state.in_(OPEN))
        )
        if (row := connection.execute(ask).first()) is not None:
            raise HallRefused("in_change", f"事项 {row.code} 已在办理“{row.title}”", row.code)


# -- editing


def editing(connection: Connection, clerk: Clerk, change: str, revision: int) -> Change:
    """For an act of whoever edits it; HallRefused not_allowed, wrong_state, conflict."""
    found = change_of(connection, change)
    clerk.expect(EDIT, found.org_path)
    if found.state not in EDITABLE:
        raise HallRefused("wrong_state", "这份清单变更已提交或已办结，不能再改")
    if found.revision != revision:
        raise HallRefused("conflict", "这份清单变更已由他人修改，请刷新后再改")
    return found


def save(hall: Hall, clerk: Clerk, change: str, revision: int, no: int, content: Content) -> list[FieldFault]:
    """Keep what was typed, complete or not; what is still wrong with it."""

    def do(work: Work) -> list[FieldFault]:
        here = editing(work.connection, clerk, change, revision)
        line = line_of(work.connection, change, no)
        if line.op != "put":
            raise HallRefused("bad_request", "这一行没有内容可改")
        return store(hall, work, clerk, here, line, content)

    return hall.write(do)


def store(
    hall: Hall, work: Work, clerk: Clerk, here: Change, line: Line, content: Content
) -> list[FieldFault]:
    """One line's new content, with its count of faults."""
    note_hand(work, clerk, EDIT, here.about)
    org = get(work.connection, here.org)
    kept = dict(line.content) | content
    if line.list == IMPLEMENTATION:
        kept = synchronised(work.connection, kept)
    found = checking.check(work.connection, line.list, org, line.code, kept).faults
    mine = (_L.c.change == here.id) & (_L.c.no == line.no)
    work.connection.execute(update(_L).where(mine).values(content=kept, faults=len(found)))
    touch(
        work,
        here,
        title=_title(here.act, here.list, [{"content": kept}]) if here.act == "add" else here.title,
    )
    hall.record(work, clerk, "hall.items_edited", f"{here.about}/{line.no}", kept)
    return found


def synchronised(connection: Connection, content: Content) -> Content:
    """The basic elements as the directory says them now (S3-10)."""
    entry = published.current(connection, DIRECTORY, content["directory"])
    if entry is None:
        return content | dict.fromkeys(SYNCHRONISED, "")
    return content | {name: entry.content[name] for name in SYNCHRONISED}


def touch(work: Work, here: Change, **values: object) -> None:
    """The change is another one now than the form showed."""
    said = {"revision": here.revision + 1, "changed_at": work.now, **values}
    work.connection.execute(update(_C).where(_C.c.id == here.id).values(**said))


def drop_line(hall: Hall, clerk: Clerk, change: str, revision: int, no: int) -> None:
    """A new item of a split is not wanted after all; two stay."""

    def do(work: Work) -> None:
        here = editing(work.connection, clerk, change, revision)
        puts = [line.no for line in lines_of(work.connection, change) if line.op == "put" and not line.code]
        if (
            here.act not in ("split", "import")
            or no not in puts
            or len(puts) <= (2 if here.act == "split" else 1)
        ):
            raise HallRefused("bad_request", "这一行不能删除")
        note_hand(work, clerk, EDIT, here.about)
        work.connection.execute(delete(_L).where(_L.c.change == change, _L.c.no == no))
        touch(work, here)
        hall.record(work, clerk, "hall.items_line_dropped", f"{here.about}/{no}", {"no": no})

    hall.write(do)

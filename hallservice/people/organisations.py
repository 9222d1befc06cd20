"""Organisations and their sections: one tree, each with its path; relations beside the tree."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Table, func, insert, literal, select, update

from exchange.store.work import Work
from hallservice.hall import Hall
from hallservice.people import moves, rights
from hallservice.people import tables as t
from hallservice.people.clerk import Clerk
from hallservice.people.filtering import under, within
from hallservice.people.functions import MANAGE
from hallservice.people.options import mark
from hallservice.people.orgforms import OrgRow, read
from hallservice.refusals import FieldFault, FormRefused, HallRefused

MOST_PATH = 255
IN_USE = "还有在用的下级机构或在职人员，不能停用"


@dataclass(frozen=True, slots=True)
class Org:
    """One organisation as it is."""

    code: str
    name: str
    short_name: str
    kind: str
    uscc: str | None
    org_code: str | None
    region: str
    parent: str | None
    path: str
    section: bool
    has_own_system: bool
    party: str | None
    active: bool
    place: int
    source: str
    source_id: str | None

    @property
    def depth(self) -> int:
        """How many organisations stand above it."""
        return self.path.count("/") - 2


_COLUMNS = [t.org.c[name] for name in Org.__slots__]


def get(connection: Connection, code: str) -> Org:
    """HallRefused unknown_org."""
    row = connection.execute(select(*_COLUMNS).where(t.org.c.code == code)).one_or_none()
    if row is None:
        raise HallRefused("unknown_org", "没有这个机构", code)
    return Org(*row)


def by_uscc(connection: Connection, uscc: str) -> Org | None:
    """The organisation of that credit code, if the hall knows it."""
    row = connection.execute(select(*_COLUMNS).where(t.org.c.uscc == uscc)).one_or_none()
    return Org(*row) if row else None


def unit_of(connection: Connection, code: str) -> str:
    """The body a section belongs to; any other organisation is its own."""
    found = connection.execute(select(t.org.c.section, t.org.c.parent).where(t.org.c.code == code)).one()
    return unit_of(connection, found.parent) if found.section and found.parent else code


def children(connection: Connection, parent: str | None, *, closed: bool = False) -> list[Org]:
    """Directly below, in the order of the siblings; the tops of the tree for None."""
    ask = select(*_COLUMNS).where(t.org.c.parent == parent if parent else t.org.c.parent.is_(None))
    ask = ask if closed else ask.where(t.org.c.active)
    return [Org(*row) for row in connection.execute(ask.order_by(t.org.c.place, t.org.c.code))]


def those(connection: Connection, which: ColumnElement[bool]) -> list[Org]:
    """All of that condition, by path."""
    return [Org(*row) for row in connection.execute(select(*_COLUMNS).where(which).order_by(t.org.c.path))]


def subtree(connection: Connection, path: str) -> list[Org]:
    """The organisation of that path and all below it."""
    return those(connection, under(t.org.c.path, path))


def above(connection: Connection, path: str) -> list[Org]:
    """From the top of the tree down to the organisation of that path."""
    steps = path.strip("/").split("/")
    paths = ["/" + "/".join(steps[: end + 1]) + "/" for end in range(len(steps))]
    ask = select(*_COLUMNS).where(t.org.c.path.in_(paths)).order_by(t.org.c.path)
    return [Org(*row) for row in connection.execute(ask)]


def search(
    connection: Connection, clerk: Clerk, words: str, function: str = MANAGE, most: int = 50
) -> list[Org]:
    """Organisations where the clerk holds the function, by a part of name or code."""
    seen = within(t.org.c.path, clerk, function)
    named = t.org.c.name.contains(words, autoescape=True) | t.org.c.code.startswith(words, autoescape=True)
    ask = select(*_COLUMNS).where(seen, named).order_by(t.org.c.path).limit(most)
    return [Org(*row) for row in connection.execute(ask)]


# -- changing


def save(hall: Hall, clerk: Clerk, given: Mapping[str, object], *, new: bool = False) -> Org:
    """Make or change one from a form; FormRefused says which field is wrong."""
    row, faults = read(given)
    if row is None:
        raise FormRefused(faults)

    def act(work: Work) -> Org:
        known = _known(work.connection, [row.code])
        if new and row.code in known:
            raise FormRefused([FieldFault("code", "taken", f"编码已由“{known[row.code].name}”使用")])
        old = known.get(row.code)
        _expect_place(work.connection, clerk, row, old)
        _expect_credit(work.connection, clerk, row, old)
        if old is not None and row.parent and row.parent != old.parent:
            moves.expect_no_gain(work, clerk, old.path, get(work.connection, row.parent).path)
        return upsert(hall, work, clerk, [row])[0]

    return hall.write(act)


def _expect_place(connection: Connection, clerk: Clerk, row: OrgRow, old: Org | None) -> None:
    """Managed where it is and where it shall be; a top is made at the set-up of the site."""
    if old is not None:
        clerk.expect(MANAGE, old.path)
    if not row.parent and (old is None or old.parent is not None):
        raise FormRefused([FieldFault("parent", "required", "请选择上级机构")])
    if row.parent:
        parent = connection.execute(select(t.org.c.path).where(t.org.c.code == row.parent)).scalar()
        if parent is None:
            raise FormRefused([FieldFault("parent", "unknown", "没有这个上级机构")])
        if not clerk.may(MANAGE, parent):
            raise FormRefused([FieldFault("parent", "not_allowed", "上级机构不在您的管理范围内")])


def _expect_credit(connection: Connection, clerk: Clerk, row: OrgRow, old: Org | None) -> None:
    """Cases come to a body by its credit code: one registered beyond the own reach is not claimed here.
    Digits 3 to 8 say where the body is registered (GB 32100-2015)."""
    if not row.uscc or (old is not None and old.uscc == row.uscc):
        return
    code = row.uscc[2:8].removesuffix("00").removesuffix("00")
    path = connection.execute(select(t.org.c.path).where(t.org.c.code == code)).scalar()
    tops = [path] if path is not None else [top.path for top in children(connection, None, closed=True)]
    if not all(clerk.may(MANAGE, each) for each in tops):
        said = "这个统一社会信用代码的登记地不在您的管理范围内，请由上级管理员填写"
        raise FormRefused([FieldFault("uscc", "not_allowed", said)])


def expect_everywhere(connection: Connection, clerk: Clerk) -> None:
    """HallRefused not_allowed unless the clerk manages every top of the tree."""
    for top in children(connection, None, closed=True):
        clerk.expect(MANAGE, top.path)


def upsert(hall: Hall, work: Work, by: Clerk, rows: Sequence[OrgRow]) -> list[Org]:
    """Make or change many, in one act; parents come before or with them. FormRefused names row and field."""
    wanted = {row.code: row for row in rows}
    known = _known(work.connection, [*wanted, *(row.parent for row in rows if row.parent)])
    faults = [fault for row in rows for fault in _impossible(work.connection, row, wanted, known)]
    if faults or len(wanted) != len(rows):
        raise FormRefused(faults or [FieldFault("code", "twice", "同一机构编码出现了两次")])
    before = {code: one.path for code, one in known.items()}
    changed = [row for row in _parents_first(wanted) if _put(work, row, known)]
    if changed:
        rights.touched(work.connection)
        hall.record(work, by, "hall.organisations", changed[0].code, [asdict(row) for row in changed])
    for code in [
        row.code for row in changed if before.get(row.code, known[row.code].path) != known[row.code].path
    ]:
        _followed(hall, work, by, known[code])
    return [known[row.code] for row in rows]


def _followed(hall: Hall, work: Work, by: Clerk, moved: Org) -> None:
    """A move ends posts of the body that was left, and what was backed from above may be no longer."""
    ended = moves.ended_posts(work, moved.path)
    mark(work)
    if ended:
        hall.record(work, by, "hall.posts_ended", moved.code, ended)


def close(hall: Hall, work: Work, by: Clerk, code: str) -> None:
    """Not in use any more; FormRefused in_use while people or organisations in use are there."""
    old = get(work.connection, code)
    if old.active and _alive(work.connection, old):
        raise FormRefused([FieldFault("active", "in_use", IN_USE)])
    values = {"active": False, "changed_at": work.now}
    work.connection.execute(update(t.org).where(t.org.c.code == code).values(values))
    rights.touched(work.connection)
    hall.record(work, by, "hall.organisation_closed", code, {})


def _known(connection: Connection, codes: Iterable[str]) -> dict[str, Org]:
    wanted, found = sorted(set(codes)), dict[str, Org]()
    for start in range(0, len(wanted), 500):
        ask = select(*_COLUMNS).where(t.org.c.code.in_(wanted[start : start + 500]))
        found |= {row.code: Org(*row) for row in connection.execute(ask)}
    return found


def _impossible(
    connection: Connection, row: OrgRow, wanted: Mapping[str, OrgRow], known: Mapping[str, Org]
) -> Iterable[FieldFault]:
    """What the rows around it forbid."""
    where = f"{row.code}: " if len(wanted) > 1 else ""
    if row.parent and row.parent not in wanted and row.parent not in known:
        yield FieldFault("parent", "unknown", f"{where}没有上级机构 {row.parent}")
    old, parent = known.get(row.code), known.get(row.parent)
    if old and parent and row.parent not in wanted and parent.path.startswith(old.path):
        yield FieldFault("parent", "loop", f"{where}机构不能归到自己或自己的下级")
    if row.uscc and (taken := _holder(connection, row, wanted)):
        yield FieldFault("uscc", "taken", f"{where}统一社会信用代码已由“{taken}”使用")
    if old and old.active and not row.active and _alive(connection, old):
        yield FieldFault("active", "in_use", f"{where}{IN_USE}")


def _holder(connection: Connection, row: OrgRow, wanted: Mapping[str, OrgRow]) -> str | None:
    """The name of another body of that credit code, here or among the rows."""
    known = by_uscc(connection, row.uscc)
    if known is not None and known.code != row.code:
        return known.name
    return next((each.name for each in wanted.values() if each.uscc == row.uscc and each is not row), None)


def _alive(connection: Connection, old: Org) -> bool:
    """Somebody works there, or something stands below it."""
    staff = select(t.user.c.id).where(t.user.c.org == old.code, t.user.c.status != "left")
    below = select(t.org.c.code).where(t.org.c.parent == old.code, t.org.c.active)
    return any(connection.execute(ask.limit(1)).first() for ask in (staff, below))


def _parents_first(wanted: Mapping[str, OrgRow]) -> list[OrgRow]:
    """Each row after the one it stands below; FormRefused loop."""
    done: dict[str, OrgRow] = {}

    def place(row: OrgRow, under_way: frozenset[str]) -> None:
        if row.code in under_way:
            raise FormRefused([FieldFault("parent", "loop", f"机构 {row.code} 的上级绕成了圈")])
        if row.parent in wanted and row.parent not in done:
            place(wanted[row.parent], under_way | {row.code})
        done.setdefault(row.code, row)

    for row in wanted.values():
        place(row, frozenset())
    return list(done.values())


def _put(work: Work, row: OrgRow, known: dict[str, Org]) -> bool:
    """Whether the row says anything new; what it says is there then."""
    old, parent = known.get(row.code), known.get(row.parent)
    path = f"{parent.path if parent else '/'}{row.code}/"
    if len(path) > MOST_PATH or (old and parent and parent.path.startswith(old.path)):
        raise FormRefused([FieldFault("parent", "loop", "上级机构不能是自己的下级，层级也不能太深")])
    empty = {name: getattr(row, name) or None for name in _EMPTY}
    values = asdict(row) | empty | {"path": path, "section": row.section, "changed_at": work.now}
    new = known[row.code] = Org(**{name: values[name] for name in Org.__slots__})
    if old is None:
        work.connection.execute(insert(t.org), values)
    elif old != new:
        if old.path != path:
            _moved(work.connection, old.path, path)
        work.connection.execute(update(t.org).where(t.org.c.code == row.code).values(values))
    return old != new


_EMPTY = ("uscc", "org_code", "parent", "party", "source_id")


def _moved(connection: Connection, old: str, new: str) -> None:
    """Every row of the hall that stands under the old path stands under the new one."""
    for table, column in paths(t.metadata.tables.values()):
        after = literal(new) + func.substr(column, len(old) + 1)
        connection.execute(update(table).where(under(column, old)).values({column: after}))


def paths(tables: Iterable[Table]) -> list[tuple[Table, Column[Any]]]:
    """The columns of the hall that hold an organisation's path: `path`, `org_path`, `site_path`."""
    ours = [table for table in tables if table.name.startswith("hall_")]
    return [(table, c) for table in ours for c in table.c if c.name == "path" or c.name.endswith("_path")]


def related(connection: Connection, org: str, kind: str) -> list[Org]:
    """The other organisations of a relation; parallel ones from both sides."""
    r = t.org_relation.c
    ask = select(*_COLUMNS).join(t.org_relation, t.org.c.code == r.other).where(r.org == org, r.kind == kind)
    back = select(*_COLUMNS).join(t.org_relation, t.org.c.code == r.org).where(r.other == org, r.kind == kind)
    both = ask.union(back) if kind == "parallel" else ask
    return sorted((Org(*row) for row in connection.execute(both)), key=lambda one: one.path)

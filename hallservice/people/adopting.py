"""What waits to be taken over: entries of identity directories, and bodies that items name. Nothing is taken
over but by an act of somebody who manages the place it gets."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, select

from canonical.messages import DirectoryOrganisation, DirectoryStaff
from exchange.store.tables import directory_entry
from exchange.store.work import Work
from hallservice.hall import Hall
from hallservice.people import accounts, bodies, directory, organisations, rights
from hallservice.people import tables as t
from hallservice.people.clerk import Clerk
from hallservice.people.directory import Adopted, Chosen, Told
from hallservice.people.divisions import own_code
from hallservice.people.functions import MANAGE
from hallservice.people.organisations import Org
from hallservice.refusals import FieldFault, FormRefused, HallRefused

KINDS = {"organisation": "机构", "staff": "人员", "body": "事项所属机构"}
CHANGES = {"new": "新增", "changed": "变更", "gone": "停用"}
ITEMS = "items"  # in place of a party, of bodies that items name


@dataclass(frozen=True, slots=True)
class Waiting:
    """One entry. `paths`: every place somebody has to manage who takes it over; none: nobody may yet."""

    kind: str
    party: str
    id: str
    name: str
    change: str
    where: str
    paths: tuple[str, ...]
    note: str = ""

    @property
    def key(self) -> str:
        """As a form names it."""
        return f"{self.kind}:{self.party}:{self.id}"

    def within(self, clerk: Clerk) -> bool:
        """The clerk may take it over."""
        return bool(self.paths) and all(clerk.may(MANAGE, path) for path in self.paths)


@dataclass
class Taken:
    """What became of it."""

    bodies: int = 0
    directory: Adopted = field(default_factory=Adopted)


def waiting(connection: Connection, clerk: Clerk, now: float) -> list[Waiting]:
    """What the clerk may take over, organisations first."""
    found = [one for one in _all(connection, now) if one.within(clerk)]
    order = list(KINDS)
    return sorted(found, key=lambda one: (order.index(one.kind), one.paths[-1], one.name, one.id))


def stuck(connection: Connection, clerk: Clerk, now: float) -> list[Waiting]:
    """What nobody can take over before something else is put right; told to who manages everywhere."""
    tops = organisations.children(connection, None, closed=True)
    if not all(clerk.may(MANAGE, top.path) for top in tops):
        return []
    return [one for one in _all(connection, now) if not one.paths]


def _all(connection: Connection, now: float) -> Iterator[Waiting]:
    for body in bodies.named(connection):
        note = f"{body.items} 个事项" + ("，有自有业务系统" if body.party else "")
        yield Waiting("body", ITEMS, body.uscc, body.name, "new", body.above.name, (body.above.path,), note)
    parties = select(directory_entry.c.party).distinct().order_by(directory_entry.c.party)
    for party in connection.execute(parties).scalars().all():
        told = directory.told_by(connection, party)
        look = _Look(connection, party, told, directory.linked(connection, party, told.organisations), now)
        yield from look.organisations()
        yield from look.staff()


class _Look:
    """One directory beside what is here."""

    def __init__(
        self, connection: Connection, party: str, told: Told, known: Mapping[str, Org], now: float
    ) -> None:
        self.connection, self.party, self.told, self.known, self.now = connection, party, told, known, now
        self.by_id = {one.id: one for one in told.organisations}
        divisions = organisations.those(connection, t.org.c.kind == "division")
        self.divisions = {each.code: each.path for each in divisions}
        self.names = {each.code: each.name for each in divisions}
        self.codes = {id_: directory.code_of(party, id_, known) for id_ in self.by_id}

    def organisations(self) -> Iterator[Waiting]:
        credited = {one.id for one in self.told.organisations if one.credit_code}
        for one in self.told.organisations:
            old = self.known.get(one.id)
            change = self._change(one, old, credited)
            if change:
                place = self._above(one, frozenset())
                paths = tuple(dict.fromkeys(path for path in (old.path if old else None, place) if path))
                yield Waiting(
                    "organisation", self.party, one.id, one.name, change, self._named(one),
                    paths if place else (), "" if place else "没有上级机构或行政区划",
                )  # fmt: skip

    def _change(self, one: DirectoryOrganisation, old: Org | None, credited: set[str]) -> str:
        if not one.active:
            return "gone" if old is not None and old.active else ""
        if old is None:
            return "new"
        row = directory.row_of(self.party, one, self.codes, credited, old)
        return "changed" if directory.differs(old, row) else ""

    def _above(self, one: DirectoryOrganisation, seen: frozenset[str]) -> str | None:
        """The path of what it stands below, or will; None: there is nothing."""
        old = self.known.get(one.id)
        if old is not None and old.source != self.party:
            return old.path  # where it stands is the hall's own to say
        if not one.parent:
            return self.divisions.get(own_code(one.region))
        above = self.by_id.get(one.parent)
        if above is None or above.id in seen or (above.id not in self.known and not above.active):
            return None
        if above.id in self.known:
            return self.known[above.id].path
        path = self._above(above, seen | {one.id})
        return f"{path}{self.codes[above.id]}/" if path else None

    def _named(self, one: DirectoryOrganisation) -> str:
        above = self.by_id.get(one.parent) if one.parent else None
        return above.name if above else self.names.get(own_code(one.region), one.region)

    def staff(self) -> Iterator[Waiting]:
        linked, free = _accounts(self.connection, self.party)
        for one in self.told.staff:
            old = linked.get(one.id)
            same = free.get(accounts.login_of(one.login)) if old is None else None
            yield from self._person(one, old or same, taken=same is not None)

    def _person(self, one: DirectoryStaff, old: Row[Any] | None, *, taken: bool) -> Iterator[Waiting]:
        org = self.by_id.get(one.organisation)
        change = self._staff_change(one, old)
        if not change:
            return
        place = self._own(org) if org is not None else None
        note = "" if place else "所在机构不在目录中"
        if taken and old is not None and rights.governs(self.connection, old.id, self.now):
            place, note = None, "登录名是本系统管理员或审计人员的账号"
        paths = (old.path, place) if old is not None and place else (place,) if place else ()
        yield Waiting(
            "staff", self.party, one.id, one.name, change, org.name if org else one.organisation,
            tuple(dict.fromkeys(paths)), note,
        )  # fmt: skip

    def _staff_change(self, one: DirectoryStaff, old: Row[Any] | None) -> str:
        if not one.active:
            return "gone" if old is not None and old.status != "left" else ""
        if old is None:
            return "new"
        code = self.codes.get(one.organisation, "")
        try:
            row = directory.user_of(self.party, one, code, old)
        except HallRefused:
            return "changed"
        return "changed" if directory.changed(old, row) else ""

    def _own(self, org: DirectoryOrganisation) -> str | None:
        if org.id in self.known:
            return self.known[org.id].path
        above = self._above(org, frozenset())
        return f"{above}{self.codes[org.id]}/" if above else None


def _accounts(connection: Connection, party: str) -> tuple[dict[str, Row[Any]], dict[str, Row[Any]]]:
    """Accounts linked with the directory by number, and those linked with none by login."""
    u = t.user.c
    ask = select(t.user, t.org.c.path).join(t.org, t.org.c.code == u.org)
    linked = {row.source_id: row for row in connection.execute(ask.where(u.source == party))}
    free = {row.login: row for row in connection.execute(ask.where(u.source_id.is_(None)))}
    return linked, free


# -- taking over


def take(hall: Hall, clerk: Clerk, keys: Collection[str]) -> Taken:
    """These entries, all of them within the clerk's reach; HallRefused changed_meanwhile."""
    if not keys:
        raise FormRefused([FieldFault("pick", "required", "请勾选要接收的内容")])

    def act(work: Work) -> Taken:
        chosen = [one for one in waiting(work.connection, clerk, work.now) if one.key in keys]
        if len(chosen) != len(set(keys)):
            raise HallRefused(
                "changed_meanwhile", "有的内容已被接收、有变化，或不在您的管理范围内，请刷新后再办"
            )
        return _taken(hall, work, clerk, chosen)

    return hall.write(act)


def take_all(hall: Hall, clerk: Clerk, org: str) -> Taken:
    """Everything that waits at or below an organisation."""

    def act(work: Work) -> Taken:
        top = organisations.get(work.connection, org).path
        clerk.expect(MANAGE, top)
        found = waiting(work.connection, clerk, work.now)
        return _taken(hall, work, clerk, [one for one in found if one.paths[-1].startswith(top)])

    return hall.write(act)


def _taken(hall: Hall, work: Work, clerk: Clerk, chosen: Collection[Waiting]) -> Taken:
    done = Taken(bodies.adopt(hall, work, clerk, {one.id for one in chosen if one.kind == "body"}))
    for party in sorted({one.party for one in chosen if one.kind != "body"}):
        mine = [one for one in chosen if one.party == party]
        ids = {kind: {one.id for one in mine if one.kind == kind} for kind in KINDS}
        part = directory.adopt(hall, work, clerk, party, Chosen(ids["organisation"], ids["staff"]))
        done.directory = _sum(done.directory, part)
    return done


def _sum(one: Adopted, other: Adopted) -> Adopted:
    return Adopted(
        one.organisations + other.organisations, one.added + other.added, one.changed + other.changed,
        one.closed + other.closed, one.problems + other.problems,
    )  # fmt: skip

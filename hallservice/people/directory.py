"""Organisations and staff as an identity directory tells them, taken over into the hall's own (S0-20, S0-26).

What the directory leads: name, place, duty, login, real-name level, whether somebody is there. What it never
does: give a right. Whoever leaves it loses every right here.
"""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection, Row, Select, select, update

from canonical.messages import DirectoryOrganisation, DirectoryStaff
from exchange.store.tables import directory_entry
from exchange.store.work import Work
from hallservice.hall import Hall
from hallservice.people import accounts, credentials, organisations, rights
from hallservice.people import tables as t
from hallservice.people.accounts import UserRow
from hallservice.people.clerk import Clerk
from hallservice.people.divisions import own_code
from hallservice.people.organisations import Org
from hallservice.people.orgforms import CODE, OrgRow
from hallservice.refusals import HallRefused


@dataclass
class Adopted:
    """What became of the entries; `problems` are those that have to be looked at, in words."""

    organisations: int = 0
    added: int = 0
    changed: int = 0
    closed: int = 0
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Chosen:
    """The entries to be taken over, by their ids in the directory."""

    organisations: Collection[str]
    staff: Collection[str]


@dataclass(frozen=True, slots=True)
class Told:
    """Everything a party has told so far."""

    organisations: Sequence[DirectoryOrganisation]
    staff: Sequence[DirectoryStaff]


def told_by(connection: Connection, party: str) -> Told:
    """In the order of their ids."""
    orgs = _entries(connection, party, "organisation")
    people = _entries(connection, party, "staff")
    return Told(
        [DirectoryOrganisation.model_validate(data) for data in orgs],
        [DirectoryStaff.model_validate(data) for data in people],
    )


def adopt(hall: Hall, work: Work, by: Clerk, party: str, chosen: Chosen | None = None) -> Adopted:
    """What the party has told, all of it or what is chosen; what is as it was is left alone."""
    done, told = Adopted(), told_by(work.connection, party)
    orgs = [one for one in told.organisations if chosen is None or one.id in chosen.organisations]
    people = [one for one in told.staff if chosen is None or one.id in chosen.staff]
    codes = _organisations(hall, work, by, party, told.organisations, orgs, done)
    for one in sorted(people, key=lambda one: one.active):  # who has left frees a login first
        try:
            with work.attempt():
                _person(hall, work, by, party, one, codes, done)
        except HallRefused as refusal:
            done.problems.append(f"人员 {one.name}（{one.id}）：{_in_words(refusal)}")
    _close(hall, work, by, [codes[one.id] for one in orgs if not one.active and one.id in codes], done)
    if done != Adopted():
        counts = {"organisations": done.organisations, "added": done.added, "changed": done.changed}
        hall.record(work, by, "hall.directory_adopted", party, counts | {"closed": done.closed})
    return done


def _in_words(refusal: HallRefused) -> str:
    return "；".join(fault.said for fault in refusal.faults) or refusal.said


def _entries(connection: Connection, party: str, kind: str) -> Iterator[Mapping[str, Any]]:
    e = directory_entry.c
    ask = select(e.data).where(e.party == party, e.kind == kind).order_by(e.id)
    yield from connection.execute(ask).scalars()


# -- organisations


def _organisations(
    hall: Hall, work: Work, by: Clerk, party: str, told: Sequence[DirectoryOrganisation],
    wanted: Sequence[DirectoryOrganisation], done: Adopted,
) -> dict[str, str]:  # fmt: skip
    """The code of each that is here, by its id in the directory; rows that differ are written in one act."""
    known = linked(work.connection, party, told)
    new = {one.id for one in wanted if one.active and one.id not in known}
    codes = {one.id: code_of(party, one.id, known) for one in told if one.id in known or one.id in new}
    credited = {one.id for one in told if one.credit_code}
    for one in _without_place(work.connection, wanted, codes, known):
        done.problems.append(f"机构 {one.name}（{one.id}）：上级机构还没有接收，或没有这个行政区划")
    rows = {
        one.id: row_of(party, one, codes, credited, known.get(one.id))
        for one in wanted
        if one.id in codes and (one.active or one.id in known)
    }
    differing = {id_: row for id_, row in rows.items() if differs(known.get(id_), row)}
    for id_ in _written(hall, work, by, differing, done):
        codes.pop(id_, None)
    return codes


def _without_place(
    connection: Connection, wanted: Sequence[DirectoryOrganisation], codes: dict[str, str],
    known: Mapping[str, Org],
) -> list[DirectoryOrganisation]:  # fmt: skip
    """New ones below something that is not here; with each of them those below it. They lose their codes."""
    lost = list[DirectoryOrganisation]()
    while True:
        fresh = [
            one for one in wanted
            if one.id in codes and one.id not in known and not _has_place(connection, one, codes)
        ]  # fmt: skip
        if not fresh:
            return lost
        for one in fresh:
            del codes[one.id]
        lost += fresh


def _has_place(connection: Connection, one: DirectoryOrganisation, codes: Mapping[str, str]) -> bool:
    return one.parent in codes if one.parent else _exists(connection, own_code(one.region))


def _written(hall: Hall, work: Work, by: Clerk, rows: Mapping[str, OrgRow], done: Adopted) -> list[str]:
    """All in one act; where one of them cannot be, one after the other. Those that were not."""
    try:
        with work.attempt():
            if rows:
                organisations.upsert(hall, work, by, list(rows.values()))
            done.organisations += len(rows)
            return []
    except HallRefused as refusal:
        if len(rows) == 1:
            done.problems.append(f"机构 {next(iter(rows.values())).name}：{_in_words(refusal)}")
            return list(rows)
    ordered = sorted(rows.items(), key=lambda item: _depth(item[1], rows))
    return [id_ for each, row in ordered for id_ in _written(hall, work, by, {each: row}, done)]


def _depth(row: OrgRow, rows: Mapping[str, OrgRow]) -> int:
    """How many of the rows stand above it."""
    by_code, found = {each.code: each for each in rows.values()}, 0
    while row.parent in by_code and found <= len(rows):
        row, found = by_code[row.parent], found + 1
    return found


def linked(connection: Connection, party: str, told: Iterable[DirectoryOrganisation]) -> dict[str, Org]:
    """The organisations known already: by their id in the directory, or by credit code."""
    o = t.org.c
    known = organisations.those(connection, (o.source == party) | o.uscc.is_not(None))
    by_id = {one.source_id: one for one in known if one.source == party}
    by_credit = {one.uscc or "": one for one in known if one.uscc}
    found = {one.id: by_id.get(one.id) or by_credit.get(one.credit_code or "") for one in told}
    return {id_: one for id_, one in found.items() if one is not None}


def code_of(party: str, id_: str, known: Mapping[str, Org]) -> str:
    """Of the organisation that is here, or as it will be."""
    if id_ in known:
        return known[id_].code
    plain = f"{party}-{id_}"
    return plain if CODE.fullmatch(plain) else f"{party[:7]}-{hashlib.sha256(id_.encode()).hexdigest()[:32]}"


def row_of(
    party: str, one: DirectoryOrganisation, codes: Mapping[str, str], credited: set[str], old: Org | None
) -> OrgRow:
    """As the directory says; what it does not know stays. One without a parent stands in its division."""
    parent = codes.get(one.parent, old.parent or "" if old else "") if one.parent else own_code(one.region)
    section = one.credit_code is None and one.parent in credited
    row = OrgRow(
        code=codes[one.id], name=one.name[:100], kind="section" if section else "organ", region=one.region,
        parent=parent, uscc=one.credit_code or "", org_code=(one.credit_code or "")[8:17],
        source=party, source_id=one.id,
    )  # fmt: skip
    if old is None:
        return row
    led = old.source == party  # made by the directory: it says where it stands
    return replace(
        row, kind=old.kind, parent=parent if led else old.parent or "", short_name=old.short_name,
        party=old.party or "", has_own_system=old.has_own_system, place=old.place,
        active=old.active or one.active,
    )  # fmt: skip


def _exists(connection: Connection, code: str) -> bool:
    return connection.execute(select(t.org.c.code).where(t.org.c.code == code)).first() is not None


def differs(old: Org | None, row: OrgRow) -> bool:
    """Whether the row says anything new."""
    return old is None or any(
        (getattr(old, name) or "") != (getattr(row, name) or "")
        for name in ("name", "parent", "region", "uscc", "active")
    )


def _close(hall: Hall, work: Work, by: Clerk, codes: Sequence[str], done: Adopted) -> None:
    """Organisations that are gone, the lowest first; one where people still are is named."""
    old = [organisations.get(work.connection, code) for code in codes]
    for one in sorted(old, key=lambda one: -one.depth):
        if one.active:
            try:
                with work.attempt():
                    organisations.close(hall, work, by, one.code)
                done.closed += 1
            except HallRefused as refusal:
                done.problems.append(f"机构 {one.name}：{_in_words(refusal)}")


# -- people


def _person(
    hall: Hall,
    work: Work,
    by: Clerk,
    party: str,
    one: DirectoryStaff,
    codes: Mapping[str, str],
    done: Adopted,
) -> None:
    old = _known(work.connection, party, one, work.now)
    if old is None and not one.active:
        return
    if not one.active:
        if old is not None and old.status != "left":
            credentials.end_account(hall, work, by, old.id, "left", "统一身份目录已停用")
            done.closed += 1
        return
    if one.organisation not in codes:
        raise HallRefused("unknown_org", f"所在机构 {one.organisation} 还没有接收，或不在目录中")
    row = user_of(party, one, codes[one.organisation], old)
    if old is None:
        accounts.add(hall, work, by, row)
        done.added += 1
    elif changed(old, row):
        accounts.amend(hall, work, by, old, row)
        back = {
            "source": party,
            "source_id": one.id,
            "status": "active" if old.status == "left" else old.status,
        }
        work.connection.execute(update(t.user).where(t.user.c.id == old.id).values(back))
        done.changed += 1


def _known(connection: Connection, party: str, one: DirectoryStaff, now: float) -> Row[Any] | None:
    """The account of the entry: linked, or by the login of an account nobody else is linked with, unless its
    holder governs: whoever names people over there could else become an administrator here."""
    ask: Select[Any] = select(t.user.c.id)
    linked = ask.where(t.user.c.source == party, t.user.c.source_id == one.id)
    free = ask.where(t.user.c.login == accounts.login_of(one.login), t.user.c.source_id.is_(None))
    id_ = connection.execute(linked).scalar()
    if id_ is None and (id_ := connection.execute(free).scalar()) and rights.governs(connection, id_, now):
        raise HallRefused("governs", f"登录名 {one.login} 是本系统管理员或审计人员的账号，不能自动关联")
    return accounts.get(connection, id_) if id_ else None


def user_of(party: str, one: DirectoryStaff, org: str, old: Row[Any] | None) -> UserRow:
    """As the directory says; HallRefused bad_entry where no account can be made of it."""
    login = accounts.login_of(one.login)
    if not login or len(one.name) > 50:
        raise HallRefused("bad_entry", "登录名或姓名的格式不能用")
    number, mobile = (old.staff_no, old.mobile or "") if old else (one.id[:40], "")
    return UserRow(number, one.name, org, login, one.duty or "", mobile, party, one.id, one.level)


def changed(old: Row[Any], row: UserRow) -> bool:
    """Whether the row says anything new."""
    names = ("name", "org", "login", "level", "source", "source_id")
    same = all(getattr(old, name) == getattr(row, name) for name in names)
    return not same or (old.duty or "") != row.duty or old.status == "left"

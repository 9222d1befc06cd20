"""Organisations and staff as an identity directory tells them, taken over into the hall's own (S0-20, S0-26).

What the directory leads: name, place, duty, login, real-name level, whether somebody is there. What it never
does: give a right. Whoever leaves it loses every right here.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection, Row, Select, select, update

from canonical.messages import DirectoryOrganisation, DirectoryStaff
from exchange.store.tables import directory_entry
from exchange.store.work import Work
from hallservice.hall import Hall
from hallservice.people import accounts, credentials, organisations, rights
from hallservice.people import tables as t
from hallservice.people.accounts import NAMES, UserRow
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


def adopt(hall: Hall, work: Work, by: Clerk, party: str) -> Adopted:
    """Everything the party has told so far; what is as it was is left alone."""
    done = Adopted()
    told = list(_entries(work.connection, party, "organisation"))
    orgs = [DirectoryOrganisation.model_validate(data) for data in told]
    people = [DirectoryStaff.model_validate(d) for d in _entries(work.connection, party, "staff")]
    codes = _organisations(hall, work, by, party, orgs, done)
    for one in sorted(people, key=lambda one: one.active):  # who has left frees a login first
        try:
            with work.attempt():
                _person(hall, work, by, party, one, codes, done)
        except HallRefused as refusal:
            said = "；".join(fault.said for fault in refusal.faults) or refusal.said
            done.problems.append(f"人员 {one.id}：{said}")
    _close(hall, work, by, [codes[one.id] for one in orgs if not one.active and one.id in codes], done)
    if done != Adopted():
        counts = {"organisations": done.organisations, "added": done.added, "changed": done.changed}
        hall.record(work, by, "hall.directory_adopted", party, counts | {"closed": done.closed})
    return done


def _entries(connection: Connection, party: str, kind: str) -> Iterator[Mapping[str, Any]]:
    e = directory_entry.c
    ask = select(e.data).where(e.party == party, e.kind == kind).order_by(e.id)
    yield from connection.execute(ask).scalars()


# -- organisations


def _organisations(
    hall: Hall, work: Work, by: Clerk, party: str, told: Sequence[DirectoryOrganisation], done: Adopted
) -> dict[str, str]:
    """The code of each, by its id in the directory; rows that differ are written in one act."""
    known = _linked(work.connection, party, told)
    codes = {one.id: known[one.id].code if one.id in known else _code(party, one.id) for one in told}
    credited = {one.id for one in told if one.credit_code}
    rows = []
    for one in told:
        row = _row(party, one, codes, credited, known.get(one.id))
        if row.parent and row.parent not in codes.values() and not _exists(work.connection, row.parent):
            done.problems.append(f"机构 {one.id}：没有上级机构 {row.parent}")
            codes.pop(one.id)
        elif _differs(known.get(one.id), row):
            rows.append(row)
    if rows:
        organisations.upsert(hall, work, by, rows)
    done.organisations = len(rows)
    return codes


def _linked(connection: Connection, party: str, told: Iterable[DirectoryOrganisation]) -> dict[str, Org]:
    """The organisations known already: by their id in the directory, or by credit code."""
    found = {}
    for one in told:
        code = connection.execute(
            select(t.org.c.code).where(t.org.c.source == party, t.org.c.source_id == one.id)
        ).scalar()
        if code is not None:
            found[one.id] = organisations.get(connection, code)
        elif one.credit_code and (same := organisations.by_uscc(connection, one.credit_code)):
            found[one.id] = same
    return found


def _code(party: str, id_: str) -> str:
    plain = f"{party}-{id_}"
    return plain if CODE.fullmatch(plain) else f"{party[:7]}-{hashlib.sha256(id_.encode()).hexdigest()[:32]}"


def _row(
    party: str, one: DirectoryOrganisation, codes: Mapping[str, str], credited: set[str], old: Org | None
) -> OrgRow:
    """As the directory says; what it does not know stays. One without a parent stands in its division."""
    parent = codes.get(one.parent, "") if one.parent else own_code(one.region)
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


def _differs(old: Org | None, row: OrgRow) -> bool:
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
                done.problems.append(
                    f"机构 {one.code}：{refusal.faults[0].said if refusal.faults else refusal.said}"
                )


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
        raise HallRefused("unknown_org", f"所在机构 {one.organisation} 不在目录中")
    row = _user(party, one, codes[one.organisation], old)
    if old is None:
        accounts.add(hall, work, by, row)
        done.added += 1
    elif _changed(old, row):
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
    free = ask.where(t.user.c.login == one.login.lower(), t.user.c.source_id.is_(None))
    id_ = connection.execute(linked).scalar()
    if id_ is None and (id_ := connection.execute(free).scalar()) and rights.governs(connection, id_, now):
        raise HallRefused("governs", f"登录名 {one.login} 是本系统管理员或审计人员的账号，不能自动关联")
    return accounts.get(connection, id_) if id_ else None


def _user(party: str, one: DirectoryStaff, org: str, old: Row[Any] | None) -> UserRow:
    login = one.login.lower()
    if not NAMES.fullmatch(login) or len(one.name) > 50:
        raise HallRefused("bad_entry", "登录名或姓名的格式不能用")
    number, mobile = (old.staff_no, old.mobile or "") if old else (one.id[:40], "")
    return UserRow(number, one.name, org, login, one.duty or "", mobile, party, one.id, one.level)


def _changed(old: Row[Any], row: UserRow) -> bool:
    names = ("name", "org", "login", "level", "source", "source_id")
    same = all(getattr(old, name) == getattr(row, name) for name in names)
    return not same or (old.duty or "") != row.duty or old.status == "left"

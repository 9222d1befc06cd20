"""Running instances moved to another version: shown before, then done by an administrator of processes."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from sqlalchemy import Connection, select

from exchange.store.tables import case_record
from exchange.store.work import Work
from hallservice.approval.definition import Definition
from hallservice.approval.events import Migrated
from hallservice.approval.migration import migration
from hallservice.approval.picture import picture
from hallservice.approval.plan import Plan
from hallservice.approval.walk import ready
from hallservice.flows import instances, keeping, plans, staff
from hallservice.flows import tables as t
from hallservice.flows.assigning import EDIT, usable
from hallservice.flows.instances import Acted
from hallservice.flows.keeping import Instance
from hallservice.hall import Hall
from hallservice.people import organisations
from hallservice.people import tables as p
from hallservice.people.clerk import Clerk
from hallservice.people.filtering import within
from hallservice.people.organisations import Org
from hallservice.refusals import FieldFault, FormRefused, HallRefused


@dataclass(frozen=True, slots=True)
class Preview:
    """What the change would do, in names of steps; `skips` are (key, name) of what would not be done."""

    case_no: str
    number: int
    kept: tuple[str, ...]
    rerun: tuple[str, ...]
    added: tuple[str, ...]
    skips: tuple[tuple[str, str], ...]
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Running:
    """An instance of a process that has not ended."""

    case_no: str
    plan: str
    status: str
    number: int


def running(hall: Hall, clerk: Clerk, owner: str, key: str) -> list[Running]:
    """Instances on any version of a process, within the clerk's rights."""
    return hall.read(lambda connection: _running(connection, clerk, owner, key))


def _running(connection: Connection, clerk: Clerk, owner: str, key: str) -> list[Running]:
    digests = select(t.flow.c.digest).where(t.flow.c.owner == owner, t.flow.c.key == key)
    here = select(case_record.c.case_no).join(p.org, p.org.c.uscc == case_record.c.org)
    here = here.where(within(p.org.c.path, clerk, EDIT))
    ask = select(t.instance.c.case_no, t.instance.c.plan, t.instance.c.status, t.instance.c.number).where(
        t.instance.c.plan.in_(digests),
        t.instance.c.status.in_(("running", "suspended", "with_applicant")),
        t.instance.c.case_no.in_(here),
    )
    return [Running(*row) for row in connection.execute(ask.order_by(t.instance.c.id).limit(200))]


def preview(hall: Hall, clerk: Clerk, case_no: str, owner: str, key: str, version: int) -> Preview:
    """What moving the case to that version would do; changes nothing."""

    def read(connection: Connection) -> Preview:
        found, body = _expect_own(connection, clerk, case_no)
        return _previewed(found, _target(connection, body, owner, key, version))

    return hall.read(read)


def _expect_own(connection: Connection, clerk: Clerk, case_no: str) -> tuple[Instance, Org]:
    """An instance, and the department in charge of its case, whose processes the clerk edits: a body that
    only takes part in it does not say how the others decide."""
    found = keeping.get(connection, case_no)
    uscc = connection.execute(select(case_record.c.org).where(case_record.c.case_no == case_no)).scalar()
    body = organisations.by_uscc(connection, uscc) if uscc else None
    if body is None or not clerk.may(EDIT, body.path):
        raise HallRefused("not_allowed", "您没有此项权限", EDIT)
    return found, body


def _target(connection: Connection, body: Org, owner: str, key: str, version: int) -> tuple[Definition, ...]:
    """A process a case of that body could have begun with."""
    try:
        return usable(connection, body, owner, key, version)
    except FormRefused as refusal:
        raise FormRefused([FieldFault("version", "unknown", "没有这个已发布的版本")]) from refusal


def _previewed(found: Instance, target: tuple[Definition, ...]) -> Preview:
    new = plans.link(target)
    change = migration(found.plan, new, found.state)
    after = replace(change.state, active=ready(new, change.state))
    return Preview(
        found.case_no,
        found.state.count,
        _names((new,), change.kept),
        _names((new,), change.rerun),
        _names((new,), change.added),
        tuple(zip(change.skips, _told_apart((new, found.plan), change.skips), strict=True)),
        picture(found.plan, found.state),
        picture(new, after),
    )


def _told_apart(among: tuple[Plan, ...], keys: tuple[str, ...]) -> tuple[str, ...]:
    """Names of steps; where several have the same one, each with its key."""
    names = _names(among, keys)
    return tuple(
        f"{name}（{key}）" if names.count(name) > 1 else name for name, key in zip(names, keys, strict=True)
    )


def _names(among: tuple[Plan, ...], keys: Iterable[str]) -> tuple[str, ...]:
    return tuple(next(plan.places[key].step.name for plan in among if key in plan.places) for key in keys)


@dataclass(frozen=True, slots=True)
class Wish:
    """To which version, why, and the steps that were seen not to be done any more."""

    owner: str
    key: str
    version: int
    opinion: str
    skips: tuple[str, ...] = ()


def migrate(hall: Hall, clerk: Clerk, case_no: str, wish: Wish, expected: int | None = None) -> Acted:
    """An act like any other, by an administrator of the body's processes."""
    clerk.expect(EDIT)
    return hall.write(lambda work: _migrate(hall, work, clerk, case_no, wish, expected))


def _migrate(hall: Hall, work: Work, clerk: Clerk, case_no: str, wish: Wish, expected: int | None) -> Acted:
    found, body = _expect_own(work.connection, clerk, case_no)
    if expected is not None and expected != found.state.count:
        raise HallRefused("stale", "办件在您查看之后已有人办理，请重新预览", case_no)
    new = plans.keep(hall, work, clerk, _target(work.connection, body, wish.owner, wish.key, wish.version))
    event = Migrated(
        at=instances.moment(work, found.state),
        by=staff.actor(work.connection, clerk, found.plan, found.state),
        plan=new.digest,
        opinion=wish.opinion,
        skips=tuple(sorted(wish.skips)),
    )
    return instances.commit(hall, work, clerk, found, event, new)

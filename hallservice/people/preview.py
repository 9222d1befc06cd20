"""What a grant would change, seen before it is given: done, looked at and taken back."""

from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy import Connection, select

from exchange.store.work import Work
from hallservice.hall import Hall
from hallservice.people import grants, lists, organisations, rights, separation
from hallservice.people import tables as t
from hallservice.people.clerk import Clerk
from hallservice.people.functions import functions, label
from hallservice.people.grants import Wish

MOST = 50  # people shown


@dataclass(frozen=True, slots=True)
class Gain:
    """One person: what is new to use there, what was held already, and what to be careful with."""

    name: str
    org: str
    new: tuple[str, ...]
    held: tuple[str, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Preview:
    """A wish in words."""

    role: str
    org: str
    functions: tuple[str, ...]
    people: tuple[Gain, ...]
    more: int  # people beyond those shown


class _Enough(Exception):
    """Takes back what was done to look at it."""


def preview(hall: Hall, clerk: Clerk, wish: Wish) -> Preview:
    """What the receivers would be able to do; refused exactly where granting would be."""
    seen: list[Preview] = []

    def act(work: Work) -> None:
        allowed = grants.expect_allowed(work, clerk, wish)
        shown = allowed.people[:MOST]
        before = {user: _held(work, user, allowed.path) for user in shown}
        grants.given(hall, work, clerk, wish)
        gains = tuple(_gain(work, user, allowed.path, before[user]) for user in shown)
        org = organisations.get(work.connection, wish.org).name
        named = tuple(label(code) for code in allowed.role.functions)
        seen.append(Preview(allowed.role.name, org, named, gains, len(allowed.people) - len(shown)))
        raise _Enough

    with suppress(_Enough):
        hall.write(act)
    return seen[0]


def _held(work: Work, user: str, path: str) -> set[str]:
    """The functions held for the organisation, now or by grants that begin later."""
    held = rights.ever(work.connection, user, work.now)
    return {code for code, tops in held.items() if any(path.startswith(top) for top in tops)}


def _gain(work: Work, user: str, path: str, before: set[str]) -> Gain:
    after = _held(work, user, path)
    ask = select(t.user.c.name, t.org.c.name.label("org")).join(t.org, t.org.c.code == t.user.c.org)
    person = work.connection.execute(ask.where(t.user.c.id == user)).one()
    both = [
        f"“{label(a)}”与“{label(b)}”不能用在同一件上，须由两人办理" for a, b in separation.together(after)
    ]
    return Gain(person.name, person.org, _labels(after - before), _labels(after & before), tuple(both))


def _labels(codes: set[str]) -> tuple[str, ...]:
    return tuple(label(code) for code in functions() if code in codes)


@dataclass(frozen=True, slots=True)
class Loss:
    """What taking a grant back would leave without anybody behind it."""

    grant: str
    receiver: str
    role: str
    org: str


def losses(hall: Hall, clerk: Clerk, grant: str) -> tuple[Loss, ...]:
    """Grants that would have to be reviewed, or go too, if this one were taken back."""
    seen: list[tuple[Loss, ...]] = []

    def act(work: Work) -> None:
        ended = grants.revoked(hall, work, clerk, grant, "", cascade=True)
        seen.append(tuple(_loss(work.connection, id_) for id_ in ended[1:]))
        raise _Enough

    with suppress(_Enough):
        hall.write(act)
    return seen[0]


def _loss(connection: Connection, id_: str) -> Loss:
    row = lists.grant_row(connection, id_)
    return Loss(id_, row.receiver, row.role_name, row.org_name)

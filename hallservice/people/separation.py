"""Duties kept apart: who looks at the audit never writes, and two hands for functions that are apart."""

from collections.abc import Collection, Iterable

from sqlalchemy import Connection, bindparam, insert, select

from exchange.store.work import Work
from hallservice.people import rights
from hallservice.people import tables as t
from hallservice.people.clerk import Clerk
from hallservice.people.functions import AUDIT, functions, label, pairs
from hallservice.refusals import HallRefused
from ledger.prepared import run

_HAND = insert(t.hand)
_USED = select(t.hand.c.function).where(
    t.hand.c.about == bindparam("of"),
    t.hand.c.pair == bindparam("both"),
    t.hand.c.user == bindparam("who"),
)


def auditor_writes(held: Collection[str]) -> list[str]:
    """The functions that change something, held by somebody who also looks at the audit."""
    if AUDIT not in held:
        return []
    return [code for code, one in functions().items() if one.writes and code in held]


def expect_no_auditor_writes(work: Work, users: Iterable[str]) -> None:
    """HallRefused auditor_writes, naming the first person concerned; asked after every change of rights."""
    for user in users:
        wrong = auditor_writes(rights.ever(work.connection, user, work.now))
        if wrong:
            name = work.connection.execute(select(t.user.c.name).where(t.user.c.id == user)).scalar()
            said = f"{name}将同时持有审计查询和“{label(wrong[0])}”：审计人员不得持有任何会改动数据的功能"
            raise HallRefused("auditor_writes", said)


def together(held: Collection[str]) -> list[tuple[str, str]]:
    """Functions held that may not be used on the same case: a warning at granting, checked at each act."""
    found = {pair for code in held for pair in pairs().get(code, ())}
    both = (tuple(pair.split("|")) for pair in sorted(found))
    return [(a, b) for a, b in both if a in held and b in held]


def expect_other_person(connection: Connection, clerk: Clerk, function: str, about: str) -> None:
    """HallRefused same_person where this person has used the other function of a pair on the case or item."""
    for pair in pairs().get(function, ()):
        _expect_other_person(connection, clerk.user, function, about, pair)


def _expect_other_person(connection: Connection, user: str, function: str, about: str, pair: str) -> bool:
    """Whether this person has used this very function before."""
    before = run(connection, _USED, {"of": about, "both": pair, "who": user}).scalar()
    if before is not None and before != function:
        said = f"您已在此件上办理过“{label(before)}”，“{label(function)}”须由他人办理"
        raise HallRefused("same_person", said, about)
    return before is not None


def note_hand(work: Work, clerk: Clerk, function: str, about: str) -> None:
    """This person uses the function on the case or item: HallRefused same_person, else remembered."""
    note_hand_of(work, clerk.user, function, about)


def note_hand_of(work: Work, user: str, function: str, about: str) -> None:
    """The same of somebody whose part was done before there was the case or item."""
    for pair in pairs().get(function, ()):
        if not _expect_other_person(work.connection, user, function, about, pair):
            key = {"about": about, "pair": pair, "user": user}
            run(work.connection, _HAND, key | {"function": function, "at": work.now})

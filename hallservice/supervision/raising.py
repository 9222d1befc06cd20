"""Raising what is owed: a line in the ledger, a row that is never deleted, and who has to be told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, insert, select, update

from canonical.signals import ClockName, Signal
from exchange import acts
from exchange.hub import Hub
from exchange.records import add_finding, pseudonym
from exchange.store.tables import case_record
from exchange.store.work import Work
from hallservice.ids import new_id
from hallservice.supervision import roster
from hallservice.supervision.limits import Told
from hallservice.supervision.roster import UNDERTAKER, Place
from hallservice.supervision.tables import call, card
from hallservice.supervision.words import COLOUR_OF, FINDING, clock_name
from ledger.prepared import run

_NEW, _CALL = insert(card), insert(call)
_CASE = select(case_record).where(case_record.c.case_no == bindparam("of"))
_BREACH: Mapping[ClockName, str] = {
    ClockName.PROMISED: "promise_breach",
    ClockName.STEP: "step_overdue",
    ClockName.SPECIAL_PROCEDURE: "special_lapsed",
    ClockName.SUPPLEMENT_NOTICE: "supplement_notice_late",
}
OPEN = ("waiting", "sent", "failed")  # states of a call that is not settled
_LATE = (Signal.YELLOW, Signal.BREACH)


@dataclass(frozen=True, slots=True)
class Raised:
    """A card as it was raised."""

    id: str
    clock: str
    told: Told
    colour: str


def case_row(work: Work, case_no: str) -> dict[str, Any]:
    """The case's record; it exists: clocks are made from it."""
    row: dict[str, Any] = run(work.connection, _CASE, {"of": case_no}).first()._asdict()
    return row


def raised(hub: Hub, work: Work, case: Mapping[str, Any], told: Mapping[str, Sequence[Told]]) -> list[Raised]:
    """Everything owed of one case, by clock. Of a clock the newest is sent, and every red card; what a later
    one has overtaken is kept for the record."""
    if not any(told.values()):
        return []
    place, made = roster.place_of(work.connection, case), list[Raised]()
    red = any(one.signal is Signal.RED for signals in told.values() for one in signals)
    people = roster.receivers(work.connection, case, place, leaders=red)
    for clock, signals in told.items():
        if signals:
            _overtake(work, case["case_no"], clock)
        for number, one in enumerate(signals, 1):
            made.append(_raise(hub, work, case, place, clock, one))
            overtaken = number < len(signals) and one.signal is not Signal.RED
            _call(work, case, made[-1], people, overtaken=overtaken)
    return made


def _overtake(work: Work, case_no: str, clock: str) -> None:
    """Prompts that have not gone out, or not arrived, have no sense beside a newer one."""
    mine = select(card.c.id).where(
        card.c.case_no == case_no, card.c.clock == clock, card.c.colour.not_in(("red", FINDING))
    )
    waiting = call.c.card.in_(mine) & call.c.state.in_(OPEN)
    work.connection.execute(update(call).where(waiting).values(state="moot", next_at=None))


def _raise(hub: Hub, work: Work, case: Mapping[str, Any], place: Place, clock: str, told: Told) -> Raised:
    ident, colour = new_id(work.now), COLOUR_OF[told.signal] if told.card else FINDING
    key = {
        "case_no": case["case_no"],
        "clock": clock,
        "due": told.due.isoformat(),
        "signal": told.signal.value,
        "day": told.day.isoformat(),
    }
    mine = pseudonym(hub.pseudonym_key, case["case_no"])
    entry = acts.record_value(work, hub.name, "hall.card_raised", ident, "supervision", key, case=mine)
    about = {"region": case["region"], "org": case["org"], "org_path": place.path}
    item = {"item_code": case["item_code"], "item_name": case["application"]["item_name"]}
    row = {"id": ident, **key, "colour": colour, "raised_at": work.now, **about, **item, "entry": entry.seq}
    run(work.connection, _NEW, row)
    code = _BREACH.get(ClockName(clock.partition("/")[0]))
    if code is not None and told.signal in _LATE:
        said = f"{clock_name(clock)}于 {told.due} 届满，{told.day} 仍未办结"
        add_finding(work, case["case_no"], ("time", code, said), entry.seq)
    return Raised(ident, clock, told, colour)


def _call(
    work: Work, case: Mapping[str, Any], made: Raised, people: Mapping[str, list[str]], *, overtaken: bool
) -> None:
    """Red is told to the five roles, all else to the undertaker; a finding is only listed."""
    roles = people if made.colour == "red" else {UNDERTAKER: people[UNDERTAKER]}
    named = [(role, user) for role, users in roles.items() for user in users]
    missing = [role for role, users in roles.items() if not users]
    unnamed: list[tuple[str, str | None]] = [(role, None) for role in missing]
    rows = [_row(work, made, role, user, overtaken) for role, user in (*named, *unnamed)]
    run(work.connection, _CALL, rows)
    if missing and made.colour != FINDING:
        said = f"{clock_name(made.clock)}的通知无人接收：{'、'.join(missing)}"
        entry = select(card.c.entry).where(card.c.id == made.id)
        seq = work.connection.execute(entry).scalar_one()
        add_finding(work, case["case_no"], ("procedure", "card_receiver_missing", said), seq)


def _row(work: Work, made: Raised, role: str, user: str | None, overtaken: bool) -> dict[str, Any]:
    state = "missing" if user is None else _state(made, overtaken)
    at = work.now if state == "waiting" else None
    ident = {"id": new_id(work.now), "card": made.id, "role": role, "user": user}
    return {**ident, "state": state, "attempts": 0, "next_at": at}


def _state(made: Raised, overtaken: bool) -> str:
    if made.colour == FINDING:
        return "listed"
    return "moot" if overtaken else "waiting"

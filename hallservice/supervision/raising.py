"""Raising what is owed: a line in the ledger, a row that is never deleted, and who has to be told.

Many cases at once: what they have in common is asked for once, and the rows are written together.
"""

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
from hallservice.supervision.limits import Told
from hallservice.supervision.roster import UNDERTAKER, Case, Roster
from hallservice.supervision.tables import call, card
from hallservice.supervision.words import COLOUR_OF, FINDING, clock_name
from ledger.prepared import run

Owed = Mapping[str, Mapping[str, Sequence[Told]]]
"""Case -> clock -> what is owed of it, in order."""

_CARD, _CALL = insert(card), insert(call)
_MOOT = update(call).where(call.c.id == bindparam("of")).values(state="moot", next_at=None)
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
    """A card as it was raised; `entry` is its line in the ledger."""

    id: str
    clock: str
    told: Told
    colour: str
    entry: int


def raised(hub: Hub, work: Work, owed: Owed) -> list[Raised]:
    """Everything owed of these cases. Of a clock the newest is sent, and every red card; what a later one has
    overtaken is kept for the record."""
    wanted = {case_no: clocks for case_no, clocks in owed.items() if any(clocks.values())}
    if not wanted:
        return []
    cases = _cases(work, list(wanted))
    batch = _Batch(hub, work, Roster(work.connection, list(cases.values())))
    batch.overtake({(case_no, name) for case_no, of in wanted.items() for name, told in of.items() if told})
    made = [one for case_no, clocks in wanted.items() for one in batch.of_case(cases[case_no], clocks)]
    batch.write()
    return made


def _cases(work: Work, numbers: Sequence[str]) -> dict[str, Case]:
    c = case_record.c
    query = select(c.case_no, c.region, c.org, c.item_code, c.application, c.acceptance)
    rows = work.connection.execute(query.where(c.case_no.in_(numbers)))
    return {row.case_no: Case(**row._asdict()) for row in rows}


class _Batch:
    """Cards of many cases on their way into the tables."""

    def __init__(self, hub: Hub, work: Work, roster: Roster) -> None:
        self._hub, self._work, self._roster = hub, work, roster
        self._cards: list[dict[str, Any]] = []
        self._calls: list[dict[str, Any]] = []

    def overtake(self, clocks: set[tuple[str, str]]) -> None:
        """Prompts that have not gone out, or not arrived, have no sense beside a newer one."""
        query = (
            select(call.c.id, card.c.case_no, card.c.clock)
            .join(card, card.c.id == call.c.card)
            .where(card.c.case_no.in_({case_no for case_no, _ in clocks}))
            .where(call.c.state.in_(OPEN), card.c.colour.not_in(("red", FINDING)))
        )
        rows = [row for row in self._work.connection.execute(query) if (row.case_no, row.clock) in clocks]
        if rows:
            run(self._work.connection, _MOOT, [{"of": row.id} for row in rows])

    def of_case(self, case: Case, owed: Mapping[str, Sequence[Told]]) -> list[Raised]:
        """The cards of one case, by clock."""
        made = []
        for name, signals in owed.items():
            for number, told in enumerate(signals, 1):
                made.append(self._raise(case, name, told))
                red = told.signal is Signal.RED
                self._tell(case, made[-1], overtaken=number < len(signals) and not red)
        return made

    def write(self) -> None:
        """All rows together."""
        run(self._work.connection, _CARD, self._cards)
        run(self._work.connection, _CALL, self._calls)

    def _raise(self, case: Case, name: str, told: Told) -> Raised:
        work, ident = self._work, new_id(self._work.now)
        colour = COLOUR_OF[told.signal] if told.card else FINDING
        key = {
            "case_no": case.case_no,
            "clock": name,
            "due": told.due.isoformat(),
            "signal": told.signal.value,
            "day": told.day.isoformat(),
        }
        mine = pseudonym(self._hub.pseudonym_key, case.case_no)
        line = acts.record_value(
            work, self._hub.name, "hall.card_raised", ident, "supervision", key, case=mine
        )
        where = {"region": case.region, "org": case.org, "org_path": self._roster.place(case).path}
        item = {"item_code": case.item_code, "item_name": case.application["item_name"], "entry": line.seq}
        self._cards.append({"id": ident, **key, "colour": colour, "raised_at": work.now, **where, **item})
        if (code := _BREACH.get(ClockName(name.partition("/")[0]))) and told.signal in _LATE:
            said = f"{clock_name(name)}于 {told.due} 届满，{told.day} 仍未办结"
            add_finding(work, case.case_no, ("time", code, said), line.seq)
        return Raised(ident, name, told, colour, line.seq)

    def _tell(self, case: Case, made: Raised, *, overtaken: bool) -> None:
        """Red is told to the five roles, other cards to the undertaker and the section's chief; a finding is
        only listed, for the undertaker."""
        roles = {UNDERTAKER: self._roster.undertakers(case)}
        if made.colour != FINDING:
            red = made.colour == "red"
            roles = self._roster.receivers(case) if red else self._roster.prompted(case)
        missing = [role for role, users in roles.items() if not users]
        named = [(role, user) for role, users in roles.items() for user in users]
        self._calls += [self._call(made, role, user, overtaken) for role, user in named]
        self._calls += [self._call(made, role, None, overtaken) for role in missing]
        if missing and made.colour != FINDING:
            said = f"{clock_name(made.clock)}的通知无人接收：{'、'.join(missing)}"
            add_finding(self._work, case.case_no, ("procedure", "card_receiver_missing", said), made.entry)

    def _call(self, made: Raised, role: str, user: str | None, overtaken: bool) -> dict[str, Any]:
        now = self._work.now
        state = "missing" if user is None else _state(made, overtaken)
        ident = {"id": new_id(now), "card": made.id, "role": role, "user": user}
        return {**ident, "state": state, "attempts": 0, "next_at": now if state == "waiting" else None}


def _state(made: Raised, overtaken: bool) -> str:
    if made.colour == FINDING:
        return "listed"
    return "moot" if overtaken else "waiting"

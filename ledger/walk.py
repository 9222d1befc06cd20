"""What the leaves must say of each other: numbers, channels, cases, states, time; one pass in order."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ledger import erasure
from ledger.errors import LedgerError
from ledger.leaf import parse
from ledger.report import Finding


class Seen(NamedTuple):
    """The last entry of a channel or case: its running number, place, state, and the holes before it."""

    n: int
    seq: int
    holes: int
    state: str | None = None


_NONE = Seen(0, -1, 0)


@dataclass(slots=True)
class Walk:
    """Checks leaf after leaf; unreadable entries (`holes`) excuse the numbers they may have had."""

    origin: str
    findings: list[Finding]
    channels: dict[tuple[str, str], Seen] = field(default_factory=dict)
    cases: dict[str, Seen] = field(default_factory=dict)
    erasures: erasure.Erasures = field(default_factory=erasure.Erasures)
    holes: int = 0
    ts: int = 0

    def leaf(self, seq: int, data: bytes) -> dict[str, Any] | None:
        """Check the leaf at position `seq`; its fields, or None if it cannot be read."""
        try:
            fields = parse(data)
        except LedgerError as error:
            self._say(error.code, seq, error.message)
            self.holes += 1
            return None
        self._place(seq, fields)
        self._channel(seq, fields)
        if "case" in fields:
            self._case(seq, fields)
        if fields["kind"] == erasure.KIND and not self.erasures.add(seq, fields.get("note", {})):
            self._say("erasure", seq, "the erasure does not name earlier entries")
        return fields

    def _say(self, rule: str, seq: int, message: str) -> None:
        self.findings.append(Finding(rule, seq, message))

    def _place(self, seq: int, fields: dict[str, Any]) -> None:
        if fields["seq"] != seq:
            self._say("seq", seq, f"the entry at this position calls itself entry {fields['seq']}")
        if fields["log"] != self.origin:
            self._say("log_name", seq, f"the entry belongs to the log {fields['log']}")
        if fields["ts"] < self.ts:
            self._say("time", seq, f"its time {fields['ts']} lies before {self.ts} of an earlier entry")
        self.ts = max(self.ts, fields["ts"])

    def _excused(self, last: Seen, number: int) -> bool:
        """Whether unreadable entries since `last` can hold the numbers that are skipped."""
        return 0 <= number - last.n - 1 <= self.holes - last.holes

    def _channel(self, seq: int, fields: dict[str, Any]) -> None:
        key = (fields["from"], fields["to"])
        last = self.channels.get(key, _NONE)
        if not self._excused(last, fields["chan_n"]):
            self._say("channel", seq, f"in {key[0]} to {key[1]} number {fields['chan_n']} follows {last.n}")
        self.channels[key] = Seen(fields["chan_n"], seq, self.holes)

    def _case(self, seq: int, fields: dict[str, Any]) -> None:
        case, number, state = fields["case"], fields["case_n"], fields.get("state", {})
        last = self.cases.get(case, _NONE)
        if not self._excused(last, number):
            self._say("case", seq, f"in case {case} number {number} follows {last.n}")
        skipped = number != last.n + 1
        if not self._previous_fits(last, fields.get("case_prev", -1), skipped):
            self._say("case_prev", seq, f"case {case}: the previous entry is {last.seq}, not the one named")
        if not skipped and None not in (last.state, state.get("from")) and last.state != state["from"]:
            self._say("state", seq, f"case {case} goes from {state['from']}, but was left in {last.state}")
        known = None if skipped else last.state
        self.cases[case] = Seen(number, seq, self.holes, state.get("to", known))

    @staticmethod
    def _previous_fits(last: Seen, named: int, skipped: bool) -> bool:
        return named > last.seq if skipped else named == last.seq

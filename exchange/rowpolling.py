"""One round over a polled table: every row goes the one path, then gets its mark; the mark is the answer."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import structlog

from exchange import rowversions
from exchange.envelope import Envelope, Sealed
from exchange.errors import HubError, Refused
from exchange.hub import Hub
from exchange.manifest import TableDoor
from exchange.pipeline import receive, refuse, turn_away
from exchange.polleddoor import PolledDoor, polled
from exchange.receipts import Receipt, moment
from exchange.transports.rowtext import Row
from exchange.transports.tables import FrontDatabase, Values

log = structlog.get_logger()

LONGEST_REASON = 500  # characters
MOST_OFFERS = 100  # times a row whose case is not known is looked at anew under one version
UNKNOWN = "unknown_case"
SHOWN = 200  # characters of a row's name in a record
SEAL_MEMBERS = frozenset({"", "kid", "iat", "nonce", "table", "row", "sender"})


@dataclass
class RowRound:
    """One table of one party; `run` reads a lot, answers it and says whether more waits."""

    hub: Hub
    door: PolledDoor
    table: TableDoor  # the entry's own section
    front: FrontDatabase
    _unmarked: dict[tuple[str, str | None], Receipt] = field(default_factory=dict)  # answered, not marked yet

    def run(self) -> bool:
        """TryLater when database or store is away; what was answered until then is marked."""
        lot = self.front.waiting(self.table)
        names = {row.name: rowversions.stream_of(row.table, str(row.key)) for row in lot.rows}
        with self.hub.store.read() as connection:
            versions = rowversions.known(connection, self.door.party, names.values())
        answered: list[tuple[Row, Receipt]] = []
        try:
            for row in lot.rows:
                answered.append((row, self._answered(row, versions.get(names[row.name], 0))))
        finally:
            marked = self._settle(answered, names)
        return lot.more and marked > 0

    def close(self) -> None:
        """The database is let go."""
        self.front.close()

    def _answered(self, row: Row, newest: int) -> Receipt:
        if known := self._unmarked.get((row.name, row.seal)):
            return known
        try:
            return self._received(row, newest)
        except HubError:
            raise
        except (
            Exception
        ) as fault:  # a defect met by one row must not stop the others, nor come again for ever
            log.exception("row_defect", party=self.door.party, table=row.table)
            refusal = Refused("defect", type(fault).__name__, self.front.terms.key)
            return turn_away(self.hub, self._envelope(row, 1), None, refusal)

    def _received(self, row: Row, newest: int) -> Receipt:
        if row.fault is None and row.version < newest and (sealed := self._genuine(row)):
            return self._too_old(row, sealed)
        receipt = self._offered(row, 1)
        for offer in range(2, MOST_OFFERS):
            if not (receipt.again and receipt.code == UNKNOWN):
                break
            receipt = self._offered(row, offer)
        return receipt

    def _offered(self, row: Row, offer: int) -> Receipt:
        """By the contract a row whose case was not known may be offered again as it is: each time under an
        identity of its own, because an identity keeps its first answer."""
        return receive(
            self.hub,
            self._envelope(row, offer),
            lambda e: self._opened(row, e),
            lambda s, e: self.door.read(self.hub, s, e),
        )

    def _opened(self, row: Row, envelope: Envelope) -> Sealed:
        if row.fault is not None:
            raise row.fault
        return self.door.open(self.hub, envelope)

    def _genuine(self, row: Row) -> Sealed | None:
        try:
            return self.door.open(self.hub, self._envelope(row, 1))
        except Refused:
            return None

    def _too_old(self, row: Row, sealed: Sealed) -> Receipt:
        """A row put back to what it was before: recorded anew, whatever the same bytes were told once."""
        refusal = Refused("replay", "a later version was read", self.front.terms.version)
        envelope = self._envelope(row, 1)
        return self.hub.store.write(
            lambda work: refuse(self.hub, work, envelope, sealed, refusal, None, known=True)
        )

    def _envelope(self, row: Row, offer: int) -> Envelope:
        ident = f"{row.table}-{row.key}-{row.version}" + (f".{offer}" if offer > 1 else "")
        bound = {"table": row.table, "row": row.name[:SHOWN]}
        properties = {"message_id": ident[:SHOWN], "written": row.written or ""}
        body = row.text or f"{row.table} {row.name}"[:SHOWN].encode(errors="replace")
        return polled("table", body, row.seal, bound, properties, self.hub.store.clock())

    def _settle(self, answered: list[tuple[Row, Receipt]], names: Mapping[str, str]) -> int:
        """First how far was read, then the marks: a row that is offered again meanwhile gets its first
        answer."""
        read = {names[row.name]: row.version for row, receipt in answered if receipt.body}
        if read:
            self.hub.store.write(lambda work: rowversions.advance(work, self.door.party, read))
        self._unmarked = {(row.name, row.seal): receipt for row, receipt in answered}
        return sum([self._marked(row, receipt) for row, receipt in answered])

    def _marked(self, row: Row, receipt: Receipt) -> bool:
        done = self.front.mark(self.table, row, self._mark(receipt))
        self._unmarked.pop((row.name, row.seal), None)
        if not done:
            log.info("row_changed_meanwhile", party=self.door.party, table=row.table)
        return done

    def _mark(self, receipt: Receipt) -> Values:
        door = self.table
        said: Mapping[str, str | int] = door.ok
        if receipt.status == "refused":
            said = door.unknown_case if receipt.code == UNKNOWN and door.unknown_case else door.refused
        now = moment(self.hub.store.clock())
        values: dict[str, str | int | None] = {
            name: value.format_map({"now": now}) if isinstance(value, str) else value
            for name, value in said.items()
        }
        if door.reason:
            values[door.reason] = self._reason(receipt) if receipt.status == "refused" else None
        return values

    def _reason(self, receipt: Receipt) -> str:
        """`column: code and why`, in the partner's own column names."""
        facts = json.loads(receipt.body) if receipt.body else receipt.facts
        error = (facts.get("errors") or [{}])[0]
        detail = "" if receipt.code in ("conflict", "replay") else f" {error.get('detail', '')}"
        text = f"{self._column(str(error.get('path', '')))}: {error.get('code', receipt.code)}{detail}"
        return "".join(sign if sign.isprintable() else "?" for sign in text)[:LONGEST_REASON]

    def _column(self, path: str) -> str:
        terms = self.front.terms
        own = {"message_id": terms.key, "(message_id)": terms.key}
        layout = self.front.script.layouts[self.table.table.lower()]
        first = path.strip("/").partition("/")[0].partition("[")[0]
        if first in {one.name for one in layout.columns} or path in own:
            return own.get(path, path.strip("/"))
        mapping = self.door.adapter.mapping(self.door.entry.documents[0])
        found = mapping.places.find(tuple(path.split("/")), "", {}) if path else "/"
        return found.strip("/") or (terms.sign if path in SEAL_MEMBERS else terms.key)

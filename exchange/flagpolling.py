"""One round over the flags of our own rows in a partner's database: what it could not take becomes a finding,
what it did not know yet is offered again once it knows the case."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

import structlog
from sqlalchemy import select

from exchange import rowversions
from exchange.hub import Hub
from exchange.manifest import WrittenRows
from exchange.records import Record, keep
from exchange.store.tables import case_record, document
from exchange.store.work import Work
from exchange.transports.tables import FLAGGED, Flagged, FrontDatabase

log = structlog.get_logger()

TYPE = "exchange.receipted.v1"
LONGEST_REASON = 500  # characters
AGAIN = 3600.0  # seconds before a row is offered again that was not known although its case is


@dataclass
class FlagRound:
    """The tables the hub writes, of one party."""

    hub: Hub
    party: str
    rules: WrittenRows
    front: FrontDatabase
    _offered: dict[tuple[str, str], float] = field(default_factory=dict)  # when, by table and row

    def run(self) -> bool:
        """Everything flagged is seen to; TryLater when database or store is away."""
        rows = [row for table in self.rules.tables for row in self._of(table)]
        refused = [row for row in rows if not self._settled(row)]
        if refused:
            self.hub.store.write(lambda work: self._note(work, refused))
        return False

    def close(self) -> None:
        """The database is let go."""
        self.front.close()

    def _of(self, table: str) -> Iterator[Flagged]:
        lot = self.front.flagged(self.rules, table, "")
        while lot:
            yield from lot
            lot = self.front.flagged(self.rules, table, lot[-1].key) if len(lot) == FLAGGED else []

    def _settled(self, row: Flagged) -> bool:
        """Whether it is offered again, or was a while ago: nobody has to act."""
        if row.flag != self.rules.unknown_case:
            return False
        name, now = (row.table, row.name), self.hub.store.clock()
        if now - self._offered.get(name, now - AGAIN) < AGAIN:
            return False
        if self.front.offer_again(self.rules, row):
            self._offered[name] = now
            log.info("row_offered_again", party=self.party, table=row.table)
            return True
        return False

    def _note(self, work: Work, rows: list[Flagged]) -> None:
        """Once for each version of a row."""
        streams = {row: rowversions.stream_of(f"flag {row.table} {row.flag}", row.key) for row in rows}
        known = rowversions.known(work.connection, self.party, streams.values())
        new = [row for row in rows if known.get(streams[row], 0) < row.version]
        for row in new:
            self._noted(work, row)
        if new:
            rowversions.advance(work, self.party, {streams[row]: row.version for row in new})

    def _noted(self, work: Work, row: Flagged) -> None:
        """The flag is a receipt: a line in the ledger, the end of its delivery, a finding about the case."""
        case_no, refused = self._case(work, row), row.flag == self.rules.refused
        code = "receipt_refused" if refused else "receipt_unknown_case"
        reason = "".join(sign if sign.isprintable() else "?" for sign in str(row.reason or ""))
        detail = f"{self.party} {row.table} {row.name} {row.flag}: {reason[:LONGEST_REASON]}"
        sent = self._sent(work, row, case_no)
        keep(self.hub, work, self._record(row, sent or row.key, case_no, ("procedure", code, detail)))
        found = self.hub.outbox.sent(work, self.party, sent) if sent else None
        if found is not None:
            self.hub.outbox.receipted(work, found, str(row.flag), "refused" if refused else "ok")

    def _record(self, row: Flagged, ident: str, case_no: str | None, found: tuple[str, str, str]) -> Record:
        said = {"table": row.table, "row": row.name, self.rules.flag: row.flag, self.rules.reason: row.reason}
        body, hub = json.dumps(said, ensure_ascii=False).encode(errors="replace"), self.hub.name
        kind, media = "exchange.received", "application/json"
        return Record(
            kind, ident[:64], self.party, hub, self.party, "in", "table", TYPE, body,
            case_no=case_no, media_type=media, findings=(found,),
        )  # fmt: skip

    def _case(self, work: Work, row: Flagged) -> str | None:
        """The case the row names, if it is one."""
        query = select(case_record.c.case_no).where(case_record.c.case_no == str(row.case))
        found = work.connection.execute(query).scalar()
        return str(found) if found is not None else None

    def _sent(self, work: Work, row: Flagged, case_no: str | None) -> str | None:
        """The delivery that wrote this version."""
        mine = (document.c.party == self.party) & (document.c.direction == "out")
        query = select(document.c.message_id, document.c.bound).where(mine, document.c.case_no == case_no)
        wanted = {"table": row.table, "row": row.name}
        for message_id, bound in work.connection.execute(query):
            if wanted in ((bound or {}).get("rows") or [bound]):
                return str(message_id)
        return None

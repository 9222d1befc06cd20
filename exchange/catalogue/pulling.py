"""Pulling the provincial catalogue: page after page since the version known, each page one message on the
one path; an interrupted list is taken up where it was left."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar
from uuid import uuid4

import structlog

from canonical.messages import CatalogueAudited, CatalogueIncrement, Payload
from exchange import items
from exchange.catalogue import dictionaries, feed, loads, reports
from exchange.catalogue.loads import Load
from exchange.delivery import Channel, Sent, pull
from exchange.errors import HubError, Refused
from exchange.hub import Hub
from exchange.replies import record_pulled, take_pulled
from exchange.store.work import Work

log = structlog.get_logger()

Said = TypeVar("Said", bound=Payload)

SYSTEM, CALL = "SYS-01", "QueryIncrement"
EVERY = 60.0  # seconds between increments, where nothing else is said
SOONEST, DAY = 1.0, 86_400.0  # seconds, bounds of what may be said
MOST_PAGES = 5000  # a million items; a cursor that goes in circles ends here
MOST_REPAIRS = 20  # items asked for one by one after a list
MOST_STARTS = 3  # of one list that keeps moving while it is read
RETRY = 2.0  # seconds after a failure, twice as many after each further one up to EVERY
START_OVER = "91"  # the version is too old: read everything again


@dataclass
class Puller:
    """Follows the catalogue of every party of SYS-01."""

    hub: Hub
    channels: Callable[[str], Channel | None]
    failures: dict[str, int] = field(default_factory=dict)
    repaired: dict[str, int] = field(
        default_factory=dict
    )  # by party, the load whose broken rows were asked for
    compared: dict[str, float] = field(default_factory=dict)  # by party, when its code lists were (Unix)

    def run(self, stop: threading.Event) -> None:
        """Until `stop`."""
        pause = 0.1
        while not stop.wait(pause):
            adapters = self.hub.adapters_of(SYSTEM)
            parties = [party.name for party in self.hub.parties.all() if party.adapter in adapters]
            pause = min([EVERY, *(self._followed(party) for party in parties)]) if parties else RETRY
            self._guarded("feed", self._feed)

    def _followed(self, party: str) -> float:
        """Everything due with one party; seconds until it is looked at again."""
        good = all(
            [
                self._guarded(party, lambda: self.pull(party)),
                self._guarded(party, lambda: self.repair(party)),
                self._guarded(party, lambda: self.audit(party)),
                self._guarded(party, lambda: self.lists(party)),
            ]
        )
        self.failures[party] = 0 if good else self.failures.get(party, 0) + 1
        every = self._every(party)
        return every if good else min(every, RETRY * float(2 ** min(self.failures[party] - 1, 10)))

    def _every(self, party: str) -> float:
        """Seconds between increments: `every` of the party's account or the adapter's parameters."""
        found = self.hub.parties.named(party)
        adapter = self.hub.adapters.get(found.adapter) if found else None
        given = {**(adapter.parameters if adapter else {}), **(found.account if found else {})}.get("every")
        try:
            return min(max(float(given), SOONEST), DAY) if given is not None else EVERY
        except (TypeError, ValueError):
            return EVERY

    def _guarded(self, party: str, do: Callable[[], object]) -> bool:
        try:
            do()
        except HubError as fault:
            log.warning(
                "catalogue_pull_failed", party=party, code=fault.code, detail=fault.detail, where=fault.where
            )
            return False
        except Exception:  # the thread's boundary: without it the catalogue would be followed no more
            log.exception("catalogue_defect", party=party)
            return False
        return True

    def _feed(self) -> None:
        while feed.feed(self.hub):
            pass

    def pull(self, party: str) -> int:
        """One list, all its pages, again from the start when it moved meanwhile; how many pages. What waits
        for a person is not pulled over."""
        channel = self.channels(party)
        if channel is None:
            return 0
        reason = ""
        for _ in range(MOST_STARTS):
            with self.hub.store.read() as connection:
                load = loads.unfinished(connection, party)
                since = items.position(connection, party)
            if load is not None and load.state == "held":
                log.warning("catalogue_held", party=party, load=load.id, reason=load.reason)
                return 0
            pages, ended = self._list(channel, since, load)
            if ended is None or ended.state != "failed":
                return pages
            reason = str(ended.reason)
        code, _, detail = reason.partition(": ")
        raise Refused(code, detail)

    def audit(self, party: str) -> int:
        """Ask for the audits of reported batches that are due; how many were asked for."""
        channel = self.channels(party)
        if channel is None:
            return 0
        with self.hub.store.read() as connection:
            due = reports.due(connection, party, self.hub.store.clock())
        for batch in due:
            sent = pull(channel, reports.AUDIT, {"said_batch_id": batch})
            self._taken(channel, sent, CatalogueAudited)
        return len(due)

    def lists(self, party: str) -> int:
        """Once a day hold the province's code lists against ours; how many were."""
        channel, now = self.channels(party), self.hub.store.clock()
        if channel is None or now - self.compared.get(party, 0.0) < DAY:
            return 0
        lists = dictionaries.compared_lists(channel.adapter)
        for column, ours in lists.items():
            self._compare(channel, column, ours)
        self.compared[party] = now
        return len(lists)

    def _compare(self, channel: Channel, column: str, ours: str) -> None:
        sent = pull(channel, dictionaries.CALL, {"list_id": column})
        found = (
            dictionaries.differences(ours, dictionaries.entries(sent.tree)) if sent.verdict == "ok" else []
        )
        party = channel.party.name

        def then(work: Work, entry: int) -> None:
            dictionaries.note(work, party, column, found, entry)

        record_pulled(self.hub, party, sent, str(uuid4()), "catalogue.codes.v1", then)

    def repair(self, party: str) -> int:
        """Ask once for each item whose row of the last list could not be read; how many were asked for."""
        with self.hub.store.read() as connection:
            load = loads.latest(connection, party)
            if load is None or load.state != "applied" or self.repaired.get(party, 0) >= load.id:
                return 0
            codes = loads.broken_codes(connection, load.id, MOST_REPAIRS)
        for code in codes:
            self.item(party, code)
        with self.hub.store.read() as connection:  # what the repairs left broken is not asked for again
            self.repaired[party] = getattr(loads.latest(connection, party), "id", load.id)
        return len(codes)

    def item(self, party: str, code: str, version: int | None = None) -> None:
        """Ask for one item anew (a row of the list could not be read) and let it come into force."""
        channel = self.channels(party)
        if channel is None:
            raise Refused("unknown_party", "this party is not registered", party)
        with self.hub.store.read() as connection:
            if loads.unfinished(connection, party) is not None:
                raise Refused("load_open", "a list is being collected or waits for a person", party)
            since = items.position(connection, party)
        if since == 0:
            raise Refused("no_list", "no list has come into force yet", party)
        facts = {"code": code, "item_version": version or "", "since": since, "to_version": since, "total": 1}
        self._taken(channel, pull(channel, "GetItem", facts), CatalogueIncrement)

    def _list(self, channel: Channel, since: int, load: Load | None) -> tuple[int, Load | None]:
        """One list to its end, from the page where an interrupted one stopped."""
        since, cursor = (load.since, load.cursor or "") if load is not None else (since, "")
        pages = 0
        while pages == 0 or cursor:
            page = self._page(channel, since, cursor, resumed=load is not None and pages == 0)
            pages, cursor = pages + 1, page.next_cursor or ""
            if pages >= MOST_PAGES:
                self._give_up(channel.party.name, "the list does not end")
                raise Refused("endless_catalogue", f"the list does not end after {pages} pages")
            if (ended := self._ended(channel.party.name)) is not None and ended.state == "failed":
                break
        return pages, self._ended(channel.party.name)

    def _ended(self, party: str) -> Load | None:
        """The newest load when it is not being collected any more."""
        with self.hub.store.read() as connection:
            load = loads.latest(connection, party)
        return None if load is None or load.state == "loading" else load

    def _page(self, channel: Channel, since: int, cursor: str, *, resumed: bool) -> CatalogueIncrement:
        sent = pull(channel, CALL, {"cursor": cursor, "since": since})
        if sent.code == START_OVER:
            self._start_over(channel.party.name)
        elif sent.verdict != "ok" and resumed:
            self._give_up(channel.party.name, f"the page asked for next was refused: {sent.code}")
        return self._taken(channel, sent, CatalogueIncrement)

    def _taken(self, channel: Channel, sent: Sent, kind: type[Said]) -> Said:
        """Recorded and applied; Refused for an answer that is no such message."""
        ident = str(uuid4())
        payload = sent.reply[1] if sent.reply is not None else None
        if sent.reply is None or not isinstance(payload, kind):
            record_pulled(self.hub, channel.party.name, sent, ident, kind.TYPE)
            code = "version_gap" if sent.code == START_OVER else "refused"
            raise Refused(code, f"{channel.party.name} answered {sent.code}: {sent.detail or ''}")
        take_pulled(self.hub, channel.party.name, sent, sent.reply, ident)
        return payload

    def _start_over(self, party: str) -> None:
        self._give_up(party, "the province asks to read everything again")
        self.hub.store.write(lambda work: items.move(work, party, 0))

    def _give_up(self, party: str, reason: str) -> None:
        def act(work: Work) -> None:
            load = loads.unfinished(work.connection, party)
            if load is not None and load.state == "loading":
                loads.give_up(work, load, "failed", reason)

        self.hub.store.write(act)

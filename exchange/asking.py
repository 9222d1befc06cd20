"""Calls made again and again (a directory, ratings, audits): each answer is one message on the one path; what
comes next begins where the last one ended."""

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import uuid4

import structlog

from exchange import items
from exchange.delivery import Channel, Sent, pull
from exchange.errors import HubError, Refused
from exchange.hub import Hub
from exchange.manifest import Poll
from exchange.mapping.run import value_at
from exchange.replies import record_pulled, take_pulled

log = structlog.get_logger()

LOOK = 0.5  # seconds between looks at what is due
RETRY = 5.0  # seconds after a failure, doubled up to the poll's own interval
MOST_PAGES = 5000
NUMBER = re.compile("[0-9]{1,18}")  # what the store can hold


@dataclass
class Asker:
    """Every poll of every party; one thread."""

    hub: Hub
    channels: Callable[[str], Channel | None]
    clock: Callable[[], float] = time.monotonic
    _due: dict[tuple[str, str], float] = field(default_factory=dict)
    _pause: dict[tuple[str, str], float] = field(default_factory=dict)
    _told: dict[tuple[str, str], str] = field(default_factory=dict)  # the refusal recorded last

    def run(self, stop: threading.Event) -> None:
        """Until `stop`."""
        while not stop.wait(LOOK):
            self.round()

    def round(self) -> int:
        """Everything that is due; how many calls were begun."""
        begun = 0
        for party in self.hub.parties.all():
            adapter = self.hub.adapters.get(party.adapter)
            for poll in adapter.polls if adapter else ():
                key = (party.name, poll.call)
                if self.clock() >= self._due.get(key, 0.0):
                    begun += 1
                    self._due[key] = self.clock() + self._asked(party.name, poll)
        return begun

    def _asked(self, party: str, poll: Poll) -> float:
        """Seconds until the next round."""
        key = (party, poll.call)
        try:
            self.ask(party, poll)
        except HubError as fault:
            log.warning("poll_failed", party=party, call=poll.call, code=fault.code, detail=fault.detail)
            return self._failed(key, poll)
        except Exception:  # a defect met by one poll must not end the others
            log.exception("poll_defect", party=party, call=poll.call)
            return self._failed(key, poll)
        self._pause.pop(key, None)
        self._told.pop(key, None)
        return poll.every

    def _failed(self, key: tuple[str, str], poll: Poll) -> float:
        self._pause[key] = min(2 * self._pause.get(key, RETRY / 2), max(poll.every, RETRY))
        return self._pause[key]

    def ask(self, party: str, poll: Poll) -> int:
        """One round, all its pages; how many."""
        channel = self.channels(party)
        if channel is None:
            return 0
        with self.hub.store.read() as connection:
            since = items.position(connection, party, poll.call)
        sent = self._page(channel, poll, "", since)
        seen: set[str] = set()
        while poll.cursor and (cursor := value_at(sent.tree, poll.cursor) or ""):
            if cursor in seen or len(seen) + 1 >= MOST_PAGES:
                raise Refused("endless_list", f"the list does not end after {len(seen) + 1} pages", poll.call)
            seen.add(cursor)
            sent = self._page(channel, poll, cursor, since)
        self._move(party, poll, sent)
        return len(seen) + 1

    def _page(self, channel: Channel, poll: Poll, cursor: str, since: int) -> Sent:
        sent = pull(channel, poll.call, {"cursor": cursor, "since": since})
        if sent.verdict != "ok":
            self._record(channel.party.name, poll, sent)
            if sent.code in poll.start_over and since:
                self.hub.store.write(lambda work: items.move(work, channel.party.name, 0, poll.call))
            raise Refused("refused", f"the partner answered {sent.code}: {sent.detail or ''}", poll.call)
        if sent.reply is not None:
            take_pulled(self.hub, channel.party.name, sent, sent.reply, str(uuid4()))
        return sent

    def _record(self, party: str, poll: Poll, sent: Sent) -> None:
        """A refusal is a line in the ledger and a finding; the same one again is not."""
        key = (party, poll.call)
        if self._told.get(key) != sent.code:
            record_pulled(self.hub, party, sent, str(uuid4()), poll.call)
            self._told[key] = sent.code

    def _move(self, party: str, poll: Poll, sent: Sent) -> None:
        """The next round begins from the position the last page named."""
        found = value_at(sent.tree, poll.position) if poll.position else None
        if found is not None and NUMBER.fullmatch(found):
            to = int(found)
            self.hub.store.write(lambda work: items.move(work, party, to, poll.call))

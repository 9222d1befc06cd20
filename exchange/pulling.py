"""Pulling the provincial catalogue: page after page since the version known, each page one message on the
one path."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from uuid import uuid4

import structlog

from canonical.messages import CatalogueIncrement
from exchange import items
from exchange.delivery import Channel, pull
from exchange.dispatch import take_pulled
from exchange.errors import HubError, Refused
from exchange.hub import Hub

log = structlog.get_logger()

SYSTEM, CALL = "SYS-01", "QueryIncrement"
EVERY = 60.0  # seconds between increments
MOST_PAGES = 5000  # a million items; a cursor that goes in circles ends here
RETRY = 2.0  # seconds after a failure
START_OVER = "91"  # the version is too old: read everything again


@dataclass
class Puller:
    """Follows the catalogue of every party of SYS-01."""

    hub: Hub
    channels: Callable[[str], Channel | None]

    def run(self, stop: threading.Event) -> None:
        """Until `stop`."""
        pause = 0.1
        while not stop.wait(pause):
            pause = EVERY
            for party in self.hub.parties.all():
                adapter = self.hub.adapters.get(party.adapter)
                if adapter is not None and adapter.system == SYSTEM and not self._pulled(party.name):
                    pause = RETRY
            if not any(self.hub.parties.of_adapter(name) for name in self.hub.adapters_of(SYSTEM)):
                pause = RETRY

    def _pulled(self, party: str) -> bool:
        try:
            self.pull(party)
        except HubError as fault:
            log.warning(
                "catalogue_pull_failed", party=party, code=fault.code, detail=fault.detail, where=fault.where
            )
            return False
        return True

    def pull(self, party: str) -> int:
        """One increment, all its pages; how many pages."""
        channel = self.channels(party)
        if channel is None:
            return 0
        with self.hub.store.read() as connection:
            since = items.position(connection, party)
        cursor, pages = "", 0
        while pages == 0 or cursor:
            page = self._page(channel, since, cursor)
            pages, cursor = pages + 1, page.next_cursor or ""
            if pages >= MOST_PAGES:
                raise Refused("endless_catalogue", f"the list does not end after {pages} pages")
        return pages

    def _page(self, channel: Channel, since: int, cursor: str) -> CatalogueIncrement:
        sent = pull(channel, CALL, {"cursor": cursor, "since": since})
        if sent.code == START_OVER:
            self.hub.store.write(lambda work: items.move(work, channel.party.name, 0))
            raise Refused("version_gap", "the province asks to read everything again")
        payload = sent.reply[1] if sent.reply else None
        if not isinstance(payload, CatalogueIncrement):
            raise Refused("refused", f"the catalogue answered {sent.code}: {sent.detail or ''}")
        if since == 0 and not cursor and not payload.changed:
            raise Refused("empty_catalogue", "a full load of no items is an error")
        take_pulled(self.hub, channel.party.name, sent, str(uuid4()))
        return payload

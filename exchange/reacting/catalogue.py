"""The province's list coming in, and town and village items going up."""

from collections.abc import Iterator

from canonical.messages import (
    CatalogueAudited,
    CatalogueIncrement,
    CatalogueReportAnswered,
    CatalogueReported,
    Payload,
)
from exchange.catalogue import apply, reports
from exchange.errors import Refused
from exchange.reacting.occasion import Occasion


def keep_catalogue(occasion: Occasion) -> Iterator[Payload]:
    """A page of the province's list is collected; the last one ends the import."""
    payload, party = occasion.message.payload, occasion.message.sender
    if isinstance(payload, CatalogueIncrement):
        apply.take_page(occasion.hub, occasion.work, party, payload, occasion.broken, occasion.entry)
    yield from ()


def follow_report(occasion: Occasion) -> Iterator[Payload]:
    """Items reported upward are followed row by row, until the overnight audit has spoken."""
    work, party, payload = occasion.work, occasion.message.sender, occasion.message.payload
    if isinstance(payload, CatalogueReported):
        to = occasion.attached("SYS-01")
        if to is None:
            raise Refused("no_receiver", "no provincial catalogue is attached", "type")
        reports.reported(work, to.name, payload)
    elif isinstance(payload, CatalogueReportAnswered):
        reports.answered(work, party, payload, occasion.entry)
    elif isinstance(payload, CatalogueAudited):
        reports.audited(work, party, payload, occasion.entry)
    yield from ()

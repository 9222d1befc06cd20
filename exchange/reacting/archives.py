"""A delivered case is offered to the archives (S3-51)."""

from collections.abc import Iterator

from canonical.messages import Payload
from exchange import archiving
from exchange.reacting.occasion import Occasion


def file_the_case(occasion: Occasion) -> Iterator[Payload]:
    """Once, at delivery."""
    case = occasion.moved.case
    if case is not None and not occasion.moved.repeated and occasion.hub.adapters_of("SYS-06"):
        yield archiving.offer(occasion.hub, occasion.work, case)

"""A delivered case is offered to the archives (S3-51), again where the package could not be fetched."""

from collections.abc import Iterator

from canonical.messages import ArchiveResult, ArchiveSubmitted, Payload
from exchange.filing import offers
from exchange.reacting.occasion import Occasion

NOT_FETCHED = frozenset({"408", "410"})  # download not finished in time, package gone
MOST_OFFERS = 3


def file_the_case(occasion: Occasion) -> Iterator[Payload]:
    """Once, at delivery."""
    case = occasion.moved.case
    if case is not None and not occasion.moved.repeated and occasion.hub.adapters_of("SYS-06"):
        yield offers.offer(occasion.hub, occasion.work, case)


def look_at_result(occasion: Occasion) -> Iterator[Payload]:
    """What was not fetched is offered again; what failed a check is for a person."""
    payload, case = occasion.message.payload, occasion.moved.case
    if not isinstance(payload, ArchiveResult) or case is None or payload.code == "200":
        return
    offered = len(occasion.said_before(payload.case_no, ArchiveSubmitted.TYPE))
    if payload.code in NOT_FETCHED and offered < MOST_OFFERS:
        yield offers.offer(occasion.hub, occasion.work, case)
        return
    failed = [*payload.authenticity, *payload.integrity, *payload.usability, *payload.security]
    checks = "; ".join(f"{one.item} {one.message}" for one in failed) or payload.description or ""
    occasion.note("procedure", "archive_failed", f"{payload.code} {checks}")

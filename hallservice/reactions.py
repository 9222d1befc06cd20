"""What follows in the hall from a message, in the message's own commit: the rooms' tables as one."""

from collections.abc import Mapping

from exchange.reacting import fees
from exchange.reacting.occasion import Reaction
from exchange.reactions import Reactions
from hallservice.applicants import keeping as applicants
from hallservice.complaints import reactions as complaints
from hallservice.counter import pricing, turneddown
from hallservice.counter import reactions as counter
from hallservice.flows import starting as flows
from hallservice.supervision import reactions as supervision

# In this order: the lists know the case, its process starts, its clocks are looked at.
TABLES: tuple[Mapping[str, tuple[Reaction, ...]], ...] = (
    counter.REACTIONS,
    flows.REACTIONS,
    supervision.REACTIONS,
    complaints.REACTIONS,
    applicants.REACTIONS,
)


# What the hall knows better than the exchange by itself: the formulas of fees.
INSTEAD: Mapping[Reaction, Reaction] = {fees.check_fee: pricing.check_fee}


def with_hall(exchange: Reactions) -> Reactions:
    """The exchange's own table, the hall's behind it."""
    merged = {kind: tuple(INSTEAD.get(one, one) for one in known) for kind, known in exchange.table.items()}
    for table in TABLES:
        for kind, reactions in table.items():
            merged[kind] = (*merged.get(kind, ()), *reactions)
    return Reactions(merged, (*exchange.refused, turneddown.note))

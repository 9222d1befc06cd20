"""Ten thousand generated documents over every adapter: said, written, read and heard again as they were."""

import re

from exchange.adapterfolder import Adapter, load_adapters
from mocks.conformance.roundtrip import generated
from mocks.conformance.sample import samples

DOCUMENTS = 10_000
EACH = 120  # generated for a mapping; what the partner's form cannot say is refused before sending


def round_trips(adapter: Adapter, name: str) -> int:
    """How many documents of one mapping came back as they were; an unexplained difference fails."""
    mapping = adapter.mappings[name]
    found = list(samples(adapter, name, mapping))
    if mapping.model is None or mapping.direction == "hear" or not found:
        return 0
    verdict = generated(adapter, mapping, found, EACH, 2026)
    assert verdict.result != "failed", f"{adapter.name}/{name}: {verdict}"
    counted = re.match(r"\d+", verdict.received)
    return int(counted[0]) if counted else 0


def test_ten_thousand_documents_come_back_as_they_were() -> None:
    """What a mapping does not carry is named by it (loses, blurs, narrows); nothing else changes."""
    counts = {
        f"{adapter.name}/{name}": round_trips(adapter, name)
        for adapter in load_adapters().values()
        for name in adapter.mappings
    }
    assert sum(counts.values()) >= DOCUMENTS, sum(counts.values())

"""How many calls a partner takes in a second."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Pace:
    """At most so many calls in one second of the clock; 0 = no limit."""

    limit: int
    second: int = 0
    count: int = 0

    def too_fast(self, now: float) -> bool:
        """Counts one call."""
        self.second, self.count = int(now), (self.count + 1 if self.second == int(now) else 1)
        return 0 < self.limit < self.count

"""The other systems in which certificates of some types lie: slower, and sometimes away."""

from __future__ import annotations

from dataclasses import dataclass

from mocks.partners.certificate_words import AWAY, Refused
from mocks.partners.common.faults import Faults

FAULTS = frozenset({"delay_ms", "maintenance", "http500"})
OPERATION = "register"


@dataclass(frozen=True)
class Register:
    """What lies behind the library; `delay`: seconds it takes."""

    faults: Faults
    delay: float

    def ask(self) -> float:
        """Seconds until it has answered; Refused 310 if it is away."""
        if self.faults.take(OPERATION, "maintenance") or self.faults.take(OPERATION, "http500"):
            raise Refused(AWAY)
        fault = self.faults.take(OPERATION, "delay_ms")
        return self.delay + (fault.number(1000) / 1000 if fault else 0.0)

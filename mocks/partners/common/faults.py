"""Fault switches: what a partner can be told to do wrong, how often, when, and on which operation."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mocks.partners.common.clock import Clock
from mocks.partners.common.faultform import BadFault, Fault, read

__all__ = ["ANSWER_FAULTS", "PUSH_FAULTS", "BadFault", "Fault", "Faults", "Flaws"]

SEAL_FAULTS = frozenset({"sig_bad", "sig_expired", "clock_skew_s"})
BODY_FAULTS = frozenset({
    "truncate_800b", "null_text", "wrong_charset_label", "bom", "bad_date_pattern", "gbk_body",
    "schema_new_field",
})  # fmt: skip
ANSWER_FAULTS = SEAL_FAULTS | BODY_FAULTS | {
    "delay_ms", "drop_before_reply", "half_open", "http500", "http200_error_body", "rate_limit",
    "maintenance",
}  # fmt: skip
"""Faults of an answer, possible on every sealed JSON operation."""

PUSH_FAULTS = SEAL_FAULTS | BODY_FAULTS | {
    "delay_ms", "duplicate_push", "reorder", "maintenance", "drop_before_reply",
}  # fmt: skip
"""Faults of a message the partner sends by itself over HTTP."""

GOLDEN = 0.618033988749895  # multiples of it, modulo 1, are never in order for more than two


@dataclass(frozen=True)
class Flaws:
    """What is wrong with a seal: `age` in seconds, and whether its value is."""

    age: int = 0
    spoil: bool = False


class Faults:
    """The armed switches; in memory only, a restarted partner behaves."""

    def __init__(
        self, supported: Mapping[str, Iterable[str]], seed: int = 0, clock: Clock = time.time
    ) -> None:  # fmt: skip
        """`supported`: the faults each operation can show; `clock`: that of the partner's business."""
        self._supported = {operation: frozenset(names) for operation, names in supported.items()}
        self._armed: list[Fault] = []
        self._lock = threading.Lock()
        self._random = random.Random(seed)  # noqa: S311  # repeatable behaviour, not a secret
        self._clock, self._seen, self._late = clock, clock(), 0

    def supported(self) -> dict[str, list[str]]:
        """Fault names by operation."""
        return {operation: sorted(names) for operation, names in sorted(self._supported.items())}

    def add(self, raw: object) -> Fault:
        """Arms a switch given as JSON; BadFault if it is unknown here."""
        now = self._clock()
        fault = read(raw, now)
        for one in (fault, *(read(inner, now, inner=True) for inner in fault.then)):
            self._require(one)
        with self._lock:
            self._refresh()
            self._armed.append(fault)
        return fault

    def _require(self, fault: Fault) -> None:
        wanted = self._supported.keys() if fault.operation == "*" else [fault.operation]
        if not any(fault.fault in self._supported.get(operation, ()) for operation in wanted):
            raise BadFault(self._offered(fault))

    def _offered(self, fault: Fault) -> str:
        """What may be asked for instead."""
        names = self._supported.get(fault.operation)
        if names is None and fault.operation != "*":
            return (
                f"no operation is called {fault.operation}; there are: {', '.join(sorted(self._supported))}"
            )
        names = names if names is not None else frozenset().union(*self._supported.values())
        return f"{fault.fault} is not offered on {fault.operation}; supported: {', '.join(sorted(names))}"

    def take(self, operation: str, name: str) -> Fault | None:
        """The switch that acts now, if any; one of its times is used up."""
        if name not in self._supported.get(operation, frozenset()):
            return None
        with self._lock:
            self._refresh()
            for fault in self._armed:
                if fault.fault == name and fault.operation in ("*", operation) and self._acts(fault):
                    return fault
        return None

    def late(self, operation: str) -> float | None:
        """Seconds by which the fault `reorder` holds a message back; of several no two the same."""
        fault = self.take(operation, "reorder")
        if fault is None:
            return None
        with self._lock:
            self._late += 1
            return fault.number(1) * (1 - 0.5 * ((self._late - 1) * GOLDEN % 1))

    def skew(self, operation: str) -> float:
        """Seconds by which the clock of this call's seals is wrong."""
        fault = self.take(operation, "clock_skew_s")
        return 0.0 if fault is None else fault.number(400)

    def flaws(self, operation: str, skew: float | None = None) -> Flaws:
        """What the seal faults do to the next seal; `skew`: that of the same call, if already taken."""
        late = 3600 if self.take(operation, "sig_expired") else 0
        skew = self.skew(operation) if skew is None else skew
        return Flaws(late - round(skew), self.take(operation, "sig_bad") is not None)

    def _acts(self, fault: Fault) -> bool:
        if not fault.holds(self._seen):
            return False
        if fault.times is None:
            return self._random.random() < (fault.probability or 0)
        fault.times -= 1
        if fault.times == 0:
            self._end(fault)
        return True

    def _refresh(self) -> None:
        """Ends what is over by now; the lock is held."""
        since, self._seen = self._seen, self._clock()
        for fault in list(self._armed):
            if fault.ends is not None and fault.ends <= self._seen:
                self._end(fault)
            elif fault.window is not None and fault.window.ended(since, self._seen):
                self._follow(fault)

    def _end(self, fault: Fault) -> None:
        self._armed = [other for other in self._armed if other is not fault]
        self._follow(fault)

    def _follow(self, fault: Fault) -> None:
        self._armed += [read(raw, self._seen, inner=True) for raw in fault.then]

    def armed(self) -> list[Fault]:
        """The switches still armed."""
        with self._lock:
            self._refresh()
            return list(self._armed)

    def clear(self) -> None:
        """Disarms all; nothing follows."""
        with self._lock:
            self._armed.clear()

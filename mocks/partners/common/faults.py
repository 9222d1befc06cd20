"""Fault switches: what a partner can be told to do wrong, how often, and on which operation."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

ANSWER_FAULTS = frozenset({
    "delay_ms", "drop_before_reply", "half_open", "http500", "http200_error_body", "rate_limit",
    "sig_bad", "sig_expired", "truncate_800b", "null_text", "wrong_charset_label", "bom", "bad_date_pattern",
})  # fmt: skip
"""Faults of an answer, possible on every sealed JSON operation."""

PUSH_FAULTS = frozenset({
    "delay_ms", "sig_bad", "sig_expired", "duplicate_push", "reorder", "truncate_800b", "null_text",
    "wrong_charset_label", "bom", "bad_date_pattern",
})  # fmt: skip
"""Faults of a message the partner sends by itself."""

MEMBERS = frozenset({"operation", "fault", "times", "probability", "value"})


class BadFault(Exception):
    """The switch asked for does not exist here; the text names those that do."""


@dataclass
class Fault:
    """One armed switch; `times` counts down."""

    operation: str
    fault: str
    times: int | None
    probability: float | None
    value: int | float | str | None

    def number(self, default: float) -> float:
        """The value as a number, for delays (ms) and counts."""
        return float(self.value) if isinstance(self.value, int | float) else default


def _number(raw: Mapping[str, object], name: str, least: float, most: float) -> float | None:
    value = raw.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise BadFault(f"{name}: a number from {least} to {most} is needed")
    return value


def _value(raw: Mapping[str, object]) -> int | float | str | None:
    value = raw.get("value")
    if value is None or (isinstance(value, int | float | str) and not isinstance(value, bool)):
        return value
    raise BadFault("value: a number or a text is needed")


def _parse(raw: object) -> Fault:
    if not isinstance(raw, dict) or not raw.keys() <= MEMBERS:
        raise BadFault("members: operation, fault, times or probability, value")
    operation, fault = raw.get("operation", "*"), raw.get("fault")
    if not isinstance(operation, str) or not isinstance(fault, str):
        raise BadFault("operation and fault are texts")
    times, probability = _number(raw, "times", 1, 1_000_000), _number(raw, "probability", 0, 1)
    if times is not None and (probability is not None or times != int(times)):
        raise BadFault("times is a whole number, and not together with probability")
    if times is None and probability is None:
        times = 1
    return Fault(operation, fault, None if times is None else int(times), probability, _value(raw))


class Faults:
    """The armed switches; in memory only, a restarted partner behaves."""

    def __init__(self, supported: Mapping[str, Iterable[str]], seed: int = 0) -> None:
        """`supported`: the faults each operation can show."""
        self._supported = {operation: frozenset(names) for operation, names in supported.items()}
        self._armed: list[Fault] = []
        self._lock = threading.Lock()
        self._random = random.Random(seed)  # noqa: S311  # repeatable behaviour, not a secret

    def supported(self) -> dict[str, list[str]]:
        """Fault names by operation."""
        return {operation: sorted(names) for operation, names in sorted(self._supported.items())}

    def add(self, raw: object) -> Fault:
        """Arms a switch given as JSON; BadFault if it is unknown here."""
        fault = _parse(raw)
        wanted = self._supported.keys() if fault.operation == "*" else [fault.operation]
        if not any(fault.fault in self._supported.get(operation, ()) for operation in wanted):
            raise BadFault(f"supported: {self.supported()}")
        with self._lock:
            self._armed.append(fault)
        return fault

    def take(self, operation: str, name: str) -> Fault | None:
        """The switch that acts now, if any; one of its times is used up."""
        if name not in self._supported.get(operation, frozenset()):
            return None
        with self._lock:
            for fault in self._armed:
                if fault.fault == name and fault.operation in ("*", operation) and self._acts(fault):
                    return fault
        return None

    def _acts(self, fault: Fault) -> bool:
        if fault.times is None:
            return self._random.random() < (fault.probability or 0)
        fault.times -= 1
        if fault.times == 0:
            self._armed = [other for other in self._armed if other is not fault]
        return True

    def armed(self) -> list[Fault]:
        """The switches still armed."""
        with self._lock:
            return list(self._armed)

    def clear(self) -> None:
        """Disarms all."""
        with self._lock:
            self._armed.clear()

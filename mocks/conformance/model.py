"""What a check is, what it finds, and what a whole run amounts to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Result = Literal["passed", "failed", "not_offered"]
Outcome = Literal["conforming", "not_conforming", "incomplete", "part"]
"""What a run amounts to; incomplete: checks were left out for time; part: only chosen checks were run."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one check found: what was sent, what came back, and why it is judged so."""

    result: Result
    sent: str = ""
    received: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """One expectation in both languages, with the clause of the contract it comes from."""

    id: str
    group: str
    zh: str
    en: str
    section: str
    run: Callable[[], Verdict]


@dataclass(frozen=True, slots=True)
class Finding:
    """A check that was run."""

    check: Check
    verdict: Verdict
    seconds: float
    left_out: bool = False  # not begun: the time was used up


@dataclass(frozen=True, slots=True)
class Report:
    """A whole run over one adapter; `against` is empty when nothing but the folder was looked at."""

    adapter: str
    title: str
    contract_version: str
    against: str
    began: str  # ISO 8601 with zone
    seconds: float
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()
    part: bool = False  # of the checks, those asked for alone

    def count(self, result: Result) -> int:
        """How many checks ended so."""
        return Counter(one.verdict.result for one in self.findings)[result]

    @property
    def left_out(self) -> int:
        """How many checks were not begun for want of time."""
        return sum(one.left_out for one in self.findings)

    @property
    def outcome(self) -> Outcome:
        """A failure counts however little was run; without one only a whole run says anything."""
        if self.count("failed"):
            return "not_conforming"
        if self.left_out:
            return "incomplete"
        if not self.count("passed"):
            return "not_conforming"
        return "part" if self.part else "conforming"

    @property
    def conforming(self) -> bool:
        """Everything was run, something passed and nothing failed."""
        return self.outcome == "conforming"


def passed(sent: str = "", received: str = "", why: str = "") -> Verdict:
    """The expectation holds."""
    return Verdict("passed", sent, received, why)


def failed(why: str, sent: str = "", received: str = "") -> Verdict:
    """The expectation does not hold."""
    return Verdict("failed", sent, received, why)


def not_offered(why: str, sent: str = "", received: str = "") -> Verdict:
    """The partner, its contract or this run does not offer what the check needs."""
    return Verdict("not_offered", sent, received, why)

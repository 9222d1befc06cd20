"""What a run came to: counted, judged, and as the JSON that other programs read."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field

from exchange.app.demo.comparing import Outcome
from exchange.app.demo.hall.running import Seen
from exchange.app.demo.layout import Partner
from ledger.report import WHOLE, Report

COUNTED = ("sent", "received", "receipts")


def _counts(one: Outcome) -> dict[str, int]:
    return {name: getattr(one, name) for name in COUNTED}


@dataclass(frozen=True)
class Result:
    """Everything the summary shows; `outcomes` by partner, over the whole life of the state folder."""

    partners: tuple[Partner, ...]
    outcomes: Mapping[str, Outcome]
    cases: Mapping[str, int]  # final states
    driven: int
    finished: int
    report: Report
    rabbit: bool
    seconds: float
    messages: int  # documents in and out of this run
    restarts: Mapping[str, int] = field(default_factory=dict)
    urls: Mapping[str, str] = field(default_factory=dict)
    unfinished: str = ""  # what the time limit cut off
    exported: Report | None = None
    hall: Seen = field(default_factory=Seen)

    @property
    def differences(self) -> int:
        """Messages on which the two sides do not agree."""
        return sum(len(one.differences) for one in self.outcomes.values())

    @property
    def refused(self) -> int:
        """Messages one side turned away."""
        return sum(one.refused for one in self.outcomes.values())

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.messages / self.seconds if self.seconds else 0.0

    @property
    def root(self) -> str:
        """The ledger's root as in its checkpoint."""
        return base64.b64encode(self.report.root).decode()

    def problems(self) -> list[str]:
        """Why the run does not hold; empty when it does."""
        found = [self.unfinished] if self.unfinished else []
        if self.differences:
            found.append(f"{self.differences} messages differ between the two sides")
        if self.report.status != WHOLE:
            found.append(f"the ledger is {self.report.status}")
        if self.exported is not None and self.exported.status != WHOLE:
            found.append(f"the export is {self.exported.status}")
        if self.exported is not None and self.exported.root != self.report.root:
            found.append("the export is not at the ledger's root")
        return found

    def as_json(self) -> dict[str, object]:
        """For --json; the systems by their ids (several partners of one added up), the counter left out."""
        partners = {one.name: _counts(self.outcomes[one.name]) for one in self.partners if one.system}
        systems: dict[str, dict[str, int]] = {}
        for one in self.partners:
            if one.system:
                found = systems.setdefault(one.system, dict.fromkeys(COUNTED, 0))
                for key, number in partners[one.name].items():
                    found[key] += number
        return {
            "ok": not self.problems(),
            "systems": systems,
            "partners": partners,
            "amqp": "rabbitmq" if self.rabbit else "database",
            "cases": {"driven": self.driven, "finished": self.finished, "states": dict(self.cases)},
            "refused": self.refused,
            "differences": self.differences,
            "undelivered": sum(one.undelivered for one in self.outcomes.values()),
            "ledger": {"size": self.report.size, "root": self.root, "verdict": self.report.status},
            "seconds": round(self.seconds, 2),
            "messages_per_second": round(self.rate, 1),
            "restarts": dict(self.restarts),
            "urls": {**self.urls, **({"hall": self.hall.url} if self.hall.url else {})},
            "hall": {
                "cases": self.hall.standing.opened,
                "finished": self.hall.standing.finished,
                "waiting": self.hall.standing.waiting,
            },
            "accounts": self.hall.as_json(),
        }

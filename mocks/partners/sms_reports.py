"""Delivery reports of the SMS gateway: which message ends how, decided by seed and clientMsgId alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mocks.partners.common.assemble import draw
from mocks.partners.common.clock import compact
from mocks.partners.common.config import Config

SHARES = {
    "UNDELIV": ("share_undeliv", 0.02),
    "EXPIRED": ("share_expired", 0.01),
    "REJECTD": ("share_rejectd", 0.005),
    "MA:0006": ("share_ma0006", 0.005),
}
Report = dict[str, str]


@dataclass(frozen=True)
class Behaviour:
    """Shares (0 to 1) of messages by what happens to their report, and the delay in seconds."""

    seed: int
    delay: float
    statuses: Mapping[str, float]  # the rest is DELIVRD
    never: float
    twice: float
    without_id: float
    before_reply: float

    def status(self, message_id: str) -> str:
        """How the message ends."""
        point = draw(self.seed, "status", message_id)
        for status, share in self.statuses.items():
            if point < share:
                return status
            point -= share
        return "DELIVRD"

    def chance(self, what: str, share: float, message_id: str) -> bool:
        """Whether the share called `what` holds for this message."""
        return draw(self.seed, what, message_id) < share


def behaviour(config: Config) -> Behaviour:
    """The shares in a configuration; those left out are small, so that every case occurs in a long run."""
    shares = {status: config.share(name, default) for status, (name, default) in SHARES.items()}
    return Behaviour(
        config.seed, config.integer("report_delay_ms", 300) / 1000, shares,
        config.share("lost_share", config.share("share_never", 0.01)), config.share("share_twice", 0.02),
        config.share("share_without_id", 0.05), config.share("share_before_reply", 0.01),
    )  # fmt: skip


def report(plan: Behaviour, group: str, mobile: str, message_id: str, submitted: float) -> Report:
    """One report of the contract; some name only msgGroup and mobile."""
    named = {} if plan.chance("without_id", plan.without_id, message_id) else {"clientMsgId": message_id}
    dates = {"submitDate": compact(submitted), "receiveDate": compact(submitted + plan.delay)}
    return {"msgGroup": group, "mobile": mobile, **named, "reportStatus": plan.status(message_id), **dates}


def rounds(plan: Behaviour, message_ids: Sequence[str]) -> tuple[list[str], list[str]]:
    """Which messages are reported, and which of them once more; the others never."""
    first = [item for item in message_ids if not plan.chance("never", plan.never, item)]
    return first, [item for item in first if plan.chance("twice", plan.twice, item)]

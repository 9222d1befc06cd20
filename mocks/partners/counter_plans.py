"""How often what happens at a counter, and the facts of a case: its own, or one taken over."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from mocks.partners.common.clock import BEIJING
from mocks.partners.counter_flow import Ways
from mocks.partners.counter_items import chosen
from mocks.partners.counter_papers import File, Item, Plan
from mocks.partners.counter_people import case_number, people

CHANNELS = {"window": "2", "online": "1"}
CLERKS = ("窗口甲", "窗口乙", "窗口丙")
FILES_EVERY, RATE_EVERY, RETURN_EVERY = 3, 4, 4
ONLINE_SUPPLEMENT_EVERY = 2  # online applications lack something more often


@dataclass(frozen=True)
class Habits:
    """What happens to every so-manieth case (0 = none); serial_start parts two counters of one region."""

    seed: int
    supplement_every: int
    refuse_every: int
    prereview_refuse_every: int
    serial_start: int
    first_retry: float  # seconds, doubled each time
    change_every: int = 10  # certified cases
    ways: Ways = field(default_factory=Ways)

    def plan(self, n: int, *, own: bool = True) -> Plan:
        """The plan of the n-th case; another system's applicant hands in and rates there."""

        def falls(every: int) -> bool:
            return every > 0 and n % every == 0

        acts, pre = self.ways.acts, falls(self.prereview_refuse_every)
        supplement = self.supplement_every if own else min(self.supplement_every, ONLINE_SUPPLEMENT_EVERY)
        return Plan(
            falls(supplement), not pre and falls(self.refuse_every), pre,
            files=own and "files" in acts and falls(FILES_EVERY), verify="verify" in acts,
            search="search" in acts, rate=own and "rate" in acts and falls(RATE_EVERY),
        )  # fmt: skip


def new_file(n: int, items: Sequence[Item], habits: Habits, now: float) -> File:
    """The n-th case: every item has its turn; the rest is drawn from the seed.

    A window that takes over online applications numbers none itself.
    """
    draw = random.Random(f"{habits.seed}/{n}")  # noqa: S311  # repeatable behaviour, not a secret
    item, channel = chosen(n, items), draw.choice(("window", "window", "online"))
    channel = "window" if "adopt" in habits.ways.acts else channel
    applicant, contact = people(draw)
    if "search" in habits.ways.acts and n % RETURN_EVERY == 0 and n >= 2 * RETURN_EVERY:
        applicant, contact = _again(n // RETURN_EVERY, habits.seed)
    opened = datetime.fromtimestamp(now, BEIJING).date()
    number = case_number(item.region, opened, CHANNELS[channel], habits.serial_start + n)
    mode, clerk = draw.choice(("window", "post", "online")), draw.choice(CLERKS)
    return File(number, item, applicant, contact, channel, mode, habits.plan(n), clerk)


def _again(n: int, seed: int) -> tuple[dict[str, str], dict[str, str]]:
    """The people of the n-th case: who comes back may have a certificate."""
    draw = random.Random(f"{seed}/{n}")  # noqa: S311  # repeatable behaviour, not a secret
    draw.choice(("window", "window", "online"))  # the draw that comes before that of the people
    return people(draw)


def adopted_file(payload: Mapping[str, object], n: int, item: Item, habits: Habits) -> File:
    """A case another system took the application of; KeyError or TypeError if it is none."""
    case_no = str(payload["case_no"])
    draw = random.Random(f"{habits.seed}/{case_no}")  # noqa: S311  # repeatable behaviour, not a secret
    applicant, contact = _people(payload)
    mode, clerk = draw.choice(("window", "post", "online")), draw.choice(CLERKS)
    plan = habits.plan(n, own=False)
    return File(case_no, item, applicant, contact, "online", mode, plan, clerk, adopted=True)


def _people(payload: Mapping[str, object]) -> tuple[dict[str, str], dict[str, str]]:
    """Applicant and contact; a contact without a document collects with the applicant's."""
    applicant, contact = payload["applicant"], payload["contact"]
    if not isinstance(applicant, dict) or not isinstance(contact, dict):
        raise TypeError("applicant and contact are objects")
    who = {name: str(applicant[name]) for name in ("kind", "name", "document_type", "document_no")}
    given = contact if contact.get("document_no") and contact.get("document_type") else applicant
    document = {name: str(given[name]) for name in ("document_type", "document_no")}
    return who, {"name": str(contact["name"]), "mobile": str(contact["mobile"]), **document}

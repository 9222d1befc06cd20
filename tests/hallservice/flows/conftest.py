"""A hall whose hub starts and ends processes, and cases that were accepted at its counter."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from canonical.messages import CaseAccepted, CaseApplied
from exchange.reactions import STANDARD, Reactions
from hallservice.flows.starting import REACTIONS
from hallservice.hall import Hall
from hallservice.people.clerk import Clerk
from tests.exchange.core.rig import ORG, PLAIN_ITEM, Core, Story, case_number
from tests.hallservice.world import clerk_of_role, hall_of


def with_processes(core: Core) -> Core:
    """The hub with what follows from messages in processes."""
    if any(one in STANDARD.table.get(kind, ()) for kind, ours in REACTIONS.items() for one in ours):
        return core
    kinds = [*STANDARD.table, *(kind for kind in REACTIONS if kind not in STANDARD.table)]
    table = {kind: (*core.hub.reactions.table.get(kind, ()), *REACTIONS.get(kind, ())) for kind in kinds}
    object.__setattr__(core.hub, "reactions", Reactions(table))
    return core


@pytest.fixture
def hub(hub: Core) -> Core:
    return with_processes(hub)


@pytest.fixture
def hall(hub: Core) -> Hall:
    return hall_of(hub)


@pytest.fixture
def accepted(hall: Hall, clerk_as: Callable[[str], Clerk]) -> Callable[..., Story]:
    """A case applied for and accepted at a window."""
    return lambda serial=1, by="clerk", **over: accept(hall, clerk_as(by), serial, **over)


def accept(hall: Hall, clerk: Clerk, serial: int, item: str = PLAIN_ITEM, **over: object) -> Story:
    story = Story(case_number(serial), item)
    officer = {"organisation": "梅江区政务服务大厅", "organisation_code": ORG}
    officer |= {"name": clerk.name, "staff_no": clerk.staff_no}
    said = story.accepted(officer=officer)
    hall.write(lambda work: hall.tell(work, clerk, CaseApplied.model_validate(story.applied(**over))))
    hall.write(lambda work: hall.tell(work, clerk, CaseAccepted.model_validate(said)))
    return story


def as_(hall: Hall, role: str) -> Clerk:
    return clerk_of_role(hall, role)


__all__ = ["accept", "as_", "replace", "with_processes"]

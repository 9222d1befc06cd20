"""Cases that were accepted at the counter, by the messages alone."""

from collections.abc import Callable

import pytest

from canonical.messages import CaseAccepted, CaseApplied
from hallservice.hall import Hall
from hallservice.people.clerk import Clerk
from tests.exchange.core.rig import ORG, PLAIN_ITEM, Story, case_number
from tests.hallservice.world import clerk_of_role


@pytest.fixture
def accepted(hall: Hall) -> Callable[..., Story]:
    """A case applied for and accepted at a window."""
    return lambda serial=1, by="clerk", **over: accept(hall, as_(hall, by), serial, **over)


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

"""What the pages of supervision are opened with: a card that was just raised."""

from canonical.timelimit import Limit
from exchange.cases import find
from exchange.clocks import today
from exchange.store.work import Work
from hallservice.hall import Hall
from hallservice.supervision.clocks import special
from hallservice.supervision.limits import Facts
from hallservice.supervision.looking import Look
from tests.hallservice.flows.conftest import accept
from tests.hallservice.world import clerk_of_role


def card(hall: Hall) -> str:
    """The warning of a special procedure of one day, on the day it began."""
    case_no = accept(hall, clerk_of_role(hall, "clerk"), 900_009).no

    def act(work: Work) -> str:
        day = today(work.now)
        facts = Facts(special(9), day, Limit(1))
        raised = Look.now(hall.hub, work, day).at_change(find(work, case_no) or {}, [], {facts.clock: facts})
        return raised[0].id

    return hall.write(act)


MAKERS = {"card": card}

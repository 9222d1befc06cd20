"""An online application of an item with situations: nobody answered its questions (S3-12)."""

import pytest
from sqlalchemy import insert

from hallservice.counter import accept, prereview
from hallservice.counter.materials import Seen
from hallservice.counter.prereview import Review
from hallservice.items.tables import hall_item
from hallservice.refusals import FormRefused
from tests.exchange.core.rig import ITEM, Story, case_number
from tests.hallservice.counter.counter import Desk
from tests.hallservice.counter.test_rules import SETUP

LICENCE = {**SETUP, "materials": {"营业执照": ["大型"]}}  # otherwise required of everybody
ROW = {
    "list": "implementation", "code": ITEM, "version": 2, "state": "in_use", "current": True, "name": "x",
    "kind": "licence", "org": "441402-scj", "org_path": "/", "region": "441402000000", "category": "",
    "above": "", "content": {}, "setup": LICENCE, "successors": [], "change": "c", "published_at": 0.0,
}  # fmt: skip


@pytest.mark.req("S3-12")
def test_what_only_a_situation_asks_for_keeps_no_online_case_waiting(desk: Desk) -> None:
    desk.hall.write(lambda work: work.connection.execute(insert(hall_item), ROW).rowcount)
    desk.core.party("front", sends=("case.applied.v1",))
    story = Story(case_number(1), ITEM)
    desk.core.ok("front", "case.applied.v1", story.applied(channel="online", materials=[]))
    no, clerk = story.no, desk.clerk()
    prereview.pre_review(desk.hall, clerk, no, desk.seen(no), Review("passed"))
    looked = [Seen(1, "received", checked=(1, 2, 3)), *(Seen(at, "awaited") for at in (2, 3, 4))]
    with pytest.raises(FormRefused) as refused:
        accept.accept(desk.hall, clerk, no, desk.seen(no), looked)
    assert [one.field for one in refused.value.faults] == ["material-3"], "asked of everybody"
    looked[2] = Seen(3, "deferred")
    accept.accept(desk.hall, clerk, no, desk.seen(no), looked)
    assert desk.stage(no) == ("accepted", "approve")

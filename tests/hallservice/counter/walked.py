"""What pages of the counter are opened with: cases where something may be done on them."""

from typing import Any

from sqlalchemy import insert, update

from canonical.messages import CaseApplied
from exchange.pipeline import submit
from exchange.store.tables import case_record
from exchange.store.work import Work
from hallservice.counter import apply, prereview, projection, standing
from hallservice.counter.prereview import Review
from hallservice.counter.tables import hall_certificate, hall_certificate_file
from hallservice.hall import Hall
from tests.exchange.core.rig import PLAIN_ITEM, Story, case_number
from tests.hallservice.counter.counter import IDENTIFIER, PLAIN
from tests.hallservice.world import clerk_of_role

DAYS = 10 * 86_400.0


def sent_back(hall: Hall) -> str:
    """An online application whose pre-review wants corrections."""
    story = Story(case_number(900_017), PLAIN_ITEM)
    came = [{"name": "设计图", "count": 1, "received_as": "attachment"}]
    said = CaseApplied.model_validate(story.applied(channel="online", materials=came))
    hall.write(lambda work: submit(hall.hub, work, said, cause=None))
    clerk, wanted = clerk_of_role(hall, "clerk"), Review("supplement", "缺少场地租赁合同，请补充后再提交")
    prereview.pre_review(hall, clerk, story.no, _seen(hall, story.no), wanted)
    return story.no


def late(hall: Hall) -> str:
    """A granted case whose certificate was asked for ten days ago."""
    return _granted(hall, "decided", "requested", {"certified": False})


def issued(hall: Hall) -> str:
    """A certificate whose file has been offered."""
    no = _granted(hall, "certified", "issued", {"certified": True})

    def act(work: Work) -> None:
        row = {
            "request_id": f"file-{no}", "case_no": no, "identifier": IDENTIFIER, "state": "offered",
            "asked_at": work.now, "url": "http://127.0.0.1:1/f", "expires_at": work.now + DAYS,
            "digest": "0" * 64, "copies": 0,
        }  # fmt: skip
        work.connection.execute(insert(hall_certificate_file), row)

    hall.write(act)
    return no


def _granted(hall: Hall, state: str, certificate: str, more: dict[str, Any]) -> str:
    no = apply.apply(hall, clerk_of_role(hall, "clerk"), PLAIN).case_no
    seen = _seen(hall, no)

    def act(work: Work) -> None:
        row = work.connection.execute(case_record.select().where(case_record.c.case_no == no)).one()
        facts = {**row.facts, "state": state, "granted": True, **more}
        mine = update(case_record).where(case_record.c.case_no == no)
        work.connection.execute(mine.values(state=state, facts=facts))
        projection.project(work, hall.hub.pseudonym_key, no, seen)
        asked = {
            "request_id": f"cert-{no}", "case_no": no, "name": "户外广告登记证", "state": certificate,
            "valid_from": "2026-03-02", "asked_at": work.now - DAYS, "later": False,
            "identifier": IDENTIFIER, "number": "粤梅2026000017",
        }  # fmt: skip
        work.connection.execute(insert(hall_certificate), asked)

    hall.write(act)
    return no


def _seen(hall: Hall, no: str) -> int:
    with hall.hub.store.read() as connection:
        row = standing.look(connection, clerk_of_role(hall, "clerk"), no, "case.view").row
        return int(row["version"])


MAKERS = {"sent_back": sent_back, "late": late, "issued": issued}

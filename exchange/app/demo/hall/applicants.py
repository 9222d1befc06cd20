"""Applicants of the demonstration beside those of the day: an agent of the village who came for two people, a
firm that gave two names under one credit code, and a telephone number that was corrected."""

from collections.abc import Sequence

from sqlalchemy import select

from canonical.itemcodes import complete_credit_code
from canonical.values import complete_id_number
from exchange.app.demo.hall import site
from exchange.app.demo.hall.site import Body
from exchange.clocks import today
from hallservice.applicants import contacts, seeing
from hallservice.applicants.contacts import Correction
from hallservice.applicants.keeping import ID_CARD, identity, known_by
from hallservice.applicants.tables import hall_applicant
from hallservice.counter import apply, catalogue
from hallservice.counter.apply import Application
from hallservice.hall import Hall
from hallservice.people.clerk import Clerk

WINDOW, VILLAGE = "chuangkou", "cunju"
AGENT = str(complete_id_number("44149919700815209"))
HELPED = (("丘玉梅", "44149919480223204", "13800000023"), ("管福生", "44149919510709317", "13800000024"))
FIRM = str(complete_credit_code("91441499XX0200004"))
NAMES = ("梅州市示例食品有限公司", "梅州市示例餐饮食品有限公司")


def seed(hall: Hall, bodies: Sequence[Body]) -> None:
    """Once; later runs find them there."""
    key = hall.hub.pseudonym_key
    came = hall_applicant.c.id == identity(key, ID_CARD, known_by(key, AGENT))
    if hall.read(lambda connection: connection.execute(select(hall_applicant).where(came)).first()):
        return
    clerk, village = site.clerk(hall, WINDOW, "A01"), site.clerk(hall, VILLAGE)
    offered = _offered(hall, village)
    for (name, number, mobile), item in zip(HELPED, offered, strict=False):
        form = Application(
            item, "agent", name=name, document_no=str(complete_id_number(number)), mobile=mobile,
            agent_name="侯春兰", agent_relation="village_agent", agent_document_no=AGENT,
        )  # fmt: skip
        apply.apply(hall, village, form)
    made = [apply.apply(hall, clerk, _firm(bodies[0].items[0], name)).case_no for name in NAMES if bodies]
    if made and (known := hall.read(lambda connection: seeing.of_case(connection, clerk, made[-1]))):
        told = Correction("邓经理", "13800000026", "梅江区江南街道示例路8号", "单位来函，经办人到场核对")
        contacts.correct(hall, clerk, known.id, told)


def _offered(hall: Hall, clerk: Clerk) -> list[str]:
    """Items this counter takes, one for each who was helped."""
    day = today(hall.hub.store.clock()).isoformat()
    found = hall.read(lambda connection: catalogue.search(connection, clerk, "", day))
    return [found[at % len(found)].code for at in range(len(HELPED))] if found else []


def _firm(item: str, name: str) -> Application:
    return Application(
        item, "agent", "enterprise", name, "unified_social_credit_code", FIRM, contact_name="古经理",
        mobile="13800000025", agent_name="侯经办", agent_relation="staff",
        agent_document_no=str(complete_id_number("44149919860430118")),
    )  # fmt: skip

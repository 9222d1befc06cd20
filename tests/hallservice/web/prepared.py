"""What pages are opened with: `example={"case_no": "@case"}` of a page is filled with what `case` makes here.

Each function gets the hall all pages are walked in, is called once, and may call others by name.
"""

from base64 import b32encode
from collections.abc import Callable, Mapping
from dataclasses import replace

from sqlalchemy import select

from canonical.values import complete_id_number
from exchange.store.tables import document
from hallservice.applicants import contacts, seeing
from hallservice.applicants.contacts import Correction
from hallservice.complaints import register
from hallservice.complaints.register import Complaint
from hallservice.counter import accept, apply, standing
from hallservice.counter.tables import hall_notice
from hallservice.hall import Hall
from tests.hallservice.counter import walked as counter
from tests.hallservice.counter.counter import PLAIN
from tests.hallservice.flows import walked
from tests.hallservice.items import walked as items
from tests.hallservice.people import walked as people
from tests.hallservice.supervision import walked as supervised
from tests.hallservice.world import clerk_of_role


def case(hall: Hall) -> str:
    """A case that was accepted at the window."""
    clerk = clerk_of_role(hall, "clerk")
    no = apply.apply(hall, clerk, PLAIN).case_no
    with hall.hub.store.read() as connection:
        seen = standing.look(connection, clerk, no, "case.view").row["version"]
    accept.accept(hall, clerk, no, seen, ())
    return no


def paper_code(hall: Hall) -> str:
    """What the QR code on the acceptance notice of a case says."""
    no, mine = case(hall), hall_notice.c.kind == "acceptance"
    with hall.hub.store.read() as connection:
        ask = select(hall_notice.c.digest).where(mine, hall_notice.c.case_no == no)
        digest = bytes.fromhex(connection.execute(ask).scalar_one())
    return f"TB1:{no}:{b32encode(digest).decode().rstrip('=')}"


def complaint(hall: Hall) -> str:
    """A complaint by telephone that waits for its answer."""
    told = Complaint("telephone", "", "", "电话无人接听", "上午多次拨打无人接听。", "陈试", "13800000001")
    return register.register(hall, clerk_of_role(hall, "clerk"), told).id


def applicant(hall: Hall) -> str:
    """Somebody who came with an agent, and whose telephone number was corrected."""
    clerk = clerk_of_role(hall, "clerk")
    agent = str(complete_id_number("44149919750606003"))
    form = replace(
        PLAIN, channel="agent", agent_name="代办甲", agent_relation="family", agent_document_no=agent
    )
    no = apply.apply(hall, clerk, form).case_no
    with hall.hub.store.read() as connection:
        found = seeing.of_case(connection, clerk, no)
    assert found is not None
    contacts.correct(hall, clerk, found.id, Correction(mobile="13800000041", reason="本人到场"))
    return found.id


def audited(hall: Hall) -> str:
    """The ledger position of an acceptance."""
    no = case(hall)
    mine = (document.c.case_no == no, document.c.type == "case.accepted.v1")
    with hall.hub.store.read() as connection:
        return str(connection.execute(select(document.c.entry).where(*mine)).scalar_one())


MAKERS: Mapping[str, Callable[[Hall], str]] = {
    "case": case,
    "audited": audited,
    "complaint": complaint,
    "applicant": applicant,
    "paper_code": paper_code,
    **counter.MAKERS,
    **walked.MAKERS,
    **people.MAKERS,
    **items.MAKERS,
    **supervised.MAKERS,
}

"""What a complaint's messages do in the hall, in their own commit, whoever sent them; complainants who
came or called are told by short message."""

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from sqlalchemy import bindparam, insert, select, update

from canonical.codes import code_list
from canonical.messages import ComplaintRegistered, ComplaintResolved, Payload, SmsRequested
from exchange.errors import Refused
from exchange.reacting.occasion import Occasion, Reaction
from exchange.reacting.telling import worded
from hallservice.applicants.keeping import reached_by
from hallservice.complaints import places
from hallservice.complaints.tables import hall_complaint
from hallservice.counter.projection import name_shown
from hallservice.ids import new_id

TOLD = ("telephone", "visit")  # whoever complained on the portal is told there
REPLY = 300  # characters of a reply in a short message
_KNOWN = select(hall_complaint).where(hall_complaint.c.number == bindparam("of"))


def keep(occasion: Occasion) -> Iterator[Payload]:
    """Its row; the same number said again is the same complaint (the exchange sees to that)."""
    said, work = occasion.message.payload, occasion.work
    if not isinstance(said, ComplaintRegistered):
        return
    if work.connection.execute(_KNOWN, {"of": said.complaint_no}).first() is None:
        work.connection.execute(insert(hall_complaint), _row(occasion, said))
        if said.source in TOLD:
            values = {"complaint_no": said.complaint_no}
            yield _short_message(said.complaint_no, "complaint_registered", said.mobile, values)


def _row(occasion: Occasion, said: ComplaintRegistered) -> dict[str, Any]:
    case = occasion.moved.case
    uscc = said.organisation_code or (case["org"] if case else None)
    return {
        "id": new_id(occasion.work.now),
        "number": said.complaint_no,
        "source": said.source,
        "party": occasion.message.sender,
        "entry": occasion.entry,
        "case_no": said.case_no,
        "region": said.region,
        "uscc": uscc,
        "about": places.about(occasion.work.connection, uscc, said.region),
        "title": said.title,
        "complainant_masked": name_shown("natural_person", said.complainant),
        "mobile_masked": f"{said.mobile[:3]}****{said.mobile[-4:]}",
        "contact_hash": reached_by(occasion.hub.pseudonym_key, said.complainant, said.mobile),
        "registered_at": said.registered_at.timestamp(),
        "state": "registered",
    }


def end(occasion: Occasion) -> Iterator[Payload]:
    """Answered: once, by whomever it is. Refused state_forbids."""
    said, work = occasion.message.payload, occasion.work
    if not isinstance(said, ComplaintResolved):
        return
    row = work.connection.execute(_KNOWN, {"of": said.complaint_no}).first()
    if row is None:
        return
    if row.state != "registered":
        raise Refused("state_forbids", "the complaint was answered before", "complaint_no")
    values = {
        "state": "resolved",
        "result": said.result,
        "resolved_at": said.resolved_at.timestamp(),
        "resolved_by": said.organisation[:100],
        "resolved_entry": occasion.entry,
    }
    mine = hall_complaint.c.number == said.complaint_no
    work.connection.execute(update(hall_complaint).where(mine).values(**values))
    work.flush()
    mobile = places.said(work.connection, row.entry).get("mobile")
    if row.source in TOLD and mobile:
        yield _short_message(said.complaint_no, "complaint_resolved", mobile, _result(said))


def _result(said: ComplaintResolved) -> Mapping[str, str]:
    reply = " ".join(said.reply.split())
    return {
        "complaint_no": said.complaint_no,
        "result_label": code_list("complaint_result").label_of(said.result),
        "reply": reply if len(reply) <= REPLY else reply[: REPLY - 1] + "…",
    }


def _short_message(number: str, template: str, mobile: str, values: Mapping[str, str]) -> SmsRequested:
    ident = uuid5(NAMESPACE_OID, f"{number}/{template}")
    content = worded(template, values)
    return SmsRequested.model_validate(
        {"request_id": str(ident), "template": template, "mobile": mobile, "content": content}
    )


REACTIONS: Mapping[str, tuple[Reaction, ...]] = {
    "complaint.registered.v1": (keep,),
    "complaint.resolved.v1": (end,),
}

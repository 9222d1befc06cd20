"""Services rendered and how they were rated (好差评, SYS-16); parcels on their way (SYS-11); complaints."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from canonical.instants import local_date
from canonical.messages import (
    CaseAccepted,
    CaseConcluded,
    CaseEvaluated,
    ComplaintRegistered,
    ParcelBooked,
    ParcelTracked,
    Payload,
    ServiceRecorded,
)
from canonical.timelimit import Limit, Unit, counting_of, due_date
from exchange import calendars, complaints, items, references
from exchange.errors import Refused
from exchange.reacting.occasion import Occasion
from exchange.receipts import moment

EVALUATION = "SYS-16"
AUTOMATIC = timedelta(seconds=10)  # no person rates that soon after the conclusion
PUT_RIGHT = Limit(15, Unit.WORKING_DAY)  # 国办发〔2019〕51号: a bad rating is put right in 15 working days
BEST = "very_satisfied"
BAD = frozenset({"dissatisfied", "very_dissatisfied"})


def record_service(occasion: Occasion) -> Iterator[Payload]:
    """Acceptance and conclusion are services the evaluation system asks the applicant about."""
    payload, case = occasion.message.payload, occasion.moved.case
    accepted = isinstance(payload, CaseAccepted) and payload.result == "accepted"
    if case is None or occasion.moved.repeated or not (accepted or isinstance(payload, CaseConcluded)):
        return
    if case["acceptance"] is not None and occasion.attached(EVALUATION) is not None:
        yield ServiceRecorded.model_validate(_service(occasion, case, payload))


def _service(occasion: Occasion, case: dict[str, Any], payload: Any) -> dict[str, Any]:
    concluded = isinstance(payload, CaseConcluded)
    application, acceptance = case["application"], case["acceptance"]
    content = items.content_of(occasion.work.connection, case["item_code"], case["item_version"])
    earlier = occasion.said_before(case["case_no"], ServiceRecorded.TYPE)
    kept = ("applicant", "channel", "item_name", "case_no", "item_code", "region")
    limits = {key: acceptance[key] for key in ("statutory_limit", "promised_limit") if key in acceptance}
    return {
        **{key: application[key] for key in kept},
        **limits,
        "organisation": payload.officer.organisation,
        "organisation_code": payload.officer.organisation_code,
        "stage": "concluded" if concluded else "accepted",
        "service_name": "办结" if concluded else "受理",
        "service_number": len(earlier) + 1,
        "mobile": application["contact"]["mobile"],
        "case_kind": content.get("case_kind", "other"),
        "served_at": moment(occasion.work.now),
        "accepted_at": acceptance["decided_at"],
        **({"concluded_at": payload.concluded_at} if concluded else {}),
    }


def expect_ratable(occasion: Occasion) -> Iterator[Payload]:
    """The evaluation system rates what was recorded there, each service once (一事一评)."""
    payload, case = occasion.message.payload, occasion.moved.case
    if isinstance(payload, CaseEvaluated) and case is not None and occasion.is_from(EVALUATION):
        if payload.region[:6] != case["region"][:6]:
            raise Refused("bad_value", "the case is of another county", "region")
        recorded = occasion.said_before(payload.case_no, ServiceRecorded.TYPE)
        if payload.service_number not in _numbers(recorded):
            raise Refused("unknown_case", "no such service of the case was recorded", "service_number")
        given = occasion.said_before(payload.case_no, CaseEvaluated.TYPE, occasion.message.sender)
        if _numbers(given).count(payload.service_number) > 1:  # this one is among them
            raise Refused("state_forbids", "the service was rated before", "service_number")
    yield from ()


def _numbers(said: list[dict[str, Any]]) -> list[int]:
    return [one["service_number"] for one in said]


def look_at_rating(occasion: Occasion) -> Iterator[Payload]:
    """A rating that no person can have given, and one that has to be put right."""
    payload = occasion.message.payload
    if not isinstance(payload, CaseEvaluated):
        return
    for said in occasion.said_before(payload.case_no, CaseConcluded.TYPE)[-1:]:
        after = payload.evaluated_at - datetime.fromisoformat(said["concluded_at"])
        if payload.satisfaction == BEST and timedelta(0) <= after < AUTOMATIC:
            seconds = int(after.total_seconds())
            occasion.note(
                "integrity", "automatic_rating", f"{payload.satisfaction} {seconds} s after conclusion"
            )
    if payload.satisfaction in BAD:
        day = local_date(payload.evaluated_at)
        due = due_date(day, PUT_RIGHT, counting_of(PUT_RIGHT, calendars.known(occasion.work), ()))
        occasion.note(
            "evaluation", "bad_rating", f"{payload.satisfaction}: to be put right by {due or 'a later year'}"
        )
    yield from ()


def remember_waybill(occasion: Occasion) -> Iterator[Payload]:
    """The courier will speak of the waybill alone."""
    payload = occasion.message.payload
    if isinstance(payload, ParcelBooked):
        references.remember(occasion.work, "waybill", payload.waybill_no, payload.case_no)
    yield from ()


def look_at_parcel(occasion: Occasion) -> Iterator[Payload]:
    """A parcel that does not arrive is for a person."""
    payload = occasion.message.payload
    if isinstance(payload, ParcelTracked) and payload.status in ("returned", "lost"):
        occasion.note("procedure", f"parcel_{payload.status}", f"{payload.waybill_no} {payload.place or ''}")
    yield from ()


def remember_complaint(occasion: Occasion) -> Iterator[Payload]:
    """A number is used for one complaint; its result will go to whoever registered it."""
    payload = occasion.message.payload
    if isinstance(payload, ComplaintRegistered):
        key, sender = occasion.hub.pseudonym_key, occasion.message.sender
        complaints.remember(occasion.work, key, payload, sender)
    yield from ()

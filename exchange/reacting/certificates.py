"""Certificates asked for: the library may answer by the request's id alone."""

from collections.abc import Iterator

from canonical.messages import (
    CertificateChangeRequested,
    CertificateRequested,
    Payload,
    VerificationAnswered,
)
from exchange import references
from exchange.reacting.occasion import Occasion


def remember_certificate_request(occasion: Occasion) -> Iterator[Payload]:
    """What was asked for, by the request's id."""
    payload = occasion.message.payload
    if isinstance(payload, CertificateRequested):
        asked = {"certificate_name": payload.name}
        if payload.valid_to is not None:
            asked["certificate_valid_to"] = payload.valid_to.isoformat()
        references.remember(occasion.work, "certificate", payload.request_id, payload.case_no, asked)
    if isinstance(payload, CertificateChangeRequested):
        references.remember(occasion.work, "certificate", payload.request_id, payload.case_no)
    yield from ()


def note_verification(occasion: Occasion) -> Iterator[Payload]:
    """What the applicant said and the authority does not know is for a person to look at."""
    payload = occasion.message.payload
    if isinstance(payload, VerificationAnswered) and payload.result != "match":
        occasion.note("content", f"verification_{payload.result}", f"{payload.source}: {payload.request_id}")
    yield from ()

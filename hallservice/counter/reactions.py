"""What the counter does with accepted messages, in their own commit: the projection, and what partners answer
about fees, certificates and parcels. The table has the shape of exchange.reactions.STANDARD."""

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Update, insert, update

from canonical.messages import (
    CaseApplied,
    CertificateFound,
    CertificateIssued,
    FeeNoticed,
    FeePaid,
    FeeReversed,
    FoundCertificate,
    ParcelBooked,
    ParcelTracked,
    Payload,
)
from exchange.reacting.occasion import Occasion, Reaction
from hallservice.counter import certfile, ends, materials, standards, waiting
from hallservice.counter.certificate import ISSUED
from hallservice.counter.projection import MOVING, project
from hallservice.counter.tables import hall_certificate, hall_fee, hall_found, hall_parcel


def keep_row(occasion: Occasion) -> Iterator[Payload]:
    """The case's row in the lists."""
    if occasion.moved.case is not None and occasion.moved.case_no:
        project(occasion.work, occasion.hub.pseudonym_key, occasion.moved.case_no, occasion.entry)
    yield from ()


def take_again(occasion: Occasion) -> Iterator[Payload]:
    """What came with an application handed in again, online or at the window, is what its rows say."""
    said, moved = occasion.message.payload, occasion.moved
    if isinstance(said, CaseApplied) and moved.changed and not moved.opened:
        materials.hand_in(occasion.work, said.case_no, said.materials)
    yield from ()


def follow_fee(occasion: Occasion) -> Iterator[Payload]:
    """Noticed, paid, taken back."""
    said = occasion.message.payload
    if isinstance(said, FeeNoticed):
        numbers = {"notice_no": said.notice_no, "check_no": said.check_no}
        _set(
            occasion,
            update(hall_fee).where(hall_fee.c.request_id == said.request_id),
            {"state": "noticed", **numbers},
        )
    elif isinstance(said, FeePaid):
        mine = (hall_fee.c.notice_no == said.notice_no) & (hall_fee.c.state != "confirmed")
        _set(occasion, update(hall_fee).where(mine), {"state": "paid", "serial": said.serial})
    elif isinstance(said, FeeReversed):
        _set(occasion, update(hall_fee).where(hall_fee.c.notice_no == said.notice_no), {"state": "reversed"})
    yield from ()


def follow_certificate(occasion: Occasion) -> Iterator[Payload]:
    """Made by the library, or waiting for its seal."""
    said = occasion.message.payload
    if isinstance(said, CertificateIssued):
        values = {"state": said.state, "identifier": said.identifier, "number": said.number}
        mine = hall_certificate.c.request_id == said.request_id
        if said.state != ISSUED:  # the first answer told again after the seal has come
            mine &= hall_certificate.c.state != ISSUED
        _set(occasion, update(hall_certificate).where(mine), values)
    yield from ()


def keep_found(occasion: Occasion) -> Iterator[Payload]:
    """What the library has of the applicant; valid ones stand for the materials of their name (S3-28)."""
    said, case_no = occasion.message.payload, occasion.moved.case_no
    if isinstance(said, CertificateFound) and case_no:
        for one in said.certificates:
            _keep(occasion, case_no, one)
        valid = [one for one in said.certificates if one.state == "valid"]
        materials.link(occasion.work, case_no, valid)
    yield from ()


def follow_parcel(occasion: Occasion) -> Iterator[Payload]:
    """Booked, then tracked to its end."""
    said, now = occasion.message.payload, occasion.work.now
    if isinstance(said, ParcelBooked):
        values = {"status": "booked", "waybill_no": said.waybill_no, "changed_at": now}
        _set(occasion, update(hall_parcel).where(hall_parcel.c.request_id == said.request_id), values)
    elif isinstance(said, ParcelTracked):
        values = {"status": said.status, "place": said.place, "changed_at": now}
        _set(occasion, update(hall_parcel).where(hall_parcel.c.waybill_no == said.waybill_no), values)
    yield from ()


def _set(occasion: Occasion, statement: Update, values: Mapping[str, Any]) -> None:
    occasion.work.connection.execute(statement.values(**values))


def _keep(occasion: Occasion, case_no: str, one: FoundCertificate) -> None:
    known = hall_found.c.case_no == case_no, hall_found.c.identifier == one.identifier
    row = {
        "name": one.name,
        "number_masked": one.number[:2] + "*" * max(len(one.number) - 4, 1) + one.number[-2:],
        "state": one.state,
        "valid_to": one.valid_to.isoformat() if one.valid_to else None,
        "held_by": one.held_by,
        "at": occasion.work.now,
    }
    if not occasion.work.connection.execute(update(hall_found).where(*known).values(**row)).rowcount:
        keys = {"case_no": case_no, "identifier": one.identifier}
        occasion.work.connection.execute(insert(hall_found), {**keys, **row})


REACTIONS: Mapping[str, tuple[Reaction, ...]] = {
    **dict.fromkeys(MOVING, (keep_row,)),
    "case.applied.v1": (take_again, keep_row),
    "case.concluded.v1": (keep_row, ends.keep, waiting.promise),
    "case.evaluated.v1": (ends.keep,),
    "case.accepted.v1": (keep_row, standards.ask),
    "certificate.schema.v1": (standards.keep,),
    "fee.noticed.v1": (follow_fee, keep_row),
    "fee.paid.v1": (follow_fee, keep_row),
    "fee.reversed.v1": (follow_fee, keep_row),
    "certificate.issued.v1": (follow_certificate, keep_row, waiting.link),
    "certificate.file.v1": (certfile.keep_offer,),
    "certificate.found.v1": (keep_found,),
    "parcel.booked.v1": (follow_parcel,),
    "parcel.tracked.v1": (follow_parcel,),
}

"""What follows from a message inside its own commit: one explicit table, each reaction a function that may
give new payloads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from canonical.messages import Message, Payload
from exchange import toldback
from exchange.mapping.rows import BrokenRow
from exchange.reacting import (
    archives,
    catalogue,
    certificates,
    directory,
    exchanged,
    fees,
    performance,
    services,
    telling,
)
from exchange.reacting.occasion import Occasion, OnRefusal, Reaction
from exchange.reacting.telling import tell
from exchange.store.work import Work

if TYPE_CHECKING:
    from exchange.cases import Moved
    from exchange.hub import Hub

__all__ = ["STANDARD", "Occasion", "Reaction", "Reactions"]

DECIDED = ("certificate_issued", "concluded")  # results of a conclusion that leave something to collect


@dataclass(frozen=True)
class Reactions:
    """Type of a message -> what follows from it; `refused`: what follows where a partner takes a message of
    ours never."""

    table: Mapping[str, tuple[Reaction, ...]]
    refused: tuple[OnRefusal, ...] = ()

    def run(
        self,
        hub: "Hub",
        work: Work,
        message: Message,
        moved: "Moved",
        entry: int,
        broken: Sequence[BrokenRow] = (),
    ) -> list[Payload]:
        """Everything this message causes, in the order of the table."""
        occasion = Occasion(hub, work, message, moved, entry, broken)
        return [payload for reaction in self.table.get(message.type, ()) for payload in reaction(occasion)]


STANDARD = Reactions(
    {
        "catalogue.increment.v1": (catalogue.keep_catalogue,),
        "catalogue.reported.v1": (catalogue.follow_report,),
        "catalogue.report_answered.v1": (catalogue.follow_report,),
        "catalogue.audited.v1": (catalogue.follow_report,),
        "case.applied.v1": (tell("applied"),),
        "case.pre_reviewed.v1": (
            tell("pre_passed", lambda said: said.result == "passed"),
            tell("pre_supplement", lambda said: said.result == "supplement"),
            tell("pre_refused", lambda said: said.result == "refused"),
        ),
        "case.accepted.v1": (
            tell("accepted", lambda said: said.result == "accepted" and said.deemed_basis is None),
            tell("deemed", lambda said: said.deemed_basis is not None),
            tell("refused", lambda said: said.result == "refused"),
            services.record_service,
        ),
        "case.supplement_noticed.v1": (tell("supplement"),),
        "case.supplemented.v1": (tell("supplemented"),),
        "case.special_started.v1": (tell("suspended", lambda said: said.kind == "other"),),
        "case.special_finished.v1": (telling.after_special,),
        "case.concluded.v1": (
            tell("concluded", lambda said: said.result in DECIDED),
            tell("forwarded", lambda said: said.result == "forwarded"),
            tell("ended", lambda said: said.result not in (*DECIDED, "forwarded")),
            services.record_service,
        ),
        "case.delivered.v1": (telling.ask_for_a_rating, archives.file_the_case),
        "case.evaluated.v1": (services.expect_ratable, services.look_at_rating),
        "performance.received.v1": (performance.compare_report,),
        "fee.requested.v1": (fees.check_fee, fees.ask_for_basis),
        "fee.basis.v1": (fees.compare_basis,),
        "fee.noticed.v1": (fees.remember_notice, tell("fee_notice")),
        "fee.confirmed.v1": (tell("fee_confirmed"),),
        "fee.reversed.v1": (fees.note_reversal, tell("fee_reversed")),
        "fee.reconciled.v1": (fees.reconcile,),
        "archive.result.v1": (archives.look_at_result,),
        "certificate.requested.v1": (certificates.remember_certificate_request,),
        "certificate.change_requested.v1": (certificates.remember_certificate_request,),
        "verification.answered.v1": (certificates.note_verification,),
        "parcel.booked.v1": (services.remember_waybill, tell("parcel_booked")),
        "parcel.tracked.v1": (
            services.look_at_parcel,
            tell("parcel_signed", lambda said: said.status == "signed"),
        ),
        "complaint.registered.v1": (services.remember_complaint,),
        "sms.requested.v1": (telling.remember_short_message,),
        "sms.reported.v1": (telling.note_reports,),
        "sms.replied.v1": (telling.take_reply,),
        "directory.increment.v1": (directory.keep_directory,),
        "exchange.receipted.v1": (exchanged.note_receipt,),
        "exchange.audited.v1": (exchanged.note_audit,),
    },
    refused=(toldback.tell,),
)

"""What follows from a message inside its own commit: one explicit table, each reaction a function that may
give new payloads."""

import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_OID, uuid5

from canonical.messages import (
    CatalogueAudited,
    CatalogueIncrement,
    CatalogueReportAnswered,
    CatalogueReported,
    CertificateRequested,
    ExchangeReceipted,
    FeeNoticed,
    Message,
    Payload,
    SmsReported,
    SmsRequested,
)
from exchange import archiving, catalogue_apply, catalogue_reports, references
from exchange.errors import Refused
from exchange.mapping.rows import BrokenRow
from exchange.records import add_finding
from exchange.store.work import Work

if TYPE_CHECKING:
    from exchange.cases import Moved
    from exchange.hub import Hub


@dataclass(frozen=True)
class Occasion:
    """One accepted message, with its case and the commit it belongs to."""

    hub: "Hub"
    work: Work
    message: Message
    moved: "Moved"
    entry: int
    broken: Sequence[BrokenRow] = ()  # rows of it that could not be read


Reaction = Callable[[Occasion], Iterable[Payload]]


@dataclass(frozen=True)
class Reactions:
    """Type of a message -> what follows from it."""

    table: Mapping[str, tuple[Reaction, ...]]

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


def tell(template: str, when: Callable[[Any], bool] = lambda _: True) -> Reaction:
    """A short message to the applicant (S0-17)."""

    def reaction(occasion: Occasion) -> Iterator[Payload]:
        case = occasion.moved.case
        if case is not None and not occasion.moved.repeated and when(occasion.message.payload):
            yield _short_message(occasion, template, case)

    return reaction


def _short_message(occasion: Occasion, template: str, case: Mapping[str, Any]) -> SmsRequested:
    texts = _texts()
    values = {**case, **occasion.message.payload.model_dump(mode="json", exclude_none=True)}
    content = texts["signature"]["text"] + texts["texts"][template].format_map(_Blank(values))
    ident = uuid5(NAMESPACE_OID, f"{occasion.message.sender}/{occasion.message.message_id}/{template}")
    mobile = case["application"]["contact"]["mobile"]
    return SmsRequested(
        request_id=str(ident), case_no=case["case_no"], template=template, mobile=mobile, content=content
    )


class _Blank(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return "—"

    def __getitem__(self, key: str) -> Any:
        value = super().__getitem__(key)
        return "—" if value is None else value


@cache
def _texts() -> dict[str, dict[str, str]]:
    return tomllib.loads((files("exchange") / "data" / "sms.toml").read_text("utf-8"))


def keep_catalogue(occasion: Occasion) -> Iterator[Payload]:
    """A page of the province's list is collected; the last one ends the import."""
    payload, party = occasion.message.payload, occasion.message.sender
    if isinstance(payload, CatalogueIncrement):
        catalogue_apply.take_page(
            occasion.hub, occasion.work, party, payload, occasion.broken, occasion.entry
        )
    yield from ()


def follow_report(occasion: Occasion) -> Iterator[Payload]:
    """Items reported upward are followed row by row, until the overnight audit has spoken."""
    work, party, payload = occasion.work, occasion.message.sender, occasion.message.payload
    if isinstance(payload, CatalogueReported):
        hub = occasion.hub
        adapters = hub.adapters_of("SYS-01")
        to = next((found for name in adapters if (found := hub.parties.of_adapter(name))), None)
        if to is None:
            raise Refused("no_receiver", "no provincial catalogue is attached", "type")
        catalogue_reports.reported(work, to.name, payload)
    elif isinstance(payload, CatalogueReportAnswered):
        catalogue_reports.answered(work, party, payload, occasion.entry)
    elif isinstance(payload, CatalogueAudited):
        catalogue_reports.audited(work, party, payload, occasion.entry)
    yield from ()


def remember_notice(occasion: Occasion) -> Iterator[Payload]:
    """The bank will speak of the notice number alone."""
    payload = occasion.message.payload
    if isinstance(payload, FeeNoticed):
        references.remember(occasion.work, "fee_notice", payload.notice_no, payload.case_no)
    yield from ()


def remember_certificate_request(occasion: Occasion) -> Iterator[Payload]:
    """The library may answer by the request's id alone."""
    payload = occasion.message.payload
    if isinstance(payload, CertificateRequested):
        asked = {"certificate_name": payload.name}
        if payload.valid_to is not None:
            asked["certificate_valid_to"] = payload.valid_to.isoformat()
        references.remember(occasion.work, "certificate", payload.request_id, payload.case_no, asked)
    yield from ()


def remember_short_message(occasion: Occasion) -> Iterator[Payload]:
    """A delivery report may name the request only."""
    payload = occasion.message.payload
    if isinstance(payload, SmsRequested) and payload.case_no:
        references.remember(
            occasion.work, "sms", payload.request_id, payload.case_no, {"status": "requested"}
        )
    yield from ()


def note_reports(occasion: Occasion) -> Iterator[Payload]:
    """Delivery reports end a short message's story."""
    payload = occasion.message.payload
    for report in payload.reports if isinstance(payload, SmsReported) else ():
        if report.request_id and (case_no := references.case_of(occasion.work, "sms", report.request_id)):
            references.remember(occasion.work, "sms", report.request_id, case_no, {"status": report.status})
    yield from ()


def note_receipt(occasion: Occasion) -> Iterator[Payload]:
    """A business receipt closes the delivery it names, as the partner's contract reads its code; one for
    nothing we sent is refused."""
    payload, party = occasion.message.payload, occasion.message.sender
    if isinstance(payload, ExchangeReceipted):
        row = occasion.hub.outbox.sent(occasion.work, party, payload.message_id)
        if row is None:
            raise Refused("unknown_message", "nothing of this id was sent to this party", "message_id")
        verdict = occasion.hub.judge(party, row.document, payload.code)
        occasion.hub.outbox.receipted(occasion.work, row, payload.code, verdict)
        if verdict in ("refused", "poison"):
            detail = f"{party} {payload.code}: {payload.detail or ''}"[:500]
            add_finding(occasion.work, row.case_no, ("procedure", "receipt_refused", detail), occasion.entry)
    yield from ()


def file_the_case(occasion: Occasion) -> Iterator[Payload]:
    """A delivered case is offered to the archives (S3-51)."""
    case = occasion.moved.case
    if case is not None and not occasion.moved.repeated and occasion.hub.adapters_of("SYS-06"):
        yield archiving.offer(occasion.hub, occasion.work, case)


STANDARD = Reactions(
    {
        "catalogue.increment.v1": (keep_catalogue,),
        "catalogue.reported.v1": (follow_report,),
        "catalogue.report_answered.v1": (follow_report,),
        "catalogue.audited.v1": (follow_report,),
        "case.applied.v1": (tell("applied"),),
        "case.accepted.v1": (
            tell("accepted", lambda said: said.result == "accepted"),
            tell("refused", lambda said: said.result == "refused"),
        ),
        "case.supplement_noticed.v1": (tell("supplement"),),
        "case.special_started.v1": (tell("suspended", lambda said: said.kind == "other"),),
        "case.special_finished.v1": (tell("resumed"),),
        "case.concluded.v1": (tell("concluded"),),
        "case.delivered.v1": (file_the_case,),
        "fee.noticed.v1": (remember_notice, tell("fee_notice")),
        "certificate.requested.v1": (remember_certificate_request,),
        "sms.requested.v1": (remember_short_message,),
        "sms.reported.v1": (note_reports,),
        "exchange.receipted.v1": (note_receipt,),
    }
)

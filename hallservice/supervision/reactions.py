"""What supervision does with accepted messages, in their own commit: clocks, cards, and the fate of its short
messages. The table has the shape of exchange.reactions.STANDARD."""

from collections.abc import Iterator, Mapping

from canonical.messages import CaseConcluded, CaseSpecialStarted, CaseStep, Payload, SmsReported, SmsSubmitted
from exchange.clocks import today
from exchange.reacting.occasion import Occasion, Reaction
from hallservice.counter import certificate
from hallservice.supervision import clocks, grounds, sending, store, urging
from hallservice.supervision.looking import Look


def at_event(occasion: Occasion) -> Iterator[Payload]:
    """The clocks this message moves, looked at at once; cards are sent with the commit that raised them."""
    case, said = occasion.moved.case, occasion.message.payload
    if case is None or occasion.moved.repeated or _moves_no_clock(said):
        return
    work, rows = occasion.work, store.of_case(occasion.work.connection, case["case_no"])
    changed = clocks.moved(case, said, {row.clock: store.facts_of(row) for row in rows}, work.now)
    if isinstance(said, CaseConcluded) and certificate.owed(work.connection, case["case_no"]) is not None:
        changed.pop(clocks.SERVICE, None)  # left for later, it is due all the same
    if not changed:
        return
    made = Look.now(occasion.hub, work, today(work.now)).at_change(case, rows, changed)
    yield from sending.ready(work, [one.id for one in made])


def look_at_ground(occasion: Occasion) -> Iterator[Payload]:
    """A special procedure that stops the clock needs a ground the law knows (C9)."""
    said = occasion.message.payload
    if isinstance(said, CaseSpecialStarted) and not occasion.moved.repeated and not grounds.is_lawful(said):
        occasion.note("procedure", "special_without_basis", f"特别程序“{said.name}”未载明法律依据")
    yield from ()


def follow_reports(occasion: Occasion) -> Iterator[Payload]:
    """Delivery reports of the gateway, and its refusals."""
    said = occasion.message.payload
    if isinstance(said, SmsReported):
        for report in said.reports:
            sending.reported(occasion.work, report.request_id, report.mobile, report.status)
            urging.reported(occasion.work, report.request_id, report.status)
    elif isinstance(said, SmsSubmitted):
        for refused in said.rejected:
            sending.reported(occasion.work, refused.request_id, None, "rejected")
            urging.reported(occasion.work, refused.request_id, "rejected")
    yield from ()


def _moves_no_clock(said: Payload) -> bool:
    return isinstance(said, CaseStep) and (said.step, said.action) != ("approve", "pass")


REACTIONS: Mapping[str, tuple[Reaction, ...]] = {
    **dict.fromkeys(clocks.CHANGED_BY, (at_event,)),
    "case.special_started.v1": (at_event, look_at_ground),
    "sms.reported.v1": (follow_reports,),
    "sms.submitted.v1": (follow_reports,),
}

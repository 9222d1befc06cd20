"""受理 and 不予受理 (S0-60, S0-62, S3-25, S3-29 to S3-31): the decision, its notice, in one commit."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from canonical.casetable import Event
from canonical.messages import CaseAccepted
from exchange.cases import find
from exchange.store.work import Work
from hallservice.counter import materials, notices, numbers, receive
from hallservice.counter.form import Check
from hallservice.counter.materials import Material, Seen
from hallservice.counter.standing import Standing, begin, moment, tell
from hallservice.hall import Hall
from hallservice.people.clerk import Clerk

FUNCTION = "counter.accept"


@dataclass(frozen=True, slots=True)
class Decided:
    """The number of the notice to print, and the day the applicant may expect the result."""

    doc_no: str
    promised_due: str | None = None


def accept(
    hall: Hall, clerk: Clerk, case_no: str, seen: int, looked: Sequence[Seen], delivery: str = "window"
) -> Decided:
    """Accept: every required material is there and every review point of what came was looked at."""

    def act(work: Work) -> Decided:
        here = begin(work, clerk, case_no, seen, FUNCTION, Event.ACCEPTED)
        receive.prepare(work, here)
        check = Check()
        check.choice("delivery", delivery, "送达方式", "delivery_mode")
        laid = materials.look_at(work, case_no, looked, check)
        materials.expect_complete(laid, check)
        check.done()
        number = numbers.document_number(work, "acceptance", here.case["region"])
        tell(hall, work, clerk, CaseAccepted.model_validate(_accepted(work, clerk, here, laid, number)))
        return _noticed(work, clerk, here, laid, delivery, number)

    return hall.write(act)


def _accepted(
    work: Work, clerk: Clerk, here: Standing, laid: Sequence[Material], number: str
) -> dict[str, Any]:
    password = here.receipt["query_password"] if here.receipt else numbers.query_password()
    limits = {key: here.item[key] for key in ("statutory_limit", "promised_limit") if key in here.item}
    return {
        **here.head,
        "officer": here.officer(clerk),
        "result": "accepted",
        "notice_no": number,
        "decided_at": moment(work.now),
        "query_password": password,
        **limits,
        "materials": materials.as_messages(laid),
        "channel": here.case["application"]["channel"],
    }


def _noticed(
    work: Work, clerk: Clerk, here: Standing, laid: Sequence[Material], delivery: str, number: str
) -> Decided:
    case = find(work, here.no) or here.case
    due = case["promised_due"]
    said = {
        "accepted_at": moment(work.now),
        "promised": notices.limit_of(here.item["promised_limit"], due),
        "materials": notices.material_rows(laid),
        "delivery": notices.delivery_text(delivery),
    }
    return Decided(notices.issue(work, clerk, here, "acceptance", said, number), due)


def refuse(hall: Hall, clerk: Clerk, case_no: str, seen: int, reason: str) -> Decided:
    """不予受理 with its reason, and where it is contested."""
    check = Check()
    said = check.text("reason", reason, "不予受理的理由", 500, lines=True)
    check.done()

    def act(work: Work) -> Decided:
        here = begin(work, clerk, case_no, seen, FUNCTION, Event.REFUSED)
        number = numbers.document_number(work, "refusal", here.case["region"])
        payload = {
            **here.head,
            "officer": here.officer(clerk),
            "result": "refused",
            "reason": said,
            "notice_no": number,
            "decided_at": moment(work.now),
        }
        tell(hall, work, clerk, CaseAccepted.model_validate(payload))
        paper = {
            "received_at": moment(received_at(here)),
            "reason": said,
            "remedy": notices.remedy_of(here.case["region"]),
        }
        return Decided(notices.issue(work, clerk, here, "refusal", paper, number))

    return hall.write(act)


def received_at(here: Standing) -> float:
    """When the window took the application, or when it came online."""
    return float(here.receipt["at"] if here.receipt else here.case["opened_at"])

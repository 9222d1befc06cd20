"""预审 of online applications (S3-23, S3-26): the applicant is told by message what to do next."""

from dataclasses import dataclass

from canonical.casetable import Event
from canonical.messages import CasePreReviewed
from exchange.store.work import Work
from hallservice.counter.form import Check
from hallservice.counter.receive import prepare
from hallservice.counter.standing import begin, moment, tell
from hallservice.hall import Hall
from hallservice.people.clerk import Clerk

EVENTS = {"passed": Event.PRE_PASSED, "refused": Event.PRE_REFUSED, "supplement": Event.PRE_SUPPLEMENT}


@dataclass(frozen=True, slots=True)
class Review:
    """`said`: why it is refused, or what is to be supplied."""

    result: str
    said: str = ""


def pre_review(hall: Hall, clerk: Clerk, case_no: str, seen: int, asked: Review) -> None:
    """Passed, to be supplemented, or refused; the last two say why."""
    check = Check()
    result = check.choice("result", asked.result, "预审结论", "pre_review_result")
    label = "补充要求" if result == "supplement" else "不通过的理由"
    said = check.text("said", asked.said, label, 500, required=result != "passed", lines=True)
    check.done()

    def act(work: Work) -> None:
        here = begin(work, clerk, case_no, seen, "counter.accept", EVENTS[result])
        prepare(work, here)
        why = {"refused": "reason", "supplement": "supplement_note"}.get(result, "remark")
        payload = {
            **here.head,
            "officer": here.officer(clerk),
            "result": result,
            "reviewed_at": moment(work.now),
            **({why: said} if said else {}),
        }
        tell(hall, work, clerk, CasePreReviewed.model_validate(payload))

    hall.write(act)

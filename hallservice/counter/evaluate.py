"""评价 (S3-50): once a case, linked to the window and the clerk who served."""

from dataclasses import dataclass
from typing import Any

from canonical.messages import CaseEvaluated
from exchange.errors import HubError
from exchange.pipeline import submit
from exchange.store.work import Work
from hallservice import wording
from hallservice.counter import progress
from hallservice.counter.form import Check
from hallservice.counter.standing import Standing, look, moment, tell
from hallservice.hall import Hall
from hallservice.people.clerk import Clerk
from hallservice.refusals import HallRefused

FUNCTION = "counter.deliver"
TAGS = ("服务热情", "办事快捷", "一次办好", "解释清楚", "等待太久", "材料繁琐", "态度生硬", "多次跑动")


@dataclass(frozen=True, slots=True)
class Rating:
    """The form: one of five levels, tags, words."""

    satisfaction: str
    comment: str = ""
    tags: tuple[str, ...] = ()


def at_window(hall: Hall, clerk: Clerk, case_no: str, rating: Rating, channel: str = "hall_tablet") -> None:
    """The applicant rates at the window's evaluator."""
    said = _checked(rating, channel)

    def act(work: Work) -> None:
        here = look(work.connection, clerk, case_no, FUNCTION)
        tell(hall, work, clerk, _payload(work, here, said))

    hall.write(act)


def by_applicant(
    hall: Hall, case_no: str, password: str, client: str, rating: Rating, channel: str = "qr_code"
) -> None:
    """From outside, by case number and query password; the same limits as a progress query."""
    said = _checked(rating, channel)
    here = progress.standing(hall, case_no, password, client)

    def act(work: Work) -> None:
        fresh = progress.standing_in(work.connection, here.no)
        try:
            submit(hall.hub, work, _payload(work, fresh, said), cause=None)
        except HubError as fault:
            raise wording.in_chinese(fault) from fault

    hall.write(act)


def _checked(rating: Rating, channel: str) -> dict[str, Any]:
    check = Check()
    words = check.text("comment", rating.comment, "评价内容", 1000, required=False, lines=True)
    said = {
        "satisfaction": check.choice("satisfaction", rating.satisfaction, "满意程度", "satisfaction"),
        "channel": channel,
        "tags": [tag for tag in TAGS if tag in rating.tags],
        **({"comment": words} if words else {}),
    }
    check.done()
    return said


def _payload(work: Work, here: Standing, said: dict[str, Any]) -> CaseEvaluated:
    if here.state not in progress.RATABLE:
        raise HallRefused("too_early", "办件还没有办结，办结后才能评价")
    if here.case["facts"]["evaluated"]:
        raise HallRefused("already_evaluated", "这个办件已经评价过了，每个办件评价一次")
    receipt = here.receipt or {}
    served = {
        "window": receipt.get("window"),
        "staff_no": receipt.get("staff_no") or _accepted_by(here),
    }
    known = {key: value for key, value in served.items() if value}
    return CaseEvaluated.model_validate({**here.head, **said, **known, "evaluated_at": moment(work.now)})


def _accepted_by(here: Standing) -> str | None:
    acceptance = here.case["acceptance"] or {}
    found: str | None = acceptance.get("officer", {}).get("staff_no")
    return found

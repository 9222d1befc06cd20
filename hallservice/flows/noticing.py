"""What the applicant is told in writing of an act of the approval: what stops the clock and for how long
(行政许可法 art. 45), more time and why (art. 42), an end without a decision. The counter prints and hands it
over with the case's other papers.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from canonical.codes import code_list
from exchange.cases import Case
from exchange.clocks import today
from exchange.store.work import Work
from hallservice.counter import notices, standing
from hallservice.counter.standing import Standing, moment
from hallservice.flows.telling import Ended, Saying, SpecialBegun, SpecialOver
from hallservice.people.clerk import Clerk
from hallservice.supervision.grounds import basis_of

UNNAMED = {"挂起": "特别程序", "退回申请人补充材料": "补充申请材料"}  # procedures whose name is none on paper
AT_WINDOW = "window"
Paper = tuple[str, dict[str, Any]]  # kind of the notice, and what it says


def issue(work: Work, clerk: Clerk, before: Case, said: Sequence[Saying]) -> list[str]:
    """The notices that follow from what was just told of the case; their numbers. `before` is the case as it
    was; most acts are told in no notice."""
    if not any(isinstance(one, SpecialBegun | Ended) for one in said):
        return []
    here = standing.standing_of(work.connection, before["case_no"], {})
    window = {"window": _window(clerk, here)}
    papers = _papers(work, here, before, said)
    return [notices.issue(work, clerk, here, kind, told | window) for kind, told in papers]


def _papers(work: Work, here: Standing, before: Case, said: Sequence[Saying]) -> Iterator[Paper]:
    granted = {one.number for one in said if isinstance(one, SpecialOver) and one.result == "finished"}
    for one in said:
        if isinstance(one, Ended):
            yield "conclusion", _end(work, one)
        elif isinstance(one, SpecialBegun) and one.kind == "other":
            yield "special", _procedure(work, one)
        elif isinstance(one, SpecialBegun) and one.number in granted:
            yield "extension", _extension(here, before, one)


def _procedure(work: Work, said: SpecialBegun) -> dict[str, Any]:
    lasts = {"lasts": {"number": said.days}} if said.days else {}
    return {
        "procedure": UNNAMED.get(said.name, said.name),
        "reason": said.reason,
        "basis": basis_of(said.name, said.reason),
        "starts_on": today(work.now),
        **lasts,
    }


def _extension(here: Standing, before: Case, said: SpecialBegun) -> dict[str, Any]:
    """Of the promised limit, which is what the applicant was told at acceptance."""
    return {
        "reason": said.reason,
        "approver": said.approver,
        "by": {"number": said.days},
        "due_before": before["promised_due"],
        "due_now": here.case["promised_due"],
    }


def _end(work: Work, said: Ended) -> dict[str, Any]:
    how = code_list("conclusion_result").label_of(said.result)
    return {
        "concluded_at": moment(work.now),
        "result": notices.line(f"{how}：{said.reason}"),
        "delivery": notices.delivery_text(AT_WINDOW),
    }


def _window(clerk: Clerk, here: Standing) -> dict[str, str]:
    """Who took the application in, so that the applicant asks where he has been; else who acts."""
    receipt = here.receipt
    if receipt is None:
        return notices.window_of(clerk, here)
    place = receipt["window"] or receipt["org_name"]
    return notices.window_of(clerk, here) | {"staff": receipt["clerk"], "name": place}

"""The to-do list: who, since when, and due when by the working days of the published calendar."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from canonical.amounts import BEIJING
from canonical.calendar import shipped
from hallservice.approval.clock import working_days
from hallservice.approval.engine import apply
from hallservice.approval.events import (
    Answered,
    Asked,
    Countersigned,
    Delegated,
    Passed,
    Resumed,
    SignerAdded,
)
from hallservice.approval.todo import todos
from tests.hallservice.approval.builders import MONDAY, Run, actor, definition, serial, step

REVIEW, SPECIAL, HELPER = actor("review"), actor("special"), actor("clerk", number=9)
DUE = working_days(shipped())


def run() -> Run:
    return Run(definition(serial(step("review", limit_days=3, integrity_risk=True), step("free"))))


def day(month: int, number: int, hour: int = 9) -> datetime:
    return datetime(2026, month, number, hour, tzinfo=BEIJING)


def one(run: Run):
    return todos(run.plan, run.state, DUE)[0]


def test_a_step_is_due_at_the_end_of_its_last_working_day() -> None:
    todo = one(run())  # begun on Monday 2 March 2026; three working days end on Thursday the 5th
    assert todo.since == MONDAY and todo.due == datetime(2026, 3, 5, 23, 59, 59, tzinfo=BEIJING)
    assert (todo.org, todo.post, todo.people, todo.integrity_risk) == ("org-county", "review", (), True)


def test_a_weekend_between_is_not_counted() -> None:
    begun = run()
    friday = replace(begun.events[0], at=day(3, 6))
    state = apply(begun.plans, None, friday)
    assert todos(begun.plan, state, DUE)[0].due.date().isoformat() == "2026-03-11"


@pytest.mark.req("S3-39")
def test_a_suspension_stops_the_clock_and_an_extension_prolongs_it() -> None:
    case = run()
    state = case.state
    asked = Asked(at=day(3, 3), by=REVIEW, step="review", kind="suspension", opinion="听证")
    granted = Answered(at=day(3, 3, 10), by=SPECIAL, step="review", kind="suspension", grant=True)
    for event in (asked, granted):
        state = apply(case.plans, state, event)
    assert todos(case.plan, state, DUE)[0].due is None
    assert todos(case.plan, state, DUE)[0].wanted == "resume"
    state = apply(case.plans, state, Resumed(at=day(3, 5), by=REVIEW))
    # the 3rd (suspended) and the 4th do not count; the 5th, 6th and, after the weekend, the 9th do
    assert todos(case.plan, state, DUE)[0].due.date().isoformat() == "2026-03-09"
    asked = Asked(at=day(3, 5), by=REVIEW, step="review", kind="extension", days=2, opinion="疑难")
    granted = Answered(at=day(3, 5), by=SPECIAL, step="review", kind="extension", grant=True)
    for event in (asked, granted):
        state = apply(case.plans, state, event)
    assert todos(case.plan, state, DUE)[0].due.date().isoformat() == "2026-03-11"


def test_the_list_names_whose_turn_it_is() -> None:
    case = run()
    case.act(Delegated, REVIEW, step="review", to=HELPER.person)
    assert (one(case).wanted, one(case).people) == ("give_back", (HELPER.person,))
    case = run()
    case.act(SignerAdded, REVIEW, step="review", who=(HELPER.person,), where="after")
    assert (one(case).wanted, one(case).people) == ("handle", ())
    case.act(Passed, REVIEW, step="review")
    assert (one(case).wanted, one(case).people) == ("sign", (HELPER.person,))
    case = run()
    case.act(Countersigned, REVIEW, step="review", who=(HELPER.person,), need="any")
    assert (one(case).wanted, one(case).people) == ("countersign", (HELPER.person,))


def test_an_ask_is_a_to_do_of_the_special_post() -> None:
    case = run()
    case.act(Asked, REVIEW, step="review", kind="abort", opinion="申请人撤回")
    answer = todos(case.plan, case.state, DUE)[1]
    assert (answer.wanted, answer.post, answer.org) == ("answer", "special", "org-county")


def test_a_step_without_a_limit_has_no_due_day_and_an_ended_one_no_to_do() -> None:
    case = run()
    case.passes("review")
    assert one(case).due is None and one(case).since - MONDAY == timedelta(minutes=1)
    case.passes("free")
    assert todos(case.plan, case.state, DUE) == ()

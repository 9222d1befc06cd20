"""Every verb: what it does, who may do it, and what the others are told."""

from dataclasses import replace
from datetime import timedelta

import pytest

from hallservice.approval.conditions import Compare
from hallservice.approval.definition import EXPIRY, Branch, Choice, FactField, Parallel, Sub
from hallservice.approval.engine import HANDLERS, apply
from hallservice.approval.events import (
    SYSTEM,
    VERBS,
    Answered,
    Asked,
    Countersigned,
    Deemed,
    Delegated,
    GivenBack,
    Migrated,
    Passed,
    Person,
    Refused,
    Resumed,
    Resupplied,
    Returned,
    Signed,
    SignerAdded,
    SignerRemoved,
    Started,
    Transferred,
    UrgeAnswered,
    Urged,
    Withdrawn,
)
from hallservice.approval.migration import migration
from hallservice.approval.plan import linked
from hallservice.approval.state import ActRefused
from hallservice.approval.todo import todos
from tests.hallservice.approval.builders import (
    UNITS,
    Run,
    actor,
    at,
    definition,
    four_levels,
    serial,
    step,
)

ACCEPT, UNDERTAKE, REVIEW, APPROVE = (actor(p) for p in ("accept", "undertake", "review", "approve"))
SPECIAL, SUPERVISOR, ADMIN = (actor(p) for p in ("special", "supervisor", "administrator"))
LINE = definition(
    serial(
        step("accept", "accept", limit_days=1),
        step("undertake", "undertake", limit_days=5),
        step("review", limit_days=3),
        step("approve", "approve", limit_days=2),
        step("conclude", "conclude"),
    )
)


def at_review() -> Run:
    run = Run(LINE)
    run.passes("accept", "undertake")
    return run


def refusal(run: Run, kind, by, /, **values) -> ActRefused:
    """The act is refused, and nothing has changed."""
    before = run.state
    with pytest.raises(ActRefused) as refused:
        run.act(kind, by, **values)
    assert run.state is before
    assert any("\u4e00" <= c <= "\u9fff" for c in refused.value.message)
    return refused.value


@pytest.mark.req("S0-14", "S0-28")
def test_a_case_goes_through_five_steps_within_one_level() -> None:
    run = Run(LINE)
    for key in ("accept", "undertake", "review", "approve", "conclude"):
        assert run.state.active == (key,)
        run.passes(key)
    assert run.state.status == "finished" and run.state.active == ()
    assert [done.by.name for done in run.state.done.values()] == [
        "accept1", "undertake1", "review1", "approve1", "conclude1",
    ]  # fmt: skip


@pytest.mark.req("S0-29", "S0-30", "S3-36")
def test_village_receives_town_undertakes_county_approves_jointly() -> None:
    run = Run(four_levels())
    due = lambda since, days, pauses: since + timedelta(days=days)  # noqa: E731  the calendar is another test's
    assert [(t.step, t.org) for t in todos(run.plan, run.state, due)] == [("accept", "org-village")]
    assert refusal(run, Passed, actor("accept", "org-town"), step="accept").code == "not_holder"
    run.passes("accept")
    assert [(t.step, t.org) for t in todos(run.plan, run.state, due)] == [("undertake", "org-town")]
    run.passes("undertake")
    assert [(t.step, t.org) for t in todos(run.plan, run.state, due)] == [
        ("housing.a", "org-housing"), ("fire.a", "org-fire"), ("water.a", "org-water"),
    ]  # fmt: skip
    run.passes("water.a", "housing.a", "fire.a")
    assert run.state.active == ("housing.b",)
    run.passes("housing.b")
    assert [(t.step, t.org) for t in todos(run.plan, run.state, due)] == [("approve", "org-county")]
    run.passes("approve", "deliver")
    assert run.state.status == "finished"


def test_the_second_hears_who_was_first() -> None:
    run = at_review()
    run.passes("review")
    told = refusal(run, Passed, actor("review", number=2), step="review")
    assert told.code == "already_done"
    assert "review1" in told.message and "2026-03-02 09:03" in told.message


@pytest.mark.parametrize(
    ("kind", "by", "values", "code"),
    [
        (Passed, UNDERTAKE, {"step": "review"}, "not_holder"),
        (Passed, actor("review", "org-town"), {"step": "review"}, "not_holder"),
        (Passed, APPROVE, {"step": "approve"}, "not_active"),
        (Passed, REVIEW, {"step": "nowhere"}, "unknown_step"),
        (Passed, REVIEW, {"step": "review", "facts": {"colour": 1}}, "unknown_fact"),
        (Passed, REVIEW, {"step": "review", "facts": {"area": "1"}}, "bad_fact"),
        (Refused, REVIEW, {"step": "review", "opinion": " "}, "reason_missing"),
        (Refused, UNDERTAKE, {"step": "review", "opinion": "不"}, "not_holder"),
        (Returned, REVIEW, {"step": "review", "to": "previous"}, "reason_missing"),
        (Returned, REVIEW, {"step": "review", "to": "chosen", "opinion": "退"}, "target_missing"),
        (
            Returned,
            REVIEW,
            {"step": "review", "to": "chosen", "target": "approve", "opinion": "退"},
            "not_earlier",
        ),
        (Returned, UNDERTAKE, {"step": "review", "to": "previous", "opinion": "退"}, "not_holder"),
        (Resupplied, REVIEW, {}, "wrong_status"),
        (Transferred, UNDERTAKE, {"step": "review", "to": REVIEW.person, "opinion": "忙"}, "not_holder"),
        (
            Transferred,
            REVIEW,
            {"step": "review", "to": Person("x", "别处", "org-town"), "opinion": "忙"},
            "other_unit",
        ),
        (Delegated, REVIEW, {"step": "review", "to": REVIEW.person}, "same_person"),
        (Delegated, REVIEW, {"step": "review", "to": Person("x", "别处", "org-town")}, "other_unit"),
        (GivenBack, REVIEW, {"step": "review"}, "not_delegated"),
        (
            SignerAdded,
            REVIEW,
            {"step": "review", "who": (REVIEW.person,), "where": "before"},
            "already_signer",
        ),
        (
            SignerRemoved,
            REVIEW,
            {"step": "review", "who": APPROVE.person, "opinion": "休假"},
            "not_signer",
        ),
        (
            Countersigned,
            REVIEW,
            {"step": "review", "who": (APPROVE.person,), "need": "share", "share": 2},
            "bad_share",
        ),
        (Signed, REVIEW, {"step": "review", "agree": True}, "not_signer"),
        (Urged, APPROVE, {"step": "review"}, "may_not_urge"),
        (Withdrawn, actor("undertake", number=2), {"step": "undertake"}, "not_passed_by_you"),
        (Withdrawn, ACCEPT, {"step": "accept"}, "followed"),
        (Asked, UNDERTAKE, {"step": "review", "kind": "abort", "opinion": "撤"}, "not_holder"),
        (Asked, REVIEW, {"step": "review", "kind": "abort"}, "reason_missing"),
        (Asked, REVIEW, {"step": "review", "kind": "extension", "opinion": "疑难"}, "days_missing"),
        (Answered, SPECIAL, {"step": "review", "kind": "abort", "grant": True}, "no_ask"),
        (Resumed, SPECIAL, {}, "wrong_status"),
        (
            Deemed,
            SYSTEM,
            {"step": "review", "due": at(0), "policy": "DEEM_NO_OPINION", "basis": "x"},
            "no_default",
        ),
        (Migrated, ADMIN, {"plan": "0" * 64, "opinion": "改"}, "unknown_plan"),
        (Started, ACCEPT, {"plan": "0" * 64, "units": UNITS}, "already_started"),
    ],
)
def test_who_may_not_is_refused_with_a_code(kind, by, values, code: str) -> None:
    assert refusal(at_review(), kind, by, **values).code == code


def test_every_verb_is_handled() -> None:
    assert set(VERBS) == set(HANDLERS) | {"started", "migrated"}


def test_time_never_runs_backwards_in_a_history() -> None:
    run = at_review()
    late = Passed(at=at(0), by=REVIEW, step="review")
    with pytest.raises(ActRefused) as refused:
        apply(run.plans, run.state, late)
    assert refused.value.code == "time_backwards"


def test_who_undertook_does_not_approve() -> None:
    run = at_review()
    run.passes("review")
    both = replace(UNDERTAKE, posts=("undertake", "approve"))
    assert refusal(run, Passed, both, step="approve").code == "duty_separation"
    assert refusal(run, Refused, both, step="approve", opinion="不").code == "duty_separation"
    moved = {"step": "approve", "to": UNDERTAKE.person, "opinion": "忙"}
    assert refusal(run, Transferred, APPROVE, **moved).code == "duty_separation"


def test_a_refusal_ends_the_whole_in_a_line() -> None:
    run = at_review()
    run.act(Refused, REVIEW, step="review", opinion="不符合条件")
    assert run.state.status == "refused"


@pytest.mark.parametrize(("join", "share", "refusals"), [("all", 0, 1), ("share", 2, 2), ("any", 0, 3)])
def test_a_parallel_fails_when_its_need_can_no_longer_be_met(join: str, share: int, refusals: int) -> None:
    three = tuple(step(key) for key in "abc")
    run = Run(definition(serial(Parallel(key="p", branches=three, join=join, share=share), step("d"))))
    for number, key in enumerate("abc", start=1):
        run.act(Refused, REVIEW, step=key, opinion="不")
        assert run.state.status == ("refused" if number == refusals else "running")
        if number == refusals:
            return


@pytest.mark.parametrize(("join", "share", "need"), [("all", 0, 3), ("share", 2, 2), ("any", 0, 1)])
def test_a_parallel_is_over_when_enough_branches_are(join: str, share: int, need: int) -> None:
    three = tuple(step(key) for key in "abc")
    run = Run(definition(serial(Parallel(key="p", branches=three, join=join, share=share), step("d"))))
    for number, key in enumerate("abc"[:need], start=1):
        assert "d" not in run.state.active
        run.passes(key)
        assert ("d" in run.state.active) is (number == need)
    assert run.state.active == ("d",)


def test_return_to_the_previous_step_runs_it_again() -> None:
    run = at_review()
    run.act(Returned, REVIEW, step="review", to="previous", opinion="材料有误")
    assert run.state.active == ("undertake",)
    run.passes("undertake", number=2)
    assert run.state.active == ("review",) and run.state.done["undertake"].by.name == "undertake2"


def test_return_to_a_chosen_step_runs_all_after_it_again_and_chooses_anew() -> None:
    big = Branch(name="大", when=Compare(field="area", op="ge", value=100), then=step("big"))
    run = Run(
        definition(
            serial(
                step("accept", "accept"),
                step("measure", "undertake"),
                Choice(key="size", branches=(big,), otherwise=step("small")),
                step("last"),
            )
        )
    )
    run.passes("accept")
    run.act(Passed, UNDERTAKE, step="measure", facts={"area": 500})
    assert run.state.active == ("big",)
    run.passes("big")
    run.act(Returned, REVIEW, step="last", to="chosen", target="measure", opinion="面积有误")
    assert run.state.active == ("measure",) and list(run.state.done) == ["accept"]
    run.act(Passed, UNDERTAKE, step="measure", facts={"area": 5})
    assert run.state.active == ("small",)


def test_return_out_of_a_joint_approval_stops_the_other_departments() -> None:
    run = Run(four_levels())
    run.passes("accept", "undertake", "fire.a")
    housing = actor("undertake", "org-housing")
    run.act(Returned, housing, step="housing.a", to="previous", opinion="退镇里")
    assert run.state.active == ("undertake",) and list(run.state.done) == ["accept"]
    assert refusal(run, Passed, actor("custom", "org-water"), step="water.a").code == "not_active"
    run.passes("undertake")
    assert run.state.active == ("housing.a", "fire.a", "water.a")


def test_return_to_the_applicant_waits_with_the_clock_stopped() -> None:
    run = at_review()
    run.act(Returned, REVIEW, step="review", to="applicant", opinion="请补正")
    assert run.state.status == "with_applicant" and run.state.pauses[-1].until is None
    assert refusal(run, Passed, REVIEW, step="review").code == "wrong_status"
    assert refusal(run, Resupplied, APPROVE).code == "not_holder"
    run.act(Resupplied, REVIEW)
    assert run.state.status == "running" and run.state.pauses[-1].until == at(4)
    run.passes("review")
    assert run.state.active == ("approve",)


def test_a_transferred_step_is_that_persons() -> None:
    run = at_review()
    other = actor("clerk", number=7)
    run.act(Transferred, REVIEW, step="review", to=other.person, opinion="出差")
    assert refusal(run, Passed, REVIEW, step="review").code == "not_holder"
    assert refusal(run, Transferred, other, step="review", to=other.person, opinion="x").code == "same_person"
    run.act(Transferred, SUPERVISOR, step="review", to=REVIEW.person, opinion="该人请假")
    run.passes("review")
    assert run.state.active == ("approve",)


def test_a_delegate_gives_back_and_the_owner_decides() -> None:
    run = at_review()
    helper = actor("clerk", number=7)
    run.act(Delegated, REVIEW, step="review", to=helper.person)
    assert refusal(run, Passed, REVIEW, step="review").code == "delegated"
    assert refusal(run, Passed, helper, step="review").code == "not_holder"
    assert refusal(run, GivenBack, actor("review", number=2), step="review").code == "not_holder"
    run.act(GivenBack, helper, step="review", opinion="已核")
    run.passes("review")
    again = at_review()
    again.act(Delegated, REVIEW, step="review", to=helper.person)
    again.act(GivenBack, REVIEW, step="review")
    assert refusal(again, GivenBack, helper, step="review").code == "not_delegated"


def test_a_signer_before_speaks_first() -> None:
    run = at_review()
    expert = actor("expert", "org-fire")
    run.act(SignerAdded, REVIEW, step="review", who=(expert.person,), where="before")
    assert refusal(run, Passed, REVIEW, step="review").code == "signers_waiting"
    assert refusal(run, Signed, expert, step="review", agree=False).code == "reason_missing"
    run.act(Signed, expert, step="review", agree=True)
    run.passes("review")
    assert run.state.active == ("approve",)


def test_signers_after_finish_the_step_or_give_it_back() -> None:
    run = at_review()
    first, second = actor("expert", number=1), actor("expert", number=2)
    run.act(SignerAdded, REVIEW, step="review", who=(first.person, second.person), where="after")
    assert refusal(run, Signed, first, step="review", agree=True).code == "not_signer"
    run.passes("review")
    assert run.state.active == ("review",)
    assert refusal(run, Passed, REVIEW, step="review").code == "already_passed"
    run.act(Signed, first, step="review", agree=False, opinion="缺依据")
    run.passes("review")
    run.act(Signed, first, step="review", agree=True)
    assert run.state.active == ("review",)
    away = {"step": "review", "who": second.person, "opinion": "休假"}
    assert refusal(run, SignerRemoved, second, **away).code == "not_holder"
    run.act(SignerRemoved, REVIEW, **away)
    assert run.state.active == ("approve",) and run.state.done["review"].by == REVIEW.person


@pytest.mark.parametrize(
    ("need", "share", "agree", "object_"), [("all", 0, 3, 1), ("any", 0, 1, 3), ("share", 2, 2, 2)]
)
def test_a_panel_agrees_or_fails(need: str, share: int, agree: int, object_: int) -> None:
    panel = [actor("expert", number=n) for n in (1, 2, 3)]
    people = tuple(person.person for person in panel)
    for votes, agrees in ((agree, True), (object_, False)):
        run = at_review()
        run.act(Countersigned, REVIEW, step="review", who=people, need=need, share=share)
        for member in panel[:votes]:
            assert refusal(run, Passed, REVIEW, step="review").code == "panel_open"
            run.act(Signed, member, step="review", agree=agrees, opinion="意见")
        for member in panel[:votes]:
            assert refusal(run, Signed, member, step="review", agree=True).code == "not_signer"
        if agrees:
            run.passes("review")
            assert run.state.active == ("approve",)
        else:
            assert refusal(run, Passed, REVIEW, step="review").code == "panel_failed"


def test_urging_is_counted_and_lies_with_those_who_wait() -> None:
    run = at_review()
    run.act(Urged, SUPERVISOR, step="review", opinion="今天到期")
    run.act(Urged, UNDERTAKE, step="review", opinion="请尽快")
    assert run.state.work["review"].urged == 2
    assert refusal(run, Urged, SUPERVISOR, step="review", opinion=" ").code == "reason_missing"


def test_whoever_is_urged_answers_in_words_and_only_what_was_asked() -> None:
    run = at_review()
    assert refusal(run, UrgeAnswered, REVIEW, step="review", opinion="在办").code == "not_urged"
    run.act(Urged, SUPERVISOR, step="review", opinion="今天到期")
    waiting = run.state.work["review"].urge
    assert waiting is not None and (waiting.by.id, waiting.said) == (SUPERVISOR.id, "今天到期")
    assert refusal(run, UrgeAnswered, SUPERVISOR, step="review", opinion="在办").code == "not_holder"
    assert refusal(run, UrgeAnswered, REVIEW, step="review").code == "reason_missing"
    run.act(UrgeAnswered, REVIEW, step="review", opinion="下午办结")
    assert (run.state.work["review"].urge, run.state.work["review"].urged) == (None, 1)
    run.passes("review")


def test_the_lead_department_urges_the_others() -> None:
    run = Run(four_levels())
    run.passes("accept", "undertake")
    run.act(Urged, actor("undertake", "org-housing"), step="fire.a", opinion="请抓紧")
    assert run.state.work["fire.a"].urged == 1
    assert refusal(run, Urged, actor("undertake", "org-fire"), step="housing.a").code == "may_not_urge"


def test_what_was_passed_may_be_withdrawn_until_the_next_has_acted() -> None:
    run = at_review()
    since = run.state.done["undertake"].since
    run.act(Withdrawn, UNDERTAKE, step="undertake")
    assert run.state.active == ("undertake",)
    assert run.state.work["undertake"].since == since  # the clock is not set back
    run.passes("undertake")
    run.act(Delegated, REVIEW, step="review", to=actor("clerk").person)
    assert refusal(run, Withdrawn, UNDERTAKE, step="undertake").code == "followed"


@pytest.mark.req("S3-37")
def test_suspension_is_asked_granted_and_stops_the_clock() -> None:
    run = at_review()
    run.act(Asked, REVIEW, step="review", kind="suspension", opinion="听证")
    assert run.state.status == "running"  # the clock runs on until it is granted
    run.act(Answered, SPECIAL, step="review", kind="suspension", grant=True)
    assert run.state.status == "suspended"
    assert refusal(run, Passed, REVIEW, step="review").code == "wrong_status"
    assert refusal(run, Resumed, APPROVE).code == "not_special"
    run.act(Resumed, REVIEW)
    assert [(p.start, p.until) for p in run.state.pauses] == [(at(4), at(5))]
    run.passes("review")


@pytest.mark.req("S3-37", "S3-39")
def test_an_extension_prolongs_the_step_once_it_is_approved() -> None:
    run = at_review()
    limits = []

    def due(since, days, pauses):
        limits.append(days)
        return since + timedelta(days=days)

    run.act(Asked, REVIEW, step="review", kind="extension", days=4, opinion="疑难")
    again = {"step": "review", "kind": "extension", "days": 4, "opinion": "疑难"}
    assert refusal(run, Asked, REVIEW, **again).code == "already_asked"
    todos(run.plan, run.state, due)
    both = replace(REVIEW, posts=("special",))
    assert refusal(run, Answered, both, step="review", kind="extension", grant=True).code == "own_ask"
    run.act(Answered, SPECIAL, step="review", kind="extension", grant=True)
    todos(run.plan, run.state, due)
    assert limits == [3, 7]


def test_an_ask_is_answered_by_the_special_post_of_the_right_organisation() -> None:
    run = Run(four_levels())
    run.passes("accept", "undertake")
    fire = actor("review", "org-fire")
    for kind, right in (("extension", "org-fire"), ("suspension", "org-county")):
        run.act(Asked, fire, step="fire.a", kind=kind, days=2, opinion="疑难")
        answer = {"step": "fire.a", "kind": kind, "grant": True}
        for wrong in {"org-fire", "org-county", "org-town", "org-elsewhere"} - {right}:
            assert refusal(run, Answered, actor("special", wrong), **answer).code == "not_special"
        assert refusal(run, Answered, actor("review", right, 2), **answer).code == "not_special"
        run.act(Answered, actor("special", right), **answer)
    assert run.state.work["fire.a"].extra_days == 2 and run.state.status == "suspended"


def test_a_refused_ask_changes_nothing_else() -> None:
    run = at_review()
    before = run.state
    run.act(Asked, REVIEW, step="review", kind="extension", days=4, opinion="疑难")
    refused = {"step": "review", "kind": "extension", "grant": False}
    assert refusal(run, Answered, SPECIAL, **refused).code == "reason_missing"
    run.act(Answered, SPECIAL, **refused, opinion="理由不足")
    assert run.state.asks == () and run.state.work["review"].extra_days == 0
    assert (run.state.status, run.state.active) == (before.status, before.active)


@pytest.mark.req("S0-46", "S3-37", "S3-40")
@pytest.mark.parametrize(("kind", "status"), [("abort", "aborted"), ("termination", "terminated")])
def test_ending_early_is_asked_for_with_a_reason_and_approved(kind: str, status: str) -> None:
    run = at_review()
    run.act(Asked, REVIEW, step="review", kind=kind, opinion="申请人原因不能按时办理")
    assert run.state.status == "running"
    run.act(Answered, SPECIAL, step="review", kind=kind, grant=True)
    assert run.state.status == status and run.state.active == () and run.state.ended
    assert refusal(run, Passed, REVIEW, step="review").code == "wrong_status"


def test_the_lawful_default_is_the_systems_alone_and_only_past_the_limit() -> None:
    ask = step("ask", overdue="DEEM_NO_OPINION", basis="征求意见规定第三条", limit_days=2)
    values = {"step": "ask", "policy": "DEEM_NO_OPINION", "basis": "征求意见规定第三条"}
    run = Run(definition(serial(ask, step("next"))))
    assert refusal(run, Deemed, REVIEW, **values, due=at(0)).code == "only_system"
    assert refusal(run, Deemed, SYSTEM, **values, due=at(1)).code == "not_due"
    assert refusal(run, Deemed, SYSTEM, **(values | {"basis": "y"}), due=at(0)).code == "no_default"
    run.act(Deemed, SYSTEM, **values, due=at(0))
    assert run.state.active == ("next",) and run.state.done["ask"].outcome == "deemed"


@pytest.mark.req("R-04")
def test_nothing_is_deemed_renewed_before_the_licence_has_ended() -> None:
    """行政许可法 art. 50: decided is owed before the licence ends; a limit of a step is no such day."""
    policy = {"policy": "DEEM_RENEWED", "basis": "行政许可法第五十条"}
    decide = step("decide", "approve", overdue=policy["policy"], basis=policy["basis"], limit_days=1)
    flow = definition(serial(step("ask"), decide), renewal=True)
    flow = replace(flow, fields=(FactField(name=EXPIRY, label=EXPIRY, type="date"),))
    last = at(0).replace(hour=23, minute=59, second=59)
    unknown = Run(flow)
    unknown.passes("ask")
    event = Deemed(at=at(60 * 24 * 30), by=SYSTEM, step="decide", due=last, **policy)
    with pytest.raises(ActRefused, match="not_due"):
        apply(unknown.plans, unknown.state, event)
    run = Run(flow)
    run.act(Passed, actor("review"), step="ask", facts={EXPIRY: last.date().isoformat()})
    for moment, due in ((last, last), (last + timedelta(seconds=1), at(0)), (at(5), at(0))):
        with pytest.raises(ActRefused, match="not_due"):
            apply(run.plans, run.state, replace(event, at=moment, due=due))
    after = apply(run.plans, run.state, replace(event, at=last + timedelta(seconds=1)))
    assert after.status == "finished" and after.done["decide"].outcome == "deemed"


def versions(*parts) -> tuple[Run, object]:
    """An instance whose accept and review are done, and a later version of its process."""
    old = definition(serial(step("accept", "accept"), step("review"), step("approve", "approve")))
    new = definition(serial(*parts), version=2)
    run = Run(old)
    run.passes("accept", "review")
    plan = linked(new)
    run.plans[plan.digest] = plan
    return run, plan


def test_a_step_put_in_behind_the_present_runs() -> None:
    parts = (step("accept", "accept"), step("check"), step("review"), step("approve", "approve"))
    run, plan = versions(*parts)
    assert refusal(run, Migrated, SUPERVISOR, plan=plan.digest, opinion="改").code == "not_administrator"
    run.act(Migrated, ADMIN, plan=plan.digest, opinion="新规")
    assert run.state.plan == plan.digest and run.state.active == ("check",)
    run.plan = plan
    run.passes("check")
    assert run.state.active == ("approve",)
    run.passes("approve")
    assert run.state.status == "finished"


def test_a_step_that_would_not_run_has_to_be_named() -> None:
    run, plan = versions(step("accept", "accept"), step("review"))
    told = refusal(run, Migrated, ADMIN, plan=plan.digest, opinion="取消批准")
    assert told.code == "skips_differ" and "环节approve" in told.message
    run.act(Migrated, ADMIN, plan=plan.digest, opinion="取消批准", skips=("approve",))
    assert run.state.status == "finished"


def test_a_step_moved_into_a_decided_parallel_has_to_be_named() -> None:
    either = Parallel(key="p", branches=(step("review"), step("approve", "approve")), join="any")
    run, plan = versions(step("accept", "accept"), either, step("last"))
    assert refusal(run, Migrated, ADMIN, plan=plan.digest, opinion="改").code == "skips_differ"
    run.act(Migrated, ADMIN, plan=plan.digest, opinion="改", skips=("approve",))
    assert run.state.active == ("last",)


def test_a_step_that_became_another_runs_again() -> None:
    run, plan = versions(step("accept", "accept"), step("review", post="chief"), step("approve", "approve"))
    change = migration(run.plan, plan, run.state)
    assert (change.kept, change.rerun, change.skips) == (("accept",), ("review",), ())
    run.act(Migrated, ADMIN, plan=plan.digest, opinion="改岗位")
    assert run.state.active == ("review",)


def test_a_start_names_the_unit_of_every_level_and_comes_from_one_of_them() -> None:
    run = Run(four_levels())
    units = {level: org for level, org in UNITS.items() if level != "town"}
    for changed, code in (
        ({"units": units}, "unit_missing"),
        ({"by": actor("accept", "org-x")}, "other_unit"),
    ):
        with pytest.raises(ActRefused) as refused:
            apply(run.plans, None, replace(run.events[0], **changed))
        assert refused.value.code == code


def test_facts_choose_at_the_moment_of_arrival() -> None:
    big = Branch(name="大", when=Compare(field="amount", op="ge", value="5000000"), then=step("big"))
    body = serial(step("accept", "accept"), Choice(key="c", branches=(big,), otherwise=step("small")))
    run = Run(definition(body), facts={"amount": "6000000.00"})
    run.passes("accept")
    assert run.state.active == ("big",)


def test_a_sub_process_is_worked_by_its_own_organisation() -> None:
    run = Run(definition(Sub(key="s", name="消防", org="org-fire", body=step("a"))))
    assert refusal(run, Passed, REVIEW, step="s.a").code == "not_holder"
    run.act(Passed, actor("review", "org-fire"), step="s.a")
    assert run.state.status == "finished"

"""Processes on a real hub and store: what people do, what the case becomes, what the province is told."""

import json
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from canonical.itemcodes import complete_credit_code
from canonical.messages import CaseApplied
from exchange.store.tables import act
from hallservice.approval.events import from_json
from hallservice.flows import (
    assigning,
    definitions,
    history,
    instances,
    keeping,
    moving,
    plans,
    staff,
    tasks,
    telling,
    todo,
)
from hallservice.flows import tables as t
from hallservice.people import organisations
from hallservice.people.organisations import upsert
from hallservice.people.orgforms import OrgRow
from hallservice.people.relations import relate
from hallservice.people.system import SYSTEM
from hallservice.refusals import FormRefused, HallRefused
from ledger.tables import entry as ledger_entry
from tests.exchange.core.rig import (
    ORG,
    PLAIN_ITEM,
    Core,
    Story,
    case_number,
    day,
    service_item,
    together,
)
from tests.hallservice.flows.conftest import accept, as_
from tests.hallservice.world import HEALTH, LAND, TOWN, VILLAGE

AT_ONCE = {"count": 0, "unit": "working_day"}


@pytest.fixture
def province(hub: Core) -> Core:
    hub.party("province", adapter="provincial_reporting")
    return hub


def told(core: Core) -> list[dict[str, Any]]:
    """What waits to be sent to the province, in order, without the application."""
    rows = core.rows("SELECT type, payload FROM outbox WHERE party = 'province' ORDER BY id")
    found = [{"type": row["type"], **json.loads(row["payload"])} for row in rows]
    return [one for one in found if one["type"] not in ("case.applied.v1", "case.accepted.v1")]


def acts(hall, case_no: str, *said: tuple) -> None:
    for role, step, *more in said:
        instances.act(hall, as_(hall, role), case_no, "passed", step=step, opinion=(more or ["同意"])[0])


def refused(hall, role: str, case_no: str, verb: str, **fields: Any) -> HallRefused:
    with pytest.raises(HallRefused) as fault:
        instances.act(hall, as_(hall, role), case_no, verb, **fields)
    assert any("\u4e00" <= c <= "\u9fff" for c in fault.value.said)
    return fault.value


def steps_of(core: Core) -> list[tuple]:
    return [
        (one["step_no"], one["step"], one["action"], one["step_name"], one["officer"]["name"])
        for one in told(core) if one["type"] == "case.step.v1"
    ]  # fmt: skip


# -- one level


@pytest.mark.req("S0-14", "S0-28", "S0-63", "S3-35", "S3-36")
def test_a_case_of_a_department_without_system_is_undertaken_reviewed_and_approved_here(
    province, hall, accepted
) -> None:
    story = accepted()
    assert province.state(story.no) == "accepted"
    assert todo.count(hall, as_(hall, "undertaker")) == {
        "undertake": 1, "review": 0, "approve": 0, "other": 0, "all": 1,
    }  # fmt: skip
    acts(hall, story.no, ("undertaker", "undertake", "材料齐全，拟准予许可"))
    assert province.state(story.no) == "reviewing"
    assert todo.count(hall, as_(hall, "undertaker"))["all"] == 0
    assert [one.name for one in todo.list(hall, as_(hall, "reviewer")).tasks] == ["审核"]
    acts(hall, story.no, ("reviewer", "review"))
    assert province.state(story.no) == "approving"
    acts(hall, story.no, ("approver", "approve"))
    assert province.state(story.no) == "decided"
    assert steps_of(province) == [
        (1, "undertake", "pass", "承办", "承办己"),
        (2, "review", "pass", "审核", "审核庚"),
        (3, "approve", "pass", "批准", "批准辛"),
    ]
    first = told(province)[0]
    assert first["opinion"] == "材料齐全，拟准予许可"
    assert first["officer"] == {
        "organisation": "梅江区市场监督管理局", "organisation_code": ORG, "name": "承办己",
        "staff_no": "S-undertaker",
    }  # fmt: skip
    assert hall.read(lambda c: todo.of_case(c, story.no)) == []
    province.verified()
    row = province.rows("SELECT * FROM hall_flow_instance")[0]
    held = sum(len(value) if isinstance(value, bytes) else len(str(value)) for value in dict(row).values())
    events = province.rows("SELECT * FROM hall_flow_event")
    assert len(events) == 4 and held + 40 * len(events) < 2048, "the acts themselves lie in the ledger"


def test_no_process_for_a_case_that_was_refused_and_one_only_however_often_it_is_accepted(
    hub, hall, accepted
) -> None:
    story = accepted()
    again = story.accepted(officer={"organisation": "厅", "organisation_code": ORG, "name": "丁"})
    hub.send("hall", "case.accepted.v1", again)
    assert len(hub.rows("SELECT id FROM hall_flow_instance")) == 1


@pytest.mark.req("S0-14")
def test_who_accepted_does_not_approve_and_who_undertook_does_not_approve(hall, hub, accepted) -> None:
    """Whoever accepted gets every post and right of the department, and still may not handle the own case."""
    story = accepted()
    mine = {"approval.handle": ("/4414/441402/",), "case.view": ("/4414/441402/",)}
    posts = ("undertake", "review", "approve")
    able = replace(as_(hall, "clerk"), unit="441402-scj", posts=posts, scopes=mine)
    with pytest.raises(HallRefused) as fault:
        instances.act(hall, able, story.no, "passed", step="undertake")
    assert fault.value.code == "duty_separation" and "窗口甲" in fault.value.said
    acts(hall, story.no, ("undertaker", "undertake"), ("reviewer", "review"))
    with pytest.raises(HallRefused) as fault:
        instances.act(hall, replace(as_(hall, "undertaker"), posts=posts), story.no, "passed", step="approve")
    assert fault.value.code == "duty_separation" and "承办己" in fault.value.said


def test_two_at_once_the_second_hears_who_was_first_and_when(hub, hall, accepted) -> None:
    story = accepted()
    one, two = as_(hall, "undertaker"), as_(hall, "section")

    def act(who):
        return lambda: instances.act(
            hall, who, story.no, "passed", step="undertake", opinion="同意", expected=1
        )

    first, second = together(hub, [act(one), act(two)])
    assert first.number == 2
    assert isinstance(second, HallRefused) and second.code == "stale"
    assert "承办己" in second.said and "2026-03-02 09:30" in second.said
    assert len(hub.rows("SELECT entry FROM hall_flow_event")) == 2
    # the same submission again, and an act on a view that is no longer so
    assert refused(hall, "undertaker", story.no, "passed", step="undertake", expected=1).code == "stale"
    instances.act(
        hall,
        as_(hall, "reviewer"),
        story.no,
        "returned",
        step="review",
        to="previous",
        opinion="补充说明",
        expected=2,
    )
    stale = refused(
        hall, "undertaker", story.no, "asked", step="undertake", kind="suspension", opinion="听证", expected=1
    )
    assert stale.code == "stale" and "承办己已于2026-03-02 09:30先行办理" in stale.said


def test_rows_are_seen_by_the_own_posts_in_the_own_body_alone(hall, accepted) -> None:
    story = accepted()
    assert todo.list(hall, as_(hall, "section")).total == 1, "a section works for its department"
    for role in ("health", "land", "reviewer"):
        assert todo.list(hall, as_(hall, role)).total == 0
        assert refused(hall, role, story.no, "passed", step="undertake").code in ("not_holder", "no_instance")
    assert refused(hall, "other", story.no, "passed", step="undertake").code == "not_allowed"
    with pytest.raises(HallRefused) as fault:
        history.history(hall, as_(hall, "health"), story.no)
    assert fault.value.code == "no_instance"


@pytest.mark.parametrize(
    ("verb", "fields", "field"),
    [
        ("passed", {"step": "undertake", "opinion": "字" * 1001}, "opinion"),
        ("passed", {"step": "undertake", "opinion": "null"}, "opinion"),
        ("asked", {"step": "undertake", "kind": "suspension", "opinion": "字" * 501}, "opinion"),
        ("transferred", {"step": "undertake", "to": "S-nobody", "opinion": "不在"}, "to"),
        ("countersigned", {"step": "undertake", "who": []}, "who"),
        ("asked", {"step": "undertake", "kind": "holiday", "opinion": "累"}, "kind"),
        ("asked", {"step": "undertake", "kind": "extension", "days": "many", "opinion": "累"}, "days"),
        ("signed", {"step": "undertake"}, "agree"),
    ],
)  # fmt: skip
def test_a_field_that_is_wrong_is_named(hall, accepted, verb, fields, field) -> None:
    with pytest.raises(FormRefused) as fault:
        instances.act(hall, as_(hall, "undertaker"), accepted().no, verb, **fields)
    assert [one.field for one in fault.value.faults] == [field]


# -- verbs on the case


@pytest.mark.req("S3-37", "S3-38")
def test_a_suspension_asked_for_and_granted_stops_the_clock_of_step_and_case(
    province, hall, accepted
) -> None:
    story = accepted()
    due = hall.read(lambda c: todo.of_case(c, story.no))[0].due
    instances.act(
        hall, as_(hall, "undertaker"), story.no, "asked",
        step="undertake", kind="suspension", ground="检验", days=10, opinion="产品需送检",
    )  # fmt: skip
    assert province.state(story.no) == "accepted", "asking stops nothing"
    assert [one.wanted for one in todo.list(hall, as_(hall, "leader")).tasks] == ["answer"]
    assert refused(hall, "undertaker", story.no, "answered", kind="suspension", step="undertake", grant=True)
    instances.act(
        hall, as_(hall, "leader"), story.no, "answered", kind="suspension", step="undertake", grant=True
    )
    assert province.state(story.no) == "suspended"
    said = told(province)[-1]
    assert (said["type"], said["kind"], said["name"], said["reason"], said["approver"], said["number"]) == (
        "case.special_started.v1", "other", "检验", "产品需送检", "局长丑", 1,
    )  # fmt: skip
    assert said["limit"] == {"count": 10, "unit": "working_day"}
    assert hall.read(lambda c: todo.of_case(c, story.no))[0].due is None, "no clock runs"
    assert refused(hall, "undertaker", story.no, "passed", step="undertake").code == "wrong_status"
    province.clock.on(3 * 86400)  # Monday to Thursday: three working days
    instances.act(hall, as_(hall, "undertaker"), story.no, "resumed")
    assert province.state(story.no) == "accepted"
    assert told(province)[-1]["type"] == "case.special_finished.v1"
    later = hall.read(lambda c: todo.of_case(c, story.no))[0].due
    assert (later - due) / 86400 == 2, "of Tuesday to Monday, Tuesday and Wednesday do not count"
    acts(hall, story.no, ("undertaker", "undertake"))
    assert province.state(story.no) == "reviewing"


@pytest.mark.req("S3-37", "S3-39")
def test_an_approved_extension_lengthens_the_step_and_the_case(province, hall, accepted) -> None:
    story = accepted()
    before = province.rows("SELECT promised_due FROM case_record")[0]["promised_due"]
    due = hall.read(lambda c: todo.of_case(c, story.no))[0].due
    ask = {"step": "undertake", "kind": "extension", "days": 5, "opinion": "情况复杂"}
    instances.act(hall, as_(hall, "undertaker"), story.no, "asked", **ask)
    instances.act(
        hall, as_(hall, "leader"), story.no, "answered", kind="extension", step="undertake", grant=True
    )
    assert [one["type"] for one in told(province)] == ["case.special_started.v1", "case.special_finished.v1"]
    assert province.state(story.no) == "accepted"
    task = hall.read(lambda c: todo.of_case(c, story.no))[0]
    assert task.limit_days == 10 and (task.due - due) / 86400 == 7  # five working days are a week
    assert province.rows("SELECT promised_due FROM case_record")[0]["promised_due"] > before
    again = refused(hall, "undertaker", story.no, "asked", **ask)
    assert again.code == "extension_unlawful" and "只能延长一次" in again.said
    assert len(told(province)) == 2 and not instances.of_case(hall, as_(hall, "leader"), story.no).state.asks


def test_what_the_law_does_not_allow_is_not_asked_for_and_can_always_be_refused(
    province, hall, accepted
) -> None:
    story, ask = accepted(), {"step": "undertake", "kind": "extension", "opinion": "情况复杂"}
    answer = {"step": "undertake", "kind": "extension", "opinion": "不需要"}
    too_long = refused(hall, "undertaker", story.no, "asked", days=11, **ask)
    assert too_long.code == "extension_unlawful" and "十个工作日" in too_long.said
    instances.act(hall, as_(hall, "undertaker"), story.no, "asked", days=10, **ask)
    province.ok("hall", "case.special_started.v1", story.special(7, "extension", days=5))
    province.ok("hall", "case.special_finished.v1", story.special_over(7))
    before = len(told(province))
    late = refused(hall, "leader", story.no, "answered", grant=True, **answer)
    assert late.code == "extension_unlawful", "another was granted meanwhile"
    instances.act(hall, as_(hall, "leader"), story.no, "answered", grant=False, **answer)
    assert not instances.of_case(hall, as_(hall, "leader"), story.no).state.asks
    assert len(told(province)) == before, "of what could not be there is nothing to tell"


def test_what_was_asked_for_before_the_decision_is_refused_after_it(province, hall, accepted) -> None:
    leader = as_(hall, "leader")
    draft = definitions.new(hall, leader, "441402-scj", "more", "决定后整理", ("platform", "standard"))
    file = {**draft.body["body"]["parts"][0], "key": "file", "name": "整理", "kind": "custom"}
    draft.body["body"]["parts"].append(file)
    saved = definitions.save_draft(hall, leader, "441402-scj", "more", draft.body, draft.version.revision)
    definitions.publish(hall, leader, "441402-scj", "more", saved.version.revision)
    assigning.assign(hall, leader, "441402-scj", "", "441402-scj", "more")
    story, answer = accepted(), {"kind": "abort", "step": "undertake", "opinion": "已经决定"}
    ask = {"step": "undertake", "kind": "abort", "opinion": "申请人撤回"}
    instances.act(hall, as_(hall, "undertaker"), story.no, "asked", **ask)
    acts(hall, story.no, ("undertaker", "undertake"), ("reviewer", "review"), ("approver", "approve"))
    assert province.state(story.no) == "decided"
    assert refused(hall, "leader", story.no, "answered", grant=True, **answer).code == "decided"
    instances.act(hall, leader, story.no, "answered", grant=False, **answer)
    acts(hall, story.no, ("undertaker", "file"))
    assert instances.of_case(hall, leader, story.no).state.status == "finished"


@pytest.mark.req("S3-37", "S3-40")
@pytest.mark.parametrize(("kind", "result"), [("abort", "returned"), ("termination", "voided")])
def test_an_end_before_the_decision_has_its_reason_and_concludes_the_case(
    province, hall, accepted, kind, result
) -> None:
    story = accepted()
    without = refused(hall, "undertaker", story.no, "asked", step="undertake", kind=kind, opinion=" ")
    assert without.code == "reason_missing"
    instances.act(
        hall, as_(hall, "undertaker"), story.no, "asked", step="undertake", kind=kind, opinion="申请人撤回"
    )
    instances.act(hall, as_(hall, "leader"), story.no, "answered", kind=kind, step="undertake", grant=True)
    said = told(province)[-1]
    assert (said["type"], said["result"], said["reason"]) == ("case.concluded.v1", result, "申请人撤回")
    assert province.state(story.no) == "concluded"
    assert hall.read(lambda c: todo.of_case(c, story.no)) == []


def test_a_return_goes_back_in_the_case_too_and_a_denial_is_a_decision(province, hall, accepted) -> None:
    story = accepted()
    acts(hall, story.no, ("undertaker", "undertake"))
    assert (
        refused(hall, "reviewer", story.no, "refused", step="review", opinion="不符").code
        == "only_approver_refuses"
    )
    instances.act(
        hall, as_(hall, "reviewer"), story.no, "returned", step="review", to="previous", opinion="缺勘验记录"
    )
    assert province.state(story.no) == "undertaking"
    acts(hall, story.no, ("undertaker", "undertake"), ("reviewer", "review"))
    instances.act(hall, as_(hall, "approver"), story.no, "refused", step="approve", opinion="不符合条件")
    assert [one[:3] for one in steps_of(province)] == [
        (1, "undertake", "pass"), (2, "review", "return"), (3, "undertake", "pass"), (4, "review", "pass"),
        (5, "approve", "refuse"),
    ]  # fmt: skip
    facts = province.rows("SELECT facts FROM case_record")[0]["facts"]
    assert province.state(story.no) == "decided" and json.loads(facts)["granted"] is False


def test_transfer_delegation_signers_urging_and_withdrawal_change_whose_turn_it_is(hall, accepted) -> None:
    story = accepted()

    def turn():
        rows = hall.read(lambda c: todo.of_case(c, story.no))
        return [(one.person, one.wanted, one.urged) for one in rows]

    instances.act(hall, as_(hall, "leader"), story.no, "urged", step="undertake", opinion="请抓紧")
    assert turn() == [("", "handle", 1)]
    instances.act(
        hall, as_(hall, "leader"), story.no, "transferred", step="undertake", to="S-section", opinion="请假"
    )
    assert turn() == [("S-section", "handle", 1)]
    assert todo.count(hall, as_(hall, "undertaker"))["all"] == 0
    instances.act(hall, as_(hall, "section"), story.no, "delegated", step="undertake", to="S-undertaker")
    assert turn() == [("S-undertaker", "give_back", 1)]
    instances.act(hall, as_(hall, "undertaker"), story.no, "given_back", step="undertake", opinion="已核查")
    instances.act(
        hall, as_(hall, "section"), story.no, "countersigned", step="undertake", who=["S-health", "S-land"]
    )
    assert sorted(turn()) == [("S-health", "countersign", 1), ("S-land", "countersign", 1)]
    assert todo.list(hall, as_(hall, "health")).total == 1, "asked by name across bodies"
    for role in ("health", "land"):
        instances.act(hall, as_(hall, role), story.no, "signed", step="undertake", agree=True)
    acts(hall, story.no, ("section", "undertake"))
    instances.act(hall, as_(hall, "section"), story.no, "withdrawn", step="undertake")
    assert turn() == [("S-section", "handle", 0)]
    lines = history.history(hall, as_(hall, "leader"), story.no)
    assert [line.act for line in lines][:4] == ["启动流程", "催办", "转办", "委派"]
    assert (
        lines[2].detail == "交审批壬" and lines[2].who == "局长丑" and lines[2].org == "梅江区市场监督管理局"
    )


def test_a_case_that_ends_another_way_leaves_nothing_to_do(hub, hall, accepted) -> None:
    story = accepted()
    hub.ok("hall", "case.concluded.v1", story.concluded("voided"))
    assert hall.read(lambda c: todo.of_case(c, story.no)) == []
    assert instances.of_case(hall, as_(hall, "leader"), story.no).state.status == "terminated"


# -- joint approval and levels


def joint(hall, hub) -> None:
    """The body's own joint process over three departments, for the item."""
    leader = as_(hall, "leader")
    draft = definitions.new(hall, leader, "441402-scj", "joint3", "联合审批", ("platform", "joint"))
    assert {problem.code for problem in draft.problems} == {"unknown_org"}
    body = draft.body
    for at, org in enumerate(("441402-scj", "441402-wjj", "441402-zrj")):
        body["body"]["parts"][0]["branches"][at]["org"] = org
    draft = definitions.save_draft(hall, leader, "441402-scj", "joint3", body, draft.version.revision)
    assert draft.problems == ()
    definitions.publish(hall, leader, "441402-scj", "joint3", draft.version.revision)
    assigning.assign(hall, leader, "441402-scj", PLAIN_ITEM, "441402-scj", "joint3", 1)


@pytest.mark.req("S0-29", "S0-27")
def test_three_departments_work_side_by_side_and_the_lead_approves(province, hall, accepted) -> None:
    joint(hall, province)
    story = accepted()
    assert sorted(one.org for one in hall.read(lambda c: todo.of_case(c, story.no))) == [
        "441402-scj", "441402-wjj", "441402-zrj",
    ]  # fmt: skip
    acts(hall, story.no, ("health", "second.undertake"), ("undertaker", "lead.undertake"))
    with pytest.raises(HallRefused):
        acts(hall, story.no, ("health", "third.undertake"))
    acts(
        hall, story.no, ("health", "second.review"), ("land", "third.undertake"), ("reviewer", "lead.review")
    )
    assert province.state(story.no) == "approving", "while any of them runs"
    assert todo.count(hall, as_(hall, "approver"))["all"] == 0
    instances.act(
        hall, as_(hall, "reviewer"), story.no, "urged", step="third.review", opinion="请抓紧"
    )  # the lead may urge
    acts(hall, story.no, ("land", "third.review"), ("approver", "approve"))
    assert province.state(story.no) == "decided"
    assert [one[1:4] for one in steps_of(province)] == [
        ("undertake", "pass", "承办"), ("undertake", "pass", "承办"), ("review", "pass", "审核"),
        ("review", "pass", "承办"), ("review", "pass", "审核"), ("review", "pass", "审核"),
        ("approve", "pass", "联合批准"),
    ]  # fmt: skip
    assert [one["officer"]["organisation_code"] for one in told(province)] == [
        HEALTH, ORG, HEALTH, LAND, ORG, LAND, ORG,
    ]  # fmt: skip
    province.verified()


@pytest.mark.req("S0-12", "S0-30")
def test_village_receives_town_undertakes_county_approves(province, hall) -> None:
    assigning.assign(hall, as_(hall, "leader"), "441402-scj", "", "platform", "village")
    story = accept(hall, as_(hall, "village"), 7, site=VILLAGE)
    tasks_now = hall.read(lambda c: todo.of_case(c, story.no))
    assert [(one.name, one.org) for one in tasks_now] == [("镇承办", TOWN)]
    acts(hall, story.no, ("town", "undertake"))
    assert [(one.name, one.org) for one in hall.read(lambda c: todo.of_case(c, story.no))] == [
        ("县审核", "441402-scj")
    ]
    acts(hall, story.no, ("reviewer", "review"), ("approver", "approve"))
    assert province.state(story.no) == "decided"
    undertaken = told(province)[0]
    assert undertaken["officer"]["name"] == "镇街丁" and undertaken["officer"]["organisation_code"] == ORG
    state = instances.of_case(hall, as_(hall, "approver"), story.no).state
    assert state.units == {"village": VILLAGE, "town": TOWN, "county": "441402-scj"}


@pytest.mark.req("S0-12")
def test_four_levels_the_city_approves_what_the_body_guided_by_it_reviewed(province, hall) -> None:
    relate(hall, as_(hall, "administrator"), "441402-scj", "441400-dsj", "subordinate")
    leader = as_(hall, "leader")
    draft = definitions.new(hall, leader, "441402-scj", "four", "四级联动", ("platform", "village"))
    county = draft.body["body"]["body"]["parts"][1]["body"]["parts"]
    approve = {**county.pop(), "name": "市批准", "level": "city"}
    county.append({"block": "hand_up", "key": "to_city", "to": "city", "body": approve})
    saved = definitions.save_draft(hall, leader, "441402-scj", "four", draft.body, draft.version.revision)
    definitions.publish(hall, leader, "441402-scj", "four", saved.version.revision)
    assigning.assign(hall, leader, "441402-scj", "", "441402-scj", "four")
    story = accept(hall, as_(hall, "village"), 8, site=VILLAGE)
    acts(hall, story.no, ("town", "undertake"), ("reviewer", "review"))
    tasks_now = hall.read(lambda c: todo.of_case(c, story.no))
    assert [(one.name, one.org) for one in tasks_now] == [("市批准", "441400-dsj")]
    scopes = {"approval.handle": ("/4414/441400-dsj/",)}
    city = replace(as_(hall, "approver"), unit="441400-dsj", path="/4414/441400-dsj/", scopes=scopes)
    with pytest.raises(HallRefused):
        acts(hall, story.no, ("approver", "approve"))
    instances.act(hall, city, story.no, "passed", step="approve", opinion="准予")
    assert province.state(story.no) == "decided"
    assert steps_of(province)[-1][1:4] == ("approve", "pass", "市批准")


def test_a_consultation_past_its_limit_has_no_opinion_by_law(province, hall, accepted) -> None:
    leader = as_(hall, "leader")
    draft = definitions.new(hall, leader, "441402-scj", "ask", "征求意见", ("platform", "standard"))
    draft.body["body"]["parts"][1] |= {"overdue": "DEEM_NO_OPINION", "basis": "《示例办法》第五条"}
    saved = definitions.save_draft(hall, leader, "441402-scj", "ask", draft.body, draft.version.revision)
    definitions.publish(hall, leader, "441402-scj", "ask", saved.version.revision)
    assigning.assign(hall, leader, "441402-scj", "", "441402-scj", "ask")
    story = accepted()
    acts(hall, story.no, ("undertaker", "undertake"))
    province.clock.to(day("2026-03-05").replace(hour=23))  # three working days from Monday 2026-03-02
    with pytest.raises(HallRefused) as fault:
        instances.deem(hall, story.no, "review")
    assert fault.value.code == "not_due"
    province.clock.to(day("2026-03-06"))
    instances.deem(hall, story.no, "review")
    said = told(province)[-1]
    who = {
        "organisation": "梅江区市场监督管理局",
        "organisation_code": ORG,
        "name": "系统",
        "staff_no": "system",
    }
    assert (said["step"], said["officer"]) == ("review", who), (
        "as the province wants every act: with a number"
    )
    assert "《示例办法》第五条" in said["opinion"]
    acts(hall, story.no, ("approver", "approve"))
    with pytest.raises(HallRefused):
        instances.deem(hall, story.no, "approve")


def test_the_same_process_received_at_the_county_is_the_departments_own_work(hall, accepted) -> None:
    assigning.assign(hall, as_(hall, "leader"), "441402-scj", "", "platform", "village")
    story = accepted()
    assert [one.org for one in hall.read(lambda c: todo.of_case(c, story.no))] == ["441402-scj"]


@pytest.mark.req("S0-30")
def test_what_is_handed_up_is_done_above_or_the_process_is_not_taken(hall, hub) -> None:
    """A village's own item: its town's centre stands beside it in the tree, its county's body guides it."""
    credit = str(complete_credit_code("54441402XX0104001"))
    point, centre = f"{VILLAGE}-fw", f"{TOWN}-fw"
    rows = [
        OrgRow(centre, "测试镇党群服务中心", "town", f"{TOWN}000", TOWN),
        OrgRow(point, "测试村服务点", "village", VILLAGE, VILLAGE, uscc=credit),
    ]
    hall.write(lambda work: upsert(hall, work, SYSTEM, rows))
    boss = replace(as_(hall, "leader"), scopes={"flows.edit": ("/4414/",)})
    with pytest.raises(HallRefused, match="县（区）") as fault:
        assigning.assign(hall, boss, point, "", "platform", "village")
    assert fault.value.code == "flow_unfit" and "测试村服务点" in fault.value.said
    relate(hall, as_(hall, "administrator"), point, "441402-scj", "subordinate")
    assigning.assign(hall, boss, point, "", "platform", "village")

    def units(connection: Any) -> dict[str, str]:
        body = organisations.get(connection, point)
        return staff.units(connection, plans.link(assigning.for_case(connection, body, "")), body, VILLAGE)

    assert hall.read(units) == {"village": point, "town": centre, "county": "441402-scj"}


@pytest.mark.req("S0-28")
def test_an_instant_item_is_one_act(province, hall, accepted) -> None:
    assigning.assign(hall, as_(hall, "leader"), "441402-scj", PLAIN_ITEM, "platform", "instant")
    story = accepted()
    acts(hall, story.no, ("approver", "approve", "当场办结"))
    assert province.state(story.no) == "decided"
    assert [one[:4] for one in steps_of(province)] == [
        (1, "undertake", "pass", "即办（承办）"), (2, "approve", "pass", "即办"),
    ]  # fmt: skip


@pytest.mark.req("S0-28")
def test_an_instant_item_is_one_act_by_its_kind_alone_as_the_case_is_pinned(province, hall, hub) -> None:
    """Without any process assigned; what the item becomes later concerns later cases."""
    hub.catalogue(service_item(PLAIN_ITEM, 3, case_kind="instant", promised_limit=AT_ONCE), to=3)
    story = accept(hall, as_(hall, "clerk"), 1)
    assert [one.name for one in hall.read(lambda c: todo.of_case(c, story.no))] == ["即办"]
    acts(hall, story.no, ("approver", "approve", "当场办结"))
    assert province.state(story.no) == "decided"
    waiting = Story(case_number(2), PLAIN_ITEM)
    said = CaseApplied.model_validate(waiting.applied())
    hall.write(lambda work: hall.tell(work, as_(hall, "clerk"), said))
    hub.catalogue(service_item(PLAIN_ITEM, 4), to=4)
    hub.ok("hall", "case.accepted.v1", waiting.accepted())
    assert [one.name for one in hall.read(lambda c: todo.of_case(c, waiting.no))] == ["即办"]
    later = accept(hall, as_(hall, "clerk"), 3)
    assert [one.name for one in hall.read(lambda c: todo.of_case(c, later.no))] == ["承办"]


# -- what is kept


def test_state_and_todos_are_made_again_from_what_the_ledger_commits_to(hub, hall, accepted) -> None:
    joint(hall, hub)
    stories = [accepted(n) for n in (1, 2, 3)]
    acts(hall, stories[0].no, ("health", "second.undertake"), ("undertaker", "lead.undertake"))
    instances.act(hall, as_(hall, "leader"), stories[0].no, "urged", step="third.undertake", opinion="请抓紧")
    acts(hall, stories[1].no, ("undertaker", "lead.undertake"))
    ask = {"step": "lead.review", "kind": "extension", "days": 3, "opinion": "复杂"}
    instances.act(hall, as_(hall, "reviewer"), stories[1].no, "asked", **ask)

    def kept(connection) -> tuple:
        states = {s.no: keeping.get(connection, s.no) for s in stories}
        rows = connection.execute(
            select(t.task).order_by(t.task.c.case_no, t.task.c.step, t.task.c.wanted)
        ).all()
        return {no: (one.state, one.told) for no, one in states.items()}, [row[1:] for row in rows]

    before = hall.read(kept)
    ask = select(act.c.body, ledger_entry.c.leaf).join(ledger_entry, ledger_entry.c.seq == act.c.entry)
    lines = hall.read(lambda c: c.execute(ask.order_by(act.c.entry)).all())
    known, folded = {}, {}
    for body, leaf in lines:
        said = json.loads(body)
        if b'hall.flow"' in leaf or b'"hall.flow"' in leaf:
            plan = plans.read(json.dumps(said["what"]))
            known[plan.digest] = plan
        if b'"hall.approval"' in leaf:
            folded.setdefault(said["what"]["case_no"], []).append(
                from_json(json.dumps(said["what"]["event"]))
            )
    assert folded.keys() == {one.no for one in stories}
    hall.write(lambda work: remade(work, known, folded))
    assert hall.read(kept) == before


def remade(work, known, folded) -> None:
    """Instances and to-dos from nothing but the ledger's acts and the plans they name."""
    from hallservice.approval.engine import apply

    work.connection.execute(delete(t.task))
    for case_no, events in folded.items():
        state, told_ = None, telling.begun(known[events[0].plan])
        for event in events:
            earlier = state
            state = apply(known, state, event)
            if earlier is not None:
                _, told_ = telling.say(known[earlier.plan], earlier, event, state, told_)
        row = {
            "plan": state.plan,
            "status": state.status,
            "number": state.count,
            "told": keeping.told_value(told_),
        }
        row["state"] = keeping.stored(state)
        work.connection.execute(update(t.instance).where(t.instance.c.case_no == case_no).values(row))
        tasks.renew(work, case_no, known[state.plan], state)


def test_a_broken_copy_of_a_state_is_made_again_from_its_events(hall, accepted) -> None:
    story = accepted()
    acts(hall, story.no, ("undertaker", "undertake"))
    whole = instances.of_case(hall, as_(hall, "leader"), story.no).state
    hall.write(lambda work: work.connection.execute(update(t.instance).values(state=b"spoiled")))
    assert instances.of_case(hall, as_(hall, "leader"), story.no).state == whole
    acts(hall, story.no, ("reviewer", "review"))


@pytest.mark.req("S0-27")
def test_a_running_case_moves_to_a_new_version_after_a_preview(province, hall, accepted) -> None:
    leader = as_(hall, "leader")
    draft = definitions.new(hall, leader, "441402-scj", "own", "自定流程", ("platform", "standard"))
    definitions.publish(hall, leader, "441402-scj", "own", draft.version.revision)
    assigning.assign(hall, leader, "441402-scj", "", "441402-scj", "own")
    story = accepted()
    acts(hall, story.no, ("undertaker", "undertake"))
    second = definitions.new(hall, leader, "441402-scj", "own", "自定流程", ("441402-scj", "own"))
    body = second.body
    extra = {**body["body"]["parts"][1], "key": "legal", "name": "法制审核"}
    body["body"]["parts"] = [body["body"]["parts"][0], extra, body["body"]["parts"][2]]
    saved = definitions.save_draft(hall, leader, "441402-scj", "own", body, second.version.revision)
    version = definitions.publish(hall, leader, "441402-scj", "own", saved.version.revision)
    assert version.version == 2
    shown = moving.preview(hall, leader, story.no, "441402-scj", "own", 2)
    assert (shown.kept, shown.added, shown.skips) == (("承办",), ("法制审核",), (("review", "审核"),))
    assert "审核" in shown.before and "法制审核" in shown.after
    wish = moving.Wish("441402-scj", "own", 2, "增加法制审核", ())
    with pytest.raises(HallRefused) as fault:
        moving.migrate(hall, leader, story.no, wish)
    assert fault.value.code == "skips_differ"
    moving.migrate(
        hall, leader, story.no, moving.Wish("441402-scj", "own", 2, "增加法制审核", ("review",)), shown.number
    )
    assert [one.name for one in hall.read(lambda c: todo.of_case(c, story.no))] == ["法制审核"]
    acts(hall, story.no, ("reviewer", "legal"), ("approver", "approve"))
    assert province.state(story.no) == "decided"


@pytest.mark.req("S0-64", "S0-65", "S3-13")
def test_the_picture_and_the_bpmn_of_a_case(hall, accepted) -> None:
    story = accepted()
    acts(hall, story.no, ("undertaker", "undertake"))
    svg = instances.picture(hall, as_(hall, "clerk"), story.no)
    assert "✓ 已办" in svg and "▶ 在办" in svg and "○ 未办" in svg and "承办己" in svg
    assert b"userTask" in instances.bpmn(hall, as_(hall, "clerk"), story.no)


@pytest.mark.req("S3-41")
def test_who_supervises_sees_everything_in_hand_in_the_body_and_what_is_late(hub, hall, accepted) -> None:
    accepted(1)
    accepted(2)
    leader = as_(hall, "leader")
    assert todo.supervised(hall, leader).total == 2
    assert todo.supervised(hall, leader, todo.Wish(overdue=True)).total == 0
    hub.clock.on(30 * 86400)
    assert todo.supervised(hall, leader, todo.Wish(overdue=True, kind="undertake")).total == 2
    with pytest.raises(HallRefused):
        todo.supervised(hall, as_(hall, "undertaker"))


def test_a_version_stays_what_it_was_when_a_process_it_refers_to_changes(hall, accepted) -> None:
    leader, owner = as_(hall, "leader"), "441402-scj"

    def published(key: str, body: dict, source: str) -> None:
        made = definitions.new(hall, leader, owner, key, key, source)
        saved = definitions.save_draft(
            hall, leader, owner, key, {**made.body, "body": body}, made.version.revision
        )
        assert saved.problems == ()
        definitions.publish(hall, leader, owner, key, saved.version.revision)

    def step(key: str, name: str, kind: str) -> dict:
        return {"block": "step", "key": key, "name": name, "kind": kind, "post": kind, "level": "county"}

    platform = ("platform", "standard")
    published("inner", step("a", "旧承办", "undertake"), platform)
    sub = {"block": "sub", "key": "s", "name": "内部", "org": owner, "ref": "inner"}
    published("outer", {"block": "serial", "parts": [sub, step("b", "批准", "approve")]}, platform)
    published("inner", step("a", "新承办", "undertake"), (owner, "inner"))
    assigning.assign(hall, leader, owner, "", owner, "outer", 1)
    story = accepted()
    assert [one.name for one in hall.read(lambda c: todo.of_case(c, story.no))] == ["旧承办"]
    digest = definitions.get(hall, leader, owner, "outer", 1).version.digest
    assert instances.of_case(hall, leader, story.no).plan.digest == digest

"""Urging: words at the top of the list and by short message, until they arrive; the answer is on record."""

import json
from typing import Any

import pytest

from hallservice.flows import history, instances, todo
from hallservice.flows.starting import REACTIONS as FLOWS
from hallservice.hall import Hall
from hallservice.refusals import HallRefused
from hallservice.supervision import urging
from hallservice.supervision.reactions import REACTIONS
from tests.exchange.core.rig import Core, Story
from tests.hallservice.supervision.test_cards import report
from tests.hallservice.supervision.watch import accepted, moment, with_reactions
from tests.hallservice.world import clerk_of_role, hall_of

SAID = "申请人已来电三次，\n请今天办结"


@pytest.fixture
def both(hub: Core) -> Hall:
    """Processes and supervision."""
    with_reactions(hub, FLOWS, REACTIONS)
    return hall_of(hub)


def act(hall: Hall, role: str, story: Story, verb: str, said: str) -> None:
    instances.act(hall, clerk_of_role(hall, role), story.no, verb, step="undertake", opinion=said)


def urged(core: Core) -> list[dict[str, Any]]:
    rows = core.rows("SELECT canonical FROM document WHERE type = 'sms.requested.v1' ORDER BY entry")
    found = [json.loads(row["canonical"]) for row in rows]
    return [one for one in found if one["template"] == "urged"]


def holders(core: Core, hall: Hall) -> set[str]:
    """Numbers of everybody who holds the post; the one without a number is told of no other way."""
    core.hub.store.write(
        lambda work: (
            work.connection.exec_driver_sql(
                "UPDATE hall_user SET mobile = '1380013' || substr('000' || rowid, -4)"
                " WHERE staff_no IN ('S-undertaker', 'S-section')"
            ).rowcount
        )
    )
    found = core.rows("SELECT mobile FROM hall_user WHERE staff_no IN ('S-undertaker', 'S-section')")
    return {row["mobile"] for row in found}


def test_who_is_urged_reads_it_first_hears_it_by_message_and_answers(hub: Core, both: Hall) -> None:
    first, second = (accepted(hub, number, "2026-03-02", 20) for number in (1, 2))
    numbers = holders(hub, both)
    undertaker = clerk_of_role(both, "undertaker")
    assert [one.case_no for one in todo.list(both, undertaker).tasks] == [first.no, second.no]
    with pytest.raises(HallRefused, match="reason_missing"):
        act(both, "leader", second, "urged", "  ")
    act(both, "leader", second, "urged", SAID)
    shown = todo.list(both, undertaker).tasks
    assert [(one.case_no, one.urge) for one in shown] == [(second.no, SAID), (first.no, "")]
    messages = urged(hub)
    assert {one["mobile"] for one in messages} <= numbers and messages
    words = "由局长丑催办:申请人已来电三次， 请今天办结。请尽快办理,并登录大厅回复。"
    assert {one["content"] for one in messages} == {f"【梅州政务】催办:办件{second.no}的“承办”{words}"}
    with pytest.raises(HallRefused, match="not_holder"):
        act(both, "reviewer", second, "urge_answered", "在办")
    act(both, "undertaker", second, "urge_answered", "今天下午办结")
    assert [one.case_no for one in todo.list(both, undertaker).tasks] == [first.no, second.no]
    leader = clerk_of_role(both, "leader")
    lines = history.history(both, leader, second.no)[-2:]
    assert [(one.act, one.who, one.opinion) for one in lines] == [
        ("催办", "局长丑", SAID), ("回复催办", undertaker.name, "今天下午办结"),
    ]  # fmt: skip
    for wish, found in (("open", 0), ("answered", 1)):
        assert todo.supervised(both, leader, todo.Wish(urge=wish)).total == found


def test_at_night_it_waits_and_by_day_it_is_sent_until_it_arrives(hub: Core, both: Hall) -> None:
    story = accepted(hub, 1, "2026-03-02", 20)
    numbers = holders(hub, both)
    hub.clock.to(moment("2026-03-02", 22))
    act(both, "supervisor", story, "urged", "请抓紧")
    assert urged(hub) == []
    supervisor = clerk_of_role(both, "supervisor")
    assert todo.supervised(both, supervisor, todo.Wish(urge="open")).total == 1
    with pytest.raises(HallRefused, match="not_allowed"):
        act(both, "supervisor", story, "passed", "同意")

    def hours(day: str, hour: int) -> int:
        hub.clock.to(moment(day, hour))
        urging.round_(both)
        return len(urged(hub))

    told = hours("2026-03-03", 8)
    assert told == len(numbers)
    one = urged(hub)[0]
    report(hub, one["request_id"], one["mobile"], "delivered")
    assert hours("2026-03-03", 9) == 2 * told - 1, "again to those it did not reach"
    assert hours("2026-03-03", 12) == 3 * told - 2
    assert hours("2026-03-03", 15) == 3 * told - 2, "three times at most"
    missed = ("procedure", "urge_undelivered")
    assert hub.findings(story.no).count(missed) == told - 1
    states = {one.state for one in both.read(lambda connection: urging.of_case(connection, story.no))}
    assert states == ({"delivered", "given_up"} if told > 1 else {"delivered"})


def test_what_was_answered_is_sent_no_more_and_nobody_there_is_a_finding(hub: Core, both: Hall) -> None:
    story = accepted(hub, 1, "2026-03-02", 20)
    holders(hub, both)
    act(both, "leader", story, "urged", "请抓紧")
    before = len(urged(hub))
    act(both, "undertaker", story, "urge_answered", "在办")
    hub.clock.to(moment("2026-03-02", 15))
    urging.round_(both)
    assert len(urged(hub)) == before
    other = accepted(hub, 2, "2026-03-02", 20)
    both.write(
        lambda work: (
            work.connection.exec_driver_sql(
                "UPDATE hall_user SET status = 'left' WHERE staff_no IN ('S-undertaker', 'S-section')"
            ).rowcount
        )
    )
    act(both, "leader", other, "urged", "请抓紧")
    assert ("procedure", "urge_undelivered") in hub.findings(other.no)


def test_who_urges_without_end_sends_no_flood_of_messages(hub: Core, both: Hall) -> None:
    story = accepted(hub, 1, "2026-03-02", 20)
    people = len(holders(hub, both))
    hub.clock.to(moment("2026-03-02", 10))
    for _ in range(4):
        act(both, "leader", story, "urged", "快")
        hub.clock.on(60)
    assert len(urged(hub)) == people
    for one in urged(hub):
        report(hub, one["request_id"], one["mobile"], "delivered")
    hub.clock.on(urging.QUIET)
    act(both, "leader", story, "urged", "再催一次")
    assert len(urged(hub)) == 2 * people
    late = accepted(hub, 2, "2026-03-02", 20)
    hub.clock.to(moment("2026-03-02", 22))
    for _ in range(3):
        act(both, "leader", late, "urged", "快")
        hub.clock.on(urging.QUIET + 1)
    hub.clock.to(moment("2026-03-03", 8))
    urging.round_(both)
    assert len([one for one in urged(hub) if late.no in one["content"]]) == people

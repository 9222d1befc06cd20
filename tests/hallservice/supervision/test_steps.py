"""Clocks of steps of a process, the colour of to-dos, and the defaults a process may name."""

from datetime import date
from typing import Any

import pytest

from hallservice.approval.definition import EXPIRY
from hallservice.flows import assigning, definitions, instances
from hallservice.flows.starting import REACTIONS as FLOWS
from hallservice.hall import Hall
from hallservice.supervision.reactions import REACTIONS
from hallservice.supervision.scanning import scan
from tests.exchange.core.rig import PLAIN_ITEM, Core, Story
from tests.hallservice.supervision.watch import accepted, moment, mornings, staffed, told, with_reactions
from tests.hallservice.world import clerk_of_role, hall_of


@pytest.fixture
def both(hub: Core) -> Hall:
    """Processes and supervision."""
    with_reactions(hub, FLOWS, REACTIONS)
    return hall_of(hub)


def passed(core: Core, hall: Hall, story: Story, role: str, step: str, day: str, **facts: str) -> None:
    core.clock.to(moment(day))
    who, said = clerk_of_role(hall, role), {"opinion": "同意", "facts": facts}
    instances.act(hall, who, story.no, "passed", step=step, **said)


def tasks(core: Core) -> list[tuple[str, str]]:
    return [(row["step"], row["colour"]) for row in core.rows("SELECT step, colour FROM hall_task")]


@pytest.mark.req("S3-66", "S0-36")
def test_each_step_is_counted_from_the_step_before(hub: Core, both: Hall) -> None:
    """Undertaking has five days, reviewing three; a suspension stops the step's clock too (C7, C15)."""
    story = accepted(hub, 1, "2026-03-02", 20)
    mornings(hub, both, date(2026, 3, 2), date(2026, 3, 4))
    scan(both, date(2026, 3, 4))
    mornings(hub, both, date(2026, 3, 4), date(2026, 3, 10))
    assert [(s, d) for s, _, d in told(hub, story, "step/undertake")] == [
        ("near_limit", "2026-03-05"),
        ("due_today", "2026-03-09"),
        ("breach", "2026-03-10"),
    ]
    assert ("time", "step_overdue") in hub.findings(story.no)
    passed(hub, both, story, "undertaker", "undertake", "2026-03-10")
    scan(both, date(2026, 3, 10))
    hub.clock.to(moment("2026-03-11"))
    hub.ok("hall", "case.special_started.v1", story.special(1, at=moment("2026-03-11"), days=30))
    mornings(hub, both, date(2026, 3, 10), date(2026, 3, 18))
    assert [signal for signal, _, _ in told(hub, story, "step/review")] == []
    hub.clock.to(moment("2026-03-18"))
    hub.ok("hall", "case.special_finished.v1", story.special_over(1, at=moment("2026-03-18")))
    scan(both, date(2026, 3, 18))
    mornings(hub, both, date(2026, 3, 18), date(2026, 3, 23))
    # day 1 is the 18th, the day of resumption: the 20th is the third
    assert [(s, due) for s, due, _ in told(hub, story, "step/review")] == [
        ("near_limit", "2026-03-20"),
        ("due_today", "2026-03-20"),
        ("breach", "2026-03-20"),
    ]
    assert hub.value("SELECT concluded FROM hall_clock WHERE clock = 'step/undertake'") == "2026-03-10"


def test_what_is_to_be_done_shows_the_card_of_its_case(hub: Core, both: Hall) -> None:
    staffed(both)
    story = accepted(hub, 1, "2026-03-02", 5)
    assert tasks(hub) == [("undertake", "")]
    mornings(hub, both, date(2026, 3, 2), date(2026, 3, 10))
    assert tasks(hub) == [("undertake", "yellow")]
    passed(hub, both, story, "undertaker", "undertake", "2026-03-10")
    assert tasks(hub) == [("review", "yellow")], "with the act itself, before anybody looks"
    hub.ok("hall", "case.special_started.v1", story.special(1, "extension", moment("2026-03-10"), days=10))
    hub.ok("hall", "case.special_finished.v1", story.special_over(1, at=moment("2026-03-10")))
    assert tasks(hub) == [("review", "")], "the new due date begins anew; the card stays"
    assert [signal for signal, _, _ in told(hub, story)] == ["warning", "due_today", "yellow"]


@pytest.mark.req("R-04")
def test_silence_of_those_consulted_is_no_opinion_and_nothing_else_is_done_by_silence(
    hub: Core, both: Hall
) -> None:
    leader, basis = clerk_of_role(both, "leader"), "征求意见规定第三条"
    draft = definitions.new(both, leader, "441402-scj", "own", "自定流程", ("platform", "standard"))
    body: dict[str, Any] = draft.body
    consulted = {**body["body"]["parts"][1], "overdue": "DEEM_NO_OPINION", "basis": basis, "limit_days": 2}
    body["body"]["parts"][1] = consulted
    saved = definitions.save_draft(both, leader, "441402-scj", "own", body, draft.version.revision)
    definitions.publish(both, leader, "441402-scj", "own", saved.version.revision)
    assigning.assign(both, leader, "441402-scj", PLAIN_ITEM, "441402-scj", "own", 1)
    story = accepted(hub, 1, "2026-03-02", 20)
    mornings(hub, both, date(2026, 3, 2), date(2026, 3, 12))
    assert hub.state(story.no) == "accepted", "undertaking is two days late and has no default"
    passed(hub, both, story, "undertaker", "undertake", "2026-03-12")
    scan(both, date(2026, 3, 12))
    mornings(hub, both, date(2026, 3, 12), date(2026, 3, 16))
    assert hub.state(story.no) == "reviewing", "Monday the 16th is the second day"
    mornings(hub, both, date(2026, 3, 16), date(2026, 3, 17))
    assert hub.state(story.no) == "approving"
    row = hub.rows("SELECT policy, basis, entry FROM hall_lawful_default")[0]
    assert (row["policy"], row["basis"]) == ("DEEM_NO_OPINION", basis)
    assert basis in hub.value("SELECT body FROM act WHERE entry = :seq", seq=row["entry"]).decode()
    mornings(hub, both, date(2026, 3, 17), date(2026, 4, 10))
    assert hub.state(story.no) == "approving", "no decision by silence"


@pytest.mark.req("R-04")
def test_a_renewal_nobody_decided_counts_from_the_end_of_the_licence(hub: Core, both: Hall) -> None:
    """行政许可法 art. 50. The step is late from the 12th; the licence ends with the 20th, a Friday."""
    leader, basis = clerk_of_role(both, "leader"), "《中华人民共和国行政许可法》第五十条"
    draft = definitions.new(both, leader, "441402-scj", "renew", "许可延续", ("platform", "standard"))
    body: dict[str, Any] = draft.body
    body |= {"renewal": True, "fields": [{"name": EXPIRY, "label": EXPIRY, "type": "date"}]}
    body["body"]["parts"][2] |= {"overdue": "DEEM_RENEWED", "basis": basis, "limit_days": 2}
    saved = definitions.save_draft(both, leader, "441402-scj", "renew", body, draft.version.revision)
    definitions.publish(both, leader, "441402-scj", "renew", saved.version.revision)
    assigning.assign(both, leader, "441402-scj", PLAIN_ITEM, "441402-scj", "renew", 1)
    story = accepted(hub, 1, "2026-03-09", 20)
    passed(hub, both, story, "undertaker", "undertake", "2026-03-09", **{EXPIRY: "2026-03-20"})
    passed(hub, both, story, "reviewer", "review", "2026-03-09")
    for day in range(9, 21):
        hub.clock.to(moment(f"2026-03-{day:02}", 23))
        scan(both, date(2026, 3, day))
        assert hub.state(story.no) == "approving", f"nothing is renewed on the {day}th"
    assert ("time", "step_overdue") in hub.findings(story.no)
    mornings(hub, both, date(2026, 3, 20), date(2026, 3, 21))
    scan(both, date(2026, 3, 21))
    assert hub.state(story.no) == "decided"
    row = hub.rows("SELECT policy, basis, entry FROM hall_lawful_default")[0]
    assert (row["policy"], row["basis"]) == ("DEEM_RENEWED", basis)
    act = hub.value("SELECT body FROM act WHERE entry = :seq", seq=row["entry"]).decode()
    assert f"有效期届满前未作出决定，依{basis}视为准予延续" in act

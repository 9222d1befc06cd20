"""A post counts where approval is held in its body; the same function elsewhere makes nothing of it."""

from dataclasses import replace

import pytest

from hallservice.flows import assigning, definitions, instances, moving
from hallservice.refusals import HallRefused
from tests.hallservice.flows.conftest import accept, as_
from tests.hallservice.world import TOWN, VILLAGE


def test_approval_held_in_another_county_alone_makes_no_use_of_a_post_here(hall, accepted) -> None:
    case, here = accepted().no, as_(hall, "undertaker")
    scopes = {"approval.handle": ("/4414/441403/",), "case.view": here.scopes["case.view"]}
    away = replace(here, scopes=scopes)
    with pytest.raises(HallRefused) as refused:
        instances.act(hall, away, case, "passed", step="undertake", opinion="同意")
    assert refused.value.code == "not_holder"
    assert instances.act(hall, here, case, "passed", step="undertake", opinion="同意").number == 2


def test_a_town_that_takes_part_does_not_move_the_county_s_case_to_a_process_of_its_own(hall) -> None:
    leader = as_(hall, "leader")
    assigning.assign(hall, leader, "441402-scj", "", "platform", "village")
    case = accept(hall, as_(hall, "village"), 7, site=VILLAGE).no
    town = as_(hall, "town")
    town = replace(town, scopes={**town.scopes, "flows.edit": (town.path,)})
    made = definitions.new(hall, town, TOWN, "own", "镇里自定", ("platform", "standard"))
    definitions.publish(hall, town, TOWN, "own", made.version.revision)
    for look in (moving.preview, lambda *said: moving.migrate(*said[:3], moving.Wish(*said[3:], "快些办"))):
        with pytest.raises(HallRefused) as refused:
            look(hall, town, case, TOWN, "own", 1)
        assert refused.value.code == "not_allowed"
    # Nor does the county take a process its cases could not begin with.
    with pytest.raises(HallRefused) as refused:
        moving.preview(hall, leader, case, TOWN, "own", 1)
    assert [fault.code for fault in refused.value.faults] == ["unknown"]
    assert moving.preview(hall, leader, case, "platform", "standard", 1).case_no == case

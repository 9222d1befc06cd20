"""A post counts where approval is held in its body; the same function elsewhere makes nothing of it."""

from dataclasses import replace

import pytest

from hallservice.flows import instances
from hallservice.refusals import HallRefused
from tests.hallservice.flows.conftest import as_


def test_approval_held_in_another_county_alone_makes_no_use_of_a_post_here(hall, accepted) -> None:
    case, here = accepted().no, as_(hall, "undertaker")
    scopes = {"approval.handle": ("/4414/441403/",), "case.view": here.scopes["case.view"]}
    away = replace(here, scopes=scopes)
    with pytest.raises(HallRefused) as refused:
        instances.act(hall, away, case, "passed", step="undertake", opinion="同意")
    assert refused.value.code == "not_holder"
    assert instances.act(hall, here, case, "passed", step="undertake", opinion="同意").number == 2

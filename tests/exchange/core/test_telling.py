"""What the applicant is told by short message, in the words of what has happened (S0-17)."""

import json
from typing import Any

import pytest

from canonical.messages import CaseAccepted
from exchange.pipeline import submit
from exchange.staff import Staff
from tests.exchange.core.rig import MOBILE, PLAIN_ITEM, START, Core, Story, case_number, iso


@pytest.fixture
def accepted(core: Core) -> Story:
    story = Story(case_number(1), PLAIN_ITEM)
    core.ok("hall", "case.applied.v1", story.applied())
    core.ok("hall", "case.accepted.v1", story.accepted())
    return story


def told(core: Core) -> list[dict[str, Any]]:
    """Everything after the acceptance."""
    rows = core.rows("SELECT canonical FROM document WHERE type = 'sms.requested.v1' ORDER BY entry")
    return [json.loads(row["canonical"]) for row in rows][2:]


@pytest.mark.req("S0-17")
@pytest.mark.parametrize(
    ("kind", "result", "templates"),
    [
        ("other", "finished", ["suspended", "resumed"]),
        ("extension", "finished", ["extended"]),
        ("extension", "refused", []),
    ],
)
def test_a_longer_limit_is_told_as_one_and_a_refused_one_not_at_all(
    core: Core, accepted: Story, kind: str, result: str, templates: list[str]
) -> None:
    core.ok("hall", "case.special_started.v1", accepted.special(1, kind))
    core.ok("hall", "case.special_finished.v1", accepted.special_over(1, result))
    assert [one["template"] for one in told(core)] == templates
    if templates == ["extended"]:  # twenty working days from 2 March, and five more with Qingming between
        assert core.due(accepted.no)["promised_due"] == "2026-04-07"
        assert "延长办理期限,承诺办结日期改为2026-04-07" in told(core)[0]["content"]


@pytest.mark.req("S0-17")
@pytest.mark.parametrize(
    ("result", "template"), [("returned", "ended"), ("voided", "ended"), ("forwarded", "forwarded")]
)
def test_nobody_is_sent_for_a_result_that_is_not_there(
    core: Core, accepted: Story, result: str, template: str
) -> None:
    core.ok("hall", "case.concluded.v1", accepted.concluded(result))
    (only,) = told(core)
    assert only["template"] == template and "领取结果" not in only["content"]


@pytest.mark.req("S3-50")
def test_a_rating_by_sms_names_the_window_and_the_clerk_who_accepted(core: Core) -> None:
    core.party("gate", sends=("sms.replied.v1",))
    story, clerk = Story(case_number(1), PLAIN_ITEM), Staff("S-17", "窗口甲", "441402-dt", "A01")
    core.ok("hall", "case.applied.v1", story.applied())
    said = CaseAccepted.model_validate(story.accepted())
    core.hub.store.write(lambda work: submit(core.hub, work, said, cause=None, by=clerk))
    for number in (1, 2, 3):
        core.ok("hall", "case.step.v1", story.step(number))
    core.ok("hall", "case.concluded.v1", story.concluded("concluded"))
    core.ok("hall", "case.delivered.v1", story.delivered())
    core.ok("gate", "sms.replied.v1", {"mobile": MOBILE, "content": "1", "received_at": iso(START)})
    rated = json.loads(core.value("SELECT canonical FROM document WHERE type = 'case.evaluated.v1'"))
    assert (rated["channel"], rated["window"], rated["staff_no"]) == ("sms", "A01", "S-17")

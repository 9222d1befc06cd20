"""What the applicant is told in writing of an act of the approval; on a real hub and store."""

import json
from dataclasses import replace
from typing import Any

import pytest

from hallservice.flows import instances
from hallservice.hall import Hall
from hallservice.papers.content import content
from hallservice.papers.kinds import paper_from
from hallservice.papers.sheet import Facts
from hallservice.papers.wording import Wording
from tests.exchange.core.rig import Core
from tests.hallservice.counter.counter import PLAIN, Desk
from tests.hallservice.flows.conftest import accept, as_


@pytest.fixture
def case_no(hall: Hall, hub: Core) -> str:
    """Taken in and accepted by 窗口甲 at window A01, ten working days from Monday 2 March 2026."""
    return Desk(hall, hub, lambda role: as_(hall, role)).accepted(PLAIN)


def asks(hall: Hall, case_no: str, kind: str, grant: bool = True, **said: Any) -> None:
    ask = {"step": "undertake", "kind": kind, "opinion": "产品需送检", **said}
    instances.act(hall, as_(hall, "undertaker"), case_no, "asked", **ask)
    answer = {"step": "undertake", "kind": kind, "grant": grant, "opinion": "已阅"}
    instances.act(hall, as_(hall, "leader"), case_no, "answered", **answer)


def papers(hub: Core) -> list[dict[str, Any]]:
    """Those beyond the counter's own."""
    rows = hub.rows(
        "SELECT data FROM hall_notice WHERE kind NOT IN ('receiving', 'acceptance') ORDER BY doc_no"
    )
    return [json.loads(row["data"]) for row in rows]


def printed(paper: dict[str, Any]) -> dict[str, str]:
    """The facts as they stand on it."""
    said = content(paper_from(paper), Wording())
    return dict(next(block for block in said.blocks if isinstance(block, Facts)).rows)


@pytest.mark.req("S3-38")
def test_a_suspension_is_told_with_its_time_its_reason_and_the_law(
    hall: Hall, hub: Core, case_no: str
) -> None:
    asks(hall, case_no, "suspension", ground="检验", days=10)
    (paper,) = papers(hub)
    assert (paper["kind"], paper["case_no"], paper["reason"]) == ("special", case_no, "产品需送检")
    facts = printed(paper)
    assert facts["特别程序"] == "检验" and facts["开始日期"] == "2026年3月2日"
    assert facts["所需时间"] == "10个工作日" and facts["法律依据"] == "《中华人民共和国行政许可法》第四十五条"
    assert facts["窗口人员"] == "窗口甲（A01）", "the applicant asks where the case was taken in"
    assert paper["doc_no"] == "（441402）特字〔2026〕000001号"
    hub.verified()


def test_a_law_that_was_not_named_is_not_made_up(hall: Hall, hub: Core, case_no: str) -> None:
    asks(hall, case_no, "suspension", ground="现场核查", opinion="需到场所核查")
    instances.act(hall, as_(hall, "undertaker"), case_no, "resumed")
    instances.act(
        hall, as_(hall, "undertaker"), case_no, "returned", step="undertake", to="applicant",
        opinion="依《食品经营许可管理办法》第十五条补充平面图",
    )  # fmt: skip
    first, second = papers(hub)
    assert "法律依据" not in printed(first) and "实际所需时间" in printed(first)["所需时间"]
    assert printed(second)["法律依据"] == "《食品经营许可管理办法》第十五条"
    assert second["procedure"] == "补充申请材料" and "平面图" in second["reason"]


@pytest.mark.req("S3-39")
def test_more_time_is_told_with_the_old_and_the_new_day_once_it_is_approved(
    hall: Hall, hub: Core, case_no: str
) -> None:
    asks(hall, case_no, "extension", grant=False, days=5)
    assert papers(hub) == [], "what was refused concerns the applicant in nothing"
    asks(hall, case_no, "extension", days=5)
    (paper,) = papers(hub)
    facts = printed(paper)
    assert facts["延长时间"] == "5个工作日" and facts["批准人"] == "局长丑"
    assert (facts["原定期限"], facts["延长后期限"]) == ("2026年3月16日", "2026年3月23日")
    assert paper["reason"] == "产品需送检"


@pytest.mark.req("S3-40")
@pytest.mark.parametrize(("kind", "how"), [("abort", "退回办结"), ("termination", "作废办结")])
def test_an_end_without_a_decision_is_told_with_its_reason(
    hall: Hall, hub: Core, case_no: str, kind: str, how: str
) -> None:
    asks(hall, case_no, kind, opinion="申请人撤回")
    (paper,) = papers(hub)
    assert (paper["kind"], paper["result"]) == ("conclusion", f"{how}：申请人撤回")


def test_a_case_that_was_not_taken_in_here_names_who_acts(hall: Hall, hub: Core) -> None:
    story = accept(hall, replace(as_(hall, "clerk"), window="A01"), 9)
    asks(hall, story.no, "suspension", ground="听证", days=3)
    (paper,) = papers(hub)
    assert paper["window"]["staff"] == "局长丑" and paper["procedure"] == "听证"

"""The desk and the editor through a browser without scripts: what is typed, what comes back, what is done."""

import re
from collections.abc import Iterator

import pytest

from hallservice.flows import definitions, instances
from hallservice.web.registry import shipped
from tests.hallservice.flows.conftest import accept, as_
from tests.hallservice.web.webrig import Place, mounted, served

DRAFT = "/hall/flows/441402-scj/build/draft"


@pytest.fixture
def place(hall) -> Iterator[Place]:
    with served(mounted(hall, features=shipped())) as found:
        yield found


def moved_to(answer) -> str:
    assert answer.status_code == 303, re.findall(r"<li>.*?</li>", answer.text)
    return answer.headers["location"]


@pytest.mark.req("S0-63", "S0-64", "S0-65")
def test_a_clerk_passes_a_step_and_the_second_reads_who_was_first(hall, place) -> None:
    story = accept(hall, as_(hall, "clerk"), 1)
    first, second = place.visitor().sign_in("undertaker"), place.visitor().sign_in("section")
    listed = first.get("/hall/approval").text
    assert story.no in listed and "承办（1）" in listed and "测***" in listed and "测试梅甲" not in listed
    case, passing = f"/hall/approval/cases/{story.no}", f"/hall/approval/cases/{story.no}/acts/passed"
    fields = {name: visitor.hidden(case, passing) for name, visitor in (("one", first), ("two", second))}
    sent = {**fields["one"], "opinion": "材料齐全"}
    assert moved_to(first.send(passing, sent)) == "/hall/approval"
    assert moved_to(first.send(passing, sent)) == "/hall/approval", "the same submission has one effect"
    late = second.send(passing, {**fields["two"], "opinion": "我的意见"})
    assert late.status_code == 422
    assert "承办己已于2026-03-02 09:30先行办理（通过）" in late.text and "<title>错误：" in late.text
    shown = second.get(case).text
    assert "✓ 已办" in shown and "▶ 在办" in shown and "材料齐全" in shown and "我的意见" not in shown
    assert instances.of_case(hall, as_(hall, "section"), story.no).state.count == 2
    assert second.get(f"{case}/acts/returned?step=review").status_code == 200
    assert place.visitor().sign_in("land").get(case).status_code == 422


def test_what_was_typed_in_a_form_that_is_refused_comes_back(hall, place) -> None:
    story = accept(hall, as_(hall, "clerk"), 1)
    visitor = place.visitor().sign_in("undertaker")
    case = f"/hall/approval/cases/{story.no}"
    typed = {"kind": "extension", "days": "", "opinion": "情况复杂需要会商"}
    answer = visitor.post(f"{case}/acts/asked?step=undertake", f"{case}/acts/asked", typed)
    assert (
        answer.status_code == 422 and "延期必须写明天数" in answer.text and "情况复杂需要会商" in answer.text
    )
    assert re.search(r'value="extension"[^>]* checked', answer.text)
    missing = visitor.post(f"{case}/acts/transferred?step=undertake", f"{case}/acts/transferred", {"to": ""})
    assert missing.status_code == 422 and 'href="#f-to"' in missing.text


def started(visitor) -> None:
    """A draft with a fact to ask for."""
    made = {"body_of": "441402-scj", "name": "施工许可", "key": "build", "source": "platform/standard"}
    assert moved_to(visitor.post("/hall/flows/new", "/hall/flows/new", made)) == DRAFT
    posts = {"special": "special", "supervisor": "supervise", "administrator": "flows"}
    facts = {"name": "施工许可", "level": "county", "total_days": "20", "fact0": "投资额", "type0": "money"}
    moved_to(visitor.post(f"{DRAFT}/head", f"{DRAFT}/head", facts | posts))


def branched(visitor) -> None:
    """A choice after undertaking: experts look at what is large."""
    where = moved_to(visitor.post(f"{DRAFT}/add?at=body.parts[0]", f"{DRAFT}/add", {"kind": "choice"}))
    assert where.endswith("block?at=body.parts[1]")
    where = moved_to(visitor.post(f"{DRAFT}/add?at=body.parts[1]&inside=1", f"{DRAFT}/add", {"kind": "step"}))
    wrong = visitor.post(where, f"{DRAFT}/block", {"name": "大额", "rule": "投资额 ≥ 五百万"})
    assert wrong.status_code == 422 and "投资额 ≥ 五百万" in wrong.text and "第 7 个字符" in wrong.text
    moved_to(visitor.post(where, f"{DRAFT}/block", {"name": "大额", "rule": "投资额 ≥ 5000000"}))
    assert "请填写名称" in visitor.get(DRAFT).text
    step = {"name": "专家评审", "kind": "review", "post": "review", "limit_days": "5", "overdue": "NONE"}
    inner = f"{DRAFT}/block?at=body.parts[1].branches[0].then.parts[0]"
    moved_to(visitor.post(inner, f"{DRAFT}/block", step))
    shown = visitor.get(DRAFT).text
    assert re.search(r"其他情形</b>\s*<span class=\"fault\">错误：没有内容", shown), "at its own line"
    other = f"{DRAFT}/add?at=body.parts[1].otherwise&inside=1"
    where = moved_to(visitor.post(other, f"{DRAFT}/add", {"kind": "step"}))
    moved_to(visitor.post(where, f"{DRAFT}/block", {**step, "name": "一般核查", "kind": "custom"}))
    shown = visitor.get(DRAFT).text
    assert 'class="fault"' not in shown and "<svg" in shown and "情形：大额" in shown


def test_who_edits_an_older_draft_is_told_who_changed_it(hall, place) -> None:
    visitor = place.visitor().sign_in("leader")
    started(visitor)
    stale = visitor.hidden(DRAFT, f"{DRAFT}/list")
    moved_to(visitor.post(DRAFT, f"{DRAFT}/list", {"do": "down body.parts[0]"}))
    late = visitor.send(f"{DRAFT}/list", {**stale, "do": "remove body.parts[0]"})
    assert late.status_code == 422 and "草稿已由局长丑修改" in late.text
    names = [
        one["name"]
        for one in definitions.draft(hall, as_(hall, "leader"), "441402-scj", "build").body["body"]["parts"]
    ]
    assert names == ["审核", "承办", "批准"]
    gone = visitor.send(f"{DRAFT}/discard", {"csrf": stale["csrf"], "act": stale["act"], "revision": "1"})
    assert gone.status_code == 422 and "草稿已由局长丑修改" in gone.text
    second = f"{DRAFT}/block?at=body.parts[1]"
    form = visitor.hidden(second, f"{DRAFT}/block")
    moved_to(visitor.post(DRAFT, f"{DRAFT}/list", {"do": "down body.parts[1]"}))
    typed = {"name": "初审承办", "kind": "undertake", "post": "undertake", "limit_days": "4"}
    late = visitor.send(f"{DRAFT}/block", {**form, **typed})
    assert late.status_code == 422 and "初审承办" in late.text
    assert 'name="at" value="body.parts[2]"' in late.text, "where the step stands now"


@pytest.mark.req("S0-27", "S3-13")
def test_a_department_administrator_makes_a_process_in_the_browser_and_cases_take_it(hall, place) -> None:
    visitor = place.visitor().sign_in("leader")
    started(visitor)
    branched(visitor)
    plan = definitions.draft(hall, as_(hall, "leader"), "441402-scj", "build").plan
    page = visitor.get(f"{DRAFT}/publish").text
    assert plan is not None and plan.digest in page and "专家评审" in page
    moved_to(visitor.post(f"{DRAFT}/publish", f"{DRAFT}/publish"))
    version = visitor.get("/hall/flows/441402-scj/build/versions/1?format=bpmn")
    assert version.headers["content-type"] == "application/xml" and b"exclusiveGateway" in version.content
    uses = {"org": "441402-scj", "item_code": "", "flow": "441402-scj/build/1"}
    moved_to(visitor.post("/hall/flows/uses", "/hall/flows/uses", uses))
    story = accept(hall, as_(hall, "clerk"), 1)
    desk = place.visitor().sign_in("undertaker")
    case, passing = f"/hall/approval/cases/{story.no}", f"/hall/approval/cases/{story.no}/acts/passed"
    bad = desk.post(case, passing, {"opinion": "同意", "fact_投资额": "很多"})
    assert bad.status_code == 422 and "投资额" in bad.text
    moved_to(desk.post(case, passing, {"opinion": "同意", "fact_投资额": "6000000"}))
    instance = instances.of_case(hall, as_(hall, "leader"), story.no)
    assert [instance.plan.places[key].step.name for key in instance.state.active] == ["专家评审"]
    assert desk.get("/hall/flows").status_code == 403


def test_a_supervisor_urges_from_the_list_and_reads_the_answer(hall, place) -> None:
    stories = [accept(hall, as_(hall, "clerk"), number) for number in (1, 2)]
    supervisor, undertaker = place.visitor().sign_in("supervisor"), place.visitor().sign_in("undertaker")
    case = f"/hall/approval/cases/{stories[1].no}"
    form = f"{case}/acts/urged?step=undertake"
    assert form in supervisor.get("/hall/approval/supervised").text
    empty = supervisor.post(form, f"{case}/acts/urged", {"opinion": ""})
    assert empty.status_code == 422 and "必须写明理由" in empty.text
    assert moved_to(supervisor.post(form, f"{case}/acts/urged", {"opinion": "申请人在等"})) == case
    shown = undertaker.get("/hall/approval").text
    assert shown.index(stories[1].no) < shown.index(stories[0].no) and "监察辰：申请人在等" in shown
    answer = f"{case}/acts/urge_answered"
    assert moved_to(undertaker.post(f"{answer}?step=undertake", answer, {"opinion": "今天办结"})) == case
    assert "回复催办" in supervisor.get(case).text and "今天办结" in supervisor.get(case).text
    passing = {**supervisor.hidden(form, f"{case}/acts/urged"), "opinion": "同意"}
    refused = supervisor.send(f"{case}/acts/passed", passing)
    assert refused.status_code in (403, 422), "urging is all a supervisor of the time may do"
    assert instances.of_case(hall, as_(hall, "leader"), stories[1].no).state.active == ("undertake",)

"""A process that cannot be published: each refusal names, in Chinese, the step it is about."""

import json
from dataclasses import replace
from typing import Any

import pytest

from hallservice.approval.validation import DefinitionRefused
from hallservice.flows import assigning, definitions, editing, outline
from hallservice.flows.definitions import Draft
from hallservice.refusals import FormRefused, HallRefused
from tests.hallservice.flows.conftest import as_

OWNER = "441402-scj"


def step(key: str, name: str, **over: Any) -> dict[str, Any]:
    made = {"name": name, "kind": "review", "post": "review", "level": "county", "limit_days": 0}
    return {"block": "step", "key": key, **made, **over}


def case(name: str, least: str, inner: dict[str, Any]) -> dict[str, Any]:
    when = {"test": "compare", "field": "amount", "op": "ge", "value": least}
    return {"name": name, "when": when, "then": {"block": "serial", "parts": [inner]}}


def choice(*cases: dict[str, Any], otherwise: Any = None) -> dict[str, Any]:
    return {"block": "choice", "key": "size", "branches": list(cases), "otherwise": otherwise}


def sub(ref: str) -> dict[str, Any]:
    return {"block": "sub", "key": "other", "name": "卫健会审", "org": "441402-wjj", "ref": ref}


LARGE, LARGER = case("大额", "100.00", step("a", "复核")), case("特大", "1000.00", step("b", "会商"))
ELSE = {"block": "serial", "parts": [step("c", "核对")]}


def saved(hall: Any, key: str, *more: dict[str, Any]) -> Draft:
    """The standard process with something behind its first step."""
    leader = as_(hall, "leader")
    made = definitions.new(hall, leader, OWNER, key, key, ("platform", "standard"))
    body = editing.tidied(made.body)
    body["body"]["parts"][1:1] = list(more)
    body["fields"] = [{"name": "amount", "label": "金额", "type": "money"}]
    found = definitions.save_draft(hall, leader, OWNER, key, body, made.version.revision)
    return found


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (choice(LARGE, LARGER, otherwise=ELSE), "“选择 › 情形：特大”：永远轮不到这个情形"),
        (choice(LARGE), "“选择 › 其他情形”：选择没有默认分支"),
        (sub("nowhere"), "“部门：卫健会审”：引用的流程不存在"),
        (step("undertake", "再承办", kind="undertake", post="undertake"), "“再承办”：编号重复"),
        (step("town", "镇街核查", level="town"), "“镇街核查”：环节的层级与所在层级不同"),
        (step("lapse", "征求意见", overdue="DEEM_NO_OPINION"), "“征求意见”：默认处理没有法律依据"),
        (
            {"block": "parallel", "key": "p", "branches": [step("d", "会签")], "join": "all"},
            "“并行”：并行至少",
        ),
    ],
)
def test_what_is_wrong_is_said_of_its_step(hall: Any, more: dict[str, Any], said: str) -> None:
    draft = saved(hall, "broken", more)
    words = outline.named(editing.tidied(draft.body), draft.problems)
    assert [one for one in words if one.startswith(said)], words
    with pytest.raises(DefinitionRefused):
        definitions.publish(hall, as_(hall, "leader"), OWNER, "broken", draft.version.revision)


def test_a_process_that_decides_nothing_takes_no_cases(hall: Any) -> None:
    leader = as_(hall, "leader")
    draft = saved(hall, "opinion")
    parts = [one for one in draft.body["body"]["parts"] if one["kind"] != "approve"]
    draft.body["body"]["parts"] = parts
    again = definitions.save_draft(hall, leader, OWNER, "opinion", draft.body, draft.version.revision)
    definitions.publish(hall, leader, OWNER, "opinion", again.version.revision)
    with pytest.raises(HallRefused, match="批准环节") as refusal:
        assigning.assign(hall, leader, OWNER, "", OWNER, "opinion")
    assert refusal.value.code == "no_approval"


def test_a_body_takes_its_own_processes_and_those_of_bodies_above_it(hall: Any, hub: Any) -> None:
    county = replace(as_(hall, "leader"), scopes={"flows.edit": ("/4414/441402/",)})
    for owner in ("441402-wjj", "441402"):
        made = definitions.new(hall, county, owner, "shared", "县里的流程", ("platform", "standard"))
        definitions.publish(hall, county, owner, "shared", made.version.revision)
    with pytest.raises(FormRefused) as refusal:
        assigning.assign(hall, county, OWNER, "", "441402-wjj", "shared")
    assert [one.field for one in refusal.value.faults] == ["key"]
    assigning.assign(hall, county, OWNER, "", "441402", "shared")
    assert assigning.for_item(hall, county, OWNER, "")[0].name == "县里的流程"
    kinds = [json.loads(leaf)["kind"] for leaf in hub.leaves()]
    acts = [kind for kind in kinds if kind.startswith("hall.flow_")]
    assert acts == [*["hall.flow_drafted", "hall.flow_published"] * 2, "hall.flow_assigned"]
    definitions.retire(hall, county, "441402", "shared", 1)
    assert assigning.for_item(hall, county, OWNER, "")[0].name == "一般审批", "no new case takes it"
    with pytest.raises(HallRefused) as again:
        definitions.retire(hall, county, "441402", "shared", 1)
    assert again.value.code == "not_published"


def test_processes_that_refer_to_each_other_are_refused_at_the_reference(hall: Any) -> None:
    leader = as_(hall, "leader")
    first = saved(hall, "first")
    definitions.publish(hall, leader, OWNER, "first", first.version.revision)
    second = saved(hall, "second", sub("first"))
    definitions.publish(hall, leader, OWNER, "second", second.version.revision)
    again = saved(hall, "first", sub("second"))
    assert outline.named(again.body, again.problems) == ["“部门：卫健会审”：子流程循环引用"]


def test_a_post_nobody_holds_is_told_and_hinders_nothing(hall: Any) -> None:
    leader = as_(hall, "leader")
    draft = saved(hall, "alone", step("d", "专家评审", post="expert"))
    found = definitions.draft(hall, leader, OWNER, "alone")
    assert found.problems == ()
    assert found.unheld == (
        "“专家评审”：梅江区市场监督管理局现在没有人持有岗位“expert”，办件到此无人办理",
    )  # fmt: skip
    definitions.publish(hall, leader, OWNER, "alone", draft.version.revision)

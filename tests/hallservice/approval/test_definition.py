"""Definitions: the JSON form, every coded problem by its path, linking, and what hostile ones come to."""

import json
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hallservice.approval.conditions import AllOf, AnyOf, Compare, holds
from hallservice.approval.definition import (
    EXPIRY,
    Branch,
    Choice,
    FactField,
    HandDown,
    HandUp,
    Parallel,
    Sub,
    digest,
    dumped,
)
from hallservice.approval.plan import linked
from hallservice.approval.validation import MESSAGES, DefinitionRefused, parsed, problems
from tests.hallservice.approval.builders import FIELDS, Builder, definition, four_levels, serial, step

TYPES = {fact.name: fact.type for fact in FIELDS}


def codes(block, **more) -> dict[str, str]:
    return {p.path: p.code for p in problems(definition(block, **more))}


def choice(*branches: Branch, otherwise=None) -> Choice:
    return Choice(key="c", branches=branches, otherwise=otherwise)


def when(field: str, op: str, value, key: str = "x") -> Branch:
    return Branch(name="一", when=Compare(field=field, op=op, value=value), then=step(key))


LEAD = Sub(key="lead", name="甲", org="o1", lead=True, body=step("a"))
OTHER = Sub(key="other", name="乙", org="o2", body=step("a2"))


@pytest.mark.parametrize("seed", range(40))
def test_what_the_editor_saves_is_what_it_reads(seed: int) -> None:
    made = Builder(seed).definition()
    text = json.dumps(dumped(made), ensure_ascii=False)
    assert parsed(text) == made
    assert digest(parsed(text)) == digest(made)
    assert digest(replace(made, version=2)) != digest(made)


@pytest.mark.parametrize(
    ("block", "path", "code"),
    [
        (serial(step("a"), step("a")), "body.parts[1].key", "duplicate_key"),
        (serial(), "body.parts", "empty"),
        (Parallel(key="p", branches=(step("a"),)), "body.branches", "single_branch"),
        (
            Parallel(key="p", branches=(step("a"), step("b")), join="share", share=3),
            "body.share",
            "bad_share",
        ),
        (Parallel(key="p", branches=(step("a"), step("b")), share=1), "body.share", "share_unused"),
        (choice(when("area", "ge", 5)), "body.otherwise", "no_default"),
        (choice(otherwise=step("a")), "body.branches", "empty"),
        (choice(when("colour", "eq", 5), otherwise=step("a")), "body.branches[0].when", "unknown_field"),
        (choice(when("area", "eq", "5"), otherwise=step("a")), "body.branches[0].when", "bad_value"),
        (choice(when("amount", "eq", "1.234"), otherwise=step("a")), "body.branches[0].when", "bad_value"),
        (choice(when("kind", "lt", "a"), otherwise=step("a")), "body.branches[0].when", "bad_operator"),
        (
            choice(when("area", "eq", 1), when("area", "eq", 2, "y"), otherwise=step("a")),
            "body.branches[1].name",
            "duplicate_branch",
        ),
        (
            choice(Branch(name="一", when=AllOf(of=()), then=step("x")), otherwise=step("a")),
            "body.branches[0].when",
            "empty",
        ),
        (
            serial(step("a", "accept", post="one"), step("b", "approve", post="one")),
            "body.parts[1].post",
            "duty_separation",
        ),
        (step("a", "accept", "town"), "body.level", "level_not_handed"),
        (HandUp(key="h", to="town", body=step("a", level="town")), "body.to", "not_up"),
        (HandDown(key="h", to="city", body=step("a", level="city")), "body.to", "not_down"),
        (HandDown(key="h", to="county", body=step("a", level="county")), "body.to", "not_down"),
        (Sub(key="s", name="n", org="o"), "body.ref", "sub_source"),
        (Sub(key="s", name="n", org="o", ref="x", body=step("a")), "body.ref", "sub_source"),
        (
            Sub(key="s", name="n", org="o", body=HandUp(key="h", to="city", body=step("a", level="city"))),
            "body.body",
            "hand_in_sub",
        ),
        (
            Parallel(key="p", branches=(replace(LEAD, lead=False), OTHER)),
            "body.branches",
            "no_lead",
        ),
        (Parallel(key="p", branches=(LEAD, replace(OTHER, lead=True))), "body.branches", "many_leads"),
        (step("a", overdue="DEEM_NO_OPINION", limit_days=5), "body.basis", "no_basis"),
        (step("a", overdue="DEEM_NO_OPINION", basis="内部规定"), "body.limit_days", "no_limit"),
        (
            step("a", "approve", overdue="DEEM_NO_OPINION", basis="x", limit_days=1),
            "body.overdue",
            "unlawful_default",
        ),
        (
            step("a", "approve", overdue="DEEM_RENEWED", basis="x", limit_days=1),
            "body.overdue",
            "unlawful_default",
        ),
    ],
)
def test_a_problem_is_named_at_its_place(block, path: str, code: str) -> None:
    assert codes(block) == {path: code}
    assert MESSAGES[code]


def test_limits_are_added_along_the_longest_way() -> None:
    side = Parallel(key="p", branches=(step("a", limit_days=4), step("b", limit_days=7)))
    way = serial(step("x", limit_days=3), side)
    assert codes(way, total_days=10) == {}
    assert codes(way, total_days=9) == {"total_days": "over_total"}


def test_renewal_may_be_deemed_only_where_the_item_is_a_renewal() -> None:
    """And where the process knows when the licence ends: before that day the law deems nothing (art. 50)."""
    renewed = step("a", "approve", overdue="DEEM_RENEWED", basis="行政许可法第五十条", limit_days=10)
    assert codes(renewed, renewal=True) == {"body.overdue": "no_expiry"}
    for kind, wrong in (("text", {"body.overdue": "no_expiry"}), ("date", {})):
        fact = FactField(name=EXPIRY, label=EXPIRY, type=kind)
        made = replace(definition(renewed, renewal=True), fields=(fact,))
        assert {one.path: one.code for one in problems(made)} == wrong


@pytest.mark.parametrize(
    ("change", "path", "code"),
    [
        (lambda d: d.pop("posts"), "posts", "missing"),
        (lambda d: d.update(extra=1), "extra", "unknown_member"),
        (lambda d: d["body"].update(limit_days=-1), "body.limit_days", "bad_form"),
        (lambda d: d["body"].update(limit_days=True), "body.limit_days", "bad_form"),
        (lambda d: d["body"].update(level="moon"), "body.level", "bad_form"),
        (lambda d: d["body"].update(block="loop"), "body", "bad_form"),
        (lambda d: d["body"].update(key="A B"), "body.key", "bad_form"),
        (lambda d: d["body"].update(name="a\u0000"), "body.name", "bad_form"),
        (lambda d: d["body"].pop("block"), "body", "missing"),
    ],
)
def test_json_of_the_wrong_form_is_refused_by_path(change, path: str, code: str) -> None:
    value = dumped(definition(step("a")))
    change(value)
    with pytest.raises(DefinitionRefused) as refused:
        parsed(json.dumps(value))
    assert (path, code) in [(p.path, p.code) for p in refused.value.problems]
    assert all(p.message for p in refused.value.problems)


@pytest.mark.parametrize("text", ["", "null", "[]", "{", '"x"', "NaN", "[" * 100_000, "\ud800", b"\xff\xfe"])
def test_no_definition_at_all_is_refused(text) -> None:
    with pytest.raises(DefinitionRefused):
        parsed(text)


@pytest.mark.parametrize(("depth", "code"), [(12, "too_deep"), (30, "too_deep"), (5000, "not_json")])
def test_depth_is_bounded(depth: int, code: str) -> None:
    value = dumped(definition(step("a")))
    inner = json.dumps(value["body"])
    nested = '{"block":"serial","parts":[' * depth + inner + "]}" * depth
    with pytest.raises(DefinitionRefused) as refused:
        parsed(json.dumps(value).replace(inner, nested))
    assert refused.value.problems[0].code == code


def test_size_is_bounded() -> None:
    rows = tuple(serial(*(step(f"s{i}_{j}") for j in range(90))) for i in range(5))
    assert codes(serial(*rows)) == {"body": "too_large"}
    with pytest.raises(DefinitionRefused) as refused:
        parsed(" " * 300_000)
    assert refused.value.code == "too_large"


def test_deep_conditions_are_refused() -> None:
    deep = Compare(field="area", op="eq", value=1)
    for _ in range(7):
        deep = AnyOf(of=(deep,))
    found = codes(choice(Branch(name="一", when=deep, then=step("x")), otherwise=step("a")))
    assert found == {"body.branches[0].when": "too_deep"}


def refers(key: str, *refs: str):
    subs = [Sub(key=f"s{i}", name="部门", org="o", ref=ref) for i, ref in enumerate(refs)]
    return definition(serial(*subs, step("own")), key=key)


def refused_code(root, library: dict) -> str:
    with pytest.raises(DefinitionRefused) as refused:
        linked(root, library.get)
    return refused.value.problems[0].code


def test_sub_processes_are_linked_under_their_key() -> None:
    plan = linked(refers("a", "b", "b"), {"b": definition(step("x"), key="b")}.get)
    assert list(plan.places) == ["s0.x", "s1.x", "own"]
    assert plan.places["s0.x"].org == "o"
    changed = linked(refers("a", "b", "b"), {"b": definition(step("x", limit_days=1), key="b")}.get)
    assert changed.digest != plan.digest


def test_cycles_and_holes_in_references_are_refused() -> None:
    ring = {"a": refers("a", "b"), "b": refers("b", "c"), "c": refers("c", "a")}
    assert refused_code(ring["a"], ring) == "cycle"
    assert refused_code(refers("a", "a"), {"a": refers("a", "a")}) == "cycle"
    assert refused_code(refers("a", "b"), {}) == "unknown_process"
    chain = {f"d{i}": refers(f"d{i}", f"d{i + 1}") for i in range(9)}
    assert refused_code(chain["d0"], chain) == "too_deep"
    wide = {f"w{i}": refers(f"w{i}", *[f"w{i + 1}"] * 9) for i in range(4)} | {"w4": refers("w4")}
    assert refused_code(wide["w0"], wide) == "too_deep"
    assert refused_code(
        refers("a", "b"), {"b": definition(step("x", level="town"), key="b", level="town")}
    ) == ("level_not_handed")


def test_the_four_level_process_is_valid() -> None:
    assert problems(four_levels()) == []


@pytest.mark.parametrize(
    ("field", "op", "value", "fact", "met"),
    [
        ("amount", "ge", "5000.00", "5000", True),
        ("amount", "lt", "5000.00", "12000.00", False),  # as text it would be less
        ("area", "gt", 5, 90, True),
        ("area", "eq", 1, True, False),
        ("urgent", "eq", True, 1, False),
        ("day", "lt", "2026-12-31", "2026-09-30", True),
        ("day", "lt", "2026-12-31", "soon", False),
        ("kind", "ne", "新建", "改建", True),
    ],
)
def test_a_comparison_is_typed(field: str, op: str, value, fact, met: bool) -> None:
    assert holds(Compare(field=field, op=op, value=value), {field: fact}, TYPES) is met
    assert holds(Compare(field=field, op=op, value=value), {}, TYPES) is False


@given(st.dates(), st.dates())
def test_dates_compare_as_dates(one: date, two: date) -> None:
    test = Compare(field="day", op="le", value=two.isoformat())
    assert holds(test, {"day": one.isoformat()}, TYPES) == (one <= two)

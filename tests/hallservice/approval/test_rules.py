"""Conditions as people write them: what they mean, that they come back, and what is said of a wrong one."""

from random import Random

import pytest

from hallservice.approval.conditions import AllOf, AnyOf, Compare, Condition, holds
from hallservice.approval.rules import RuleRefused, read, written
from tests.hallservice.approval.builders import FIELDS, Builder

TYPES = {fact.name: fact.type for fact in FIELDS}


def is_(field: str, op: str, value: object) -> Compare:
    return Compare(field=field, op=op, value=value)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("投资额（元） ≥ 5000000", is_("amount", "ge", "5000000.00")),
        ("面积不超过90且是否加急=是", AllOf(of=(is_("area", "le", 90), is_("urgent", "eq", True)))),
        (
            "类别 = 新建 或 类别 = “改 建” 且 面积 > -3",
            AnyOf(
                of=(
                    is_("kind", "eq", "新建"),
                    AllOf(of=(is_("kind", "eq", "改 建"), is_("area", "gt", -3))),
                )
            ),
        ),
        (
            "（类别 ≠ 新建 或 日期 < 2026-03-02） and day >= 2020-01-01",
            AllOf(
                of=(
                    AnyOf(of=(is_("kind", "ne", "新建"), is_("day", "lt", "2026-03-02"))),
                    is_("day", "ge", "2020-01-01"),
                )
            ),
        ),
    ],
)
def test_what_is_written_is_what_is_meant(text: str, meant: Condition) -> None:
    assert read(text, FIELDS) == meant


def test_every_condition_comes_back_from_its_text() -> None:
    for seed in range(300):
        condition = Builder(seed).condition(3)
        again = read(written(condition, FIELDS), FIELDS)
        assert read(written(again, FIELDS), FIELDS) == again
        for other in range(5):
            facts = Builder(seed * 7 + other).facts()
            assert holds(again, facts, TYPES) == holds(condition, facts, TYPES)


@pytest.mark.parametrize(
    ("text", "at", "word"),
    [
        ("", 1, "要素名称"),
        ("高度 > 3", 1, "可用的有：投资额（元）"),
        ("面积", 3, "比较符号"),
        ("面积 > 三十", 6, "30"),
        ("类别 > 新建", 4, "只能用 = 或 ≠"),
        ("是否加急 = 也许", 8, "是 或 否"),
        ("日期 = 2026-02-30", 6, "2026-03-02"),
        ("面积 > 3 面积 < 5", 8, "“且”“或”"),
        ("（面积 > 3", 8, "右括号"),
        ("类别 = “新建", 6, "右引号"),
        ("（" * 9 + "面积 > 3", 6, "最多 5 层"),
        ("面积 > 3 或 " * 200, 1, "最长 1000"),
    ],
)
def test_a_wrong_condition_is_told_where_and_what_is_wanted(text: str, at: int, word: str) -> None:
    with pytest.raises(RuleRefused) as fault:
        read(text, FIELDS)
    assert word in fault.value.said and f"第 {at} 个字符" in fault.value.said


def test_noise_ends_in_the_same_refusal() -> None:
    random = Random(4)
    pieces = [
        "面积",
        "类别",
        "投资额（元）",
        ">",
        "=",
        "且",
        "或",
        "（",
        "）",
        "30",
        "“",
        "”",
        "是",
        " ",
        "null",
        "𠮷",
    ]
    for _ in range(3000):
        try:
            read("".join(random.choice(pieces) for _ in range(random.randint(1, 12))), FIELDS)
        except RuleRefused as refused:
            assert "个字符" in refused.said

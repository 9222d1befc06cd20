"""Cases of a choice that no facts can reach, against what can be worked out by hand."""

from collections.abc import Sequence

import pytest

from hallservice.approval.definition import Branch, Choice, FactField, Serial
from hallservice.approval.reachable import never_taken
from hallservice.approval.rules import read

FIELDS = [
    FactField(name="投资额", label="投资额", type="money"),
    FactField(name="人数", label="人数", type="integer"),
    FactField(name="加急", label="加急", type="boolean"),
    FactField(name="类别", label="类别", type="text"),
    FactField(name="日期", label="日期", type="date"),
]
TYPES = {one.name: one.type for one in FIELDS}


def choice(*rules: str) -> Choice:
    then = Serial(parts=())
    branches = tuple(
        Branch(name=f"情形{n}", when=read(rule, FIELDS), then=then) for n, rule in enumerate(rules)
    )
    return Choice(key="c", branches=branches, otherwise=then)


@pytest.mark.parametrize(
    ("rules", "never"),
    [
        (["投资额 ≥ 100.00", "投资额 ≥ 1000.00"], [1]),
        (["投资额 ≥ 1000.00", "投资额 ≥ 100.00"], []),
        (["人数 > 5 且 人数 < 3"], [0]),
        (["人数 > 5 且 人数 < 7"], []),
        (["人数 > 5 且 人数 < 6"], [0]),
        (["人数 > 5", "人数 < 5", "人数 = 5"], []),
        (["人数 > 5", "人数 ≤ 5", "人数 = 5"], [2]),
        (["加急 = 是", "加急 = 否", "加急 = 是 且 人数 = 1"], [2]),
        (["类别 = 新建", "类别 ≠ 新建", "类别 = 改建"], [2]),
        (["类别 = 新建 或 类别 = 改建", "类别 = 改建", "类别 = 扩建"], [1]),
        (["日期 < 2026-03-02", "日期 ≥ 2026-03-02", "日期 = 2026-03-02"], [2]),
        (["投资额 < 0.00"], [0]),
    ],
)
def test_what_is_never_taken(rules: Sequence[str], never: list[int]) -> None:
    assert never_taken(choice(*rules), TYPES) == never

"""Element rules of the rows inside an item: fee formulas, questions, situations and what they link."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from canonical.errors import ValueRefused
from hallservice.approval.definition import FactField
from hallservice.approval.rules import RuleRefused, read
from hallservice.items import charges
from hallservice.items.elements import Content, parts
from hallservice.items.published import Kept
from hallservice.items.situations import Question
from hallservice.refusals import FieldFault


@dataclass
class Checked:
    """One item looked at: its faults, and what the rules found out on the way."""

    faults: list[FieldFault] = field(default_factory=list)
    entry: Kept | None = None  # of the directory, for an implementation item
    level: str = ""

    def fault(self, name: str, code: str, said: str) -> None:
        self.faults.append(FieldFault(name, code, said))


def formula(at: int, fee: Mapping[str, str], found: Checked) -> None:
    if fee.get("formula") not in ("fixed", "per_unit", "tiered"):
        return
    try:
        charges.formula_data(fee)
    except ValueRefused as refusal:
        name = charges.field_of(refusal, fee)
        said = {
            "tiers": "分档应写成“上限:费率”，上限从小到大，最后一档写“以上:费率”",
            "least": "最低应为金额，且不大于最高",
            "most": "最高应为金额",
            "unit": "计量单位最多 20 个字",
        }.get(name, "请填写金额（元），例如 12.50")
        found.fault(f"f-{at}-{name}", "bad_formula", said)


def questions(content: Content) -> list[Question]:
    """The questions as conditions see them."""
    return [
        Question(
            f"q{at}",
            row.get("label", ""),
            row.get("type", "") or "text",
            tuple(parts(row.get("options", ""))),
        )
        for at, row in enumerate(content["questions"], 1)
    ]


def situations(content: Content, found: Checked) -> None:
    asked = questions(content)
    _questions(asked, found)
    if any(fault.field.startswith("q-") for fault in found.faults):
        return
    facts = [one.fact for one in asked]
    names = [row["name"] for row in content["situations"]]
    for at, row in enumerate(content["situations"], 1):
        if row["name"] and row["name"] in names[: at - 1]:
            found.fault(f"s-{at}-name", "twice", "情形名称重复")
        if row["condition"]:
            _condition(at, row["condition"], facts, found)
    for at, row in enumerate(content["materials"], 1):
        unknown = [name for name in parts(row["situations"]) if name not in names]
        if unknown:
            found.fault(f"m-{at}-situations", "unknown", f"没有名为“{unknown[0]}”的情形")


def _questions(asked: Sequence[Question], found: Checked) -> None:
    for at, one in enumerate(asked, 1):
        if one.type == "text" and len(one.options) < 2:
            found.fault(f"q-{at}-options", "required", "请填写至少两个选项，用分号隔开")
        if one.label and one.label in [other.label for other in asked[: at - 1]]:
            found.fault(f"q-{at}-label", "twice", "问题重复")


def _condition(at: int, text: str, facts: Sequence[FactField], found: Checked) -> None:
    try:
        read(text, facts)
    except RuleRefused as refusal:
        found.fault(f"s-{at}-condition", "bad_condition", refusal.said)

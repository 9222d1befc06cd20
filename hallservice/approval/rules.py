"""Conditions as people write them: 投资额（元） ≥ 5000000 且 （类别 = 新建 或 是否加急 = 是）.

`read` gives the condition or says what is wrong and where; `written` gives the text back. Nothing is called,
nothing loops; what a fact is compared with has to be of the fact's type.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from hallservice.approval.conditions import (
    AllOf,
    AnyOf,
    Compare,
    Condition,
    FieldType,
    Operator,
    orderable,
    typed,
)
from hallservice.approval.definition import FactField

LONGEST, DEEPEST = 1000, 5
_SIGNS: tuple[tuple[str, Operator], ...] = (
    ("不等于", "ne"), ("不超过", "le"), ("不少于", "ge"), ("大于等于", "ge"), ("小于等于", "le"),
    ("等于", "eq"), ("大于", "gt"), ("小于", "lt"), (">=", "ge"), ("<=", "le"), ("!=", "ne"), ("<>", "ne"),
    ("≥", "ge"), ("≤", "le"), ("≠", "ne"), ("=", "eq"), (">", "gt"), ("<", "lt"), ("＝", "eq"), ("＞", "gt"),
    ("＜", "lt"), ("是", "eq"),
)  # fmt: skip
SHOWN: dict[Operator, str] = {"eq": "=", "ne": "≠", "lt": "<", "le": "≤", "gt": ">", "ge": "≥"}
_AND, _OR = ("并且", "且", "and"), ("或者", "或", "or")
_QUOTES = {'"': '"', "“": "”", "「": "」"}
_JOINED = re.compile(r"[^\s()（）\"“”「」]*?(?=\s|[()（）]|且|或|并且|$)")
EXAMPLES = {
    "money": "5000000.00",
    "integer": "30",
    "boolean": "是 或 否",
    "date": "2026-03-02",
    "text": "新建",
}


class RuleRefused(Exception):
    """What is wrong, in Chinese, at which character (from 1)."""

    def __init__(self, said: str, at: int) -> None:
        super().__init__(said)
        self.said = f"{said}（第 {at} 个字符）"


@dataclass(slots=True)
class _Reader:
    text: str
    fields: Sequence[FactField]
    at: int = 0

    def refuse(self, said: str) -> NoReturn:
        raise RuleRefused(said, min(self.at, len(self.text)) + 1)

    def blanks(self) -> None:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1

    def takes(self, words: Sequence[str]) -> bool:
        """Whether one of the words stands here; it is then read."""
        self.blanks()
        found = next((word for word in words if self.text.startswith(word, self.at)), None)
        self.at += len(found or "")
        return found is not None

    def either(self, depth: int) -> Condition:
        parts = [self.both(depth)]
        while self.takes(_OR):
            parts.append(self.both(depth))
        return parts[0] if len(parts) == 1 else AnyOf(of=tuple(parts))

    def both(self, depth: int) -> Condition:
        parts = [self.one(depth)]
        while self.takes(_AND):
            parts.append(self.one(depth))
        return parts[0] if len(parts) == 1 else AllOf(of=tuple(parts))

    def one(self, depth: int) -> Condition:
        if depth > DEEPEST:
            self.refuse(f"括号最多 {DEEPEST} 层")
        if not self.takes(("(", "（")):
            return self.comparison()
        inner = self.either(depth + 1)
        if not self.takes((")", "）")):
            self.refuse("缺少右括号")
        return inner

    def comparison(self) -> Compare:
        fact = self.fact()
        self.blanks()
        start = self.at
        op = self.sign()
        if not orderable(op, fact.type):
            self.at = start
            self.refuse(f"“{fact.label}”只能用 = 或 ≠ 比较")
        return Compare(field=fact.name, op=op, value=self.value(fact))

    def fact(self) -> FactField:
        self.blanks()
        called = [(word, fact) for fact in self.fields for word in (fact.label, fact.name)]
        found = [(word, fact) for word, fact in called if self.text.startswith(word, self.at)]
        if not found:
            known = "、".join(fact.label for fact in self.fields)
            self.refuse(
                f"这里应当是要素名称，可用的有：{known}"
                if known
                else "流程还没有声明要素，请先在基本信息中添加"
            )
        word, fact = max(found, key=lambda one: len(one[0]))
        self.at += len(word)
        return fact

    def sign(self) -> Operator:
        self.blanks()
        for word, op in _SIGNS:
            if self.text.startswith(word, self.at):
                self.at += len(word)
                return op
        self.refuse("这里应当是比较符号：= ≠ < ≤ > ≥")

    def value(self, fact: FactField) -> bool | int | str:
        self.blanks()
        start, word = self.at, self.word()
        value = _converted(word, fact.type)
        if value is None or typed(value, fact.type) is None:
            self.at = start
            self.refuse(f"“{fact.label}”要与这样的值比较：{EXAMPLES[fact.type]}")
        return value

    def word(self) -> str:
        close = _QUOTES.get(self.text[self.at : self.at + 1])
        if close is not None:
            end = self.text.find(close, self.at + 1)
            if end < 0:
                self.refuse("缺少右引号")
            said, self.at = self.text[self.at + 1 : end], end + 1
            return said
        found = _JOINED.match(self.text, self.at)
        said = found.group() if found else ""
        self.at += len(said)
        return said


def _converted(word: str, kind: FieldType) -> bool | int | str | None:
    """The literal as conditions keep it; None if it cannot be one."""
    if kind == "boolean":
        return {"是": True, "否": False, "true": True, "false": False}.get(word)
    if kind == "integer":
        return int(word) if re.fullmatch(r"-?[0-9]{1,15}", word) else None
    if kind == "money":
        whole = re.fullmatch(r"([0-9]{1,14})(?:\.([0-9]{1,2}))?", word)
        return f"{whole[1]}.{(whole[2] or '').ljust(2, '0')}" if whole else None
    return word or None


def read(text: str, fields: Sequence[FactField]) -> Condition:
    """The condition a text says; RuleRefused."""
    reader = _Reader(text, fields)
    if len(text) > LONGEST:
        reader.refuse(f"条件最长 {LONGEST} 个字符")
    found = reader.either(1)
    reader.blanks()
    if reader.at < len(text):
        reader.refuse("这里应当是“且”“或”或者结束")
    return found


def written(condition: Condition, fields: Sequence[FactField]) -> str:
    """The text `read` takes back to the same condition."""
    return _written(condition, {fact.name: fact.label for fact in fields}, top=True)


def _written(condition: Condition, labels: dict[str, str], *, top: bool = False) -> str:
    if isinstance(condition, Compare):
        value = condition.value
        said = ("是" if value else "否") if isinstance(value, bool) else str(value)
        plain = isinstance(value, bool | int) or re.fullmatch(r"[0-9.:-]+", said)
        name = labels.get(condition.field, condition.field)
        return f"{name} {SHOWN[condition.op]} {said if plain else _quoted(said)}"
    word = " 且 " if isinstance(condition, AllOf) else " 或 "
    text = word.join(_written(part, labels) for part in condition.of)
    return text if top else f"（{text}）"


def _quoted(said: str) -> str:
    return f"“{said}”" if "”" not in said else f'"{said}"'

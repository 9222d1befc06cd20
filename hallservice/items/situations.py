"""办理项多情形 (S3-12): questions whose answers meet conditions, and which materials each situation asks for.

An item's `setup`, as the counter needs it:

  {"questions": [{"name": "q1", "label": "经营面积", "type": "integer", "options": []}],
   "situations": [{"name": "大型餐饮", "description": "", "condition": {…}}],
   "materials": {"平面布局图": ["大型餐饮"]},        # a material that is not named here is always asked for
   "formulas": {"F1": {"kind": "per_unit", …}},
   "received_at": ["town", "village"]}               # levels of the counters that may receive it; none: all

Items of the province have none of their own; what is laid over them here (overlays.py) is kept beside them
and holds for every version of theirs it still fits. Without one every material is asked for, and each fee
costs its amount.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Connection, bindparam, select

from canonical.errors import ValueRefused
from canonical.values import Money
from exchange import items
from hallservice.approval.conditions import Condition, Fact, FieldType, holds, typed
from hallservice.approval.definition import FactField
from hallservice.items.tables import hall_item
from hallservice.items.wording import IMPLEMENTATION, OVERLAY
from hallservice.refusals import FieldFault, FormRefused
from ledger.prepared import run

_CONDITION: TypeAdapter[Condition] = TypeAdapter(Condition)
_SETUP = select(hall_item.c.setup).where(
    hall_item.c.list == IMPLEMENTATION,
    hall_item.c.code == bindparam("of"),
    hall_item.c.version == bindparam("number"),
)
_OVERLAY = (
    select(hall_item.c.setup, hall_item.c.state)
    .where(hall_item.c.list == OVERLAY, hall_item.c.code == bindparam("of"))
    .where(hall_item.c.published_at <= bindparam("at"))
    .order_by(hall_item.c.version.desc())
    .limit(1)
)
NOW = float(2**53)  # later than any moment
TYPES: Mapping[str, FieldType] = {
    "text": "text", "boolean": "boolean", "integer": "integer", "money": "money", "date": "date",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Question:
    """What the clerk asks; with `options` one of them is chosen."""

    name: str
    label: str
    type: str
    options: tuple[str, ...] = ()

    @property
    def fact(self) -> FactField:
        return FactField(name=self.name, label=self.label, type=TYPES[self.type])


@dataclass(frozen=True, slots=True)
class Situation:
    """One situation and when it is met."""

    name: str
    description: str
    condition: Condition


@dataclass(frozen=True, slots=True)
class Setup:
    """Questions, situations, which materials they ask for, formulas of fees by fee code, and the levels whose
    counters receive the item (S0-13; none: every one)."""

    questions: tuple[Question, ...] = ()
    situations: tuple[Situation, ...] = ()
    materials: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    formulas: Mapping[str, Any] = field(default_factory=dict)
    received_at: tuple[str, ...] = ()


def setup_from(data: Mapping[str, Any]) -> Setup:
    """As it is stored."""
    return Setup(
        tuple(
            Question(one["name"], one["label"], one["type"], tuple(one["options"]))
            for one in data.get("questions", ())
        ),
        tuple(
            Situation(one["name"], one["description"], _CONDITION.validate_python(one["condition"]))
            for one in data.get("situations", ())
        ),
        {name: tuple(which) for name, which in data.get("materials", {}).items()},
        dict(data.get("formulas", {})),
        tuple(data.get("received_at", ())),
    )


def setup_of(connection: Connection, code: str, version: int, at: float = NOW) -> Setup:
    """Of one version of an item. For one of the province: what was laid over it at that moment (Unix seconds;
    a case is pinned to the moment it was opened), as far as it fits this version."""
    found = run(connection, _SETUP, {"of": code, "number": version}).scalar()
    if found:
        return setup_from(found)
    row = run(connection, _OVERLAY, {"of": code, "at": at}).first()
    if row is None or row.state != "in_use":
        return Setup()
    return fitted(row.setup, items.content_of(connection, code, version))


def formulas_of(connection: Connection, code: str, version: int, at: float = NOW) -> Mapping[str, Any]:
    """What `counter.fees.standards_of` takes: fee code -> formula."""
    return setup_of(connection, code, version, at).formulas


def fitted(laid: Mapping[str, Any], content: Mapping[str, Any]) -> Setup:
    """What was laid over an item, without formulas of fees that are not what they were when it was reviewed;
    a material it does not know is asked for in every situation."""
    setup, basis = setup_from(laid), laid["basis"]["fees"]
    now = {fee["code"]: fee_basis(fee) for fee in content.get("fees", ())}
    kept = {code: how for code, how in setup.formulas.items() if now.get(code) == basis[code]}
    return replace(setup, formulas=kept)


def fee_basis(fee: Mapping[str, Any]) -> list[str]:
    """What a formula was made from: standard, amount and legal basis as the province tells them."""
    return [str(fee.get(name) or "") for name in ("standard", "amount", "legal_basis")]


def met(setup: Setup, answers: Mapping[str, Fact]) -> tuple[str, ...]:
    """The names of the situations these answers meet; what is not answered meets nothing."""
    types = {one.name: TYPES[one.type] for one in setup.questions}
    return tuple(one.name for one in setup.situations if holds(one.condition, answers, types))


def materials_for(
    item: Mapping[str, Any], answers: Mapping[str, Fact], setup: Setup | None = None
) -> tuple[Mapping[str, Any], ...]:
    """The materials an item asks for in the situations the answers meet, in their order. Without a setup
    (items of the province) all of them."""
    asked = sorted(item.get("materials", ()), key=lambda one: one["order"])
    if setup is None or not setup.situations:
        return tuple(asked)
    found = set(met(setup, answers))
    return tuple(
        one
        for one in asked
        if one["name"] not in setup.materials or found & set(setup.materials[one["name"]])
    )


def answers_of(setup: Setup, given: Mapping[str, str]) -> dict[str, Fact]:
    """What a form says, each of its question's type; FormRefused for one that is not."""
    faults, answers = [], {}
    for one in setup.questions:
        said = given.get(one.name, "").strip()
        value = value_of(one, said) if said else None
        if said and value is None:
            faults.append(FieldFault(one.name, "bad_answer", f"请按要求回答“{one.label}”"))
        elif value is not None:
            answers[one.name] = value
    if faults:
        raise FormRefused(faults)
    return answers


def value_of(question: Question, said: str) -> Fact | None:
    """An answer as conditions compare it; None for one that is not of the question's type."""
    kind = TYPES[question.type]
    if question.options and said not in question.options:
        return None
    value: Fact | None = said
    if kind == "boolean":
        value = {"是": True, "否": False}.get(said)
    elif kind == "integer":
        value = int(said) if said.isdecimal() and said.isascii() and len(said) < 16 else None
    elif kind == "money":
        value = _money(said)
    return value if value is not None and typed(value, kind) is not None else None


def _money(said: str) -> str | None:
    try:
        return str(Money(said))
    except ValueRefused:
        return None

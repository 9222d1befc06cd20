"""What an item costs: its fee standards with formulas as data, evaluated in decimals to the cent (S3-42).

A formula is one of

  {"kind": "fixed", "amount": "5.00"}: once, whatever the quantity
  {"kind": "per_unit", "price": "2.50", "unit": "件", "least": "10.00", "most": "99.00"}
  {"kind": "tiered", "unit": "元", "tiers": [{"upto": "100", "rate": "0.01"}, {"rate": "0.02"}]}

The tiers are progressive: each rate counts for the part of the quantity in its tier; `base` is added
where the tier is reached. Amounts are rounded half up, once, at the end.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from canonical.errors import ValueRefused
from canonical.values import Money

CENT = Decimal("0.01")
MOST = Decimal("99999999999999.99")
Rate = Annotated[Decimal, Field(ge=0, le=10**9, max_digits=15, decimal_places=6)]
Bound = Annotated[Decimal, Field(gt=0, le=10**12, max_digits=15, decimal_places=3)]
Unit = Annotated[str, Field(min_length=1, max_length=20)]


class _Formula(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Fixed(_Formula):
    """One amount, however many."""

    kind: Literal["fixed"] = "fixed"
    amount: Money

    @property
    def unit(self) -> str:
        return "次"


class PerUnit(_Formula):
    """A price for each unit, with a floor and a ceiling where the standard has them."""

    kind: Literal["per_unit"] = "per_unit"
    price: Rate
    unit: Unit = "件"
    least: Money | None = None
    most: Money | None = None

    @model_validator(mode="after")
    def _ordered(self) -> "PerUnit":
        if self.least is not None and self.most is not None and self.least > self.most:
            raise ValueRefused("bad_value", "least is above most")
        return self


class Tier(_Formula):
    """One tier; the last one has no upper bound."""

    upto: Bound | None = None
    rate: Rate
    base: Money = Money("0")


class Tiered(_Formula):
    """Progressive tiers."""

    kind: Literal["tiered"] = "tiered"
    unit: Unit = "元"
    tiers: Annotated[tuple[Tier, ...], Field(min_length=1, max_length=50)]

    @model_validator(mode="after")
    def _rising(self) -> "Tiered":
        bounds = [tier.upto for tier in self.tiers]
        inner = [bound for bound in bounds[:-1] if bound is not None]
        if bounds[-1] is not None or len(inner) != len(bounds) - 1:
            raise ValueRefused("bad_value", "only the last tier is without a bound")
        if any(low >= high for low, high in pairwise(inner)):
            raise ValueRefused("bad_value", "the bounds of the tiers rise")
        return self


Formula = Fixed | PerUnit | Tiered
_FORMULA: TypeAdapter[Formula] = TypeAdapter(Annotated[Formula, Field(discriminator="kind")])


@dataclass(frozen=True, slots=True)
class Standard:
    """One fee of an item; `text` is the standard as published."""

    code: str
    name: str
    text: str
    legal_basis: str
    reducible: bool
    formula: Formula


def formula_from(data: Mapping[str, Any]) -> Formula:
    """ValueRefused bad_formula names the first member that is wrong."""
    try:
        return _FORMULA.validate_python(dict(data))
    except ValidationError as fault:
        first = fault.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"][1:]))
        raise ValueRefused("bad_formula", f"{where}: {first['msg']}") from None


def cost(formula: Formula, quantity: Decimal) -> Money:
    """What a quantity costs; ValueRefused out_of_range for one that is not positive or costs too much."""
    if not quantity.is_finite() or not 0 < quantity <= 10**12:
        raise ValueRefused("out_of_range", "a quantity is positive and bounded")
    exact = _exact(formula, quantity)
    if exact > MOST:
        raise ValueRefused("out_of_range", "the amount is too large")
    return Money(exact.quantize(CENT, ROUND_HALF_UP))


def _exact(formula: Formula, quantity: Decimal) -> Decimal:
    match formula:
        case Fixed():
            return Decimal(formula.amount)
        case PerUnit():
            plain = formula.price * quantity
            floored = max(plain, Decimal(formula.least)) if formula.least is not None else plain
            return min(floored, Decimal(formula.most)) if formula.most is not None else floored
        case Tiered():
            return _through_tiers(formula.tiers, quantity)


def _through_tiers(tiers: Sequence[Tier], quantity: Decimal) -> Decimal:
    total, below = Decimal(0), Decimal(0)
    for tier in tiers:
        if quantity <= below:
            break
        above = quantity if tier.upto is None else min(quantity, tier.upto)
        total += Decimal(tier.base) + (above - below) * tier.rate
        below = above
    return total


def standards_of(item: Mapping[str, Any], formulas: Mapping[str, Any] | None = None) -> tuple[Standard, ...]:
    """The fees of an item version. `formulas` by fee code where the hall keeps them; without one the amount
    of the item is the price of one."""
    known = formulas or {}
    return tuple(_standard(fee, known.get(fee["code"])) for fee in item.get("fees", ()))


def _standard(fee: Mapping[str, Any], formula: Any) -> Standard:
    data = formula or {"kind": "per_unit", "price": fee["amount"]}
    return Standard(
        fee["code"], fee["name"], fee["standard"], fee["legal_basis"], fee["reducible"], formula_from(data)
    )

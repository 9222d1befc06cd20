"""Fee standards as typed, made into formulas (S3-42), with an example of what they come to."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from canonical.errors import ValueRefused
from canonical.values import Money
from hallservice.counter.fees import Formula, Tiered, cost, formula_from
from hallservice.items.elements import parts

EXAMPLES = (Decimal(1), Decimal(10), Decimal(1000))
LAST = ("以上", "*", "")


def formula_data(fee: Mapping[str, str]) -> dict[str, Any]:
    """The formula as `counter.fees` keeps it; ValueRefused bad_formula names the field that is wrong."""
    kind = fee.get("formula", "")
    if kind == "fixed":
        data: dict[str, Any] = {"kind": kind, "amount": _text(fee, "price")}
    elif kind == "per_unit":
        data = {"kind": kind, "price": _text(fee, "price"), "unit": _text(fee, "unit") or "件"}
        data |= {name: _text(fee, name) for name in ("least", "most") if _text(fee, name)}
    else:
        data = {"kind": "tiered", "unit": _text(fee, "unit") or "元", "tiers": _tiers(_text(fee, "tiers"))}
    formula_from(data)
    return data


def _text(fee: Mapping[str, str], name: str) -> str:
    return str(fee.get(name, "")).strip()


def _tiers(text: str) -> list[dict[str, str]]:
    """`100:0.01；以上:0.005`"""
    tiers = []
    for part in parts(text.replace("：", ":")):
        bound, _, rate = part.partition(":")
        tiers.append(({} if bound.strip() in LAST else {"upto": bound.strip()}) | {"rate": rate.strip()})
    return tiers


def field_of(refusal: ValueRefused, fee: Mapping[str, str]) -> str:
    """Which typed field a refused formula is about."""
    where = str(refusal).partition("bad_formula: ")[2].partition(":")[0]
    known = {"amount": "price", "price": "price", "unit": "unit", "least": "least", "most": "most"}
    usual = "tiers" if fee.get("formula") == "tiered" else "price"
    return known.get(where, usual)


def amount(formula: Formula) -> Money:
    """What one costs, as the province's table has one amount for each fee."""
    return cost(formula, Decimal(1))


def example(formula: Formula) -> str:
    """What some quantities come to: 1 件 10.00 元；10 件 25.00 元."""
    if isinstance(formula, Tiered):
        bounds = [tier.upto for tier in formula.tiers if tier.upto is not None]
        quantities = (*bounds[:3], (bounds[-1] if bounds else Decimal(100)) * 2)
    else:
        quantities = EXAMPLES if formula.kind == "per_unit" else EXAMPLES[:1]
    return "；".join(f"{_plain(one)} {formula.unit} {cost(formula, one)} 元" for one in quantities)


def _plain(quantity: Decimal) -> str:
    return f"{quantity.normalize():f}"


def shown(fee: Mapping[str, str]) -> str:
    """The example of a fee as typed; '' while its formula is wrong."""
    try:
        return example(formula_from(formula_data(fee)))
    except ValueRefused:
        return ""

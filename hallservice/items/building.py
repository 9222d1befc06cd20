"""From what was typed to what is in force: the item as messages tell it, and its setup for the counter."""

from typing import Any

from pydantic import TypeAdapter

from canonical.messages import ServiceItem
from canonical.values import RegionCode
from exchange.receipts import moment
from hallservice.approval.conditions import Condition
from hallservice.approval.rules import read
from hallservice.counter.fees import formula_from
from hallservice.items import charges, rowchecks
from hallservice.items.elements import Content, parts
from hallservice.items.wording import LEVELS
from hallservice.people.organisations import Org

_CONDITION: TypeAdapter[Condition] = TypeAdapter(Condition)
NATURES = {"authorised": "authorised_organisation", "entrusted": "entrusted_organisation"}
_AS_TYPED = ("name", "kind", "legal_basis", "case_kind", "served", "handling_forms")
_TEXTS = ("flow", "fee_basis", "address", "opening_hours", "contact", "supervision", "conditions",
          "certificate_type", "result_name")  # fmt: skip


def setup(content: Content) -> dict[str, Any]:
    """Situations and formulas (see situations.py)."""
    asked = rowchecks.questions(content)
    facts = [one.fact for one in asked]
    return {
        "questions": [
            {"name": one.name, "label": one.label, "type": one.type, "options": list(one.options)}
            for one in asked
        ],
        "situations": [
            {
                "name": row["name"],
                "description": row["description"],
                "condition": _CONDITION.dump_python(read(row["condition"], facts), mode="json"),
            }
            for row in content["situations"]
        ],
        "materials": {
            row["name"]: parts(row["situations"]) for row in content["materials"] if parts(row["situations"])
        },
        "formulas": {fee["code"]: charges.formula_data(fee) for fee in content["fees"] if fee["formula"]},
        "received_at": list(content.get("received_at", ())),
    }


def service_item(content: Content, org: Org, code: str, version: int, at: float, state: str) -> ServiceItem:
    """The item as the exchange holds it; the content was checked before."""
    region = RegionCode(content["region"])
    said: dict[str, Any] = {name: content[name] or None for name in _TEXTS}
    said |= {name: content[name] for name in _AS_TYPED}
    said |= {
        "row_id": f"{code}-{version}",
        "catalog_code": content["directory"],
        "code": code,
        "version": version,
        "state": state,
        "level": LEVELS[region.level],
        "region": _county(region),
        "organisation": org.name,
        "organisation_code": org.uscc,
        "organisation_nature": NATURES.get(org.kind, "statutory_organ"),
        "statutory_limit": _limit(content, "statutory"),
        "promised_limit": _limit(content, "promised"),
        "visits": int(content["visits"]) if content["visits"] else None,
        "has_fee": content["has_fee"] == "1",
        "online": content["online"] == "1",
        "by_appointment": content["by_appointment"] == "1",
        "result_kind": content["result_kind"],
        "town": f"{region[:9]}000" if region.level in ("5", "6") else None,
        "village": region if region.level == "6" else None,
        "effective_on": content["effective_on"] or None,
        "changed_at": moment(at),
        "materials": [_material(no, row) for no, row in enumerate(content["materials"], 1)],
        "fees": [_fee(row) for row in content["fees"]],
    }
    return ServiceItem.model_validate(said)


def _county(region: RegionCode) -> str:
    """Town and village have their own fields; the region is that of the county or city."""
    return f"{region[:6]}000000" if region.level in ("5", "6") else str(region)


def _limit(content: Content, which: str) -> dict[str, Any]:
    return {"count": int(content[f"{which}_count"]), "unit": content[f"{which}_unit"]}


def _material(no: int, row: dict[str, Any]) -> dict[str, Any]:
    said = {name: row[name] for name in ("name", "necessity", "kind", "format", "source")}
    return said | {"copies": int(row["copies"]), "review_point": row["review_point"] or None, "order": no}


def _fee(row: dict[str, Any]) -> dict[str, Any]:
    said = {name: row[name] for name in ("code", "name", "standard", "legal_basis")}
    amount = charges.amount(formula_from(charges.formula_data(row)))
    return said | {"amount": amount, "reducible": row["reducible"] == "1"}

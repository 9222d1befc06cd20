"""What the fees of an item come to by the formulas the hall keeps, for the finding about a case's fee."""

from collections.abc import Mapping
from functools import partial

from sqlalchemy import Connection

from exchange import items
from exchange.reacting.fees import Case, Price, checked_by
from hallservice.counter.fees import cost, standards_of
from hallservice.items import situations


def by_formula(connection: Connection, case: Case) -> Mapping[str, Price]:
    """Of the version the case is pinned to; the catalogue's amount for each where the hall has no formula."""
    code, version = case["item_code"], case["item_version"]
    content, formulas = (
        items.content_of(connection, code, version),
        situations.formulas_of(connection, code, version, case["opened_at"]),
    )
    return {
        one.code: Price(partial(cost, one.formula), one.reducible) for one in standards_of(content, formulas)
    }


check_fee = checked_by(by_formula)

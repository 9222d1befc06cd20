"""The fee evaluator against hand-computed standards, and appointments."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert

from canonical.errors import ValueRefused
from canonical.messages import FeeRequested
from exchange.reactions import STANDARD
from hallservice.counter import appoint, charge, slots
from hallservice.counter.fees import cost, formula_from, standards_of
from hallservice.items.tables import hall_item
from hallservice.reactions import with_hall
from hallservice.refusals import FormRefused, HallRefused
from tests.exchange.core.rig import ID_NUMBER, ITEM, MOBILE, NAME, PLAIN_ITEM, day, service_item
from tests.hallservice.counter.conftest import FEES
from tests.hallservice.counter.counter import Desk

TIERS = {
    "kind": "tiered",
    "unit": "元",
    "tiers": [
        {"upto": "10000", "rate": "0.025", "base": "50.00"},
        {"upto": "100000", "rate": "0.02"},
        {"rate": "0.005"},
    ],
}


@pytest.mark.req("S3-42")
@pytest.mark.parametrize(
    ("formula", "quantity", "yuan"),
    [
        ({"kind": "fixed", "amount": "5.00"}, "7", "5.00"),
        ({"kind": "per_unit", "price": "2.50"}, "3", "7.50"),
        ({"kind": "per_unit", "price": "0.0333"}, "1", "0.03"),
        ({"kind": "per_unit", "price": "0.125"}, "1", "0.13"),  # half up
        ({"kind": "per_unit", "price": "2", "least": "10.00", "most": "30.00"}, "1", "10.00"),
        ({"kind": "per_unit", "price": "2", "least": "10.00", "most": "30.00"}, "100", "30.00"),
        (TIERS, "8000", "250.00"),  # 50 + 8000 x 2.5 %
        (TIERS, "10000", "300.00"),
        (TIERS, "60000", "1300.00"),  # 300 + 50000 x 2 %
        (TIERS, "300000", "3100.00"),  # 300 + 90000 x 2 % + 200000 x 0.5 %
    ],
)
def test_costs(formula: dict[str, Any], quantity: str, yuan: str) -> None:
    assert str(cost(formula_from(formula), Decimal(quantity))) == yuan


@pytest.mark.parametrize(
    "formula",
    [
        {},
        {"kind": "shell", "run": "rm"},
        {"kind": "fixed", "amount": "-1"},
        {"kind": "fixed", "amount": 5.0},
        {"kind": "per_unit", "price": "NaN"},
        {"kind": "per_unit", "price": "1", "least": "9", "most": "2"},
        {"kind": "tiered", "tiers": []},
        {"kind": "tiered", "tiers": [{"upto": "9", "rate": "1"}]},
        {"kind": "tiered", "tiers": [{"upto": "9", "rate": "1"}, {"upto": "5", "rate": "1"}, {"rate": "1"}]},
    ],
)
def test_a_formula_that_says_nothing_definite_is_refused(formula: dict[str, Any]) -> None:
    with pytest.raises(ValueRefused, match="bad_formula"):
        formula_from(formula)


@given(st.integers(1, 10**9), st.integers(0, 10**6))
def test_more_never_costs_less(quantity: int, more: int) -> None:
    formula = formula_from(TIERS)
    assert cost(formula, Decimal(quantity)) <= cost(formula, Decimal(quantity + more))


def test_a_reduction_needs_its_basis_and_something_reducible() -> None:
    found = standards_of({"fees": FEES})

    def faults(quantities: dict[str, str], **more: str) -> list[tuple[str, str]]:
        with pytest.raises(FormRefused) as refused:
            charge.compute(found, charge.Asked(quantities, **more))
        return [(one.field, one.code) for one in refused.value.faults]

    assert faults({"103045": "1"}, reduction="5") == [("reduction_basis", "required")]
    assert faults({"103044": "1"}, reduction="5", reduction_basis="低保") == [("reduction", "not_reducible")]
    assert faults({"103044": "x"}) == [("quantity-103044", "bad_form")]
    assert faults({"103044": "0"}) == [("quantities", "required")]
    assert faults({"103045": "1"}, reduction="12.51", reduction_basis="低保") == [
        ("reduction", "not_reducible")
    ]
    whole = charge.compute(found, charge.Asked({"103045": "1"}, reduction="12.50", reduction_basis="低保"))
    assert str(whole.total) == "0.00"


@pytest.mark.req("S3-72")
def test_a_tiered_fee_and_a_lawful_reduction_are_no_finding_and_another_amount_is(desk: Desk) -> None:
    """500 units by TIERS cost 50 + 500 x 2.5 % = 62.50; a reduction of 12.50 leaves 50.00."""
    formulas = {"103045": TIERS}
    row = {
        "list": "implementation", "code": ITEM, "version": 2, "state": "in_use", "current": True, "name": "x",
        "kind": "licence", "org": "x", "org_path": "/x/", "region": "441402000000", "content": {},
        "setup": {"formulas": formulas}, "successors": [], "change": "x", "published_at": 0.0,
    }  # fmt: skip
    desk.hall.write(lambda work: work.connection.execute(insert(hall_item), row).rowcount)
    object.__setattr__(desk.hall.hub, "reactions", with_hall(STANDARD))
    no = desk.decided()
    desk.requested(no, {"103045": "500"}, reduction="12.50", reduction_basis="粤财综〔2019〕9号")
    line = {"code": "103045", "quantity": 500, "amount": "50.00", "reduction": "12.50"}
    said = json.loads(desk.core.value("SELECT canonical FROM document WHERE type = 'fee.requested.v1'"))
    assert line.items() <= said["lines"][0].items()
    assert desk.core.findings(no) == []
    other = FeeRequested.model_validate({**said, "request_id": "again", "total": "49.00",
                                         "lines": [{**said["lines"][0], "amount": "49.00"}]})  # fmt: skip
    desk.hall.write(lambda work: desk.hall.tell(work, desk.clerk(), other))
    assert desk.core.findings(no) == [("discretion", "fee_differs_from_item")]


@pytest.mark.req("S3-24", "S3-21")
def test_appointments_keep_to_working_days_capacity_and_their_states(desk: Desk) -> None:
    clerk = desk.clerk()
    rule = slots.configure(
        desk.hall, clerk,
        slots.Rule(("1", "2", "3", "4", "5", "6", "7"), "09:00", "10:00", "30", "1", "7", PLAIN_ITEM),
    )  # fmt: skip
    free = slots.slots(desk.hall, clerk.path, PLAIN_ITEM)
    # now Monday 2 March 2026, 09:30: today's two slots have begun; then Tuesday to Friday, and Monday
    assert [(one.day[-2:], one.begins) for one in free] == [
        (on, at) for on in ("03", "04", "05", "06", "09") for at in ("09:00", "09:30")
    ]
    person = appoint.Person(NAME, "resident_id_card", ID_NUMBER, MOBILE)
    booked = appoint.book(desk.hall, person, rule, "2026-03-03", "09:00", PLAIN_ITEM)
    assert (booked.name, booked.mobile) == ("测***", "138****8017")
    told = desk.core.value("SELECT canonical FROM document WHERE type = 'sms.requested.v1'")
    slot = "【梅州政务】您已预约2026-03-03 09:00至09:30在梅江区政务服务大厅办理"
    assert json.loads(told)["content"] == f"{slot},预约码{booked.code},请按时到场。"
    for at, code in (("09:00", "slot_full"), ("09:30", "already_booked"), ("08:00", "slot_gone")):
        with pytest.raises(HallRefused, match=code):
            appoint.book(desk.hall, person, rule, "2026-03-03", at, PLAIN_ITEM)
    with pytest.raises(HallRefused, match="slot_gone"):
        appoint.book(desk.hall, person, rule, "2026-03-07", "09:00", PLAIN_ITEM)  # a Saturday
    with pytest.raises(HallRefused, match="other_day"):
        appoint.check_in(desk.hall, clerk, booked.id)
    desk.core.clock.to(day("2026-03-03").replace(hour=9, minute=44))
    assert appoint.mark_missed(desk.hall, clerk) == 0
    appoint.check_in(desk.hall, clerk, booked.id)
    with pytest.raises(HallRefused, match="state_forbids"):
        appoint.cancel(desk.hall, clerk, booked.id)
    late = appoint.book(desk.hall, person, rule, "2026-03-04", "09:00", PLAIN_ITEM)
    desk.core.clock.to(day("2026-03-04").replace(hour=9, minute=46))
    with pytest.raises(HallRefused, match="too_late"):
        appoint.check_in(desk.hall, clerk, late.id)
    assert appoint.mark_missed(desk.hall, clerk) == 1
    rows = desk.core.rows("SELECT * FROM hall_appointment ORDER BY booked_at")
    assert [row["state"] for row in rows] == ["checked_in", "missed"]
    assert appoint.mark_missed(desk.hall, clerk) == 0, "once"
    assert not any(ID_NUMBER in str(row) or MOBILE in str(row) for row in rows)


@pytest.mark.req("S3-24")
def test_an_item_says_itself_whether_it_is_booked(desk: Desk) -> None:
    clerk, hours = desk.clerk(), (("1", "2", "3", "4", "5"), "09:00", "10:00", "30", "1", "7")
    rule = slots.configure(desk.hall, clerk, slots.Rule(*hours))  # of any item
    assert slots.slots(desk.hall, clerk.path, PLAIN_ITEM)
    desk.core.catalogue(service_item(PLAIN_ITEM, 3, by_appointment=False), to=3)
    assert slots.slots(desk.hall, clerk.path, PLAIN_ITEM) == ()
    person = appoint.Person(NAME, "resident_id_card", ID_NUMBER, MOBILE)
    with pytest.raises(HallRefused, match="not_bookable"):
        appoint.book(desk.hall, person, rule, "2026-03-03", "09:00", PLAIN_ITEM)
    with pytest.raises(HallRefused, match="not_bookable"):
        slots.configure(desk.hall, clerk, slots.Rule(*hours, PLAIN_ITEM))

"""Department and province as two people read their contracts: what we say, the partner processes accept."""

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from canonical.messages import PAYLOADS
from exchange.adapterfolder import load_adapters
from exchange.mapping.refusal import DocumentRefused
from mocks.partners.common.processobjects import Dialect, findings
from mocks.partners.department_rules import DIALECT as DEPARTMENT
from mocks.partners.province_rules import DIALECT as PROVINCE
from tests.adapters.strategies import payloads

DIALECTS = {"department_a": DEPARTMENT, "provincial_reporting": PROVINCE}
FACTS = {
    "case_no": "4414020000002026112020000177",
    "item_code": "1144140200720810054440125105000",
    "region": "441402004000",
    "version": 1,
    "certificate_name": "食品经营许可证",
    "certificate_valid_to": "2031-11-23",
}
ADAPTERS = load_adapters()
SAID = [
    (name, document.object, document.type, document.mapping)
    for name in DIALECTS
    for call in ADAPTERS[name].outbound
    for document in call.documents
]


@pytest.mark.parametrize(("adapter", "number", "kind", "name"), SAID)
@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow]
)
@given(data=st.data(), has_fee=st.booleans(), decision_refused=st.booleans())
def test_partner_accepts_every_object_we_say(
    adapter: str,
    number: str,
    kind: str,
    name: str,
    data: st.DataObject,
    has_fee: bool,
    decision_refused: bool,
) -> None:
    mapping, dialect = ADAPTERS[adapter].mappings[name], DIALECTS[adapter]
    payload = data.draw(payloads(PAYLOADS[kind]))
    try:
        said = mapping.say(payload, {**FACTS, "has_fee": has_fee, "decision_refused": decision_refused})
    except DocumentRefused:
        assume(False)
    assert _wrong(number, said, dialect) == []


def _wrong(number: str, said: dict[str, object], dialect: Dialect) -> list[str]:
    return [f"{one.field}: {one.msg}" for one in findings(number, said, dialect)]

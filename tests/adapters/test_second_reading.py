"""The contracts as two people read them: what we say, the partner processes accept, and back."""

from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from lxml import etree

from canonical.messages import PAYLOADS
from exchange.adapterfolder import load_adapters
from exchange.mapping.refusal import DocumentRefused
from mocks.partners import archives, certificate_data, fees_ops, sms
from mocks.partners.catalogue_items import catalogue
from mocks.partners.catalogue_ops import item_element
from mocks.partners.catalogue_store import Change
from mocks.partners.common.processobjects import Dialect, findings
from mocks.partners.department_rules import DIALECT as DEPARTMENT
from mocks.partners.province_rules import DIALECT as PROVINCE
from tests.adapters import samples
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
FEES = {
    "CreateNotice": "create_notice",
    "ConfirmPayment": "confirm",
    "CancelNotice": "cancel",
    "QueryNotice": "query",
    "CreateRefund": "refund",
    "QueryFeeBasis": "basis",
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


def _sample(adapter: str, name: str) -> tuple[Any, dict[str, Any]]:
    """What we say of an accepted sample, and its call context."""
    suffix = "xml" if adapter == "fees" else "json"
    path = samples.ADAPTERS / adapter / "fixtures" / "accepted" / f"{name}.{suffix}"
    expected, mapping = samples.expected_of(path), samples.mapping_of(path)
    return mapping.say(expected.payload(mapping), expected.context), expected.context


@pytest.mark.parametrize("operation", sorted(FEES))
def test_fee_system_accepts_every_request(operation: str) -> None:
    name = FEES[operation]
    said, context = _sample("fees", name)
    read = fees_ops.read_document(
        operation, ADAPTERS["fees"].mappings[name].element(said), context["account"]
    )
    assert read.head["APPID"] == context["account"]


def test_sms_gateway_accepts_our_request_and_its_mac() -> None:
    said, context = _sample("sms", "submit")
    submission = sms.Submission.model_validate(said)
    assert submission.mac == sms.mac(submission, context["secret"])
    assert submission.messages[0].content.startswith(submission.sign)


def test_library_and_archives_accept_our_requests() -> None:
    issue, _ = _sample("certificates", "issue")
    assert certificate_data.Envelope.model_validate(issue).head.accessToken == "T-1"
    assert certificate_data.parsed(certificate_data.Issue, issue["data"]).seal is True
    submit, _ = _sample("archives", "submit")
    assert archives.AddFile.model_validate(submit).retention == "D30"


def test_every_item_of_the_provincial_catalogue_is_understood() -> None:
    items = catalogue(seed=7)
    assert len(items) >= 100
    listing = etree.Element("LIST", {"total": str(len(items)), "next": "", "to_version": "9"})
    listing.extend(item_element(Change("I", item)) for item in items)
    root = etree.Element("RESULT")
    etree.SubElement(root, "CODE").text = "0"
    root.append(listing)
    mapping = ADAPTERS["provincial_catalogue"].mappings["increment"]
    heard = mapping.hear(mapping.read(root), {"since": "0"}).model_dump()
    assert [item["code"] for item in heard["changed"]] == [item["TASK_CODE"] for item in items]
    assert [len(item["materials"]) for item in heard["changed"]] == [len(item["MATERIALS"]) for item in items]

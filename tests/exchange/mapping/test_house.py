"""The house document in both forms, as docs/wire.md §2 shows it."""

import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from canonical.messages import PAYLOADS, Message
from exchange.errors import Refused
from exchange.mapping import house
from exchange.mapping.refusal import DocumentRefused
from tests.adapters.strategies import payloads

CASE, ITEM = "4414020000002026112020000177", "1144140200720810054440125105000"
PAYLOAD = (
    f'"case_no":"{CASE}","item_code":"{ITEM}","region":"441402000000","version":2,"number":1,'
    '"result":"finished","finished_at":"2026-11-22T16:00:00+08:00"'
)
HEAD = (
    '"message_id":"0198f0c2","type":"case.special_finished.v1","sender":"hall",'
    '"sent_at":"2026-11-22T09:30:00+08:00"'
)
JSON = f'{{{HEAD},"payload":{{{PAYLOAD}}}}}'
XML = (
    '<Message xmlns="urn:tongban:message:1" Id="m1"><message_id>0198f0c2</message_id>'
    "<type>case.special_finished.v1</type>"
    "<sender>hall</sender><sent_at>2026-11-22T09:30:00+08:00</sent_at><payload>"
    f"<case_no>{CASE}</case_no><item_code>{ITEM}</item_code><region>441402000000</region><version>2</version>"
    "<number>1</number><result>finished</result><finished_at>2026-11-22T16:00:00+08:00</finished_at></payload></Message>"
)


def complaints(read: Any, document: Any) -> list[tuple[str, str]]:
    with pytest.raises(DocumentRefused) as refused:
        read(document)
    return [(error.path, error.code) for error in refused.value.errors]


def test_both_forms_are_the_same_message() -> None:
    message = house.read_json(JSON.encode())
    assert message.type == "case.special_finished.v1"
    assert type(message.payload) is PAYLOADS[message.type]
    assert message.payload.model_dump()["number"] == 1
    assert message.case_no == CASE
    assert house.read_xml(XML.encode()) == message
    assert house.write_json(message).decode() == JSON
    assert house.bytes_of(house.write_xml(message)).decode() == XML


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ('"number":1', '"number":"1"', [("payload/number", "bad_value")]),
        ('"number":1', '"number":1.0', [("payload/number", "bad_value")]),
        ('"number":1', '"number":true', [("payload/number", "bad_value")]),
        ('"number":1,', "", [("payload/number", "missing_field")]),
        ('"number":1', '"number":1,"extra":1', [("payload/extra", "unknown_field")]),
        ('"finished"', '"done"', [("payload/result", "unknown_code")]),
        ('"441402000000"', '"441402"', [("payload/region", "bad_value")]),
        ("special_finished", "nothing", [("type", "unknown_type")]),
        ('"sender":"hall"', '"sender":"HALL"', [("sender", "bad_value")]),
        ('"sender":"hall",', "", [("sender", "missing_field")]),
        ('"sender":"hall"', '"sender":"hall","x":1', [("x", "unknown_field")]),
        ("+08:00", "", [("payload/finished_at", "bad_value"), ("sent_at", "bad_value")]),
    ],
)
def test_what_is_wrong_is_named_by_path(before: str, after: str, expected: list[tuple[str, str]]) -> None:
    assert before in JSON
    assert complaints(house.read_json, JSON.replace(before, after)) == expected


@pytest.mark.parametrize("body", ["[]", "1", '"x"', "null", "{}", '{"payload":{}}'])
def test_other_json_is_refused(body: str) -> None:
    assert complaints(house.read_json, body)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("<number>1</number>", "<number>01</number>", [("payload/number", "bad_value")]),
        ("<number>1</number>", "<number>1</number><number>2</number>", [("payload/number", "bad_value")]),
        ("<number>1</number>", "<number><x/></number>", [("payload/number", "bad_value")]),
        ("<number>1</number>", '<number a="1">1</number>', [("payload/number", "bad_value")]),
        ("<number>1</number>", "<number>1</number><extra/>", [("payload/extra", "unknown_field")]),
        (
            "<sender>",
            '<sender xmlns="urn:x">',
            [("sender", "missing_field"), ("{urn:x}sender", "unknown_field")],
        ),
        ("<sender>hall</sender>", "", [("sender", "missing_field")]),
    ],
)
def test_what_is_wrong_in_xml_is_named_by_path(
    before: str, after: str, expected: list[tuple[str, str]]
) -> None:
    assert before in XML
    assert sorted(complaints(house.read_xml, XML.replace(before, after))) == sorted(expected)


@pytest.mark.parametrize(
    "body", ["<Message/>", "<message xmlns='urn:tongban:message:1'/>", "x", "<Message xmlns='urn:x'/>"]
)
def test_other_xml_is_refused(body: str) -> None:
    with pytest.raises(Refused):
        house.read_xml(body)


def test_empty_message_is_refused() -> None:
    assert complaints(house.read_xml, '<Message xmlns="urn:tongban:message:1"/>')


def test_receipt_and_stored_content_as_xml() -> None:
    facts = {
        "v": 1,
        "status": "refused",
        "case_no": None,
        "errors": [{"path": "a", "code": "b"}, {"path": "c", "code": "d"}],
    }
    receipt = house.bytes_of(house.receipt_xml(facts)).decode()
    assert receipt == (
        '<Receipt xmlns="urn:tongban:message:1" Id="r1"><v>1</v><status>refused</status>'
        "<errors><path>a</path><code>b</code></errors><errors><path>c</path><code>d</code></errors></Receipt>"
    )
    message = house.read_json(JSON)
    content = message.payload.model_dump(mode="json", exclude_none=True)
    body = house.plain_xml(
        message.type, message.message_id, message.sender, "2026-11-22T09:30:00+08:00", content
    )
    assert re.match(rb"<\?xml version='1.0' encoding='UTF-8'\?>\s*<Message ", body)
    assert house.read_xml(body) == message


@pytest.mark.parametrize("kind", sorted(PAYLOADS))
@settings(
    max_examples=10, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much], deadline=None
)
@given(data=st.data())
def test_every_message_survives_both_forms(kind: str, data: st.DataObject) -> None:
    payload = data.draw(payloads(PAYLOADS[kind]))
    head = {"message_id": "0198f0c2", "type": kind, "sender": "hall", "sent_at": "2026-11-22T09:30:00+08:00"}
    message = Message.model_validate({**head, "payload": payload})
    assert house.read_json(house.write_json(message)) == message
    assert house.read_xml(house.bytes_of(house.write_xml(message), declaration=True)) == message

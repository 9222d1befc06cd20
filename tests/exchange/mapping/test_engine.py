"""The engine at work on small mappings: nesting, repetition, conditions, context, character sets."""

from typing import Any

import pytest

from canonical.messages import ExchangeReceipted, SmsRequested
from exchange.errors import Misconfigured, Refused
from exchange.mapping import json, xml
from exchange.mapping.compile import compile_mapping
from exchange.mapping.refusal import DocumentRefused, FieldError
from exchange.mapping.run import WireMapping, value_at

RECEIPT = """
message = "exchange.receipted.v1"
form = "xml"
root = "R"
ignore = ["HEAD/SEQ"]
fields = [
  { wire = "HEAD/ID", to = "message_id" },
  { wire = "HEAD/@code", to = "code" },
  { wire = "HEAD/APP", fill = "account" },
  { wire = "HEAD/VER", constant = "1.0" },
  { wire = "TEXT", to = "detail", required_when = { code = ["70"] } },
  { given = "case", to = "case_no" },
]
[[each]]
wire = "ROWS/ROW"
to = "row_errors"
fields = [{ wire = "@field", to = "field" }, { wire = "MSG", to = "message", default = "-" }]
"""
CASE = "4414020000002026112020000177"
WIRE = (
    '<R><HEAD code="70"><ID>0198f0c2</ID><APP>tongban</APP><VER>1.0</VER></HEAD><TEXT>two &lt; wrong</TEXT>'
    '<ROWS><ROW field="a"><MSG>x</MSG></ROW><ROW field="b"><MSG>y</MSG></ROW></ROWS></R>'
)


@pytest.fixture(scope="module")
def receipt() -> WireMapping:
    return compile_mapping("receipt", RECEIPT)


def heard(mapping: WireMapping, wire: str | bytes, **context: Any) -> Any:
    return mapping.hear(mapping.read(wire), context)


def wrong(mapping: WireMapping, wire: str) -> list[tuple[str, str]]:
    with pytest.raises(DocumentRefused) as refused:
        heard(mapping, wire)
    assert refused.value.code == refused.value.errors[0].code
    return [(error.path, error.code) for error in refused.value.errors]


def test_nested_repeated_and_given_values(receipt: WireMapping) -> None:
    message = heard(receipt, WIRE, case=CASE)
    rows = [{"field": "a", "message": "x"}, {"field": "b", "message": "y"}]
    assert message == ExchangeReceipted.model_validate(
        {"message_id": "0198f0c2", "case_no": CASE, "code": "70", "detail": "two < wrong", "row_errors": rows}
    )
    said = receipt.say(message, {"account": "tongban"})
    assert receipt.text(said) == WIRE


def test_one_row_is_a_list_and_an_empty_element_is_absent(receipt: WireMapping) -> None:
    head = '<HEAD code="0"><ID>0198f0c2</ID><VER>1.0</VER><SEQ>9</SEQ></HEAD>'
    wire = f'<R>{head}<TEXT/><ROWS><ROW field="a"/></ROWS></R>'
    message = heard(receipt, wire)
    assert [(row.field, row.message) for row in message.row_errors] == [("a", "-")]
    assert message.detail is None


def test_all_complaints_come_together_and_in_the_senders_words(receipt: WireMapping) -> None:
    wire = (
        '<R><HEAD code="70"><ID>not an id</ID><VER>2</VER><X/></HEAD><Y>1</Y>'
        '<ROWS><ROW field="a"><MSG>null</MSG></ROW><ROW><MSG>y</MSG><Z/></ROW></ROWS></R>'
    )
    assert wrong(receipt, wire) == [
        ("HEAD/VER", "bad_value"),
        ("HEAD/X", "unknown_field"),
        ("Y", "unknown_field"),
        ("ROWS/ROW[0]/MSG", "bad_value"),
        ("ROWS/ROW[1]/Z", "unknown_field"),
        ("ROWS/ROW[1]/@field", "missing_field"),
        ("TEXT", "missing_field"),
        ("HEAD/ID", "bad_value"),
    ]


def test_complaints_do_not_repeat_values(receipt: WireMapping) -> None:
    with pytest.raises(DocumentRefused) as refused:
        heard(receipt, WIRE.replace("0198f0c2", "secret name").replace("field=", "feld="))
    assert "secret" not in str(refused.value) + repr(refused.value.errors)
    assert refused.value.errors[0].as_dict().keys() == {"path", "code", "detail"}


@pytest.mark.parametrize(
    ("wire", "expected"),
    [
        ("<R/>", [("HEAD", "missing_field")]),
        ("<R><HEAD>text</HEAD></R>", [("HEAD", "bad_value")]),
        (WIRE.replace("<TEXT>", "<TEXT>1</TEXT><TEXT>"), [("TEXT", "bad_value")]),
        (WIRE.replace("<TEXT>two &lt; wrong</TEXT>", "<TEXT><A/></TEXT>"), [("TEXT", "bad_value")]),
        (WIRE.replace("<ROWS>", "<ROWS/><ROWS>"), [("ROWS", "bad_value")]),
        (
            WIRE.replace("<R>", '<R xml:lang="zh">'),
            [("@{http://www.w3.org/XML/1998/namespace}lang", "unknown_field")],
        ),
        (
            WIRE.replace("<TEXT>", '<TEXT xmlns="urn:x">'),
            [("{urn:x}TEXT", "unknown_field"), ("TEXT", "missing_field")],
        ),
    ],
)
def test_structure_is_part_of_the_contract(
    receipt: WireMapping, wire: str, expected: list[tuple[str, str]]
) -> None:
    assert wrong(receipt, wire) == expected


@pytest.mark.parametrize(
    "wire",
    [
        "",
        "<S/>",
        "<R xmlns='urn:x'/>",
        "<R>",
        "<R>text<A/></R>",
        "<R><A/>tail</R>",
        "<?pi?><R/>",
        "<R><?pi x?></R>",
        "<!DOCTYPE R><R/>",
        "<R>&e;</R>",
        "{}",
        "\ud800",
    ],
)
def test_what_is_no_such_document_is_refused(receipt: WireMapping, wire: str) -> None:
    with pytest.raises(Refused) as refused:
        heard(receipt, wire)
    assert refused.value.code == "bad_request"


def test_comments_do_not_cut_text(receipt: WireMapping) -> None:
    assert heard(receipt, WIRE.replace("two", "two<!-- x -->")).detail == "two < wrong"


def test_signature_is_no_content_at_the_root_only(receipt: WireMapping) -> None:
    signature = '<Signature xmlns="http://www.w3.org/2000/09/xmldsig#"/>'
    assert heard(receipt, WIRE.replace("</R>", f"{signature}</R>")).code == "70"
    assert [code for _, code in wrong(receipt, WIRE.replace("</HEAD>", f"{signature}</HEAD>"))] == [
        "unknown_field"
    ]


@pytest.mark.parametrize("label", ["GBK", "gb2312", "GB18030"])
def test_gbk_family_is_read_as_gb18030(receipt: WireMapping, label: str) -> None:
    text = WIRE.replace("two", "㐀梅州")
    assert heard(
        receipt, f'<?xml version="1.0" encoding="{label}"?>{text}'.encode("gb18030")
    ).detail.startswith("㐀梅州")


def test_utf8_labelled_gbk_is_refused(receipt: WireMapping) -> None:
    with pytest.raises(Refused):
        heard(
            receipt, f'<?xml version="1.0" encoding="UTF-8"?>{WIRE.replace("two", "梅州")}'.encode("gb18030")
        )


def test_characters_xml_cannot_hold_are_refused() -> None:
    with pytest.raises(Refused) as refused:
        xml.build("R", {"A": "\x01"})
    assert refused.value.code == "bad_value"


def test_namespace_is_the_contracts() -> None:
    mapping = compile_mapping("r", RECEIPT.replace('root = "R"', 'root = "R"\nnamespace = "urn:r"'))
    wire = WIRE.replace("<R>", '<R xmlns="urn:r">')
    assert mapping.text(mapping.say(heard(mapping, wire), {"account": "tongban"})) == wire
    with pytest.raises(Refused):
        mapping.read(WIRE)


SMS = """
message = "sms.requested.v1"
form = "json"
loses = ["case_no"]
fields = [
  { wire = "list[]/to", to = "mobile" },
  { wire = "list[]/text", to = "content", prefix = "#", longest = 6 },
  { wire = "id", to = "request_id", instead = { fact = "urgent", of = "a", say = "b" } },
  { wire = "kind", to = "template", when = { request_id = ["a"] }, required = true },
]
"""


@pytest.fixture(scope="module")
def sms() -> WireMapping:
    return compile_mapping("sms", SMS)


def request(**changes: str) -> SmsRequested:
    values = {"request_id": "a", "template": "t", "mobile": "13800138000", "content": "12345", **changes}
    return SmsRequested.model_validate(values)


def test_list_of_exactly_one_and_prefix(sms: WireMapping) -> None:
    tree: dict[str, Any] = {"list": [{"to": "13800138000", "text": "#12345"}], "id": "a", "kind": "t"}
    assert sms.say(request(), {}) == tree
    assert sms.hear(tree) == request()
    others: list[Any] = [[], tree["list"] * 2, {"to": 1}]
    for other in others:
        with pytest.raises(DocumentRefused) as refused:
            sms.hear({**tree, "list": other})
        assert ("list", "bad_value") in [(error.path, error.code) for error in refused.value.errors]


def test_length_limit_refuses_and_never_cuts(sms: WireMapping) -> None:
    with pytest.raises(DocumentRefused) as refused:
        sms.say(request(content="123456"), {})
    assert [(error.path, error.code) for error in refused.value.errors] == [("list/text", "bad_value")]


def test_instead_while_a_fact_holds(sms: WireMapping) -> None:
    assert sms.say(request(), {"urgent": True})["id"] == "b"
    assert sms.say(request(), {"urgent": False})["id"] == "a"
    assert sms.hear({**sms.say(request(), {"urgent": True})}) == request()


def test_field_that_exists_only_under_a_condition(sms: WireMapping) -> None:
    tree = sms.say(request(), {})
    del tree["kind"]
    with pytest.raises(DocumentRefused) as refused:
        sms.hear(tree)
    assert [(error.path, error.code) for error in refused.value.errors] == [("kind", "missing_field")]
    with pytest.raises(DocumentRefused) as unsayable:
        sms.say(request(request_id="c"), {})
    assert [(error.path, error.code) for error in unsayable.value.errors] == [("kind", "bad_value")]
    with pytest.raises(DocumentRefused) as unexpected:
        sms.hear({**tree, "id": "c", "kind": "t"})
    assert [(error.path, error.code) for error in unexpected.value.errors] == [("kind", "bad_value")]


def test_context_that_is_missing_when_saying_is_named() -> None:
    mapping = compile_mapping("c", 'form = "json"\nfields = [{ wire = "head/id", fill = "account" }]\n')
    with pytest.raises(DocumentRefused) as refused:
        mapping.say(None, {})
    assert refused.value.errors == (FieldError("head/id", "missing_field", "the contract requires it"),)
    assert mapping.say(None, {"account": "a"}) == {"head": {"id": "a"}}
    assert mapping.hear_values({"head": {"id": "anything"}}) == {}


def test_given_value_that_the_message_needs() -> None:
    text = RECEIPT.replace('{ wire = "HEAD/ID", to = "message_id" }', '{ given = "id", to = "message_id" }')
    mapping = compile_mapping("g", text)
    wire = WIRE.replace("<ID>0198f0c2</ID>", "")
    assert heard(mapping, wire, id="0198f0c2").message_id == "0198f0c2"
    assert wrong(mapping, wire) == [("(id)", "missing_field")]


def test_direction_is_kept(receipt: WireMapping) -> None:
    only_said = compile_mapping("s", 'direction = "say"\n' + RECEIPT)
    only_heard = compile_mapping("h", 'direction = "hear"\n' + RECEIPT)
    with pytest.raises(Misconfigured):
        only_said.hear({})
    with pytest.raises(Misconfigured):
        only_heard.say(heard(receipt, WIRE), {"account": "a"})
    with pytest.raises(Misconfigured):
        receipt.say(None, {})


def test_value_at() -> None:
    tree = {"head": {"status": 0, "ok": True}, "list": [{"a": "x"}], "t": "y"}
    assert [value_at(tree, path) for path in ("head/status", "t", "list[]/a")] == ["0", "y", "x"]
    assert [value_at(tree, path) for path in ("head/ok", "head", "x/y", "t/z", "list/a")] == [None] * 5


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "bad_request"),
        (b"\xef\xbb\xbf{}", "bad_request"),
        (b"\xff", "bad_request"),
        (b"{", "bad_request"),
        (b'{"a":1,"a":2}', "bad_request"),
        (b'{"a":{"b":1,"b":1}}', "bad_request"),
        (b"NaN", "bad_request"),
        (b"[Infinity]", "bad_request"),
        (b'"\\ud800"', "bad_request"),
        (b'{"\\udc00":1}', "bad_request"),
        (b"[" * 100_000, "too_large"),
        (b'{"a":' * 40 + b"1" + b"}" * 40, "too_large"),
        (b"1" * 5000, "bad_request"),
        (b"{} {}", "bad_request"),
        ('{"a":"梅州"}'.encode("gbk"), "bad_request"),
    ],
)
def test_strict_json(body: bytes, code: str) -> None:
    with pytest.raises(Refused) as refused:
        json.loads(body)
    assert refused.value.code == code


def test_json_that_is_right() -> None:
    assert json.loads(b'{"a":["\\ud83d\\ude00",1,true,null,{}],"b":"[[[["}') == {
        "a": ["😀", 1, True, None, {}],
        "b": "[[[[",
    }
    assert json.loads(json.dumps({"b": "梅", "a": 1})) == {"b": "梅", "a": 1}
    many = b'{"a":[' + b",".join([b"[]"] * 100) + b"]}"
    assert len(json.loads(many)["a"]) == 100

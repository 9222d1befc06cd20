"""What several partners need alike: derived values, coarse code lists, documents inside text."""

from datetime import date
from typing import Any

import pytest

from canonical.messages import CaseDelivered, CaseSupplemented, ExchangeAudited, ExchangeReceipted
from exchange.errors import Misconfigured
from exchange.mapping.compile import compile_mapping
from exchange.mapping.refusal import DocumentRefused
from exchange.mapping.run import WireMapping

CASE = "4414020000002026112020000177"
ITEM = "1144140200720810054440125105000"
SUPPLEMENTED = """
message = "case.supplemented.v1"
form = "{form}"
{root}
inner = [{{ wire = "DATA/FORM_TEXT"{inner_root} }}]
loses = ["version", "business_no", "queue_ticket", "remark"]
fields = [
  {{ wire = "NO", to = "case_no", prefix = "44" }},
  {{ wire = "ITEM", to = "item_code", as = "code_hyphens" }},
  {{ wire = "BASIC", derived = "item_code", as = "basic12" }},
  {{ wire = "BODY", derived = "item_code", as = "organisation9", required = false }},
  {{ wire = "REGION", to = "region" }},
  {{ wire = "DATA/WHO", to = "received_by" }},
  {{ wire = "DATA/FORM_TEXT/AT", to = "received_at", as = "epoch_ms" }},
]
[[each]]
wire = "DATA/FORM_TEXT/{list}"
to = "materials"
fields = [
  {{ wire = "NAME", to = "name" }},
  {{ wire = "COUNT", to = "count" }},
  {{ wire = "AS", to = "received_as", codes = {{ 1 = "paper" }}, coarse = {{ attachment = "1" }} }},
]
"""
XML = compile_mapping(
    "xml",
    SUPPLEMENTED.format(form="xml", root='root = "R"', inner_root=', root = "F"', list="LINES/LINE"),
)
JSON = compile_mapping("json", SUPPLEMENTED.format(form="json", root="", inner_root="", list="LINES"))
HEAD = {
    "NO": f"44{CASE}",
    "ITEM": "114414020072081005-4-440125105000",
    "BASIC": "440125105000",
    "BODY": "007208100",
    "REGION": "441402000000",
}
INNER = (
    "<F><AT>1795137030000</AT><LINES><LINE><NAME>A&amp;B &lt;1&gt;</NAME><COUNT>2</COUNT><AS>1</AS></LINE>"
    "</LINES></F>"
)
INNER_JSON = '{"AT":1795137030000,"LINES":[{"NAME":"A&B <1>","COUNT":2,"AS":"1"}]}'


def payload() -> CaseSupplemented:
    return CaseSupplemented.model_validate(
        {
            "case_no": CASE,
            "item_code": ITEM,
            "region": "441402000000",
            "received_by": "测试丁",
            "received_at": "2026-11-20T09:10:30+08:00",
            "materials": [{"name": "A&B <1>", "count": 2, "received_as": "paper"}],
        }
    )


def wire(text: str, **changed: str) -> dict[str, Any]:
    return {**HEAD, "DATA": {"WHO": "测试丁", "FORM_TEXT": text}, **changed}


@pytest.mark.parametrize(("mapping", "text"), [(XML, INNER), (JSON, INNER_JSON)], ids=["xml", "json"])
def test_document_inside_text_both_ways(mapping: WireMapping, text: str) -> None:
    assert mapping.hear(wire(text)) == payload()
    assert mapping.say(payload()) == wire(text)
    assert mapping.hear(mapping.read(mapping.write(mapping.say(payload())))) == payload()
    assert mapping.blurs == {"materials.received_as": {"attachment": "paper"}}


@pytest.mark.parametrize(
    "escaped", [f"<![CDATA[{INNER}]]>", INNER.replace("&", "&amp;").replace("<", "&lt;")]
)
def test_cdata_and_escapes_read_alike_and_an_inner_declaration_says_nothing(escaped: str) -> None:
    head = "".join(f"<{name}>{value}</{name}>" for name, value in HEAD.items())
    declaration = '<?xml version="1.0" encoding="GBK"?>'
    shown = declaration if "CDATA" in escaped else declaration.replace("<", "&lt;")
    declared = escaped.replace("<F>", f"{shown}<F>", 1).replace("&lt;F>", f"{shown}&lt;F>", 1)
    for one in {escaped, declared}:
        document = f"<R>{head}<DATA><WHO>测试丁</WHO><FORM_TEXT>{one}</FORM_TEXT></DATA></R>"
        assert XML.hear(XML.read(document)) == payload()


@pytest.mark.parametrize(
    ("text", "path", "code"),
    [
        (INNER.replace("&amp;", "&"), "DATA/FORM_TEXT", "bad_value"),
        (INNER.replace("<F>", "<G>").replace("</F>", "</G>"), "DATA/FORM_TEXT", "bad_value"),
        (INNER.replace("<AT>", "<X/><AT>"), "DATA/FORM_TEXT/X", "unknown_field"),
        (INNER.replace("<COUNT>2</COUNT>", ""), "DATA/FORM_TEXT/LINES/LINE[0]/COUNT", "missing_field"),
        ("", "DATA/FORM_TEXT/AT", "missing_field"),
    ],
)
def test_wrong_inner_document_is_refused_by_path(text: str, path: str, code: str) -> None:
    with pytest.raises(DocumentRefused) as refused:
        XML.hear(wire(text))
    assert (path, code) in [(one.path, one.code) for one in refused.value.errors]


@pytest.mark.parametrize("text", [None, 5, [], {"AT": 1}])
def test_inner_document_that_is_no_text_is_refused(text: Any) -> None:
    with pytest.raises(DocumentRefused) as refused:
        JSON.hear(wire(text))
    assert [(one.path, one.code) for one in refused.value.errors] == [("DATA/FORM_TEXT", "bad_value")]


@pytest.mark.parametrize(
    ("changed", "path"),
    [
        ({"BASIC": "4401251050"}, "BASIC"),
        ({"BODY": "007208101"}, "BODY"),
        ({"NO": CASE}, "NO"),
        ({"ITEM": ITEM}, "ITEM"),
        ({"ITEM": "114414020072081006-4-440125105000"}, "ITEM"),
    ],
)
def test_what_follows_from_another_value_must_agree(changed: dict[str, str], path: str) -> None:
    with pytest.raises(DocumentRefused) as refused:
        XML.hear(wire(INNER, **changed))
    assert (path, "bad_value") in [(one.path, one.code) for one in refused.value.errors]


def test_derived_value_may_be_left_out_only_where_the_mapping_says_so() -> None:
    shorter = {name: value for name, value in wire(INNER).items() if name != "BODY"}
    assert XML.hear(shorter) == payload()
    with pytest.raises(DocumentRefused) as refused:
        XML.hear({name: value for name, value in shorter.items() if name != "BASIC"})
    assert [(one.path, one.code) for one in refused.value.errors] == [("BASIC", "missing_field")]


DELIVERED = """
message = "case.delivered.v1"
form = "json"
loses = ["version", "business_no", "queue_ticket", "remark"]
fields = [
  { wire = "key", derived = "case_no", prefix = "D-" },
  { wire = "no", to = "case_no" },
  { wire = "item", to = "item_code" },
  { wire = "region", to = "region" },
  { wire = "who", to = "collector" },
  { wire = "type", to = "document_type", codes = "papers", coarse = { resident_id_card = "9", 414 = "9" } },
  { wire = "number", to = "document_no" },
  { wire = "mode", to = "mode", codes = { 1 = "window", 2 = "post" }, coarse = { online = "2" } },
  { wire = "at", to = "collected_at", as = "datetime_space" },
]
[codes]
papers = { 1 = "unified_social_credit_code", 9 = "passport" }
"""


def test_coarse_codes_are_said_and_heard_as_the_tables_name() -> None:
    mapping = compile_mapping("delivered", DELIVERED.replace(', 414 = "9"', ""))
    message = CaseDelivered.model_validate(
        {
            "case_no": CASE,
            "item_code": ITEM,
            "region": "441402000000",
            "collector": "测试甲",
            "document_type": "resident_id_card",
            "document_no": "441499199003070010",
            "mode": "online",
            "collected_at": "2026-11-20T09:10:30+08:00",
        }
    )
    said = mapping.say(message)
    assert (said["type"], said["mode"], said["key"]) == ("9", "2", f"D-{CASE}")
    heard = mapping.hear(said)
    assert isinstance(heard, CaseDelivered)
    assert (heard.document_type, heard.mode) == ("passport", "post")
    assert mapping.blurs == {"document_type": {"resident_id_card": "passport"}, "mode": {"online": "post"}}
    assert not mapping.lossless


RECEIPT = """
message = "exchange.receipted.v1"
form = "json"
loses = ["case_no", "row_errors"]
fields = [
  { wire = "id", to = "message_id" },
  { wire = "code", to = "code" },
  { wire = "text", to = "detail" },
  { wire = "no", fill = "case_no", prefix = "44" },
  { wire = "day", fill = "until", as = "date8", required = false },
]
"""


def test_context_value_is_said_behind_a_prefix() -> None:
    mapping = compile_mapping("receipt", RECEIPT)
    said = mapping.say(ExchangeReceipted(message_id="0198f0c2", code="0"), {"case_no": CASE})
    assert said == {"id": "0198f0c2", "code": "0", "no": f"44{CASE}"}


@pytest.mark.parametrize("until", ["2031-11-23", date(2031, 11, 23)])
def test_context_day_is_said_in_the_partners_form(until: object) -> None:
    mapping = compile_mapping("receipt", RECEIPT)
    said = mapping.say(ExchangeReceipted(message_id="0198f0c2", code="0"), {"case_no": CASE, "until": until})
    assert said["day"] == "20311123"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (('coarse = { online = "2" }', 'coarse = { online = "3" }'), "not_one_to_one"),
        (('coarse = { online = "2" }', 'coarse = { window = "2" }'), "not_one_to_one"),
        ((', 414 = "9"', ', nobody = "9"'), "unknown_code"),
        (('derived = "case_no"', 'derived = "case_number"'), "unknown_field"),
        (('derived = "case_no"', 'derived = "collected_at"'), "bad_conversion"),
        (('prefix = "D-"', 'as = "yuan2"'), "unknown_conversion"),
        (('form = "json"', 'form = "json"\ninner = [{ wire = "number", root = "R" }]'), "bad_root"),
    ],
)
def test_wrong_declaration_is_not_loaded(change: tuple[str, str], code: str) -> None:
    text = DELIVERED.replace(*change)
    with pytest.raises(Misconfigured) as fault:
        compile_mapping("delivered", text if "nobody" in text else text.replace(', 414 = "9"', ""))
    assert fault.value.code == code


RECONCILED = """
message = "fee.reconciled.v1"
form = "json"
loses = ["lines"]
fields = [
  { wire = "common", constant = {} },
  { given = "region6", to = "region", as = "region6" },
  { given = "day", to = "day", as = "date8" },
  { wire = "count", to = "count" },
  { wire = "balance", to = "balance" },
]
"""


def test_what_the_call_gives_is_read_in_the_partners_form() -> None:
    mapping = compile_mapping("reconciled", RECONCILED)
    tree = {"common": {}, "count": 0, "balance": "0.00"}
    heard = mapping.hear(tree, {"region6": "441400", "day": "20261120"}).model_dump(mode="json")
    assert (heard["region"], heard["day"]) == ("441400000000", "2026-11-20")
    with pytest.raises(DocumentRefused) as refused:
        mapping.hear(tree, {"region6": "441400", "day": "20260230"})
    assert [(error.path, error.code) for error in refused.value.errors] == [("(day)", "bad_value")]


@pytest.mark.parametrize(
    ("changed", "found"),
    [({"common": {"x": "1"}}, ("common/x", "unknown_field")), ({"common": ""}, ("common", "bad_value"))],
)
def test_an_object_without_members_stays_without(changed: dict[str, Any], found: tuple[str, str]) -> None:
    mapping = compile_mapping("reconciled", RECONCILED)
    tree = {"common": {}, "count": 0, "balance": "0.00", **changed}
    with pytest.raises(DocumentRefused) as refused:
        mapping.hear(tree, {"region6": "441400", "day": "20261120"})
    assert [(error.path, error.code) for error in refused.value.errors] == [found]
    payload = mapping.hear({**tree, "common": {}}, {"region6": "441400", "day": "20261120"})
    assert mapping.say(payload)["common"] == {}


def test_only_json_has_empty_objects() -> None:
    with pytest.raises(Misconfigured):
        compile_mapping("reconciled", RECONCILED.replace("constant = {}", 'constant = { x = "1" }'))
    xml = RECONCILED.replace('form = "json"', 'form = "xml"\nroot = "R"')
    with pytest.raises(Misconfigured):
        compile_mapping("reconciled", xml)


SUBMITTED = """
message = "exchange.receipted.v1"
form = "json"
loses = ["case_no", "row_errors"]
fields = [
  { wire = "id", to = "message_id", longest = 6, shortest = 3 },
  { wire = "code", to = "code" },
  { wire = "text", to = "detail", shortest = 2 },
]
"""


@pytest.mark.parametrize(
    ("ident", "detail", "wrong"),
    [("abc", None, []), ("abcdef", "ok", []), ("ab", "ok", ["id"]), ("abcdefg", "k", ["id", "text"])],
)
def test_lengths_the_partner_takes(ident: str, detail: str | None, wrong: list[str]) -> None:
    mapping = compile_mapping("receipt", SUBMITTED)
    payload = ExchangeReceipted(message_id=ident, code="0", detail=detail)
    if not wrong:
        assert mapping.say(payload)["id"] == ident
        return
    with pytest.raises(DocumentRefused) as refused:
        mapping.say(payload)
    assert [error.path for error in refused.value.errors] == wrong


@pytest.mark.parametrize(
    ("form", "said", "heard"),
    [
        ("county6", "441402", "441402000000"),
        ("town9", "441402004", "441402004000"),
        ("county12", "441402000000", "441402000000"),
    ],
)
def test_a_village_written_as_its_county_or_town_is_no_lossless_mapping(
    form: str, said: str, heard: str
) -> None:
    text = f"""
message = "exchange.audited.v1"
form = "json"
fields = [
  {{ wire = "id", to = "batch_id" }},
  {{ wire = "area", to = "region", as = "{form}" }},
  {{ wire = "day", to = "audited_on", as = "date8" }},
]
each = [{{ wire = "rows", to = "rows", say_empty = true, fields = [
  {{ wire = "a", to = "message_id" }}, {{ wire = "b", to = "case_no" }}, {{ wire = "c", to = "error_type" }},
  {{ wire = "d", to = "table" }}, {{ wire = "e", to = "field" }}, {{ wire = "f", to = "message" }},
] }}]
"""
    mapping = compile_mapping("audited", text)
    village = {"batch_id": "b-1", "region": "441402004002", "audited_on": "2026-11-20"}
    tree = mapping.say(ExchangeAudited.model_validate(village))
    assert tree["area"] == said
    assert mapping.hear(tree).model_dump()["region"] == heard
    assert (mapping.narrows, mapping.lossless) == (("region",), False)
    whole = compile_mapping("audited", text.replace(f', as = "{form}"', ""))
    assert (whole.narrows, whole.lossless) == ((), True)

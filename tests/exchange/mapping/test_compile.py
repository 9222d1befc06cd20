"""A wrong mapping file is refused at start-up, by a code and the key that is wrong."""

import pytest

from exchange.errors import Misconfigured
from exchange.mapping.compile import compile_mapping

WHOLE = """
message = "sms.submitted.v1"
form = "json"
fields = [
  { wire = "group", to = "group_id" },
  { wire = "count", to = "accepted" },
]
[[each]]
wire = "rejected"
to = "rejected"
fields = [{ wire = "id", to = "request_id" }, { wire = "code", to = "code" }]
"""
SPECIAL = """
message = "case.special_finished.v1"
form = "json"
loses = ["business_no", "queue_ticket", "remark"]
fields = [
  { wire = "A", to = "case_no" }, { wire = "B", to = "item_code" }, { wire = "C", to = "region" },
  { wire = "D", to = "version" },
  { wire = "E", to = "number" }, { wire = "F", to = "result", codes = { 1 = "finished", 2 = "refused" } },
  { wire = "G", to = "finished_at", as = "datetime14" },
]
"""


def test_whole_mappings_compile() -> None:
    assert compile_mapping("a", WHOLE).message == "sms.submitted.v1"
    assert compile_mapping("b", SPECIAL).loses == ("business_no", "queue_ticket", "remark")


@pytest.mark.parametrize(
    ("before", "after", "code", "where"),
    [
        ('to = "group_id"', 'to = "group"', "unknown_field", "group"),
        ('to = "rejected"', 'to = "refused"', "unknown_field", "rejected"),
        ('{ wire = "group", to = "group_id" },', "", "unfilled_field", "fields"),
        ('{ wire = "id", to = "request_id" },', "", "unfilled_field", "rejected"),
        ('wire = "count"', 'wire = "group"', "duplicate_wire", "group"),
        ('wire = "count"', 'wire = "rejected"', "duplicate_wire", "rejected"),
        ('wire = "count"', 'wire = "group/count"', "duplicate_wire", "group/count"),
        ('wire = "count"', 'wire = "@count"', "duplicate_wire", "@count"),
        ('to = "accepted"', 'to = "group_id"', "duplicate_field", "count"),
        ('to = "accepted"', 'to = "accepted", as = "integer"', "unknown_conversion", "count"),
        ('to = "accepted"', 'to = "accepted", as = "datetime14"', "bad_conversion", "count"),
        ('to = "accepted"', 'to = "accepted", when = { group = ["a"] }', "bad_condition", "count"),
        ('to = "accepted"', 'to = "accepted", wenn = 1', "bad_key", "fields.1.wenn"),
        ('to = "accepted"', 'to = "accepted", fill = "x"', "bad_key", "fields.1"),
        ("sms.submitted.v1", "sms.sent.v1", "unknown_message", "message"),
        ('form = "json"', 'form = "json"\nroot = "R"', "bad_root", "root"),
        ('form = "json"', 'form = "xml"', "bad_root", "root"),
        ('form = "json"', 'form = "json"\ninclude = ["x"]', "no_fragment", "include"),
        ('form = "json"', 'form = "json"\nloses = ["group_id"]', "bad_loss", "loses"),
        ('form = "json"', 'form = "json"\nloses = ["nothing"]', "bad_loss", "loses"),
        ('wire = "rejected"', 'wire = "rejected"\nbefore = "total"', "bad_order", "rejected"),
        ("[[each]]", "[[each]", "bad_toml", None),
    ],
)
def test_wrong_mapping_is_refused(before: str, after: str, code: str, where: str | None) -> None:
    assert before in WHOLE
    with pytest.raises(Misconfigured) as refused:
        compile_mapping("m", WHOLE.replace(before, after, 1))
    assert (refused.value.code, refused.value.where) == (
        code,
        f"m.mapping.toml: {where}" if where else "m.mapping.toml",
    )


@pytest.mark.parametrize(
    ("before", "after", "code", "where"),
    [
        ('2 = "refused"', '2 = "finished"', "not_one_to_one", "F"),
        ('2 = "refused" }', '2 = "refused" }, also = { 1 = "refused" }', "not_one_to_one", "F"),
        ('2 = "refused" }', '2 = "refused" }, also = { 3 = "done" }', "not_one_to_one", "F"),
        ('2 = "refused"', '2 = "dropped"', "unknown_code", "F"),
        ('codes = { 1 = "finished", 2 = "refused" }', 'codes = "no_such_list"', "unknown_code_list", "F"),
        (', codes = { 1 = "finished", 2 = "refused" }', "", "no_codes", "F"),
        (', as = "datetime14"', "", "bad_conversion", "G"),
        ('"queue_ticket", "remark"]', '"queue_ticket"]', "unmapped_field", "fields"),
        ('"remark"]', '"remark", "number"]', "bad_loss", "loses"),
        (
            'wire = "E", to = "number"',
            'wire = "E", to = "number", when = { result = ["done"] }',
            "bad_condition",
            "E",
        ),
    ],
)
def test_wrong_codes_and_losses_are_refused(before: str, after: str, code: str, where: str) -> None:
    assert before in SPECIAL
    with pytest.raises(Misconfigured) as refused:
        compile_mapping("m", SPECIAL.replace(before, after, 1))
    assert (refused.value.code, refused.value.where) == (code, f"m.mapping.toml: {where}")


def test_required_field_cannot_be_lost_by_a_document_that_is_heard() -> None:
    text = SPECIAL.replace('{ wire = "E", to = "number" },', "").replace('"remark"]', '"remark", "number"]')
    with pytest.raises(Misconfigured) as refused:
        compile_mapping("m", text)
    assert refused.value.code == "unfilled_field"
    assert compile_mapping("m", 'direction = "say"\n' + text).direction == "say"


def test_repeated_element_with_two_kinds_needs_a_discriminator() -> None:
    second = '\n[[each]]\nwire = "rejected"\nto = "rejected"\nfields = []\n'
    with pytest.raises(Misconfigured) as refused:
        compile_mapping("m", WHOLE + second)
    assert refused.value.code == "duplicate_wire"


def test_fragments_bring_fields_and_codes() -> None:
    fields = '{ wire = "F", to = "result", codes = { 1 = "finished", 2 = "refused" } },'
    fragment = 'fields = [{ wire = "F", to = "result", codes = "r" }]\n'
    fragment += '[codes]\nr = { 8 = "finished", 9 = "refused" }\n'
    text = 'include = ["shared"]\n' + SPECIAL.replace(fields, "")
    mapping = compile_mapping("m", text, {"shared.fragment.toml": fragment}.__getitem__)
    assert {"A", "F", "G"} <= set(mapping.places.fields.values())

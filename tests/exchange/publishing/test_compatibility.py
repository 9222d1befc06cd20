"""Breaking changes are found: by example for each rule of docs/wire.md §10, and planted anywhere."""

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canonical.messages import PAYLOADS
from exchange.publishing.compatibility import compare
from exchange.publishing.jsonschemas import message_schemas
from exchange.publishing.versions import declared

Schema = dict[str, Any]
SCHEMAS = {kind: one for kind, one in message_schemas(declared().rules).items() if kind in PAYLOADS}
BASE: Schema = {
    "$defs": {
        "Part": {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}, "required": ["n"]}
    },
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 10},
        "code": {"type": "string", "enum": ["a", "b"]},
        "number": {"type": "string", "pattern": "^[0-9]+$"},
        "note": {"anyOf": [{"type": "string", "maxLength": 5}, {"type": "null"}], "default": None},
        "parts": {"type": "array", "items": {"$ref": "#/$defs/Part"}, "minItems": 1, "maxItems": 9},
    },
    "required": ["name", "code"],
}


def changed(change: Callable[[Schema], object]) -> Schema:
    schema = copy.deepcopy(BASE)
    change(schema)
    return schema


def member(name: str, **keys: Any) -> Callable[[Schema], object]:
    return lambda schema: schema["properties"][name].update(keys)


# (change, what it breaks for senders, what it breaks for readers)
CASES: dict[str, tuple[Callable[[Schema], object], bool, bool]] = {
    "nothing": (lambda s: None, False, False),
    "words": (lambda s: s.update(title="x", description="y"), False, False),
    "optional member": (lambda s: s["properties"].update(new={"type": "string"}), False, False),
    "required member": (
        lambda s: (s["properties"].update(new={"type": "string"}), s["required"].append("new")), True, False,
    ),
    "member removed": (lambda s: s["properties"].pop("note"), True, True),
    "newly required": (lambda s: s["required"].append("number"), True, False),
    "no longer required": (lambda s: s["required"].remove("code"), False, True),
    "code added": (member("code", enum=["a", "b", "c"]), False, True),
    "code removed": (member("code", enum=["a"]), True, False),
    "codes open": (lambda s: s["properties"]["code"].pop("enum"), False, True),
    "codes closed": (member("number", enum=["1"]), True, False),
    "longer": (member("name", maxLength=11), False, True),
    "shorter": (member("name", maxLength=9), True, False),
    "may be empty": (member("name", minLength=0), False, True),
    "least length": (member("name", minLength=2), True, False),
    "unbounded": (lambda s: s["properties"]["name"].pop("maxLength"), False, True),
    "pattern changed": (member("number", pattern="^[0-9a-f]+$"), True, True),
    "pattern gone": (lambda s: s["properties"]["number"].pop("pattern"), False, True),
    "pattern new": (member("name", pattern="^x"), True, False),
    "null allowed": (
        lambda s: s["properties"].update(code={"anyOf": [s["properties"]["code"], {"type": "null"}]}),
        False, True,
    ),
    "null refused": (lambda s: s["properties"].update(note={"type": "string", "maxLength": 5}), True, False),
    "optional shorter": (
        lambda s: s["properties"]["note"]["anyOf"][0].update(maxLength=4), True, False,
    ),
    "other type": (member("name", type="integer"), True, True),
    "more types": (member("name", type=["string", "integer"]), False, True),
    "deep minimum": (lambda s: s["$defs"]["Part"]["properties"]["n"].update(minimum=2), True, False),
    "deep looser": (lambda s: s["$defs"]["Part"]["properties"]["n"].update(minimum=0), False, True),
    "deep required": (
        lambda s: (
            s["$defs"]["Part"]["properties"].update(m={"type": "string"}),
            s["$defs"]["Part"]["required"].append("m"),
        ),
        True, False,
    ),
    "fewer entries": (member("parts", maxItems=8), True, False),
    "more entries": (member("parts", maxItems=10), False, True),
    "empty list": (member("parts", minItems=0), False, True),
    "rule came": (lambda s: s.update(allOf=[{"required": ["note"]}]), True, False),
    "open to members": (lambda s: s.update(additionalProperties=True), False, True),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_each_rule_by_direction(name: str) -> None:
    change, sent, received = CASES[name]
    new = changed(change)
    assert bool(compare(BASE, new, "sent")) is sent, compare(BASE, new, "sent")
    assert bool(compare(BASE, new, "received")) is received, compare(BASE, new, "received")
    assert bool(compare(BASE, new)) is (sent or received)


def test_a_rule_that_goes_breaks_readers() -> None:
    with_rule = {**BASE, "allOf": [{"required": ["note"]}]}
    assert compare(with_rule, BASE, "sent") == []
    assert compare(with_rule, BASE, "received") == [": a rule went"]


def test_a_breaking_change_names_its_place() -> None:
    new = changed(lambda s: s["$defs"]["Part"]["properties"]["n"].update(minimum=2))
    assert compare(BASE, new) == ["/parts[]/n: minimum narrowed"]
    assert compare(BASE, changed(lambda s: s["properties"].pop("code")), "sent") == ["/code: removed"]


@pytest.mark.parametrize("kind", SCHEMAS)
def test_a_schema_is_compatible_with_itself(kind: str) -> None:
    assert compare(SCHEMAS[kind], json.loads(json.dumps(SCHEMAS[kind]))) == []


def objects(schema: Schema) -> Iterator[Schema]:
    """The schema and every definition it uses."""
    yield schema
    yield from schema.get("$defs", {}).values()


def values(schema: Schema) -> Iterator[Schema]:
    """The schema of every value, those that may be null opened, lists as well as their entries."""
    for one in objects(schema):
        for value in one["properties"].values():
            for kind in value.get("anyOf", [value]):
                if kind.get("type") != "null":
                    yield kind
                if isinstance(kind.get("items"), dict):
                    yield kind["items"]


Plant = Callable[[Schema, st.DataObject], None]


def _remove_member(schema: Schema, data: st.DataObject) -> None:
    one = data.draw(st.sampled_from([one for one in objects(schema) if one["properties"]]))
    name = data.draw(st.sampled_from(sorted(one["properties"])))
    del one["properties"][name]
    one["required"] = [other for other in one.get("required", []) if other != name]


def _require(schema: Schema, data: st.DataObject) -> None:
    one = data.draw(st.sampled_from(list(objects(schema))))
    one["properties"]["brand_new"] = {"type": "string"}
    one.setdefault("required", []).append("brand_new")


def _narrow(schema: Schema, data: st.DataObject) -> None:
    value = data.draw(st.sampled_from(list(values(schema))))
    if "enum" in value:
        value["enum"] = value["enum"][1:] or ["nothing else"]
    elif value.get("type") == "string":
        value["maxLength"] = value.get("maxLength", 10**6) - 1
    elif value.get("type") == "integer":
        value["minimum"] = value.get("minimum", -(10**6)) + 1
    elif value.get("type") == "array":
        value["minItems"] = value.get("minItems", 0) + 1
    else:
        value["type"] = "string"
        value.pop("$ref", None)


def _retype(schema: Schema, data: st.DataObject) -> None:
    value = data.draw(st.sampled_from(list(values(schema))))
    kind = value.get("type", "object")
    value.pop("$ref", None)
    value["type"] = data.draw(st.sampled_from(sorted({"string", "integer", "boolean", "array"} - {kind})))


@pytest.mark.parametrize(
    "plant", [_remove_member, _require, _narrow, _retype], ids=lambda plant: plant.__name__
)
@settings(max_examples=60, deadline=None)
@given(kind=st.sampled_from(sorted(SCHEMAS)), data=st.data())
def test_planted_breaking_changes_are_found(plant: Plant, kind: str, data: st.DataObject) -> None:
    broken = copy.deepcopy(SCHEMAS[kind])
    plant(broken, data)
    assert compare(SCHEMAS[kind], broken, "sent") != []


@settings(max_examples=60, deadline=None)
@given(kind=st.sampled_from(sorted(SCHEMAS)), data=st.data())
def test_what_narrows_for_senders_widens_back_for_readers(kind: str, data: st.DataObject) -> None:
    narrow = copy.deepcopy(SCHEMAS[kind])
    _narrow(narrow, data)
    assert compare(narrow, SCHEMAS[kind], "received") != []


@settings(max_examples=60, deadline=None)
@given(kind=st.sampled_from(sorted(SCHEMAS)), data=st.data())
def test_additions_break_nobody(kind: str, data: st.DataObject) -> None:
    grown = copy.deepcopy(SCHEMAS[kind])
    one = data.draw(st.sampled_from(list(objects(grown))))
    one["properties"]["brand_new"] = {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None}
    assert compare(SCHEMAS[kind], grown) == []

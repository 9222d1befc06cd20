"""Messages judged by the published schemas: what the hub writes is valid, planted mistakes are not."""

import copy
import json
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from jsonschema import Draft202012Validator
from lxml import etree
from pydantic import ValidationError
from referencing import Registry, Resource

from canonical.messages import PAYLOADS, Message
from exchange.mapping import house
from exchange.publishing.contracts import Contract
from tests.adapters.strategies import payloads

KINDS = list(PAYLOADS)
FEW = settings(
    max_examples=10, deadline=None, derandomize=True, database=None,
    phases=[Phase.generate], suppress_health_check=list(HealthCheck),
)  # fmt: skip
NS = "{urn:tongban:message:1}"
Documents = dict[str, Any]
Published = dict[str, Contract]


@pytest.fixture(scope="module")
def envelope(documents: Documents) -> Draft202012Validator:
    """The whole document's schema, its neighbours at hand as the files lie."""
    schemas = {name.rpartition("/")[2]: one for name, one in documents.items() if name.startswith("schemas/")}
    registry: Any = Registry().with_resources((n, Resource.from_contents(one)) for n, one in schemas.items())
    return Draft202012Validator(schemas["message.v1.json"], registry=registry)


@pytest.fixture(scope="module")
def xsd(published: Published) -> Callable[[str], etree.XMLSchema]:
    return cache(lambda kind: etree.XMLSchema(etree.fromstring(published[f"xsd/{kind}.xsd"].body)))


def message(kind: str, payload: Any) -> Message:
    return Message(
        message_id="m-00000001",
        type=kind,
        sender="bureau-a",
        sent_at="2026-11-22T09:30:00+08:00",
        payload=payload,
    )


@cache
def samples(kind: str) -> list[Any]:
    """Some payloads, made once: what is generated costs more than what is checked."""
    found: list[Any] = []

    @FEW
    @given(payloads(PAYLOADS[kind]))
    def collect(payload: Any) -> None:
        found.append(payload)

    collect()
    return found


def sample(kind: str) -> Any:
    """The one with most members."""
    return max(
        samples(kind), key=lambda one: len(list(places(one.model_dump(mode="json", exclude_none=True))))
    )


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_hub_writes_is_valid(
    kind: str, envelope: Draft202012Validator, xsd: Callable[[str], etree.XMLSchema]
) -> None:
    schema = xsd(kind)
    for payload in samples(kind):
        one = message(kind, payload)
        assert [error.message for error in envelope.iter_errors(json.loads(house.write_json(one)))] == []
        wire = etree.fromstring(house.bytes_of(house.write_xml(one)))
        assert schema.validate(wire), schema.error_log
        assert house.read_xml(etree.tostring(wire)) == one


def leaves(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value of a document."""
    parts = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for name, below in parts:
        yield from leaves(below, (*path, name))
    if not isinstance(node, dict | list):
        yield path


def places(content: Any) -> Iterator[tuple[Any, ...]]:
    """One path of each kind: of a list's entries the first that has it."""
    seen = set()
    for path in leaves(content):
        kind = tuple(part for part in path if not isinstance(part, int))
        if kind not in seen:
            seen.add(kind)
            yield path


def parent_of(tree: Any, path: tuple[Any, ...]) -> Any:
    for part in path[:-1]:
        tree = tree[part]
    return tree


def mutants(content: Any) -> Iterator[Any]:
    """The payload with one thing changed at one place: gone, of another type, empty, null, far too long, or
    one member more."""
    for path in places(content):
        for plant in ("", "null", "x" * 5000, "no_such_code", 10**17, -1, True, {"a": "b"}, ["a"], None, ...):
            changed = copy.deepcopy(content)
            holder = parent_of(changed, path)
            if plant is ...:
                del holder[path[-1]]
            else:
                holder[path[-1]] = plant
            yield changed
    yield {**content, "no_such_member": "x"}


def accepted(kind: str, content: Any) -> bool:
    try:
        PAYLOADS[kind].model_validate_json(json.dumps(content), strict=True)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize("kind", KINDS)
def test_json_schema_refuses_what_the_model_refuses(kind: str, documents: Documents) -> None:
    """As strict as the model, but for check characters and sums, which no schema can say."""
    validator = Draft202012Validator(documents[f"schemas/{kind}.json"])
    content = json.loads(sample(kind).model_dump_json(exclude_none=True))
    refused = 0
    for changed in mutants(content):
        valid = validator.is_valid(changed)
        assert accepted(kind, changed) <= valid, changed
        if not valid:
            refused += 1
        elif not accepted(kind, changed):
            assert changed.keys() == content.keys() and kind in ONLY_WORDS, changed
    assert refused >= 5 * len(list(places(content)))


ONLY_WORDS = {"case.attached.v1", "fee.requested.v1"}
"""Messages with a rule that only words can say."""


@pytest.mark.parametrize("kind", KINDS)
def test_xsd_refuses_what_the_model_refuses(kind: str, xsd: Callable[[str], etree.XMLSchema]) -> None:
    """Text planted in every element; what the model takes, the schema takes, and the other way round."""
    schema = xsd(kind)
    root = house.write_xml(message(kind, sample(kind)))
    refused = planted = 0
    elements = {tuple(map(str, _way(one))): one for one in root.find(f"{NS}payload").iter() if len(one) == 0}
    for place in elements.values():
        for text in (
            "",
            "null",
            "x" * 5000,
            "no_such_code",
            "1e3",
            "01",
            "nul",
            "nullx",
            "2026-02-30",
            "ok\rno",
        ):
            kept, place.text = place.text, text
            wire = etree.fromstring(etree.tostring(root))
            told = _accepted_xml(wire)
            place.text = kept
            planted += 1
            if told is not None:
                assert schema.validate(wire) == told, (place.tag, text, told, schema.error_log)
                refused += not told
    assert refused >= planted / 10
    assert schema.validate(root)


BEYOND = ("sum of the lines", "base64", "SHA-256", "required here", "only the approving")
"""What XSD 1.0 cannot say: rules across members."""


def _way(element: Any) -> list[str]:
    return [element.tag, *(one.tag for one in element.iterancestors())]


def _accepted_xml(wire: Any) -> bool | None:
    """Whether the hub takes the document; None where a rule across members decides."""
    try:
        house.read_xml(etree.tostring(wire))
    except house.DocumentRefused as refused:
        return None if any(word in one.detail for word in BEYOND for one in refused.errors) else False
    return True


def test_xsd_refuses_structures(xsd: Callable[[str], etree.XMLSchema]) -> None:
    def changed(change: Callable[[Any, Any], object]) -> bool:
        root = house.write_xml(message("case.supplemented.v1", sample("case.supplemented.v1")))
        change(root, root.find(f"{NS}payload"))
        return bool(xsd("case.supplemented.v1").validate(root))

    assert changed(lambda root, payload: None)
    assert not changed(lambda root, payload: payload.remove(payload.find(f"{NS}received_by")))
    assert not changed(lambda root, payload: etree.SubElement(payload, f"{NS}more"))
    assert not changed(lambda root, payload: payload.append(copy.deepcopy(payload.find(f"{NS}received_by"))))
    assert not changed(lambda root, payload: [payload.remove(m) for m in payload.findall(f"{NS}materials")])
    assert not changed(lambda root, payload: root.set("Id", "1 2"))
    assert not changed(lambda root, payload: root.set("Other", "x"))
    assert not changed(lambda root, payload: setattr(root.find(f"{NS}type"), "text", "case.step.v1"))
    signed = "{http://www.w3.org/2000/09/xmldsig#}Signature"
    assert changed(lambda root, payload: etree.SubElement(root, signed))
    assert not changed(lambda root, payload: [etree.SubElement(root, signed) for _ in range(2)])


@pytest.mark.parametrize("kind", KINDS)
def test_rules_across_members_are_told(kind: str, documents: Documents) -> None:
    """Every optional member left out in turn: model and schema agree, so no rule is kept silent."""
    validator = Draft202012Validator(documents[f"schemas/{kind}.json"])
    rules = [one for one in PAYLOADS[kind].__pydantic_decorators__.model_validators if one.startswith("_")]
    assert bool(rules) <= ("allOf" in documents[f"schemas/{kind}.json"] or kind in ONLY_WORDS)

    for payload in samples(kind):
        content = json.loads(payload.model_dump_json(exclude_none=True))
        for name in content:
            less = {key: value for key, value in content.items() if key != name}
            assert accepted(kind, less) == validator.is_valid(less), name


def test_receipts_are_valid(documents: Documents, published: Published) -> None:
    """The receipt of docs/wire.md §7, as JSON and as the XML answer."""
    ledger = {
        "origin": "tongban.example/log",
        "entry": 17,
        "leaf_hash": "q83v",
        "checkpoint": "a\n17\nb\n\n— a b\n",
    }
    receipt = {
        "v": 1,
        "status": "accepted",
        "code": "ok",
        "message_id": "m-00000001",
        "type": "case.accepted.v1",
        "sender": "bureau-a",
        "receiver": "hub",
        "received_at": "2026-11-22T09:30:00+08:00",
        "digest": "0" * 64,
        "case_no": "4414990000002026112200000014",
        "ledger": ledger,
    }
    fault = {"path": "payload/a", "code": "bad_value", "detail": ""}
    before = {key: value for key, value in receipt.items() if key != "ledger"}
    refused = {**before, "status": "refused", "code": "bad_value", "errors": [fault] * 2, "ledger": ledger}
    validator = Draft202012Validator(documents["schemas/receipt.v1.json"])
    schema = etree.XMLSchema(etree.fromstring(published["xsd/receipt.v1.xsd"].body))
    for one in (receipt, refused):
        assert validator.is_valid(one)
        assert schema.validate(house.receipt_xml(one)), schema.error_log
    assert not validator.is_valid({**receipt, "status": "taken"})
    assert not schema.validate(house.receipt_xml({**receipt, "status": "taken"}))
    assert schema.validate(house.receipt_xml({"status": "refused", "code": "bad_request"}))

"""The OpenAPI documents of partners' contracts, and our samples and words held against them by jsonschema."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from exchange.mapping.refusal import DocumentRefused
from tests.adapters import samples
from tests.adapters.samples import ADAPTERS, shown
from tests.adapters.strategies import payloads
from tests.adapters.test_every_adapter import CONTEXT

DOCUMENTS = sorted(ADAPTERS.glob("*/contract/openapi.json"))
SPECS: dict[Path, Any] = {path.parents[1]: json.loads(path.read_text("utf-8")) for path in DOCUMENTS}


def named(folder: Path, name: str) -> Draft202012Validator | None:
    """The contract's schema of the document of this name; None: the contract does not name it."""
    parts = SPECS[folder]["components"]
    if name not in parts["schemas"]:
        return None
    return Draft202012Validator({"$ref": f"#/components/schemas/{name}", "components": parts})


def complaints(folder: Path, name: str, document: Any) -> list[str]:
    validator = named(folder, name)
    assert validator is not None
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)]


ACCEPTED = [
    path
    for path in samples.ACCEPTED
    if samples.folder_of(path) in SPECS and named(samples.folder_of(path), samples.mapping_of(path).name)
]
SAID = [
    (folder, mapping)
    for folder in SPECS
    for mapping in sorted(
        {doc.mapping for call in samples.adapter(folder).outbound for doc in call.documents}
    )
    if named(folder, mapping) and samples.adapter(folder).mappings[mapping].message
]


@pytest.mark.parametrize("path", DOCUMENTS, ids=shown)
def test_document_is_openapi(path: Path) -> None:
    OpenAPIV31SpecValidator(json.loads(path.read_text("utf-8"))).validate()


def schemas(node: Any) -> Iterator[dict[str, Any]]:
    """Every object schema of a document."""
    if isinstance(node, dict) and "properties" in node and "required" in node:
        yield node
    for below in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from schemas(below)


@pytest.mark.parametrize("path", DOCUMENTS, ids=shown)
def test_what_is_required_is_a_member_the_schema_has(path: Path) -> None:
    found = list(schemas(json.loads(path.read_text("utf-8"))))
    assert found
    assert [set(one["required"]) - set(one["properties"]) for one in found] == [set()] * len(found)


def test_an_answer_of_the_evaluation_system_follows_its_schema() -> None:
    answer = {"C-Response-Desc": "success", "C-Response-Code": "000000", "C-Response-Msg": ""}
    assert complaints(ADAPTERS / "evaluation", "answer", answer) == []
    del answer["C-Response-Code"]
    assert complaints(ADAPTERS / "evaluation", "answer", answer) != []


@pytest.mark.parametrize("path", ACCEPTED, ids=shown)
def test_accepted_sample_follows_the_contracts_schema(path: Path) -> None:
    document = json.loads(path.read_text("utf-8"))
    assert complaints(samples.folder_of(path), samples.mapping_of(path).name, document) == []


@pytest.mark.parametrize(("folder", "name"), SAID, ids=[f"{folder.name}-{name}" for folder, name in SAID])
@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow]
)
@given(data=st.data())
def test_whatever_is_said_follows_the_contracts_schema(folder: Path, name: str, data: st.DataObject) -> None:
    mapping = samples.adapter(folder).mappings[name]
    assert mapping.model is not None
    try:
        said = mapping.say(data.draw(payloads(mapping.model)), CONTEXT)
    except DocumentRefused:
        assume(False)
    assert complaints(folder, name, json.loads(mapping.write(said))) == []


def test_a_sample_with_a_member_more_does_not_follow() -> None:
    path = ADAPTERS / "logistics" / "fixtures" / "accepted" / "track.json"
    document = {**json.loads(path.read_text("utf-8")), "WZZD": "?"}
    assert complaints(ADAPTERS / "logistics", "track", document) != []

"""Schemas derived from mappings: they take what the hub takes and what it says."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from exchange.mapping.conversions import conversions
from exchange.publishing.wire import declaration, document_schema
from exchange.publishing.wirevalues import CONVERSIONS
from tests.adapters.samples import ACCEPTED, MAPPINGS, REFUSED, folder_of, mapping_of, shown

JSON = [path for path in MAPPINGS if declaration(path.parent, path.name.split(".")[0]).form == "json"]
ALWAYS = {"unknown_field", "unknown_code"}
"""Refusals a schema can always tell; conditions, check characters and impossible times it cannot."""


def schema_of(path: Path) -> dict[str, Any]:
    mapping = mapping_of(path)
    return document_schema(
        declaration(folder_of(path), mapping.name), "say" if mapping.direction == "say" else "hear"
    )


def samples(paths: list[Path]) -> list[Path]:
    return [path for path in paths if path.suffix == ".json" and mapping_of(path).form == "json"]


@pytest.mark.parametrize("path", JSON, ids=shown)
def test_every_derived_schema_is_valid(path: Path) -> None:
    spec = declaration(path.parent, path.name.split(".")[0])
    for way in ("hear", "say"):
        Draft202012Validator.check_schema(document_schema(spec, way))


@pytest.mark.parametrize("path", samples(ACCEPTED), ids=shown)
def test_accepted_samples_are_valid(path: Path) -> None:
    errors = Draft202012Validator(schema_of(path)).iter_errors(json.loads(path.read_bytes()))
    assert [(list(error.path), error.message) for error in errors] == []


def test_refused_samples_are_refused_where_a_schema_can_tell() -> None:
    told = 0
    for path in samples(REFUSED):
        try:
            document = json.loads(path.read_bytes())
        except ValueError:
            continue
        refused = not Draft202012Validator(schema_of(path)).is_valid(document)
        assert refused or path.with_suffix(".code").read_text("utf-8").split()[0] not in ALWAYS, shown(path)
        told += refused
    assert told >= 8


def test_every_conversion_is_told() -> None:
    assert set(conversions("json")) - {"text"} == set(CONVERSIONS)


def test_a_step_of_department_a(documents: dict[str, Any]) -> None:
    """adapters/department_a/contract/contract.md, object 3."""
    schema = documents["partners/department_a.step.in.json"]
    members = schema["properties"]
    assert members["SPHJDM"]["enum"] == ["1", "2", "3"]
    assert members["SPHJDM"]["x-meaning"] == {"1": "undertake", "2": "review", "3": "approve"}
    assert members["SPSJ"]["pattern"] == "^(?:[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2})$"
    assert members["SPBZH"] == {"type": "integer", "minimum": 1, "maximum": 1000}
    assert {"SBLSH", "SXBM", "XZQHDM", "SJBBH", "SPHJDM", "SPYJ", "SPBZH"} <= set(schema["required"])
    assert not {"YWLSH", "PDH", "BZ"} & set(schema["required"])
    assert schema["additionalProperties"] is False


def test_delivery_reports_of_the_sms_gateway(documents: dict[str, Any]) -> None:
    """adapters/sms/contract: an array of 1 to 500."""
    schema = documents["partners/sms.report.in.json"]
    assert (schema["type"], schema["minItems"], schema["maxItems"]) == ("array", 1, 500)
    assert schema["items"]["properties"]["reportStatus"]["enum"] == [
        "DELIVRD", "UNDELIV", "EXPIRED", "REJECTD", "MA:0006",
    ]  # fmt: skip
    assert "clientMsgId" not in schema["items"]["required"]


def test_a_wrapped_or_templated_answer(documents: dict[str, Any]) -> None:
    """The bank's callback is answered by code and msg (adapters/fees/adapter.toml)."""
    answers = documents["openapi.json"]["paths"]["/fee/paid"]["post"]["responses"]
    assert answers["200"]["content"]["application/json"]["schema"]["properties"] == {
        "code": {"const": "0"}, "msg": {"const": "success"},
    }  # fmt: skip
    assert answers["409"]["content"]["application/json"]["schema"]["properties"]["code"] == {
        "enum": ["1", "2"]
    }

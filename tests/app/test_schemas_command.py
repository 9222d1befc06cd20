"""`tongban schemas`: valid JSON Schemas that accept what canonical accepts and refuse what it refuses."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from canonical.messages import PAYLOADS

Tongban = Callable[..., Any]
PAYLOAD = {
    "case_no": "441499000000202611220000001X", "item_code": "x", "region": "441499000000", "number": 1,
    "result": "finished", "finished_at": "2026-11-22T09:30:00+08:00",
}  # fmt: skip
MESSAGE = {
    "message_id": "m-00000001", "type": "case.special_finished.v1", "sender": "bureau-a",
    "sent_at": "2026-11-22T09:30:00+08:00",
}  # fmt: skip


@pytest.fixture
def written(tongban: Tongban, tmp_path: Path) -> dict[str, Any]:
    said = tongban("schemas", str(tmp_path / "out"))
    assert (said.code, said.err) == (0, "")
    return {path.name: json.loads(path.read_text("utf-8")) for path in (tmp_path / "out").iterdir()}


def test_every_type_and_the_envelope_are_valid_schemas(written: dict[str, Any]) -> None:
    assert written.keys() == {f"{name}.json" for name in (*PAYLOADS, "message.v1")}
    for name, schema in written.items():
        Draft202012Validator.check_schema(schema)
        assert schema["$id"] == name
        assert schema["additionalProperties"] is False


def test_the_envelope_refers_to_the_payload_of_its_type(written: dict[str, Any]) -> None:
    registry: Any = Registry().with_resources(
        [(name, Resource.from_contents(schema)) for name, schema in written.items()]
    )
    validator = Draft202012Validator(written["message.v1.json"], registry=registry)
    code = "11441400MB2D0000" + "0" * 15
    good = {**MESSAGE, "payload": {**PAYLOAD, "item_code": code}}
    paths = {".".join(map(str, error.path)) for error in validator.iter_errors(good)}
    assert paths <= {"payload.item_code"}
    for change, path in (
        ({"extra": 1}, ""),
        ({"type": "case.unheard.v1"}, "type"),
        ({"message_id": "short"}, "message_id"),
        ({"payload": {**PAYLOAD, "result": "unheard"}}, "payload.result"),
        ({"payload": {**PAYLOAD, "more": 1}}, "payload"),
    ):
        errors = validator.iter_errors({**good, **change})
        assert path in {".".join(map(str, error.path)) for error in errors}, change


def test_wrong_calls(tongban: Tongban, tmp_path: Path) -> None:
    said = tongban("schemas")
    assert (said.code, said.err.count("\n")) == (2, 1)
    (tmp_path / "file").write_text("")
    said = tongban("schemas", str(tmp_path / "file"))
    assert (said.code, said.err.count("\n")) == (1, 1)
    assert said.err.startswith("tongban: file_unusable: ")

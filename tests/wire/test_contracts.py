"""The published contracts over the wire: complete, cacheable, the same bytes as `tongban contracts DIR`."""

import hashlib
import json
from pathlib import Path
from typing import Any

import httpx2
import pytest
import zeep
from jsonschema import Draft202012Validator
from lxml import etree
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.wire.rig import CLIENT, Hub, Identity, application, to_json


def get(hub: Hub, name: str = "", **headers: str) -> "httpx2.Response":
    return CLIENT.get(f"{hub.url}/contracts{name and '/' + name}", headers=headers)


@pytest.fixture(scope="module")
def index(hub: Hub) -> dict[str, Any]:
    return {one["name"]: one for one in get(hub).json()["contracts"]}


def test_the_index_is_the_list(hub: Hub, index: dict[str, Any]) -> None:
    assert get(hub).content == get(hub, "index.json").content
    assert get(hub).headers["content-type"] == "application/json"
    assert {"openapi.json", "asyncapi.json", "hub.wsdl", "hub.xsd"} <= index.keys()
    assert {
        "schemas/case.accepted.v1.json",
        "xsd/case.accepted.v1.xsd",
        "codes/apply_channel.json",
    } <= index.keys()


def test_every_file_is_served_as_written(hub: Hub, index: dict[str, Any], tmp_path: Path) -> None:
    hub.tongban("contracts", str(tmp_path / "out"))
    written = {
        path.relative_to(tmp_path / "out").as_posix(): path for path in (tmp_path / "out").rglob("*.*")
    }
    assert written.keys() == index.keys() | {"index.json"}
    for name, path in written.items():
        answer = get(hub, name)
        assert (answer.status_code, answer.content) == (200, path.read_bytes())
        if name != "index.json":
            assert hashlib.sha256(answer.content).hexdigest() == index[name]["sha256"]
            assert answer.headers["content-type"] == index[name]["media_type"]


def test_a_cache_needs_no_second_body(hub: Hub) -> None:
    first = get(hub, "openapi.json")
    tag = first.headers["etag"]
    assert "max-age=" in first.headers["cache-control"]
    for condition in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = get(hub, "openapi.json", **{"If-None-Match": condition})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert get(hub, "openapi.json", **{"If-None-Match": '"other"'}).status_code == 200
    assert get(hub, "asyncapi.json").headers["etag"] != tag


def test_head_tells_the_size(hub: Hub) -> None:
    for name in ("", "hub.wsdl"):
        whole = get(hub, name)
        head = CLIENT.head(f"{hub.url}/contracts{name and '/' + name}")
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == str(len(whole.content))
        assert head.headers["etag"] == whole.headers["etag"]


@pytest.mark.parametrize(
    "name", ["nothing.json", "../health", "..%2f..%2fetc%2fpasswd", "schemas", "schemas/", "%00"]
)
def test_other_names_are_not_found(hub: Hub, name: str) -> None:
    answer = get(hub, name)
    assert answer.status_code == 404 or (name == "../health" and answer.json() == {"ready": True})


def test_a_partner_can_work_from_what_is_served(hub: Hub, window: Identity) -> None:
    """The WSDL loads from its address with the schema it imports, and is at home here; what the hub takes
    and answers is as the schemas say."""
    client = zeep.Client(f"{hub.url}/contracts/hub.wsdl")
    assert client.service._binding_options["address"] == f"{hub.url}/soap/hub"
    assert list(OpenAPIV31SpecValidator(get(hub, "openapi.json").json()).iter_errors()) == []
    etree.XMLSchema(etree.fromstring(get(hub, "xsd/case.applied.v1.xsd").content))
    sent = application(window.name)
    payload = Draft202012Validator(get(hub, "schemas/case.applied.v1.json").json())
    assert payload.is_valid(sent["payload"])
    answer = hub.send(window, to_json(sent))
    receipt = Draft202012Validator(get(hub, "schemas/receipt.v1.json").json())
    assert (answer.status_code, list(receipt.iter_errors(answer.json()))) == (200, [])
    wrong = application(window.name, payload={"channel": "pigeon"})
    assert not payload.is_valid(wrong["payload"])
    refused = hub.send(window, to_json(wrong))
    problem = get(hub, "openapi.json").json()["components"]["schemas"]["problem"]
    assert refused.status_code == 422
    assert Draft202012Validator(problem).is_valid(json.loads(refused.content))

"""What is published, judged by validators nobody here wrote."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import xmlschema
import zeep
from jsonschema import Draft7Validator, Draft202012Validator
from lxml import etree
from openapi_spec_validator import OpenAPIV31SpecValidator
from xmlschema.extras.wsdl import Wsdl11Document

from canonical.codes import code_list_keys
from canonical.messages import PAYLOADS
from exchange.adapterfolder import Adapter
from exchange.publishing.contracts import Contract
from tests.exchange.publishing.conftest import ADDRESS

ASYNCAPI = Draft7Validator(json.loads((Path(__file__).parent / "asyncapi" / "3.0.0.json").read_text("utf-8")))
Published = dict[str, Contract]
Documents = dict[str, Any]


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def at(document: Any, pointer: str) -> Any:
    for part in pointer.removeprefix("#/").split("/"):
        document = document[part.replace("~1", "/").replace("~0", "~")]
    return document


@pytest.mark.parametrize("name", ["openapi.json", "asyncapi.json"])
def test_every_reference_leads_somewhere(documents: Documents, name: str) -> None:
    found = set(references(documents[name]))
    assert len(found) > 20
    for reference in found:
        assert reference.startswith("#/"), reference
        assert at(documents[name], reference) is not None


def test_openapi_is_valid(documents: Documents) -> None:
    assert documents["openapi.json"]["openapi"] == "3.1.0"
    assert list(OpenAPIV31SpecValidator(documents["openapi.json"]).iter_errors()) == []


def test_the_openapi_validator_finds_planted_mistakes(documents: Documents) -> None:
    for plant in (
        lambda d: d["info"].pop("title"),
        lambda d: d["paths"]["/api/v1/messages"]["post"]["responses"]["200"].pop("description"),
        lambda d: d["paths"]["/health"]["get"].update(operationId="submit"),
        lambda d: d["paths"]["/packages/{token}"]["get"].pop("parameters"),
    ):
        broken = copy.deepcopy(documents["openapi.json"])
        plant(broken)
        assert list(OpenAPIV31SpecValidator(broken).iter_errors()) != []


def test_openapi_names_every_door(documents: Documents, adapters: dict[str, Adapter]) -> None:
    doors = {entry.rest.path for one in adapters.values() for entry in one.inbound if entry.rest}
    own = {
        "/api/v1/messages", "/api/v1/cases/{case_no}", "/health", "/ledger/checkpoint", "/packages/{token}",
        "/contracts", "/contracts/{name}", "/api/v1/publication/items", "/api/v1/publication/items/changes",
        "/api/v1/publication/items/{code}",
    }  # fmt: skip
    assert set(documents["openapi.json"]["paths"]) == doors | own
    assert {"/sms/report", "/fee/paid", "/cert/sealed"} <= doors


def test_asyncapi_is_valid(documents: Documents) -> None:
    assert documents["asyncapi.json"]["asyncapi"] == "3.0.0"
    assert [error.message for error in ASYNCAPI.iter_errors(documents["asyncapi.json"])] == []


def test_the_asyncapi_schema_finds_planted_mistakes(documents: Documents) -> None:
    for plant in (
        lambda d: d["info"].pop("version"),
        lambda d: d["operations"]["receive_house_in"].update(action="take"),
        lambda d: d["channels"]["house_in"]["bindings"]["amqp"].update({"is": "pipe"}),
        lambda d: d["channels"]["house_in"].update(adress="in.{party}"),
    ):
        broken = copy.deepcopy(documents["asyncapi.json"])
        plant(broken)
        assert list(ASYNCAPI.iter_errors(broken)) != []


def test_asyncapi_names_every_queue_and_key(documents: Documents, adapters: dict[str, Adapter]) -> None:
    channels = documents["asyncapi.json"]["channels"]
    said = {(one["bindings"]["amqp"]["is"], one["address"]) for one in channels.values()}
    for adapter in adapters.values():
        assert {("queue", queue.name) for queue in adapter.queues} <= said
        parts = [entry.amqp for entry in (*adapter.inbound, *adapter.outbound) if entry.amqp]
        assert {("routingKey", part.routing_key) for part in parts} <= said
    house = {
        ("routingKey", "in.{party}"),
        ("queue", "tongban.receipt.{party}"),
        ("queue", "tongban.out.{party}"),
    }
    assert house <= said
    for operation in documents["asyncapi.json"]["operations"].values():
        channel = at(documents["asyncapi.json"], operation["channel"]["$ref"])
        names = {message["$ref"].rpartition("/")[2] for message in operation["messages"]}
        assert names <= set(channel["messages"])


def test_every_json_schema_is_valid(documents: Documents) -> None:
    schemas = [one for name, one in documents.items() if name.startswith(("schemas/", "partners/"))]
    assert len(schemas) > len(PAYLOADS) + 2
    for schema in schemas:
        Draft202012Validator.check_schema(schema)
    assert {f"schemas/{kind}.json" for kind in PAYLOADS} <= set(documents)


def test_every_code_list_is_published_with_its_source(documents: Documents) -> None:
    lists = {name: one for name, one in documents.items() if name.startswith("codes/")}
    assert set(lists) == {f"codes/{key}.json" for key in code_list_keys()}
    for one in lists.values():
        assert one.keys() == {"key", "title", "source", "date", "checked", "entries"}
        assert all(entry.keys() == {"code", "name", "label"} for entry in one["entries"])
    assert lists["codes/approval_step.json"]["entries"][2] == {
        "code": "3",
        "name": "approve",
        "label": "批准",
    }


@pytest.mark.parametrize("kind", [*PAYLOADS, "receipt.v1"])
def test_every_xsd_compiles_in_two_implementations(published: Published, kind: str) -> None:
    body = published[f"xsd/{kind}.xsd"].body
    etree.XMLSchema(etree.fromstring(body))
    xmlschema.XMLSchema10(etree.tostring(etree.fromstring(body), encoding="unicode"))


@pytest.fixture(scope="module")
def folder(published: Published, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The contracts as files, as a partner downloads them."""
    root = tmp_path_factory.mktemp("contracts")
    for one in published.values():
        (root / one.name).parent.mkdir(exist_ok=True, parents=True)
        (root / one.name).write_bytes(one.body)
    return root


def test_the_wsdl_is_valid_wsdl_1_1(folder: Path) -> None:
    found = Wsdl11Document(str(folder / "hub.wsdl"))
    assert [name.rpartition("}")[2] for name in found.services] == ["HubService"]
    assert [name.rpartition("}")[2] for name in found.port_types] == ["Hub"]


def test_zeep_reads_the_wsdl_and_builds_a_call(folder: Path) -> None:
    client = zeep.Client(str(folder / "hub.wsdl"))
    assert client.service._binding_options == {"address": f"{ADDRESS}/soap/hub"}
    header = client.get_element("{urn:tongban:hub:1}Exchange")(messageId="m-1", messageType="t", sender="s")
    made = client.create_message(client.service, "Submit", document="<Message/>", _soapheaders=[header])
    [body] = made.iter("{http://schemas.xmlsoap.org/soap/envelope/}Body")
    assert body[0].tag == "{urn:tongban:hub:1}Submit"
    assert body[0][0].text == "<Message/>"


def test_served_services_are_published_at_the_hubs_address(
    folder: Path, published: Published, adapters: dict[str, Adapter]
) -> None:
    served = {f"partners/{one.name}.wsdl": one.served for one in adapters.values() if one.served}
    assert {name for name in published if name.endswith(".wsdl")} == {"hub.wsdl", *served}
    for name, service in served.items():
        client = zeep.Client(str(folder / name))
        assert client.service._binding_options == {"address": ADDRESS + service.path}


def test_the_index_lists_every_file(published: Published, documents: Documents) -> None:
    listed = {one["name"]: one for one in documents["index.json"]["contracts"]}
    assert set(listed) == set(published) - {"index.json"}
    for name, one in listed.items():
        assert (one["sha256"], one["size"]) == (published[name].sha256, len(published[name].body))
        assert one["changes"][0]["version"] == one["version"]
        assert one["changes"][0]["note"]


def test_the_wsdl_schema_finds_planted_mistakes(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "hub.xsd").write_bytes((folder / "hub.xsd").read_bytes())
    for old, new in (
        (b' message="tns:Submit"', b' massage="tns:Submit"'),
        (b'binding="tns:Hub"', b'binding="tns:Nub"'),
    ):
        text = (folder / "hub.wsdl").read_bytes()
        assert old in text
        (tmp_path / "hub.wsdl").write_bytes(text.replace(old, new, 1))
        with pytest.raises(xmlschema.XMLSchemaException, match=r"massage|Nub"):
            Wsdl11Document(str(tmp_path / "hub.wsdl"))

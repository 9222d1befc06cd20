"""One standard, one entry: whatever way a system comes in, its words become published types."""

import json
import re
from collections.abc import Mapping

import pytest

from canonical.messages import PAYLOADS
from exchange.adapterfolder import load_adapters
from exchange.manifest import Inbound
from exchange.publishing.contracts import Contract, contracts
from exchange.publishing.versions import declared

ADDRESS = "https://hub.example.gov.cn"


def told(entry: Inbound, published: Mapping[str, Contract], adapter: str) -> bool:
    """Whether the contract of its protocol names this way in."""
    if entry.rest is not None:
        return entry.rest.path in json.loads(published["openapi.json"].body)["paths"]
    if entry.amqp is not None:
        channels = json.loads(published["asyncapi.json"].body)["channels"].values()
        return entry.amqp.routing_key in {one["address"] for one in channels}
    if entry.soap is not None:
        return f'name="{entry.soap.operation}"' in published[f"partners/{adapter}.wsdl"].body.decode()
    return entry.table is not None or entry.file is not None  # the partner's own: the hub looks there


@pytest.mark.req("S0-21")
def test_every_way_in_is_published_at_one_address_and_ends_in_a_published_type() -> None:
    adapters = load_adapters()
    published = contracts(adapters, ADDRESS, declared())
    listed = {one["name"]: one for one in json.loads(published["index.json"].body)["contracts"]}
    servers = json.loads(published["openapi.json"].body)["servers"]
    assert [one["url"] for one in servers] == ["/"]  # the hub that served the document
    ways = [(name, entry) for name, adapter in adapters.items() for entry in adapter.inbound]
    assert [(name, entry.name) for name, entry in ways if not told(entry, published, name)] == []
    types = {document.type for _, entry in ways for document in entry.documents}
    assert types <= PAYLOADS.keys()
    for kind in PAYLOADS:
        for name in (f"schemas/{kind}.json", f"xsd/{kind}.xsd"):
            assert re.fullmatch(r"1\.\d+", listed[name]["version"]), name
    wsdls = [one.body.decode() for name, one in published.items() if name.endswith(".wsdl")]
    places = {place for text in wsdls for place in re.findall(r'address[^>]* location="([^"]+)"', text)}
    assert len(wsdls) >= 2 and places
    assert all(place.startswith(f"{ADDRESS}/soap/") for place in places)

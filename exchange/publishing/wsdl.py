"""The hub's WSDL beside the XSD it imports, and the services it serves to partners by their own WSDL."""

from __future__ import annotations

import copy

from lxml import etree

from exchange.adapterfolder import Adapter
from exchange.publishing.facets import XS, xs
from exchange.seals.safexml import Element, again
from exchange.transports.soap_server import NAMESPACE, service_description

WSDL, SOAP = "http://schemas.xmlsoap.org/wsdl/", "http://schemas.xmlsoap.org/wsdl/soap/"
_SAYS = (
    "SOAP 1.1 document/literal. Every request and answer, faults included, carries wsse:Security with one "
    "signature over Body, Timestamp, BinarySecurityToken and Exchange (docs/wire.md sections 3 and 5). "
    "document is the house XML of a message as text, its schema xsd/<type>.xsd; receipt is the JSON receipt, "
    "its schema schemas/receipt.v1.json. A refusal is a Fault whose detail holds code, where and receipt."
)


def hub_wsdl(public_url: str, schema_name: str) -> tuple[bytes, bytes]:
    """(WSDL, XSD) of the hub's own SOAP face; the WSDL imports the XSD by `schema_name`."""
    root = again(service_description(public_url))
    types = root.find(f"{{{WSDL}}}types")
    alone = _standalone(types[0])
    types.remove(types[0])
    importing = xs(types, "schema")
    xs(importing, "import", namespace=NAMESPACE, schemaLocation=schema_name)
    says = etree.Element(f"{{{WSDL}}}documentation")
    says.text = _SAYS
    root.insert(0, says)
    return _bytes(root), _bytes(alone)


def _standalone(inline: Element) -> Element:
    """The schema as a document that declares the prefixes its values use."""
    alone = etree.Element(inline.tag, dict(inline.attrib), nsmap={"xs": XS, "tns": NAMESPACE})
    alone.extend(list(copy.deepcopy(inline)))
    return alone


def served_wsdl(adapter: Adapter, public_url: str) -> bytes | None:
    """The service the hub serves to a partner, at the hub's address; None when it serves none."""
    if adapter.served is None:
        return None
    root = again((adapter.folder / adapter.served.wsdl).read_bytes())
    for address in root.iter(f"{{{SOAP}}}address"):
        address.set("location", public_url.rstrip("/") + adapter.served.path)
    return _bytes(root)


def _bytes(root: Element) -> bytes:
    etree.cleanup_namespaces(root, keep_ns_prefixes=["tns", "xs"])
    etree.indent(root)
    return bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8")) + b"\n"

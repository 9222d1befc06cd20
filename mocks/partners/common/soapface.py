"""A SOAP 1.1 face by spyne behind a guard: spyne sees only an envelope rebuilt from checked parts."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any, Final

from lxml import etree
from spyne import Application, Service, Unicode, rpc
from spyne.protocol.soap import Soap11
from spyne.server.wsgi import WsgiApplication
from structlog.types import FilteringBoundLogger

from mocks.partners.common.xmlsig import Element, XmlError, parse

SOAP: Final = "http://schemas.xmlsoap.org/soap/envelope/"
_XS = "http://www.w3.org/2001/XMLSchema"
_WSDL_SOAP = "http://schemas.xmlsoap.org/wsdl/soap/"
_CODECS: Final = {"utf-8": "utf-8-sig", "gbk": "gb18030", "gb2312": "gb18030", "gb18030": "gb18030"}
_DECLARATION = re.compile(
    rb"\A(?:\xef\xbb\xbf)?<\?xml\s[^>]*?encoding\s*=\s*[\"']([A-Za-z0-9._-]{1,40})[\"'][^>]*\?>"
)
_ANY_DECLARATION = re.compile(r"\A<\?xml\s[^>]*\?>")

Operation = Callable[..., str]


class SoapRefusal(Exception):
    """Answered by a SOAP Fault `Client` with this text."""


class ServiceFailed(Exception):
    """An operation ended in an error of its own: answered by a SOAP Fault `Server`, nothing is kept."""


@dataclass(frozen=True)
class Contract:
    """The partner's WSDL as given: namespace, schema and the document itself."""

    wsdl: bytes
    namespace: str
    schema: Any

    @staticmethod
    def read(path: Path) -> Contract:
        """Compiles the schema that lies in the WSDL's types."""
        wsdl = path.read_bytes()
        root = parse(wsdl)
        schema = etree.XMLSchema(etree.fromstring(etree.tostring(root.find(f".//{{{_XS}}}schema"))))
        return Contract(wsdl, str(root.get("targetNamespace")), schema)

    def at(self, url: str) -> bytes:
        """The WSDL with `url` as the service's address."""
        root = parse(self.wsdl)
        root.find(f".//{{{_WSDL_SOAP}}}address").set("location", url)
        return bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8"))


def read_envelope(
    content_type: str, body: bytes, charsets: Sequence[str] = ("utf-8", "gbk", "gb2312", "gb18030"), *,
    huge: bool = False,
) -> Element:  # fmt: skip
    """The envelope of a request, or `SoapRefusal`; charset as labelled, GBK read as GB18030."""
    text = _decode(content_type, body, charsets)
    try:
        envelope = parse(_ANY_DECLARATION.sub("", text).encode(), huge=huge)
    except XmlError as error:
        raise SoapRefusal(str(error)) from error
    except UnicodeEncodeError as error:
        raise SoapRefusal("not well-formed") from error
    if envelope.tag != f"{{{SOAP}}}Envelope":
        raise SoapRefusal("not a SOAP 1.1 envelope")
    if any("href" in node.attrib for node in envelope.iter()):
        raise SoapRefusal("href")
    _require_framing([child.tag for child in envelope])
    return envelope


def _require_framing(tags: list[str]) -> None:
    header, body = f"{{{SOAP}}}Header", f"{{{SOAP}}}Body"
    if tags not in ([body], [header, body]):
        raise SoapRefusal("envelope is not Header and Body")


def _decode(content_type: str, body: bytes, charsets: Sequence[str]) -> str:
    media = Message()
    media["Content-Type"] = content_type or "application/octet-stream"
    if media.get_content_type() != "text/xml":
        raise SoapRefusal("media type")
    if not body:
        raise SoapRefusal("empty body")
    declared = _DECLARATION.match(body)
    label = str(media.get_param("charset") or (declared.group(1).decode() if declared else "utf-8")).lower()
    if label not in charsets:
        raise SoapRefusal("character set")
    try:
        return body.decode(_CODECS[label])
    except UnicodeDecodeError as error:
        raise SoapRefusal("bytes are not in the labelled character set") from error


def require_declared(body: bytes, charset: str) -> None:
    """The XML declaration must name `charset`."""
    declared = _DECLARATION.match(body)
    if declared is None or declared.group(1).decode().lower() != charset:
        raise SoapRefusal(f"XML declaration does not say {charset.upper()}")


def operation_of(envelope: Element, contract: Contract) -> Element:
    """The one child of Body, valid by the contract's schema."""
    children = list(envelope.find(f"{{{SOAP}}}Body"))
    if len(children) != 1:
        raise SoapRefusal("Body has not one child")
    return valid(children[0], contract)


def valid(payload: Element, contract: Contract) -> Element:
    """`payload` itself when the contract's schema allows it."""
    if etree.QName(payload).namespace != contract.namespace or not contract.schema.validate(payload):
        raise SoapRefusal("not an operation of this service")
    return payload


def build_service(
    contract: Contract,
    arguments: Sequence[str],
    result: str,
    operations: Mapping[str, Operation],
    log: FilteringBoundLogger,
) -> WsgiApplication:
    """The spyne application whose operations take `arguments` (strings) and return the string `result`."""
    logging.disable()  # spyne writes whole messages to the standard log: personal data
    methods = {name: _method(name, function, arguments, result, log) for name, function in operations.items()}
    service = type(Service)("PartnerService", (Service,), methods)
    application = Application(
        [service], tns=contract.namespace, in_protocol=Soap11(validator="lxml"), out_protocol=Soap11()
    )
    return WsgiApplication(application)


def _method(
    name: str, function: Operation, arguments: Sequence[str], result: str, log: FilteringBoundLogger
) -> Any:
    def call(_context: Any, *values: str | None) -> str:
        try:
            return function(*(value or "" for value in values))
        except Exception:
            log.exception("service_failed", operation=name)  # spyne answers Server, Internal Error
            raise

    call.__name__ = name
    decorate = rpc(
        *(Unicode for _ in arguments), _args=list(arguments), _returns=Unicode, _out_variable_name=result
    )
    return decorate(call)


def call_service(service: WsgiApplication, payload: Element) -> Element:
    """The answer's one child of Body; `ServiceFailed` when spyne answers a Fault."""
    envelope = etree.Element(f"{{{SOAP}}}Envelope", nsmap={"soap": SOAP})
    etree.SubElement(envelope, f"{{{SOAP}}}Body").append(payload)
    raw = etree.tostring(envelope, xml_declaration=True, encoding="UTF-8")
    answer = parse(b"".join(_wsgi(service, raw))).find(f"{{{SOAP}}}Body")[0]
    if is_fault(answer):
        raise ServiceFailed(answer.findtext("faultstring"))
    return answer


def _wsgi(service: WsgiApplication, raw: bytes) -> Iterable[bytes]:
    environ = {
        "REQUEST_METHOD": "POST", "PATH_INFO": "/", "SCRIPT_NAME": "", "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1",
        "CONTENT_TYPE": "text/xml; charset=utf-8", "CONTENT_LENGTH": str(len(raw)),
        "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(raw),
    }  # fmt: skip
    answer: Iterable[bytes] = service(environ, lambda _status, _headers, _error=None: None)
    return answer


def is_fault(payload: Element) -> bool:
    """Whether the child of Body is a SOAP Fault."""
    return bool(payload.tag == f"{{{SOAP}}}Fault")


def fault(text: str, code: str = "Client") -> Element:
    """A SOAP 1.1 Fault."""
    node = etree.Element(f"{{{SOAP}}}Fault", nsmap={"soap": SOAP})
    etree.SubElement(node, "faultcode").text = f"soap:{code}"
    etree.SubElement(node, "faultstring").text = text
    return node


def envelope_with(payload: Element, header: Element | None = None) -> Element:
    """An envelope around `payload`."""
    envelope = etree.Element(f"{{{SOAP}}}Envelope", nsmap={"soap": SOAP})
    if header is not None:
        etree.SubElement(envelope, f"{{{SOAP}}}Header").append(header)
    etree.SubElement(envelope, f"{{{SOAP}}}Body").append(payload)
    return envelope

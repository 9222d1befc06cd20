"""A SOAP service the hub serves to one partner by the partner's own WSDL: strings in, one string out.

The documents inside the strings carry their own seal; the envelope has none (contracts with XML-DSig).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog
from lxml import etree
from spyne import Application, Fault, Service, Unicode, rpc
from spyne.server import wsgi as spyne_wsgi

from exchange.errors import HubError, Refused, TryLater
from exchange.seals import wssec
from exchange.seals.safexml import Element, parse
from exchange.transports import soap_server as house
from exchange.transports.soap_client import encode

TURN = "tongban.partner_turn"
ADDRESS = "{http://schemas.xmlsoap.org/wsdl/soap/}address"
Serve = Callable[[str, Mapping[str, str]], str]

log = structlog.get_logger()


@dataclass(slots=True)
class _Turn:
    """One request on its way through spyne."""

    serve: Serve
    refusal: HubError | None = None


@dataclass(frozen=True, slots=True)
class Operations:
    """What the partner's WSDL says: operation -> names of its string arguments, and the answer's element."""

    namespace: str
    arguments: Mapping[str, Sequence[str]]
    result: str
    charset: str = "utf-8"  # of the HTTP bodies: utf-8 or gbk


@dataclass(frozen=True, slots=True)
class PartnerService:
    """Answers SOAP 1.1 requests of one partner; safe to share between threads."""

    operations: Operations
    description: bytes  # the partner's WSDL
    serve: Serve
    turned_away: Callable[[bytes, Refused], None]
    _wsgi: Any = field(init=False)

    def __post_init__(self) -> None:
        house.quiet()
        object.__setattr__(self, "_wsgi", _wsgi(self.operations))

    def wsdl(self, address: str) -> bytes:
        """The contract's own description, with the address it is served at."""
        root = parse(self.description)
        for element in root.iter(ADDRESS):
            element.set("location", address)
        text: bytes = etree.tostring(root, xml_declaration=True, encoding="UTF-8")
        return text

    def handle(self, body: bytes, content_type: str | None) -> tuple[int, str, bytes]:
        """(HTTP status, content type, answer): 200 with the result or 500 with an unsealed Fault."""
        turn = _Turn(self.serve)
        try:
            status, envelope = 200, self._answer(turn, body, content_type)
        except HubError as refusal:
            if turn.refusal is None and isinstance(refusal, Refused):
                self.turned_away(body, refusal)
            status, envelope = 500, _fault(refusal)
        except Exception:  # the process boundary: a caller always gets an answer
            log.exception("partner_soap_failed")
            status, envelope = 500, _fault(TryLater("busy", "an unexpected failure; send the same again"))
        charset = self.operations.charset
        codec = "gb18030" if charset == "gbk" else charset
        text = encode(envelope, codec).replace(codec.upper().encode(), charset.upper().encode(), 1)
        return status, f"text/xml; charset={charset.upper()}", text

    def _answer(self, turn: _Turn, body: bytes, content_type: str | None) -> Element:
        envelope = parse(body, charset=house.charset_of(content_type))
        payload = wssec.body_of(envelope)[0]
        house.refuse_unsafe(envelope, payload, frozenset())
        answered, answer = house.run(self._wsgi, wssec.bare(payload.getparent()), {TURN: turn})
        if turn.refusal is not None:
            raise turn.refusal
        if not answered.startswith("200"):
            raise house.spyne_fault(answer)
        return answer


def _wsgi(operations: Operations) -> Any:
    """The spyne application; made by calls because spyne ships no types to inherit from."""
    text = Unicode(min_occurs=1, nullable=False)
    members = {
        name: rpc(
            *(text for _ in arguments), _returns=text, _operation_name=name, _args=list(arguments),
            _out_variable_name=operations.result,
        )(_operation(name, tuple(arguments)))
        for name, arguments in operations.arguments.items()
    }  # fmt: skip
    service = type(Service)("PartnerService", (Service,), members)
    application = Application(
        [service], operations.namespace, name="Partner", in_protocol=house.protocol(validator="lxml"),
        out_protocol=house.protocol(),
    )  # fmt: skip
    return spyne_wsgi.WsgiApplication(application, max_content_length=house.LONGEST_BODY)


def _operation(name: str, arguments: tuple[str, ...]) -> Callable[..., str]:
    def run(ctx: Any, *given: str) -> str:
        turn: _Turn = ctx.transport.req_env[TURN]
        try:
            return turn.serve(name, dict(zip(arguments, given, strict=True)))
        except HubError as refusal:
            turn.refusal = refusal
            raise Fault("Client", refusal.code) from refusal

    run.__name__ = run.__qualname__ = name  # spyne tells operations apart by it
    return run


def _fault(refusal: HubError) -> Element:
    kind = "Server" if isinstance(refusal, TryLater) else "Client"
    envelope = etree.Element(f"{{{wssec.SOAP}}}Envelope", nsmap={"s": wssec.SOAP})
    body = etree.SubElement(envelope, f"{{{wssec.SOAP}}}Body")
    fault = etree.SubElement(body, f"{{{wssec.SOAP}}}Fault")
    etree.SubElement(fault, "faultcode").text = f"s:{kind}"
    etree.SubElement(fault, "faultstring").text = house.shown(f"{refusal.code}: {refusal.detail}")
    return envelope

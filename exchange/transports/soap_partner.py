"""A SOAP service the hub serves to one partner by the partner's own WSDL: strings in, one string out.

The documents inside the strings carry their own seal; the envelope has none (contracts with XML-DSig).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import structlog
from lxml import etree
from spyne import Application, Fault, Service, Unicode, rpc
from spyne.server import wsgi as spyne_wsgi

from exchange.errors import HubError, Refused, TryLater
from exchange.seals import wssec
from exchange.seals.safexml import DECLARATION, LIMITS, Element, codec, parse
from exchange.transports import soap_server as house
from exchange.transports.soap_client import encode

TURN = "tongban.partner_turn"
ADDRESS = "{http://schemas.xmlsoap.org/wsdl/soap/}address"
LONGEST_FILE = 10 * 1024 * 1024  # characters of base64
LARGEST = 2 * house.LONGEST_BODY  # bytes that spyne may see: what the guard lets through is larger as UTF-8
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
    files: Mapping[str, str] = field(default_factory=dict)  # operation -> the argument that holds a file


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

    def handle(self, body: bytes, content_type: str | None, action: str = "") -> tuple[int, str, bytes]:
        """(HTTP status, content type, answer): 200 with the result or 500 with an unsealed Fault. `action`:
        the SOAPAction, "" for none."""
        turn = _Turn(self.serve)
        try:
            status, envelope = 200, self._answer(turn, self._read(body, content_type, action))
        except HubError as refusal:
            if turn.refusal is None and isinstance(refusal, Refused):
                self.turned_away(body, refusal)
            status, envelope = 500, _fault(refusal)
        except Exception:  # the process boundary: a caller always gets an answer
            log.exception("partner_soap_failed")
            status, envelope = 500, _fault(TryLater("busy", "an unexpected failure; send the same again"))
        return status, *self._written(envelope)

    def refuse(self, refusal: Refused) -> tuple[int, str, bytes]:
        """The Fault for what was not even read."""
        self.turned_away(b"", refusal)
        return 500, *self._written(_fault(refusal))

    def _written(self, envelope: Element) -> tuple[str, bytes]:
        charset = self.operations.charset
        known = codec(charset)
        text = encode(envelope, known).replace(known.upper().encode(), charset.upper().encode(), 1)
        return f"text/xml; charset={charset.upper()}", text

    def _read(self, body: bytes, content_type: str | None, action: str) -> Element:
        """The one element of the Body, as far as the contract's framing goes; else Refused."""
        wanted, label = self.operations.charset, house.charset_of(content_type)
        if codec(label) != codec(wanted) or not _declared(body, wanted):
            said = f"label and XML declaration must say {wanted.upper()}"
            raise Refused("bad_media_type", said, "charset")
        limits = (
            replace(LIMITS, size=LIMITS.size + LONGEST_FILE, huge=True) if self.operations.files else LIMITS
        )
        envelope = parse(body, charset=label, limits=limits)
        payload = wssec.body_of(envelope)[0]
        house.refuse_unsafe(envelope, payload, frozenset())
        self._expect_action(payload, action)
        self._expect_size(payload, len(body))
        return payload

    def _expect_action(self, payload: Element, action: str) -> None:
        name = etree.QName(payload)
        if action.strip().strip('"') not in ("", f"{name.namespace}/{name.localname}"):
            raise Refused("bad_request", "it is not that of the operation", "SOAPAction")

    def _expect_size(self, payload: Element, size: int) -> None:
        """A file may be larger than everything else."""
        name = self.operations.files.get(etree.QName(payload).localname, "")
        file = len(payload.findtext(f"{{*}}{name}") or "") if name else 0
        if file > LONGEST_FILE or size - file > LIMITS.size:
            raise Refused("too_large", "the body exceeds 4 MB, or its file 10 MB", name or None)

    def _answer(self, turn: _Turn, payload: Element) -> Element:
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
        [service], operations.namespace, name="Partner",
        in_protocol=house.protocol(huge_tree=bool(operations.files), validator="lxml"),
        out_protocol=house.protocol(),
    )  # fmt: skip
    return spyne_wsgi.WsgiApplication(application, max_content_length=LARGEST)


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


def _declared(body: bytes, charset: str) -> bool:
    """Whether the XML declaration names a character set, which only UTF-8 can do without."""
    found = DECLARATION.match(body[:200].decode("ascii", "replace"))
    return charset == "utf-8" or (found is not None and bool(found[1] or found[2]))


def _fault(refusal: HubError) -> Element:
    kind = "Client" if isinstance(refusal, Refused) else "Server"
    envelope = etree.Element(f"{{{wssec.SOAP}}}Envelope", nsmap={"s": wssec.SOAP})
    body = etree.SubElement(envelope, f"{{{wssec.SOAP}}}Body")
    fault = etree.SubElement(body, f"{{{wssec.SOAP}}}Fault")
    etree.SubElement(fault, "faultcode").text = f"s:{kind}"
    etree.SubElement(fault, "faultstring").text = house.shown(f"{refusal.code}: {refusal.detail}")
    return envelope

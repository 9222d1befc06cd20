"""The hub's SOAP face (docs/wire.md §5): guard, seal, spyne on nothing but signed parts, sealed answer."""

import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from cryptography.x509 import Certificate
from lxml import etree
from spyne import Application, ComplexModel, Fault, Service, Unicode, rpc
from spyne import application as spyne_application
from spyne import const as spyne_const
from spyne.protocol.soap import Soap11, soap11
from spyne.server import wsgi as spyne_wsgi
from spyne.util import appreg

from exchange.errors import HubError, Refused, TryLater
from exchange.seals import wssec
from exchange.seals.keys import SigningKey
from exchange.seals.safexml import Element, again, parse
from exchange.seals.xmldsig import Keyring

NAMESPACE = "urn:tongban:hub:1"
HEADER = f"{{{NAMESPACE}}}Exchange"
MEMBERS = ("messageId", "messageType", "sender")
PATH = "/soap/hub"
CONTENT_TYPE = "text/xml; charset=utf-8"
MEDIA_TYPE = re.compile(r"text/xml\s*(?:;\s*charset\s*=\s*(?:\"([\w.-]+)\"|([\w.-]+))\s*)?", re.ASCII | re.I)
MESSAGE_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
LONGEST_MEMBER = 200  # characters
NOT_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
TURN = "tongban.turn"
LONGEST_BODY = 16 * 1024 * 1024  # bytes that spyne may see: the guard's 4 MB, larger again as UTF-8
ALL_HREF = etree.XPath("boolean(//@*[local-name() = 'href'])")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class SoapCall:
    """One verified call: everything but `body` comes from signed bytes."""

    body: bytes  # as received
    document: str
    message_id: str
    message_type: str
    sender: str
    certificate: Certificate
    fingerprint: bytes  # SHA-256 of the certificate
    created: datetime
    expires: datetime
    signature_digest: bytes  # SHA-256 of the signature value: seen before means replay


@dataclass(frozen=True, slots=True)
class SoapAnswer:
    """What Submit returns; `receipt` is the JSON receipt."""

    status: str
    code: str
    receipt: str


Submit = Callable[[SoapCall], SoapAnswer]
TurnedAway = Callable[[bytes, Refused], None]


@dataclass(slots=True)
class _Turn:
    """One request on its way through spyne."""

    body: bytes
    submit: Submit
    hub: str
    message_id: str = ""  # claimed until `signed` is there
    message_type: str = ""
    signed: wssec.SignedEnvelope | None = None
    refusal: HubError | None = None


class SoapFace:
    """Answers SOAP 1.1 requests; safe to share between threads."""

    def __init__(
        self, public_url: str, submit: Submit, *, key: SigningKey, keyring: Keyring,
        clock: Callable[[], datetime], hub: str = "hub", turned_away: TurnedAway = lambda body, refusal: None,
    ) -> None:  # fmt: skip
        """`turned_away` hears of every refusal made before `submit`: framing, seal or schema."""
        quiet()
        self._turned_away = turned_away
        self._submit, self._key, self._keyring, self._clock, self._hub = submit, key, keyring, clock, hub
        self._wsgi = spyne_wsgi.WsgiApplication(_application(), max_content_length=LONGEST_BODY)
        self._wsdl = _described(self._wsgi, public_url)

    def wsdl(self) -> bytes:
        """The service description with the public address."""
        return self._wsdl

    def handle(self, body: bytes, content_type: str | None) -> tuple[int, str, bytes]:
        """(HTTP status, content type, answer): 200 with the result or 500 with a Fault, always sealed."""
        turn = _Turn(body, self._submit, self._hub)
        try:
            status, envelope = 200, self._answer(turn, content_type)
        except HubError as refusal:
            if turn.refusal is None and isinstance(refusal, Refused):
                self._turned_away(body, refusal)
            status, envelope = 500, _fault(_as_told(refusal), turn)
        except Exception:  # the process boundary: a caller always gets a sealed answer
            log.exception("soap_request_failed")
            status, envelope = (
                500,
                _fault(TryLater("busy", "an unexpected failure; send the same again"), turn),
            )
        wssec.sign(envelope, self._key, header=HEADER, now=self._clock())
        return status, CONTENT_TYPE, etree.tostring(envelope, xml_declaration=True, encoding="UTF-8")

    def _answer(self, turn: _Turn, content_type: str | None) -> Element:
        envelope = parse(turn.body, charset=charset_of(content_type))
        turn.message_id = _claimed_id(envelope)
        _guard(envelope)
        turn.signed = wssec.verify(envelope, self._keyring, header=HEADER, now=self._clock())
        turn.message_id, turn.message_type, _ = _members(turn.signed.header)
        status, answer = run(self._wsgi, wssec.bare(turn.signed.body), {TURN: turn})
        if turn.refusal is not None:
            raise turn.refusal
        if not status.startswith("200"):
            raise spyne_fault(answer)
        return answer


def service_description(public_url: str) -> bytes:
    """The WSDL, its XSD inline, of the face at this public address."""
    return _described(spyne_wsgi.WsgiApplication(_application()), public_url)


def _described(wsgi: Any, public_url: str) -> bytes:
    wsgi.doc.wsdl11.build_interface_document(public_url.rstrip("/") + PATH)
    return _open_headers(wsgi.doc.wsdl11.get_interface_document())


def _as_told(refusal: HubError) -> HubError:
    """A stale time is told as what it may be: a replay (docs/wire.md §8)."""
    return Refused("replay", refusal.detail, refusal.where) if refusal.code == "stale" else refusal


def charset_of(content_type: str | None) -> str | None:
    """The character set of text/xml; Refused bad_media_type for anything else, multipart included."""
    found = MEDIA_TYPE.fullmatch((content_type or "").strip())
    if found is None:
        raise Refused("bad_media_type", "the content type must be text/xml", "Content-Type")
    return found[1] or found[2]


def _guard(envelope: Element) -> None:
    """Refuses what spyne would resolve, ignore or stumble over."""
    _, body = wssec.check_envelope(envelope)
    refuse_unsafe(envelope, body[0], frozenset({wssec.SECURITY, HEADER}))


def refuse_unsafe(envelope: Element, payload: Element, understood: frozenset[str]) -> None:
    """A Fault as request, href attributes, header blocks that must be understood and are not."""
    if payload.tag == f"{{{wssec.SOAP}}}Fault":
        raise Refused("bad_request", "a request cannot be a Fault")
    if ALL_HREF(envelope):
        raise Refused("bad_request", "href is not accepted")
    for block in envelope[0] if len(envelope) > 1 else ():
        must = block.get(f"{{{wssec.SOAP}}}mustUnderstand", "0")
        if must != "0" and block.tag not in understood:
            raise Refused("bad_request", "a header that must be understood is not", str(block.tag)[:100])


def _members(header: Element) -> tuple[str, str, str]:
    """(messageId, messageType, sender) of the signed business header."""
    if [child.tag for child in header] != [f"{{{NAMESPACE}}}{name}" for name in MEMBERS]:
        raise Refused("bad_request", "Exchange must hold messageId, messageType and sender", "Exchange")
    for child in header:
        if len(child) or not 0 < len(child.text or "") <= LONGEST_MEMBER:
            raise Refused(
                "bad_request", "must be a text of 1 to 200 characters", etree.QName(child).localname
            )
    if not MESSAGE_ID.fullmatch(header[0].text):
        raise Refused("bad_request", "must be 8 to 64 characters of A-Z a-z 0-9 . _ -", "messageId")
    return header[0].text, header[1].text, header[2].text


def _claimed_id(envelope: Element) -> str:
    """The message id an unverified request gives itself, only to be repeated to its sender; "" if unfit."""
    text = envelope.findtext(f"{{{wssec.SOAP}}}Header/{HEADER}/{{{NAMESPACE}}}messageId") or ""
    return text if MESSAGE_ID.fullmatch(text) else ""


def run(application: Any, body: bytes, turn: Mapping[str, Any]) -> tuple[str, Element]:
    """Calls spyne in process: (HTTP status, answer envelope)."""
    environ = {
        "REQUEST_METHOD": "POST", "SCRIPT_NAME": "", "PATH_INFO": PATH, "QUERY_STRING": "",
        "SERVER_NAME": "hub", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1", "wsgi.url_scheme": "http",
        "CONTENT_TYPE": CONTENT_TYPE, "CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body),
        **turn,
    }  # fmt: skip
    status: list[str] = []
    answer = b"".join(application(environ, lambda line, headers, error=None: status.append(line)))
    return status[0], again(answer)


def spyne_fault(envelope: Element) -> HubError:
    """What spyne itself refused: the schema of the Body, or an unknown operation."""
    fault = envelope.find(f"{{{wssec.SOAP}}}Body/{{{wssec.SOAP}}}Fault")
    if fault is not None and (fault.findtext("faultcode") or "").rpartition(":")[2].startswith("Client"):
        return Refused("bad_request", (fault.findtext("faultstring") or "")[:500], "Body")
    log.error("soap_operation_failed")
    return TryLater("busy", "an unexpected failure; send the same again")


def _fault(refusal: HubError, turn: _Turn) -> Element:
    """A SOAP 1.1 Fault; Server means that the same bytes may be sent again."""
    kind = "Server" if isinstance(refusal, TryLater) else "Client"
    soap = {"s": wssec.SOAP, "t": NAMESPACE}
    envelope = etree.Element(f"{{{wssec.SOAP}}}Envelope", nsmap=soap)
    header = etree.SubElement(etree.SubElement(envelope, f"{{{wssec.SOAP}}}Header"), HEADER)
    _add(header, NAMESPACE, zip(MEMBERS, (turn.message_id, turn.message_type, turn.hub), strict=True))
    fault = etree.SubElement(etree.SubElement(envelope, f"{{{wssec.SOAP}}}Body"), f"{{{wssec.SOAP}}}Fault")
    _add(fault, "", [("faultcode", f"s:{kind}"), ("faultstring", f"{refusal.code}: {refusal.detail}")])
    receipt = getattr(refusal, "receipt", None)
    members = [("code", refusal.code), ("where", refusal.where), ("receipt", receipt)]
    _add(etree.SubElement(fault, "detail"), "", [(name, text) for name, text in members if text])
    return envelope


def _add(parent: Element, namespace: str, members: Any) -> None:
    for name, text in members:
        tag = f"{{{namespace}}}{name}" if namespace else name
        etree.SubElement(parent, tag).text = shown(text)


def _application() -> Any:
    """The spyne application of one operation; made by calls because spyne ships no types to inherit from."""
    text = Unicode(min_occurs=1, nullable=False)
    exchange = ComplexModel.produce(NAMESPACE, "Exchange", [(name, text) for name in MEMBERS])
    result = ComplexModel.produce(
        NAMESPACE, "SubmitResult", [(name, text) for name in ("status", "code", "receipt")]
    )

    def submit(ctx: Any, document: str) -> Any:
        turn: _Turn = ctx.transport.req_env[TURN]
        ctx.out_header = exchange(messageId=turn.message_id, messageType=turn.message_type, sender=turn.hub)
        answer = _submitted(turn, document)
        return result(status=answer.status, code=answer.code, receipt=answer.receipt)

    operation = rpc(text, _returns=result, _operation_name="Submit")(submit)
    members = {"__in_header__": exchange, "__out_header__": exchange, "Submit": operation}
    service = type(Service)("HubService", (Service,), members)
    return Application(
        [service], NAMESPACE, name="Hub", in_protocol=protocol(validator="lxml"), out_protocol=protocol()
    )


def protocol(*, huge_tree: bool = False, **options: Any) -> Any:
    """SOAP 1.1 with everything off that reaches outside the document; `huge_tree` for what was guarded."""
    return Soap11(
        resolve_entities=False, load_dtd=False, no_network=True, huge_tree=huge_tree, polymorphic=False,
        parse_xsi_type=False, **options,
    )  # fmt: skip


def _submitted(turn: _Turn, document: str) -> SoapAnswer:
    """Runs the pipeline; its refusal is kept as it is, spyne only learns that there was one."""
    signed = turn.signed
    if signed is None:
        raise Fault("Server", "not verified")
    message_id, message_type, sender = _members(signed.header)
    call = SoapCall(
        turn.body, document, message_id, message_type, sender, signed.certificate, signed.fingerprint,
        signed.created, signed.expires, signed.signature_digest,
    )  # fmt: skip
    try:
        return turn.submit(call)
    except HubError as refusal:
        turn.refusal = refusal
        raise Fault("Client", refusal.code) from refusal


def _open_headers(wsdl: bytes) -> bytes:
    """Lets the business header carry wsu:Id, which spyne cannot declare."""
    root = again(wsdl)
    xs = "{http://www.w3.org/2001/XMLSchema}"
    for kind in root.iter(f"{xs}complexType"):
        if kind.get("name") == "Exchange":
            etree.SubElement(kind, f"{xs}anyAttribute", namespace="##other", processContents="lax")
    data: bytes = etree.tostring(root, xml_declaration=True, encoding="UTF-8")
    return data


def quiet() -> None:
    """Silences spyne and spares the collector; done once is enough."""
    _silence_spyne()
    _spare_the_collector()


def shown(text: str) -> str:
    """Text as XML can hold it."""
    return NOT_XML.sub("\ufffd", text)


def _silence_spyne() -> None:
    """These loggers write whole documents or what users sent, which is personal data."""
    for logger in (
        soap11.logger_invalid, spyne_wsgi.logger, spyne_application.logger, spyne_application.logger_client,
        spyne_application.logger_server, appreg.logger,
    ):  # fmt: skip
        logger.disabled = True


def _spare_the_collector() -> None:
    """spyne would collect the whole process's garbage once a second, for files that our calls do not have:
    80 to 150 ms in which the hub answers nobody."""
    spyne_const.MIN_GC_INTERVAL = float("inf")

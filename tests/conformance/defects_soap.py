"""Defects of SOAP partners: XML-DSig on the inner document in GBK, and WS-Security around the envelope."""

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.sax.saxutils import escape, unescape

import httpx2
from lxml import etree

from exchange.seals import wssec, xmldsig
from exchange.seals.dsig import SIGNATURE
from exchange.seals.keys import SigningKey
from exchange.seals.wssec import SECURITY, SOAP
from mocks.conformance.identity import fresh
from mocks.conformance.soapline import PROFILE
from tests.conformance.tamper import Defect, Proxy, Request, Response

STRANGER = fresh("another partner", curve=False)
Change = Callable[[str], str]


def text_of(body: bytes) -> str:
    return body.decode("gb18030", "replace")


def inner_of(body: bytes, name: str) -> str:
    """The string argument or result as text."""
    found = re.search(rf"<(\w+:)?{name}>(.*?)</(\w+:)?{name}>", text_of(body), re.DOTALL)
    if found is None:
        return ""
    text = found[2]
    return text[9:-3] if text.startswith("<![CDATA[") else unescape(text, {"&quot;": '"', "&apos;": "'"})


def with_inner(body: bytes, name: str, inner: str) -> bytes:
    text = text_of(body)
    pattern = rf"(<(?:\w+:)?{name}>)(.*?)(</(?:\w+:)?{name}>)"
    return re.sub(pattern, lambda found: found[1] + escape(inner) + found[3], text, flags=re.DOTALL).encode(
        "gb18030"
    )


def bare(inner: str) -> Any:
    """The inner document's root without any signature; entities are not looked at."""
    root = etree.fromstring(re.sub(r"^<\?xml[^>]*\?>|<!DOCTYPE.*?\]?>", "", inner, flags=re.DOTALL).encode())
    for node in list(root.iter(SIGNATURE)):
        node.getparent().remove(node)
    return root


def signed(root: Any, key: SigningKey) -> str:
    text = etree.tostring(xmldsig.sign(root, key, PROFILE), encoding="unicode")
    return f'<?xml version="1.0" encoding="GBK"?>{text}'


def readable(inner: str) -> bool:
    try:
        bare(inner)
    except etree.XMLSyntaxError:
        return False
    return True


def lax(
    when: Callable[[str], bool], mend: Change = lambda inner: inner
) -> Callable[[Proxy, Request], Response | None]:
    """Inner documents of this kind are taken as if their signature were good."""

    def before(proxy: Proxy, request: Request) -> Response | None:
        inner = mend(inner_of(request.body, "xml")) if when(inner_of(request.body, "xml")) else ""
        if inner and readable(inner):
            request.body = with_inner(request.body, "xml", signed(bare(inner), proxy.memory["hub"]))
        return None

    return before


def algorithm(name: str) -> Callable[[str], bool]:
    return lambda inner: name in inner


def unverified(proxy: Proxy, inner: str) -> bool:
    """A signature is there and does not hold."""
    root = etree.fromstring(re.sub(r"^<\?xml[^>]*\?>", "", inner).encode())
    try:
        xmldsig.verify(
            root, lambda digest: proxy.memory["hub"].certificate, now=datetime.now(UTC), profile=PROFILE
        )
    except Exception as fault:  # noqa: BLE001 - whatever is wrong with it, this partner does not mind
        return "unknown_party" not in str(fault)
    return False


def never_checked(proxy: Proxy, request: Request) -> Response | None:
    inner = inner_of(request.body, "xml")
    if "SignatureValue" in inner and readable(inner) and unverified(proxy, inner):
        request.body = with_inner(request.body, "xml", signed(bare(inner), proxy.memory["hub"]))
    return None


def result(
    change: Callable[[Any], None] = lambda root: None, key: SigningKey | None = None, seal: bool = True
) -> Any:
    """The answer's document changed, and sealed anew by the partner (or another, or nobody)."""

    def after(proxy: Proxy, request: Request, response: Response) -> None:
        inner = inner_of(response.body, "result")
        if not inner:
            return
        root = bare(inner)
        change(root)
        text = signed(root, key or proxy.partner) if seal else etree.tostring(root, encoding="unicode")
        response.body = with_inner(response.body, "result", text)

    return after


def put(name: str, value: str | None) -> Callable[[Any], None]:
    def change(root: Any) -> None:
        node = root.find(name)
        if node is None:
            node = etree.SubElement(root, name)
        if value is None:
            root.remove(node)
        else:
            node.text = value

    return change


def broken_signature(proxy: Proxy, request: Request, response: Response) -> None:
    inner = inner_of(response.body, "result")
    response.body = with_inner(response.body, "result", inner.replace("<CODE>", "<CODE> ", 1))


def new_number(root: Any) -> None:
    if root.find("PAYNOTENO") is not None:
        root.find("PAYNOTENO").text = f"{time.time_ns():020d}"[:20]


def one_number(root: Any) -> None:
    for name, value in (
        ("PAYNOTENO", "1" * 20),
        ("MSGID", "same"),
        ("CASENO", "same"),
        ("CHKNUM", "1111"),
        ("ALLNUM", "1" * 8),
    ):
        if root.find(name) is not None:
            root.find(name).text = value


def says_yes(when: Callable[[str], bool]) -> dict[str, Any]:
    """What should be refused is answered like the last good one."""

    def before(proxy: Proxy, request: Request) -> Response | None:
        last = proxy.memory.get("last")
        return Response(200, dict(last.headers), last.body) if last and when(text_of(request.body)) else None

    def after(proxy: Proxy, request: Request, response: Response) -> None:
        if "000000" in text_of(response.body):
            proxy.memory["last"] = Response(200, dict(response.headers), response.body)

    return {"before": before, "after": after}


def fetches(proxy: Proxy, request: Request) -> Response | None:
    """The parser resolves external entities."""
    found = re.search(r"SYSTEM (?:\"|&quot;)([^\"&]+)", text_of(request.body))
    if found:
        httpx2.get(found[1], trust_env=False)
    return None


def labelled(kind: str) -> Callable[[Proxy, Request, Response], None]:
    def after(proxy: Proxy, request: Request, response: Response) -> None:
        response.headers["content-type"] = kind

    return after


def crash(when: Callable[[str], bool]) -> Callable[[Proxy, Request], Response | None]:
    def before(proxy: Proxy, request: Request) -> Response | None:
        return (
            Response(500, {"content-type": "text/plain"}, b"error") if when(text_of(request.body)) else None
        )

    return before


def fault_with_200(proxy: Proxy, request: Request, response: Response) -> None:
    response.status = 200


def error_page(proxy: Proxy, request: Request, response: Response) -> None:
    response.status, response.body = 200, "<html>系统繁忙</html>".encode("gbk")


def utf8_label_ignored(proxy: Proxy, request: Request) -> Response | None:
    request.put("Content-Type", "text/xml; charset=GBK")
    return None


FEES: tuple[Defect, ...] = (
    Defect(
        "accepts-unsigned",
        ("SEAL-missing",),
        lax(lambda inner: "<FEE" in inner and "SignatureValue" not in inner),
    ),
    Defect("never-verifies", ("SEAL-flipped", "SEAL-altered", "SEAL-garbage"), never_checked),
    Defect("accepts-other-key", ("SEAL-other-key",), never_checked),
    Defect(
        "accepts-doubled-signatures",
        ("SEAL-twice",),
        lax(lambda inner: inner.count("<ds:SignatureValue") == 2),
    ),
    Defect("accepts-sha1", ("SEAL-sha1-digest", "SEAL-sha1-signature"), lax(lambda inner: "sha1" in inner)),
    Defect("accepts-hmac", ("SEAL-hmac",), lax(algorithm("hmac-sha256"))),
    Defect("accepts-xpath", ("SEAL-xpath",), lax(algorithm("REC-xpath"))),
    Defect("accepts-xslt", ("SEAL-xslt",), lax(algorithm("REC-xslt"))),
    Defect(
        "accepts-foreign-references",
        ("SEAL-uri-file", "SEAL-uri-http"),
        lax(lambda inner: 'URI="file:' in inner or 'URI="http' in inner),
    ),
    Defect("accepts-bare-keys", ("SEAL-key-value",), lax(algorithm("KeyValue"))),
    Defect(
        "accepts-without-references",
        ("SEAL-no-reference",),
        lax(lambda inner: "SignatureValue" in inner and "<ds:Reference" not in inner),
    ),
    Defect(
        "takes-signatures-anywhere",
        ("SEAL-first",),
        lax(lambda inner: re.match(r"<\?xml[^>]*\?><FEE><ds:Signature", inner) is not None),
    ),
    Defect("answers-unsealed", ("ANS-seal", "ACC-create_notice"), after=result(seal=False)),
    Defect("answers-sealed-by-another", ("ANS-seal",), after=result(key=STRANGER)),
    Defect("answers-altered-after-sealing", ("ANS-seal",), after=broken_signature),
    Defect("answer-lacks-a-field", ("SCH-create_notice",), after=result(put("PAYNOTENO", None))),
    Defect("answer-has-a-new-field", ("SCH-create_notice",), after=result(put("NEW_FIELD", "新增"))),
    Defect("answer-says-null", ("SCH-create_notice",), after=result(put("PAYNOTENO", "null"))),
    Defect("answer-code-unknown", ("ACC-create_notice",), after=result(put("CODE", "0"))),
    Defect(
        "answer-labelled-utf8", ("HTTP-type", "ACC-create_notice"), after=labelled("text/xml; charset=utf-8")
    ),
    Defect("answer-labelled-json", ("HTTP-type",), after=labelled("application/json")),
    Defect("error-page-with-200", ("ACC-create_notice",), after=error_page),
    Defect("fault-with-200", ("HTTP-status",), after=fault_with_200),
    Defect(
        "ignores-idempotency",
        ("IDM-create_notice-same", "IDM-create_notice-thrice"),
        after=result(new_number),
    ),
    Defect("one-answer-for-all", ("IDM-create_notice-distinct",), after=result(one_number)),
    Defect(
        "takes-other-content",
        ("IDM-create_notice-conflict",),
        **says_yes(lambda text: "PAYER&gt;" in text and "改&lt;" in text),
    ),
    Defect("takes-wrong-sums", ("PRB-sum",), **says_yes(lambda text: "105.01" in text)),
    Defect(
        "takes-fen", ("MON-create_notice-NOTICE/TOTAL",), **says_yes(lambda text: "TOTAL&gt;105&lt;" in text)
    ),
    Defect(
        "takes-negative-amounts",
        ("NEG-create_notice-NOTICE/TOTAL",),
        **says_yes(lambda text: "-105.00" in text),
    ),
    Defect(
        "takes-wrong-dates",
        ("DAT-create_notice-NOTICE/DUE",),
        **says_yes(lambda text: "DUE&gt;2026-11-24" in text),
    ),
    Defect("takes-long-ids", ("LEN-create_notice-HEAD/MSGID",), **says_yes(lambda text: "x" * 51 in text)),
    Defect("takes-doctypes", ("HOS-doctype", "HOS-entity"), **says_yes(lambda text: "<!DOCTYPE" in text)),
    Defect("takes-inner-doctypes", ("HOS-inner-doctype",), **says_yes(lambda text: "&lt;!DOCTYPE" in text)),
    Defect("fetches-external-entities", ("HOS-external", "HOS-inner-external"), fetches),
    Defect("crashes-on-depth", ("HOS-deep",), crash(lambda text: "<a><a><a>" in text)),
    Defect("takes-two-operations", ("HOS-two-operations",), **says_yes(lambda text: "<x/></s:Body>" in text)),
    Defect("takes-wrong-labels", ("CHR-label",), utf8_label_ignored),
    Defect("refuses-cdata", ("ENC-cdata",), crash(lambda text: "<![CDATA[" in text)),
    Defect("believes-declarations", ("ENC-declared",), crash(lambda text: 'encoding="UTF-8"?&gt;' in text)),
    Defect("loses-rare-characters", ("CHR-rare",), crash(lambda text: "㙓" in text)),
)


def resealed(when: Callable[[Request], bool]) -> Callable[[Proxy, Request], Response | None]:
    """WS-Security envelopes of this kind are taken as if their seal were good."""

    def before(proxy: Proxy, request: Request) -> Response | None:
        if when(request):
            envelope = stripped(request.body)
            wssec.sign(
                envelope,
                proxy.memory["hub"],
                header=f"{{{proxy.memory['namespace']}}}CallHeader",
                now=datetime.now(UTC),
            )
            request.body = etree.tostring(envelope, xml_declaration=True, encoding="UTF-8")
        return None

    return before


def stripped(body: bytes) -> Any:
    envelope = etree.fromstring(body)
    header = envelope.find(f"{{{SOAP}}}Header")
    for node in list(header.findall(SECURITY)):
        header.remove(node)
    for node in header[1:]:
        header.remove(node)
    bodies = envelope.findall(f"{{{SOAP}}}Body")
    for node in bodies[1:]:
        envelope.remove(node)
    for node in envelope.iter():
        node.attrib.pop(f"{{{wssec.WSU}}}Id", None)
    return envelope


def holds(text: str) -> Callable[[Request], bool]:
    return lambda request: text.encode() in request.body


def expires(request: Request) -> datetime:
    found = re.search(rb"<wsu:Expires>([^<]+)<", request.body)
    try:
        return datetime.fromisoformat(found[1].decode()) if found else datetime.now(UTC)
    except ValueError:
        return datetime.now(UTC)


def created(request: Request) -> datetime:
    found = re.search(rb"<wsu:Created>([^<]+)<", request.body)
    return datetime.fromisoformat(found[1].decode()) if found else datetime.now(UTC)


def not_signed(part: str) -> Callable[[Request], bool]:
    return lambda request: (
        b"SignatureValue" in request.body
        and f'URI="#tb-{part}"'.encode() not in re.sub(rb"<wsse:Reference[^>]*>", b"", request.body)
    )


def answer(change: Callable[[Any], None], key: SigningKey | None = None, late: float = 0) -> Any:
    def after(proxy: Proxy, request: Request, response: Response) -> None:
        envelope = stripped(response.body)
        change(envelope)
        now = datetime.now(UTC) - timedelta(seconds=late)
        wssec.sign(
            envelope, key or proxy.partner, header=f"{{{proxy.memory['namespace']}}}CallHeader", now=now
        )
        response.body = etree.tostring(envelope, xml_declaration=True, encoding="UTF-8")

    return after


def unsealed(proxy: Proxy, request: Request, response: Response) -> None:
    response.body = etree.tostring(stripped(response.body))


def other_call(envelope: Any) -> None:
    envelope.find(f"{{{SOAP}}}Header")[0][0].text = "00000000-0000-4000-8000-000000000000"


def broken(proxy: Proxy, request: Request, response: Response) -> None:
    response.body = response.body.replace(b"</ds:SignatureValue>", b"AAAA</ds:SignatureValue>").replace(
        b"</SignatureValue>", b"AAAA</SignatureValue>"
    )


WSS: tuple[Defect, ...] = (
    Defect(
        "accepts-unsigned", ("SEAL-missing",), resealed(lambda one: b"BinarySecurityToken" not in one.body)
    ),
    Defect(
        "accepts-without-signature",
        ("SEAL-no-signature",),
        resealed(lambda one: b"BinarySecurityToken" in one.body and b"SignatureValue" not in one.body),
    ),
    Defect(
        "accepts-expired",
        ("SEAL-expired",),
        resealed(lambda one: expires(one) < datetime.now(UTC) - timedelta(seconds=300)),
    ),
    Defect(
        "accepts-future",
        ("SEAL-ahead",),
        resealed(lambda one: created(one) > datetime.now(UTC) + timedelta(seconds=300)),
    ),
    Defect(
        "accepts-long-lives",
        ("SEAL-too-long",),
        resealed(lambda one: expires(one) - created(one) > timedelta(hours=1)),
    ),
    Defect("accepts-unsigned-body", ("SEAL-body-unsigned",), resealed(not_signed("body"))),
    Defect("accepts-unsigned-header", ("SEAL-header-unsigned",), resealed(not_signed("header"))),
    Defect("accepts-unsigned-time", ("SEAL-time-unsigned",), resealed(not_signed("time"))),
    Defect("accepts-wrapping", ("SEAL-wrapped",), resealed(holds("urn:attack"))),
    Defect("accepts-zero-signature", ("SEAL-zero",), resealed(holds("A" * 300))),
    Defect("accepts-two-times", ("SEAL-two-times",), resealed(holds("tb-time-2"))),
    Defect("answers-unsealed", ("ANS-seal",), after=unsealed),
    Defect("answers-sealed-by-another", ("ANS-seal",), after=answer(lambda envelope: None, STRANGER)),
    Defect("answers-of-another-call", ("ANS-seal",), after=answer(other_call)),
    Defect("answers-with-a-late-clock", ("ANS-seal",), after=answer(lambda envelope: None, late=4000)),
    Defect("answers-with-broken-signature", ("ANS-seal",), after=broken),
)

"""The SOAP client against a partner made of http.server and signxml, true and false in every way."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pytest
from lxml import etree
from signxml import XMLSigner, XMLVerifier
from signxml.algorithms import (
    CanonicalizationMethod,
    DigestAlgorithm,
    SignatureConstructionMethod,
    SignatureMethod,
)
from signxml.verifier import SignatureConfiguration

from exchange.errors import HubError, Misconfigured, Refused, Tampered, TryLater
from exchange.seals import dsig
from exchange.seals.xmldsig import XmlDsigProfile
from exchange.transports.soap_client import SoapClient
from exchange.transports.soap_seals import DocumentSeal, WssSeal

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
CATALOG = "http://www.example.gov.cn/xzsp/catalog/1.0"
FEES = "http://www.example.gov.cn/feishui/fee/1.0"
HEADER = f"{{{CATALOG}}}CallHeader"
ROOT = Path(__file__).parents[3]
CATALOG_WSDL = ROOT / "adapters" / "provincial_catalogue" / "contract" / "catalog.wsdl"
FEES_WSDL = ROOT / "adapters" / "fees" / "contract" / "fees.wsdl"
NS = {"s": SOAP, "c": CATALOG, "f": FEES, "ds": dsig.DS}
RESULT = (
    f'<c:GetTokenResponse xmlns:c="{CATALOG}"><c:resultXml>&lt;RESULT&gt;名&lt;/RESULT&gt;</c:resultXml>'
    "</c:GetTokenResponse>"
)
CALL = "8f14e45f-ceea-467f-a1d6-91a1b1c8a001"
DSIG = XmlDsigProfile("", frozenset({dsig.RSA_SHA256}))


@dataclass
class Partner:
    """A server whose answer the test writes: (status, content type, body) from the request's body."""

    answer: Callable[[bytes], tuple[int, str, bytes]] | None = None
    requests: list[bytes] = field(default_factory=list)
    types: list[str] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def partner() -> Iterator[Partner]:
    found = Partner()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.requests.append(body)
            found.types.append(self.headers["Content-Type"])
            assert found.answer is not None
            status, kind, answer = found.answer(body)
            if status == 0:
                self.close_connection = True
                with suppress(BrokenPipeError):
                    self.wfile.write(answer)
                return
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            with suppress(BrokenPipeError):  # a client that will not read an endless answer
                self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            """Silence."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{server.server_address[1]}/service"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield found
    server.shutdown()
    server.server_close()
    thread.join()


@dataclass
class Province:
    """SYS-01 as its contract says, sealed by signxml."""

    keys: Any
    foreign: Any
    key: str = "rsa"
    call_id: str | None = None  # None: the one of the request
    body: str = RESULT
    status: int = 200
    change: Callable[[bytes], bytes] = bytes

    def __call__(self, request: bytes) -> tuple[int, str, bytes]:
        parts = {part.tag: part for part in self.foreign.verify(request, self.keys.ec)}
        number = self.call_id or parts[HEADER].findtext("c:callId", namespaces=NS)
        envelope = etree.fromstring(
            f'<s:Envelope xmlns:s="{SOAP}"><s:Header><c:CallHeader xmlns:c="{CATALOG}">'
            f"<c:callId>{number}</c:callId></c:CallHeader></s:Header><s:Body>{self.body}</s:Body></s:Envelope>"
        )
        self.foreign.sign(envelope, getattr(self.keys, self.key), HEADER, self.keys.now)
        return self.status, "text/xml; charset=utf-8", self.change(etree.tostring(envelope))


def catalog(keys: Any, partner: Partner, **options: Any) -> SoapClient:
    seal = WssSeal(keys.ec, keys.ring.by_digest, lambda: keys.now, HEADER, "callId")
    return SoapClient(CATALOG_WSDL, partner.url, seal, **options)


def get_token(client: SoapClient, call_id: str = CALL, request: str = "<REQ/>") -> str:
    return client.call("GetToken", {"appId": "hub", "token": "", "requestXml": request}, call_id=call_id)


def refusal(client: SoapClient) -> HubError:
    with pytest.raises(HubError) as found:
        get_token(client)
    return found.value


def fault(code: str, text: str) -> str:
    inner = f"<faultcode>s:{code}</faultcode><faultstring>{text}</faultstring>"
    return f'<s:Fault xmlns:s="{SOAP}">{inner}</s:Fault>'


def test_a_sealed_call_and_its_verified_answer(seal_keys: Any, foreign: Any, partner: Partner) -> None:
    partner.answer = Province(seal_keys, foreign)
    done = catalog(seal_keys, partner).exchange(
        "GetToken", {"appId": "hub", "token": "", "requestXml": "<REQ>名 & ü</REQ>"}, call_id=CALL
    )
    assert done.result == done.sealed_result == "<RESULT>名</RESULT>"
    assert partner.types == ["text/xml; charset=utf-8"]
    sent = etree.fromstring(partner.requests[0])
    assert sent.findtext("s:Body/c:GetToken/c:requestXml", namespaces=NS) == "<REQ>名 & ü</REQ>"
    assert sent.findtext("s:Header/c:CallHeader/c:callId", namespaces=NS) == CALL
    assert (done.request, b"RESULT" in done.answer) == (partner.requests[0], True)


def test_threads_share_a_client(seal_keys: Any, foreign: Any, partner: Partner) -> None:
    province = Province(seal_keys, foreign)

    def answer(request: bytes) -> tuple[int, str, bytes]:
        text = etree.fromstring(request).findtext("s:Body/c:GetToken/c:requestXml", namespaces=NS)
        body = province.body.replace("&lt;RESULT&gt;名&lt;/RESULT&gt;", str(text))
        return Province(seal_keys, foreign, body=body)(request)

    partner.answer = answer
    client = catalog(seal_keys, partner)
    with ThreadPoolExecutor(6) as pool:
        found = pool.map(lambda number: get_token(client, f"call-{number:05}", f"text {number}"), range(40))
    assert list(found) == [f"text {number}" for number in range(40)]


def test_signed_faults(seal_keys: Any, foreign: Any, partner: Partner) -> None:
    client = catalog(seal_keys, partner)
    partner.answer = Province(seal_keys, foreign, body=fault("Client", "conflict"), status=500)
    found = refusal(client)
    assert (type(found), found.detail, found.where) == (Refused, "conflict", "Client")
    partner.answer = Province(seal_keys, foreign, body=fault("Server.Busy", "later"), status=500)
    found = refusal(client)
    assert (type(found), found.code, found.detail) == (TryLater, "busy", "later")
    partner.answer = Province(seal_keys, foreign, body=fault("Client", "as 200"))
    assert type(refusal(client)) is Refused


LIES: list[tuple[str, dict[str, Any], str]] = [
    ("stranger with the same name", {"key": "stranger"}, "unknown_party"),
    ("expired certificate", {"key": "expired"}, "certificate_invalid"),
    ("answer to another call", {"call_id": "8f14e45f-0000-0000-0000-000000000000"}, "seal_scope"),
    ("changed after signing", {"change": lambda data: data.replace("名".encode(), "命".encode())
                               .replace(b"&#21517;", b"&#21629;")}, "seal_invalid"),
    ("fault changed after signing", {"body": fault("Client", "x"), "status": 500,
                                     "change": lambda data: data.replace(b":Client", b":Server")},
     "seal_invalid"),
    ("truncated", {"change": lambda data: data[:-9]}, "bad_request"),
    ("DOCTYPE", {"change": lambda data: b"<!DOCTYPE a>" + data}, "bad_request"),
    ("not the contract's element", {"body": f'<c:Other xmlns:c="{CATALOG}"/>'}, "bad_request"),
    ("two results", {"body": RESULT.replace("</c:resultXml>", "</c:resultXml><c:resultXml>b</c:resultXml>")},
     "bad_request"),
    ("no result", {"body": f'<c:GetTokenResponse xmlns:c="{CATALOG}"/>'}, "bad_request"),
]  # fmt: skip


@pytest.mark.parametrize(("changed", "code"), [row[1:] for row in LIES], ids=[row[0] for row in LIES])
def test_answers_that_are_not_the_partners_word(
    seal_keys: Any, foreign: Any, partner: Partner, changed: dict[str, Any], code: str
) -> None:
    partner.answer = Province(seal_keys, foreign, **changed)
    found = refusal(catalog(seal_keys, partner))
    assert (type(found), found.code) == (Tampered, code)


UNSIGNED_FAULT = (
    f'<s:Envelope xmlns:s="{SOAP}"><s:Body>{fault("Client", "no")}</s:Body></s:Envelope>'.encode()
)
UNSEALED: list[tuple[str, int, str, bytes, type[HubError], str]] = [
    ("gateway page", 502, "text/html", b"<html>Bad Gateway</html>", TryLater, "busy"),
    ("plain 500", 500, "text/xml", b"", TryLater, "busy"),
    ("slow down", 429, "text/plain", b"", TryLater, "busy"),
    ("unsigned fault", 500, "text/xml", UNSIGNED_FAULT, Tampered, "seal_missing"),
    ("unsigned fault as 200", 200, "text/xml", UNSIGNED_FAULT, Tampered, "seal_missing"),
    ("login page", 200, "text/html", b"<html/>", Tampered, "bad_media_type"),
    ("not found", 404, "text/html", b"<html/>", Tampered, "bad_media_type"),
    ("redirect", 302, "text/html", b"", Tampered, "bad_media_type"),
    ("nothing", 200, "text/xml", b"", Tampered, "bad_request"),
    ("garbage", 200, "text/xml", b"\xff\xfe\x00", Tampered, "bad_request"),
    ("other XML", 200, "text/xml; charset=utf-8", b"<a/>", Tampered, "bad_request"),
    ("wrong charset", 200, "text/xml; charset=utf-16", b"<a/>", Tampered, "bad_media_type"),
    ("too long", 200, "text/xml", b"<a>" + b"x" * 70_000 + b"</a>", Tampered, "too_large"),
    ("not HTTP", 0, "", b"HELLO\r\n\r\n", TryLater, "busy"),
    ("cut off", 0, "", b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 99\r\n\r\n<a>",
     TryLater, "busy"),
    ("hung up", 0, "", b"", TryLater, "busy"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("status", "kind", "body", "error", "code"),
    [row[1:] for row in UNSEALED],
    ids=[row[0] for row in UNSEALED],
)
def test_answers_without_a_seal(
    seal_keys: Any, partner: Partner, status: int, kind: str, body: bytes, error: type[HubError], code: str
) -> None:
    partner.answer = lambda _: (status, kind, body)
    found = refusal(catalog(seal_keys, partner, longest_answer=65_536))
    assert (type(found), found.code) == (error, code)


def test_nobody_there_and_nobody_answering(seal_keys: Any, partner: Partner) -> None:
    seal = WssSeal(seal_keys.ec, seal_keys.ring.by_digest, lambda: seal_keys.now, HEADER, "callId")
    assert type(refusal(SoapClient(CATALOG_WSDL, "http://127.0.0.1:9/x", seal))) is TryLater
    release = threading.Event()
    partner.answer = lambda _: (0, "", b"late" * release.wait(5))
    began = time.perf_counter()
    found = refusal(catalog(seal_keys, partner, connect_timeout=0.2, read_timeout=0.3))
    release.set()
    assert (type(found), time.perf_counter() - began < 2) == (TryLater, True)


def test_a_chunked_answer_is_read(seal_keys: Any, foreign: Any, partner: Partner) -> None:
    def answer(request: bytes) -> tuple[int, str, bytes]:
        _, kind, data = Province(seal_keys, foreign)(request)
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        parts = [data[at : at + 999] for at in range(0, len(data), 999)]
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
        return 0, "", head + chunks + b"0\r\n\r\n"

    partner.answer = answer
    assert get_token(catalog(seal_keys, partner)) == "<RESULT>名</RESULT>"


@pytest.mark.parametrize(("operation", "arguments"), [
    ("Delete", {"appId": "a", "token": "", "requestXml": ""}), ("GetToken", {"appId": "a"}),
    ("GetToken", {"appId": "a", "token": "", "requestXml": "", "x": ""}),
    ("GetToken", {"appId": "\x00", "token": "", "requestXml": ""}),
])  # fmt: skip
def test_calls_that_do_not_fit_the_description_are_never_sent(
    seal_keys: Any, partner: Partner, operation: str, arguments: dict[str, str]
) -> None:
    with pytest.raises(Refused, match="bad_value"):
        catalog(seal_keys, partner).call(operation, arguments, call_id=CALL)
    assert partner.requests == []


def test_a_missing_or_hostile_description_is_found_at_start(
    seal_keys: Any, partner: Partner, tmp_path: Path
) -> None:
    seal = WssSeal(seal_keys.ec, seal_keys.ring.by_digest, lambda: seal_keys.now, HEADER, "callId")
    hostile = CATALOG_WSDL.read_text("utf-8")
    imported = (
        f'<xs:schema><xs:import namespace="urn:x" schemaLocation="{partner.url}"/></xs:schema></wsdl:types>'
    )
    for name, text in {
        "empty": "", "xml": "<a/>",
        "dtd": hostile.replace("<wsdl:def", "<!DOCTYPE wsdl:definitions><wsdl:def", 1),
        "import": hostile.replace("</wsdl:types>", imported),
    }.items():  # fmt: skip
        (tmp_path / name).write_text(text, "utf-8")
        with pytest.raises(Misconfigured):
            SoapClient(tmp_path / name, partner.url, seal)
    with pytest.raises(Misconfigured):
        SoapClient(tmp_path / "absent", partner.url, seal)


# SYS-05: documents of their own inside, GBK outside.

FEE = "<FEE><HEAD><MSGID>m1</MSGID></HEAD><QUERY><NAME>财政㐂𠮷 &amp;</NAME></QUERY></FEE>"
RET = "<RET><CODE>000000</CODE><MSGID>m1</MSGID><NAME>财政㐂𠮷 &lt;</NAME></RET>"


def fees(keys: Any, partner: Partner) -> SoapClient:
    seal = DocumentSeal(keys.rsa, keys.ring.by_digest, lambda: keys.now, DSIG, charset="gbk")
    return SoapClient(FEES_WSDL, partner.url, seal)


def by_signxml(text: str, key: Any) -> str:
    """The partner's sealed document."""
    signer = XMLSigner(
        method=SignatureConstructionMethod.enveloped,
        signature_algorithm=SignatureMethod.RSA_SHA256,
        digest_algorithm=DigestAlgorithm.SHA256,
        c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0,
    )
    signed = signer.sign(etree.fromstring(text), key=key.private, cert=[key.certificate])
    return str(etree.tostring(signed, encoding="unicode"))


def treasury(
    keys: Any, change: Callable[[str], str] = str, inner: str | None = None
) -> Callable[[bytes], Any]:
    """SYS-05 as its contract says: checks the request's document by signxml, answers in GBK."""

    def answer(request: bytes) -> tuple[int, str, bytes]:
        assert request.startswith(b'<?xml version="1.0" encoding="GBK"?>')
        text = request.decode("gb18030").partition("?>")[2]
        document = etree.fromstring(text).findtext("s:Body/f:QueryNotice/f:xml", namespaces=NS)
        assert document.startswith('<?xml version="1.0" encoding="GBK"?>')
        config = SignatureConfiguration(location="./", expect_references=1)
        found: Any = XMLVerifier().verify(
            etree.fromstring(document.partition("?>")[2]),
            x509_cert=keys.rsa.certificate,
            expect_config=config,
        )
        assert found.signed_xml.findtext("QUERY/NAME") == "财政㐂𠮷 &"
        result = '<?xml version="1.0" encoding="GBK"?>' + change(
            by_signxml(RET, keys.rsa) if inner is None else inner
        )
        return 200, "text/xml; charset=GBK", (
            f'<?xml version="1.0" encoding="GBK"?><s:Envelope xmlns:s="{SOAP}"><s:Body>'
            f'<f:QueryNoticeResponse xmlns:f="{FEES}"><f:result>{escape(result)}</f:result>'
            "</f:QueryNoticeResponse></s:Body></s:Envelope>"
        ).encode("gb18030")  # fmt: skip

    return answer


def query(client: SoapClient) -> str:
    return client.call("QueryNotice", {"xml": FEE}, call_id="m1")


def test_sealed_documents_travel_as_gbk_both_ways(seal_keys: Any, partner: Partner) -> None:
    partner.answer = treasury(seal_keys)
    root = etree.fromstring(query(fees(seal_keys, partner)))
    assert (root.findtext("CODE"), root.findtext("NAME")) == ("000000", "财政㐂𠮷 <")
    assert root.find("ds:Signature", NS) is None
    assert partner.types == ["text/xml; charset=gbk"]
    assert "财政".encode("gbk") in partner.requests[0]


@pytest.mark.parametrize(("changed", "code"), [
    ({"change": lambda text: text.replace("000000", "900010")}, "seal_invalid"),
    ({"inner": RET}, "seal_missing"), ({"inner": "x"}, "bad_request"), ({"inner": ""}, "bad_request"),
    ({"inner": "<!DOCTYPE a><a/>"}, "bad_request"),
])  # fmt: skip
def test_documents_that_are_not_the_partners_word(
    seal_keys: Any, partner: Partner, changed: dict[str, Any], code: str
) -> None:
    partner.answer = treasury(seal_keys, **changed)
    with pytest.raises(Tampered, match=code):
        query(fees(seal_keys, partner))


def test_faults_of_a_service_that_seals_documents_only(seal_keys: Any, partner: Partner) -> None:
    client = fees(seal_keys, partner)
    text = f'<s:Envelope xmlns:s="{SOAP}"><s:Body>{fault("Client", "没有")}</s:Body></s:Envelope>'
    partner.answer = lambda _: (500, "text/xml; charset=gbk", text.encode("gbk"))
    with pytest.raises(Refused, match="没有") as found:
        query(client)
    assert type(found.value) is Refused
    partner.answer = lambda _: (
        500,
        "text/xml; charset=gbk",
        text.replace("s:Client", "s:Server").encode("gbk"),
    )
    with pytest.raises(TryLater):
        query(client)
    with pytest.raises(Refused, match="bad_request"):
        client.call("QueryNotice", {"xml": "not XML"}, call_id="m1")

"""The hub's SOAP face: zeep and signxml as a foreign party; everything malformed ends in a sealed Fault."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
import zeep
from lxml import etree

from exchange.errors import Conflict, Refused, TryLater
from exchange.transports.soap_server import SoapAnswer, SoapCall, SoapFace

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
HUB = "urn:tongban:hub:1"
HEADER = f"{{{HUB}}}Exchange"
NS = {"s": SOAP, "t": HUB}
GOLDEN = Path(__file__).parents[3] / "docs" / "wsdl" / "hub.wsdl"
UTF8 = "text/xml; charset=utf-8"


def plain(document: str = "&lt;Message/&gt;", payload: str | None = None, header: str | None = None) -> str:
    """An unsigned envelope as a party writes it."""
    exchange = (
        "<t:messageId>m-00000001</t:messageId><t:messageType>case.accepted.v1</t:messageType>"
        "<t:sender>bureau</t:sender>"
    )
    body = f"<t:Submit><t:document>{document}</t:document></t:Submit>" if payload is None else payload
    return (
        f'<s:Envelope xmlns:s="{SOAP}" xmlns:t="{HUB}"><s:Header>'
        f"<t:Exchange>{exchange if header is None else header}</t:Exchange></s:Header>"
        f"<s:Body>{body}</s:Body></s:Envelope>"
    )


def names(rows: list[Any]) -> list[str]:
    """The first column, as test ids."""
    return [row[0] for row in rows]


class Hub:
    """A face with a pipeline that records what reaches it."""

    def __init__(self, keys: Any, foreign: Any) -> None:
        self.keys, self.foreign = keys, foreign
        self.calls: list[SoapCall] = []
        self.act: Callable[[SoapCall], SoapAnswer] = lambda call: SoapAnswer("accepted", "ok", '{"v": 1}')
        self.face = SoapFace(
            "http://127.0.0.1:8750",
            self._submit,
            key=keys.rsa,
            keyring=keys.ring.by_digest,
            clock=lambda: keys.now,
        )

    def _submit(self, call: SoapCall) -> SoapAnswer:
        self.calls.append(call)
        return self.act(call)

    def signed(self, text: str, name: str = "ec") -> bytes:
        """The envelope sealed by a foreign party."""
        envelope = self.foreign.sign(etree.fromstring(text), getattr(self.keys, name), HEADER, self.keys.now)
        data: bytes = etree.tostring(envelope)
        return data

    def post(self, data: bytes, content_type: str | None = UTF8) -> tuple[int, Any]:
        """The answer's Body content, after signxml verified the answer with the hub's certificate."""
        status, kind, answer = self.face.handle(data, content_type)
        assert kind == UTF8
        parts = {part.tag: part for part in self.foreign.verify(answer, self.keys.rsa)}
        assert {f"{{{SOAP}}}Body", HEADER} <= parts.keys()
        self.answered = parts[HEADER].findtext("t:messageId", namespaces=NS)
        return status, parts[f"{{{SOAP}}}Body"][0]

    def fault(self, data: bytes, content_type: str | None = UTF8) -> dict[str, str]:
        """The members of the Fault."""
        status, found = self.post(data, content_type)
        assert (status, found.tag) == (500, f"{{{SOAP}}}Fault")
        members = {child.tag: child.text for child in found.find("detail")}
        return {"faultcode": found.findtext("faultcode").partition(":")[2], **members}


@pytest.fixture
def hub(seal_keys: Any, foreign: Any) -> Hub:
    return Hub(seal_keys, foreign)


def test_the_published_description_is_the_committed_one(hub: Hub) -> None:
    assert hub.face.wsdl() == GOLDEN.read_bytes().rstrip(b"\n")
    assert b'location="http://127.0.0.1:8750/soap/hub"' in hub.face.wsdl()


@pytest.mark.parametrize("name", ["ec", "rsa"])
def test_a_signed_document_reaches_the_pipeline_with_who_signed_it(
    hub: Hub, seal_keys: Any, name: str
) -> None:
    data = hub.signed(plain("&lt;Message&gt;名 &amp;amp; C-1&lt;/Message&gt;"), name)
    status, found = hub.post(data)
    assert (status, [part.text for part in found[0]]) == (200, ["accepted", "ok", '{"v": 1}'])
    assert hub.answered == "m-00000001"
    (call,) = hub.calls
    assert call.document == "<Message>名 &amp; C-1</Message>"
    assert (call.message_id, call.message_type, call.sender) == ("m-00000001", "case.accepted.v1", "bureau")
    assert (call.body, call.certificate) == (data, getattr(seal_keys, name).certificate)
    assert (call.created, len(call.signature_digest), len(call.fingerprint)) == (seal_keys.now, 32, 32)


@pytest.mark.parametrize("label", ["gbk", "GB2312", "gb18030"])
def test_a_gbk_request_is_read_as_gb18030(hub: Hub, label: str) -> None:
    text = etree.fromstring(hub.signed(plain("通办㐂𠮷")))
    data = etree.tostring(text, encoding="unicode").encode("gb18030")
    assert hub.post(data, f'text/xml; charset="{label}"')[0] == 200
    declared = f'<?xml version="1.0" encoding="{label}"?>'.encode() + data
    assert hub.post(declared, "text/xml")[0] == 200
    assert {call.document for call in hub.calls} == {"通办㐂𠮷"}


class ForeignTransport(zeep.transports.Transport):  # type: ignore[misc] # zeep is typed in part only
    """zeep whose envelopes are signed by signxml and answered in process."""

    def __init__(self, hub: Hub) -> None:
        super().__init__()
        self.hub = hub

    def post_xml(self, address: str, envelope: Any, headers: Any) -> requests.Response:
        self.hub.foreign.sign(envelope, self.hub.keys.ec, HEADER, self.hub.keys.now)
        status, kind, answer = self.hub.face.handle(etree.tostring(envelope), headers["Content-Type"])
        self.hub.foreign.verify(answer, self.hub.keys.rsa)
        response = requests.Response()
        response.status_code, response._content = status, answer
        response.headers["Content-Type"] = kind
        return response


def zeep_client(hub: Hub) -> Any:
    settings = zeep.Settings(strict=True, forbid_dtd=True, forbid_external=True)
    return zeep.Client(str(GOLDEN), transport=ForeignTransport(hub), settings=settings)


def call(client: Any, number: int, document: str) -> Any:
    header = {"messageId": f"m-{number:08}", "messageType": "case.accepted.v1", "sender": "bureau"}
    return client.service.Submit(document=document, _soapheaders={"Exchange": header})


def test_zeep_strict_calls_by_the_published_description(hub: Hub) -> None:
    answer = call(zeep_client(hub), 7, "<Message>名</Message>")
    assert (answer.body.SubmitResult.status, answer.body.SubmitResult.receipt) == ("accepted", '{"v": 1}')
    assert answer.header.Exchange.messageId == "m-00000007"
    assert hub.calls[0].document == "<Message>名</Message>"


def test_zeep_reads_a_refusal_with_its_receipt(hub: Hub) -> None:
    class WithReceipt(Refused):
        receipt = '{"status": "refused"}'

    def act(_: SoapCall) -> SoapAnswer:
        raise WithReceipt("unknown_field", "no such field: 名\x00", "payload.x")

    hub.act = act
    with pytest.raises(zeep.exceptions.Fault) as fault:
        call(zeep_client(hub), 8, "x")
    assert fault.value.code.endswith(":Client")
    assert {part.tag: part.text for part in fault.value.detail} == {
        "code": "unknown_field", "where": "payload.x", "receipt": '{"status": "refused"}',
    }  # fmt: skip
    assert fault.value.message == "unknown_field: no such field: 名\ufffd"


@pytest.mark.parametrize(("raised", "kind", "code"), [
    (TryLater("busy", "later"), "Server", "busy"),
    (Conflict("conflict", "other content"), "Client", "conflict"),
    (RuntimeError("personal data 13800000000"), "Server", "busy"), (RecursionError(), "Server", "busy"),
    (ValueError("x"), "Server", "busy"),
])  # fmt: skip
def test_what_the_pipeline_raises(hub: Hub, raised: Exception, kind: str, code: str) -> None:
    def act(_: SoapCall) -> SoapAnswer:
        raise raised

    hub.act = act
    found = hub.fault(hub.signed(plain()))
    assert (found["faultcode"], found["code"], hub.answered) == (kind, code, "m-00000001")
    assert b"13800000000" not in hub.face.handle(hub.signed(plain()), UTF8)[2]


def test_fifty_callers_never_get_each_others_answer(hub: Hub) -> None:
    def act(one: SoapCall) -> SoapAnswer:
        if int(one.message_id[2:]) % 5 == 0:
            raise Refused("bad_value", one.document)
        return SoapAnswer("accepted", "ok", one.document)

    def one(number: int) -> bool:
        try:
            answer = call(client, number, f"document {number}")
        except zeep.exceptions.Fault as fault:
            return number % 5 == 0 and str(fault.message) == f"bad_value: document {number}"
        return bool(answer.body.SubmitResult.receipt == f"document {number}")

    hub.act = act
    client = zeep_client(hub)
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(one, range(200)))
    assert len(hub.calls) == 200


def test_an_extra_unsigned_header_is_not_seen(hub: Hub) -> None:
    data = hub.signed(plain()).replace(b"</s:Header>", b"<x:y xmlns:x='urn:x'>evil</x:y></s:Header>")
    assert hub.post(data)[0] == 200
    assert "evil" not in repr(hub.calls[0].document)


FRAMING: list[tuple[str, bytes, str | None, str]] = [
    ("empty", b"", UTF8, "bad_request"),
    ("blank", b"  \n", UTF8, "bad_request"),
    ("not XML", b"hello", UTF8, "bad_request"),
    ("JSON", b'{"a": 1}', "application/json", "bad_media_type"),
    ("JSON as XML", b'{"a": 1}', UTF8, "bad_request"),
    ("no content type", plain().encode(), None, "bad_media_type"),
    ("SOAP 1.2 type", plain().encode(), "application/soap+xml", "bad_media_type"),
    ("MTOM", plain().encode(), 'multipart/related; boundary=x; type="application/xop+xml"', "bad_media_type"),
    ("unknown charset", plain().encode(), "text/xml; charset=klingon", "bad_media_type"),
    ("UTF-16 label", plain().encode("utf-16"), "text/xml; charset=utf-16", "bad_media_type"),
    ("UTF-16 bytes", plain().encode("utf-16"), UTF8, "bad_request"),
    ("not UTF-8", plain("\xff").encode("latin-1"), UTF8, "bad_request"),
    ("NUL", plain("x").replace(">x<", ">\0<").encode(), UTF8, "bad_request"),
    ("two charsets", plain().encode(), "text/xml; charset=utf-8; charset=gbk", "bad_media_type"),
    ("truncated", plain().encode()[:-5], UTF8, "bad_request"),
    ("DOCTYPE", b"<!DOCTYPE a>" + plain().encode(), UTF8, "bad_request"),
    ("external entity", b"<!DOCTYPE a [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>" + plain("&e;").encode(),
     UTF8, "bad_request"),
    ("internal entity", b"<!DOCTYPE a [<!ENTITY e 'x'>]>" + plain("&e;").encode(), UTF8, "bad_request"),
    ("instruction", plain().replace("<s:Body>", "<?x y?><s:Body>").encode(), UTF8, "bad_request"),
    ("not an envelope", b"<a/>", UTF8, "bad_request"),
    ("SOAP 1.2", plain().replace(SOAP, "http://www.w3.org/2003/05/soap-envelope").encode(), UTF8,
     "bad_request"),
    ("no body", f'<s:Envelope xmlns:s="{SOAP}"><s:Header/></s:Envelope>'.encode(), UTF8, "bad_request"),
    ("empty body", plain(payload="").encode(), UTF8, "bad_request"),
    ("two in the body", plain(payload="<t:Submit/><t:Submit/>").encode(), UTF8, "bad_request"),
    ("two bodies", plain().replace("<s:Body>", "<s:Body><x/></s:Body><s:Body>").encode(), UTF8,
     "bad_request"),
    ("Fault as request", plain(payload="<s:Fault><faultcode>x</faultcode></s:Fault>").encode(), UTF8,
     "bad_request"),
    ("href", plain(payload="<t:Submit><t:document href='#x'/></t:Submit>").encode(), UTF8, "bad_request"),
    ("href cycle", plain("<t:a id='x' href='#x'/>").encode(), UTF8, "bad_request"),
    ("must understand", plain().replace("<s:Header>", "<s:Header><x s:mustUnderstand='1'/>").encode(), UTF8,
     "bad_request"),
    ("depth", b"<a>" * 300 + b"</a>" * 300, UTF8, "too_large"),
    ("elements", plain(payload="<t:Submit>" + "<x/>" * 20_001 + "</t:Submit>").encode(), UTF8, "too_large"),
    ("attributes", plain(payload="<x " + " ".join(f"a{n}='1'" for n in range(200_000)) + "/>").encode(), UTF8,
     "too_large"),
    ("namespaces", plain(payload="<x " + " ".join(f"xmlns:a{n}='u'" for n in range(50_000)) + "/>").encode(),
     UTF8, "too_large"),
    ("size", plain("x" * (4 * 1024 * 1024)).encode(), UTF8, "too_large"),
    ("unsigned", plain().encode(), UTF8, "seal_missing"),
    ("no header", f'<s:Envelope xmlns:s="{SOAP}"><s:Body><x/></s:Body></s:Envelope>'.encode(), UTF8,
     "seal_missing"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "content_type", "code"), [row[1:] for row in FRAMING], ids=names(FRAMING))
def test_malformed_requests_get_a_sealed_fault_quickly(
    hub: Hub, data: bytes, content_type: str | None, code: str
) -> None:
    began = time.perf_counter()
    found = hub.fault(data, content_type)
    assert time.perf_counter() - began < 2
    assert (found["faultcode"], found["code"]) == ("Client", code)
    assert "receipt" not in found
    assert hub.calls == []


SIGNED_BUT_WRONG: list[tuple[str, str, str]] = [
    ("unknown operation", plain(payload="<t:Delete><t:document>x</t:document></t:Delete>"), "bad_request"),
    ("no document", plain(payload="<t:Submit/>"), "bad_request"),
    ("nil document", plain(payload='<t:Submit><t:document '
                                   'xmlns:i="http://www.w3.org/2001/XMLSchema-instance" '
                                   'i:nil="true"/></t:Submit>'), "bad_request"),
    ("two documents",
     plain(payload="<t:Submit><t:document>a</t:document><t:document>b</t:document></t:Submit>"),
     "bad_request"),
    ("unknown element", plain(payload="<t:Submit><t:document>a</t:document><t:x/></t:Submit>"),
     "bad_request"),
    ("elements for text", plain("<t:x/>"), "bad_request"),
    ("other namespace", plain(payload='<x:Submit xmlns:x="urn:x"><x:document>a</x:document></x:Submit>'),
     "bad_request"),
    ("no members", plain(header=""), "bad_request"),
    ("members out of order", plain(header="<t:sender>a</t:sender><t:messageId>m-00000001</t:messageId>"
                                          "<t:messageType>x</t:messageType>"), "bad_request"),
    ("short id", plain().replace("m-00000001", "m-1"), "bad_request"),
    ("odd id", plain().replace("m-00000001", "m-0000 0001"), "bad_request"),
    ("empty sender", plain().replace("bureau", ""), "bad_request"),
    ("long sender", plain().replace("bureau", "b" * 201), "bad_request"),
    ("nested sender", plain().replace("bureau", "<t:x>b</t:x>"), "bad_request"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "code"), [row[1:] for row in SIGNED_BUT_WRONG], ids=names(SIGNED_BUT_WRONG))
def test_signed_requests_that_do_not_follow_the_description(hub: Hub, text: str, code: str) -> None:
    assert hub.fault(hub.signed(text))["code"] == code
    assert hub.calls == []


def test_seal_refusals_keep_their_codes(hub: Hub, seal_keys: Any) -> None:
    assert hub.fault(hub.signed(plain(), "stranger"))["code"] == "unknown_party"
    assert hub.answered == "m-00000001"
    assert hub.fault(hub.signed(plain(), "expired"))["code"] == "certificate_invalid"
    assert hub.fault(hub.signed(plain()).replace(b"bureau", b"harbour"))["code"] == "seal_invalid"
    moved = hub.signed(plain()).replace(b'Id="H"', b'Id="h2"')
    assert hub.fault(moved)["code"] == "seal_scope"
    assert hub.calls == []


def test_a_document_of_many_megabytes_of_text_passes(hub: Hub) -> None:
    assert hub.post(hub.signed(plain("x" * 3_900_000)))[0] == 200
    assert len(hub.calls[0].document) == 3_900_000


def test_nothing_of_a_request_is_logged_by_spyne(hub: Hub, caplog: pytest.LogCaptureFixture) -> None:
    hub.fault(hub.signed(plain(payload="<t:Submit><t:secret>13800000000</t:secret></t:Submit>")))
    hub.fault(b"<a>13800000000")
    assert "13800000000" not in caplog.text

"""A partner's SOAP service by itself: forms of its answers, charset of its bodies, and that no exception of
anybody gets out."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from lxml import etree

from exchange.errors import HubError, Misconfigured, Refused, TryLater
from exchange.transports.soap_partner import Operations, PartnerService

SOAP, SPACE = "http://schemas.xmlsoap.org/soap/envelope/", "http://www.example.gov.cn/dept_b/hub/1.0"
WSDL = Path(__file__).resolve().parents[3] / "adapters/department_b/contract/hub_department_b.wsdl"
CALL = (
    '<?xml version="1.0" encoding="{declared}"?><s:Envelope xmlns:s="{soap}"><s:Body>'
    '<PushProcess xmlns="{space}">'
    "<xml>{text}</xml></PushProcess></s:Body></s:Envelope>"
)
Serve = Callable[[str, Mapping[str, str]], str]


def call(text: str, declared: str = "GBK") -> bytes:
    return CALL.format(declared=declared, soap=SOAP, space=SPACE, text=text).encode("gb18030")


class Told(list[tuple[bytes, str]]):
    def __call__(self, body: bytes, refusal: Refused) -> None:
        self.append((body, refusal.code))


def service(serve: Serve, told: Told | None = None, charset: str = "gbk") -> PartnerService:
    operations = Operations(SPACE, {"PushProcess": ("xml",)}, "result", charset)
    return PartnerService(operations, WSDL.read_bytes(), serve, Told() if told is None else told)


def fault_of(body: bytes) -> tuple[str, str]:
    """Code without its prefix, and text; faultcode and faultstring have no namespace in SOAP 1.1 (§4.4)."""
    (fault,) = etree.fromstring(body).iter(f"{{{SOAP}}}Fault")
    return (fault.findtext("faultcode") or "").partition(":")[2], fault.findtext("faultstring") or ""


def test_text_goes_in_and_out_in_gbk() -> None:
    seen: list[tuple[str, Mapping[str, str]]] = []

    def serve(operation: str, given: Mapping[str, str]) -> str:
        seen.append((operation, given))
        return "<RESULT>准予&amp;𠮷</RESULT>"

    status, media, body = service(serve).handle(call("同意㐂&lt;&#x10FFFF;"), "text/xml; charset=GBK")
    assert seen == [("PushProcess", {"xml": "同意㐂<\U0010ffff"})]
    assert (status, media) == (200, "text/xml; charset=GBK")
    assert body.startswith(b'<?xml version="1.0" encoding="GBK"?>')
    assert "准予".encode("gbk") in body
    text = body.decode("gb18030").partition("?>")[2]
    root = etree.fromstring(text)
    assert (
        root.findtext(f".//{{{SPACE}}}PushProcessResponse/{{{SPACE}}}result")
        == "<RESULT>准予&amp;𠮷</RESULT>"
    )


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Refused("bad_value", "x"), "Client"),
        (TryLater("busy", "x"), "Server"),
        (Misconfigured("no_key", "x"), "Server"),
        (KeyError("x"), "Server"),
    ],
)
def test_what_goes_wrong_within_is_a_fault(fault: Exception, code: str) -> None:
    def serve(operation: str, given: Mapping[str, str]) -> str:
        raise fault

    status, _, body = service(serve).handle(call("x"), "text/xml; charset=GBK")
    assert (status, fault_of(body)[0]) == (500, code)
    said = isinstance(fault, HubError)
    assert fault_of(body)[1].startswith(f"{fault.code}: " if said else "busy: ")  # type: ignore[attr-defined] # a HubError


def test_a_refused_envelope_is_told_of_once() -> None:
    told = Told()
    status, _, _ = service(lambda *_: "", told).handle(b"<a", "text/xml; charset=GBK")
    assert (status, told) == (500, [(b"<a", "bad_media_type")])


def test_what_was_not_read_is_a_fault_too() -> None:
    told = Told()
    status, media, body = service(lambda *_: "", told).refuse(Refused("too_large", "more than 14 MB"))
    assert (status, media, fault_of(body)) == (
        500,
        "text/xml; charset=GBK",
        ("Client", "too_large: more than 14 MB"),
    )
    assert told == [(b"", "too_large")]


def test_an_empty_argument_is_an_empty_text() -> None:
    seen: list[str] = []
    service(lambda _, given: seen.append(given["xml"]) or "").handle(call(""), "text/xml; charset=GBK")
    assert seen == [""]


def test_a_service_in_utf_8_needs_no_declaration() -> None:
    body = call("x").partition(b"?>")[2]
    status, media, _ = service(lambda *_: "好", charset="utf-8").handle(body, "text/xml; charset=utf-8")
    assert (status, media) == (200, "text/xml; charset=UTF-8")


def test_the_description_is_the_contracts_with_its_address() -> None:
    told = etree.fromstring(service(lambda *_: "").wsdl("http://hub.example/soap/department_b"))
    kept = etree.fromstring(WSDL.read_bytes())
    for root in (told, kept):
        for one in root.iter("{http://schemas.xmlsoap.org/wsdl/soap/}address"):
            assert one.attrib.pop("location") in (
                "http://hub.example/soap/department_b",
                "http://127.0.0.1/soap/department_b",
            )
    assert etree.tostring(told, method="c14n") == etree.tostring(kept, method="c14n")

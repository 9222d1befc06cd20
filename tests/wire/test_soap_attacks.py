"""Hostile SOAP: each ends in a Fault of its documented code under the hub's seal, and has no effect."""

import base64
import json
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from tests.wire import soapside
from tests.wire.rig import Hub, Identity, application, document, identity
from tests.wire.soapside import DS, MEDIA, NS, PARTS, PATH, SOAP, WRAPPINGS, by_id, call, refused, sealed

# The document that carries the attack is otherwise right and rightly sealed.


def prefixed(text: str) -> Callable[[bytes], bytes]:
    return lambda data: text.encode() + data


def replaced(old: str, new: str) -> Callable[[bytes], bytes]:
    def change(data: bytes) -> bytes:
        assert old.encode() in data
        return data.replace(old.encode(), new.encode(), 1)

    return change


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
BOMB = f'<!DOCTYPE s [<!ENTITY l0 "lol">{LAUGHS}]>'
FILE = '<!DOCTYPE s [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
MANY_ATTRIBUTES = "<s:Header " + " ".join(f'a{n}="1"' for n in range(1000)) + ">"
MANY_NAMESPACES = "<s:Header " + " ".join(f'xmlns:n{n}="u:{n}"' for n in range(2000)) + ">"
XOP = '<i:Include xmlns:i="http://www.w3.org/2004/08/xop/include" href="cid:x"/>'
DEEP = "<a>" * 10_000 + "</a>" * 10_000

HOSTILE: dict[str, tuple[Callable[[bytes], bytes], set[str]]] = {
    "empty": (lambda data: b"", {"bad_request"}),
    "no XML": (lambda data: b"hello", {"bad_request"}),
    "JSON": (lambda data: b"{}", {"bad_request"}),
    "cut short": (lambda data: data[:-20], {"bad_request"}),
    "two envelopes": (lambda data: data + data, {"bad_request"}),
    "doctype": (prefixed("<!DOCTYPE s>"), {"bad_request"}),
    "billion laughs": (
        lambda data: BOMB.encode() + data.replace(b"<s:Header>", b"<s:Header>&l9;", 1),
        {"bad_request"},
    ),
    "quadratic entity": (prefixed(f'<!DOCTYPE s [<!ENTITY q "{"q" * 100_000}">]>'), {"bad_request"}),
    "external entity": (
        lambda data: FILE.encode() + data.replace(b"<s:Header>", b"<s:Header>&x;", 1),
        {"bad_request"},
    ),
    "external DTD": (prefixed('<!DOCTYPE s SYSTEM "http://127.0.0.1:1/x.dtd">'), {"bad_request"}),
    "parameter entity": (
        prefixed('<!DOCTYPE s [<!ENTITY % p SYSTEM "file:///etc/passwd"> %p;]>'),
        {"bad_request"},
    ),
    "undeclared entity": (replaced("<s:Header>", "<s:Header>&nobody;"), {"bad_request"}),
    "stylesheet": (prefixed('<?xml-stylesheet href="http://127.0.0.1:1/x.xsl"?>'), {"bad_request"}),
    "instruction inside": (replaced("<s:Header>", "<s:Header><?php x ?>"), {"bad_request"}),
    "bare NUL": (replaced("<s:Header>", "<s:Header>\x00"), {"bad_request"}),
    "character reference to NUL": (replaced("<s:Header>", "<s:Header>&#0;"), {"bad_request"}),
    "invalid UTF-8": (lambda data: data.replace(b"<s:Header>", b"<s:Header>\xff\xfe", 1), {"bad_request"}),
    "UTF-16": (lambda data: data.decode().encode("utf-16"), {"bad_request", "bad_media_type"}),
    "UTF-7": (prefixed('<?xml version="1.0" encoding="UTF-7"?>'), {"bad_media_type", "bad_request"}),
    "other label inside": (
        prefixed('<?xml version="1.0" encoding="ISO-8859-1"?>'),
        {"bad_media_type", "bad_request"},
    ),
    "10000 deep": (replaced("<s:Header>", f"<s:Header>{DEEP}"), {"too_large"}),
    "100000 elements": (replaced("<s:Header>", f"<s:Header>{'<a/>' * 99_000}"), {"too_large"}),
    "many attributes": (
        replaced("<s:Header>", MANY_ATTRIBUTES),
        {"too_large"},
    ),
    "many namespaces": (
        replaced("<s:Header>", MANY_NAMESPACES),
        {"too_large"},
    ),
    "long name": (replaced("<s:Header>", f"<s:Header><{'a' * 200_000}/>"), {"too_large", "bad_request"}),
    "href to a part": (
        lambda data: re.sub(
            rb"<t:Submit>.*</t:Submit>", b'<t:Submit href="#business"/>', data, flags=re.DOTALL
        ),
        {"bad_request"},
    ),
    "xop include": (
        replaced("<t:document>", f"<t:document>{XOP}"),
        {"bad_request"},
    ),
    "two bodies": (replaced("</s:Body>", "</s:Body><s:Body><t:Submit/></s:Body>"), {"bad_request"}),
    "two headers": (replaced("<s:Header>", "<s:Header/><s:Header>"), {"bad_request"}),
    "two operations": (replaced("</t:Submit>", "</t:Submit><t:Submit/>"), {"bad_request"}),
    "no body": (lambda data: re.sub(rb"<s:Body.*</s:Body>", b"", data, flags=re.DOTALL), {"bad_request"}),
    "no header": (
        lambda data: re.sub(rb"<s:Header.*</s:Header>", b"", data, flags=re.DOTALL),
        {"seal_missing"},
    ),
    "a fault": (
        lambda data: re.sub(rb"<t:Submit>.*</t:Submit>", b"<s:Fault/>", data, flags=re.DOTALL),
        {"bad_request"},
    ),
    "SOAP 1.2": (replaced(SOAP, "http://www.w3.org/2003/05/soap-envelope"), {"bad_request"}),
    "a header to be understood": (
        replaced("<s:Header>", '<s:Header><x:T xmlns:x="u:x" s:mustUnderstand="1"/>'),
        {"bad_request"},
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_xml_is_refused(attacked: Hub, window: Identity, name: str) -> None:
    change, codes = HOSTILE[name]
    refused(
        attacked, change(etree.tostring(sealed(window, application(window.name)), encoding="UTF-8")), *codes
    )


INNER: dict[str, tuple[Callable[[str], str], set[str]]] = {
    "empty": (lambda text: "", {"bad_request"}),
    "doctype": (lambda text: "<!DOCTYPE x>" + text, {"bad_request"}),
    "billion laughs": (lambda text: BOMB + text.replace("测试甲", "&l9;", 1), {"bad_request"}),
    "external entity": (lambda text: FILE + text.replace("测试甲", "&x;", 1), {"bad_request"}),
    "deep": (lambda text: text.replace("测试甲", DEEP, 1), {"too_large"}),
    "JSON": (lambda text: "{}", {"bad_request"}),
    "other root": (
        lambda text: text.replace("Message", "Massage"),
        {"bad_request", "unknown_field", "bad_value"},
    ),
    "other namespace": (
        lambda text: text.replace("message:1", "message:2", 1),
        {"bad_request", "unknown_field", "bad_value"},
    ),
    "unknown field": (
        lambda text: text.replace("<summary>", "<colour>x</colour><summary>", 1),
        {"unknown_field"},
    ),
    "a field twice": (
        lambda text: text.replace("<summary>", "<summary>x</summary><summary>", 1),
        {"bad_value", "bad_request"},
    ),
    "unknown code": (lambda text: text.replace("<channel>window", "<channel>telepathy"), {"unknown_code"}),
    "missing field": (lambda text: re.sub("<summary>.*</summary>", "", text), {"missing_field"}),
    "a word for a number": (lambda text: text.replace("<count>1<", "<count>one<", 1), {"bad_value"}),
    "attribute": (
        lambda text: text.replace("<summary>", '<summary colour="red">', 1),
        {"unknown_field", "bad_value"},
    ),
}


@pytest.mark.parametrize("name", INNER)
def test_hostile_inner_documents_are_refused(attacked: Hub, window: Identity, name: str) -> None:
    change, codes = INNER[name]
    value = application(window.name)
    header = (value["message_id"], value["type"], value["sender"])
    text = change(soapside.message(value))
    members = refused(attacked, sealed(window, text, header=header), *codes)
    if text:
        assert json.loads(members["receipt"])["status"] == "refused"


@pytest.mark.parametrize(
    "media",
    [
        "",
        "application/json",
        "application/soap+xml",
        "text/xml; charset=iso-8859-1",
        'multipart/related; type="application/xop+xml"; boundary=b',
        "text/xml; x=y; z",
    ],
)
def test_another_media_type_is_refused(attacked: Hub, window: Identity, media: str) -> None:
    refused(attacked, sealed(window, application(window.name)), "bad_media_type", media=media)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("variant", WRAPPINGS)
def test_signature_wrapping_is_refused(attacked: Hub, window: Identity, variant: str, part: str) -> None:
    envelope = sealed(window, application(window.name))
    WRAPPINGS[variant](envelope, by_id(envelope, part))
    members = refused(attacked, envelope, "seal_scope", "seal_invalid", "bad_request", "unknown_party")
    assert "receipt" not in members


@pytest.mark.parametrize("variant", ["xsw1", "xsw2", "xsw4", "xsw6", "xsw7"])
def test_the_wrappings_deceive_a_verifier_by_id(window: Identity, tmp_path: Path, variant: str) -> None:
    """The attacks are real: xmlsec1 alone, which only follows ids, finds nothing wrong with them."""
    envelope = sealed(window, application(window.name))
    WRAPPINGS[variant](envelope, by_id(envelope, "body"))
    assert "测试乙" in etree.tostring(envelope.find(f"{{{SOAP}}}Body"), encoding="unicode")
    assert soapside.verified_by_xmlsec1(etree.tostring(envelope), window, tmp_path)


TAMPER: dict[str, tuple[str, Callable[[str], str]]] = {
    "body": ("//*[local-name() = 'document']", lambda text: text.replace("测试甲", "测试乙")),
    "created": ("//*[local-name() = 'Created']", lambda text: text.replace("20", "19", 1)),
    "expires": ("//*[local-name() = 'Expires']", lambda text: text.replace("20", "21", 1)),
    "token": ("//*[local-name() = 'BinarySecurityToken']", lambda text: text[:-8] + "AAAA" + text[-4:]),
    "message id": ("//*[local-name() = 'messageId']", lambda text: text[::-1]),
    "type": ("//*[local-name() = 'messageType']", lambda text: "sms.requested.v1"),
    "sender": ("//*[local-name() = 'sender']", lambda text: "bureau"),
    "digest": ("//*[local-name() = 'DigestValue']", lambda text: base64.b64encode(b"x" * 32).decode()),
    "signature": ("//*[local-name() = 'SignatureValue']", lambda text: text[:-8] + "AAAA" + text[-4:]),
    "signature is no base64": ("//*[local-name() = 'SignatureValue']", lambda text: "****"),
}


@pytest.mark.parametrize("name", TAMPER)
def test_each_signed_part_is_protected(attacked: Hub, window: Identity, name: str) -> None:
    place, change = TAMPER[name]
    envelope = sealed(window, application(window.name))
    (element, *_) = envelope.xpath(place)
    before, element.text = element.text, change(element.text)
    assert element.text != before
    refused(attacked, envelope, "seal_invalid", "unknown_party")


@pytest.mark.parametrize("part", PARTS)
def test_each_part_must_be_signed(attacked: Hub, window: Identity, part: str) -> None:
    rest = tuple(one for one in PARTS if one != part)
    refused(attacked, sealed(window, application(window.name), parts=rest), "seal_scope")


def test_an_unsigned_header_beside_is_no_business_header(attacked: Hub, window: Identity) -> None:
    envelope = sealed(window, application(window.name))
    other = etree.fromstring(f'<t:Exchange xmlns:t="{NS}"><t:messageId>x</t:messageId></t:Exchange>')
    envelope[0].append(other)
    refused(attacked, envelope, "seal_scope", "seal_invalid")


PROFILE: dict[str, tuple[dict[str, Any], set[str]]] = {
    "SHA-1 digests": ({"digest": DS + "sha1"}, {"seal_invalid"}),
    "RSA with SHA-1": ({"algorithm": DS + "rsa-sha1"}, {"seal_invalid"}),
    "HMAC": ({"algorithm": "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"}, {"seal_invalid"}),
    "RSA named for a P-256 key": ({"algorithm": soapside.RSA_SHA256}, {"seal_invalid"}),
    "inclusive C14N": ({"canonical": "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"}, {"seal_invalid"}),
    "C14N with comments": ({"canonical": soapside.EXCLUSIVE + "WithComments"}, {"seal_invalid"}),
    "XSLT": ({"canonical": "http://www.w3.org/TR/1999/REC-xslt-19991116"}, {"seal_invalid"}),
    "a part twice": ({"parts": (*PARTS, "body")}, {"seal_scope", "seal_invalid"}),
    "expired": ({"created": -3000, "life": 300}, {"replay"}),
    "from the future": ({"created": 900}, {"replay"}),
    "valid too long": ({"life": 7200}, {"seal_invalid"}),
    "ends before it begins": ({"life": -60}, {"seal_invalid"}),
}


@pytest.mark.parametrize("name", PROFILE)
def test_a_seal_outside_the_profile_is_refused(attacked: Hub, window: Identity, name: str) -> None:
    options, codes = PROFILE[name]
    refused(attacked, sealed(window, application(window.name), **options), *codes)


def test_an_absent_signature_is_refused(attacked: Hub, window: Identity) -> None:
    envelope = sealed(window, application(window.name))
    signature = envelope.find(f".//{{{DS}}}Signature")
    signature.getparent().remove(signature)
    refused(attacked, envelope, "seal_missing")


def test_a_second_signature_is_refused(attacked: Hub, window: Identity, bureau: Identity) -> None:
    envelope = sealed(window, application(window.name))
    soapside.sign(envelope, bureau, PARTS, None, soapside.SHA256, soapside.EXCLUSIVE)
    refused(attacked, envelope, "seal_invalid")


def test_another_partys_key_is_refused(attacked: Hub, window: Identity, bureau: Identity) -> None:
    """The bureau seals what the window is said to send; the bureau's key beside the window's token."""
    value = application(window.name)
    refused(attacked, sealed(bureau, value), "not_allowed")
    mixed = Identity(window.name, bureau.key, window.certificate)
    refused(attacked, sealed(mixed, value), "seal_invalid")


def test_a_certificate_nobody_registered_is_refused(attacked: Hub) -> None:
    members = refused(
        attacked, sealed(identity("window-system"), application("window-system")), "unknown_party"
    )
    assert "receipt" not in members


def test_a_header_that_says_something_else_than_the_document_is_refused(
    attacked: Hub, window: Identity
) -> None:
    value = application(window.name)
    said = (value["message_id"], value["type"], value["sender"])
    for index, other in enumerate(("another-message-id", "sms.requested.v1", "bureau")):
        header = (*said[:index], other, *said[index + 1 :])
        refused(attacked, sealed(window, value, header=header), "seal_scope", "not_allowed")


def test_a_type_this_party_may_not_send_is_refused(attacked: Hub, window: Identity) -> None:
    payload = {"since": 0, "to_version": 1, "total": 0}
    refused(attacked, sealed(window, document(window.name, payload, "catalogue.increment.v1")), "not_allowed")


def test_another_operation_is_refused(attacked: Hub, window: Identity) -> None:
    data = etree.tostring(sealed(window, application(window.name))).replace(b"t:Submit>", b"t:Shutdown>")
    refused(attacked, data, "seal_invalid", "bad_request")


@pytest.mark.parametrize("size", [4 * 1024 * 1024 + 1])
def test_a_body_over_4_mb_is_refused_before_it_is_read(attacked: Hub, size: int) -> None:
    answer = attacked.post(b" " * size, {"Content-Type": MEDIA}, PATH)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_service_goes_on_beside_a_flood_of_bombs(attacked: Hub, window: Identity) -> None:
    """Hostile documents cost the hub little: forty at once, then a good refusal within 5 s."""
    body = BOMB.encode() + etree.tostring(sealed(window, application(window.name)))
    with ThreadPoolExecutor(20) as pool:
        codes = {members["code"] for _, members, _ in pool.map(lambda _: call(attacked, body), range(40))}
    assert codes == {"bad_request"}
    started = time.monotonic()
    refused(attacked, b"x", "bad_request")
    assert time.monotonic() - started < 5

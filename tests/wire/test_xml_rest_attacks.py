"""The XML face under attack, over the wire: wrapped, doubled and altered signatures, and hostile XML."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
from lxml import etree
from signxml import SignatureMethod, XMLSigner, methods

from tests.wire.rig import Hub, Identity, sms

NAMESPACE = "urn:tongban:message:1"
EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
DS = "{http://www.w3.org/2000/09/xmldsig#}"
EVIL = "【梅州政务】伪造的短信"


def tag(name: str) -> str:
    return f"{{{NAMESPACE}}}{name}"


def element(name: str, value: Any) -> Any:
    found = etree.Element(tag(name), nsmap={None: NAMESPACE})
    if isinstance(value, dict):
        found.extend(element(key, one) for key, one in value.items() if one is not None)
    else:
        found.text = str(value)
    return found


def signed(who: Identity) -> Any:
    root = element("Message", sms(who.name))
    root.set("Id", "m1")
    signer = XMLSigner(methods.enveloped, SignatureMethod.ECDSA_SHA256, c14n_algorithm=EXCLUSIVE)
    return signer.sign(root, key=who.key, cert=[who.certificate], reference_uri="#m1")


def forged(root: Any, ident: str) -> Any:
    """The same message with other words, unsigned."""
    evil = copy.deepcopy(root)
    for old in evil.findall(f"{DS}Signature"):
        evil.remove(old)
    evil.find(f"{tag('payload')}/{tag('content')}").text = EVIL
    evil.set("Id", ident)
    return evil


def in_the_signature(root: Any, ident: str) -> Any:
    """The signed message inside ds:Object, another one as the root."""
    evil, signature = forged(root, ident), root.find(f"{DS}Signature")
    root.remove(signature)
    etree.SubElement(signature, f"{DS}Object").append(root)
    evil.append(signature)
    return evil


def inside(root: Any, ident: str) -> Any:
    """The signed message as a child of another one that carries its signature."""
    evil, signature = forged(root, ident), root.find(f"{DS}Signature")
    evil.append(root)
    evil.append(signature)
    return evil


def altered(root: Any, _: str) -> Any:
    root.find(f"{tag('payload')}/{tag('content')}").text = EVIL
    return root


def twice(root: Any, _: str) -> Any:
    root.append(copy.deepcopy(root.find(f"{DS}Signature")))
    return root


def first(root: Any, _: str) -> Any:
    root.insert(0, root.find(f"{DS}Signature"))
    return root


def unsigned(root: Any, _: str) -> Any:
    return forged(root, "m1")


ATTACKS: list[tuple[Callable[[Any, str], Any], str]] = [
    (in_the_signature, "m1"),
    (in_the_signature, "m2"),
    (inside, "m1"),
    (inside, "m2"),
    (altered, ""),
    (twice, ""),
    (first, ""),
    (unsigned, ""),
]


def post(hub: Hub, body: bytes) -> Any:
    return hub.post(body, {"Content-Type": "application/xml"})


@pytest.mark.parametrize(("attack", "ident"), ATTACKS)
def test_a_forged_message_is_refused_by_its_seal(
    hub: Hub, window: Identity, attack: Callable[[Any, str], Any], ident: str
) -> None:
    before = hub.effects()
    answer = post(hub, etree.tostring(attack(signed(window), ident)))
    assert answer.status_code == 401
    assert b"seal_" in answer.content
    assert hub.effects() == before


@pytest.mark.parametrize(
    ("prolog", "status"),
    [
        (b'<!DOCTYPE Message [<!ENTITY e SYSTEM "file:///etc/passwd">]>', 400),
        (b'<!DOCTYPE Message SYSTEM "http://127.0.0.1:9/x.dtd">', 400),
        (b"\x00", 400),
        (b"<Message/>", 400),
    ],
)
def test_hostile_xml_before_a_signed_message(hub: Hub, window: Identity, prolog: bytes, status: int) -> None:
    before = hub.effects()
    answer = post(hub, prolog + etree.tostring(signed(window)))
    assert answer.status_code == status
    assert b"bad_request" in answer.content
    assert hub.effects() == before


def test_after_all_that_a_good_message_goes_through(hub: Hub, window: Identity) -> None:
    answer = post(hub, etree.tostring(signed(window)))
    assert (answer.status_code, b"<status>accepted</status>" in answer.content) == (200, True)
    hub.verify()

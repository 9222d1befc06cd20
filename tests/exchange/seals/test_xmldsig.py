"""Enveloped XML-DSig: round trips, xmlsec1 and signxml as witnesses, and what is refused."""

import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from lxml import etree
from signxml import (
    CanonicalizationMethod,
    DigestAlgorithm,
    SignatureConfiguration,
    SignatureMethod,
    XMLSigner,
    XMLVerifier,
)
from signxml.algorithms import SignatureConstructionMethod

from exchange.errors import HubError, Tampered
from exchange.seals import dsig, safexml
from exchange.seals.keys import SigningKey, fingerprint
from exchange.seals.xmldsig import HOUSE, SignedDocument, XmlDsigProfile, sign, verify

FEES = XmlDsigProfile("", frozenset({dsig.RSA_SHA256}))
HOUSE_XML = (
    '<Message xmlns="urn:tongban:message:1" Id="m1"><message_id>m-00000001</message_id>\n '
    "<type>case.accepted.v1</type>"
    '<payload><note>第一行&#13;\n&lt;二&gt; &amp; "三"</note></payload></Message>'
)
FEES_XML = (
    "<FEE><HEAD><MSGID>1</MSGID></HEAD><QUERY><PAYNOTENO>44149900000000000001</PAYNOTENO></QUERY></FEE>"
)
NS = {"ds": dsig.DS, "m": "urn:tongban:message:1"}


def signed(keys: Any, name: str = "rsa", text: str = HOUSE_XML, profile: XmlDsigProfile = HOUSE) -> bytes:
    key: SigningKey = getattr(keys, name)
    data: bytes = etree.tostring(sign(safexml.parse(text.encode()), key, profile))
    return data


def check(keys: Any, data: bytes, profile: XmlDsigProfile = HOUSE, **changed: Any) -> SignedDocument:
    facts = {"now": keys.now, **changed}
    return verify(safexml.parse(data), keys.ring.by_digest, profile=profile, **facts)


def code_of(keys: Any, data: bytes, profile: XmlDsigProfile = HOUSE, **changed: Any) -> str:
    with pytest.raises(HubError) as refusal:
        check(keys, data, profile, **changed)
    return refusal.value.code


def pem_files(key: SigningKey, folder: Path) -> tuple[str, str]:
    (folder / "cert.pem").write_bytes(key.certificate.public_bytes(Encoding.PEM))
    private = key.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "key.pem").write_bytes(private)
    return "key.pem", "cert.pem"


def xmlsec1(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["xmlsec1", *arguments], cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("name", "text", "profile"), [("ec", HOUSE_XML, HOUSE), ("rsa", HOUSE_XML, HOUSE),
                                                       ("rsa", FEES_XML, FEES)])  # fmt: skip
def test_the_whole_root_comes_back_without_its_signature(
    seal_keys: Any, name: str, text: str, profile: XmlDsigProfile
) -> None:
    document = check(seal_keys, signed(seal_keys, name, text, profile), profile)
    assert dsig.c14n(document.root) == dsig.c14n(etree.fromstring(text))
    assert document.fingerprint == fingerprint(getattr(seal_keys, name).certificate)


def test_signing_leaves_the_given_tree_as_it_was(seal_keys: Any) -> None:
    root = safexml.parse(HOUSE_XML.encode())
    sign(root, seal_keys.ec)
    assert root.find("ds:Signature", NS) is None


def test_what_cannot_be_signed_is_refused(seal_keys: Any) -> None:
    with pytest.raises(Tampered, match="seal_scope"):
        sign(etree.fromstring("<a/>"), seal_keys.ec)
    with pytest.raises(Tampered, match="seal_scope"):
        sign(etree.fromstring("<a Id='&quot;&lt;'/>"), seal_keys.ec)
    with pytest.raises(HubError, match="bad_value"):
        sign(sign(safexml.parse(HOUSE_XML.encode()), seal_keys.ec), seal_keys.ec)


@pytest.mark.parametrize(("name", "profile"), [("rsa", HOUSE), ("ec", HOUSE), ("rsa", FEES)])
def test_xmlsec1_verifies_what_we_sign(
    seal_keys: Any, tmp_path: Path, name: str, profile: XmlDsigProfile
) -> None:
    _, certificate = pem_files(getattr(seal_keys, name), tmp_path)
    (tmp_path / "good.xml").write_bytes(signed(seal_keys, name, HOUSE_XML, profile))
    (tmp_path / "bad.xml").write_bytes(
        (tmp_path / "good.xml").read_bytes().replace(b"m-00000001", b"m-00000002")
    )
    options = ["--verify", "--pubkey-cert-pem", certificate, "--id-attr:Id", "urn:tongban:message:1:Message"]
    good, bad = xmlsec1(tmp_path, *options, "good.xml"), xmlsec1(tmp_path, *options, "bad.xml")
    assert (good.returncode, "OK" in good.stderr + good.stdout) == (0, True), good.stderr
    assert bad.returncode != 0


@pytest.mark.parametrize("name", ["rsa", "ec"])
@pytest.mark.parametrize(("text", "profile"), [(HOUSE_XML, HOUSE), (FEES_XML, XmlDsigProfile(""))])
def test_signxml_verifies_ours_and_we_verify_its(
    seal_keys: Any, name: str, text: str, profile: XmlDsigProfile
) -> None:
    key = getattr(seal_keys, name)
    method = SignatureMethod.ECDSA_SHA256 if name == "ec" else SignatureMethod.RSA_SHA256
    config = SignatureConfiguration(signature_methods=frozenset({method}), expect_references=1)
    ours = etree.fromstring(signed(seal_keys, name, text, profile))
    XMLVerifier().verify(ours, x509_cert=key.certificate, expect_config=config, id_attribute="Id")
    signer = XMLSigner(
        method=SignatureConstructionMethod.enveloped,
        signature_algorithm=method,
        digest_algorithm=DigestAlgorithm.SHA256,
        c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0,
    )
    where = "#m1" if profile.reference else None
    theirs = signer.sign(etree.fromstring(text), key=key.private, cert=[key.certificate], reference_uri=where)
    for value in theirs.iterfind(
        ".//ds:X509Data/..", NS
    ):  # the profile's KeyInfo holds the certificate alone
        for extra in value.xpath("*[not(self::ds:X509Data)]", namespaces=NS):
            value.remove(extra)
    document = check(seal_keys, etree.tostring(theirs), profile)
    assert dsig.c14n(document.root) == dsig.c14n(etree.fromstring(text))


TEMPLATE = (
    '<Signature xmlns="{ds}"><SignedInfo><CanonicalizationMethod Algorithm="{c14n}"/>'
    '<SignatureMethod Algorithm="{method}"/><Reference URI="#m1"><Transforms><Transform Algorithm="{env}"/>'
    '<Transform Algorithm="{c14n}">{inclusive}</Transform></Transforms><DigestMethod Algorithm="{digest}"/>'
    "<DigestValue/></Reference></SignedInfo><SignatureValue/>"
    "<KeyInfo><X509Data><X509Certificate/></X509Data></KeyInfo></Signature>"
)


def by_xmlsec1(keys: Any, folder: Path, **changed: str) -> bytes:
    """A message signed by xmlsec1 in the unprefixed style, with what the test wants to be different."""
    facts = {
        "ds": dsig.DS, "c14n": dsig.EXC_C14N, "method": dsig.RSA_SHA256, "env": dsig.ENVELOPED,
        "digest": dsig.SHA256_DIGEST, "inclusive": "", **changed,
    }  # fmt: skip
    text = HOUSE_XML.replace("</Message>", TEMPLATE.format(**facts) + "</Message>")
    (folder / "template.xml").write_text(text, "utf-8")
    pair = ",".join(pem_files(keys.rsa, folder))
    found = xmlsec1(
        folder, "--sign", "--privkey-pem", pair, "--id-attr:Id", "urn:tongban:message:1:Message",
        "--output", "out.xml", "template.xml",
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    return (folder / "out.xml").read_bytes()


def test_a_signature_by_xmlsec1_without_prefixes_holds(seal_keys: Any, tmp_path: Path) -> None:
    document = check(seal_keys, by_xmlsec1(seal_keys, tmp_path))
    assert dsig.c14n(document.root) == dsig.c14n(etree.fromstring(HOUSE_XML))


OUTSIDE_PROFILE = [
    {"c14n": "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"},
    {"c14n": "http://www.w3.org/2001/10/xml-exc-c14n#WithComments"},
    {"method": "http://www.w3.org/2000/09/xmldsig#rsa-sha1"},
    {"method": "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512"},
    {"digest": "http://www.w3.org/2000/09/xmldsig#sha1"},
    {"digest": "http://www.w3.org/2001/04/xmlenc#sha512"},
    {"inclusive": f'<i:InclusiveNamespaces xmlns:i="{dsig.EXC_C14N}" PrefixList="a"/>'},
]


@pytest.mark.parametrize("changed", OUTSIDE_PROFILE, ids=lambda changed: str(next(iter(changed.items()))))
def test_true_signatures_outside_the_profile_are_refused(
    seal_keys: Any, tmp_path: Path, changed: dict[str, str]
) -> None:
    assert code_of(seal_keys, by_xmlsec1(seal_keys, tmp_path, **changed)) == "seal_invalid"


Change = Callable[[Any], None]


def edit(path: str, act: Change) -> Change:
    return lambda root: act(root.find(path, NS))


def text(value: str) -> Change:
    return lambda element: setattr(element, "text", value)


def attribute(name: str, value: str) -> Change:
    return lambda element: element.set(name, value)


def drop(element: Any) -> None:
    element.getparent().remove(element)


def double(element: Any) -> None:
    element.addnext(etree.fromstring(etree.tostring(element, with_tail=False)))


def wrap(root: Any) -> None:
    """The signed root moves into a new, evil one of the same name, its signature stays last child."""
    copy = etree.fromstring(etree.tostring(root))
    copy.remove(copy[-1])
    root.find("m:message_id", NS).text = "evil-0001"
    root.set("Id", "m2")
    root.insert(0, copy)


def wrap_same_id(root: Any) -> None:
    wrap(root)
    root.set("Id", "m1")


def signature_first(root: Any) -> None:
    root.insert(0, root[-1])


EVIL: list[tuple[str, Change, str]] = [
    ("text", edit("m:message_id", text("m-00000002")), "seal_invalid"),
    ("attribute", edit("m:payload", attribute("x", "1")), "seal_invalid"),
    ("element gone", edit("m:type", drop), "seal_invalid"),
    ("element added", lambda root: root.insert(0, etree.Element("{urn:tongban:message:1}x")), "seal_invalid"),
    ("no signature", edit("ds:Signature", drop), "seal_missing"),
    ("two signatures", edit("ds:Signature", double), "seal_invalid"),
    ("signature first", signature_first, "seal_invalid"),
    ("signature deeper", lambda root: root.find("m:payload", NS).append(root[-1]), "seal_invalid"),
    ("wrapped", wrap, "seal_scope"),
    ("wrapped, same id", wrap_same_id, "seal_scope"),
    ("id doubled in other case", edit("m:payload", attribute("iD", "m1")), "seal_scope"),
    ("reference to all", edit(".//ds:Reference", attribute("URI", "")), "seal_invalid"),
    ("xpointer", edit(".//ds:Reference", attribute("URI", "#xpointer(id('m1'))")), "seal_invalid"),
    ("no reference", edit(".//ds:Reference", drop), "seal_invalid"),
    ("two references", edit(".//ds:Reference", double), "seal_invalid"),
    ("no transforms", edit(".//ds:Transforms", drop), "seal_invalid"),
    ("digest not base64", edit(".//ds:DigestValue", text("é!")), "seal_invalid"),
    ("value empty", edit(".//ds:SignatureValue", text("")), "seal_invalid"),
    ("value with children", edit(".//ds:SignatureValue", lambda e: e.append(etree.Element("x"))),
     "seal_invalid"),
    ("mac", edit(".//ds:SignatureMethod", attribute("Algorithm", "http://www.w3.org/2000/09/xmldsig#hmac-sha1")),
     "seal_invalid"),
    ("other key's algorithm", edit(".//ds:SignatureMethod", attribute("Algorithm", dsig.ECDSA_SHA256)),
     "seal_invalid"),
    ("certificate gone", edit(".//ds:X509Certificate", drop), "seal_invalid"),
    ("two certificates", edit(".//ds:X509Certificate", double), "seal_invalid"),
    ("certificate garbage", edit(".//ds:X509Certificate", text("AAAA")), "unknown_party"),
    ("key info by value", edit(".//ds:X509Data", lambda e: setattr(e, "tag", f"{{{dsig.DS}}}KeyValue")),
     "seal_invalid"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "code"), [row[1:] for row in EVIL], ids=[row[0] for row in EVIL])
def test_attacks(seal_keys: Any, change: Change, code: str) -> None:
    root = etree.fromstring(signed(seal_keys))
    change(root)
    assert code_of(seal_keys, etree.tostring(root)) == code


def test_a_stranger_with_the_same_name_an_expired_and_a_swapped_certificate(seal_keys: Any) -> None:
    assert code_of(seal_keys, signed(seal_keys, "stranger")) == "unknown_party"
    assert code_of(seal_keys, signed(seal_keys, "expired")) == "certificate_invalid"
    assert (
        code_of(seal_keys, signed(seal_keys), now=seal_keys.now + timedelta(days=366))
        == "certificate_invalid"
    )
    root = etree.fromstring(signed(seal_keys, "stranger"))
    certificate = etree.fromstring(signed(seal_keys, "ec")).find(".//ds:X509Certificate", NS).text
    root.find(".//ds:X509Certificate", NS).text = certificate
    assert code_of(seal_keys, etree.tostring(root)) == "seal_invalid"


def test_the_fee_profile_takes_rsa_and_the_empty_reference_only(seal_keys: Any) -> None:
    assert code_of(seal_keys, signed(seal_keys, "ec", FEES_XML, XmlDsigProfile("")), FEES) == "seal_invalid"
    assert code_of(seal_keys, signed(seal_keys, "rsa", HOUSE_XML, HOUSE), FEES) == "seal_scope"
    assert code_of(seal_keys, signed(seal_keys, "rsa", HOUSE_XML, XmlDsigProfile("")), HOUSE) == "seal_scope"


def test_a_comment_in_signed_text_cannot_cut_it(seal_keys: Any) -> None:
    data = signed(seal_keys).replace(b"m-00000001", b"m-<!-- x -->00000001")
    assert check(seal_keys, data).root.find("m:message_id", NS).text == "m-00000001"


def test_text_after_the_signature_is_signed_too(seal_keys: Any) -> None:
    data = signed(seal_keys)
    assert code_of(seal_keys, data.replace(b"</Message>", b"evil</Message>")) == "seal_invalid"


def test_a_document_that_travels_as_gbk_keeps_its_seal(seal_keys: Any) -> None:
    text = FEES_XML.replace("<QUERY>", "<QUERY><NAME>㐂𠮷 财政</NAME>")
    data = etree.tostring(sign(safexml.parse_text(text), seal_keys.rsa, FEES), encoding="unicode")
    wire = f'<?xml version="1.0" encoding="GBK"?>{data}'.encode("gb18030")
    root = verify(safexml.parse(wire), seal_keys.ring.by_digest, now=seal_keys.now, profile=FEES).root
    assert root.findtext("QUERY/NAME") == "㐂𠮷 财政"

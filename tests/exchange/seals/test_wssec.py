"""WS-Security: round trips, foreign witnesses, and every signature-wrapping and replay-by-time attack."""

import subprocess
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st
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

from exchange.errors import HubError
from exchange.seals import dsig, safexml
from exchange.seals.keys import SigningKey, fingerprint
from exchange.seals.wssec import BASE64, SOAP, WSSE, WSU, WSU_ID, X509V3, SignedEnvelope, sign, verify

HUB = "{urn:tongban:hub:1}Exchange"
CATALOG = "{http://www.example.gov.cn/xzsp/catalog/1.0}CallHeader"
NS = {"s": SOAP, "w": WSSE, "u": WSU, "ds": dsig.DS, "t": "urn:tongban:hub:1"}
ENVELOPE = (
    f'<s:Envelope xmlns:s="{SOAP}"><s:Header><t:Exchange xmlns:t="urn:tongban:hub:1"><t:messageId>m-00000001'
    "</t:messageId><t:messageType>case.accepted.v1</t:messageType><t:sender>bureau</t:sender></t:Exchange>"
    '</s:Header><s:Body><t:Submit xmlns:t="urn:tongban:hub:1"><t:document>C-1 名</t:document></t:Submit>'
    "</s:Body></s:Envelope>"
)
# The style of Java and .NET senders: default namespaces, declared on an ancestor of what is signed.
UNPREFIXED = (
    f'<Envelope xmlns="{SOAP}"><Header><Exchange xmlns="urn:tongban:hub:1"><messageId>m-00000001</messageId>'
    "<messageType>case.accepted.v1</messageType><sender>bureau</sender></Exchange></Header>"
    '<Body><Submit xmlns="urn:tongban:hub:1"><document>C-1 名</document></Submit></Body></Envelope>'
)
Change = Callable[[Any], None]


def signed(keys: Any, name: str = "rsa", text: str = ENVELOPE, header: str = HUB, **changed: Any) -> Any:
    facts = {"now": keys.now, "header": header, **changed}
    envelope = sign(etree.fromstring(text), getattr(keys, name), **facts)
    return etree.fromstring(etree.tostring(envelope))


def check(keys: Any, envelope: Any, header: str = HUB, now: datetime | None = None) -> SignedEnvelope:
    root = safexml.parse(etree.tostring(envelope))
    return verify(root, keys.ring.by_digest, header=header, now=now or keys.now)


def code_of(keys: Any, envelope: Any, **changed: Any) -> str:
    with pytest.raises(HubError) as refusal:
        check(keys, envelope, **changed)
    return refusal.value.code


def document(found: SignedEnvelope) -> str:
    return str(found.body.findtext("t:Submit/t:document", namespaces=NS))


@pytest.mark.parametrize("name", ["ec", "rsa"])
@pytest.mark.parametrize("text", [ENVELOPE, UNPREFIXED])
def test_signed_parts_come_back_with_who_and_when(seal_keys: Any, name: str, text: str) -> None:
    found = check(seal_keys, signed(seal_keys, name, text))
    assert document(found) == "C-1 名"
    assert found.header.findtext("t:messageId", namespaces=NS) == "m-00000001"
    assert found.fingerprint == fingerprint(getattr(seal_keys, name).certificate)
    assert (found.created, found.expires) == (seal_keys.now, seal_keys.now + timedelta(minutes=5))
    assert found.body.getparent() is None


def test_another_business_header_by_name(seal_keys: Any) -> None:
    uri = CATALOG[1:].partition("}")[0]
    text = ENVELOPE.replace("t:Exchange", "t:CallHeader").replace("urn:tongban:hub:1", uri)
    assert (
        check(seal_keys, signed(seal_keys, text=text, header=CATALOG), header=CATALOG).header.tag == CATALOG
    )
    assert code_of(seal_keys, signed(seal_keys, text=text, header=CATALOG)) == "seal_scope"


@pytest.mark.parametrize("name", ["ec", "rsa"])
@pytest.mark.parametrize("text", [ENVELOPE, UNPREFIXED])
def test_xmlsec1_verifies_what_we_sign(seal_keys: Any, tmp_path: Path, name: str, text: str) -> None:
    key: SigningKey = getattr(seal_keys, name)
    (tmp_path / "cert.pem").write_bytes(key.certificate.public_bytes(Encoding.PEM))
    good = etree.tostring(signed(seal_keys, name, text))
    ids = [f"{SOAP}:Body", f"{WSU}:Timestamp", f"{WSSE}:BinarySecurityToken", "urn:tongban:hub:1:Exchange"]
    options = [word for one in ids for word in ("--id-attr:Id", one)]
    found = []
    for data in (good, good.replace(b"m-00000001", b"m-00000002")):
        (tmp_path / "envelope.xml").write_bytes(data)
        command = ["xmlsec1", "--verify", "--pubkey-cert-pem", "cert.pem", *options, "envelope.xml"]
        found.append(subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False))
    assert found[0].returncode == 0, found[0].stderr
    assert "References (ok/all): 4/4" in found[0].stderr + found[0].stdout
    assert found[1].returncode != 0


@pytest.mark.parametrize("name", ["ec", "rsa"])
def test_signxml_verifies_what_we_sign(seal_keys: Any, name: str) -> None:
    method = SignatureMethod.ECDSA_SHA256 if name == "ec" else SignatureMethod.RSA_SHA256
    config = SignatureConfiguration(
        location=f"./{{{SOAP}}}Header/{{{WSSE}}}Security/",
        expect_references=4,
        signature_methods=frozenset({method}),
        digest_algorithms=frozenset({DigestAlgorithm.SHA256}),
    )
    results = XMLVerifier().verify(
        signed(seal_keys, name),
        x509_cert=getattr(seal_keys, name).certificate,
        id_attribute="Id",
        expect_config=config,
    )
    assert len(results) == 4


def by_signxml(keys: Any, name: str, text: str = ENVELOPE, method: SignatureMethod | None = None) -> Any:
    """The envelope signed by signxml: our own Security is only the frame."""
    key: SigningKey = getattr(keys, name)
    envelope = signed(keys, name, text)
    security = envelope.find("s:Header/w:Security", NS)
    key_info = security.find("ds:Signature/ds:KeyInfo", NS)
    security.remove(security.find("ds:Signature", NS))
    signer = XMLSigner(
        method=SignatureConstructionMethod.detached,
        signature_algorithm=method
        or (SignatureMethod.ECDSA_SHA256 if name == "ec" else SignatureMethod.RSA_SHA256),
        digest_algorithm=DigestAlgorithm.SHA256,
        c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0,
    )
    parts = ["#tb-time", "#tb-body", "#tb-header", "#tb-token"]
    signature = signer.sign(envelope, key=key.private, reference_uri=parts, key_info=key_info)
    envelope.find("s:Header/w:Security", NS).append(signature)
    return envelope


@pytest.mark.parametrize("name", ["ec", "rsa"])
def test_we_verify_what_signxml_signs(seal_keys: Any, name: str) -> None:
    assert document(check(seal_keys, by_signxml(seal_keys, name))) == "C-1 名"


def test_a_true_signature_with_sha512_is_outside_the_profile(seal_keys: Any) -> None:
    assert (
        code_of(seal_keys, by_signxml(seal_keys, "rsa", method=SignatureMethod.RSA_SHA512)) == "seal_invalid"
    )


def find(root: Any, path: str) -> Any:
    return root.find(path, NS)


def evil_body(root: Any, number: str | None) -> Any:
    """A second Body that says EVIL, with the given wsu:Id."""
    body = etree.fromstring(etree.tostring(find(root, "s:Body"), with_tail=False))
    body.find("t:Submit/t:document", NS).text = "EVIL"
    del body.attrib[WSU_ID]
    if number is not None:
        body.set(WSU_ID, number)
    return body


def xsw1(root: Any, number: str | None = "evil", attribute: str | None = None) -> None:
    """The signed Body moves into a wrapper in the Header, a new Body takes its place."""
    old = find(root, "s:Body")
    new = evil_body(root, number)
    if attribute:
        new.set(attribute, "tb-body")
    root.replace(old, new)
    etree.SubElement(find(root, "s:Header"), "Wrapper").append(old)


def xsw4(root: Any) -> None:
    find(root, "s:Body").addprevious(evil_body(root, "evil"))


def xsw5(root: Any) -> None:
    find(root, "s:Body").addnext(evil_body(root, "evil"))


def xsw6(root: Any) -> None:
    """The signed Body hangs inside the evil one."""
    old = find(root, "s:Body")
    new = evil_body(root, "evil")
    root.replace(old, new)
    new[0].append(old)


def xsw7(root: Any) -> None:
    """The signed Body hides in a ds:Object of the signature."""
    old = find(root, "s:Body")
    root.replace(old, evil_body(root, "evil"))
    etree.SubElement(find(root, ".//ds:Signature"), f"{{{dsig.DS}}}Object").append(old)


def second(path: str, holder: str, say: str | None = None, word: str = "") -> Change:
    """The signed element moves into a wrapper, an evil double stays in its place."""

    def change(root: Any) -> None:
        old = find(root, path)
        new = etree.fromstring(etree.tostring(old, with_tail=False))
        new.set(WSU_ID, "evil")
        if say:
            new.find(say, NS).text = word
        old.getparent().replace(old, new)
        etree.SubElement(find(root, holder), "Wrapper").append(old)

    return change


def put(path: str, value: str) -> Change:
    return lambda root: setattr(find(root, path), "text", value)


def attribute(path: str, name: str, value: str) -> Change:
    return lambda root: find(root, path).set(name, value)


def drop(path: str) -> Change:
    return lambda root: find(root, path).getparent().remove(find(root, path))


def double(path: str) -> Change:
    def change(root: Any) -> None:
        element = find(root, path)
        element.addnext(etree.fromstring(etree.tostring(element, with_tail=False)))

    return change


def double_with_new_id(path: str) -> Change:
    def change(root: Any) -> None:
        double(path)(root)
        find(root, path).getnext().set(WSU_ID, "evil")

    return change


def add(path: str, tag: str) -> Change:
    return lambda root: etree.SubElement(find(root, path), tag)


def reference(uri: str) -> str:
    return f".//ds:Reference[@URI='#{uri}']"


LATER = "2026-11-22T02:00:00Z"
ATTACKS: list[tuple[str, Change, str]] = [
    ("body text", put(".//t:document", "EVIL"), "seal_invalid"),
    ("header text", put(".//t:messageId", "m-00000002"), "seal_invalid"),
    ("timestamp text", put(".//u:Expires", LATER), "seal_invalid"),
    ("signature value", put(".//ds:SignatureValue", "AAAA"), "seal_invalid"),
    ("body reference removed", drop(reference("tb-body")), "seal_invalid"),
    ("body reference doubled", double(reference("tb-body")), "seal_invalid"),
    ("XSW1 body moved, new body", xsw1, "seal_scope"),
    ("XSW1 new body without id", lambda root: xsw1(root, None), "seal_scope"),
    ("XSW2 same id", lambda root: xsw1(root, "tb-body"), "seal_scope"),
    ("XSW3 same ID without namespace", lambda root: xsw1(root, "evil", "ID"), "seal_scope"),
    ("XSW3 same xml:id", lambda root: xsw1(root, "evil", "{http://www.w3.org/XML/1998/namespace}id"),
     "seal_scope"),
    ("XSW4 second body before", xsw4, "bad_request"),
    ("XSW5 second body after", xsw5, "bad_request"),
    ("XSW6 signed body inside", xsw6, "seal_scope"),
    ("XSW7 signed body in Object", xsw7, "seal_invalid"),
    ("header wrapping", second("s:Header/t:Exchange", "s:Header", "t:sender", "evil"), "seal_scope"),
    ("timestamp wrapping", second(".//u:Timestamp", "s:Header", "u:Expires", LATER), "seal_invalid"),
    ("token wrapping", second(".//w:BinarySecurityToken", "s:Header"), "seal_invalid"),
    ("two business headers", double_with_new_id("s:Header/t:Exchange"), "seal_scope"),
    ("two Security", double("s:Header/w:Security"), "seal_invalid"),
    ("two signatures", double(".//ds:Signature"), "seal_invalid"),
    ("two tokens", double_with_new_id(".//w:BinarySecurityToken"), "seal_invalid"),
    ("two timestamps", double_with_new_id(".//u:Timestamp"), "seal_invalid"),
    ("no signature", drop(".//ds:Signature"), "seal_missing"),
    ("no Security", drop(".//w:Security"), "seal_missing"),
    ("no Header", drop("s:Header"), "seal_missing"),
    ("no token", drop(".//w:BinarySecurityToken"), "seal_invalid"),
    ("no timestamp", drop(".//u:Timestamp"), "seal_invalid"),
    ("no business header", drop("s:Header/t:Exchange"), "seal_scope"),
    ("empty body", drop("s:Body/t:Submit"), "bad_request"),
    ("two in the body", double("s:Body/t:Submit"), "bad_request"),
    ("something after Body", lambda root: etree.SubElement(root, "x"), "bad_request"),
    ("something in Security", add("s:Header/w:Security", "x"), "seal_invalid"),
    ("Signature outside Security", lambda root: find(root, "s:Header").append(find(root, ".//ds:Signature")),
     "seal_missing"),
    ("key info to elsewhere", attribute(".//w:Reference", "URI", "#tb-body"), "seal_invalid"),
    ("key info by identifier",
     lambda root: setattr(find(root, ".//w:Reference"), "tag", f"{{{WSSE}}}KeyIdentifier"), "seal_invalid"),
    ("token of other type", attribute(".//w:BinarySecurityToken", "ValueType", X509V3 + "x"), "seal_invalid"),
    ("token in other encoding", attribute(".//w:BinarySecurityToken", "EncodingType", BASE64 + "x"),
     "seal_invalid"),
    ("token garbage", put(".//w:BinarySecurityToken", "AAAA"), "unknown_party"),
    ("token not base64", put(".//w:BinarySecurityToken", "!"), "seal_invalid"),
    ("hmac", attribute(".//ds:SignatureMethod", "Algorithm", "http://www.w3.org/2000/09/xmldsig#hmac-sha1"),
     "seal_invalid"),
    ("sha1", attribute(".//ds:SignatureMethod", "Algorithm", "http://www.w3.org/2000/09/xmldsig#rsa-sha1"),
     "seal_invalid"),
    ("extra transform", lambda root: etree.SubElement(
        find(root, ".//ds:Transforms"), f"{{{dsig.DS}}}Transform", Algorithm=dsig.EXC_C14N), "seal_invalid"),
    ("soap 1.2", lambda root: setattr(root, "tag", "{http://www.w3.org/2003/05/soap-envelope}Envelope"),
     "bad_request"),
]  # fmt: skip


@pytest.mark.parametrize("name", ["rsa", "ec"])
@pytest.mark.parametrize(("change", "code"), [row[1:] for row in ATTACKS], ids=[row[0] for row in ATTACKS])
def test_attacks(seal_keys: Any, name: str, change: Change, code: str) -> None:
    envelope = signed(seal_keys, name)
    change(envelope)
    assert code_of(seal_keys, envelope) == code


@pytest.mark.parametrize("missing", ["tb-time", "tb-body", "tb-header", "tb-token"])
def test_a_true_signature_that_leaves_out_a_part(seal_keys: Any, missing: str, monkeypatch: Any) -> None:
    original = dsig.sign
    monkeypatch.setattr(
        dsig, "sign", lambda parts, *rest: original([p for p in parts if p.uri != f"#{missing}"], *rest)
    )
    assert code_of(seal_keys, signed(seal_keys)) == "seal_scope"


def test_a_true_signature_that_covers_more_or_the_same_twice(seal_keys: Any, monkeypatch: Any) -> None:
    original = dsig.sign
    monkeypatch.setattr(dsig, "sign", lambda parts, *rest: original([*parts, parts[0]], *rest))
    assert code_of(seal_keys, signed(seal_keys)) == "seal_scope"


def test_a_stranger_with_the_same_name_a_swapped_token_an_expired_certificate(seal_keys: Any) -> None:
    assert code_of(seal_keys, signed(seal_keys, "stranger")) == "unknown_party"
    assert code_of(seal_keys, signed(seal_keys, "expired")) == "certificate_invalid"
    swapped = signed(seal_keys, "stranger")
    find(swapped, ".//w:BinarySecurityToken").text = find(
        signed(seal_keys, "ec"), ".//w:BinarySecurityToken"
    ).text
    assert code_of(seal_keys, swapped) == "seal_invalid"


MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(("later", "life", "code"), [
    (11 * MINUTE, 5 * MINUTE, "stale"), (-6 * MINUTE, 5 * MINUTE, "stale"),
    (0 * MINUTE, 61 * MINUTE, "seal_invalid"),
    (0 * MINUTE, 0 * MINUTE, "seal_invalid"), (0 * MINUTE, -5 * MINUTE, "seal_invalid"),
])  # fmt: skip
def test_times(seal_keys: Any, later: timedelta, life: timedelta, code: str) -> None:
    assert code_of(seal_keys, signed(seal_keys, life=life), now=seal_keys.now + later) == code


@pytest.mark.parametrize(("later", "life"), [(9 * MINUTE, 5 * MINUTE), (-5 * MINUTE, 5 * MINUTE),
                                             (64 * MINUTE, 60 * MINUTE)])  # fmt: skip
def test_times_inside_the_window(seal_keys: Any, later: timedelta, life: timedelta) -> None:
    assert document(check(seal_keys, signed(seal_keys, life=life), now=seal_keys.now + later)) == "C-1 名"


def resigned(keys: Any, change: Change) -> Any:
    """A true signature over a Timestamp the signer made unusual."""
    envelope = signed(keys)
    change(envelope)
    security = envelope.find("s:Header/w:Security", NS)
    security.remove(security.find("ds:Signature", NS))
    parts = {"tb-body": "s:Body", "tb-header": "s:Header/t:Exchange", "tb-token": ".//w:BinarySecurityToken",
             "tb-time": ".//u:Timestamp"}  # fmt: skip
    references = [dsig.reference(f"#{name}", find(envelope, path)) for name, path in parts.items()]
    key_info = etree.tostring(find(signed(keys), ".//w:SecurityTokenReference")).decode()
    security.append(dsig.sign(references, keys.rsa.private, key_info))
    return etree.fromstring(etree.tostring(envelope))


NO_INSTANTS = [
    "", "now", "2026-11-22", "2026-11-22T01:30:00", "2026-13-40T01:30:00Z", "0001-01-01T00:00:00+14:00",
    "20261122T013000Z", "２０２６-11-22T01:30:00Z", "2026-11-22T24:00:00Z",
]  # fmt: skip
INSTANTS = ["2026-11-22T09:30:00+08:00", "2026-11-22T01:30:00.123456789Z", " 2026-11-22T01:30:00Z\n"]


@pytest.mark.parametrize("text", NO_INSTANTS)
def test_a_signed_time_that_is_none(seal_keys: Any, text: str) -> None:
    assert code_of(seal_keys, resigned(seal_keys, put(".//u:Created", text))) == "seal_invalid"


@pytest.mark.parametrize("text", INSTANTS)
def test_other_spellings_of_the_same_instant(seal_keys: Any, text: str) -> None:
    found = check(seal_keys, resigned(seal_keys, put(".//u:Created", text)))
    assert abs(found.created - seal_keys.now) < timedelta(seconds=1)


@pytest.mark.parametrize("change", [drop(".//u:Expires"), double(".//u:Created"), drop(".//u:Created")])
def test_a_signed_timestamp_without_both_times(seal_keys: Any, change: Change) -> None:
    assert code_of(seal_keys, resigned(seal_keys, change)) == "seal_invalid"


def test_a_comment_in_signed_text_cannot_cut_it(seal_keys: Any) -> None:
    envelope = etree.fromstring(
        etree.tostring(signed(seal_keys)).replace(b"m-00000001", b"m-<!-- x -->00000001")
    )
    assert check(seal_keys, envelope).header.findtext("t:messageId", namespaces=NS) == "m-00000001"


def test_an_extra_unsigned_header_is_dropped(seal_keys: Any) -> None:
    envelope = signed(seal_keys)
    etree.SubElement(find(envelope, "s:Header"), "{urn:tongban:hub:1}sender").text = "evil"
    found = check(seal_keys, envelope)
    assert b"evil" not in etree.tostring(found.header) + etree.tostring(found.body)


def test_prettified_envelopes_do_not_verify(seal_keys: Any) -> None:
    envelope = signed(seal_keys)
    etree.indent(envelope)
    assert code_of(seal_keys, envelope) == "seal_invalid"


def test_the_replay_key_is_the_signature(seal_keys: Any) -> None:
    one, two = signed(seal_keys, "ec"), signed(seal_keys, "ec")
    digests = {check(seal_keys, envelope).signature_digest for envelope in (one, one, two)}
    assert len(digests) == 2


def test_differential_no_single_change_of_a_signed_envelope_is_read_as_something_else(seal_keys: Any) -> None:
    """Every element in turn is lost, doubled or changed: refused, or the very same content comes back."""
    good = signed(seal_keys)
    total = sum(1 for _ in good.iter())
    wanted = dsig.c14n(check(seal_keys, good).body)
    for position in range(1, total):
        for act in (_erase, _twice, _retext):
            envelope = etree.fromstring(etree.tostring(good))
            act(list(envelope.iter())[position])
            try:
                found = check(seal_keys, envelope)
            except HubError:
                continue
            assert dsig.c14n(found.body) == wanted


@settings(max_examples=300)
@given(where=st.integers(0, 10**6), byte=st.integers(1, 255))
def test_differential_a_flipped_byte_is_refused_or_means_nothing(
    seal_keys: Any, where: int, byte: int
) -> None:
    """Where we accept, signxml accepts too, and Body and header are what was signed."""
    good = signed(seal_keys)
    data = bytearray(etree.tostring(good))
    data[where % len(data)] ^= byte
    try:
        found = verify(safexml.parse(bytes(data)), seal_keys.ring.by_digest, header=HUB, now=seal_keys.now)
    except HubError:
        return
    wanted = check(seal_keys, good)
    assert dsig.c14n(found.body) == dsig.c14n(wanted.body)
    assert dsig.c14n(found.header) == dsig.c14n(wanted.header)
    config = SignatureConfiguration(expect_references=4)
    certificate = seal_keys.rsa.certificate
    XMLVerifier().verify(bytes(data), x509_cert=certificate, id_attribute="Id", expect_config=config)


def _erase(element: Any) -> None:
    element.getparent().remove(element)


def _twice(element: Any) -> None:
    element.addnext(etree.fromstring(etree.tostring(element, with_tail=False)))


def _retext(element: Any) -> None:
    element.text = (element.text or "") + "x"

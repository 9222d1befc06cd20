"""XML signatures, good and forged: one small signer whose every choice can be wrong, then surgery."""

from __future__ import annotations

import base64
import copy
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from lxml import etree

from exchange.seals.dsig import DS, ENVELOPED, EXC_C14N, RSA_SHA256, SHA256_DIGEST, SIGNATURE
from exchange.seals.keys import SigningKey, der
from exchange.seals.safexml import Element
from mocks.conformance.identity import Keys

C14N = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
RSA_SHA1 = DS + "rsa-sha1"
HMAC_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"
SHA1_DIGEST = DS + "sha1"
XPATH = "http://www.w3.org/TR/1999/REC-xpath-19991116"
XSLT = "http://www.w3.org/TR/1999/REC-xslt-19991116"


@dataclass(frozen=True)
class XmlRecipe:
    """How an enveloped signature departs from the profile; `twist` is surgery on the signed document."""

    id: str
    zh: str
    en: str
    digest: str = SHA256_DIGEST
    method: str = RSA_SHA256
    c14n: str = EXC_C14N
    transforms: tuple[str, ...] = (ENVELOPED, EXC_C14N)
    uri: str = ""
    key: str = "hub"
    certificate: str = "hub"
    twist: str = ""
    accepted: bool = False


GOOD_XML = XmlRecipe("good", "正确签名", "a good seal", accepted=True)


def sign_document(root: Element, recipe: XmlRecipe, keys: Keys) -> Element:
    """A copy of the document, signed and then treated as the recipe says."""
    signed = copy.deepcopy(root)
    if recipe.twist != "unsigned":
        signed.append(_signature(signed, recipe, keys))
    return SURGERY[recipe.twist](signed, keys)


def _signature(root: Element, recipe: XmlRecipe, keys: Keys) -> Element:
    signer = keys.rsa if recipe.key == "hub" else keys.stranger_rsa
    shown = keys.rsa if recipe.certificate == "hub" else keys.stranger_rsa
    digest = _digest(recipe.digest, _canonical(root, recipe.transforms[-1]))
    transforms = "".join(_transform(one) for one in recipe.transforms)
    info = (
        f'<ds:SignedInfo xmlns:ds="{DS}"><ds:CanonicalizationMethod Algorithm="{recipe.c14n}"/>'
        f'<ds:SignatureMethod Algorithm="{recipe.method}"/><ds:Reference URI="{recipe.uri}">'
        f'<ds:Transforms>{transforms}</ds:Transforms><ds:DigestMethod Algorithm="{recipe.digest}"/>'
        f"<ds:DigestValue>{digest}</ds:DigestValue></ds:Reference></ds:SignedInfo>"
    )
    value = _value(recipe.method, _canonical(etree.fromstring(info), recipe.c14n), signer)
    holder = f"<ds:X509Data><ds:X509Certificate>{der(shown.certificate)}</ds:X509Certificate></ds:X509Data>"
    text = f'<ds:Signature xmlns:ds="{DS}">{info}<ds:SignatureValue>{value}</ds:SignatureValue>'
    return etree.fromstring(f"{text}<ds:KeyInfo>{holder}</ds:KeyInfo></ds:Signature>")


def _transform(name: str) -> str:
    inside = "<ds:XPath>not(ancestor-or-self::NOTICE)</ds:XPath>" if name == XPATH else ""
    return f'<ds:Transform Algorithm="{name}">{inside}</ds:Transform>'


def _canonical(element: Element, method: str) -> bytes:
    data: bytes = etree.tostring(element, method="c14n", exclusive=method != C14N, with_comments=False)
    return data


def _digest(name: str, data: bytes) -> str:
    found = hashlib.sha1(data, usedforsecurity=False) if name == SHA1_DIGEST else hashlib.sha256(data)
    return base64.b64encode(found.digest()).decode()


def _value(method: str, data: bytes, key: SigningKey) -> str:
    if method == HMAC_SHA256:
        secret = der(key.certificate).encode()
        return base64.b64encode(hmac.new(secret, data, hashlib.sha256).digest()).decode()
    assert isinstance(key.private, RSAPrivateKey)  # noqa: S101 - the kit made it
    used = hashes.SHA1() if method == RSA_SHA1 else hashes.SHA256()  # noqa: S303 - a weak seal is what is tried
    return base64.b64encode(key.private.sign(data, PKCS1v15(), used)).decode()


Surgeon = Callable[[Element, Keys], Element]


def _same(root: Element, keys: Keys) -> Element:
    return root


def _garbage(root: Element, keys: Keys) -> Element:
    root.find(f"{SIGNATURE}/{{{DS}}}SignatureValue").text = base64.b64encode(bytes(256)).decode()
    return root


def _flipped(root: Element, keys: Keys) -> Element:
    node = root.find(f"{SIGNATURE}/{{{DS}}}SignatureValue")
    node.text = ("B" if node.text[0] == "A" else "A") + node.text[1:]
    return root


def content_leaf(root: Element) -> Element:
    """The last text with a digit outside signatures: the one an attacker would alter."""
    found = [
        node for node in root.iter()
        if isinstance(node.tag, str) and DS not in node.tag
        and not len(node) and (node.text or "")[-1:].isdigit()
    ]  # fmt: skip
    return found[-1]


def _altered(root: Element, keys: Keys) -> Element:
    leaf = content_leaf(root)
    leaf.text = leaf.text[:-1] + ("1" if leaf.text[-1] != "1" else "2")
    return root


def _added(root: Element, keys: Keys) -> Element:
    etree.SubElement(root[0], "WZZD").text = "1"
    return root


def _commented(root: Element, keys: Keys) -> Element:
    """A comment inside a value: the canonical form leaves it out, careless readers stop there."""
    leaf = content_leaf(root)
    text = leaf.text
    leaf.text = text[:1]
    comment = etree.Comment("x")
    comment.tail = text[1:]
    leaf.append(comment)
    return root


def _twice(root: Element, keys: Keys) -> Element:
    root.append(copy.deepcopy(root[-1]))
    return root


def _first(root: Element, keys: Keys) -> Element:
    root.insert(0, root[-1])
    return root


def _wrapped(root: Element, keys: Keys) -> Element:
    """The signed document inside another of the same name with other content."""
    outer = copy.deepcopy(root)
    outer.remove(outer[-1])
    _altered(outer, keys)
    inner = etree.SubElement(outer, "Object")
    inner.append(root)
    outer.append(copy.deepcopy(root[-1]))
    return outer


def _no_reference(root: Element, keys: Keys) -> Element:
    info = root.find(f"{SIGNATURE}/{{{DS}}}SignedInfo")
    info.remove(info.find(f"{{{DS}}}Reference"))
    return _resigned(root, info, keys)


def _more_references(root: Element, keys: Keys) -> Element:
    info = root.find(f"{SIGNATURE}/{{{DS}}}SignedInfo")
    info.append(copy.deepcopy(info[-1]))
    return _resigned(root, info, keys)


def _resigned(root: Element, info: Element, keys: Keys) -> Element:
    value = _value(RSA_SHA256, _canonical(info, EXC_C14N), keys.rsa)
    root.find(f"{SIGNATURE}/{{{DS}}}SignatureValue").text = value
    return root


def _no_key(root: Element, keys: Keys) -> Element:
    signature = root.find(SIGNATURE)
    signature.remove(signature.find(f"{{{DS}}}KeyInfo"))
    return root


def _key_value(root: Element, keys: Keys) -> Element:
    """A bare public key in place of the certificate, so that nothing says whose it is."""
    info = root.find(f"{SIGNATURE}/{{{DS}}}KeyInfo")
    info.remove(info[0])
    assert isinstance(keys.stranger_rsa.private, RSAPrivateKey)  # noqa: S101 - the kit made it
    numbers = keys.stranger_rsa.private.public_key().public_numbers()
    holder = etree.SubElement(etree.SubElement(info, f"{{{DS}}}KeyValue"), f"{{{DS}}}RSAKeyValue")
    for name, number in (("Modulus", numbers.n), ("Exponent", numbers.e)):
        data = number.to_bytes((number.bit_length() + 7) // 8, "big")
        etree.SubElement(holder, f"{{{DS}}}{name}").text = base64.b64encode(data).decode()
    return root


SURGERY: Mapping[str, Surgeon] = {
    "": _same,
    "unsigned": _same,
    "garbage": _garbage,
    "flipped": _flipped,
    "altered": _altered,
    "added": _added,
    "commented": _commented,
    "twice": _twice,
    "first": _first,
    "wrapped": _wrapped,
    "no_reference": _no_reference,
    "more_references": _more_references,
    "no_key": _no_key,
    "key_value": _key_value,
}

XMLDSIG: tuple[XmlRecipe, ...] = (
    XmlRecipe("missing", "没有签名", "no signature", twist="unsigned"),
    XmlRecipe("garbage", "签名值为零字节", "a signature value of zero bytes", twist="garbage"),
    XmlRecipe("flipped", "签名值被改动", "an altered signature value", twist="flipped"),
    XmlRecipe("altered", "签名后改动一个数字", "one digit altered after signing", twist="altered"),
    XmlRecipe("added", "签名后加入元素", "an element added after signing", twist="added"),
    XmlRecipe("twice", "两个签名", "two signatures", twist="twice"),
    XmlRecipe(
        "first", "签名不是根的最后一个子元素", "the signature is not the root's last child", twist="first"
    ),
    XmlRecipe(
        "wrapped",
        "签名包装攻击：外层为未签名内容",
        "signature wrapping: unsigned content around the signed",
        twist="wrapped",
    ),
    XmlRecipe("no-reference", "SignedInfo 没有引用", "a SignedInfo without references", twist="no_reference"),
    XmlRecipe("more-references", "两个引用", "two references", twist="more_references"),
    XmlRecipe("no-key", "没有 KeyInfo", "no KeyInfo", twist="no_key"),
    XmlRecipe(
        "key-value", "KeyInfo 只给裸公钥", "a bare public key in KeyInfo", key="stranger", twist="key_value"
    ),
    XmlRecipe(
        "unknown",
        "未登记的证书（自洽签名）",
        "an unregistered certificate, signed consistently",
        key="stranger",
        certificate="stranger",
    ),
    XmlRecipe(
        "other-key", "以他人密钥签名、附我方证书", "our certificate, signed by another key", key="stranger"
    ),
    XmlRecipe("uri-id", "引用指向 #id 而非整个文档", "a reference to an #id, not the document", uri="#x"),
    XmlRecipe("uri-file", "引用指向文件", "a reference to a file", uri="file:///etc/passwd"),
    XmlRecipe("uri-http", "引用指向网址", "a reference to an address", uri="http://127.0.0.1:9/x"),
    XmlRecipe("sha1-digest", "摘要算法 SHA-1", "a SHA-1 digest", digest=SHA1_DIGEST),
    XmlRecipe("sha1-signature", "签名算法 RSA-SHA1", "an RSA-SHA1 signature", method=RSA_SHA1),
    XmlRecipe(
        "hmac", "以公开证书作 HMAC 密钥", "the public certificate as an HMAC secret", method=HMAC_SHA256
    ),
    XmlRecipe("c14n", "SignedInfo 用非约定的规范化", "another canonicalisation of SignedInfo", c14n=C14N),
    XmlRecipe(
        "no-enveloped",
        "变换缺少 enveloped-signature",
        "no enveloped-signature transform",
        transforms=(EXC_C14N,),
    ),
    XmlRecipe("no-c14n", "变换缺少规范化", "no canonicalisation transform", transforms=(ENVELOPED,)),
    XmlRecipe(
        "xpath",
        "变换含 XPath（只签一部分）",
        "an XPath transform (signs a part)",
        transforms=(ENVELOPED, XPATH, EXC_C14N),
    ),
    XmlRecipe("xslt", "变换含 XSLT", "an XSLT transform", transforms=(ENVELOPED, XSLT, EXC_C14N)),
)

"""One strict XML-DSig profile: exclusive C14N, RSA-SHA256, SHA-256, the certificate known beforehand."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from lxml import etree

Element = Any  # lxml ships no types: every such value is an lxml element

DS = "http://www.w3.org/2000/09/xmldsig#"
EXC_C14N = "http://www.w3.org/2001/10/xml-exc-c14n#"
RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
SHA_256 = "http://www.w3.org/2001/04/xmlenc#sha256"
ENVELOPED = f"{DS}enveloped-signature"
LEAST_RSA_BITS = 2048
MOST_ELEMENTS = 20_000
MOST_ATTRIBUTES = 32
_DECLARATION = re.compile(r"\A<\?xml\s[^>]*\?>")


class SealError(Exception):
    """The signature is missing, does not verify or breaks the profile; the text says which rule."""


class XmlError(Exception):
    """Not an XML document that this profile reads (not well-formed, DOCTYPE, instruction, too large)."""


@dataclass(frozen=True)
class Signer:
    """An RSA key and the certificate that receivers know."""

    key: rsa.RSAPrivateKey
    certificate: x509.Certificate


def load_signer(key_pem: bytes, certificate_pem: bytes) -> Signer:
    """Reads both PEM files; `SealError` when the key is not RSA."""
    key = load_pem_private_key(key_pem, password=None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise SealError("key is not RSA")
    return Signer(key, x509.load_pem_x509_certificate(certificate_pem))


def parse(data: bytes | str, most: int = MOST_ELEMENTS, *, huge: bool = False) -> Element:
    """The root of a harmless document of at most `most` elements. A string's declaration is ignored.

    `huge`: a text may have more than the ten million bytes that libxml2 takes otherwise.
    """
    raw = _DECLARATION.sub("", data).encode() if isinstance(data, str) else data
    if huge and b"<!DOCTYPE" in raw:  # libxml2 bounds no expansion of entities then
        raise XmlError("DOCTYPE")
    parser = etree.XMLParser(
        resolve_entities=False, load_dtd=False, no_network=True, huge_tree=huge, remove_comments=True
    )
    try:
        root = etree.fromstring(raw, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise XmlError("not well-formed") from error
    _refuse_dangerous(root, most)
    return root


def _refuse_dangerous(root: Element, most: int) -> None:
    if root.getroottree().docinfo.doctype or root.getroottree().docinfo.internalDTD is not None:
        raise XmlError("DOCTYPE")
    if root.getprevious() is not None or root.getnext() is not None:
        raise XmlError("processing instruction")
    for count, node in enumerate(root.iter()):
        if not isinstance(node.tag, str):
            raise XmlError("processing instruction or entity")
        if count > most or len(node.attrib) > MOST_ATTRIBUTES:
            raise XmlError("too many elements or attributes")


def canonical(element: Element) -> bytes:
    """Exclusive C14N without comments of the element alone (its tail belongs to the parent)."""
    tail, element.tail = element.tail, None
    try:
        return bytes(etree.tostring(element, method="c14n", exclusive=True, with_comments=False))
    finally:
        element.tail = tail


def child(parent: Element, path: str) -> Element:
    """The one element at `path`; `SealError` when it is missing or there are several."""
    found = parent.findall(path)
    if len(found) != 1:
        raise SealError(f"{len(found)} of {path.rpartition('}')[2]}")
    return found[0]


def require_children(parent: Element, names: Iterable[str]) -> list[Element]:
    """Exactly these children in this order."""
    if [node.tag for node in parent] != list(names):
        raise SealError(f"content of {etree.QName(parent).localname}")
    return list(parent)


def decode_base64(text: str | None) -> bytes:
    """White space is allowed, nothing else outside the alphabet."""
    try:
        return base64.b64decode("".join((text or "").split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise SealError("base64") from error


def trusted_certificate(der: bytes, trusted: Iterable[x509.Certificate], now: datetime) -> x509.Certificate:
    """The registered certificate with exactly these bytes, in its time of validity."""
    for known in trusted:
        if known.public_bytes(Encoding.DER) == der:
            if not known.not_valid_before_utc <= now <= known.not_valid_after_utc:
                raise SealError("certificate not valid now")
            return known
    raise SealError("certificate not registered")


def signed_info(references: Iterable[tuple[str, bytes, bool]]) -> Element:
    """SignedInfo over (URI, canonical bytes, enveloped)."""
    info = etree.Element(f"{{{DS}}}SignedInfo", nsmap={"ds": DS})
    etree.SubElement(info, f"{{{DS}}}CanonicalizationMethod", Algorithm=EXC_C14N)
    etree.SubElement(info, f"{{{DS}}}SignatureMethod", Algorithm=RSA_SHA256)
    for uri, data, enveloped in references:
        reference = etree.SubElement(info, f"{{{DS}}}Reference", URI=uri)
        transforms = etree.SubElement(reference, f"{{{DS}}}Transforms")
        for algorithm in ([ENVELOPED] if enveloped else []) + [EXC_C14N]:
            etree.SubElement(transforms, f"{{{DS}}}Transform", Algorithm=algorithm)
        etree.SubElement(reference, f"{{{DS}}}DigestMethod", Algorithm=SHA_256)
        digest = base64.b64encode(hashlib.sha256(data).digest()).decode()
        etree.SubElement(reference, f"{{{DS}}}DigestValue").text = digest
    return info


def signature(info: Element, signer: Signer, key_info: Element) -> Element:
    """ds:Signature over `info`."""
    node = etree.Element(f"{{{DS}}}Signature", nsmap={"ds": DS})
    node.append(info)
    value = signer.key.sign(canonical(info), padding.PKCS1v15(), SHA256())
    etree.SubElement(node, f"{{{DS}}}SignatureValue").text = base64.b64encode(value).decode()
    node.append(key_info)
    return node


def read_references(info: Element, transforms: list[str]) -> dict[str, bytes]:
    """URI -> digest of a SignedInfo that uses the profile's algorithms and nothing else."""
    method, signing, *references = list(info)
    _require_algorithm(method, "CanonicalizationMethod", EXC_C14N)
    _require_algorithm(signing, "SignatureMethod", RSA_SHA256)
    digests = {str(node.get("URI")): _read_reference(node, transforms) for node in references}
    if len(digests) != len(references):
        raise SealError("a reference twice")
    return digests


def _read_reference(node: Element, transforms: list[str]) -> bytes:
    if node.tag != f"{{{DS}}}Reference" or set(node.attrib) != {"URI"}:
        raise SealError("Reference")
    names = [f"{{{DS}}}{name}" for name in ("Transforms", "DigestMethod", "DigestValue")]
    chain, method, value = require_children(node, names)
    if len(chain) != len(transforms):
        raise SealError("Transforms")
    for step, algorithm in zip(chain, transforms, strict=True):
        _require_algorithm(step, "Transform", algorithm)
    _require_algorithm(method, "DigestMethod", SHA_256)
    return decode_base64(value.text)


def _require_algorithm(node: Element, name: str, algorithm: str) -> None:
    if node.tag != f"{{{DS}}}{name}" or dict(node.attrib) != {"Algorithm": algorithm} or len(node):
        raise SealError(name)


def signature_parts(node: Element) -> tuple[Element, Element, Element]:
    """SignedInfo, SignatureValue and KeyInfo; nothing else (no ds:Object) may be there."""
    names = [f"{{{DS}}}{name}" for name in ("SignedInfo", "SignatureValue", "KeyInfo")]
    info, value, key_info = require_children(node, names)
    if len(info) < 3:
        raise SealError("SignedInfo")
    return info, value, key_info


def check_digest(data: bytes, digest: bytes, what: str) -> None:
    """Compares SHA-256; the error names what was changed."""
    if not hmac.compare_digest(hashlib.sha256(data).digest(), digest):
        raise SealError(f"digest of {what}")


def check_value(info: Element, value: Element, certificate: x509.Certificate) -> None:
    """RSA PKCS#1 v1.5 with SHA-256 over the canonical SignedInfo."""
    key = certificate.public_key()
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size < LEAST_RSA_BITS:
        raise SealError("key")
    try:
        key.verify(decode_base64(value.text), canonical(info), padding.PKCS1v15(), SHA256())
    except InvalidSignature as error:
        raise SealError("signature value") from error

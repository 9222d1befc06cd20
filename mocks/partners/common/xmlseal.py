"""Seals of XML documents: WS-Security X.509 of a SOAP envelope, and one enveloped XML-DSig."""

from __future__ import annotations

import base64
import copy
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from mocks.partners.common.xmlsig import (
    DS,
    ENVELOPED,
    EXC_C14N,
    Element,
    SealError,
    Signer,
    XmlError,
    canonical,
    check_digest,
    check_value,
    child,
    decode_base64,
    load_signer,
    parse,
    read_references,
    require_children,
    signature,
    signature_parts,
    signed_info,
    trusted_certificate,
)

__all__ = [
    "SOAP",
    "Element",
    "SealError",
    "Signer",
    "Verified",
    "XmlError",
    "canonical",
    "load_signer",
    "parse",
    "sign_enveloped",
    "sign_soap",
    "verify_enveloped",
    "verify_soap",
]

SOAP: Final = "http://schemas.xmlsoap.org/soap/envelope/"
_OASIS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
WSSE: Final = f"{_OASIS}wssecurity-secext-1.0.xsd"
WSU: Final = f"{_OASIS}wssecurity-utility-1.0.xsd"
X509V3: Final = f"{_OASIS}x509-token-profile-1.0#X509v3"
BASE64: Final = f"{_OASIS}soap-message-security-1.0#Base64Binary"
WSU_ID: Final = f"{{{WSU}}}Id"
LIFETIME: Final = timedelta(hours=1)
SKEW: Final = timedelta(seconds=300)
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")


@dataclass(frozen=True)
class Verified:
    """The only parts of an envelope that were signed: business header and the one child of Body."""

    header: Element
    payload: Element


def sign_soap(envelope: Element, header: Element, signer: Signer, now: datetime) -> None:
    """Adds wsse:Security as first header, over Body, Timestamp, token and `header` (a child of Header)."""
    security = etree.Element(f"{{{WSSE}}}Security", nsmap={"wsse": WSSE, "wsu": WSU})
    stamp = _timestamp(security, now)
    token = etree.SubElement(
        security, f"{{{WSSE}}}BinarySecurityToken", {"ValueType": X509V3, "EncodingType": BASE64}
    )
    token.text = _der_base64(signer.certificate)
    child(envelope, f"{{{SOAP}}}Header").insert(0, security)
    parts = {"body": child(envelope, f"{{{SOAP}}}Body"), "ts": stamp, "x509": token, "call": header}
    for name, part in parts.items():
        part.set(WSU_ID, name)
    info = signed_info((f"#{name}", canonical(part), False) for name, part in parts.items())
    security.append(signature(info, signer, _token_reference("#x509")))


def _timestamp(security: Element, now: datetime) -> Element:
    stamp = etree.SubElement(security, f"{{{WSU}}}Timestamp")
    for name, at in (("Created", now), ("Expires", now + SKEW)):
        etree.SubElement(stamp, f"{{{WSU}}}{name}").text = at.strftime("%Y-%m-%dT%H:%M:%SZ")
    return stamp


def _token_reference(uri: str) -> Element:
    key_info = etree.Element(f"{{{DS}}}KeyInfo", nsmap={"ds": DS})
    holder = etree.SubElement(key_info, f"{{{WSSE}}}SecurityTokenReference", nsmap={"wsse": WSSE})
    etree.SubElement(holder, f"{{{WSSE}}}Reference", URI=uri, ValueType=X509V3)
    return key_info


def verify_soap(
    envelope: Element, header_tag: str, trusted: Sequence[x509.Certificate], now: datetime
) -> Verified:
    """What is signed in `envelope`, or `SealError`. Wrapping fails: references are compared by node."""
    header, body = require_children(envelope, [f"{{{SOAP}}}Header", f"{{{SOAP}}}Body"])
    if len(body) != 1:
        raise SealError("Body has not one child")
    _require_unique_ids(envelope)
    security = child(header, f"{{{WSSE}}}Security")
    stamp = child(security, f"{{{WSU}}}Timestamp")
    token = child(security, f"{{{WSSE}}}BinarySecurityToken")
    business = child(header, header_tag)
    signed = child(security, f"{{{DS}}}Signature")
    if len(envelope.findall(f".//{{{DS}}}Signature")) != 1:
        raise SealError("more than one Signature")
    info, value, key_info = signature_parts(signed)
    certificate = _certificate_of(token, key_info, trusted, now)
    _check_parts(info, {"Body": body, "Timestamp": stamp, "token": token, "header": business})
    check_value(info, value, certificate)
    _check_timestamp(stamp, now)
    return Verified(copy.deepcopy(business), copy.deepcopy(body[0]))


def _require_unique_ids(envelope: Element) -> None:
    ids = Counter(
        value
        for node in envelope.iter()
        for name, value in node.attrib.items()
        if etree.QName(name).localname.lower() == "id"
    )
    if any(count > 1 for count in ids.values()):
        raise SealError("an Id twice")


def _certificate_of(
    token: Element, key_info: Element, trusted: Sequence[x509.Certificate], now: datetime
) -> x509.Certificate:
    holder = child(key_info, f"{{{WSSE}}}SecurityTokenReference")
    reference = child(holder, f"{{{WSSE}}}Reference")
    if len(key_info) != 1 or len(holder) != 1 or reference.get("URI") != f"#{token.get(WSU_ID)}":
        raise SealError("KeyInfo does not name the token")
    if (token.get("ValueType"), token.get("EncodingType", BASE64)) != (X509V3, BASE64) or len(token):
        raise SealError("kind of token")
    return trusted_certificate(decode_base64(token.text), trusted, now)


def _check_parts(info: Element, parts: dict[str, Element]) -> None:
    """Each part signed once and nothing else; a part without wsu:Id is not signed."""
    digests = read_references(info, [EXC_C14N])
    by_uri = {f"#{part.get(WSU_ID)}": (name, part) for name, part in parts.items()}
    if None in {part.get(WSU_ID) for part in parts.values()} or set(digests) != set(by_uri):
        raise SealError("not exactly Body, Timestamp, token and header are signed")
    for uri, (name, part) in by_uri.items():
        check_digest(canonical(part), digests[uri], name)


def _check_timestamp(stamp: Element, now: datetime) -> None:
    created, expires = (
        _instant(node.text) for node in require_children(stamp, [f"{{{WSU}}}Created", f"{{{WSU}}}Expires"])
    )
    if not timedelta(0) < expires - created <= LIFETIME:
        raise SealError("lifetime of the Timestamp")
    if created > now + SKEW or expires <= now:
        raise SealError("Timestamp not valid now")


def _instant(text: str | None) -> datetime:
    if not _INSTANT.fullmatch(text or ""):
        raise SealError("form of the Timestamp")
    try:
        return datetime.fromisoformat(text or "")
    except ValueError as error:
        raise SealError("form of the Timestamp") from error


def sign_enveloped(root: Element, signer: Signer) -> None:
    """Adds one ds:Signature as last child of `root`, over the whole document (URI "")."""
    info = signed_info([("", canonical(root), True)])
    key_info = etree.Element(f"{{{DS}}}KeyInfo", nsmap={"ds": DS})
    holder = etree.SubElement(etree.SubElement(key_info, f"{{{DS}}}X509Data"), f"{{{DS}}}X509Certificate")
    holder.text = _der_base64(signer.certificate)
    root.append(signature(info, signer, key_info))


def verify_enveloped(root: Element, trusted: Sequence[x509.Certificate], now: datetime) -> Element:
    """A copy of the signed document without its signature, or `SealError`."""
    found = root.findall(f".//{{{DS}}}Signature")
    if len(found) != 1 or found[0] is not root[-1]:
        raise SealError("not one Signature as last child")
    info, value, key_info = signature_parts(found[0])
    data = require_children(key_info, [f"{{{DS}}}X509Data"])[0]
    shown = require_children(data, [f"{{{DS}}}X509Certificate"])[0]
    certificate = trusted_certificate(decode_base64(shown.text), trusted, now)
    digests = read_references(info, [ENVELOPED, EXC_C14N])
    if set(digests) != {""}:
        raise SealError("Reference")
    bare = _without_last(root)
    check_digest(canonical(bare), digests[""], "document")
    check_value(info, value, certificate)
    return bare


def _without_last(root: Element) -> Element:
    """The enveloped-signature transform: the element goes, the white space after it stays."""
    bare = copy.deepcopy(root)
    last = bare[-1]
    before, tail = last.getprevious(), last.tail or ""
    if before is None:
        bare.text = (bare.text or "") + tail
    else:
        before.tail = (before.tail or "") + tail
    bare.remove(last)
    return bare


def _der_base64(certificate: x509.Certificate) -> str:
    return base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()

"""Enveloped XML-DSig: one signature as last child of the root, over the whole root (docs/wire.md §3)."""

import copy
import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from cryptography.x509 import Certificate

from exchange.errors import Refused, Tampered
from exchange.seals import dsig
from exchange.seals.keys import SigningKey, check_validity, der, fingerprint
from exchange.seals.safexml import Element, again

Keyring = Callable[[bytes], Certificate | None]  # by the SHA-256 of the DER bytes
ID = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,99}")


@dataclass(frozen=True, slots=True)
class XmlDsigProfile:
    """How the root is referred to ("" or its Id attribute) and with which algorithms (dsig URIs)."""

    reference: Literal["", "#Id"]
    algorithms: frozenset[str] = dsig.ALGORITHMS


HOUSE = XmlDsigProfile("#Id")


def in_string(algorithms: Iterable[str]) -> XmlDsigProfile:
    """Of a document that stands as text inside another, under the algorithms of these names (dsig.NAMED)."""
    return XmlDsigProfile("", frozenset(dsig.NAMED[name] for name in algorithms))


@dataclass(frozen=True, slots=True)
class SignedDocument:
    """The document without its signature, parsed anew from the signed bytes, and who signed it."""

    root: Element
    certificate: Certificate
    fingerprint: bytes  # SHA-256 of the certificate
    signature_digest: bytes  # SHA-256 of the signature value


def sign(root: Element, key: SigningKey, profile: XmlDsigProfile = HOUSE) -> Element:
    """A signed copy; it must be serialised as it is (no pretty-printing)."""
    signed = copy.deepcopy(root)
    if any(True for _ in signed.iter(dsig.SIGNATURE)):
        raise Refused("bad_value", "the document is signed already")
    part = dsig.reference(_uri(signed, profile), signed, dsig.ENVELOPED)
    certificate = f"<ds:X509Certificate>{der(key.certificate)}</ds:X509Certificate>"
    signed.append(dsig.sign([part], key.private, f"<ds:X509Data>{certificate}</ds:X509Data>"))
    return signed


def verify(
    root: Element, keyring: Keyring, *, now: datetime, profile: XmlDsigProfile = HOUSE
) -> SignedDocument:
    """Tampered by the codes of docs/wire.md §8 unless a registered certificate signed the whole root."""
    rest = copy.deepcopy(root)
    element = _only_signature(rest)
    signature = dsig.read(element)
    certificate = registered(_certificate(signature.key_info), keyring)
    dsig.check(signature, certificate, profile.algorithms)
    _remove(element)
    canonical = dsig.c14n(rest)
    _check_scope(rest, signature, canonical, profile)
    check_validity(certificate, now)
    digest = hashlib.sha256(signature.value).digest()
    return SignedDocument(again(canonical), certificate, fingerprint(certificate), digest)


def registered(certificate_der: bytes, keyring: Keyring) -> Certificate:
    """The registered certificate with exactly these bytes, else Tampered unknown_party."""
    digest = hashlib.sha256(certificate_der).digest()
    certificate = keyring(digest)
    if certificate is None or fingerprint(certificate) != digest:
        raise Tampered("unknown_party", "the certificate is not registered")
    return certificate


def _only_signature(root: Element) -> Element:
    found = list(root.iter(dsig.SIGNATURE))
    if not found:
        raise Tampered("seal_missing", "the document is not signed")
    if len(found) > 1 or root[-1] is not found[0]:
        raise dsig.invalid("there must be one signature, the last child of the root")
    return found[0]


def _certificate(key_info: Element) -> bytes:
    (data,) = dsig.children(key_info, dsig.DS, "X509Data")
    (certificate,) = dsig.children(data, dsig.DS, "X509Certificate")
    return dsig.decoded(certificate)


def _check_scope(root: Element, signature: dsig.Signature, canonical: bytes, profile: XmlDsigProfile) -> None:
    if len(signature.references) != 1 or signature.references[0].uri != _uri(root, profile):
        raise Tampered("seal_scope", "there must be one reference, to the root")
    if profile.reference:
        dsig.check_ids(root)
    dsig.check_digest(signature.references[0], canonical, dsig.ENVELOPED)


def _uri(root: Element, profile: XmlDsigProfile) -> str:
    if not profile.reference:
        return ""
    if not ID.fullmatch(root.get("Id", "")):
        raise Tampered("seal_scope", "the root must have an Id of letters, digits, _ . -", "Id")
    return f"#{root.get('Id')}"


def _remove(signature: Element) -> None:
    """Takes the signature out and leaves the text after it, which the enveloped transform keeps."""
    parent, before = signature.getparent(), signature.getprevious()
    if signature.tail and before is not None:
        before.tail = (before.tail or "") + signature.tail
    elif signature.tail:
        parent.text = (parent.text or "") + signature.tail
    parent.remove(signature)

"""The strict core of both XML seals: one canonical form, one digest, two signature algorithms, nothing else.

Written on lxml and cryptography because signxml parses the whole document again for every reference; signxml
and xmlsec1 judge it in the tests.
"""

import base64
import hashlib
import hmac
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509 import Certificate
from lxml import etree

from exchange.errors import Refused, Tampered
from exchange.seals.keys import PrivateKey, PublicKey, public_key
from exchange.seals.safexml import Element

DS = "http://www.w3.org/2000/09/xmldsig#"
EXC_C14N = "http://www.w3.org/2001/10/xml-exc-c14n#"
ENVELOPED = DS + "enveloped-signature"
SHA256_DIGEST = "http://www.w3.org/2001/04/xmlenc#sha256"
RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
ECDSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
NAMED = {"rsa-sha256": RSA_SHA256, "ecdsa-sha256": ECDSA_SHA256}
ALGORITHMS = frozenset(NAMED.values())
SIGNATURE = f"{{{DS}}}Signature"
P256 = 32  # bytes of r and of s in an ECDSA signature value (RFC 4050 §3.3)
ALL_IDS = etree.XPath("//@*[translate(local-name(), 'ID', 'id') = 'id']")


@dataclass(frozen=True, slots=True)
class Reference:
    """What a signature says about one part: where it is, how it is transformed, its SHA-256."""

    uri: str
    transforms: tuple[str, ...]
    digest: bytes


@dataclass(frozen=True, slots=True)
class Signature:
    """A ds:Signature taken apart; nothing in it is verified yet."""

    method: str
    references: tuple[Reference, ...]
    signed_info: bytes  # exclusive C14N
    value: bytes
    key_info: Element


def c14n(element: Element) -> bytes:
    """Exclusive C14N 1.0 without comments."""
    data: bytes = etree.tostring(element, method="c14n", exclusive=True, with_comments=False)
    return data


def sign(references: Sequence[Reference], key: PrivateKey, key_info: str) -> Element:
    """A ds:Signature; the SignedInfo is written in canonical form, so `uri` must need no escaping."""
    method = ECDSA_SHA256 if isinstance(key, EllipticCurvePrivateKey) else RSA_SHA256
    inner = f"{_empty('CanonicalizationMethod', EXC_C14N)}{_empty('SignatureMethod', method)}"
    inner += "".join(map(_written, references)) + "</ds:SignedInfo>"
    value = _sign_bytes(key, f'<ds:SignedInfo xmlns:ds="{DS}">{inner}'.encode())
    value_text = base64.b64encode(value).decode()
    return etree.fromstring(
        f'<ds:Signature xmlns:ds="{DS}"><ds:SignedInfo>{inner}'
        f"<ds:SignatureValue>{value_text}</ds:SignatureValue><ds:KeyInfo>{key_info}</ds:KeyInfo></ds:Signature>"
    )


def reference(uri: str, element: Element, *transforms: str) -> Reference:
    """A reference to an element as it stands now."""
    return Reference(uri, (*transforms, EXC_C14N), hashlib.sha256(c14n(element)).digest())


def read(signature: Element) -> Signature:
    """Tampered seal_invalid unless it has exactly the parts of the profile."""
    info, value, key_info = children(signature, DS, "SignedInfo", "SignatureValue", "KeyInfo")
    if len(info) < 3:
        raise invalid("SignedInfo has no reference")
    canonical, method, *references = children(
        info, DS, "CanonicalizationMethod", "SignatureMethod", *["Reference"] * (len(info) - 2)
    )
    if _algorithm(canonical) != EXC_C14N:
        raise invalid("SignedInfo must be canonicalised by exclusive C14N without comments")
    parts = tuple(map(_reference, references))
    return Signature(_algorithm(method), parts, c14n(info), decoded(value), key_info)


def check(signature: Signature, certificate: Certificate, algorithms: frozenset[str] = ALGORITHMS) -> None:
    """Tampered seal_invalid unless the certificate's key made the signature value."""
    if signature.method not in algorithms:
        raise invalid("the signature algorithm is not accepted")
    try:
        _check_bytes(signature, public_key(certificate))
    except (InvalidSignature, Refused) as fault:
        raise invalid("the signature does not verify") from fault


def check_digest(found: Reference, canonical: bytes, *transforms: str) -> None:
    """Tampered seal_invalid unless the reference has these transforms and this canonical form."""
    if found.transforms != (*transforms, EXC_C14N):
        raise invalid("a reference has other transforms than the profile's")
    if not hmac.compare_digest(found.digest, hashlib.sha256(canonical).digest()):
        raise invalid("a signed part was changed", found.uri)


def check_ids(root: Element) -> None:
    """Tampered seal_scope when two id-like attributes (any case, any namespace) have the same value."""
    if doubled := [value for value, count in Counter(map(str, ALL_IDS(root))).items() if count > 1]:
        raise Tampered("seal_scope", "two elements have the same id", doubled[0][:100])


def children(element: Element, namespace: str, *names: str) -> list[Element]:
    """The children, if they are exactly these, in this order."""
    found = list(element)
    if [child.tag for child in found] != [f"{{{namespace}}}{name}" for name in names]:
        raise invalid(f"{etree.QName(element).localname} must hold exactly {', '.join(names)}")
    return found


def decoded(element: Element) -> bytes:
    """The base64 text of an element without children; line breaks are allowed."""
    try:
        if len(element):
            raise ValueError("has children")
        return base64.b64decode("".join((element.text or "").split()), validate=True)
    except ValueError as fault:
        raise invalid(f"{etree.QName(element).localname} is not base64") from fault


def invalid(detail: str, where: str | None = None) -> Tampered:
    """The refusal of a signature that breaks the profile."""
    return Tampered("seal_invalid", detail, where)


def _empty(name: str, algorithm: str) -> str:
    return f'<ds:{name} Algorithm="{algorithm}"></ds:{name}>'


def _written(part: Reference) -> str:
    transforms = "".join(_empty("Transform", uri) for uri in part.transforms)
    return (
        f'<ds:Reference URI="{part.uri}"><ds:Transforms>{transforms}</ds:Transforms>'
        f"{_empty('DigestMethod', SHA256_DIGEST)}"
        f"<ds:DigestValue>{base64.b64encode(part.digest).decode()}</ds:DigestValue></ds:Reference>"
    )


def _algorithm(element: Element) -> str:
    """The Algorithm, which takes no parameters (InclusiveNamespaces, HMACOutputLength) in this profile."""
    if len(element):
        raise invalid(f"{etree.QName(element).localname} takes no parameters")
    return str(element.get("Algorithm", ""))


def _reference(element: Element) -> Reference:
    transforms, method, value = children(element, DS, "Transforms", "DigestMethod", "DigestValue")
    if _algorithm(method) != SHA256_DIGEST:
        raise invalid("the digest must be SHA-256")
    steps = children(transforms, DS, *["Transform"] * len(transforms))
    if "URI" not in element.attrib:
        raise invalid("a reference has no URI")
    return Reference(element.get("URI"), tuple(map(_algorithm, steps)), decoded(value))


def _sign_bytes(key: PrivateKey, data: bytes) -> bytes:
    if not isinstance(key, EllipticCurvePrivateKey):
        return key.sign(data, PKCS1v15(), SHA256())
    r, s = decode_dss_signature(key.sign(data, ECDSA(SHA256())))
    return r.to_bytes(P256, "big") + s.to_bytes(P256, "big")


def _check_bytes(signature: Signature, key: PublicKey) -> None:
    """InvalidSignature also when the algorithm is for another type of key."""
    value, data = signature.value, signature.signed_info
    if isinstance(key, EllipticCurvePublicKey):
        if signature.method != ECDSA_SHA256 or len(value) != 2 * P256:
            raise InvalidSignature
        r, s = int.from_bytes(value[:P256], "big"), int.from_bytes(value[P256:], "big")
        key.verify(encode_dss_signature(r, s), data, ECDSA(SHA256()))
    else:
        if signature.method != RSA_SHA256:
            raise InvalidSignature
        key.verify(value, data, PKCS1v15(), SHA256())

"""WS-Security with an X.509 token over Body, Timestamp, token and the business header (docs/wire.md §3)."""

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography.x509 import Certificate
from lxml import etree

from exchange.errors import Refused, Tampered
from exchange.seals import dsig
from exchange.seals.keys import SigningKey, check_validity, der, fingerprint
from exchange.seals.safexml import Element, again
from exchange.seals.xmldsig import Keyring, registered

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
_OASIS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
WSSE = _OASIS + "wssecurity-secext-1.0.xsd"
WSU = _OASIS + "wssecurity-utility-1.0.xsd"
X509V3 = _OASIS + "x509-token-profile-1.0#X509v3"
BASE64 = _OASIS + "soap-message-security-1.0#Base64Binary"
WSU_ID = f"{{{WSU}}}Id"
SECURITY, TOKEN = f"{{{WSSE}}}Security", f"{{{WSSE}}}BinarySecurityToken"
TIMESTAMP = f"{{{WSU}}}Timestamp"
SKEW = timedelta(seconds=300)
LONGEST_LIFE = timedelta(hours=1)
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)


@dataclass(frozen=True, slots=True)
class SignedEnvelope:
    """Business header and Body, each parsed anew from the signed bytes, and who signed them when."""

    header: Element
    body: Element
    certificate: Certificate
    fingerprint: bytes  # SHA-256 of the certificate
    created: datetime
    expires: datetime
    signature_digest: bytes  # SHA-256 of the signature value


@dataclass(frozen=True, slots=True)
class _Parts:
    """The four elements that must be signed, and the signature."""

    body: Element
    header: Element
    token: Element
    timestamp: Element
    signature: Element

    def must_sign(self) -> tuple[Element, Element, Element, Element]:
        return self.body, self.header, self.token, self.timestamp


def sign(
    envelope: Element, key: SigningKey, *, header: str, now: datetime, life: timedelta = timedelta(minutes=5)
) -> Element:
    """Adds Security to a SOAP 1.1 envelope in place; `header` is the business header's {namespace}name."""
    soap_header, body = envelope.find(f"{{{SOAP}}}Header"), envelope.find(f"{{{SOAP}}}Body")
    business = soap_header.find(header)
    body.set(WSU_ID, "tb-body")
    business.set(WSU_ID, "tb-header")
    security = etree.fromstring(_security(key, now, now + life))
    soap_header.insert(0, security)
    token, timestamp = security
    parts = {"tb-body": body, "tb-header": business, "tb-token": token, "tb-time": timestamp}
    references = [dsig.reference(f"#{name}", part) for name, part in parts.items()]
    security.append(dsig.sign(references, key.private, _KEY_INFO))
    return envelope


def verify(
    envelope: Element, keyring: Keyring, *, header: str, now: datetime,
    algorithms: frozenset[str] = dsig.ALGORITHMS,
) -> SignedEnvelope:  # fmt: skip
    """Tampered or Refused by the codes of docs/wire.md §8 unless exactly these parts are signed, now, by a
    registered certificate."""
    parts = _parts(envelope, header)
    dsig.check_ids(envelope)
    signature = dsig.read(parts.signature)
    _check_key_info(signature.key_info, parts.token)
    certificate = registered(dsig.decoded(parts.token), keyring)
    dsig.check(signature, certificate, algorithms)
    body, business = _check_references(signature, parts)
    check_validity(certificate, now)
    created, expires = _lifetime(parts.timestamp, now)
    digest = hashlib.sha256(signature.value).digest()
    return SignedEnvelope(business, body, certificate, fingerprint(certificate), created, expires, digest)


def check_envelope(envelope: Element) -> tuple[Element, Element]:
    """(Header, Body) of a SOAP 1.1 envelope of exactly these, Body with one element; else bad_request."""
    if envelope.tag != f"{{{SOAP}}}Envelope":
        raise Refused("bad_request", "the root must be a SOAP 1.1 Envelope")
    tags = [child.tag for child in envelope]
    if tags == [f"{{{SOAP}}}Body"]:
        raise Tampered("seal_missing", "the envelope has no Header")
    if tags != [f"{{{SOAP}}}Header", f"{{{SOAP}}}Body"] or len(envelope[1]) != 1:
        raise Refused("bad_request", "the Envelope must hold Header and Body, the Body one element")
    return envelope[0], envelope[1]


def body_of(envelope: Element) -> Element:
    """The one Body of a SOAP 1.1 envelope whose seal is elsewhere; else Refused bad_request."""
    tags = [child.tag for child in envelope]
    allowed = ([f"{{{SOAP}}}Body"], [f"{{{SOAP}}}Header", f"{{{SOAP}}}Body"])
    if envelope.tag != f"{{{SOAP}}}Envelope" or tags not in allowed or len(envelope[-1]) != 1:
        raise Refused("bad_request", "the Envelope must hold one Body with one element")
    return envelope[-1]


def bare(body: Element) -> bytes:
    """An envelope of the payload alone. Joined as text: lxml mixes up prefixes when it moves subtrees."""
    head = f'<s:Envelope xmlns:s="{SOAP}"><s:Body>'
    return head.encode() + dsig.c14n(body[0]) + b"</s:Body></s:Envelope>"


def _parts(envelope: Element, header: str) -> _Parts:
    soap_header, body = check_envelope(envelope)
    security = soap_header.find(SECURITY)
    if security is None or security.find(dsig.SIGNATURE) is None:
        raise Tampered("seal_missing", "there is no wsse:Security with a signature")
    for name in (SECURITY, TOKEN, TIMESTAMP, dsig.SIGNATURE):
        if sum(1 for _ in envelope.iter(name)) != 1:
            raise dsig.invalid(f"there must be exactly one {etree.QName(name).localname}")
    found = {child.tag: child for child in security}
    if len(security) != 3 or found.keys() != {TOKEN, TIMESTAMP, dsig.SIGNATURE}:
        raise dsig.invalid("Security must hold exactly token, Timestamp and Signature")
    business = soap_header.findall(header)
    if len(business) != 1:
        raise Tampered("seal_scope", f"there must be one {etree.QName(header).localname} in the Header")
    return _Parts(body, business[0], found[TOKEN], found[TIMESTAMP], found[dsig.SIGNATURE])


def _check_key_info(key_info: Element, token: Element) -> None:
    """The signature's key must be the token's: one wsse:Reference, to its wsu:Id."""
    (holder,) = dsig.children(key_info, WSSE, "SecurityTokenReference")
    (reference,) = dsig.children(holder, WSSE, "Reference")
    if reference.get("URI") != f"#{token.get(WSU_ID)}":
        raise dsig.invalid("KeyInfo must refer to the BinarySecurityToken")
    if reference.get("ValueType", X509V3) != X509V3 or token.get("ValueType") != X509V3:
        raise dsig.invalid("the token must be an X.509 v3 certificate")
    if token.get("EncodingType", BASE64) != BASE64:
        raise dsig.invalid("the token must be in base64")


def _check_references(signature: dsig.Signature, parts: _Parts) -> tuple[Element, Element]:
    """Each reference is one of the must-sign elements themselves and each of these has one; returns Body and
    business header, rebuilt."""
    wanted = {f"#{part.get(WSU_ID)}": part for part in parts.must_sign() if part.get(WSU_ID)}
    uris = [part.uri for part in signature.references]
    if len(wanted) != 4 or sorted(uris) != sorted(wanted):
        raise Tampered(
            "seal_scope", "the signature must cover exactly Body, Timestamp, token, business header"
        )
    signed = {part.uri: dsig.c14n(wanted[part.uri]) for part in signature.references}
    for part in signature.references:
        dsig.check_digest(part, signed[part.uri])
    body, business = (again(signed[f"#{part.get(WSU_ID)}"]) for part in parts.must_sign()[:2])
    return body, business


def _lifetime(timestamp: Element, now: datetime) -> tuple[datetime, datetime]:
    created, expires = map(_instant, dsig.children(timestamp, WSU, "Created", "Expires"))
    if not created < expires <= created + LONGEST_LIFE:
        raise dsig.invalid("the Timestamp must last more than nothing and at most 1 h")
    if created > now + SKEW or expires < now - SKEW:
        raise Refused("stale", "the Timestamp does not include the hub's time", "Timestamp")
    return created, expires


def _instant(element: Element) -> datetime:
    text = (element.text or "").strip()
    try:
        if not INSTANT.fullmatch(text):
            raise ValueError("no time zone, or not a dateTime")
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError) as fault:
        raise dsig.invalid(f"{etree.QName(element).localname} is not an instant") from fault


def _security(key: SigningKey, created: datetime, expires: datetime) -> str:
    first, last = (
        f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z" for at in (created, expires)
    )
    return (
        f'<wsse:Security xmlns:wsse="{WSSE}" xmlns:wsu="{WSU}"><wsse:BinarySecurityToken wsu:Id="tb-token"'
        f' EncodingType="{BASE64}" ValueType="{X509V3}">{der(key.certificate)}</wsse:BinarySecurityToken>'
        f'<wsu:Timestamp wsu:Id="tb-time"><wsu:Created>{first}</wsu:Created><wsu:Expires>{last}</wsu:Expires>'
        "</wsu:Timestamp></wsse:Security>"
    )


_KEY_INFO = (
    f'<wsse:SecurityTokenReference xmlns:wsse="{WSSE}"><wsse:Reference URI="#tb-token" ValueType="{X509V3}"/>'
    "</wsse:SecurityTokenReference>"
)

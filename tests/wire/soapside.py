"""A SOAP caller of its own, sealing with lxml and cryptography, and the known attacks on such seals."""

import base64
import copy
import hashlib
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree
from signxml import SignatureConfiguration, XMLVerifier

from tests.wire.rig import Hub, Identity

SOAP, NS, MESSAGE = "http://schemas.xmlsoap.org/soap/envelope/", "urn:tongban:hub:1", "urn:tongban:message:1"
OASIS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
WSSE, WSU = OASIS + "wssecurity-secext-1.0.xsd", OASIS + "wssecurity-utility-1.0.xsd"
X509V3, BASE64 = OASIS + "x509-token-profile-1.0#X509v3", OASIS + "soap-message-security-1.0#Base64Binary"
DS, EXCLUSIVE = "http://www.w3.org/2000/09/xmldsig#", "http://www.w3.org/2001/10/xml-exc-c14n#"
SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
RSA_SHA256, ECDSA_SHA256 = (f"http://www.w3.org/2001/04/xmldsig-more#{n}-sha256" for n in ("rsa", "ecdsa"))
ID = f"{{{WSU}}}Id"
PARTS = ("body", "time", "token", "business")
PATH = "/soap/hub"
MEDIA = "text/xml; charset=utf-8"


def xml(name: str, value: Any) -> str:
    """The house form of docs/wire.md §2."""
    if isinstance(value, list):
        return "".join(xml(name, one) for one in value)
    inner = "".join(xml(*one) for one in value.items()) if isinstance(value, dict) else escape(str(value))
    return f"<{name}>{inner}</{name}>"


def message(document: dict[str, Any]) -> str:
    return xml("Message", document).replace("<Message>", f'<Message xmlns="{MESSAGE}" Id="m1">', 1)


def c14n(element: Any) -> bytes:
    data: bytes = etree.tostring(element, method="c14n", exclusive=True, with_comments=False)
    return data


def sealed(
    who: Identity,
    document: dict[str, Any] | str,
    *,
    header: tuple[str, str, str] | None = None,
    created: float = 0,
    life: float = 300,
    parts: tuple[str, ...] = PARTS,
    algorithm: str | None = None,
    digest: str = SHA256,
    canonical: str = EXCLUSIVE,
) -> Any:
    """A Submit envelope; the keywords break the profile one rule at a time."""
    text = document if isinstance(document, str) else message(document)
    if header is None:
        assert isinstance(document, dict)
        header = (document["message_id"], document["type"], document["sender"])
    names = ("t:messageId", "t:messageType", "t:sender")
    members = "".join(map(xml, names, header))
    first, last = (
        f"{datetime.now(UTC) + timedelta(seconds=at):%Y-%m-%dT%H:%M:%SZ}" for at in (created, created + life)
    )
    token = base64.b64encode(who.certificate.public_bytes(Encoding.DER)).decode()
    about = f'ValueType="{X509V3}" EncodingType="{BASE64}"'
    envelope = etree.fromstring(
        f'<s:Envelope xmlns:s="{SOAP}" xmlns:t="{NS}" xmlns:wsu="{WSU}" xmlns:wsse="{WSSE}"><s:Header>'
        f'<wsse:Security><wsse:BinarySecurityToken wsu:Id="token" {about}>{token}</wsse:BinarySecurityToken>'
        f'<wsu:Timestamp wsu:Id="time"><wsu:Created>{first}</wsu:Created><wsu:Expires>{last}</wsu:Expires>'
        f'</wsu:Timestamp></wsse:Security><t:Exchange wsu:Id="business">{members}</t:Exchange></s:Header>'
        f'<s:Body wsu:Id="body"><t:Submit><t:document>{escape(text)}</t:document></t:Submit></s:Body>'
        "</s:Envelope>"
    )
    sign(envelope, who, parts, algorithm, digest, canonical)
    return envelope


def sign(
    envelope: Any, who: Identity, parts: tuple[str, ...], algorithm: str | None, digest: str, canonical: str
) -> None:
    """Appends a ds:Signature over these wsu:Ids to Security."""
    method = algorithm or (RSA_SHA256 if isinstance(who.key, rsa.RSAPrivateKey) else ECDSA_SHA256)
    hashed = {SHA256: "sha256", DS + "sha1": "sha1"}[digest]
    references = "".join(
        f'<ds:Reference URI="#{part}"><ds:Transforms><ds:Transform Algorithm="{canonical}"/></ds:Transforms>'
        f'<ds:DigestMethod Algorithm="{digest}"/><ds:DigestValue>'
        f"{base64.b64encode(hashlib.new(hashed, c14n(by_id(envelope, part))).digest()).decode()}"
        "</ds:DigestValue></ds:Reference>"
        for part in parts
    )
    info = (
        f'<ds:SignedInfo xmlns:ds="{DS}"><ds:CanonicalizationMethod Algorithm="{canonical}"/>'
        f'<ds:SignatureMethod Algorithm="{method}"/>{references}</ds:SignedInfo>'
    )
    value = base64.b64encode(who.sign(c14n(etree.fromstring(info)))).decode()
    security = envelope.find(f".//{{{WSSE}}}Security")
    security.append(
        etree.fromstring(
            f'<ds:Signature xmlns:ds="{DS}">{info}<ds:SignatureValue>{value}</ds:SignatureValue><ds:KeyInfo>'
            f'<wsse:SecurityTokenReference xmlns:wsse="{WSSE}">'
            f'<wsse:Reference URI="#token" ValueType="{X509V3}"/>'
            "</wsse:SecurityTokenReference></ds:KeyInfo></ds:Signature>"
        )
    )


def by_id(envelope: Any, ident: str) -> Any:
    (found,) = envelope.xpath(f"//*[@*[local-name() = 'Id'] = '{ident}']")
    return found


def checked(answer: bytes, hub: x509.Certificate) -> tuple[dict[str, str], str]:
    """(members of result or Fault detail, message id answered), from the hub's signed parts alone."""
    rules = SignatureConfiguration(location=f"./{{{SOAP}}}Header/{{{WSSE}}}Security/", expect_references=4)
    found = XMLVerifier().verify(answer, x509_cert=hub, expect_config=rules)
    signed = {one.signed_xml.tag: one.signed_xml for one in found}  # type: ignore[union-attr]
    body, business = signed[f"{{{SOAP}}}Body"], signed[f"{{{NS}}}Exchange"]
    detail = (
        body.find(".//detail")
        if body.find(".//faultcode") is not None
        else body.find(f".//{{{NS}}}SubmitResult")
    )
    members = {etree.QName(one).localname: one.text or "" for one in detail}
    if (fault := body.findtext(".//faultcode")) is not None:
        members["faultcode"] = fault.rpartition(":")[2]
    return members, business.findtext(f"{{{NS}}}messageId") or ""


def verified_by_xmlsec1(data: bytes, who: Identity, folder: Path) -> bool:
    """What a verifier that finds parts by id alone says: the attack is real where it says yes."""
    file, (_, pem) = folder / "attack.xml", who.files(folder)
    file.write_bytes(data)
    ids = [
        word
        for name in ("Body", "Timestamp", "BinarySecurityToken", "Exchange")
        for word in ("--id-attr:Id", name)
    ]
    ids = [
        "--id-attr:Id",
        f"{SOAP}:Body",
        "--id-attr:Id",
        f"{WSU}:Timestamp",
        "--id-attr:Id",
        f"{NS}:Exchange",
    ]
    ids += ["--id-attr:Id", f"{WSSE}:BinarySecurityToken"]
    command = ["xmlsec1", "--verify", "--pubkey-cert-pem", str(pem), *ids, str(file)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def call(hub: Hub, body: Any, media: str = MEDIA) -> tuple[int, dict[str, str], str]:
    """(status, members, message id answered) of one call; the hub's seal is checked."""
    data = body if isinstance(body, bytes) else etree.tostring(body)
    answer = hub.post(data, {"Content-Type": media, "SOAPAction": '"Submit"'}, PATH)
    assert answer.headers["Content-Type"] == "text/xml; charset=utf-8", answer.text
    members, ident = checked(answer.content, hub.hub_certificate("rsa"))
    return answer.status_code, members, ident


def refused(hub: Hub, body: Any, *codes: str, media: str = MEDIA) -> dict[str, str]:
    status, members, _ = call(hub, body, media)
    assert (status, members["faultcode"]) == (500, "Client"), members
    assert members["code"] in codes, members
    return members


# Signature wrapping (McIntosh and Austel 2005; Jensen, Liao and Gruschka 2009; Somorovsky et al. 2011): the
# signed part moves where the application does not look, and a forged one stands in its place.


def forged(part: Any) -> Any:
    """A copy that says something else."""
    copied = copy.deepcopy(part)
    for element in copied.iter():
        text = element.text or ""
        if "测试甲" in text:
            element.text = text.replace("测试甲", "测试乙").replace("m1", "m2")
        elif text.startswith("20"):
            element.text = text.replace("20", "21", 1)
        elif element.tag == f"{{{NS}}}messageId":
            element.text = "forged-message-id-1"
    if copied.tag.endswith("BinarySecurityToken"):
        copied.text = (copied.text or "")[::-1]
    return copied


def in_place(envelope: Any, part: Any, ident: str | None) -> Any:
    """Puts the forged part where the signed one stood, under this id; the signed one is taken out."""
    evil = forged(part)
    del evil.attrib[ID]
    if ident is not None:
        evil.set(ID, ident)
    part.getparent().replace(part, evil)
    return evil


def wrapper(parent: Any, index: int = 0) -> Any:
    found = etree.Element("{urn:wrapper}Wrapper")
    parent.insert(index, found)
    return found


def _header(envelope: Any) -> Any:
    return envelope.find(f"{{{SOAP}}}Header")


def xsw1(envelope: Any, part: Any) -> None:
    """Signed part in a wrapper in the Header; the forged one has no id."""
    in_place(envelope, part, None)
    wrapper(_header(envelope), 1).append(part)


def xsw2(envelope: Any, part: Any) -> None:
    """The same; the forged one has an id of its own."""
    in_place(envelope, part, "forged")
    wrapper(_header(envelope), 1).append(part)


def xsw3(envelope: Any, part: Any) -> None:
    """The same; both have the same id, the signed one comes first."""
    in_place(envelope, part, part.get(ID))
    wrapper(_header(envelope), 0).append(part)


def xsw4(envelope: Any, part: Any) -> None:
    """The signed part is a child of the forged one."""
    in_place(envelope, part, "forged").append(part)


def xsw5(envelope: Any, part: Any) -> None:
    """Both stand side by side, the forged one first."""
    in_place(envelope, part, "forged").addnext(part)


def xsw6(envelope: Any, part: Any) -> None:
    """The signed part is in a ds:Object of the Signature."""
    in_place(envelope, part, "forged")
    signature = envelope.find(f".//{{{DS}}}Signature")
    etree.SubElement(signature, f"{{{DS}}}Object").append(part)


def xsw7(envelope: Any, part: Any) -> None:
    """The signed part is in an extension of Security, which nobody has to understand."""
    in_place(envelope, part, "forged")
    wrapper(envelope.find(f".//{{{WSSE}}}Security"), 0).append(part)


WRAPPINGS: dict[str, Callable[[Any, Any], None]] = {
    one.__name__: one for one in (xsw1, xsw2, xsw3, xsw4, xsw5, xsw6, xsw7)
}

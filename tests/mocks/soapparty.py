"""A hub of the tests' own for SOAP partners: signs with signxml, checks answers with xmlsec1."""

import base64
import subprocess
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from lxml import etree
from signxml import (
    CanonicalizationMethod,
    DigestAlgorithm,
    SignatureConstructionMethod,
    SignatureMethod,
    XMLSigner,
)

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
DS = "http://www.w3.org/2000/09/xmldsig#"
OASIS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
WSSE, WSU = f"{OASIS}wssecurity-secext-1.0.xsd", f"{OASIS}wssecurity-utility-1.0.xsd"
X509V3 = f"{OASIS}x509-token-profile-1.0#X509v3"
BASE64 = f"{OASIS}soap-message-security-1.0#Base64Binary"
CATALOGUE = "http://www.example.gov.cn/xzsp/catalog/1.0"
FEES = "http://www.example.gov.cn/feishui/fee/1.0"
SIGNED_PARTS = (f"{SOAP}:Body", f"{WSU}:Timestamp", f"{WSSE}:BinarySecurityToken", f"{CATALOGUE}:CallHeader")
Key = tuple[rsa.RSAPrivateKey, x509.Certificate]


def signer(method: SignatureConstructionMethod) -> XMLSigner:
    return XMLSigner(
        method=method,
        signature_algorithm=SignatureMethod.RSA_SHA256,
        digest_algorithm=DigestAlgorithm.SHA256,
        c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0,
    )


def escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def call_envelope(operation: str, app: str, token: str, request: str, call_id: str) -> Any:
    return etree.fromstring(
        f'<s:Envelope xmlns:s="{SOAP}" xmlns:c="{CATALOGUE}"><s:Header>'
        f"<c:CallHeader><c:callId>{call_id}</c:callId></c:CallHeader></s:Header>"
        f"<s:Body><c:{operation}><c:appId>{app}</c:appId><c:token>{token}</c:token>"
        f"<c:requestXml>{escaped(request)}</c:requestXml></c:{operation}></s:Body></s:Envelope>"
    )


def stamp(parent: Any, created: datetime, lifetime: timedelta) -> Any:
    node = etree.SubElement(parent, f"{{{WSU}}}Timestamp", {f"{{{WSU}}}Id": "ts-1"})
    etree.SubElement(node, f"{{{WSU}}}Created").text = created.strftime("%Y-%m-%dT%H:%M:%SZ")
    etree.SubElement(node, f"{{{WSU}}}Expires").text = (created + lifetime).strftime("%Y-%m-%dT%H:%M:%SZ")
    return node


def seal(
    envelope: Any,
    key: Key,
    *,
    age: float = 0,
    lifetime: float = 300,
    parts: Sequence[str] = ("body-1", "ts-1", "x509-1", "call-1"),
) -> Any:
    """Signs in place, as the contract's seal says; `age` and `lifetime` in seconds."""
    envelope.find(f"{{{SOAP}}}Body").set(f"{{{WSU}}}Id", "body-1")
    header = envelope.find(f"{{{SOAP}}}Header")
    header.find(f"{{{CATALOGUE}}}CallHeader").set(f"{{{WSU}}}Id", "call-1")
    security = etree.SubElement(header, f"{{{WSSE}}}Security", nsmap={"wsse": WSSE, "wsu": WSU})
    stamp(security, datetime.now(UTC) - timedelta(seconds=age), timedelta(seconds=lifetime))
    about = {"ValueType": X509V3, "EncodingType": BASE64, f"{{{WSU}}}Id": "x509-1"}
    token = etree.SubElement(security, f"{{{WSSE}}}BinarySecurityToken", about)
    token.text = base64.b64encode(key[1].public_bytes(serialization.Encoding.DER)).decode()
    info = etree.Element(f"{{{DS}}}KeyInfo")
    reference = etree.SubElement(info, f"{{{WSSE}}}SecurityTokenReference")
    etree.SubElement(reference, f"{{{WSSE}}}Reference", URI="#x509-1", ValueType=X509V3)
    sign = signer(SignatureConstructionMethod.detached).sign
    uris = [f"#{part}" for part in parts]
    security.append(sign(envelope, key=key[0], cert=[key[1]], reference_uri=uris, key_info=info))
    return envelope


def sealed_inner(document: str, key: Key) -> str:
    """The inner document with one enveloped signature, its declaration saying GBK."""
    root = etree.fromstring(document)
    signed = signer(SignatureConstructionMethod.enveloped).sign(root, key=key[0], cert=[key[1]])
    return '<?xml version="1.0" encoding="GBK"?>' + etree.tostring(signed, encoding="unicode")


def xmlsec1(data: bytes, certificate: x509.Certificate, folder: Path, parts: Sequence[str] = ()) -> str:
    """What xmlsec1 says of the signature, e.g. "OK 4/4"."""
    document, pem = folder / f"{uuid.uuid4().hex}.xml", folder / "answer-signer.pem"
    document.write_bytes(data)
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    ids = [word for part in parts for word in ("--id-attr:Id", part)]
    done = subprocess.run(
        ["xmlsec1", "--verify", "--pubkey-cert-pem", str(pem), *ids, str(document)],
        capture_output=True,
        text=True,
        check=False,
    )
    lines = (done.stdout + done.stderr).split()
    count = lines[lines.index("(ok/all):") + 1] if "(ok/all):" in lines else "0/0"
    return f"{'OK' if done.returncode == 0 else 'FAIL'} {count}"

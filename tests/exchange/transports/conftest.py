"""A foreign SOAP party: WS-Security by signxml on envelopes written by hand, none of our seal code."""

import base64
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree
from signxml import XMLSigner, XMLVerifier
from signxml.algorithms import (
    CanonicalizationMethod,
    DigestAlgorithm,
    SignatureConstructionMethod,
    SignatureMethod,
)
from signxml.verifier import SignatureConfiguration

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
OASIS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
WSSE, WSU = OASIS + "wssecurity-secext-1.0.xsd", OASIS + "wssecurity-utility-1.0.xsd"
X509 = OASIS + "x509-token-profile-1.0#X509v3"
ID = f"{{{WSU}}}Id"
NS = {"s": SOAP, "w": WSSE, "u": WSU, "ds": "http://www.w3.org/2000/09/xmldsig#"}


@dataclass(frozen=True)
class Foreign:
    """Signs and verifies envelopes as a party that only read docs/wire.md."""

    def sign(self, envelope: Any, key: Any, header: str, now: datetime) -> Any:
        """Adds Security in place."""
        made, until = (f"{at:%Y-%m-%dT%H:%M:%SZ}" for at in (now, now + timedelta(minutes=5)))
        token = base64.b64encode(key.certificate.public_bytes(Encoding.DER)).decode()
        security = etree.fromstring(
            f'<w:Security xmlns:w="{WSSE}" xmlns:u="{WSU}">'
            f'<u:Timestamp u:Id="T"><u:Created>{made}</u:Created>'
            f'<u:Expires>{until}</u:Expires></u:Timestamp><w:BinarySecurityToken u:Id="X" ValueType="{X509}">'
            f"{token}</w:BinarySecurityToken></w:Security>"
        )
        envelope.find("s:Body", NS).set(ID, "B")
        envelope.find("s:Header", NS).find(header).set(ID, "H")
        envelope.find("s:Header", NS).append(security)
        key_info = etree.fromstring(
            f'<ds:KeyInfo xmlns:ds="{NS["ds"]}" xmlns:w="{WSSE}"><w:SecurityTokenReference>'
            f'<w:Reference URI="#X" ValueType="{X509}"/></w:SecurityTokenReference></ds:KeyInfo>'
        )
        signer = XMLSigner(
            method=SignatureConstructionMethod.detached,
            signature_algorithm=_method(key.private),
            digest_algorithm=DigestAlgorithm.SHA256,
            c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0,
        )
        parts = ["#T", "#B", "#X", "#H"]
        security.append(signer.sign(envelope, key=key.private, reference_uri=parts, key_info=key_info))
        return envelope

    def verify(self, data: bytes, key: Any) -> list[Any]:
        """The signed parts of an answer, by signxml and the known certificate."""
        config = SignatureConfiguration(
            location=f"./{{{SOAP}}}Header/{{{WSSE}}}Security/",
            expect_references=4,
            signature_methods=frozenset({_method(key.private)}),
            digest_algorithms=frozenset({DigestAlgorithm.SHA256}),
        )
        found: Any = XMLVerifier().verify(
            etree.fromstring(data), x509_cert=key.certificate, id_attribute="Id", expect_config=config
        )
        return [result.signed_xml for result in found]


def _method(private: Any) -> SignatureMethod:
    return SignatureMethod.ECDSA_SHA256 if hasattr(private, "curve") else SignatureMethod.RSA_SHA256


@pytest.fixture(scope="session")
def foreign() -> Foreign:
    """The foreign party."""
    return Foreign()

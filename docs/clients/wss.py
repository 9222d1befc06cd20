"""For SOAP: the WS-Security seal of docs/wire.md §3, made and checked."""

import base64
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree
from signxml import SignatureConfiguration, SignatureMethod, XMLSigner, XMLVerifier, methods

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
OASIS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
WSSE, WSU = OASIS + "wssecurity-secext-1.0.xsd", OASIS + "wssecurity-utility-1.0.xsd"
X509V3, BASE64 = OASIS + "x509-token-profile-1.0#X509v3", OASIS + "soap-message-security-1.0#Base64Binary"
DS, EXCLUSIVE = "http://www.w3.org/2000/09/xmldsig#", "http://www.w3.org/2001/10/xml-exc-c14n#"
RULES = SignatureConfiguration(location=f"./{{{SOAP}}}Header/{{{WSSE}}}Security/", expect_references=4)


def sign(envelope, party):
    """Seals Body, Timestamp, token and business header, whose wsu:Id are B, L, T and H."""
    der = base64.b64encode(party.certificate.public_bytes(Encoding.DER)).decode()
    first, last = (f"{datetime.now(UTC) + timedelta(minutes=m):%Y-%m-%dT%H:%M:%SZ}" for m in (0, 5))
    security = etree.fromstring(
        f'<e:Security xmlns:e="{WSSE}" xmlns:u="{WSU}"><e:BinarySecurityToken u:Id="T" ValueType="{X509V3}"'
        f' EncodingType="{BASE64}">{der}</e:BinarySecurityToken><u:Timestamp u:Id="L"><u:Created>{first}'
        f"</u:Created><u:Expires>{last}</u:Expires></u:Timestamp></e:Security>"
    )
    envelope[0].insert(0, security)
    inner = f'<e:Reference URI="#T" ValueType="{X509V3}"/>'
    inner = f'<e:SecurityTokenReference xmlns:e="{WSSE}">{inner}</e:SecurityTokenReference>'
    info = etree.fromstring(f'<KeyInfo xmlns="{DS}">{inner}</KeyInfo>')
    algorithm = SignatureMethod.ECDSA_SHA256 if hasattr(party.key, "curve") else SignatureMethod.RSA_SHA256
    signer = XMLSigner(methods.detached, algorithm, c14n_algorithm=EXCLUSIVE)
    how = {"key": party.key, "cert": [party.certificate], "key_info": info}
    security.append(signer.sign(envelope, reference_uri=["#B", "#L", "#T", "#H"], **how))


def check(envelope, party):
    """What the hub signed, by the names of the elements."""
    found = XMLVerifier().verify(envelope, x509_cert=party.hub, expect_config=RULES)
    return {one.signed_xml.tag: one.signed_xml for one in found}

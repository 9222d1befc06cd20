"""Microseconds per seal, against the plain library that would otherwise do it: python benchmarks/seals.py."""

import sys
import timeit
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID
from joserfc import jws as plain_jws
from joserfc.jwk import ECKey, RSAKey
from joserfc.registry import HeaderParameter
from lxml import etree
from signxml import XMLSigner, XMLVerifier
from signxml.algorithms import (
    CanonicalizationMethod,
    DigestAlgorithm,
    SignatureConstructionMethod,
    SignatureMethod,
)
from signxml.verifier import SignatureConfiguration

from exchange.seals import jws, safexml, wssec, xmldsig
from exchange.seals.keys import SigningKey, fingerprint, key_id
from exchange.transports.soap_server import HEADER, SoapAnswer, SoapFace

NOW = datetime(2026, 11, 22, 1, 30, tzinfo=UTC)
TEXT = "一份要交换的办件材料。" * 109  # about 3.6 KB of UTF-8
MESSAGE = (
    '<Message xmlns="urn:tongban:message:1" Id="m1"><message_id>m-00000001</message_id>'
    f"<payload>{TEXT}</payload></Message>"
)
ENVELOPE = (
    f'<s:Envelope xmlns:s="{wssec.SOAP}"><s:Header><t:Exchange xmlns:t="urn:tongban:hub:1">'
    "<t:messageId>m-00000001</t:messageId><t:messageType>case.accepted.v1</t:messageType><t:sender>bureau</t:sender></t:Exchange>"
    '</s:Header><s:Body><t:Submit xmlns:t="urn:tongban:hub:1"><t:document>'
    f"{TEXT}</t:document></t:Submit></s:Body></s:Envelope>"
)
NONCE = "n0nce-0123456789"
REQUEST = {"method": "POST", "path": "/api/v1/messages", "now": NOW}


def micros(act: Callable[[], object], number: int = 100) -> float:
    """The best of nine rounds, per call."""
    act()
    return min(timeit.repeat(act, number=number, repeat=9)) / number * 1e6


def certificate(private: Any) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bench")])
    return (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(private.public_key())
        .serial_number(1).not_valid_before(NOW - timedelta(days=1)).not_valid_after(NOW + timedelta(days=9))
        .sign(private, SHA256())
    )  # fmt: skip


def row(name: str, ours: float, plain: float | None, goal: float | None = None) -> None:
    ratio = f"{plain:8.0f} {ours / plain:6.2f}" if plain else " " * 15
    print(f"{name:28} {ours:8.0f} {ratio}   {'' if goal is None else f'goal {goal:.0f}'}")


def bench_jws(name: str, key: SigningKey, goals: tuple[float | None, float | None]) -> None:
    body = TEXT.encode()
    native: Any = (ECKey if name == "ES256" else RSAKey).import_key(key.private)
    token = jws.sign_request(body, key, nonce=NONCE, **REQUEST)  # type: ignore[arg-type] # one dict for two calls
    ring = {key_id(key.certificate): key.certificate}.get
    kinds = {"iat": "int", "nonce": "str", "method": "str", "path": "str"}
    registry = plain_jws.JWSRegistry({n: HeaderParameter(n, kind) for n, kind in kinds.items()}, [name])
    header = {"alg": name, "b64": False, "crit": ["b64"], "kid": key_id(key.certificate), "iat": 1,
              "nonce": NONCE,
              "method": "POST", "path": "/api/v1/messages"}  # fmt: skip
    row(
        f"JWS {name} sign",
        micros(lambda: jws.sign_request(body, key, nonce=NONCE, **REQUEST)),  # type: ignore[arg-type] # same
        micros(lambda: plain_jws.serialize_compact(header, body, native, registry=registry)),
        goals[0],
    )
    row(
        f"JWS {name} verify",
        micros(lambda: jws.verify_request(token, body, ring, **REQUEST)),  # type: ignore[arg-type] # same
        micros(lambda: plain_jws.deserialize_compact(token, native, registry=registry, payload=body)),
        goals[1],
    )


def signer(name: str, method: SignatureConstructionMethod) -> XMLSigner:
    return XMLSigner(
        method=method,
        signature_algorithm=SignatureMethod[f"{name}_SHA256"],
        digest_algorithm=DigestAlgorithm.SHA256,
        c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0,
    )


def bench_xmldsig(name: str, key: SigningKey) -> None:
    root = etree.fromstring(MESSAGE)
    data = etree.tostring(xmldsig.sign(root, key))
    ring = {fingerprint(key.certificate): key.certificate}.get
    plain = signer(name, SignatureConstructionMethod.enveloped)
    config = SignatureConfiguration(signature_methods=frozenset({SignatureMethod[f"{name}_SHA256"]}))
    facts: dict[str, Any] = {"key": key.private, "cert": [key.certificate]}
    row(
        f"XML-DSig {name} sign",
        micros(lambda: etree.tostring(xmldsig.sign(etree.fromstring(MESSAGE), key))),
        micros(lambda: etree.tostring(plain.sign(etree.fromstring(MESSAGE), reference_uri="#m1", **facts))),
    )
    row(
        f"XML-DSig {name} verify",
        micros(lambda: xmldsig.verify(safexml.parse(data), ring, now=NOW)),
        micros(lambda: XMLVerifier().verify(
            etree.fromstring(data), x509_cert=key.certificate, expect_config=config, id_attribute="Id")),
    )  # fmt: skip


def sealed(key: SigningKey) -> bytes:
    data: bytes = etree.tostring(wssec.sign(etree.fromstring(ENVELOPE), key, header=HEADER, now=NOW))
    return data


def bench_wssec(name: str, key: SigningKey) -> None:
    data = sealed(key)
    ring = {fingerprint(key.certificate): key.certificate}.get
    frame = etree.fromstring(data)
    signature = frame.find(f".//{{{'http://www.w3.org/2000/09/xmldsig#'}}}Signature")
    key_info = signature[2]
    signature.getparent().remove(signature)
    plain = signer(name, SignatureConstructionMethod.detached)
    parts = ["#tb-body", "#tb-header", "#tb-token", "#tb-time"]
    config = SignatureConfiguration(
        signature_methods=frozenset({SignatureMethod[f"{name}_SHA256"]}), expect_references=4
    )
    row(
        f"WS-Security {name} sign",
        micros(lambda: sealed(key)),
        micros(lambda: plain.sign(frame, key=key.private, reference_uri=parts, key_info=key_info), 30),
    )
    row(
        f"WS-Security {name} verify",
        micros(lambda: wssec.verify(safexml.parse(data), ring, header=HEADER, now=NOW)),
        micros(lambda: XMLVerifier().verify(
            etree.fromstring(data), x509_cert=key.certificate, expect_config=config, id_attribute="Id"), 30),
    )  # fmt: skip
    face = SoapFace(
        "http://127.0.0.1",
        lambda call: SoapAnswer("accepted", "ok", TEXT),
        key=key,
        keyring=ring,
        clock=lambda: NOW,
    )
    row(f"SOAP face {name} both ways", micros(lambda: face.handle(data, "text/xml"), 30), None, 20_000)


def main() -> int:
    """Prints one row per seal; the ratio is ours divided by the plain library."""
    keys = {"ECDSA": ec.generate_private_key(ec.SECP256R1()), "RSA": rsa.generate_private_key(65537, 2048)}
    pairs = {name: SigningKey(private, certificate(private)) for name, private in keys.items()}
    print(f"{'':28} {'ours µs':>8} {'plain':>8} {'ratio':>6}")
    bench_jws("ES256", pairs["ECDSA"], (60, 120))
    bench_jws("RS256", pairs["RSA"], (None, None))
    for name, key in pairs.items():
        bench_xmldsig(name, key)
        bench_wssec(name, key)
    return 0


if __name__ == "__main__":
    sys.exit(main())

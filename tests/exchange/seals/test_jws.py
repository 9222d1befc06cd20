"""Detached JWS (docs/wire.md §3): round trips, foreign witnesses and the attack list."""

import base64
import hashlib
import hmac
import json
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws as foreign
from joserfc.jwk import ECKey, RSAKey
from joserfc.registry import HeaderParameter

from exchange.errors import HubError, Refused, Tampered
from exchange.seals import jws
from exchange.seals.keys import SigningKey, key_id

BODY = '{"message_id":"m-00000001","payload":{"name":"张三"}}'.encode()
NONCE = "n0nce-0123456789"
PRIVATE = {name: HeaderParameter(name, kind) for name, kind in
           {"iat": "int", "nonce": "str", "method": "str", "path": "str"}.items()}  # fmt: skip


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def request(keys: Any, key: SigningKey, body: bytes = BODY, **changed: Any) -> str:
    facts = {"method": "POST", "path": "/api/v1/messages?a=1", "now": keys.now, "nonce": NONCE, **changed}
    return jws.sign_request(body, key, **facts)


def check(keys: Any, token: str | None, body: bytes = BODY, **changed: Any) -> jws.Sealed:
    ring = changed.pop("ring", keys.ring.by_id)
    facts = {"method": "POST", "path": "/api/v1/messages?a=1", "now": keys.now, **changed}
    return jws.verify_request(token, body, ring, **facts)


def code_of(keys: Any, token: str | None, body: bytes = BODY, **changed: Any) -> str:
    with pytest.raises(HubError) as refusal:
        check(keys, token, body, **changed)
    return refusal.value.code


def header_of(token: str) -> dict[str, Any]:
    part = token.partition("..")[0]
    header: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return header


def forged(key: SigningKey, header: dict[str, Any] | str, body: bytes = BODY) -> str:
    """A token with any header at all, truly signed by an EC key without the code under test."""
    raw = header if isinstance(header, str) else json.dumps(header)
    protected = b64(raw.encode())
    assert isinstance(key.private, ec.EllipticCurvePrivateKey)
    algorithm = foreign.JWSRegistry(algorithms=["ES256"]).get_alg("ES256")
    return (
        f"{protected}..{b64(algorithm.sign(protected.encode() + b'.' + body, ECKey.import_key(key.private)))}"
    )


@pytest.mark.parametrize("name", ["ec", "rsa"])
def test_a_seal_holds_for_its_bytes_and_names_its_party(seal_keys: Any, name: str) -> None:
    key = getattr(seal_keys, name)
    sealed = check(seal_keys, request(seal_keys, key))
    assert sealed == jws.Sealed(key_id(key.certificate), int(seal_keys.now.timestamp()), NONCE)


def test_the_header_has_exactly_the_published_members(seal_keys: Any) -> None:
    header = header_of(request(seal_keys, seal_keys.ec))
    assert header == {
        "alg": "ES256", "b64": False, "crit": ["b64"], "kid": key_id(seal_keys.ec.certificate),
        "iat": 1795311000, "nonce": NONCE, "method": "POST", "path": "/api/v1/messages?a=1",
    }  # fmt: skip


@given(body=st.binary(max_size=300))
def test_any_bytes_can_be_sealed(seal_keys: Any, body: bytes) -> None:
    assert check(seal_keys, request(seal_keys, seal_keys.ec, body), body).nonce == NONCE


@pytest.mark.parametrize("body", [b"", b"abc_~", b"\xff\xfe", "名".encode("gbk")])
def test_bodies_that_trip_library_serialisers(seal_keys: Any, body: bytes) -> None:
    token = request(seal_keys, seal_keys.rsa, body)
    assert ".." in token
    assert check(seal_keys, token, body).nonce == NONCE


def test_amqp_and_answer_are_bound_to_their_own_facts(seal_keys: Any) -> None:
    ring, now = seal_keys.ring.by_id, seal_keys.now
    token = jws.sign_amqp(BODY, seal_keys.ec, exchange="tongban", routing_key="in.a", now=now, nonce=NONCE)
    assert jws.verify_amqp(token, BODY, ring, exchange="tongban", routing_key="in.a", now=now).nonce == NONCE
    with pytest.raises(Tampered, match="seal_scope"):
        jws.verify_amqp(token, BODY, ring, exchange="tongban", routing_key="in.b", now=now)
    answer = jws.sign_answer(BODY, seal_keys.ec, status=200, req=NONCE, now=now, nonce="another-nonce-000")
    assert jws.verify_answer(answer, BODY, ring, status=200, req=NONCE, now=now).nonce == "another-nonce-000"
    with pytest.raises(Tampered, match="seal_scope"):
        jws.verify_answer(answer, BODY, ring, status=202, req=NONCE, now=now)
    with pytest.raises(Tampered, match="seal_scope"):
        jws.verify_answer(answer, BODY, ring, status=200, req="n0nce-of-another-0", now=now)
    with pytest.raises(Tampered, match="seal_invalid"):
        jws.verify_amqp(answer, BODY, ring, exchange="tongban", routing_key="in.a", now=now)


@pytest.mark.parametrize("name", ["ec", "rsa"])
def test_openssl_verifies_what_we_sign(seal_keys: Any, name: str, tmp_path: Path) -> None:
    key = getattr(seal_keys, name)
    protected, _, signature = request(seal_keys, key).partition("..")
    raw = base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
    if name == "ec":
        raw = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    pem = key.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for file, data in (("k.pem", pem), ("s.bin", raw), ("m.bin", protected.encode() + b"." + BODY)):
        (tmp_path / file).write_bytes(data)
    command = ["openssl", "dgst", "-sha256", "-verify", "k.pem", "-signature", "s.bin", "m.bin"]
    assert b"Verified OK" in subprocess.run(command, cwd=tmp_path, capture_output=True, check=True).stdout


@pytest.mark.parametrize("name", ["ec", "rsa"])
def test_joserfc_reads_ours_and_we_read_its(seal_keys: Any, name: str) -> None:
    key = getattr(seal_keys, name)
    theirs: Any = (ECKey if name == "ec" else RSAKey).import_key(key.private)
    token = request(seal_keys, key)
    registry = foreign.JWSRegistry(header_registry=PRIVATE, algorithms=["ES256", "RS256"])
    assert foreign.deserialize_compact(token, theirs, registry=registry, payload=BODY).payload == BODY
    back = foreign.serialize_compact(header_of(token), BODY, theirs, registry=registry)
    assert check(seal_keys, back).party_key_id == key_id(key.certificate)


def test_a_missing_seal(seal_keys: Any) -> None:
    assert code_of(seal_keys, None) == "seal_missing"
    assert code_of(seal_keys, "") == "seal_missing"


@pytest.mark.parametrize(
    ("changed", "code"),
    [({"method": "PUT"}, "seal_scope"), ({"path": "/api/v1/messages?a=2"}, "seal_scope"),
     ({"path": "/api/v1/messages"}, "seal_scope"), ({"method": "post"}, "seal_scope")],
)  # fmt: skip
def test_a_seal_for_another_request(seal_keys: Any, changed: dict[str, Any], code: str) -> None:
    assert code_of(seal_keys, request(seal_keys, seal_keys.ec, **changed)) == code


@pytest.mark.parametrize("seconds", [-301, 301])
def test_a_seal_outside_the_window_is_stale(seal_keys: Any, seconds: int) -> None:
    token = request(seal_keys, seal_keys.ec, now=seal_keys.now + timedelta(seconds=seconds))
    assert code_of(seal_keys, token) == "stale"


@pytest.mark.parametrize("seconds", [-300, 300])
def test_a_seal_at_the_edge_of_the_window_holds(seal_keys: Any, seconds: int) -> None:
    token = request(seal_keys, seal_keys.ec, now=seal_keys.now + timedelta(seconds=seconds))
    assert check(seal_keys, token).nonce == NONCE


def test_one_bit_of_the_body_or_signature(seal_keys: Any) -> None:
    token = request(seal_keys, seal_keys.ec)
    assert code_of(seal_keys, token, BODY + b" ") == "seal_invalid"
    swapped = token[:-20] + ("A" if token[-20] != "A" else "B") + token[-19:]
    assert code_of(seal_keys, swapped) == "seal_invalid"


def test_a_stranger_and_a_borrowed_key_id(seal_keys: Any) -> None:
    assert code_of(seal_keys, request(seal_keys, seal_keys.stranger)) == "unknown_party"
    header = header_of(request(seal_keys, seal_keys.ec))
    assert code_of(seal_keys, forged(seal_keys.stranger, header)) == "seal_invalid"


def test_a_registry_that_answers_with_another_certificate_is_not_believed(seal_keys: Any) -> None:
    token = request(seal_keys, seal_keys.stranger)
    assert code_of(seal_keys, token, ring=lambda _: seal_keys.ec.certificate) == "unknown_party"


def test_an_expired_certificate(seal_keys: Any) -> None:
    assert code_of(seal_keys, request(seal_keys, seal_keys.expired)) == "certificate_invalid"


def test_alg_none_and_a_mac_made_with_the_public_key(seal_keys: Any) -> None:
    header = header_of(request(seal_keys, seal_keys.rsa))
    none = b64(json.dumps({**header, "alg": "none"}).encode())
    assert code_of(seal_keys, f"{none}..") == "seal_invalid"
    assert code_of(seal_keys, f"{none}..AAAA") == "seal_invalid"
    mac = b64(json.dumps({**header, "alg": "HS256"}).encode())
    public = seal_keys.rsa.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    tag = hmac.new(public, mac.encode() + b"." + BODY, hashlib.sha256).digest()
    assert code_of(seal_keys, f"{mac}..{b64(tag)}") == "seal_invalid"


@pytest.mark.parametrize("name", ["ec", "rsa"])
def test_an_algorithm_for_the_other_type_of_key(seal_keys: Any, name: str) -> None:
    header = header_of(request(seal_keys, getattr(seal_keys, name)))
    header["alg"] = "RS256" if name == "ec" else "ES256"
    assert code_of(seal_keys, forged(seal_keys.ec, header)) == "seal_invalid"


BAD_MEMBERS: list[dict[str, Any]] = [
    {"b64": True}, {"b64": 0}, {"b64": "false"}, {"crit": []}, {"crit": ["b64", "b64"]},
    {"crit": ["b64", "exp"]}, {"crit": "b64"}, {"alg": "ES384"}, {"alg": "PS256"}, {"alg": "es256"},
    {"alg": ["ES256"]}, {"kid": 7},
    {"iat": "1795311000"}, {"iat": 1795311000.0}, {"iat": True}, {"nonce": "short"}, {"nonce": "n" * 65},
    {"nonce": "has a space 0123456"}, {"nonce": NONCE + "\n"}, {"nonce": None}, {"method": None},
    {"path": 1}, {"jwk": {"kty": "EC"}}, {"jku": "https://evil.example/k"}, {"x5c": ["AA"]}, {"typ": "JWT"},
    {"status": 200}, {"exp": 1},
]  # fmt: skip


@pytest.mark.parametrize("changed", BAD_MEMBERS, ids=str)
def test_any_other_header_member_type_or_value(seal_keys: Any, changed: dict[str, Any]) -> None:
    header = header_of(request(seal_keys, seal_keys.ec)) | changed
    assert code_of(seal_keys, forged(seal_keys.ec, header)) == "seal_invalid"


@pytest.mark.parametrize("gone", ["alg", "b64", "crit", "kid", "iat", "nonce", "method", "path"])
def test_any_member_left_out(seal_keys: Any, gone: str) -> None:
    header = header_of(request(seal_keys, seal_keys.ec))
    del header[gone]
    assert code_of(seal_keys, forged(seal_keys.ec, header)) == "seal_invalid"


def test_a_duplicated_member(seal_keys: Any) -> None:
    raw = json.dumps(header_of(request(seal_keys, seal_keys.ec)))
    assert check(seal_keys, forged(seal_keys.ec, raw)).nonce == NONCE
    double = raw[:-1] + ', "path": "/api/v1/messages?a=1"}'
    assert code_of(seal_keys, forged(seal_keys.ec, double)) == "seal_invalid"


def test_an_extreme_time_and_number(seal_keys: Any) -> None:
    header = header_of(request(seal_keys, seal_keys.ec))
    assert code_of(seal_keys, forged(seal_keys.ec, header | {"iat": 10**300})) == "stale"
    assert code_of(seal_keys, forged(seal_keys.ec, header | {"iat": -(10**18)})) == "stale"


MALFORMED = [
    "x", "..", "a.b.c", "a..b.c", ".. ", "e30..", "..AAAA", "e30..AAAA", "bnVsbA..AAAA", "W10..AAAA",
    "e3=..AAAA", "=..=", "é..é", "e30..AAA=", "A" * 5000 + "..AAAA", b64(b"[" * 3000) + "..AAAA",
    b64(b"\xff\xfe") + "..AAAA",
    b64(b'{"iat": ' + b"9" * 2900 + b"}") + "..AAAA", b64(b"{" * 9) + "..AAAA", "\x00..\x00", "e30..AAAA\n",
]  # fmt: skip


@pytest.mark.parametrize("token", MALFORMED, ids=lambda token: repr(token[:12]))
def test_malformed_tokens(seal_keys: Any, token: str) -> None:
    assert code_of(seal_keys, token) == "seal_invalid"


def test_a_second_spelling_of_the_same_base64_is_refused(seal_keys: Any) -> None:
    token = request(seal_keys, seal_keys.ec)  # 64 signature bytes: the last character carries 4 unused bits
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    other = alphabet[alphabet.index(token[-1]) ^ 1]
    assert code_of(seal_keys, token[:-1] + other) == "seal_invalid"


@given(token=st.text(max_size=80), middle=st.booleans())
def test_no_text_makes_anything_but_our_refusal(seal_keys: Any, token: str, middle: bool) -> None:
    with pytest.raises(Refused):
        check(seal_keys, f"{b64(token.encode())}..{b64(b'x' * 64)}" if middle else token)

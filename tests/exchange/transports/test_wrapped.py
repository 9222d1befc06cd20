"""A document in one member of a JSON body: plain, and as SM4-CBC, held against the openssl command."""

import base64
import json
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.errors import HubError, Misconfigured, Refused
from exchange.manifest import Wrap
from exchange.transports.wrapped import decrypt, encrypt, unwrap, wrap

KEY = bytes.fromhex("0123456789abcdeffedcba9876543210")
SM4 = Wrap(member="xmlStr", cipher="sm4-cbc")
PLAIN = Wrap(member="xmlStr")
DOCUMENT = "<EA_JC_STEP_PROC><NODEADV>同意</NODEADV></EA_JC_STEP_PROC>".encode()


def openssl(mode: str, iv: bytes, data: bytes) -> bytes:
    """GB/T 32907 by a program that is not ours."""
    command = ["openssl", "enc", mode, "-sm4-cbc", "-K", KEY.hex(), "-iv", iv.hex()]
    return subprocess.run(command, input=data, capture_output=True, check=True).stdout


def test_openssl_reads_what_is_wrapped() -> None:
    body = json.loads(wrap(DOCUMENT, SM4, KEY))
    raw = base64.b64decode(body["xmlStr"], validate=True)
    assert list(body) == ["xmlStr"]
    assert openssl("-d", raw[:16], raw[16:]) == DOCUMENT


def test_what_openssl_wrote_is_read() -> None:
    iv = bytes(range(16))
    text = base64.b64encode(iv + openssl("-e", iv, DOCUMENT)).decode()
    assert unwrap(json.dumps({"xmlStr": text}).encode(), SM4, KEY) == DOCUMENT


def test_first_vector_of_the_standard() -> None:
    """GB/T 32907-2016 annex A.1: one block; in CBC with an IV of zeros the first block is the same."""
    block = bytes.fromhex("681edf34d206965e86b3e94f536e4246")
    assert openssl("-e", bytes(16), KEY)[:16] == block
    assert base64.b64decode(encrypt(KEY, KEY, bytes(16)))[16:32] == block
    later = base64.b64decode(encrypt(DOCUMENT, KEY, bytes(16)))
    assert decrypt(base64.b64encode(later).decode(), KEY, "xmlStr") == DOCUMENT


def test_the_initialisation_vector_is_new_each_time() -> None:
    assert len({wrap(DOCUMENT, SM4, KEY) for _ in range(20)}) == 20


def test_a_plain_member_carries_the_text() -> None:
    assert json.loads(wrap(DOCUMENT, PLAIN, None)) == {"xmlStr": DOCUMENT.decode()}
    assert unwrap(wrap(DOCUMENT, PLAIN, None), PLAIN, None) == DOCUMENT


@pytest.mark.parametrize("key", [None, b"", KEY[:15], KEY + b"1"])
def test_a_key_that_was_not_agreed_is_a_setting_to_repair(key: bytes | None) -> None:
    with pytest.raises(Misconfigured) as fault:
        wrap(DOCUMENT, SM4, key)
    assert fault.value.code == "no_cipher_key"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "bad_request"),
        (b"[]", "missing_field"),
        (b"{}", "missing_field"),
        (b'{"xmlStr":1}', "missing_field"),
        (b'{"xmlStr":"AAAA","more":1}', "unknown_field"),
        (b'{"xmlStr":"AAAA","xmlStr":"AAAA"}', "bad_request"),
        (b'{"xmlStr":""}', "bad_cipher"),
        (b'{"xmlStr":"not base64"}', "bad_cipher"),
        (b'{"xmlStr":"' + base64.b64encode(bytes(16)) + b'"}', "bad_cipher"),
        (b'{"xmlStr":"' + base64.b64encode(bytes(33)) + b'"}', "bad_cipher"),
        (b'{"xmlStr":"' + base64.b64encode(bytes(48)) + b'"}', "bad_cipher"),
    ],
)
def test_a_wrong_body_has_its_code(body: bytes, code: str) -> None:
    with pytest.raises(Refused) as refused:
        unwrap(body, SM4, KEY)
    assert refused.value.code == code


def test_another_key_is_told_as_such_also_where_the_padding_happens_to_fit() -> None:
    for number in range(1000):
        other = encrypt(DOCUMENT, bytes(16), number.to_bytes(16, "big"))
        with pytest.raises(Refused) as refused:
            unwrap(json.dumps({"xmlStr": other}).encode(), SM4, KEY)
        assert refused.value.code == "bad_cipher"


@given(st.binary(max_size=80))
def test_no_bytes_end_in_another_error(noise: bytes) -> None:
    body = json.dumps({"xmlStr": base64.b64encode(noise).decode()}).encode()
    try:
        unwrap(body, SM4, KEY)
    except HubError as fault:
        assert fault.code == "bad_cipher"

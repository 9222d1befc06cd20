"""A document that travels as text in one member of a JSON body, encrypted where the partner asks for it."""

import base64
import binascii
import secrets

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import SM4

from exchange.errors import Misconfigured, Refused
from exchange.manifest import Wrap
from exchange.mapping import json

BLOCK = 16  # bytes, of SM4 (GB/T 32907) and of its IV
KEY = 16
AROUND = b"\xef\xbb\xbf \t\r\n"  # what may stand before the first tag and after the last


def wrap(document: bytes, rule: Wrap, key: bytes | None) -> bytes:
    """The JSON body that carries the document."""
    text = (
        document.decode() if rule.cipher is None else encrypt(document, _key(key), secrets.token_bytes(BLOCK))
    )
    return json.dumps({rule.member: text})


def unwrap(body: bytes, rule: Wrap, key: bytes | None) -> bytes:
    """The document in the body; Refused bad_request, unknown_field or missing_field."""
    tree = json.loads(body)
    if not isinstance(tree, dict) or not isinstance(tree.get(rule.member), str):
        raise Refused("missing_field", "the body is an object with one text member", rule.member)
    if len(tree) > 1:
        raise Refused(
            "unknown_field",
            "the body has one member",
            next(name for name in tree if name != rule.member)[:100],
        )
    text: str = tree[rule.member]
    return text.encode() if rule.cipher is None else decrypt(text, _key(key), rule.member)


def encrypt(document: bytes, key: bytes, iv: bytes) -> str:
    """Base64 of IV and ciphertext (SM4-CBC, PKCS#7)."""
    padder = padding.PKCS7(BLOCK * 8).padder()
    encryptor = Cipher(SM4(key), modes.CBC(iv)).encryptor()
    padded = padder.update(document) + padder.finalize()
    return base64.b64encode(iv + encryptor.update(padded) + encryptor.finalize()).decode()


def decrypt(text: str, key: bytes, where: str) -> bytes:
    """One refusal for every way in which it fails: nothing is learnt about key or padding. The body's seal
    has been verified before, so only its holder can ask at all."""
    try:
        raw = base64.b64decode(text, validate=True)
        if len(raw) < 2 * BLOCK or len(raw) % BLOCK:
            raise ValueError("not whole blocks")
        decryptor = Cipher(SM4(key), modes.CBC(raw[:BLOCK])).decryptor()
        padded = decryptor.update(raw[BLOCK:]) + decryptor.finalize()
        remover = padding.PKCS7(BLOCK * 8).unpadder()
        document = remover.update(padded) + remover.finalize()
        tags = document.strip(AROUND)
        if not tags.startswith(b"<") or not tags.endswith(
            b">"
        ):  # one wrong key in 256 leaves a right padding
            raise ValueError("no XML")
        return document
    except (binascii.Error, ValueError):
        raise Refused("bad_cipher", "cannot be decrypted with the agreed key", where) from None


def _key(key: bytes | None) -> bytes:
    if key is None or len(key) != KEY:
        raise Misconfigured(
            "no_cipher_key", "keys/secrets.toml [ciphers] has no key of 16 bytes for this party"
        )
    return key

"""What only this hall can have issued: tokens of forms, marks of flash messages, and sealed values."""

import base64
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Mapping
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

TOKEN = 24  # characters of an act token


class Vault:
    """Keys of the pages, derived from the hub's own secret: they outlive a restart."""

    def __init__(self, secret: bytes) -> None:
        self._mark = _derived(secret, b"hall pages: marks")
        self._cipher = AESGCM(_derived(secret, b"hall pages: values"))

    def mark(self, what: str, value: str) -> str:
        """43 characters that prove we said `value` for the purpose `what`."""
        found = hmac.digest(self._mark, f"{what}\0{value}".encode(), "sha256")
        return base64.urlsafe_b64encode(found).rstrip(b"=").decode()

    def marked(self, what: str, value: str, mark: str) -> bool:
        """Whether `mark` is ours."""
        return same(self.mark(what, value), mark)

    def seal(self, value: bytes, about: str) -> bytes:
        """Encrypted; opens only for the same `about`."""
        nonce = os.urandom(12)
        return nonce + self._cipher.encrypt(nonce, value, about.encode())

    def open(self, sealed: bytes, about: str) -> bytes | None:
        """None when it is not ours or not about this."""
        try:
            return self._cipher.decrypt(sealed[:12], sealed[12:], about.encode())
        except (InvalidTag, ValueError):
            return None

    def flash(self, said: str) -> str:
        """A message as a cookie's value."""
        text = base64.urlsafe_b64encode(said[:300].encode()).rstrip(b"=").decode()
        return f"{text}.{self.mark('flash', text)}"

    def flashed(self, cookie: str) -> str:
        """The message of a cookie, empty when it is none of ours."""
        text, _, mark = cookie.partition(".")
        if not text or not self.marked("flash", text, mark):
            return ""
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()


def _derived(secret: bytes, purpose: bytes) -> bytes:
    return hmac.digest(secret, purpose, hashlib.sha256)


def same(one: str, other: str) -> bool:
    """Compared in constant time, whatever characters came."""
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode("utf-8", "replace"))


def new_token() -> str:
    """18 random bytes."""
    return secrets.token_urlsafe(18)


def well_formed(token: str) -> bool:
    return len(token) == TOKEN and token.replace("-", "a").replace("_", "a").isalnum() and token.isascii()


def same_origin(headers: Mapping[str, str], public_url: str) -> bool:
    """Whether a POST comes from a page of ours, by what the browser itself says of it; old browsers say
    less, and the form's own token is asked for in any case."""
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    said = headers.get("origin") or headers.get("referer")
    if said is None:
        return True
    try:
        return urlsplit(said).netloc in (headers.get("host", ""), urlsplit(public_url).netloc)
    except ValueError:  # no address at all, such as http://[
        return False


def pack(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()

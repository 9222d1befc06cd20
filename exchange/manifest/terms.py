"""What calls and doors are both written with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

Verdict = Literal["ok", "refused", "try_later", "token", "poison"]
"""What to do with a partner's code: done; the content is refused (tell the case); send the same again
later; get a new token
and send again; never send again and tell a person (signature, account, conflict: our own side is wrong)."""
SealName = Literal["jws", "xmldsig", "wssec", "none"]
SignatureName = Literal["rsa-sha256", "ecdsa-sha256"]
Body = dict[str, JsonValue]


class Section(BaseModel):
    """Frozen, and an unknown key is refused: a misspelt setting never goes unnoticed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Limits(Section):
    """What the contract allows; sizes in bytes, times in seconds; `per_call`: messages in a call with a
    `batch`."""

    max_bytes: int = 4 * 1024 * 1024
    timeout: float = 10.0
    per_call: int = Field(1, ge=1)
    unknown_after: int | None = None


class DigestRule(Section):
    """A shared-secret digest the contract asks for: `text` is a template, the result is a context value
    named `name`."""

    name: str
    algorithm: Literal["sha256", "md5"]
    text: str


class Document(Section):
    """One kind of body: its mapping, the message type it carries (None: a call without a message) and when
    it is sent."""

    mapping: str
    type: str | None = None
    object: str | None = None
    when: Mapping[str, tuple[str, ...]] = {}

    def wants(self, payload: Any) -> bool:
        """Whether every condition holds: payload field -> allowed values."""
        return all(str(getattr(payload, name, None)) in values for name, values in self.when.items())


class Wrap(Section):
    """The document travels as text in one `member` of a JSON body; with `cipher` as base64 of a random
    16-byte IV and the SM4-CBC ciphertext (PKCS#7) under the party's key of keys/secrets.toml [ciphers]
    (hex)."""

    member: str
    cipher: Literal["sm4-cbc"] | None = None

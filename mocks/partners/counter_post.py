"""POST /api/v1/messages as a party: what an answer of the hub means, and whether it may be believed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx2

from mocks.partners.common import jws, strictjson
from mocks.partners.common.clock import Clock
from mocks.partners.common.keys import Certificates

PATH = "/api/v1/messages"
LARGEST = 1 << 20  # bytes of an answer
SEAL_CODES = frozenset({"stale", "replay"})  # of the seal, not of the document: seal it afresh


@dataclass(frozen=True)
class Letter:
    """One document as it leaves."""

    message_id: str
    type: str
    sender: str
    body: bytes
    seal: str


@dataclass(frozen=True)
class Outcome:
    """`word`: done, again (same bytes), reseal, failed. `wait`: seconds the hub asks for."""

    word: str
    code: str = ""
    path: str = ""
    wait: float = 0.0


def judged(
    letter: Letter, status: int, headers: Mapping[str, str], body: bytes, trusted: Certificates, now: float
) -> Outcome:  # fmt: skip
    """What an answer means; one whose seal does not hold means nothing."""
    if status >= 500 or status == 429:
        return Outcome("again", str(status), wait=_retry_after(headers))
    bound: jws.Bound = {"status": status, "req": jws.claimed_nonce(letter.seal) or ""}
    try:
        jws.verify(headers.get(jws.HEADER), body, trusted, now=now, bound=bound)
        said = strictjson.read_object(body)
    except (jws.BadSeal, strictjson.BadJson):
        return Outcome("again", "answer_seal")
    if status in (200, 202):
        return _receipt(letter, status, said)
    code = str(said.get("code", status))
    return Outcome("reseal" if code in SEAL_CODES else "failed", code, _first_path(said))


def _receipt(letter: Letter, status: int, said: Mapping[str, object]) -> Outcome:
    wanted = {
        "v": 1, "status": "accepted" if status == 200 else "held", "message_id": letter.message_id,
        "type": letter.type, "sender": letter.sender, "digest": hashlib.sha256(letter.body).hexdigest(),
    }  # fmt: skip
    if wrong := [name for name, value in wanted.items() if said.get(name) != value]:
        return Outcome("again", "receipt_wrong", wrong[0])
    return Outcome("done", str(said.get("code", "")))


def _first_path(said: Mapping[str, object]) -> str:
    errors = said.get("errors")
    if isinstance(errors, list) and errors and isinstance(errors[0], dict):
        return str(errors[0].get("path", ""))
    return ""


def _retry_after(headers: Mapping[str, str]) -> float:
    text = headers.get("Retry-After", "")
    return min(60.0, float(text)) if text.isascii() and text.isdigit() else 0.0


@dataclass(frozen=True)
class Post:
    """The way to the hub; safe to use from any thread."""

    client: httpx2.Client
    hub_url: str
    trusted: Certificates
    clock: Clock

    @property
    def path(self) -> str:
        """The path as sent, which a seal binds."""
        return urlsplit(self.hub_url).path.rstrip("/") + PATH

    def send(self, letter: Letter) -> Outcome:
        """Sends once; connection trouble of any kind means: again."""
        headers = {"Content-Type": "application/json", jws.HEADER: letter.seal}
        data = bytearray()
        try:
            url = self.hub_url.rstrip("/") + PATH
            with self.client.stream("POST", url, content=letter.body, headers=headers) as answer:
                for chunk in answer.iter_bytes():
                    data += chunk
                    if len(data) > LARGEST:
                        return Outcome("again", "answer_too_large")
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError):
            return Outcome("again", "unreachable")
        return judged(letter, answer.status_code, answer.headers, bytes(data), self.trusted, self.clock())

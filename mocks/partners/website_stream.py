"""The published stream of items as a reader believes it: sealed by the hub, numbered, each change linked to
the one before (docs/wire.md §3, §11)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx2

from mocks.partners.common import jws, strictjson
from mocks.partners.common.clock import Clock
from mocks.partners.common.keys import Certificates

PATH = "/api/v1/publication/items/changes"
START = "00" * 32
MOST = 500  # changes asked for at once
LARGEST = 64 << 20  # bytes of an answer


class BadStream(Exception):
    """The answer is not to be believed, or there was none; the text says why."""


@dataclass(frozen=True)
class Change:
    """One change; `linked`: the bytes its hash is the SHA-256 of."""

    number: int
    hash: str
    code: str
    item: dict[str, object] | None
    linked: bytes


def linked(previous: str, content: object) -> bytes:
    """`previous` and the RFC 8785 bytes of the rest of a change (its keys are ASCII, its numbers whole)."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return bytes.fromhex(previous) + text.encode()


def believed(raw: object, number: int, link: str) -> Change:
    """The change that follows `number`, whose hash is `link`; BadStream names the first thing wrong."""
    if not isinstance(raw, dict) or type(raw.get("number")) is not int or raw["number"] != number + 1:
        raise BadStream(f"a gap after {number}")
    if raw.get("previous") != link:
        raise BadStream(f"change {number + 1} does not follow what is known")
    held = linked(link, {name: value for name, value in raw.items() if name not in ("previous", "hash")})
    item = raw.get("item")
    if raw.get("hash") != hashlib.sha256(held).hexdigest():
        raise BadStream(f"change {number + 1} is not what its hash says")
    if not isinstance(item, dict) and (item is not None or raw.get("operation") != "delete"):
        raise BadStream(f"change {number + 1} has no item")
    return Change(number + 1, str(raw["hash"]), str(raw["code"]), item, held)


@dataclass(frozen=True)
class Stream:
    """The hub's publication face."""

    hub_url: str
    trusted: Certificates
    clock: Clock
    client: httpx2.Client = field(
        default_factory=lambda: httpx2.Client(timeout=30, trust_env=False), repr=False
    )

    def after(self, asked: int, number: int, link: str) -> Iterator[Change]:
        """What the hub gives behind `asked`, each of which must follow `number`, in order; BadStream."""
        for raw in self._asked(asked):
            change = believed(raw, number, link)
            number, link = change.number, change.hash
            yield change

    def _asked(self, number: int) -> list[object]:
        nonce = jws.new_nonce()
        url = f"{self.hub_url.rstrip('/')}{PATH}?since={number}&limit={MOST}"
        try:
            answer = self.client.get(url, headers={"X-Request-Nonce": nonce})
        except httpx2.HTTPError as error:
            raise BadStream(f"no answer: {type(error).__name__}") from error
        if answer.status_code != 200 or len(answer.content) > LARGEST:
            raise BadStream(f"HTTP {answer.status_code}")
        try:
            bound: jws.Bound = {"status": 200, "req": nonce}
            seal = answer.headers.get(jws.HEADER)
            jws.verify(seal, answer.content, self.trusted, now=self.clock(), bound=bound)
            found = strictjson.read_object(answer.content).get("changes")
        except (jws.BadSeal, strictjson.BadJson) as error:
            raise BadStream(f"the answer cannot be believed: {error}") from error
        return found if isinstance(found, list) else []

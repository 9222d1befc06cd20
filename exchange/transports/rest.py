"""The HTTP client: bounded, with time-outs; what the network does wrong becomes TryLater."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

import httpx2

from exchange.errors import TryLater

LONGEST_ANSWER = 4 * 1024 * 1024
CONNECT_SECONDS = 3.0


@dataclass(frozen=True)
class Answer:
    """What came back, whatever its status."""

    status: int
    body: bytes
    headers: Mapping[str, str]


class RestClient:
    """One pool of connections per party."""

    def __init__(self, timeout: float) -> None:
        limits = httpx2.Limits(max_connections=8, max_keepalive_connections=4)
        self._client = httpx2.Client(
            timeout=httpx2.Timeout(timeout, connect=CONNECT_SECONDS), limits=limits, trust_env=False
        )
        self._lock, self._timeout = threading.Lock(), timeout

    def send(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        """TryLater when there is no whole answer of at most 4 MB in time."""
        deadline = time.monotonic() + self._timeout
        try:
            with self._client.stream(method, url, content=body, headers=dict(headers)) as response:
                return Answer(response.status_code, _read(response, deadline), response.headers)
        except httpx2.HTTPError as fault:
            raise TryLater("partner_away", type(fault).__name__) from fault
        except httpx2.InvalidURL as fault:
            raise TryLater("bad_address", str(fault)) from fault

    def close(self) -> None:
        """Close the pool."""
        self._client.close()


def _read(response: httpx2.Response, deadline: float) -> bytes:
    """The time-outs of the client are those of each single read: a body that drips ends at the deadline."""
    parts, size = [], 0
    for part in response.iter_bytes():
        size += len(part)
        if size > LONGEST_ANSWER:
            raise TryLater("answer_too_large", "the partner's answer exceeds 4 MB")
        if time.monotonic() > deadline:
            raise TryLater("partner_away", "the answer drips past the time agreed")
        parts.append(part)
    return b"".join(parts)

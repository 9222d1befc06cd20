"""Asking the processes over loopback HTTP: are they ready, what have they recorded."""

from collections.abc import Mapping
from typing import Any, Self

import httpx2

from exchange.app.demo.layout import HUB, Layout
from exchange.errors import TryLater

SECONDS = 5.0
RECORD_SECONDS = 60.0


class Asking:
    """Admin interface of the partners and health of the hub; TryLater when one does not answer."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._client = httpx2.Client(trust_env=False, timeout=SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def ready(self, name: str) -> bool:
        """Whether it takes requests."""
        path = "/health" if name == HUB else "/admin/health"
        try:
            return bool(self.get(name, path, seconds=2.0) == {"ready": True})
        except TryLater:
            return False

    def record(self, name: str) -> list[Mapping[str, Any]]:
        """A partner's own record."""
        found = self.get(name, "/admin/record", seconds=RECORD_SECONDS)
        return found if isinstance(found, list) else []

    def get(self, name: str, path: str, *, seconds: float = SECONDS) -> Any:
        """The JSON it answers."""
        return self._call("GET", name, path, None, seconds)

    def post(self, name: str, path: str, value: object) -> Any:
        """As `get`, with a JSON body."""
        return self._call("POST", name, path, value, SECONDS)

    def _call(self, method: str, name: str, path: str, value: object, seconds: float) -> Any:
        url = self._layout.url(name) + path
        try:
            answer = self._client.request(method, url, json=value, timeout=seconds)
            if answer.status_code != 200:
                detail = answer.text[:200]
                raise TryLater("not_answered", f"{method} {path}: HTTP {answer.status_code} {detail}", name)
            return answer.json()
        except (httpx2.HTTPError, ValueError) as fault:
            raise TryLater("not_answered", f"{method} {path}: {type(fault).__name__}", name) from fault

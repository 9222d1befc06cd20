"""GET and HEAD /contracts: what the hub publishes, with ETag; made at the first request and kept."""

import threading
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from exchange.hub import Hub
from exchange.publishing.contracts import INDEX, Contract, contracts
from exchange.publishing.versions import declared

FRESH = 300  # seconds a cache may answer without asking
PATHS = ("/contracts", "/contracts/{name:path}")


class Published:
    """The contracts of one hub; safe to share between threads."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._lock = threading.Lock()
        self._found: Mapping[str, Contract] | None = None

    def named(self, name: str) -> Contract | None:
        """The contract of that name, the index for an empty one."""
        with self._lock:
            if self._found is None:
                self._found = contracts(self._hub.adapters, self._hub.public_url, declared())
        return self._found.get(name or INDEX)

    def answer(self, request: Request) -> Response | None:
        """200 with the bytes, 304 when the caller has them, None for an unknown name."""
        found = self.named(request.path_params.get("name", ""))
        if found is None:
            return None
        tag = f'"{found.sha256}"'
        headers = {
            "ETag": tag,
            "Cache-Control": f"public, max-age={FRESH}",
            "X-Content-Type-Options": "nosniff",
        }
        if _has(request.headers.get("if-none-match", ""), tag):
            return Response(status_code=304, headers=headers)
        return Response(found.body, headers=headers, media_type=found.media_type)


def _has(condition: str, tag: str) -> bool:
    """RFC 9110 §13.1.2, weak comparison."""
    listed = [one.strip().removeprefix("W/") for one in condition.split(",")]
    return tag in listed or condition.strip() == "*"

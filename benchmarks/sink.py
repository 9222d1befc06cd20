"""A receiving party that answers 200 to everything and counts: python benchmarks/sink.py PORT

It verifies nothing, so that the relay is what is measured. `GET /` tells the count and when the last came.
"""

import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class Sink:
    """An ASGI application."""

    def __init__(self) -> None:
        self.count, self.last = 0, 0.0

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Take the whole body, count, answer."""
        while (await receive()).get("more_body"):
            pass
        body = b"{}"
        if scope["method"] == "POST":
            self.count, self.last = self.count + 1, time.time()
        else:
            body = json.dumps({"count": self.count, "last": self.last}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def main() -> None:
    """Serve until SIGTERM."""
    uvicorn.run(
        Sink(), host="127.0.0.1", port=int(sys.argv[1]), log_level="warning",
        access_log=False, http="httptools",
        loop="uvloop", lifespan="off",
    )  # fmt: skip


if __name__ == "__main__":
    main()

"""A partner played by the test: an HTTP server that checks the hub's seal and seals its own answers."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from exchange.seals import jws
from exchange.seals.keys import SigningKey, key_id

NONCE = "answer-nonce-0123456789"


@dataclass
class Call:
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Stub:
    """Answers each call by `answer`: (status, JSON or bytes), with headers of its own if a third is given, or
    None to drop the line."""

    hub: SigningKey
    key: SigningKey | None = None
    answer: Callable[[Call], Any] = lambda call: (200, {})
    calls: list[Call] = field(default_factory=list)
    address: str = ""
    seal: Callable[[str], str | None] = lambda seal: seal

    def to(self, path: str) -> list[Call]:
        return [call for call in self.calls if call.path.partition("?")[0] == path]

    def checked(self, call: Call) -> None:
        """The hub's seal holds for exactly this method and path."""
        ring = {key_id(self.hub.certificate): self.hub.certificate}
        jws.verify_request(
            call.headers[jws.HEADER_NAME],
            call.body,
            ring.get,
            method=call.method,
            path=call.path,
            now=datetime.now(UTC),
        )


@contextmanager
def serving(stub: Stub) -> Iterator[Stub]:
    """The stub on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            call = Call(self.command, self.path, dict(self.headers), body)
            stub.calls.append(call)
            stub.checked(call)
            said = stub.answer(call)
            if said is None:
                self.close_connection = True
                return
            status, content, *more = said
            data = content if isinstance(content, bytes) else json.dumps(content, ensure_ascii=False).encode()
            self.send_response(status)
            seal = stub.seal(self.sealed(call, status, data)) if stub.key else None
            if seal:
                self.send_header(jws.HEADER_NAME, seal)
            for name, value in more[0].items() if more else ():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def sealed(self, call: Call, status: int, data: bytes) -> str:
            assert stub.key is not None
            asked = jws.claimed_nonce(call.headers[jws.HEADER_NAME]) or ""
            return jws.sign_answer(
                data, stub.key, status=status, req=asked, now=datetime.now(UTC), nonce=NONCE
            )

        do_GET = do_POST = handle_any

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    stub.address = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield stub
    finally:
        server.shutdown()
        thread.join(5)
        server.server_close()

"""The hub as the partner's callbacks meet it: hears them, and answers as each check wants."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from exchange.errors import HubError
from exchange.manifest import Inbound
from exchange.mapping import json as strict
from exchange.seals import jws
from exchange.seals.keys import SigningKey

LARGEST = 8 * 1024 * 1024


@dataclass(frozen=True)
class Heard:
    """One request the partner made."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    at: float  # Unix seconds
    answered: str

    @property
    def seal(self) -> str | None:
        """Its detached signature."""
        return self.headers.get(jws.HEADER_NAME.lower())

    def tree(self) -> Any:
        """The JSON of the body, None when it is none."""
        try:
            return strict.loads(self.body)
        except HubError:
            return None


@dataclass(frozen=True)
class Answer:
    """How to answer: `how` is ok, http500, http503, silence, unsealed, bad_seal or refused."""

    how: str = "ok"
    body: bytes = b"{}"


Script = Callable[["Heard", int], Answer]
"""The request and how often the same document came before -> the answer."""


@dataclass
class Listener:
    """An HTTP server on the loopback; `script` decides, by path, how each request is answered."""

    key: SigningKey
    port: int = 0
    host: str = "127.0.0.1"
    heard: list[Heard] = field(default_factory=list)
    scripts: dict[str, Script] = field(default_factory=dict)
    doors: dict[str, bytes] = field(default_factory=dict)  # by path, the good answer without a script
    default: bytes = b"{}"

    def __post_init__(self) -> None:
        self._changed = threading.Condition()
        self._seen: dict[str, int] = {}
        listener = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 15

            def do_POST(self) -> None:
                listener.serve(self)

            def do_GET(self) -> None:
                listener.serve(self)

            def log_message(self, format: str, *args: Any) -> None:
                return

        self._server = ThreadingHTTPServer((self.host, self.port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self.url = f"http://{self.host}:{self.port}"
        poll = {"poll_interval": 0.05}
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs=poll, daemon=True)
        self._thread.start()

    def serve(self, handler: BaseHTTPRequestHandler) -> None:
        """One request: hear it, then answer as its script says."""
        size = min(int(handler.headers.get("Content-Length") or 0), LARGEST)
        body = handler.rfile.read(size)
        headers = {name.lower(): value for name, value in handler.headers.items()}
        heard = Heard(handler.command, handler.path, headers, body, time.time(), "")
        answer = self._decide(heard)
        self._keep(Heard(heard.method, heard.path, headers, body, heard.at, answer.how))
        self._answer(handler, heard, answer)

    def wait(self, wanted: Callable[[list[Heard]], Any], seconds: float) -> Any:
        """The first true value of `wanted` over what was heard, or its last value when time is up."""
        end = time.monotonic() + seconds
        with self._changed:
            while not (found := wanted(list(self.heard))):
                left = end - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
        return found

    def close(self) -> None:
        """Ends the server."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(2)

    def _decide(self, heard: Heard) -> Answer:
        key = f"{heard.path} {heard.body!r}"
        with self._changed:
            before = self._seen.get(key, 0)
            self._seen[key] = before + 1
        path = heard.path.partition("?")[0]
        script = self.scripts.get(path)
        return script(heard, before) if script else Answer(body=self.doors.get(path, self.default))

    def _keep(self, heard: Heard) -> None:
        with self._changed:
            self.heard.append(heard)
            self._changed.notify_all()

    def _answer(self, handler: BaseHTTPRequestHandler, heard: Heard, answer: Answer) -> None:
        if answer.how == "silence":
            handler.close_connection = True
            return
        status = {"http500": 500, "http503": 503, "refused": 400}.get(answer.how, 200)
        body = b"Internal Server Error" if answer.how == "http500" else answer.body
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(body)))
        if answer.how in ("ok", "bad_seal", "refused"):
            signed = body + b" " if answer.how == "bad_seal" else body
            handler.send_header(jws.HEADER_NAME, self._seal(signed, status, heard))
        handler.end_headers()
        handler.wfile.write(body)

    def _seal(self, body: bytes, status: int, heard: Heard) -> str:
        nonce = jws.claimed_nonce(heard.seal) or ""
        now = datetime.now(UTC)
        return jws.sign_answer(
            body, self.key, status=status, req=nonce, now=now, nonce=f"kit{time.time_ns():020d}"
        )


def accepting(entry: Inbound) -> bytes:
    """The body with which the contract says that a document was taken."""
    return rendered(entry.answer.ok if entry.answer else {}, {"code": 0, "detail": ""})


def rendered(template: Any, values: Mapping[str, object]) -> bytes:
    """The body of an answer of the manifest: templates over the values."""
    return json.dumps(_filled(template, values), ensure_ascii=False).encode()


def _filled(template: Any, values: Mapping[str, object]) -> Any:
    if isinstance(template, dict):
        return {name: _filled(one, values) for name, one in template.items()}
    if isinstance(template, str) and template.startswith("{") and template[1:-1] in values:
        return values[template[1:-1]]
    return template

"""The hub as the partner's callbacks meet it: hears them, and answers as each check wants."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol

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
    door: str = ""  # under which scripts are kept
    ident: bytes = b""  # equal in repeats of one document

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
    """How to answer: `how` is ok, http500, http503, silence, unsealed, bad_seal, busy or refused."""

    how: str = "ok"
    body: bytes = b"{}"


@dataclass(frozen=True)
class Sent:
    """An answer as it goes out."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Face(Protocol):
    """How one path of the hub tells its doors and documents apart, and how it answers."""

    def door(self, heard: Heard) -> str:
        """The door a request is for."""

    def ident(self, heard: Heard) -> bytes:
        """What is equal in repeats of one document."""

    def answer(self, heard: Heard, answer: Answer) -> Sent:
        """The answer to a request."""


@dataclass(frozen=True)
class SealedJson:
    """REST under detached JWS: a door is a path, a repeat has the same bytes."""

    key: SigningKey

    def door(self, heard: Heard) -> str:
        """The path without its query."""
        return heard.path.partition("?")[0]

    def ident(self, heard: Heard) -> bytes:
        """The bytes."""
        return heard.body

    def answer(self, heard: Heard, answer: Answer) -> Sent:
        """Sealed for the request, but where the answer is to be wrong."""
        status = {"http500": 500, "http503": 503, "refused": 400}.get(answer.how, 200)
        body = b"Internal Server Error" if answer.how == "http500" else answer.body
        headers = {"Content-Type": "application/json"}
        if answer.how in ("ok", "bad_seal", "refused"):
            signed = body + b" " if answer.how == "bad_seal" else body
            headers[jws.HEADER_NAME] = self._seal(signed, status, heard)
        return Sent(status, headers, body)

    def _seal(self, body: bytes, status: int, heard: Heard) -> str:
        nonce = jws.claimed_nonce(heard.seal) or ""
        now = datetime.now(UTC)
        return jws.sign_answer(
            body, self.key, status=status, req=nonce, now=now, nonce=f"kit{time.time_ns():020d}"
        )


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
    faces: dict[str, Face] = field(default_factory=dict)  # by path, those that are not sealed JSON
    default: bytes = b"{}"

    def __post_init__(self) -> None:
        self._changed = threading.Condition()
        self._seen: dict[tuple[str, bytes], int] = {}
        self._json = SealedJson(self.key)
        listener = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # an answer goes out in two writes: 40 ms less each
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
        came = Heard(handler.command, handler.path, headers, body, time.time(), "")
        face: Face = self.faces.get(came.path.partition("?")[0], self._json)
        heard = replace(came, door=face.door(came), ident=face.ident(came))
        answer = self._decide(heard)
        self._keep(replace(heard, answered=answer.how))
        _answered(handler, None if answer.how == "silence" else face.answer(heard, answer))

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
        key = (heard.door, heard.ident)
        with self._changed:
            before = self._seen.get(key, 0)
            self._seen[key] = before + 1
        script = self.scripts.get(heard.door)
        return script(heard, before) if script else Answer(body=self.doors.get(heard.door, self.default))

    def _keep(self, heard: Heard) -> None:
        with self._changed:
            self.heard.append(heard)
            self._changed.notify_all()


def _answered(handler: BaseHTTPRequestHandler, sent: Sent | None) -> None:
    """Writes the answer; None: the line is cut."""
    if sent is None:
        handler.close_connection = True
        return
    handler.send_response(sent.status)
    for name, value in {**sent.headers, "Content-Length": str(len(sent.body))}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(sent.body)


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

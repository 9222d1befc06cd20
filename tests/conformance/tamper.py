"""A proxy between kit and partner that makes the partner wrong in one named way, with both sides' keys."""

import json
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx2

from exchange.errors import HubError
from exchange.seals import jws
from exchange.seals.keys import SigningKey, key_id


@dataclass
class Request:
    """What the proxy passes on; a defect may change every part of it."""

    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes
    problem: str = ""  # code of the refusal a correct reader of the seal gives
    nonce: str = ""

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def put(self, name: str, value: str | None) -> None:
        self.headers = [(key, text) for key, text in self.headers if key.lower() != name.lower()]
        if value is not None:
            self.headers.append((name, value))


@dataclass
class Response:
    """What comes back; `seal` names what is done about the answer's seal: keep, renew, or nothing."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    def put(self, value: Any) -> None:
        self.body = json.dumps(value, ensure_ascii=False).encode()


@dataclass
class Defect:
    """One way to be wrong: `before` changes the request, `after` the answer; `renew` seals that anew."""

    id: str
    finds: tuple[str, ...]  # checks that must notice
    before: Callable[["Proxy", Request], Response | None] = lambda proxy, request: None
    after: Callable[["Proxy", Request, Response], None] = lambda proxy, request, response: None
    renew: bool = False
    options: dict[str, Any] = field(default_factory=dict)


CLEAN = Defect("clean", ())


class Proxy:
    """Forwards to `target`; `defect` may be changed while it runs."""

    def __init__(self, target: str, hub: SigningKey, partner: SigningKey) -> None:
        self.target, self.hub, self.partner = target, hub, partner
        self.defect = CLEAN
        self.memory: dict[str, Any] = {}
        self.client = httpx2.Client(timeout=20, trust_env=False)
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                proxy.serve(self)

            do_GET = do_PUT = do_POST

            def log_message(self, format: str, *args: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        poll = {"poll_interval": 0.05}
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs=poll, daemon=True)
        self.thread.start()

    def use(self, defect: Defect) -> None:
        self.defect, self.memory = defect, {}

    def serve(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        request = Request(handler.command, handler.path, list(handler.headers.items()), body)
        request.problem, request.nonce = self._problem(request)
        response = self.defect.before(self, request) or self.forward(request)
        self.defect.after(self, request, response)
        if self.defect.renew:
            self.seal(request, response)
        self._answer(handler, response)

    def forward(self, request: Request) -> Response:
        drop = {"host", "content-length", "connection", "accept-encoding"}
        headers = [(name, value) for name, value in request.headers if name.lower() not in drop]
        try:
            found = self.client.request(
                request.method, self.target + request.path, content=request.body or None, headers=headers
            )
        except httpx2.HTTPError:
            return Response(599, {}, b"")
        keep = ("content-type", "x-gov-signature", "retry-after")
        return Response(
            found.status_code,
            {name: found.headers[name] for name in keep if name in found.headers},
            found.content,
        )

    def seal(self, request: Request, response: Response, **members: Any) -> None:
        """The partner's own good seal over what is answered now."""
        wanted = {"status": response.status, "req": request.nonce} | members
        response.headers["x-gov-signature"] = jws.sign_answer(
            response.body, members.get("key", self.partner), status=wanted["status"], req=wanted["req"],
            now=members.get("now", datetime.now(UTC)), nonce=secrets.token_urlsafe(24),
        )  # fmt: skip

    def resign(self, request: Request) -> None:
        """The request under a good seal of the hub: as if the partner had not looked at the first."""
        request.put(
            jws.HEADER_NAME,
            jws.sign_request(
                request.body, self.hub, method=request.method, path=request.path, now=datetime.now(UTC),
                nonce=self.nonce() if len(request.nonce) < 16 or "fresh" in self.memory else request.nonce,
            ),
        )  # fmt: skip

    @staticmethod
    def nonce() -> str:
        return secrets.token_urlsafe(24)

    def _problem(self, request: Request) -> tuple[str, str]:
        seals = [value for name, value in request.headers if name.lower() == jws.HEADER_NAME.lower()]
        token = seals[0] if seals else None
        certificate = self.hub.certificate

        def keyring(kid: str) -> Any:
            return certificate if kid == key_id(certificate) else None

        nonce = jws.claimed_nonce(token) or ""
        try:
            jws.verify_request(
                token, request.body, keyring, method=request.method, path=request.path, now=datetime.now(UTC)
            )  # fmt: skip
        except HubError as fault:
            return fault.code, nonce
        return "", nonce

    def _answer(self, handler: BaseHTTPRequestHandler, response: Response) -> None:
        if response.status == 599:
            handler.close_connection = True
            return
        handler.send_response(response.status)
        for name, value in response.headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(response.body)))
        handler.end_headers()
        handler.wfile.write(response.body)

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(2)
        self.client.close()

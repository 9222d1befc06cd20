"""A hub of the tests' own for JSON partners: signs by hand, checks with joserfc, hears callbacks."""

import base64
import hashlib
import json
import secrets
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from joserfc import jws
from joserfc.jwk import ECKey
from joserfc.registry import HeaderParameter

from tests.mocks.forking import ROOT as ROOT
from tests.mocks.forking import Forked

BEIJING = timezone(timedelta(hours=8))
SECRET, ACCOUNT = "invented-secret", "tongban-hub"
XML = frozenset({"catalogue", "department_b", "fees"})  # partners with an RSA key


@cache
def rsa_key(whose: str) -> rsa.RSAPrivateKey:
    """One for all tests of a process: making it takes longer than most of them."""
    return rsa.generate_private_key(65537, 2048)


def key_file(key: rsa.RSAPrivateKey, path: Path) -> None:
    """Written as the programs write their own."""
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(key.private_bytes(*form))
    path.chmod(0o600)


def b64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def compact_now(shift: float = 0) -> str:
    return (datetime.now(BEIJING) + timedelta(seconds=shift)).strftime("%Y%m%d%H%M%S")


def self_signed(key: Any, name: str, days: int = 30) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    start = datetime.now(UTC) - timedelta(days=60)
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
    return (
        builder.not_valid_before(start)
        .not_valid_after(start + timedelta(days=60 + days))
        .sign(key, hashes.SHA256())
    )


def kid_of(certificate: x509.Certificate) -> str:
    return b64url(hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).digest())


@dataclass
class Identity:
    """A P-256 key and its certificate."""

    name: str
    days: int = 30
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def __post_init__(self) -> None:
        self.certificate = self_signed(self.key, self.name, self.days)

    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def seal(self, body: bytes, **members: Any) -> str:
        """A detached JWS by hand; a member given as None is left out."""
        head: dict[str, Any] = {
            "alg": "ES256",
            "b64": False,
            "crit": ["b64"],
            "kid": kid_of(self.certificate),
            "iat": int(time.time()),
            "nonce": secrets.token_hex(16),
        }
        head = {name: value for name, value in (head | members).items() if value is not None}
        first = b64url(json.dumps(head).encode())
        r, s = decode_dss_signature(self.key.sign(first.encode() + b"." + body, ec.ECDSA(hashes.SHA256())))
        return first + ".." + b64url(r.to_bytes(32, "big") + s.to_bytes(32, "big"))


def checked_header(value: str, body: bytes, certificate: x509.Certificate) -> dict[str, Any]:
    """The protected header after joserfc verified it over the body."""
    pem = certificate.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    extra = {
        name: HeaderParameter(name, "str")
        for name in ("nonce", "method", "path", "req", "exchange", "routing_key", "table", "row", "file")
    }
    extra |= {name: HeaderParameter(name, "int") for name in ("iat", "status")}
    registry = jws.JWSRegistry(header_registry=extra, algorithms=["ES256"])
    header = jws.deserialize_compact(value, ECKey.import_key(pem), registry=registry, payload=body).headers()
    assert header["kid"] == kid_of(certificate)
    assert header["b64"] is False
    assert header["crit"] == ["b64"]
    assert abs(time.time() - header["iat"]) < 300
    return header


@dataclass
class Heard:
    """One call the partner made."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float

    def json(self) -> Any:
        return json.loads(self.body)


class HubStub:
    """An HTTP server that hears callbacks, and says `body` with `headers`.

    `answers` are taken first: status, "sealed"|"unsealed", body?, headers?.
    """

    def __init__(self, identity: Identity, body: bytes) -> None:
        self.identity, self.body = identity, body
        self.heard: list[Heard] = []
        self.answers: list[tuple[Any, ...]] = []
        self.headers: dict[str, str] = {}
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                data = self.rfile.read(int(self.headers["Content-Length"]))
                stub.heard.append(Heard(self.path, dict(self.headers.items()), data, time.time()))
                status, how, *other = stub.answers.pop(0) if stub.answers else (200, "sealed")
                said, more = (*other, *(stub.body, stub.headers)[len(other) :])
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(said)))
                for name, value in more.items():
                    self.send_header(name, value)
                if how == "sealed":
                    head = self.headers["X-Gov-Signature"].split(".")[0]
                    nonce = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))["nonce"]
                    self.send_header("X-Gov-Signature", identity.seal(said, status=status, req=nonce))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, format: str, *args: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def until(what: Callable[[], Any], seconds: float = 30.0) -> Any:
    """The first true value of `what`, else a failure."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := what():
            return value
        time.sleep(0.03)
    raise AssertionError("did not happen in time")


class Program:
    """A partner as a real process, with the hub's side of the conversation."""

    def __init__(self, module: str, folder: Path, callback_answer: bytes, **own: Any) -> None:
        self.module, self.folder = module, folder
        folder.mkdir(exist_ok=True)
        self.hub = Identity("hub")
        self.stub = HubStub(self.hub, callback_answer)
        (folder / "hub-ec.pem").write_bytes(self.hub.pem())
        self.rsa = rsa_key("hub")
        self.rsa_certificate = self_signed(self.rsa, "hub-rsa")
        (folder / "hub-rsa.pem").write_bytes(self.rsa_certificate.public_bytes(serialization.Encoding.PEM))
        self.config(**own)
        self.client = httpx2.Client(timeout=10, trust_env=False)
        self.process: Forked | None = None
        if module in XML:
            key_file(rsa_key("partner"), folder / "keys" / "key.pem")
        self.start()

    def config(self, **own: Any) -> None:
        values = {
            "name": self.module,
            "port": 0,
            "state": "state",
            "key": "keys/key.pem",
            "certificate": "keys/cert.pem",
            "hub_ec_certificate": "hub-ec.pem",
            "hub_rsa_certificate": "hub-rsa.pem",
            "hub_url": self.stub.url,
            "secret": SECRET,
            "account": ACCOUNT,
            "amqp_url": "",
            "queue_path": "queue.db",
            "seed": 7,
        } | own
        lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}\n" for name, value in values.items()]
        (self.folder / "partner.toml").write_text("".join(lines), "utf-8")

    def start(self) -> None:
        self.process = Forked(f"mocks.partners.{self.module}", "--config", str(self.folder / "partner.toml"))
        word, name, self.url = self.process.stdout.readline().split()
        assert (word, name) == ("ready", self.module)
        self.certificate = x509.load_pem_x509_certificate((self.folder / "keys" / "cert.pem").read_bytes())

    def end(self, number: int = signal.SIGTERM) -> tuple[int, float]:
        """Exit code and seconds until the process was gone."""
        assert self.process is not None
        began = time.monotonic()
        self.process.send_signal(number)
        code = self.process.wait(10)
        self.process.stdout.close()
        self.process = None
        return code, time.monotonic() - began

    def close(self) -> None:
        if self.process is not None:
            self.end(signal.SIGKILL)
        self.client.close()
        self.stub.close()

    def send(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        seal: str | None = "",
        headers: dict[str, str] | None = None,
        **members: Any,
    ) -> httpx2.Response:
        """One request, sealed by the hub unless `seal` says otherwise (None: none; text: that one)."""
        if seal == "":
            seal = self.hub.seal(body, **({"method": method, "path": path} | members))
        sent = {"Content-Type": "application/json"} | (headers or {})
        if seal is not None:
            sent["X-Gov-Signature"] = seal
        return self.client.request(method, self.url + path, content=body, headers=sent)

    def post(self, path: str, value: Any, **more: Any) -> httpx2.Response:
        return self.send("POST", path, json.dumps(value, ensure_ascii=False).encode(), **more)

    def checked(self, answer: httpx2.Response, nonce: str | None = None) -> Any:
        """The JSON of an answer whose seal joserfc accepts and which is bound to its status."""
        header = checked_header(answer.headers["X-Gov-Signature"], answer.content, self.certificate)
        assert header["status"] == answer.status_code
        assert nonce is None or header["req"] == nonce
        return answer.json()

    def admin(self, path: str) -> Any:
        answer = self.client.get(f"{self.url}/admin/{path}")
        assert answer.status_code == 200
        return answer.json()

    def arm(self, **fault: Any) -> httpx2.Response:
        return self.client.post(f"{self.url}/admin/fault", json=fault)

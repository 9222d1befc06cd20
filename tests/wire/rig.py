"""A real hub process on a free port, the parties that speak to it, and what its store says afterwards."""

import base64
import json
import os
import secrets
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from canonical.values import RegionCode, complete_id_number, make_case_number
from tests.exchange.core.opened import opened, ring_in

ROOT = Path(__file__).resolve().parents[2]
TONGBAN = "import sys; from exchange.app.cli import main; sys.exit(main())"
ITEM = "1144140200720810054442025105000"
REGION = "441402000000"
PATH = "/api/v1/messages"
SEAL = "X-Gov-Signature"
DAY = timedelta(days=1)
# A line of its own for each request, as hubs here end suddenly; one client, as making one costs 50 ms.
CLIENT = httpx2.Client(timeout=20, limits=httpx2.Limits(max_keepalive_connections=0))


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class Identity:
    """A party's name, key and certificate, with its own way of signing (none of the hub's code)."""

    name: str
    key: Any
    certificate: x509.Certificate

    @property
    def key_id(self) -> str:
        return encode(self.certificate.fingerprint(SHA256()))

    def sign(self, data: bytes) -> bytes:
        """r || s for P-256, PKCS #1 v1.5 for RSA."""
        if isinstance(self.key, rsa.RSAPrivateKey):
            return self.key.sign(data, PKCS1v15(), SHA256())
        r, s = decode_dss_signature(self.key.sign(data, ec.ECDSA(SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    def jws(self, body: bytes, **changed: Any) -> str:
        """A detached JWS for the REST face; `changed` overrides or (None) drops protected members."""
        header = {
            "alg": "RS256" if isinstance(self.key, rsa.RSAPrivateKey) else "ES256",
            "b64": False,
            "crit": ["b64"],
            "kid": self.key_id,
            "iat": int(time.time()),
            "nonce": secrets.token_urlsafe(24),
            "method": "POST",
            "path": PATH,
        }
        header = {name: value for name, value in {**header, **changed}.items() if value is not None}
        protected = encode(json.dumps(header).encode())
        return f"{protected}..{encode(self.sign(protected.encode() + b'.' + body))}"

    def amqp(self, body: bytes, routing_key: str, **changed: Any) -> str:
        """A detached JWS for a queue."""
        bound = {"method": None, "path": None, "exchange": "tongban", "routing_key": routing_key}
        return self.jws(body, **{**bound, **changed})

    def files(self, folder: Path) -> tuple[Path, Path]:
        """(key file, certificate file)"""
        key, certificate = folder / f"{self.name}.key", folder / f"{self.name}.pem"
        key.write_bytes(self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        certificate.write_bytes(self.certificate.public_bytes(Encoding.PEM))
        return key, certificate


def identity(name: str, kind: str = "ec", days: tuple[int, int] = (-1, 365)) -> Identity:
    """A new key with a self-signed certificate valid from and until so many days from now."""
    curve = ec.SECP256R1()
    private = ec.generate_private_key(curve) if kind == "ec" else rsa.generate_private_key(65537, 2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(subject, subject, private.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now + days[0] * DAY).not_valid_after(now + days[1] * DAY)
    return Identity(name, private, builder.sign(private, SHA256()))


def now_text(offset: float = 0) -> str:
    return (datetime.now(UTC) + timedelta(seconds=offset)).isoformat(timespec="seconds")


_serial = iter(range(1, 1_000_000))


def case_number() -> str:
    return str(make_case_number(RegionCode(REGION), date(2026, 11, 20), "2", next(_serial)))


def document(sender: str, payload: Mapping[str, Any], kind: str, **members: Any) -> dict[str, Any]:
    """A document of docs/wire.md §2."""
    head = {"message_id": secrets.token_hex(16), "type": kind, "sender": sender, "sent_at": now_text()}
    return {**head, "payload": payload, **members}


def application(sender: str, **members: Any) -> dict[str, Any]:
    """A case.applied.v1 that the hub accepts; `payload` merges into the payload."""
    number = str(complete_id_number("44149919900307001"))
    payload = {
        "case_no": case_number(),
        "item_code": ITEM,
        "region": REGION,
        "item_name": "食品经营许可",
        "applicant": {
            "kind": "natural_person",
            "name": "测试甲",
            "document_type": "resident_id_card",
            "document_no": number,
        },
        "contact": {"name": "测试甲", "mobile": "13900000000"},
        "summary": "申请食品经营许可",
        "materials": [
            {"name": "申请书", "count": 1, "received_as": "paper"},
            {"name": "身份证", "count": 2, "received_as": "attachment"},
        ],
        "channel": "window",
        "applied_at": now_text(),
    }
    payload |= members.pop("payload", {})
    return document(sender, payload, "case.applied.v1", **members)


def sms(sender: str, **members: Any) -> dict[str, Any]:
    """A message that needs no case: accepted by any hub."""
    payload = {
        "request_id": secrets.token_hex(8),
        "template": "t1",
        "mobile": "13900000000",
        "content": "办结",
    }
    return document(sender, payload, "sms.requested.v1", **members)


def to_json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Hub:
    """`tongban serve` as a process of its own, on its own state directory."""

    state: Path
    amqp_url: str | None = None
    port: int = field(default_factory=free_port)
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        given = {k: v for k, v in os.environ.items() if not k.startswith("TONGBAN_")}
        given |= {"TONGBAN_STATE": str(self.state), "PYTHONPATH": str(ROOT)}
        return given | ({"TONGBAN_AMQP_URL": self.amqp_url} if self.amqp_url else {})

    def configure(self) -> None:
        self.state.mkdir(parents=True, exist_ok=True)
        (self.state / "tongban.toml").write_text(f"http_port = {self.port}\n")

    def start(self) -> "Hub":
        """Returns when /health answers."""
        self.configure()
        with (self.state / "serve.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", TONGBAN, "serve"],
                env=self.environment,
                stdout=log,
                stderr=log,
                cwd=self.state,
            )
        self.wait_until_healthy(self.process.poll)
        return self

    def wait_until_healthy(self, ended: Callable[[], int | None]) -> None:
        """Until /health answers; AssertionError when the process ends first or 30 s have passed."""
        until = time.monotonic() + 30
        while time.monotonic() < until:
            assert ended() is None, self.log()[-3000:]
            try:
                if CLIENT.get(f"{self.url}/health", timeout=1).status_code == 200:
                    return
            except httpx2.TransportError:
                time.sleep(0.03)
        raise AssertionError(f"the hub did not start: {self.log()[-3000:]}")

    def log(self) -> str:
        return (self.state / "serve.log").read_text("utf-8", errors="replace")

    def kill(self) -> None:
        """As a power cut would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    def terminate(self, within: float = 15) -> int:
        """Exit code after SIGTERM."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(within)

    def tongban(self, *words: str) -> str:
        """Standard output of a command; it must succeed."""
        command = [sys.executable, "-c", TONGBAN, *words]
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def register(self, who: Identity, *words: str) -> Identity:
        _, certificate = who.files(self.state)
        self.tongban("party", "add", who.name, "--certificate", str(certificate), *words)
        time.sleep(1.1)  # the hub sees a change of the registry within a second
        return who

    def prepare(self, *parties: Identity) -> None:
        """Parties in the registry, an item in force: before the hub is started, in this process."""
        from sqlalchemy import insert

        from exchange.app.opening import open_store
        from exchange.app.settings import load_settings
        from exchange.registry import PartyFacts, add_party
        from exchange.store.tables import item
        from exchange.store.work import Work

        self.configure()
        store = open_store(load_settings(environ={"TONGBAN_STATE": str(self.state)}))
        row = {
            "code": ITEM,
            "version": 1,
            "state": "in_use",
            "row_id": "r1",
            "org": "114414020072081005",
            "has_fee": False,
            "name": "食品经营许可",
            "current": True,
        }

        def act(work: Work) -> None:
            work.connection.execute(insert(item), row)
            for one in parties:
                pem = one.certificate.public_bytes(Encoding.PEM).decode()
                add_party(work, "hub", PartyFacts(one.name), pem, {})

        store.write(act)
        store.close() if hasattr(store, "close") else None

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with closing(
            sqlite3.connect(f"file:{self.state / 'hub.db'}?mode=ro", uri=True, timeout=30)
        ) as connection:
            cursor = connection.execute(query, values)
            names, found = [one[0] for one in cursor.description], cursor.fetchall()
        if not any(isinstance(value, bytes) for row in found for value in row):
            return found
        ring = ring_in(self.state)
        return [tuple(opened(ring, *pair) for pair in zip(names, row, strict=True)) for row in found]

    def effects(self) -> dict[str, int]:
        """How many rows there are of everything that an accepted message leaves."""
        done = "state IN ('accepted', 'held')"
        counts = {
            "case_record": "1",
            "outbox": "1",
            "reference": "1",
            "package": "1",
            "finding": "1",
            "document": done,
            "inbox": done,
        }
        return {t: self.rows(f"SELECT count(*) FROM {t} WHERE {w}")[0][0] for t, w in counts.items()}  # noqa: S608 - names above

    def verify(self) -> str:
        """`tongban ledger verify` of the live store; it must be whole (exit 0)."""
        return self.tongban("ledger", "verify")

    def hub_certificate(self, kind: str) -> x509.Certificate:
        return x509.load_pem_x509_certificate((self.state / "keys" / f"hub-{kind}.pem").read_bytes())

    def post(self, body: bytes, headers: Mapping[str, str], path: str = PATH) -> "httpx2.Response":
        return CLIENT.post(self.url + path, content=body, headers=dict(headers))

    def send(self, who: Identity, value: Any, **changed: Any) -> "httpx2.Response":
        """A JSON document (or bytes) with its seal."""
        body = value if isinstance(value, bytes) else to_json(value)
        return self.post(body, {"Content-Type": "application/json", SEAL: who.jws(body, **changed)})

    def check_answer(self, answer: "httpx2.Response", nonce: str | None = None) -> dict[str, Any]:
        """The members of an answer whose seal holds for these bytes and this status."""
        protected, _, signature = answer.headers[SEAL].partition("..")
        header, raw = json.loads(decode(protected)), decode(signature)
        der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
        hub = self.hub_certificate("ec")
        signed = protected.encode() + b"." + answer.content
        hub.public_key().verify(der, signed, ec.ECDSA(SHA256()))  # type: ignore[union-attr, call-arg, arg-type]
        assert header["status"] == answer.status_code
        assert header["kid"] == encode(hub.fingerprint(SHA256()))
        assert nonce is None or header["req"] == nonce
        members: dict[str, Any] = answer.json()
        return members

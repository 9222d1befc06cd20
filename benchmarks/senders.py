"""The sending party, a process of its own: builds, signs, sends, and checks each signed receipt.

Run by the benchmarks: python benchmarks/senders.py CONFIG.json; one job as a JSON line on standard input, its
result as a JSON line on standard output. It uses the seals of the exchange and a bare socket, to cost the
machine little beside what is measured.
"""

import hashlib
import json
import resource
import secrets
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from cryptography.x509 import Certificate, load_pem_x509_certificate
from documents import Document, Steps, acceptance, application, as_json, as_xml, case_number
from lxml import etree

from exchange.seals import jws, safexml, wssec, xmldsig
from exchange.seals.keys import SigningKey, fingerprint, key_id, load_signing_key

PATH, SOAP_PATH = "/api/v1/messages", "/soap/hub"
SOAP_NAMESPACE = "urn:tongban:hub:1"
BUSINESS_HEADER = f"{{{SOAP_NAMESPACE}}}Exchange"
SHARES = 8  # the open cases are dealt to this many senders, because a case's steps must keep their order


@dataclass(frozen=True)
class Keys:
    """The sender's two keys and the certificates of the other side."""

    ec: SigningKey
    rsa: SigningKey
    hub: tuple[Certificate, ...]

    @classmethod
    def read(cls, folder: Path, hub: Path) -> "Keys":
        """Keys from PEM files: `ec`, `rsa` in `folder`, `hub-ec.pem`, `hub-rsa.pem` in `hub`."""
        ec, rsa = (
            load_signing_key((folder / f"{name}.key").read_bytes(), (folder / f"{name}.pem").read_bytes())
            for name in ("ec", "rsa")
        )
        certificates = [
            load_pem_x509_certificate((hub / f"hub-{name}.pem").read_bytes()) for name in ("ec", "rsa")
        ]
        return cls(ec, rsa, tuple(certificates))

    def by_id(self, wanted: str) -> Certificate | None:
        """The other side's certificate of this key id."""
        return next((one for one in self.hub if key_id(one) == wanted), None)

    def by_digest(self, wanted: bytes) -> Certificate | None:
        """The other side's certificate with this SHA-256."""
        return next((one for one in self.hub if fingerprint(one) == wanted), None)


class Line:
    """One HTTP/1.1 connection that is kept open."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), 60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, dict[str, str], bytes]:
        """(status, headers in lower case, body)."""
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"POST {path} HTTP/1.1\r\nHost: hub\r\nContent-Length: {len(body)}\r\n{lines}\r\n"
        self._socket.sendall(head.encode() + body)
        return self._answer()

    def _answer(self) -> tuple[int, dict[str, str], bytes]:
        data = b""
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self._more()
        first, *lines = data[:end].decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = data[end + 4 :]
        while len(body) < int(headers["content-length"]):
            body += self._more()
        return int(first.split(" ")[1]), headers, body

    def _more(self) -> bytes:
        part = self._socket.recv(65536)
        if not part:
            raise ConnectionError("the other side closed the connection")
        return part

    def close(self) -> None:
        """Close it."""
        self._socket.close()


RoundTrip = Callable[[Line, Document], None]


def checked(receipt: Mapping[str, Any], document: Document, body: bytes) -> None:
    """The receipt is for exactly these bytes and says that they were accepted."""
    wanted = ("accepted", document["message_id"], hashlib.sha256(body).hexdigest())
    found = (receipt.get("status"), receipt.get("message_id"), receipt.get("digest"))
    if found != wanted:
        raise RuntimeError(f"not accepted: {json.dumps(receipt, ensure_ascii=False)[:2000]}")


@dataclass(frozen=True)
class Protocols:
    """One signed round trip by each protocol."""

    keys: Keys

    def jws(self, line: Line, document: Document) -> None:
        """JSON with a detached JWS, ES256."""
        body, nonce = as_json(document), secrets.token_urlsafe(24)
        seal = jws.sign_request(
            body, self.keys.ec, method="POST", path=PATH, now=datetime.now(UTC), nonce=nonce
        )
        headers = {"Content-Type": "application/json", jws.HEADER_NAME: seal}
        status, answered, answer = line.post(PATH, body, headers)
        token = answered.get(jws.HEADER_NAME.lower())
        jws.verify_answer(token, answer, self.keys.by_id, status=status, req=nonce, now=datetime.now(UTC))
        checked(json.loads(answer), document, body)

    def xmldsig(self, line: Line, document: Document) -> None:
        """XML with an enveloped signature, RSA-SHA256."""
        body: bytes = etree.tostring(xmldsig.sign(as_xml(document), self.keys.rsa), encoding="UTF-8")
        _, _, answer = line.post(PATH, body, {"Content-Type": "application/xml"})
        signed = xmldsig.verify(safexml.parse(answer), self.keys.by_digest, now=datetime.now(UTC))
        checked({etree.QName(child).localname: child.text for child in signed.root}, document, body)

    def soap(self, line: Line, document: Document) -> None:
        """WS-Security over Body, Timestamp, token and business header, RSA-SHA256, both ways."""
        envelope = etree.fromstring(_envelope(document))
        wssec.sign(envelope, self.keys.rsa, header=BUSINESS_HEADER, now=datetime.now(UTC))
        body = etree.tostring(envelope, encoding="UTF-8")
        headers = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": '""'}
        _, _, answer = line.post(SOAP_PATH, body, headers)
        signed = wssec.verify(
            safexml.parse(answer), self.keys.by_digest, header=BUSINESS_HEADER, now=datetime.now(UTC)
        )
        receipt = next(signed.body.iter(f"{{{SOAP_NAMESPACE}}}receipt"), None)
        checked(json.loads(receipt.text) if receipt is not None else _fault(answer), document, body)


def _envelope(document: Document) -> str:
    inner = escape(etree.tostring(as_xml(document), encoding="unicode"))
    ident, kind = document["message_id"], document["type"]
    business = f"<t:messageId>{ident}</t:messageId><t:messageType>{kind}</t:messageType>"
    return (
        f'<s:Envelope xmlns:s="{wssec.SOAP}" xmlns:t="{SOAP_NAMESPACE}"><s:Header><t:Exchange>{business}'
        f"<t:sender>{document['sender']}</t:sender></t:Exchange></s:Header><s:Body><t:Submit>"
        f"<t:document>{inner}</t:document></t:Submit></s:Body></s:Envelope>"
    )


def _fault(answer: bytes) -> dict[str, str]:
    return {"fault": answer.decode(errors="replace")[:1500]}


@dataclass
class Book:
    """Which cases are open at one target, and the documents still to come."""

    steps: list[Steps] = field(default_factory=list)
    serial: int = 0

    def open(self, count: int) -> list[str]:
        """The numbers of `count` new cases, dealt to the shares."""
        numbers = [case_number(self.serial + n) for n in range(count)]
        self.serial += count
        self.steps = [Steps(numbers[share::SHARES]) for share in range(SHARES)]
        return numbers

    def documents(self, kind: str, share: int) -> Iterator[Document]:
        """Endless documents of one kind for one of the shares."""
        while True:
            if kind == "step":
                yield self.steps[share].next()
            else:
                self.serial += 1
                yield application(case_number(self.serial))


@dataclass
class Sender:
    """Does the jobs it is given."""

    protocols: Protocols
    books: dict[int, Book] = field(default_factory=dict)

    def open(self, port: int, cases: int, real: bool) -> dict[str, Any]:
        """Opens cases that steps can be sent for; a floor knows no cases, so only their numbers are taken."""
        book = self.books.setdefault(port, Book())
        numbers = book.open(cases)
        if real:
            line = Line(port)
            for number in numbers:
                self.protocols.jws(line, application(number))
                self.protocols.jws(line, acceptance(number))
            line.close()
        return {"opened": cases}

    def run(self, port: int, protocol: str, kind: str, concurrency: int, seconds: float) -> dict[str, Any]:
        """Round trips by several connections at once until the time is over."""
        trip: RoundTrip = getattr(self.protocols, protocol)
        book, lines = self.books[port], [Line(port) for _ in range(concurrency)]
        runs = [_Run(trip, line, book.documents(kind, share)) for share, line in enumerate(lines)]
        before, begun, first_sent = cpu(), time.perf_counter(), time.time()
        threads = [threading.Thread(target=run, args=(begun + seconds,)) for run in runs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        took, used = time.perf_counter() - begun, cpu() - before
        for line in lines:
            line.close()
        if faults := [run.fault for run in runs if run.fault]:
            return {"error": faults[0]}
        latencies = [round(value * 1e3, 3) for run in runs for value in run.latencies]
        return {
            "count": len(latencies),
            "seconds": took,
            "cpu_ms": used,
            "latencies_ms": latencies,
            "begun": first_sent,
        }


@dataclass
class _Run:
    """One connection's round trips, one after the other."""

    trip: RoundTrip
    line: Line
    documents: Iterator[Document]
    latencies: list[float] = field(default_factory=list)
    fault: str = ""

    def __call__(self, until: float) -> None:
        try:
            while (begun := time.perf_counter()) < until:
                self.trip(self.line, next(self.documents))
                self.latencies.append(time.perf_counter() - begun)
        except Exception as fault:  # noqa: BLE001 - told to the benchmark, which ends
            self.fault = f"{type(fault).__name__}: {fault}"


def cpu() -> float:
    """CPU milliseconds of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return (used.ru_utime + used.ru_stime) * 1e3


def main() -> None:
    """Jobs until the input ends."""
    config = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    sender = Sender(Protocols(Keys.read(Path(config["keys"]), Path(config["hub_keys"]))))
    for line in sys.stdin:
        job = json.loads(line)
        result = getattr(sender, job.pop("do"))(**job)
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()

"""The floor: a straight script that does what no signed exchange can leave out, and nothing else.

The same HTTP stack (FastAPI on uvicorn with httptools and uvloop), the same worker threads, cryptography and
lxml used directly, spyne for SOAP; it verifies the same signatures, parses the document, stores it with its
receipt in one durable commit (SQLite, WAL, synchronous=FULL; those who wait share one) and signs the same
answer. It has no parties, authorisation, schema, cases, ledger or routes, and it refuses by failing.

Run by the benchmarks: python benchmarks/floor.py CONFIG.json
"""

import base64
import hashlib
import io
import json
import sqlite3
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import uvicorn
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509 import Certificate, load_pem_x509_certificate
from fastapi import FastAPI, Request, Response
from lxml import etree
from spyne import Application, ComplexModel, Service, Unicode, const, rpc
from spyne.protocol.soap import Soap11
from spyne.server.wsgi import WsgiApplication

WORKERS = 8
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
OASIS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
WSSE, WSU = OASIS + "wssecurity-secext-1.0.xsd", OASIS + "wssecurity-utility-1.0.xsd"
X509V3, BASE64 = OASIS + "x509-token-profile-1.0#X509v3", OASIS + "soap-message-security-1.0#Base64Binary"
DS = "http://www.w3.org/2000/09/xmldsig#"
EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
ENVELOPED = DS + "enveloped-signature"
DIGEST, RSA_SHA256 = (
    "http://www.w3.org/2001/04/xmlenc#sha256",
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
)
HUB, MESSAGE = "urn:tongban:hub:1", "urn:tongban:message:1"
PARSER = {"resolve_entities": False, "no_network": True, "load_dtd": False, "huge_tree": False}


class Keys:
    """The sender's public keys, this side's private keys and certificate."""

    def __init__(self, config: dict[str, str]) -> None:
        theirs, ours = Path(config["theirs"]), Path(config["ours"])
        sender_ec, sender_rsa = (_certificate(theirs / f"{name}.pem").public_key() for name in ("ec", "rsa"))
        ec, rsa = (
            load_pem_private_key((ours / f"hub-{name}.key").read_bytes(), None) for name in ("ec", "rsa")
        )
        assert isinstance(sender_ec, EllipticCurvePublicKey) and isinstance(sender_rsa, RSAPublicKey)
        assert isinstance(ec, EllipticCurvePrivateKey) and isinstance(rsa, RSAPrivateKey)
        self.sender_ec, self.sender_rsa, self.ec, self.rsa = sender_ec, sender_rsa, ec, rsa
        der = _certificate(ours / "hub-rsa.pem").public_bytes(Encoding.DER)
        self.rsa_der = base64.b64encode(der).decode()
        digest = _certificate(ours / "hub-ec.pem").fingerprint(SHA256())
        self.ec_id = _url64(digest)


def _certificate(path: Path) -> Certificate:
    return load_pem_x509_certificate(path.read_bytes())


class Store:
    """One table of documents, one of receipts; whoever comes first commits for all who wait."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        for statement in (
            "PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL",
            "CREATE TABLE document (id INTEGER PRIMARY KEY, sender TEXT, message_id TEXT, at REAL, body BLOB,"
            " seal TEXT)",
            "CREATE TABLE receipt (message_id TEXT PRIMARY KEY, at REAL, body BLOB)",
        ):  # fmt: skip
            self._connection.execute(statement)
        self._waiting: deque[tuple[tuple[Any, ...], tuple[Any, ...], Future[None]]] = deque()
        self._lock = threading.Lock()

    def put(self, document: tuple[Any, ...], receipt: tuple[Any, ...]) -> None:
        """Durable when it returns."""
        future: Future[None] = Future()
        self._waiting.append((document, receipt, future))
        with self._lock:
            if not future.done():
                self._commit()
        future.result()

    def _commit(self) -> None:
        group = [self._waiting.popleft() for _ in range(len(self._waiting))]
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany(
            "INSERT INTO document VALUES (NULL, ?, ?, ?, ?, ?)", [one[0] for one in group]
        )
        self._connection.executemany("INSERT INTO receipt VALUES (?, ?, ?)", [one[1] for one in group])
        self._connection.execute("COMMIT")
        for _, _, future in group:
            future.set_result(None)


class Floor:
    """One method per protocol: bytes in, signed answer out."""

    def __init__(self, config: dict[str, str]) -> None:
        self._keys, self._store = Keys(config), Store(Path(config["store"]))
        self._spyne = WsgiApplication(_application())

    def json(self, body: bytes, token: str) -> tuple[str, bytes, dict[str, str]]:
        """Detached JWS, ES256 (RFC 7797), both ways."""
        protected, _, signature = token.partition("..")
        header = json.loads(_bytes64(protected))
        raw = _bytes64(signature)
        der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
        self._keys.sender_ec.verify(der, protected.encode() + b"." + body, ECDSA(SHA256()))
        receipt = self._kept(json.loads(body), body, token)
        return "application/json", receipt, {"X-Gov-Signature": self._jws(receipt, header["nonce"])}

    def xml(self, body: bytes, _: str) -> tuple[str, bytes, dict[str, str]]:
        """Enveloped XML signature, RSA-SHA256, both ways."""
        root = etree.fromstring(body, etree.XMLParser(**PARSER))
        signature = root[-1]
        self._check(signature)
        root.remove(signature)
        if _digest(root) != signature.findtext(f".//{{{DS}}}DigestValue"):
            raise ValueError("changed")
        receipt = json.loads(self._kept(_tree(root), body, ""))
        answer = etree.Element(f"{{{MESSAGE}}}Receipt", nsmap={None: MESSAGE}, Id="r1")
        for name, value in receipt.items():
            etree.SubElement(answer, f"{{{MESSAGE}}}{name}").text = str(value)
        info = f"<ds:X509Data><ds:X509Certificate>{self._keys.rsa_der}</ds:X509Certificate></ds:X509Data>"
        part = _reference("r1", _digest(answer), ENVELOPED, EXCLUSIVE)
        answer.append(self._signature(part, info))
        return "application/xml", etree.tostring(answer, encoding="UTF-8", xml_declaration=True), {}

    def soap(self, body: bytes, _: str) -> tuple[str, bytes, dict[str, str]]:
        """WS-Security over four parts, RSA-SHA256, both ways; spyne reads the Body and writes the answer."""
        envelope = etree.fromstring(body, etree.XMLParser(**PARSER))
        signature = envelope.find(f".//{{{DS}}}Signature")
        self._check(signature)
        parts = {part.get(f"{{{WSU}}}Id"): part for part in envelope.iter() if f"{{{WSU}}}Id" in part.attrib}
        for reference in signature.iter(f"{{{DS}}}Reference"):
            if _digest(parts[reference.get("URI")[1:]]) != reference.findtext(f"{{{DS}}}DigestValue"):
                raise ValueError("changed")
        answer = self._called(envelope, body)
        return "text/xml; charset=utf-8", self._sealed(answer, envelope), {}

    def _called(self, envelope: Any, body: bytes) -> Any:
        """The answer spyne makes of the call."""
        bare = etree.tostring(envelope)
        environ = {
            "REQUEST_METHOD": "POST", "SCRIPT_NAME": "", "PATH_INFO": "/", "QUERY_STRING": "", 
            "SERVER_NAME": "floor",
            "SERVER_PORT": "80", "wsgi.url_scheme": "http", "CONTENT_TYPE": "text/xml; charset=utf-8",
            "CONTENT_LENGTH": str(len(bare)), "wsgi.input": io.BytesIO(bare),
            "floor.keep": lambda document: self._kept(_tree(etree.fromstring(document.encode())), body, ""),
        }  # fmt: skip
        return etree.fromstring(b"".join(self._spyne(environ, lambda *_: None)))

    def _sealed(self, answer: Any, request: Any) -> bytes:
        now = datetime.now(UTC)
        times = [
            f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z" for at in (now, now + timedelta(minutes=5))
        ]
        business = request.find(f".//{{{HUB}}}Exchange")
        said = "".join(
            f"<t:{name}>{text}</t:{name}>" for name, text in (
                ("messageId", business[0].text), ("messageType", business[1].text), ("sender", "hub"),
            )
        )  # fmt: skip
        header = etree.fromstring(
            f'<s:Header xmlns:s="{SOAP}" xmlns:wsse="{WSSE}" xmlns:wsu="{WSU}" xmlns:t="{HUB}">'
            "<wsse:Security>"
            f'<wsse:BinarySecurityToken wsu:Id="tb-token" EncodingType="{BASE64}" ValueType="{X509V3}">'
            f'{self._keys.rsa_der}</wsse:BinarySecurityToken><wsu:Timestamp wsu:Id="tb-time">'
            f"<wsu:Created>{times[0]}</wsu:Created><wsu:Expires>{times[1]}</wsu:Expires></wsu:Timestamp></wsse:Security>"
            f'<t:Exchange wsu:Id="tb-header">{said}</t:Exchange></s:Header>'
        )
        answer.insert(0, header)
        answer[1].set(f"{{{WSU}}}Id", "tb-body")
        signed = {
            "tb-body": answer[1],
            "tb-header": header[1],
            "tb-token": header[0][0],
            "tb-time": header[0][1],
        }
        references = "".join(_reference(name, _digest(part), EXCLUSIVE) for name, part in signed.items())
        info = (
            f'<wsse:SecurityTokenReference xmlns:wsse="{WSSE}"><wsse:Reference URI="#tb-token"'
            f' ValueType="{X509V3}"/></wsse:SecurityTokenReference>'
        )
        header[0].append(self._signature(references, info))
        data: bytes = etree.tostring(answer, encoding="UTF-8", xml_declaration=True)
        return data

    def _kept(self, document: dict[str, Any], body: bytes, seal: str) -> bytes:
        """Stores the document and the receipt for it."""
        now, ident = time.time(), document["message_id"]
        receipt = {
            "status": "accepted", "code": "ok", "message_id": ident, "type": document["type"],
            "sender": document["sender"], "received_at": datetime.fromtimestamp(now, UTC).isoformat(),
            "digest": hashlib.sha256(body).hexdigest(),
        }  # fmt: skip
        data = json.dumps(receipt).encode()
        self._store.put((document["sender"], ident, now, body, seal), (ident, now, data))
        return data

    def _jws(self, body: bytes, nonce: str) -> str:
        header = {
            "alg": "ES256", "b64": False, "crit": ["b64"], "kid": self._keys.ec_id, "iat": int(time.time()),
            "nonce": hashlib.sha256(nonce.encode()).hexdigest()[:32], "status": 200, "req": nonce,
        }  # fmt: skip
        protected = _url64(json.dumps(header).encode())
        r, s = decode_dss_signature(self._keys.ec.sign(protected.encode() + b"." + body, ECDSA(SHA256())))
        return f"{protected}..{_url64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"

    def _check(self, signature: Any) -> None:
        value = base64.b64decode(signature.findtext(f"{{{DS}}}SignatureValue"))
        self._keys.sender_rsa.verify(value, _c14n(signature[0]), PKCS1v15(), SHA256())

    def _signature(self, references: str, key_info: str) -> Any:
        info = (
            f'<ds:CanonicalizationMethod Algorithm="{EXCLUSIVE}"></ds:CanonicalizationMethod>'
            f'<ds:SignatureMethod Algorithm="{RSA_SHA256}"></ds:SignatureMethod>{references}</ds:SignedInfo>'
        )
        value = self._keys.rsa.sign(f'<ds:SignedInfo xmlns:ds="{DS}">{info}'.encode(), PKCS1v15(), SHA256())
        return etree.fromstring(
            f'<ds:Signature xmlns:ds="{DS}"><ds:SignedInfo>{info}<ds:SignatureValue>'
            f"{base64.b64encode(value).decode()}</ds:SignatureValue><ds:KeyInfo>{key_info}</ds:KeyInfo></ds:Signature>"
        )


def _reference(name: str, digest: str, *transforms: str) -> str:
    steps = "".join(f'<ds:Transform Algorithm="{uri}"></ds:Transform>' for uri in transforms)
    return (
        f'<ds:Reference URI="#{name}"><ds:Transforms>{steps}</ds:Transforms>'
        f'<ds:DigestMethod Algorithm="{DIGEST}"></ds:DigestMethod>'
        f"<ds:DigestValue>{digest}</ds:DigestValue></ds:Reference>"
    )


def _c14n(element: Any) -> bytes:
    data: bytes = etree.tostring(element, method="c14n", exclusive=True, with_comments=False)
    return data


def _digest(element: Any) -> str:
    return base64.b64encode(hashlib.sha256(_c14n(element)).digest()).decode()


def _tree(element: Any) -> Any:
    if not len(element):
        return element.text or ""
    return {etree.QName(child).localname: _tree(child) for child in element}


def _url64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _application() -> Any:
    const.MIN_GC_INTERVAL = float("inf")  # else spyne collects garbage once a second: no work of an exchange
    text = Unicode(min_occurs=1, nullable=False)
    result = ComplexModel.produce(
        HUB, "SubmitResult", [(name, text) for name in ("status", "code", "receipt")]
    )

    def submit(ctx: Any, document: str) -> Any:
        receipt = ctx.transport.req_env["floor.keep"](document)
        return result(status="accepted", code="ok", receipt=receipt.decode())

    operation = rpc(text, _returns=result, _operation_name="Submit")(submit)
    service = type(Service)("FloorService", (Service,), {"Submit": operation})
    return Application(
        [service], HUB, name="Floor", in_protocol=Soap11(validator="lxml"), out_protocol=Soap11()
    )


Handle = Callable[[bytes, str], tuple[str, bytes, dict[str, str]]]


def build(floor: Floor) -> FastAPI:
    """The same paths as the hub's."""
    app = FastAPI(openapi_url=None)
    limiter = anyio.CapacityLimiter(WORKERS)

    def door(choose: Callable[[str], Handle]) -> Any:
        async def endpoint(request: Request) -> Response:
            body, headers = await request.body(), request.headers
            handle = choose(headers.get("content-type", ""))
            media, answer, more = await anyio.to_thread.run_sync(
                handle, body, headers.get("x-gov-signature", ""), limiter=limiter
            )
            return Response(answer, 200, more, media)

        return endpoint

    rest = door(lambda media: floor.json if media == "application/json" else floor.xml)
    app.add_api_route("/api/v1/messages", rest, methods=["POST"])
    app.add_api_route("/soap/hub", door(lambda _: floor.soap), methods=["POST"])
    app.add_api_route("/health", lambda: Response(b"{}"), methods=["GET"])
    return app


def main() -> None:
    """Serve until SIGTERM."""
    config = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    uvicorn.run(
        build(Floor(config)), host="127.0.0.1", port=int(config["port"]), log_level="warning",
        access_log=False,
        http="httptools", loop="uvloop", lifespan="off", server_header=False, date_header=False,
    )  # fmt: skip


if __name__ == "__main__":
    main()

"""The hub's HTTP application: bounded bodies, a small pool of workers, every door of docs/wire.md and of
the partners' contracts."""

import functools
import json
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import anyio
import structlog
from fastapi import FastAPI, Request, Response
from sqlalchemy import select
from starlette.requests import ClientDisconnect

from exchange import cases, faces
from exchange.answers import answer_headers, partner_answer
from exchange.app import publication
from exchange.app.contractsface import PATHS, Published
from exchange.app.partnersoap import Served, partner_services
from exchange.app.soapface import soap_face
from exchange.envelope import Envelope
from exchange.errors import Misconfigured, Refused, TryLater
from exchange.filing import download
from exchange.hub import Hub
from exchange.mapping import house
from exchange.mediatype import is_utf8, kind
from exchange.pipeline import Open, Read, receive, turn_away
from exchange.receipts import Receipt, errors_of, http_status
from exchange.seals import jws, xmldsig
from ledger.tables import checkpoint as checkpoint_table

log = structlog.get_logger()

LARGEST = 4 * 1024 * 1024
WORKERS = 8  # more threads than this only fight for the interpreter
WAITING = 256  # requests in progress before the hub says 503
ACTION = "soapaction"
SLOWEST_BODY = 30.0  # seconds a sender may take for its body

Handle = Callable[[Envelope], Response]
Refuse = Callable[[Envelope, Refused], Response]
Endpoint = Callable[[Request], Awaitable[Response]]


def build_app(hub: Hub) -> FastAPI:
    """The whole HTTP side of one hub."""
    app = FastAPI(title="Tongban", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_exception_handler(Exception, _defect)
    gate = Gate(WORKERS)
    _door(app, "/api/v1/messages", gate.door(functools.partial(_house, hub)))
    for adapter in hub.adapters.values():
        for entry in adapter.inbound:
            if entry.rest is not None:
                door = faces.Door(adapter, entry)
                endpoint = gate.door(
                    functools.partial(_partner, hub, door), refuse=functools.partial(_refuse, hub, door)
                )
                _door(app, entry.rest.path, endpoint)
    _soap(app, hub, gate)
    _reading(app, hub)
    _publishing(app, hub)
    publication.mount(app, hub, problem)
    return app


def _door(app: FastAPI, path: str, endpoint: Endpoint) -> None:
    """A POST that reads its request itself: a bare route, without FastAPI's search for parameters."""
    app.router.add_route(path, endpoint, methods=["POST"])


class Gate:
    """Reads bodies within bounds and lets a few workers handle them."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._limiter: anyio.CapacityLimiter | None = None
        self._inside = 0

    def door(self, handle: Handle, largest: int = LARGEST, refuse: Refuse | None = None) -> Endpoint:
        """An endpoint that turns a request into an envelope and hands it to `handle` in a worker; `refuse`
        answers where the body was not read."""

        async def endpoint(request: Request) -> Response:
            try:
                body = await self.body(request, largest)
            except ClientDisconnect:  # else every cut line is a traceback in the log; nobody reads the answer
                return problem("bad_request", "the line was cut before the body's end")
            if body is None:
                refusal = Refused("too_large", f"the body exceeds {largest >> 20} MB or came too slowly")
                if refuse is None:
                    return problem(refusal.code, refusal.detail)
                return await self.run(functools.partial(refuse, envelope_of(request, b""), refusal))
            return await self.run(functools.partial(handle, envelope_of(request, body)))

        return endpoint

    async def body(self, request: Request, largest: int = LARGEST) -> bytes | None:
        """The request's body, None when it is too large or too slow."""
        declared = request.headers.get("content-length", "0")
        if not declared.isdigit() or int(declared) > largest:
            return None
        parts, size = [], 0
        with anyio.move_on_after(SLOWEST_BODY) as scope:
            async for part in request.stream():
                size += len(part)
                if size > largest:
                    return None
                parts.append(part)
        return None if scope.cancelled_caught else b"".join(parts)

    async def run(self, do: Callable[[], Response]) -> Response:
        """One of the workers does it; busy when too many wait."""
        if self._inside >= WAITING:
            return busy("too many requests at once")
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(self._workers)
        self._inside += 1
        try:
            return await anyio.to_thread.run_sync(do, limiter=self._limiter)
        finally:
            self._inside -= 1


async def _defect(request: Request, fault: Exception) -> Response:
    """A defect of ours is logged and told as `busy`: the sender keeps its message and sends it again."""
    log.error("request_failed", path=request.url.path, exc_info=fault)
    return busy("an unexpected failure; send the same bytes again")


def envelope_of(request: Request, body: bytes) -> Envelope:
    """The request as it arrived; path and query exactly as sent."""
    raw = request.scope.get("raw_path", b"").decode("latin-1")
    query = request.scope.get("query_string", b"").decode("latin-1")
    bound = {"method": request.method, "path": f"{raw}?{query}" if query else raw}
    return Envelope(
        "rest",
        body,
        request.headers.get("content-type", ""),
        time.time(),
        request.headers.get(jws.HEADER_NAME),
        bound,
        {ACTION: action} if (action := request.headers.get(ACTION)) else {},
    )


def problem(code: str, detail: str, members: Mapping[str, Any] | None = None) -> Response:
    """RFC 9457, with the code to act on."""
    status = http_status(code)
    content = {
        "type": f"urn:tongban:problem:{code}",
        "title": code,
        "status": status,
        "code": code,
        "detail": detail,
        "traceId": secrets.token_hex(8),
        **(members or {}),
    }
    headers = {"Retry-After": "1"} if status == 503 else None
    return Response(
        json.dumps(content, ensure_ascii=False).encode(), status, headers, "application/problem+json"
    )


def busy(detail: str) -> Response:
    """Nothing was done; send the same bytes again."""
    return problem("busy", detail)


def _house(hub: Hub, envelope: Envelope) -> Response:
    """The house faces: JSON with a detached signature, or XML with an enveloped one."""
    media = kind(envelope.media_type)
    known: dict[str, tuple[Open, Read]] = {
        "application/json": (
            lambda e: faces.house_only(hub, faces.open_request(hub, e)),
            lambda s, e: faces.read_json(hub, s, e),
        ),
        "application/xml": (
            lambda e: faces.house_only(hub, faces.open_xml(hub, e)),
            lambda s, e: faces.read_xml(hub, s, e),
        ),
    }
    if media not in known:
        return problem("bad_media_type", "send application/json or application/xml")
    if media == "application/json" and not is_utf8(envelope.media_type):
        return problem("bad_media_type", "JSON is UTF-8")
    receipt = _received(hub, envelope, *known[media])
    return _xml_answer(hub, receipt) if media == "application/xml" else _json_answer(hub, envelope, receipt)


def _received(hub: Hub, envelope: Envelope, open_: Open, read: Read) -> Receipt:
    try:
        return receive(hub, envelope, open_, read)
    except Misconfigured as fault:  # a person here must act; the sender's message is as good as before
        log.error("receiving_misconfigured", code=fault.code, where=fault.where)
        return Receipt("refused", "busy", {"errors": errors_of(fault)})
    except TryLater as fault:
        return Receipt("refused", "busy", {"errors": errors_of(fault)})


def _json_answer(hub: Hub, envelope: Envelope, receipt: Receipt) -> Response:
    status, body, media = receipt.http_status, receipt.body, "application/json"
    if status >= 400:
        body, media = _with_problem(receipt), "application/problem+json"
    seal = jws.sign_answer(
        body,
        hub.ec_key,
        status=status,
        req=_nonce(envelope),
        now=datetime.now(UTC),
        nonce=secrets.token_urlsafe(24),
    )
    headers = {jws.HEADER_NAME: seal} | ({"Retry-After": "1"} if status == 503 else {})
    return Response(body, status, headers, media)


def _with_problem(receipt: Receipt) -> bytes:
    """A refusal as problem+json that carries the receipt's members."""
    members = json.loads(receipt.body) if receipt.body else dict(receipt.facts)
    first = (members.get("errors") or [{"detail": receipt.code}])[0]
    members["receipt_status"], members["message_type"] = (
        members.pop("status", receipt.status),
        members.pop("type", ""),
    )
    return bytes(problem(receipt.code, str(first.get("detail", "")), members).body)


def _xml_answer(hub: Hub, receipt: Receipt) -> Response:
    facts = (
        json.loads(receipt.body)
        if receipt.body
        else {"status": "refused", "code": receipt.code, **receipt.facts}
    )
    signed = xmldsig.sign(house.receipt_xml(facts), hub.rsa_key)
    return Response(
        house.bytes_of(signed, declaration=True), receipt.http_status, media_type="application/xml"
    )


def _nonce(envelope: Envelope) -> str:
    """The nonce an answer is bound to, "" when the request's seal has none to read."""
    return jws.claimed_nonce(envelope.seal) or ""


def _partner(hub: Hub, door: faces.Door, envelope: Envelope) -> Response:
    """A partner's door: its own contract says how it is answered."""
    try:
        receipt = _received(hub, envelope, lambda e: door.open(hub, e), lambda s, e: door.read(hub, s, e))
    except Exception:  # the process boundary: the contract's own form of "later", not ours
        log.exception("partner_request_failed", path=envelope.bound["path"])
        receipt = Receipt("refused", "busy", {"errors": [{"path": "", "code": "busy", "detail": "later"}]})
    return _partner_answer(hub, door, envelope, receipt)


def _refuse(hub: Hub, door: faces.Door, envelope: Envelope, refusal: Refused) -> Response:
    """What was not even read is told in the partner's terms too."""
    try:
        receipt = turn_away(hub, envelope, None, refusal)
    except TryLater as fault:
        receipt = Receipt("refused", "busy", {"errors": errors_of(fault)})
    return _partner_answer(hub, door, envelope, receipt)


def _partner_answer(hub: Hub, door: faces.Door, envelope: Envelope, receipt: Receipt) -> Response:
    body, status = partner_answer(door.entry.answer, receipt, {}, door.wire)
    seal = jws.sign_answer(
        body,
        hub.ec_key,
        status=status,
        req=_nonce(envelope),
        now=datetime.now(UTC),
        nonce=secrets.token_urlsafe(24),
    )
    own = answer_headers(door.entry.answer, receipt)
    return Response(body, status, {**own, jws.HEADER_NAME: seal}, "application/json")


def _soap(app: FastAPI, hub: Hub, gate: Gate) -> None:
    face = soap_face(hub)

    def handle(envelope: Envelope) -> Response:
        status, media, body = face.handle(envelope.body, envelope.media_type)
        return Response(body, status, media_type=media)

    async def wsdl(request: Request) -> Response:
        if "wsdl" not in {key.lower() for key in request.query_params}:
            return problem("not_found", "the service description is at ?wsdl")
        return Response(face.wsdl(), media_type="text/xml; charset=utf-8")

    _door(app, "/soap/hub", gate.door(handle))
    app.add_api_route("/soap/hub", wsdl, methods=["GET"])
    for served in partner_services(hub):
        _partner_soap(app, hub, gate, served)


def _partner_soap(app: FastAPI, hub: Hub, gate: Gate, served: Served) -> None:
    """A partner's own service, described by the WSDL of its contract."""

    def handle(envelope: Envelope) -> Response:
        action = envelope.properties.get(ACTION, "")
        status, media, body = served.service.handle(envelope.body, envelope.media_type, action)
        return Response(body, status, headers={"Content-Type": media})

    def refuse(envelope: Envelope, refusal: Refused) -> Response:
        status, media, body = served.service.refuse(refusal)
        return Response(body, status, headers={"Content-Type": media})

    async def wsdl(request: Request) -> Response:
        if "wsdl" not in {key.lower() for key in request.query_params}:
            return problem("not_found", "the service description is at ?wsdl")
        return Response(
            served.service.wsdl(hub.public_url + served.path), media_type="text/xml; charset=utf-8"
        )

    _door(app, served.path, gate.door(handle, served.largest, refuse))
    app.add_api_route(served.path, wsdl, methods=["GET"])


def _reading(app: FastAPI, hub: Hub) -> None:
    """What is only read: health, checkpoint, packages, progress of a case."""

    def health() -> Response:
        with hub.store.read() as connection:
            connection.exec_driver_sql("SELECT 1")
        return Response(b'{"ready": true}', media_type="application/json")

    def checkpoint() -> Response:
        with hub.store.read() as connection:
            text = connection.execute(
                select(checkpoint_table.c.note).order_by(checkpoint_table.c.size.desc()).limit(1)
            ).scalar()
        return (
            Response(text.encode(), media_type="text/plain; charset=utf-8")
            if text
            else problem("not_found", "the log is empty")
        )

    def package(token: str, request: Request) -> Response:
        with hub.store.read() as connection:
            body = download.fetch(connection, token, time.time())
        if body is None:
            return problem("not_found", "no such package, or its time is over")
        given = download.part(body, request.headers.get("range"), request.headers.get("if-range"))
        return Response(given.body, given.status, given.headers, "application/zip")

    def progress(case_no: str, password: str = "") -> Response:
        with hub.store.read() as connection:
            found = cases.progress(connection, case_no, password)
        if found is None:
            return problem("not_found", "no case with this number and query password")
        return Response(json.dumps(found, ensure_ascii=False).encode(), media_type="application/json")

    endpoints: dict[str, Callable[..., Response]] = {
        "/health": health,
        "/ledger/checkpoint": checkpoint,
        "/packages/{token}": package,
        "/api/v1/cases/{case_no}": progress,
    }
    for path, endpoint in endpoints.items():
        app.add_api_route(path, endpoint, methods=["GET"])


def _publishing(app: FastAPI, hub: Hub) -> None:
    published = Published(hub)

    def contract(request: Request) -> Response:
        return published.answer(request) or problem("not_found", "no contract is called that")

    for path in PATHS:
        app.router.add_route(path, contract, methods=["GET", "HEAD"])

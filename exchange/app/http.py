"""The hub's HTTP application: every door of docs/wire.md and of the partners' contracts."""

from functools import partial
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from exchange import cases, faces
from exchange.app import looking, publication
from exchange.app.contractsface import PATHS, Published
from exchange.app.doors import house_door, partner_door, refuse_partner
from exchange.app.gate import ACTION, Endpoint, Gate, busy, problem
from exchange.app.looking import AskProgress
from exchange.app.partnersoap import Served, partner_services
from exchange.app.soapface import soap_face
from exchange.envelope import Envelope
from exchange.errors import Refused
from exchange.hub import Hub

log = structlog.get_logger()

METHOD_NOT_ALLOWED = 405
WORKERS = 8  # more threads than this only fight for the interpreter


def build_app(hub: Hub, ask: AskProgress | None = None) -> FastAPI:
    """The whole HTTP side of one hub; without `ask`, progress is told as often as it is asked."""
    app = FastAPI(
        title="Tongban", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False
    )  # such a redirect would lead to whatever host the request names
    app.add_exception_handler(Exception, _defect)
    app.add_exception_handler(HTTPException, _no_door)
    gate = Gate(WORKERS)
    _door(app, "/api/v1/messages", gate.door(partial(house_door, hub)))
    for adapter in hub.adapters.values():
        for entry in adapter.inbound:
            if entry.rest is not None:
                door = faces.Door(adapter, entry)
                endpoint = gate.door(
                    partial(partner_door, hub, door),
                    refuse=partial(refuse_partner, hub, door),
                )
                _door(app, entry.rest.path, endpoint)
    _soap(app, hub, gate)
    looking.mount(app, hub, ask or partial(_unlimited, hub))
    _publishing(app, hub)
    publication.mount(app, hub, problem)
    return app


def _unlimited(hub: Hub, case_no: str, password: str, _: str) -> dict[str, Any] | None:
    with hub.store.read() as connection:
        return cases.progress(connection, case_no, password)


def _door(app: FastAPI, path: str, endpoint: Endpoint) -> None:
    """A POST that reads its request itself: a bare route, without FastAPI's search for parameters."""
    app.router.add_route(path, endpoint, methods=["POST"])


async def _defect(request: Request, fault: Exception) -> Response:
    """A defect of ours is logged and told as `busy`: the sender keeps its message and sends it again."""
    log.error("request_failed", path=request.url.path, exc_info=fault)
    return busy("an unexpected failure; send the same bytes again")


async def _no_door(_request: Request, fault: Exception) -> Response:
    """No such address, or not by this method."""
    if not isinstance(fault, HTTPException) or fault.status_code != METHOD_NOT_ALLOWED:
        return problem("not_found", "there is nothing at this address")
    said = {"status": fault.status_code, "title": "method not allowed"}
    answer = problem("bad_request", "this address takes another method", said)
    answer.status_code = fault.status_code
    answer.headers.update(fault.headers or {})
    return answer


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


def _publishing(app: FastAPI, hub: Hub) -> None:
    published = Published(hub)

    def contract(request: Request) -> Response:
        return published.answer(request) or problem("not_found", "no contract is called that")

    for path in PATHS:
        app.router.add_route(path, contract, methods=["GET", "HEAD"])

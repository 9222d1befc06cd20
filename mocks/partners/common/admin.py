"""The loopback API by which tests and demonstrations look into a partner and arm its faults."""

from __future__ import annotations

from dataclasses import asdict

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from mocks.partners.common import strictjson
from mocks.partners.common.faults import BadFault, Faults
from mocks.partners.common.record import Record


def mount(app: FastAPI, record: Record, faults: Faults) -> None:
    """Adds /admin/health, record, counts, fault and faults."""

    def health() -> JSONResponse:
        return JSONResponse({"ready": True})

    def entries() -> JSONResponse:
        return JSONResponse(record.entries())

    def counts() -> JSONResponse:
        return JSONResponse(record.counts())

    def armed() -> JSONResponse:
        return JSONResponse([asdict(fault) for fault in faults.armed()])

    def clear() -> JSONResponse:
        faults.clear()
        return JSONResponse([])

    async def arm(request: Request) -> JSONResponse:
        try:
            fault = faults.add(strictjson.read(await request.body()))
        except (BadFault, strictjson.BadJson) as error:
            return JSONResponse({"detail": str(error), "supported": faults.supported()}, 422)
        return JSONResponse(asdict(fault))

    app.add_api_route("/admin/health", health, methods=["GET"])
    app.add_api_route("/admin/record", entries, methods=["GET"])
    app.add_api_route("/admin/counts", counts, methods=["GET"])
    app.add_api_route("/admin/faults", armed, methods=["GET"])
    app.add_api_route("/admin/faults", clear, methods=["DELETE"])
    app.add_api_route("/admin/fault", arm, methods=["POST"])

"""What is only read over HTTP: health, checkpoint, packages, progress of a case."""

import json
import time
from collections.abc import Callable

from fastapi import FastAPI, Request, Response
from sqlalchemy import select

from exchange import cases
from exchange.app.gate import problem
from exchange.filing import download
from exchange.hub import Hub
from ledger.tables import checkpoint as checkpoint_table


def mount(app: FastAPI, hub: Hub) -> None:
    """Every address that only answers."""

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

"""What is only read over HTTP: health, checkpoint, packages, progress of a case."""

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from fastapi import FastAPI, Request, Response
from sqlalchemy import select

from exchange.app.gate import is_text, problem
from exchange.errors import TryLater
from exchange.filing import download
from exchange.hub import Hub
from ledger.tables import checkpoint as checkpoint_table

AskProgress = Callable[[str, str, str], Mapping[str, Any] | None]
"""Case number, query password, network address -> what may be seen; TryLater after too many wrong ones."""


def mount(app: FastAPI, hub: Hub, ask: AskProgress) -> None:
    """Every address that only answers; `ask` gives the progress of a case to whoever knows its password."""

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
            body = download.fetch(connection, token, time.time()) if is_text(token) else None
        if body is None:
            return problem("not_found", "no such package, or its time is over")
        given = download.part(body, request.headers.get("range"), request.headers.get("if-range"))
        return Response(given.body, given.status, given.headers, "application/zip")

    endpoints: dict[str, Callable[..., Response]] = {
        "/health": health,
        "/ledger/checkpoint": checkpoint,
        "/packages/{token}": package,
        "/api/v1/cases/{case_no}": _progress(ask),
    }
    for path, endpoint in endpoints.items():
        app.add_api_route(path, endpoint, methods=["GET"])


def _progress(ask: AskProgress) -> Callable[..., Response]:
    def progress(request: Request, case_no: str, password: str = "") -> Response:
        if not is_text(case_no + password):
            return problem("not_found", "no case with this number and query password")
        try:
            found = ask(case_no, password, request.client.host if request.client else "")
        except TryLater as refusal:
            return problem(refusal.code, refusal.detail)
        if found is None:
            return problem("not_found", "no case with this number and query password")
        return Response(json.dumps(found, ensure_ascii=False).encode(), media_type="application/json")

    return progress

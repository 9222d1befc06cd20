"""The faults of an HTTP answer in which no work is done, whatever the protocol above it."""

from __future__ import annotations

import asyncio
from typing import Final

from fastapi import Request, Response

from mocks.partners.common.faults import Faults

DROP: Final = "x-mock-drop"  # read and removed by server.Droppable, never sent
MAINTENANCE: Final = "<html><body>系统维护中</body></html>"
GIVE_UP: Final = 600.0  # seconds a half-open connection is held


async def unworked(
    faults: Faults, operation: str, request: Request, *, own_maintenance: bool = False
) -> Response | None:  # fmt: skip
    """delay_ms, half_open, maintenance (unless the partner words it itself), http500; None: go on."""
    if fault := faults.take(operation, "delay_ms"):
        await asyncio.sleep(fault.number(1000) / 1000)
    if faults.take(operation, "half_open"):
        await until_given_up(request)
        return Response(headers={DROP: "1"})
    if not own_maintenance and faults.take(operation, "maintenance"):
        return Response(MAINTENANCE, 503, {"Retry-After": "60"}, "text/html; charset=utf-8")
    if faults.take(operation, "http500"):
        return Response("Internal Server Error", 500, media_type="text/plain")
    return None


async def until_given_up(request: Request) -> None:
    """Reads until the other side leaves, and says nothing."""

    async def gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            continue

    try:
        await asyncio.wait_for(gone(), GIVE_UP)
    except TimeoutError:
        return

"""Another application system of the city with to-dos of its own, asked by the hall's workbench.

GET /todos?staff_no=S001 with `Authorization: Bearer <secret>` answers {"total": n, "todos": [{"title", "url",
"due"}]}, soonest first; 401 without the token, 400 without a staff number. Who has which to-dos is drawn from
the seed and the staff number. Admin: GET /admin/health; POST
/admin/away {"away": true} answers 503 from then on.
"""

from __future__ import annotations

import hmac
import random
import sys
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from html import escape
from typing import Final
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from structlog.types import FilteringBoundLogger

from mocks.partners.common import strictjson
from mocks.partners.common.clock import BEIJING
from mocks.partners.common.config import Config
from mocks.partners.common.server import main, new_app

MOST: Final = 6
WORK: Final = (
    "公文待阅",
    "信访件待回复",
    "会议通知待确认",
    "督查事项待反馈",
    "印章申请待审批",
    "值班安排待确认",
)


@dataclass
class OtherSystem:
    """Its HTTP side; there is nothing to keep."""

    config: Config
    app: FastAPI = field(default_factory=new_app)
    away: bool = False

    def start(self) -> None:
        """Nothing runs beside the server."""

    def stop(self) -> None:
        """Nothing to end."""

    def todos(self, request: Request) -> Response:
        """The list of one member of staff."""
        if self.away:
            return JSONResponse({"detail": "away"}, 503)
        said = request.headers.get("authorization", "")
        if not hmac.compare_digest(said.encode(), f"Bearer {self.config.secret}".encode()):
            return JSONResponse({"detail": "token"}, 401)
        staff_no = request.query_params.get("staff_no", "")
        if not staff_no:
            return JSONResponse({"detail": "staff_no"}, 400)
        todos = [self._todo(request, title, days) for title, days in drawn(self.config.seed, staff_no)]
        return JSONResponse({"total": len(todos), "todos": todos})

    def _todo(self, request: Request, title: str, days: int) -> dict[str, str]:
        due = datetime.now(BEIJING).date() + timedelta(days)
        url = f"{request.base_url}open?title={quote(title)}"
        return {"title": title, "url": url, "due": due.isoformat()}

    def open(self, title: str = "") -> HTMLResponse:
        """Where a to-do is done."""
        return HTMLResponse(f"<!doctype html><html lang=zh-CN><title>其他系统</title><p>{escape(title)}</p>")

    async def set_away(self, request: Request) -> JSONResponse:
        """POST /admin/away."""
        try:
            self.away = strictjson.read_object(await request.body()).get("away") is True
        except strictjson.BadJson as error:
            return JSONResponse({"detail": str(error)}, 422)
        return JSONResponse({"away": self.away})


def drawn(seed: int, staff_no: str) -> list[tuple[str, int]]:
    """What one member of staff has to do: title and days left, the same at every asking."""
    dice = random.Random(f"{seed}\x1f{staff_no}")  # noqa: S311 - behaviour, not a secret
    found = [(title, dice.randrange(0, 12)) for title in dice.sample(WORK, dice.randint(1, MOST))]
    return sorted(found, key=lambda one: one[1])


def build(config: Config, _log: FilteringBoundLogger) -> OtherSystem:
    """The partner of this configuration."""
    system = OtherSystem(config)
    system.app.get("/todos")(system.todos)
    system.app.get("/open")(system.open)
    system.app.get("/admin/health")(lambda: {"ready": True})
    system.app.post("/admin/away")(system.set_away)
    return system


if __name__ == "__main__":
    sys.exit(main(build, xml=False))

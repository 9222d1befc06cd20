"""The loopback API: look into a partner, arm its faults, set its clock."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from mocks.partners.common import strictjson
from mocks.partners.common.clock import OwnClock, iso
from mocks.partners.common.faultform import MEANINGS
from mocks.partners.common.faults import BadFault, Faults
from mocks.partners.common.record import Record

MOST = 366 * 86400  # seconds a clock can be set wrong


@dataclass(frozen=True)
class Switches:
    """Faults and clock of one partner."""

    faults: Faults
    clock: OwnClock

    def listed(self) -> JSONResponse:
        """GET /admin/faults: what is armed, what can be armed on which operation, what it means."""
        supported = self.faults.supported()
        meant = sorted({name for names in supported.values() for name in names})
        return JSONResponse({
            "armed": [fault.shown() for fault in self.faults.armed()],
            "supported": supported,
            "meanings": {name: MEANINGS.get(name, "") for name in meant},
        })  # fmt: skip

    def clear(self) -> JSONResponse:
        """DELETE /admin/faults."""
        self.faults.clear()
        return self.listed()

    async def arm(self, request: Request) -> JSONResponse:
        """POST /admin/fault."""
        try:
            fault = self.faults.add(strictjson.read(await request.body()))
        except (BadFault, strictjson.BadJson) as error:
            return JSONResponse({"detail": str(error), "supported": self.faults.supported()}, 422)
        return JSONResponse(fault.shown())

    def now(self) -> JSONResponse:
        """GET /admin/clock."""
        clock = self.clock
        seals = clock.seal_offset == clock.offset
        return JSONResponse({"offset_s": clock.offset, "seals": seals, "now": iso(clock())})

    async def shift(self, request: Request) -> JSONResponse:
        """POST /admin/clock {"offset_s": n, "seals"?: true | false | "only"}: absolute, 0 puts it right."""
        try:
            asked = strictjson.read_object(await request.body())
        except strictjson.BadJson as error:
            return JSONResponse({"detail": str(error)}, 422)
        seconds, seals = _seconds(asked.get("offset_s")), asked.get("seals", True)
        known = seals == "only" or isinstance(seals, bool)
        if seconds is None or not known or not asked.keys() <= {"offset_s", "seals"}:
            said = f'offset_s: seconds, at most {MOST}; seals: true, false or "only"'
            return JSONResponse({"detail": said}, 422)
        if seals == "only":
            self.clock.shift_seals(seconds)
        else:
            self.clock.shift(seconds, seals=bool(seals))
        return self.now()


def _seconds(value: object) -> float | None:
    good = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= MOST
    return float(value) if good else None  # type: ignore[arg-type]  # `good` says what it is


def mount(app: FastAPI, record: Record, faults: Faults, clock: OwnClock | None = None) -> None:
    """Adds /admin/health, record, counts, fault, faults and clock."""
    switches = Switches(faults, clock or OwnClock())

    def health() -> JSONResponse:
        return JSONResponse({"ready": True})

    def entries() -> JSONResponse:
        return JSONResponse(record.entries())

    def counts() -> JSONResponse:
        return JSONResponse(record.counts())

    app.add_api_route("/admin/health", health, methods=["GET"])
    app.add_api_route("/admin/record", entries, methods=["GET"])
    app.add_api_route("/admin/counts", counts, methods=["GET"])
    app.add_api_route("/admin/faults", switches.listed, methods=["GET"])
    app.add_api_route("/admin/faults", switches.clear, methods=["DELETE"])
    app.add_api_route("/admin/fault", switches.arm, methods=["POST"])
    app.add_api_route("/admin/clock", switches.now, methods=["GET"])
    app.add_api_route("/admin/clock", switches.shift, methods=["POST"])

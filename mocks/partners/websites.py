"""SYS-17, government portals of every level (各级政府门户网站): each shows its part of the one published
list, read as docs/wire.md §11 lets anybody, without an account.

Own keys: portals (regions of 12 digits; four levels if absent), poll_seconds (2). A portal
shows the items of its region and of those below. Public: GET /{region}/items[?level=]. Further admin: GET
/admin/lists {"number", "hash", "trouble", "portals": {region: count}}. Fault `version_gap`: a reader that
skipped a change: it must notice, and goes back to what it knows.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import threading
from dataclasses import dataclass, field

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from structlog.types import FilteringBoundLogger

from mocks.partners.common.assemble import open_ground
from mocks.partners.common.config import Config, ConfigError
from mocks.partners.common.faults import Faults
from mocks.partners.common.record import Record
from mocks.partners.common.server import main
from mocks.partners.website_stream import START, BadStream, Change, Stream

SCHEMA = """
CREATE TABLE IF NOT EXISTS change (number INTEGER PRIMARY KEY, hash TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS shown (
  code TEXT PRIMARY KEY, region TEXT NOT NULL, level TEXT NOT NULL, item TEXT NOT NULL) WITHOUT ROWID;
"""
FAULTS = {"read": {"delay_ms", "maintenance", "version_gap"}}
LEVELS = ("440000000000", "441400000000", "441402000000", "441402004000")  # 省、市、县、镇
DIGITS = (2, 4, 6, 9, 12)  # of a division code that name province, city, county, town, village
HEAD = "SELECT number, hash FROM change ORDER BY number DESC LIMIT 1"
SHOW = "INSERT OR REPLACE INTO shown VALUES (?, ?, ?, ?)"
PART = "SELECT item FROM shown WHERE region LIKE ? AND ? IN ('', level) ORDER BY code"


def area(region: str) -> str:
    """The digits every division inside a region begins with; ValueError if it is no division code."""
    if len(region) != 12 or not (region.isascii() and region.isdigit()):
        raise ValueError("12 digits are needed")
    return next(region[:count] for count in DIGITS if not region[count:].strip("0"))


@dataclass
class Lists:
    """What the portals show, and how far they have read."""

    record: Record
    portals: tuple[str, ...]
    trouble: str = ""

    def head(self) -> tuple[int, str]:
        """Number and hash of the newest change that was believed."""
        with self.record.work() as db:
            row = db.execute(HEAD).fetchone()
        return (int(row["number"]), str(row["hash"])) if row else (0, START)

    def follow(self, change: Change) -> None:
        """One more change, shown with the record of it."""
        with self.record.work() as db:
            db.execute("INSERT INTO change VALUES (?, ?)", (change.number, change.hash))
            self._show(db, change)
            name = str(change.number)
            self.record.note("received", "catalogue.changed.v1", name, change.linked, "0", accepted=True)

    def _show(self, db: sqlite3.Connection, change: Change) -> None:
        if change.item is None:
            db.execute("DELETE FROM shown WHERE code = ?", (change.code,))
            return
        where = (str(change.item["region"]), str(change.item["level"]))
        db.execute(SHOW, (change.code, *where, json.dumps(change.item, ensure_ascii=False)))

    def part(self, region: str, level: str = "") -> list[object]:
        """The items one portal shows."""
        with self.record.work() as db:
            return [json.loads(row["item"]) for row in db.execute(PART, (f"{area(region)}%", level))]

    def told(self) -> dict[str, object]:
        """GET /admin/lists."""
        number, link = self.head()
        counts = {region: len(self.part(region)) for region in self.portals}
        return {"number": number, "hash": link, "trouble": self.trouble, "portals": counts}


@dataclass
class Websites:
    """The thread that reads, and the pages."""

    lists: Lists
    stream: Stream
    faults: Faults
    pause: float
    app: FastAPI = field(repr=False)
    _stopped: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Reading goes on where it was."""
        self._thread = threading.Thread(target=self._run, name="reader", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread and closes the record."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(1)
        self.stream.client.close()
        self.lists.record.close()

    def _run(self) -> None:
        while not self._stopped.is_set():
            if not self._read():
                self._stopped.wait(self.pause)

    def _read(self) -> bool:
        """Whether there may be more at once."""
        if self.faults.take("read", "maintenance"):
            return False
        if fault := self.faults.take("read", "delay_ms"):
            self._stopped.wait(fault.number(1000) / 1000)
        number, link = self.lists.head()
        skipped = 1 if self.faults.take("read", "version_gap") else 0
        before = number
        try:
            for change in self.stream.after(number + skipped, number, link):
                self.lists.follow(change)
                number = change.number
        except BadStream as error:
            self.lists.trouble = str(error)
            return bool(skipped)
        self.lists.trouble = ""
        return number > before

    def page(self, region: str, level: str = "") -> JSONResponse:
        """GET /{region}/items."""
        if region not in self.lists.portals:
            return JSONResponse({"detail": "no portal of this region"}, 404)
        return JSONResponse({"region": region, "items": self.lists.part(region, level)})

    def told(self) -> JSONResponse:
        """GET /admin/lists."""
        return JSONResponse(self.lists.told())


def build(config: Config, _log: FilteringBoundLogger) -> Websites:
    """The portals of a configuration."""
    portals = config.texts("portals") or LEVELS
    for region in portals:
        try:
            area(region)
        except ValueError as error:
            raise ConfigError(f"portals: {region}: {error}") from error
    pause = config.seconds("poll_seconds", 2)
    ground = open_ground(config, FAULTS, SCHEMA)
    stream = Stream(config.hub_url, ground.trusted, ground.clock.seals)
    websites = Websites(Lists(ground.record, portals), stream, ground.faults, pause, ground.app())
    websites.app.add_api_route("/{region}/items", websites.page, methods=["GET"])
    websites.app.add_api_route("/admin/lists", websites.told, methods=["GET"])
    return websites


if __name__ == "__main__":
    sys.exit(main(build, xml=False))

"""Government portals of four levels against docs/wire.md §11: a hub's face read, and one that lies."""

import hashlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import uvicorn
from cryptography.hazmat.primitives.serialization import Encoding
from fastapi import FastAPI

from exchange.app import publication
from exchange.app.gate import problem
from tests.exchange.core.conftest import core, hub_keys, pattern  # noqa: F401 - fixtures
from tests.exchange.core.rig import ORG, Core, service_item
from tests.mocks.jsonparty import ROOT, Identity, Program, until

PROVINCE, CITY, COUNTY, TOWN = "440000000000", "441400000000", "441402000000", "441402004000"
LEVELS = {PROVINCE: "province", CITY: "city", COUNTY: "county", TOWN: "town"}
CODES = [f"1144140200720810054442025{number:06d}" for number in range(10, 16)]
OTHER_COUNTY = "441403000000"


def shown(portals: Program, region: str, query: str = "") -> list[str]:
    """The codes on one portal's page."""
    answer = portals.client.get(f"{portals.url}/{region}/items{query}")
    assert answer.status_code == 200
    return [item["code"] for item in answer.json()["items"]]


@pytest.fixture
def face(core: Core) -> Iterator[str]:  # noqa: F811 - the fixture imported above
    """The publication face of a hub, and nothing else of it."""
    app = FastAPI()
    publication.mount(app, core.hub, problem)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.mark.req("SYS-17", "S0-11", "S3-16")
def test_portals_of_four_levels_show_one_list(core: Core, face: str, tmp_path: Path) -> None:  # noqa: F811
    places = [(PROVINCE, CODES[0]), (CITY, CODES[1]), (COUNTY, CODES[2]), (TOWN, CODES[3])]
    own = [service_item(code, level=LEVELS[region], region=region) for region, code in places]
    core.catalogue(*own, service_item(CODES[4], region=OTHER_COUNTY), to=2)
    portals = Program("websites", tmp_path / "portals", b"", hub_url=face, poll_seconds=0.05)
    try:
        portals.end()
        hub = core.hub.ec_key.certificate.public_bytes(Encoding.PEM)
        (portals.folder / "hub-ec.pem").write_bytes(hub)
        portals.start()
        until(lambda: CODES[4] in shown(portals, PROVINCE))
        seen = {region: set(shown(portals, region)) & set(CODES) for region in LEVELS}
        assert seen == {
            PROVINCE: set(CODES[:5]), CITY: set(CODES[1:5]), COUNTY: {CODES[2], CODES[3]}, TOWN: {CODES[3]},
        }  # fmt: skip
        for region, code in places:
            assert code in shown(portals, region, f"?level={LEVELS[region]}")
            assert shown(portals, TOWN, f"?level={LEVELS[region]}") == [CODES[3]] * (region == TOWN)
        gone = {"row_id": own[3]["row_id"], "code": CODES[3], "version": 1}
        portals.arm(operation="read", fault="version_gap")  # a change skipped once is noticed and read
        core.catalogue(
            service_item(CODES[2], 2, name="食品经营许可（新办）"), service_item(CODES[5]), to=3, gone=[gone]
        )
        until(lambda: CODES[5] in shown(portals, COUNTY) and CODES[3] not in shown(portals, PROVINCE))
        lists = portals.admin("lists")
        said = portals.client.get(f"{face}/api/v1/publication/items?limit=1").json()
        assert (lists["number"], lists["hash"], lists["trouble"]) == (said["newest"], said["hash"], "")
        page = portals.client.get(f"{portals.url}/{COUNTY}/items").json()["items"]
        assert {item["name"] for item in page if item["code"] == CODES[2]} == {"食品经营许可（新办）"}
        assert portals.client.get(f"{portals.url}/{OTHER_COUNTY}/items").status_code == 404
    finally:
        portals.close()


def test_the_documents_of_an_invented_case_are_taken(core: Core, face: str, tmp_path: Path) -> None:  # noqa: F811
    """docs/clients/case_documents.py, with which whoever attaches a department gives it work."""
    core.catalogue(service_item(CODES[0]), to=2)
    core.clock.to(datetime.now(UTC))
    command = [sys.executable, str(ROOT / "docs/clients/case_documents.py"), face, "hall", ORG]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    for name in ("applied", "accepted"):
        said = json.loads((tmp_path / f"{name}.json").read_text("utf-8"))
        assert said["payload"]["case_no"] == done.stdout.split()[0]
        core.ok("hall", said["type"], said["payload"])
    nobody = subprocess.run([*command[:-1], "0" * 18], cwd=tmp_path, capture_output=True, check=False)
    assert nobody.returncode == 1


class Hub:
    """A publication face of its own making; `spoil` changes what it says before the seal or after it."""

    def __init__(self, count: int) -> None:
        self.identity, self.changes, self.spoil = Identity("hub"), list[dict[str, Any]](), ""
        link = "00" * 32
        for number in range(1, count + 1):
            item = {"code": CODES[number], "region": COUNTY, "level": "county", "name": f"事项{number}"}
            change = {"number": number, "operation": "insert", "code": CODES[number], "version": 1,
                      "item": item, "changed_at": "2026-11-22T09:30:00+08:00"}  # fmt: skip
            text = json.dumps(change, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
            following = hashlib.sha256(bytes.fromhex(link) + text.encode()).hexdigest()
            self.changes.append(change | {"previous": link, "hash": following})
            link = following
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                since = int(parse_qs(urlsplit(self.path).query)["since"][0])
                found = json.loads(json.dumps([one for one in hub.changes if one["number"] > since]))
                if found and hub.spoil in ("item", "version", "previous", "number"):
                    spoilt = {"item": {"name": "x"}, "version": 2, "previous": "11" * 32, "number": 9}
                    found[-1][hub.spoil] = spoilt[hub.spoil]
                if hub.spoil == "left out":
                    found = found[1:]
                body = json.dumps({"newest": len(hub.changes), "hash": link, "changes": found}).encode()
                nonce = "n" * 20 if hub.spoil == "old answer" else self.headers["X-Request-Nonce"]
                seal = hub.identity.seal(body, status=200, req=nonce)
                self.send_response(200)
                self.send_header("X-Gov-Signature", seal)
                self.end_headers()
                self.wfile.write(body + b" " * (hub.spoil == "seal"))

            def log_message(self, format: str, *args: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def test_nothing_left_out_altered_or_old_is_shown(tmp_path: Path) -> None:
    hub = Hub(4)
    later, hub.changes = hub.changes[2:], hub.changes[:2]
    portals = Program("websites", tmp_path, b"", hub_url=hub.url, poll_seconds=0.02)
    try:
        portals.end()
        (tmp_path / "hub-ec.pem").write_bytes(hub.identity.pem())
        portals.start()
        until(lambda: len(shown(portals, CITY)) == 2)
        for spoil, said in (
            ("left out", "a gap after 2"), ("number", "a gap after 2"), ("seal", "cannot be believed"),
            ("old answer", "cannot be believed"), ("previous", "does not follow"), ("version", "its hash"),
            ("item", "its hash"),
        ):  # fmt: skip
            hub.spoil, hub.changes = spoil, hub.changes[:2] + later[:1] + later[1:] * (spoil == "left out")
            until(lambda said=said: said in portals.admin("lists")["trouble"])
            assert portals.admin("lists")["number"] == 2
        assert len(shown(portals, CITY)) == 2
        hub.spoil, hub.changes = "", hub.changes[:2] + later
        until(lambda: len(shown(portals, CITY)) == 4)
        assert portals.admin("lists")["trouble"] == ""
        portals.end()
        portals.start()  # goes on where it was
        assert portals.admin("lists")["number"] == 4
        counted = portals.admin("record")
        assert [(one["id"], one["sha256"]) for one in counted] == [
            (str(one["number"]), one["hash"]) for one in hub.changes
        ]
    finally:
        portals.close()
        hub.close()


def test_a_region_that_is_none_stops_the_start(tmp_path: Path) -> None:
    portals = Program("websites", tmp_path, b"")
    try:
        portals.end()
        portals.config(portals=["4414"])
        with pytest.raises(ValueError, match="not enough values"):
            portals.start()
        assert portals.process is not None
        assert portals.process.wait(10) == 2
        portals.process.stdout.close()
        portals.process = None
    finally:
        portals.close()

"""A whole provincial catalogue, and increments of 200 items, over signed SOAP from a province of our own
(benchmarks/province.py), beside a floor that does the same crypto and the same inserts.

A load is timed from the first page asked for until every item of it is in force. The floor asks the same
province for the same pages, signs and verifies as the hub does, parses the items and stores document and
items, one commit a page; it has no mapping, checks, ledger, comparison or stream.
"""

import argparse
import hashlib
import html
import json
import sqlite3
import statistics
import sys
import time
import urllib.request
import uuid
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import rig
from lxml import etree
from province import NAMESPACE, SOAP
from rig import HERE, Memory, Program, Site

from exchange.adapterfolder import load_adapters
from exchange.app import opening
from exchange.app.settings import load_settings
from exchange.registry import PartyFacts, add_party
from exchange.seals import wssec
from exchange.seals.keys import load_signing_key

AIMS = {"full_seconds": 600.0, "increment_seconds": 2.0, "memory_mib": 300.0}
HEADER = f"{{{NAMESPACE}}}CallHeader"
LONGEST = 3600.0  # seconds


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, keep."""
    args = _arguments(arguments)
    items = args.items or (2_000 if args.quick else 150_000)
    with rig.folder("catalogue") as root:
        site, port = Site(root), rig.free_port()
        site.prepare([])
        rig.write_keys(root / "province", "province")
        _attach(site, port)
        config = _config(root, port, items)
        with Program("province", [sys.executable, str(HERE / "province.py"), config], root / "province.log",
                     rig.environment(root)) as province:  # fmt: skip
            rig.wait_for(f"http://127.0.0.1:{port}/admin", province)
            figures = _measured(site, province, port, items, args.increments)
    figures |= {"items": items, "quick": args.quick}
    _print(figures)
    rig.keep(args.output, "catalogue", figures)
    return 0


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="2,000 items: shows that it works")
    parser.add_argument("--items", type=int, metavar="N", help="how many items (150,000)")
    parser.add_argument("--increments", type=int, metavar="N", default=3, help="how many increments (3)")
    parser.add_argument("--output", type=Path, default=rig.RESULTS)
    return parser.parse_args(arguments)


def _attach(site: Site, port: int) -> None:
    """The province as a party of the hub, asked every second."""
    settings = load_settings(environ={"TONGBAN_STATE": str(site.state)})
    store = opening.open_store(settings)
    pem = (site.root / "province" / "rsa.pem").read_text("ascii")
    account = {"account": "tongban", "region": "441400000000", "every": "1"}
    facts = PartyFacts(
        "province", adapter="provincial_catalogue", address=f"http://127.0.0.1:{port}", account=account
    )
    store.write(lambda work: add_party(work, settings.hub, facts, pem, load_adapters()))
    store.engine.dispose()


def _config(root: Path, port: int, items: int) -> str:
    path = root / "province.json"
    keys = root / "province"
    said = {"port": port, "items": items, "key": str(keys / "rsa.key"), "certificate": str(keys / "rsa.pem")}
    path.write_text(json.dumps(said), "utf-8")
    return str(path)


def _measured(site: Site, province: Program, port: int, items: int, increments: int) -> dict[str, Any]:
    floor_full = _floor(site, port, 0, site.root / "floor.db")
    with site.serve() as hub, Memory(hub) as memory:
        full = _awaited(site, port, 1, hub)
        cpu = hub.cpu_ms() / 1e3
        hub_increments, floor_increments = [], []
        for number in range(increments):
            version = _change(port)
            hub_increments.append(_awaited(site, port, number + 2, hub))
            floor_increments.append(_floor(site, port, version - 1, site.root / f"floor-{number}.db"))
        counted = _rows(site, "SELECT count(*) FROM item WHERE current AND state = 'in_use'")[0][0]
    increment, floor_increment = statistics.median(hub_increments), statistics.median(floor_increments)
    return {
        "full_seconds": round(full, 2),
        "floor_full_seconds": round(floor_full, 2),
        "full_ratio": round(full / floor_full, 2),
        "hub_cpu_seconds": round(cpu, 2),
        "increment_seconds": round(increment, 3),
        "floor_increment_seconds": round(floor_increment, 3),
        "increment_ratio": round(increment / floor_increment, 2),
        "memory_mib": round(memory.peak_mib, 1),
        "in_force": counted,
        "database_mib": round(sum(f.stat().st_size for f in site.state.glob("hub.db*")) / 2**20, 1),
    }


def _awaited(site: Site, port: int, load: int, hub: Program) -> float:
    """Seconds from the first page asked for until load number `load` is in force."""
    end = time.monotonic() + LONGEST
    while time.monotonic() < end and hub.process.poll() is None:
        found = _rows(site, f"SELECT state, reason FROM catalogue_load WHERE id = {load}")  # noqa: S608 - a number
        if found and found[0][0] == "applied":
            return time.time() - _asked(port)["first"]
        if found and found[0][0] != "loading":
            raise RuntimeError(f"the load is {found[0]}")
        time.sleep(0.02)
    raise RuntimeError(f"the load did not end: {hub.last_words()}")


def _rows(site: Site, query: str) -> list[Any]:
    with closing(
        sqlite3.connect(f"file:{site.state / 'hub.db'}?mode=ro", uri=True, timeout=30)
    ) as connection:
        return connection.execute(query).fetchall()


def _asked(port: int) -> dict[str, Any]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/admin", timeout=30) as answer:
        said: dict[str, Any] = json.loads(answer.read())
        return said


def _change(port: int) -> int:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/admin/change", data=b"")
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - loopback
        return int(json.loads(answer.read())["version"])


def _floor(site: Site, port: int, since: int, path: Path) -> float:
    """The same pages, signed, verified, parsed and stored, and nothing else; seconds."""
    keys = site.state / "keys"
    own = load_signing_key((keys / "hub-rsa.key").read_bytes(), (keys / "hub-rsa.pem").read_bytes())
    province = site.root / "province"
    theirs = load_signing_key((province / "rsa.key").read_bytes(), (province / "rsa.pem").read_bytes())
    with (
        closing(HTTPConnection("127.0.0.1", port, timeout=60)) as line,
        closing(sqlite3.connect(path)) as store,
    ):
        for pragma in ("journal_mode=WAL", "synchronous=FULL"):
            store.execute(f"PRAGMA {pragma}")
        store.execute("CREATE TABLE document (body BLOB)")
        store.execute("CREATE TABLE item (code TEXT PRIMARY KEY, version INTEGER, digest BLOB, data BLOB)")
        begun, cursor = time.perf_counter(), "0"
        while cursor is not None:
            answer = _call(line, own, since, cursor)
            inner = etree.fromstring(_verified(answer, theirs).encode())
            with store:
                store.execute("INSERT INTO document VALUES (?)", (answer,))
                rows = map(_row, inner.iterfind("LIST/ITEM"))
                store.executemany("INSERT OR REPLACE INTO item VALUES (?, ?, ?, ?)", rows)
            cursor = inner.find("LIST").get("next") or None
        return time.perf_counter() - begun


def _call(line: HTTPConnection, key: Any, since: int, cursor: str) -> bytes:
    request = html.escape(
        f"<REQ><SINCE_VERSION>{since}</SINCE_VERSION><REGION>441400000000</REGION><PAGE_SIZE>200</PAGE_SIZE>"
        f"<CURSOR>{cursor}</CURSOR></REQ>"
    )
    envelope = etree.fromstring(
        f'<s:Envelope xmlns:s="{SOAP}" xmlns:c="{NAMESPACE}"><s:Header><c:CallHeader><c:callId>{uuid.uuid4()}'
        "</c:callId></c:CallHeader></s:Header><s:Body><c:QueryIncrement><c:appId>tongban</c:appId><c:token>T-1</c:token>"
        f"<c:requestXml>{request}</c:requestXml></c:QueryIncrement></s:Body></s:Envelope>"
    )
    body = etree.tostring(wssec.sign(envelope, key, header=HEADER, now=datetime.now(UTC)), encoding="UTF-8")
    headers = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": f'"{NAMESPACE}/QueryIncrement"'}
    line.request("POST", "/CatalogService", body, headers)
    return line.getresponse().read()


def _verified(answer: bytes, key: Any) -> str:
    """The result string without its declaration."""
    envelope = etree.fromstring(answer, etree.XMLParser(resolve_entities=False, no_network=True))
    signed = wssec.verify(envelope, lambda _: key.certificate, header=HEADER, now=datetime.now(UTC))
    return str(signed.body.findtext(f".//{{{NAMESPACE}}}resultXml")).partition("?>")[2]


def _row(item: Any) -> tuple[Any, ...]:
    said = {
        child.tag: child.text or [{one.tag: one.text for one in line} for line in child] for child in item
    }
    data = json.dumps(said, ensure_ascii=False, sort_keys=True).encode()
    return said["TASK_CODE"], int(said["TASK_VERSION"]), hashlib.sha256(data).digest(), data


def _print(figures: dict[str, Any]) -> None:
    print(f"{figures['items']} items, {figures['in_force']} in force afterwards")
    print(
        f"full load      {figures['full_seconds']:8.2f} s   floor {figures['floor_full_seconds']:8.2f} s   "
        f"ratio {figures['full_ratio']}   hub CPU {figures['hub_cpu_seconds']} s"
    )
    print(
        f"increment 200  {figures['increment_seconds']:8.3f} s   "
        f"floor {figures['floor_increment_seconds']:8.3f} s   ratio {figures['increment_ratio']}"
    )
    print(f"memory {figures['memory_mib']} MiB (PSS), database {figures['database_mib']} MiB; aims {AIMS}")


if __name__ == "__main__":
    sys.exit(main())

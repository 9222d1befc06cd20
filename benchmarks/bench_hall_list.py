"""What a work list of the hall costs: bytes, requests a second and core, first paint on a slow computer.

Run: python benchmarks/bench_hall_list.py [--rounds 7] [--requests 400] [--quick] [--output FILE]
A clerk's list of 50 of 1,000 cases at the counter, as the pages serve it: session, rights, counts, query,
page, gzip. *control* is the same bytes from a bare Starlette route of the same process, asked in turns with
the list. The server's own CPU time is what counts: requests a second and core are 1 / CPU. Other work on the
machine still makes each millisecond do less, so that beside the median stands the least disturbed round.
*first paint* is that of Debian's Chromium with an empty cache and the CPU throttled four times, beside the
same of an empty page; here too the median and the least.
"""

import argparse
import contextlib
import gc
import http.client
import json
import os
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
import rig

CASES, ROWS = 1_000, 50
LIST = f"/hall/counter/accept?size={ROWS}"
CONTROL, EMPTY = "/control", "/empty"
LINES = 4  # connections at a time
THROTTLE = 4
AT = 1_772_415_000.0  # Unix seconds
AIM_KB, AIM_RATE, AIM_PAINT_MS = 30, 800, 700


def serve() -> None:
    """In a process of its own: says where it is and which cookie signs in, then serves until it is ended."""
    import uvicorn
    from fastapi import FastAPI
    from starlette.responses import Response

    from hallservice.hall import Hall
    from hallservice.web.app import build_pages

    folder = tempfile.mkdtemp(prefix="hall-")
    hall: Hall = prepared_hall(Path(folder))
    token = signed_in(hall)
    app, kept = FastAPI(openapi_url=None), dict[str, bytes]()

    async def control(request: Any) -> Response:
        if request.method == "PUT":
            kept["body"] = await request.body()
        headers = {"content-encoding": "gzip", "content-type": "text/html; charset=utf-8"}
        return Response(kept["body"], headers=headers)

    async def empty(_request: Any) -> Response:
        return Response("<!doctype html><title>x</title><p>x", media_type="text/html")

    app.router.add_route(CONTROL, control, methods=["GET", "PUT"])
    app.router.add_route(EMPTY, empty)
    app.mount("/hall", build_pages(hall))
    port = rig.free_port()
    print(json.dumps({"port": port, "token": token}), flush=True)
    gc.collect()
    gc.freeze()  # as `tongban serve` does
    try:
        uvicorn.run(
            app,
            host="127.0.0.1",
            port=port,
            log_level="critical",
            access_log=False,
            lifespan="off",
            loop="uvloop",
            http="httptools",
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def prepared_hall(folder: Path) -> Any:
    """A hall with cases that wait at the counter."""
    from sqlalchemy import insert

    from exchange.app.opening import open_store
    from exchange.app.serving import build_hub
    from exchange.app.settings import load_settings
    from hallservice.counter.tables import hall_case
    from hallservice.hall import Hall
    from hallservice.people.divisions import seed_divisions
    from hallservice.people.system import SYSTEM

    settings = load_settings(environ={"TONGBAN_STATE": str(folder)})
    hall = Hall(build_hub(settings, open_store(settings)))
    hall.write(lambda work: seed_divisions(hall, work, SYSTEM, ("441402",)))
    rows = [case(number) for number in range(CASES)]
    hall.write(lambda work: work.connection.execute(insert(hall_case), rows).rowcount)
    return hall


def case(number: int) -> dict[str, Any]:
    return {
        "case_no": f"44140220260302{number:010}", "version": number, "org": "114414020072081005",
        "org_path": "/4414/441402/", "site_path": "/4414/441402/", "region": "441402000000",
        "item_code": "1144140200720810054440125105000", "item_name": "食品经营许可（新办）",
        "applicant_masked": "测**", "document_masked": "4414**********1234",
        "name_hash": "", "document_hash": "",
        "channel": "window", "opened_at": AT + number, "state": "received", "stage": "accept",
        "promised_due": "2026-03-20", "statutory_due": "2026-03-30", "updated_at": AT + number,
    }  # fmt: skip


def signed_in(hall: Any) -> str:
    """The token of a clerk's session."""
    from sqlalchemy import insert

    from hallservice.ids import new_id
    from hallservice.people import sessions
    from hallservice.people import tables as t
    from hallservice.people.sessions import Door

    functions = ("counter.apply", "counter.accept", "counter.fee", "counter.deliver", "case.view")

    def act(work: Any) -> str:
        user, role, run = new_id(work.now), new_id(work.now), work.connection.execute
        person = {"id": user, "staff_no": "S001", "name": "测试甲", "org": "441402", "region": "441402000000"}
        run(insert(t.user), person | {"login": "bench", "status": "active", "changed_at": work.now})
        run(insert(t.role), {"id": role, "org": "4414", "name": "bench"})
        for function in functions:
            run(insert(t.role_function), {"role": role, "function": function, "added_at": work.now})
        given = {"id": new_id(work.now), "role": role, "user": user, "org": "441402", "may_use": True}
        run(insert(t.grant), given | {"may_pass": False, "begins": work.now, "granted_at": work.now})
        return sessions.open(hall, work, user, Door("127.0.0.1")).token

    return str(hall.write(act))


class Asker:
    """Keep-alive connections to the server."""

    def __init__(self, port: int, token: str) -> None:
        self.port, self.headers = port, {"cookie": f"tongban={token}", "accept-encoding": "gzip"}

    def one(self, path: str, method: str = "GET", body: bytes | None = None) -> bytes:
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(line):
            line.request(method, path, body, self.headers)
            answer = line.getresponse()
            assert answer.status == 200, (answer.status, path)
            return answer.read()

    def many(self, path: str, count: int) -> float:
        """Seconds for `count` requests over LINES connections."""

        def work() -> None:
            line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
            with contextlib.closing(line):
                for _ in range(count // LINES):
                    line.request("GET", path, headers=self.headers)
                    assert line.getresponse().read()

        threads = [threading.Thread(target=work) for _ in range(LINES)]
        begun = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return time.perf_counter() - begun


def cost(server: rig.Program, asker: Asker, path: str, count: int) -> tuple[float, float]:
    """CPU ms of the server and seconds of the clock, a request each."""
    count -= count % LINES
    before = server.cpu_ms()
    took = asker.many(path, count)
    return (server.cpu_ms() - before) / count, took / count


def rates(server: rig.Program, asker: Asker, rounds: int, count: int) -> dict[str, Any]:
    asker.one(CONTROL, "PUT", asker.one(LIST))
    for path in (LIST, CONTROL):
        asker.many(path, 40)
    pairs = [
        (cost(server, asker, LIST, count), cost(server, asker, CONTROL, count * 4)) for _ in range(rounds)
    ]
    cpu, least = statistics.median(shown[0] for shown, _ in pairs), min(shown[0] for shown, _ in pairs)
    control = statistics.median(plain[0] for _, plain in pairs)
    return {
        "cpu_ms": round(cpu, 3), "control_cpu_ms": round(control, 3),
        "per_second_and_core": round(1000 / cpu), "best_per_second_and_core": round(1000 / least),
        "control_per_second_and_core": round(1000 / max(control, 1e-3)),
        "ratio": round(statistics.median(a[0] / max(b[0], 1e-3) for a, b in pairs), 2),
        "per_second_seen": round(statistics.median(1 / shown[1] for shown, _ in pairs)),
    }  # fmt: skip


@contextlib.contextmanager
def slow_browser() -> Iterator[Any]:
    """Chromium, or None where it or its driver is not installed."""
    path = shutil.which("chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        path = None
    if path is None:
        yield None
        return
    with sync_playwright() as tool:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = tool.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


PAINT = """() => new Promise(done => {
  const told = () => performance.getEntriesByName('first-contentful-paint')[0];
  const look = () => told() ? done(told().startTime) : setTimeout(look, 20);
  look();
})"""


def paint(browser: Any, asker: Asker, path: str) -> tuple[float, float]:
    """Milliseconds to the first paint, and kilobytes that came, with an empty cache."""
    base = f"http://127.0.0.1:{asker.port}"
    context = browser.new_context(viewport={"width": 1366, "height": 768})
    name, value = asker.headers["cookie"].split("=", 1)
    context.add_cookies([{"name": name, "value": value, "url": base + "/hall/"}])
    page = context.new_page()
    line = context.new_cdp_session(page)
    line.send("Emulation.setCPUThrottlingRate", {"rate": THROTTLE})
    line.send("Network.enable")
    came = [0.0]
    line.on("Network.loadingFinished", lambda done: came.append(done["encodedDataLength"]))
    page.goto(base + path, wait_until="load")
    took = float(page.evaluate(PAINT))
    context.close()
    return took, sum(came) / 1024


def paints(asker: Asker, rounds: int) -> dict[str, Any]:
    with slow_browser() as browser:
        if browser is None:
            return {"paint_ms": None}
        paint(browser, asker, LIST)
        pairs = [(paint(browser, asker, LIST), paint(browser, asker, EMPTY)) for _ in range(rounds)]
    shown = statistics.median(a[0] for a, _ in pairs)
    control = statistics.median(b[0] for _, b in pairs)
    return {
        "paint_ms": round(shown), "control_paint_ms": round(control),
        "least_paint_ms": round(min(a[0] for a, _ in pairs)),
        "paint_ratio": round(statistics.median(a[0] / b[0] for a, b in pairs), 2),
        "first_visit_kb": round(statistics.median(a[1] for a, _ in pairs), 1),
    }  # fmt: skip


def measure(rounds: int, count: int, *, painted: bool = True) -> dict[str, Any]:
    with rig.folder("hall") as folder:
        command = [sys.executable, str(Path(__file__).resolve()), "--serve"]
        environ = os.environ | {"PYTHONPATH": str(rig.ROOT), "TMPDIR": str(folder)}
        with rig.Program("hall", command, folder / "hall.log", environ) as server:
            told = said(server)
            asker = Asker(told["port"], told["token"])
            rig.wait_for(f"http://127.0.0.1:{asker.port}{EMPTY}", server)
            packed = asker.one(LIST)
            figures = rates(server, asker, rounds, count)
            shown = paints(asker, rounds) if painted else {"paint_ms": None}
            return {"page_kb": round(len(packed) / 1024, 1), **figures, **shown}


def said(server: rig.Program) -> dict[str, Any]:
    """The first JSON line the server prints; log lines come before it."""
    assert server.process.stdout is not None
    for line in server.process.stdout:
        if line.startswith(b'{"port"'):
            told: dict[str, Any] = json.loads(line)
            return told
    raise RuntimeError(f"the server did not start: {server.last_words()}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--requests", type=int, default=400)
    parser.add_argument(
        "--quick", action="store_true", help="one short round, no browser: shows that it works"
    )
    parser.add_argument("--output", type=Path, default=rig.RESULTS)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.serve:
        serve()
        return
    figures = measure(1, 40, painted=False) if asked.quick else measure(asked.rounds, asked.requests)
    report(figures)
    rig.keep(asked.output, "hall_list", {"quick": asked.quick, **figures})


def report(found: dict[str, Any]) -> None:
    print(f"{ROWS} of {CASES} cases: {found['page_kb']} KB packed (aim {AIM_KB})")
    for name, aim in (("", f" (aim {AIM_RATE})"), ("control_", "")):
        rate, cpu = found[f"{name}per_second_and_core"], found[f"{name}cpu_ms"]
        print(f"{name.strip('_') or 'list'}: {rate} requests a second and core{aim}, {cpu} ms CPU each")
    print(f"ratio {found['ratio']}; the least disturbed round {found['best_per_second_and_core']} requests")
    if found["paint_ms"] is None:
        print("first paint not measured")
        return
    shown, empty = found["paint_ms"], found["control_paint_ms"]
    print(
        f"first paint {shown} ms at {THROTTLE} times throttle (aim {AIM_PAINT_MS}), an empty page {empty} ms;"
    )
    print(f"the least {found['least_paint_ms']} ms;", end=" ")
    print(f"ratio {found['paint_ratio']}; {found['first_visit_kb']} KB came on the first visit")


if __name__ == "__main__":
    main()

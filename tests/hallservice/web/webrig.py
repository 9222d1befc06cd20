"""A hall with people of several roles over a real store, served on a free port or called directly."""

import contextlib
import re
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx2
import uvicorn
from fastapi import FastAPI
from sqlalchemy import Connection, insert

from exchange.app.opening import ensure_keys
from exchange.app.settings import load_settings
from hallservice.hall import Hall, HallSettings
from hallservice.ids import new_id
from hallservice.people import passwords, rights
from hallservice.people import tables as people
from hallservice.people.policy import AccountPolicy
from tests.exchange.core.rig import START, Clock, Core, open_core

PASSWORD = "Mei-hua-2026"
POLICY = AccountPolicy(memory_kib=8, passes=1)  # what is shown here is not the cost of a hash
EVERYTHING = (
    "counter.apply", "counter.accept", "case.view", "case.unmask", "approval.handle", "items.edit",
    "items.view", "people.manage", "supervision.view", "audit.view",
)  # fmt: skip
ROLES = {"clerk": EVERYTHING[:4], "approver": ("approval.handle", "case.view"), "plain": ()}
ORGS = (("4414", "梅州市", "city", "/4414/"), ("441403", "梅县区政务服务中心", "county", "/4414/441403/"))


@dataclass
class Site:
    """One hall, its people and the clock only the test moves."""

    core: Core
    hall: Hall
    clock: Clock


def make_site(folder: Path, settings: HallSettings | None = None) -> Site:
    ensure_keys(load_settings(environ={"TONGBAN_STATE": str(folder / "var")}))
    clock = Clock(START)
    core = open_core(folder, clock)
    core.party("hall")
    hall = Hall(core.hub, replace(settings or HallSettings(), accounts=POLICY))
    hall.write(lambda work: _people(work.connection, work.now))
    return Site(core, hall, clock)


def reopened(site: Site, folder: Path) -> Site:
    """The same hall after its process ended and began anew."""
    site.core.hub.store.engine.dispose()
    core = open_core(folder, site.clock)
    return Site(core, Hall(core.hub, site.hall.settings), site.clock)


def _people(connection: Connection, now: float) -> None:
    for code, name, kind, path in ORGS:
        row = {"code": code, "name": name, "kind": kind, "region": code.ljust(12, "0"), "path": path}
        connection.execute(
            insert(people.org).values(**row, changed_at=now, parent=code[:4] if len(code) > 4 else None)
        )
    connection.execute(insert(people.window).values(id="w3", site="441403", number="3", name="综合"))
    hashed = passwords.hashed(POLICY, PASSWORD)
    for number, (login, functions) in enumerate(ROLES.items()):
        user, role = new_id(now), new_id(now)
        row = {"id": user, "staff_no": f"S{number:03}", "name": f"测试{'甲乙丙丁'[number]}", "org": "441403"}
        more = {"region": "441403000000", "login": login, "status": "active", "password": hashed}
        connection.execute(insert(people.user).values(**row, **more, password_at=now, changed_at=now))
        connection.execute(insert(people.role).values(id=role, org="4414", name=login))
        for function in functions:
            row = {"role": role, "function": function, "added_at": now}
            connection.execute(insert(people.role_function).values(**row))
        given = {"id": new_id(now), "role": role, "user": user, "org": "4414", "may_use": True}
        connection.execute(insert(people.grant).values(**given, may_pass=False, begins=now, granted_at=now))
    rights.touched(connection)


@contextlib.contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """The base address of the app on a free port of this machine."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_level="warning", lifespan="off", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    until(lambda: server.started)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)
        listener.close()


def until(holds: Callable[[], Any], seconds: float = 30.0) -> Any:
    """What `holds` says once it says something."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := holds():
            return found
        time.sleep(0.02)
    raise AssertionError("it did not come about in time")


class Visitor:
    """A browser without scripts: keeps cookies, fills in forms."""

    def __init__(self, base: str) -> None:
        self.http = httpx2.Client(base_url=base, follow_redirects=False, timeout=30)

    def get(self, path: str, **over: Any) -> httpx2.Response:
        return self.http.get(path, **over)

    def post(self, form: str, action: str, fields: Any = None, **over: Any) -> httpx2.Response:
        """Submit the form that the page at `form` shows for `action`."""
        return self.send(action, {**self.hidden(form, action), **(fields or {})}, **over)

    def send(self, action: str, fields: Any, **over: Any) -> httpx2.Response:
        return self.http.post(action, data=fields, **over)

    def hidden(self, page: str, action: str) -> dict[str, str]:
        """The hidden fields of that form."""
        shown = self.get(page)
        assert shown.status_code == 200, (shown.status_code, shown.headers.get("location"))
        return hidden(shown.text, action)

    def sign_in(self, login: str) -> "Visitor":
        answer = self.post("/hall/sign-in", "/hall/sign-in", {"login": login, "password": PASSWORD})
        assert answer.status_code == 303, answer.text
        return self


def hidden(text: str, action: str) -> dict[str, str]:
    found = re.search(rf'<form[^>]*action="{re.escape(action)}".*?</form>', text, re.DOTALL)
    assert found, f"no form for {action}"
    return dict(re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', found.group()))


def texts(rows: Iterable[Sequence[str]]) -> list[str]:
    return [text for row in rows for text in row]

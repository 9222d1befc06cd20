"""A browser without scripts, and the pages on a free port of this machine."""

import contextlib
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx2
import uvicorn
from fastapi import FastAPI

from hallservice.hall import Hall
from hallservice.web.app import build_pages
from tests.hallservice.world import LOGINS, PASSWORD


def mounted(hall: Hall, **over: Any) -> FastAPI:
    """The pages where a hub has them."""
    outer = FastAPI(openapi_url=None)
    outer.mount("/hall", build_pages(hall, **over))
    return outer


@dataclass
class Place:
    """Where the pages are, and who came."""

    base: str
    came: list["Visitor"] = field(default_factory=list)

    def visitor(self) -> "Visitor":
        """Somebody new."""
        self.came.append(Visitor(self.base))
        return self.came[-1]


@contextlib.contextmanager
def served(app: FastAPI) -> Iterator[Place]:
    """The app on a free port of this machine."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_level="warning", lifespan="off", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    until(lambda: server.started)
    place = Place(f"http://127.0.0.1:{listener.getsockname()[1]}")
    try:
        yield place
    finally:
        for visitor in place.came:
            visitor.http.close()
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
        answer = self.post("/hall/sign-in", "/hall/sign-in", {"login": LOGINS[login], "password": PASSWORD})
        assert answer.status_code == 303, answer.text
        return self


def hidden(text: str, action: str) -> dict[str, str]:
    found = re.search(rf'<form[^>]*action="{re.escape(action)}".*?</form>', text, re.DOTALL)
    assert found, f"no form for {action}"
    return dict(re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', found.group()))

"""A browser without scripts, and the pages on a free port of this machine."""

import contextlib
import html
import re
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import uvicorn
from fastapi import FastAPI

from hallservice.hall import Hall
from hallservice.web.app import build_pages
from hallservice.web.live import Board
from hallservice.web.pages import entrance, home
from hallservice.web.registry import Pages
from tests.hallservice.web import samplepages
from tests.hallservice.world import LOGINS, PASSWORD

FOLDER = Path(__file__).parent / "templates"


FRAME = (entrance.pages, home.pages, samplepages.pages)


def mounted(hall: Hall, features: Iterable[Pages] = FRAME, **over: Any) -> FastAPI:
    """The frame's own pages and the samples, or those of the features, where a hub has them."""
    outer = FastAPI(openapi_url=None)
    outer.state.pages = build_pages(hall, features=features, folders=[FOLDER], **over)
    outer.mount("/hall", outer.state.pages)
    return outer


@dataclass
class Place:
    """Where the pages are, and who came."""

    base: str
    board: Board  # of live counts
    came: list["Visitor"] = field(default_factory=list)

    def visitor(self) -> "Visitor":
        """Somebody new."""
        self.came.append(Visitor(self.base))
        return self.came[-1]

    def visitor_with(self, other: "Visitor") -> "Visitor":
        """Another line of the same browser."""
        made = self.visitor()
        for cookie in other.http.cookies.jar:
            made.http.cookies.set(cookie.name, cookie.value or "", domain=cookie.domain, path=cookie.path)
        return made


@contextlib.contextmanager
def served(app: FastAPI, listener: socket.socket | None = None) -> Iterator[Place]:
    """The app on a free port of this machine, or where `listener` waits already."""
    listener = listener or socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_level="warning", lifespan="off", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    until(lambda: server.started)
    place = Place(f"http://127.0.0.1:{listener.getsockname()[1]}", app.state.pages.state.kit.board)
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

    def enter(self, token: str) -> "Visitor":
        """Signed in without the sign-in page."""
        self.http.cookies.set("tongban", token, domain="127.0.0.1", path="/hall")
        return self

    def signing_in(self, page: str, login: str) -> str:
        """Through the sign-in page at that address; where it leads to."""
        typed = {"login": LOGINS[login], "password": PASSWORD}
        answer = self.post(page, "/hall/sign-in", typed)
        assert answer.status_code == 303, answer.text
        return answer.headers["location"]

    def sign_in(self, login: str) -> "Visitor":
        self.signing_in("/hall/sign-in", login)
        return self


def hidden(text: str, action: str) -> dict[str, str]:
    found = re.search(rf'<form[^>]*action="{re.escape(action)}".*?</form>', text, re.DOTALL)
    assert found, f"no form for {action}"
    fields = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', found.group())
    return {name: html.unescape(value) for name, value in fields}

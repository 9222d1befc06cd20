"""The embedded hall of one hub: its pages under /hall, and the worker that watches its clocks."""

import threading

from fastapi import FastAPI

from exchange.app.settings import Settings
from exchange.hub import Hub
from hallservice.hall import Hall, HallSettings
from hallservice.papers.service import Papers
from hallservice.supervision.keeper import keeper
from hallservice.web.app import build_pages

PATH = "/hall"


def open_hall(settings: Settings, hub: Hub) -> Hall:
    """The hall of these settings."""
    return Hall(hub, HallSettings(public_url=settings.public_url + PATH, files=settings.state / "files"))


def mount(app: FastAPI, hall: Hall) -> None:
    """Its pages on the hub's own address."""
    app.mount(PATH, build_pages(hall, prefix=PATH, extras={"papers": Papers()}))


def watch(hall: Hall, stop: threading.Event) -> threading.Thread:
    """Supervision, until `stop` is set."""
    thread = threading.Thread(target=keeper, args=(hall, stop), name="supervision", daemon=True)
    thread.start()
    return thread

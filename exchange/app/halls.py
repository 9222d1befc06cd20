"""The embedded hall of one hub: its pages under /hall, and the worker that watches its clocks."""

import threading

from fastapi import FastAPI

from exchange.app import hallsettings
from exchange.app.hallsettings import PATH
from exchange.app.settings import Settings
from exchange.app.sitesecrets import secret_table
from exchange.hub import Hub
from hallservice.hall import Hall
from hallservice.papers.service import Papers
from hallservice.supervision.keeper import keeper
from hallservice.web.app import build_pages
from hallservice.web.pages import people_sso


def open_hall(settings: Settings, hub: Hub) -> Hall:
    """The hall of these settings."""
    return Hall(hub, hallsettings.hall_settings(settings, hallsettings.read(settings)))


def mount(app: FastAPI, settings: Settings, hall: Hall) -> None:
    """Its pages on the hub's own address."""
    told, secrets = hallsettings.read(settings), secret_table(settings, "hall")
    ways = hallsettings.sign_on(told, hall, secrets)
    pages = build_pages(
        hall,
        prefix=PATH,
        scanner=told.scanning(),
        others=told.others(secrets),
        sign_on=people_sso.ways(ways),
        extras={"papers": Papers(), people_sso.PROVIDERS: ways},
    )
    app.mount(PATH, pages)


def watch(hall: Hall, stop: threading.Event) -> threading.Thread:
    """Supervision, until `stop` is set."""
    thread = threading.Thread(target=keeper, args=(hall, stop), name="supervision", daemon=True)
    thread.start()
    return thread

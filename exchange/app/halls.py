"""The embedded hall of one hub: its pages under /hall, and the worker that watches its clocks."""

import threading
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request, Response

from exchange.app import hallsettings
from exchange.app.hallsettings import PATH
from exchange.app.settings import Settings
from exchange.app.sitesecrets import secret_table
from exchange.errors import TryLater
from exchange.hub import Hub
from hallservice.counter import progress as counter_progress
from hallservice.hall import Hall
from hallservice.papers.sealing import SealService, SealWhenAsked
from hallservice.papers.service import Papers
from hallservice.refusals import HallRefused
from hallservice.supervision.keeper import keeper
from hallservice.web import responses
from hallservice.web.app import build_pages
from hallservice.web.pages import people_sso


def open_hall(settings: Settings, hub: Hub) -> Hall:
    """The hall of these settings."""
    return Hall(hub, hallsettings.hall_settings(settings, hallsettings.read(settings)))


def progress(hall: Hall, case_no: str, password: str, client: str) -> Mapping[str, Any] | None:
    """For exchange.app.looking: wrong passwords are counted, for the pages and the programs together."""
    try:
        here = counter_progress.standing(hall, case_no, password, client)
    except HallRefused as refusal:
        if refusal.code != "too_many":
            return None
        raise TryLater("busy", "too many wrong passwords; ask again in a quarter of an hour") from None
    return {name: here.case[name] for name in ("case_no", "state", "promised_due", "provisional")}


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
        extras={
            "papers": Papers(hallsettings.paper_settings(settings, told)),
            "layouts": hallsettings.layouts(settings),
            "seal": SealWhenAsked(lambda: _seal(hall.hub)),
            people_sso.PROVIDERS: ways,
        },
    )
    app.router.add_route(PATH, _first_page, methods=["GET"])
    app.mount(PATH, pages)


async def _first_page(_request: Request) -> Response:
    """As people type the address, without its slash."""
    return responses.redirect(f"{PATH}/")


def _seal(hub: Hub) -> SealService:
    from hallservice.papers.pades import CertificateSeal  # not before the first paper: pyHanko loads slowly

    return CertificateSeal(hub.rsa_key.private, hub.rsa_key.certificate)


def watch(hall: Hall, stop: threading.Event) -> threading.Thread:
    """Supervision, until `stop` is set."""
    thread = threading.Thread(target=keeper, args=(hall, stop), name="supervision", daemon=True)
    thread.start()
    return thread

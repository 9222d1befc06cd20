"""Puts a sealed JSON partner together from its configuration."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Mapping

from fastapi import FastAPI

from mocks.partners.common import admin
from mocks.partners.common.callback import REPEATS, Callbacks, JwsSealer
from mocks.partners.common.config import Config
from mocks.partners.common.endpoint import Desk, Manners
from mocks.partners.common.faults import Faults
from mocks.partners.common.jws import Signer
from mocks.partners.common.keys import load_certificates, load_key, wait_for
from mocks.partners.common.record import Record
from mocks.partners.common.server import new_app


def open_desk(
    config: Config,
    manners: Manners,
    faults: Mapping[str, Iterable[str]],
    schema: str,
    *,
    for_ever: bool = False,
) -> Desk:
    """Record, keys, faults and callbacks; waits up to 30 s for the hub's EC certificate."""
    trusted = load_certificates(wait_for(config.hub_ec_certificate))
    own = load_certificates(config.certificate)
    signer = Signer(load_key(config.key), next(iter(own.values())), time.time)
    record = Record(config.state / "record.db", time.time, schema)
    switches = Faults(faults, config.seed)
    sealer = JwsSealer(signer, trusted, switches, time.time)
    repeats = config.numbers("repeat_seconds", REPEATS)
    callbacks = Callbacks(
        record, config.hub_url, sealer, switches, time.time, repeats=repeats, for_ever=for_ever
    )
    return Desk(record, switches, signer, trusted, time.time, manners, callbacks)


def open_app(desk: Desk) -> FastAPI:
    """An application with the admin API of the desk."""
    app = new_app()
    admin.mount(app, desk.record, desk.faults)
    return app


def draw(seed: int, *words: str) -> float:
    """A number in [0, 1) that depends on the words alone: the same after a restart, in any order."""
    return random.Random("\x1f".join((str(seed), *words))).random()  # noqa: S311  # behaviour, not a secret

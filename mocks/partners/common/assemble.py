"""Puts a sealed JSON partner together from its configuration."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fastapi import FastAPI

from mocks.partners.common import admin
from mocks.partners.common.callback import REPEATS, Callbacks, Judge, JwsSealer, Sealer, taken
from mocks.partners.common.clock import OwnClock
from mocks.partners.common.config import Config
from mocks.partners.common.endpoint import Desk, Manners, Pushes
from mocks.partners.common.faults import Faults
from mocks.partners.common.jws import Signer
from mocks.partners.common.keys import Certificates, load_certificates, load_key, wait_for
from mocks.partners.common.record import Record
from mocks.partners.common.server import new_app


@dataclass(frozen=True)
class Ground:
    """What is the same in every sealed JSON partner."""

    config: Config
    record: Record
    faults: Faults
    signer: Signer
    trusted: Certificates
    clock: OwnClock

    def callbacks(
        self, *, for_ever: bool = False, repeats: tuple[float, ...] = REPEATS, judge: Judge = taken,
        sealer: Sealer | None = None, apart: Mapping[str, tuple[float, ...]] | None = None,
        unmissed: tuple[str, ...] = (),
    ) -> Callbacks:  # fmt: skip
        """Calls to the hub, not yet started; under X-Gov-Signature unless a sealer is given."""
        return Callbacks(
            self.record, self.config.hub_url, sealer or self.sealer(), self.faults, self.clock.base,
            repeats=self.config.numbers("repeat_seconds", repeats), for_ever=for_ever, judge=judge,
            apart=apart, unmissed=unmissed,
        )  # fmt: skip

    def sealer(self) -> JwsSealer:
        """X-Gov-Signature with the partner's key."""
        return JwsSealer(self.signer, self.trusted, self.faults)

    def desk(self, manners: Manners, pushes: Pushes) -> Desk:
        """What its operations need."""
        return Desk(self.record, self.faults, self.signer, self.trusted, self.clock, manners, pushes)

    def app(self) -> FastAPI:
        """An application with the admin API."""
        app = new_app()
        admin.mount(app, self.record, self.faults, self.clock)
        return app


def open_ground(config: Config, faults: Mapping[str, Iterable[str]], schema: str) -> Ground:
    """Record, keys and faults; waits up to 30 s for the hub's EC certificate."""
    trusted = load_certificates(wait_for(config.hub_ec_certificate))
    own = load_certificates(config.certificate)
    clock = OwnClock()
    signer = Signer(load_key(config.key), next(iter(own.values())), clock.seals)
    record = Record(config.state / "record.db", clock.base, schema)
    return Ground(config, record, Faults(faults, config.seed, clock), signer, trusted, clock)


def draw(seed: int, *words: str) -> float:
    """A number in [0, 1) that depends on the words alone: the same after a restart, in any order."""
    return random.Random("\x1f".join((str(seed), *words))).random()  # noqa: S311  # behaviour, not a secret

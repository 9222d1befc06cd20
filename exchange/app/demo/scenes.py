"""A scenario of mocks/scenarios beside the run: its faults are armed in time, and everything is calm again at
the end."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from exchange.app.demo.starting import Cast
from exchange.errors import Misconfigured
from mocks.scenario import EVERYBODY, Done, Scenario, ScenarioError, calm, load, play, sender


def load_scenario(name: str) -> Scenario:
    """Misconfigured for a name nobody knows, and for a file that is wrong."""
    try:
        return load(name)
    except ScenarioError as fault:
        raise Misconfigured(fault.code, fault.detail, fault.where) from fault


@contextmanager
def playing(cast: Cast, scenario: Scenario | None) -> Iterator[None]:
    """Its steps are played while the body runs; what is armed at the end is disarmed."""
    if scenario is None:
        yield
        return
    urls = {one.name: cast.layout.url(one.name) for one in cast.members}
    cast.screen.step("场景", f"{scenario.title} · {scenario.english}")
    ended = threading.Event()
    cast.scene_over.clear()
    thread = threading.Thread(target=_play, args=(cast, scenario, urls, ended), name="scenario", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(10)
        calm(sender(urls), urls)


def _play(cast: Cast, scenario: Scenario, urls: dict[str, str], ended: threading.Event) -> None:
    def tell(done: Done) -> None:
        everybody = EVERYBODY in done.step.partners  # then not every partner offers it
        if done.outcome not in ("done", "skipped") and not everybody:
            cast.screen.warn(f"scenario: {done.partner} {done.outcome} {done.detail}")

    try:
        play(scenario, sender(urls), partners=urls, sleep=ended.wait, tell=tell)
    finally:
        cast.scene_over.set()

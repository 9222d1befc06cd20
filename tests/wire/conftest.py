"""Hubs as real processes: one for each module that attacks it, judged when the module ends."""

from collections.abc import Iterator

import pytest

from exchange.app.rabbit import RabbitNode
from tests.wire.queueside import DatabaseSide, RabbitSide, Side
from tests.wire.rig import Hub, Identity, application, identity


@pytest.fixture(scope="module")
def window() -> Identity:
    """A house party with a P-256 key."""
    return identity("window-system")


@pytest.fixture(scope="module")
def bureau() -> Identity:
    """A house party with an RSA key."""
    return identity("bureau", "rsa")


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory, window: Identity, bureau: Identity) -> Iterator[Hub]:
    """A hub with the database queue, two parties and an item in force; it must end in order."""
    yield from _running(Hub(tmp_path_factory.mktemp("hub") / "var"), window, bureau)


@pytest.fixture(scope="module")
def rabbit_hub(
    tmp_path_factory: pytest.TempPathFactory, rabbit: RabbitNode, window: Identity, bureau: Identity
) -> Iterator[Hub]:
    """The same with RabbitMQ."""
    yield from _running(Hub(tmp_path_factory.mktemp("hub") / "var", rabbit.url), window, bureau)


@pytest.fixture(scope="module")
def attacked(hub: Hub, window: Identity) -> Iterator[Hub]:
    """The hub under attack: whatever comes, it has no effect, leaves a whole ledger, and service goes on."""
    assert hub.send(window, application(window.name)).status_code == 200
    before = hub.effects()
    yield hub
    assert hub.effects() == before
    assert hub.verify()
    assert hub.send(window, application(window.name)).status_code == 200
    assert hub.effects()["case_record"] == before["case_record"] + 1


@pytest.fixture(scope="module", params=["database", "rabbit"])
def side(request: pytest.FixtureRequest) -> Side:
    """A hub and what carries its queues."""
    if request.param == "database":
        return DatabaseSide(request.getfixturevalue("hub"))
    node: RabbitNode = request.getfixturevalue("rabbit")
    return RabbitSide(request.getfixturevalue("rabbit_hub"), node.url)


def _running(hub: Hub, *parties: Identity) -> Iterator[Hub]:
    hub.prepare(*parties)
    hub.start()
    try:
        yield hub
        assert hub.terminate() == 0, hub.log()[-3000:]
    finally:
        if hub.process is not None and hub.process.poll() is None:
            hub.kill()

"""Shared by every test: private servers of RabbitMQ and PostgreSQL, the hypothesis profile, the check of
requirement ids."""

import csv
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import settings

from exchange.app import postgres as postgres_node
from exchange.app.postgres import PostgresNode
from exchange.app.rabbit import RabbitNode, find_server

ROOT = Path(__file__).resolve().parent.parent

# Shared machines stall for seconds: a slow example is no failure.
settings.register_profile("hub", deadline=None, max_examples=60)
settings.load_profile("hub")

# As the hub logs; structlog's own default draws each traceback with its locals, which takes half a minute.
structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.processors.format_exc_info,
        structlog.processors.KeyValueRenderer(),
    ],
    wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
)


@pytest.fixture(scope="session")
def rabbit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitNode]:
    """The node every RabbitMQ test of a worker shares (`rabbit.url`); declare queues of your own names."""
    if find_server() is None:
        pytest.skip("RabbitMQ is not installed")
    with RabbitNode(tmp_path_factory.mktemp("rabbit") / "node") as node:
        yield node


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresNode]:
    """The server every PostgreSQL test of a worker shares; make databases of your own names."""
    if postgres_node.find_server() is None:
        pytest.skip("PostgreSQL is not installed")
    quick = ("fsync=off", "full_page_writes=off")  # no power cut is played on this one
    node = PostgresNode(tmp_path_factory.mktemp("postgres") / "node", config=quick)
    try:
        yield node.start()
    finally:
        node.discard()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that need a server are marked by it; unknown requirement ids end the run."""
    for item in items:
        for server in {"rabbit", "postgres"}.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(getattr(pytest.mark, server))
    refuse_unknown_requirements(items)


def refuse_unknown_requirements(items: list[pytest.Item]) -> None:
    known = requirement_ids()
    wrong = [f"{item.nodeid} names {i!r}" for item in items for i in marked(item) if i not in known]
    if wrong:
        raise pytest.UsageError(f"not in docs/requirements.csv: {'; '.join(wrong)}")


def marked(item: pytest.Item) -> list[str]:
    """The requirement ids of a test's own, its class's and its module's `req` markers."""
    return [str(i) for mark in item.iter_markers("req") for i in mark.args]


def requirement_ids() -> frozenset[str]:
    with (ROOT / "docs" / "requirements.csv").open(encoding="utf-8", newline="") as file:
        return frozenset(row["id"] for row in csv.DictReader(file))

"""The contracts as published, made once."""

import json
from typing import Any

import pytest

from exchange.adapterfolder import Adapter, load_adapters
from exchange.publishing.contracts import Contract, contracts
from exchange.publishing.versions import declared

ADDRESS = "https://hub.example.gov.cn"


@pytest.fixture(scope="session")
def adapters() -> dict[str, Adapter]:
    return load_adapters()


@pytest.fixture(scope="session")
def published(adapters: dict[str, Adapter]) -> dict[str, Contract]:
    return contracts(adapters, ADDRESS, declared())


@pytest.fixture(scope="session")
def documents(published: dict[str, Contract]) -> dict[str, Any]:
    """The JSON contracts, read."""
    return {name: json.loads(one.body) for name, one in published.items() if name.endswith(".json")}

"""docs/adapters.md names everything the files of an adapter may hold."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from exchange.manifest import Call, Inbound, Limits, Manifest, MessageIdRule, Outcome, Reply
from exchange.mapping.conversions import conversions
from exchange.mapping.spec import EachSpec, FieldSpec, MappingSpec

ROOT = Path(__file__).resolve().parents[3]
NAMED = set(
    re.findall(
        r"[A-Za-z_0-9]+", " ".join(re.findall(r"`([^`]*)`", (ROOT / "docs/adapters.md").read_text("utf-8")))
    )
)


@pytest.mark.parametrize(
    "kind", [MappingSpec, FieldSpec, EachSpec, Manifest, Limits, Outcome, Reply, MessageIdRule]
)
def test_every_key_is_named(kind: type[BaseModel]) -> None:
    keys = {info.alias or name for name, info in kind.model_fields.items()}
    structure = {"outbound", "inbound", "digests", "limits", "queues", "soap", "token", "database", "path"}
    assert keys - structure - NAMED == set()


def test_every_transport_is_named() -> None:
    assert {"rest", "soap", "amqp", "table"} <= set(Call.model_fields) & NAMED
    assert {"rest", "soap", "amqp", "table", "file"} <= set(Inbound.model_fields) & NAMED


def test_every_conversion_is_named() -> None:
    assert set(conversions("xml")) - NAMED == set()

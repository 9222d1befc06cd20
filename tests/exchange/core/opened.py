"""What a test reads by its own SQL from sealed columns, as the hub itself would read it."""

from pathlib import Path
from typing import Any

from exchange.app.datakeys import read_ring
from exchange.app.settings import load_settings
from exchange.errors import TryLater
from exchange.store.resealing import sealed_columns
from exchange.store.sealed import Ring, SealedJSON, SealedText
from hallservice.tables import metadata

COLUMNS = [column for columns in sealed_columns(metadata).values() for column in columns]


def opened(ring: Ring, name: str, value: Any) -> Any:
    """A value of a column of this name, JSON as text; what was never sealed, or was altered, as it is."""
    if not isinstance(value, bytes | memoryview):
        return value
    for column in COLUMNS:
        if column.name == name:
            try:
                content = ring.open(bytes(value), f"{column.table.name}.{name}".encode())
            except TryLater:
                continue
            return content.decode() if isinstance(column.type, SealedJSON | SealedText) else content
    return value


def ring_in(state: Path) -> Ring:
    """The keys of a hub that has run in this state directory."""
    return read_ring(load_settings(environ={"TONGBAN_STATE": str(state)}))

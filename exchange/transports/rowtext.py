"""The signed text of a row, and what stands around it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from exchange.errors import Refused
from exchange.mapping import json
from exchange.transports.tablelayout import Field, Layout

KEY = re.compile(r"[A-Za-z0-9._-]{8,64}")
LAST_VERSION = 2**31 - 1  # what INTEGER holds everywhere


@dataclass(frozen=True)
class Row:
    """A row as it was read; `fault` is what is wrong with it before anybody looks at its seal."""

    table: str
    key: Any
    version: Any
    text: bytes = b""
    seal: str | None = None
    written: str | None = None
    fault: Refused | None = None

    @property
    def name(self) -> str:
        """What the seal is bound to besides the table."""
        return f"{self.key}:{self.version}"


def signed_text(layout: Layout, values: Mapping[str, Any]) -> bytes:
    """Compact JSON of the signed columns in their order, NULL left out; Refused bad_value names the
    column."""
    return json.dumps(
        {
            one.name: _checked(one, values[one.name])
            for one in layout.signed
            if values.get(one.name) is not None
        }
    )


def _checked(field: Field, value: Any) -> str | int:
    if field.kind == "integer" and isinstance(value, int) and not isinstance(value, bool):
        return value
    if field.kind == "text" and isinstance(value, str):
        return value
    raise Refused("bad_value", f"it is no {field.kind}", field.name)


def name_fault(key: Any, version: Any, key_name: str, version_name: str) -> Refused | None:
    """What is wrong with a row's identity."""
    if not isinstance(key, str) or not KEY.fullmatch(key):
        return Refused("bad_value", "8 to 64 of A-Z a-z 0-9 . _ -", key_name)
    if type(version) is not int or not 1 <= version <= LAST_VERSION:
        return Refused("bad_value", "a whole number from 1", version_name)
    return None

"""A wire document beside the canonical value written from the contract."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from canonical.messages import PAYLOADS, Payload
from exchange.adapterfolder import Adapter
from exchange.mapping.run import WireMapping


@dataclass(frozen=True)
class Sample:
    """A wire document beside the canonical value written from the contract."""

    adapter: Adapter
    mapping: WireMapping
    path: Path

    @property
    def held(self) -> dict[str, Any]:
        """Context and payload as written."""
        found: dict[str, Any] = json.loads(
            (self.path.parent / f"{self.path.stem}.canonical.json").read_text("utf-8")
        )
        return found

    @property
    def context(self) -> dict[str, Any]:
        """The call context of the sample."""
        return dict(self.held.get("context", {}))

    @property
    def content(self) -> dict[str, Any] | None:
        """The payload in its JSON form, without what the mapping loses."""
        content = self.held.get("payload")
        return None if content is None else lost(content, self.mapping.loses)

    @property
    def tree(self) -> Any:
        """The wire tree as read."""
        return self.mapping.read(self.path.read_bytes())

    def payload(self) -> Payload | None:
        """The message, None for a call without one."""
        kind = self.mapping.message
        return None if kind is None else PAYLOADS[kind].model_validate(self.held["payload"])


def samples(adapter: Adapter, name: str, mapping: WireMapping) -> Iterator[Sample]:
    """The accepted samples of a mapping."""
    for path in files(adapter, "accepted", name):
        if (path.parent / f"{path.stem}.canonical.json").is_file():
            yield Sample(adapter, mapping, path)


def files(adapter: Adapter, kind: str, name: str) -> list[Path]:
    """The samples of a mapping, accepted or refused."""
    folder = adapter.folder / "fixtures" / kind
    found = [
        one
        for one in folder.glob("*.*")
        if one.suffix != ".code" and not one.name.endswith(".canonical.json")
    ]
    return sorted(one for one in found if one.name.split(".")[0].split("--")[0] == name)


def heard(sample: Sample, tree: Any) -> dict[str, Any]:
    """What a document says, in the JSON form of its message."""
    mapping = sample.mapping
    if mapping.message is None or mapping.direction == "say":
        values = mapping.hear_values(tree, sample.context)
        if mapping.model is None:
            return values
        plain = mapping.model.model_construct(**values)
        return plain.model_dump(mode="json", exclude_none=True, warnings=False)
    content = mapping.hear(tree, sample.context).model_dump(mode="json", exclude_none=True)
    return {name: value for name, value in content.items() if name not in mapping.loses}


def lost(content: Any, loses: tuple[str, ...]) -> Any:
    """The content without what the mapping says it loses."""
    changed = copy.deepcopy(content)
    for name in loses:
        _drop(changed, name.split("."))
    return changed


def _drop(content: Any, path: list[str]) -> None:
    if isinstance(content, list | tuple):
        for one in content:
            _drop(one, path)
    elif isinstance(content, dict):
        if len(path) == 1:
            content.pop(path[0], None)
        elif path[0] in content:
            _drop(content[path[0]], path[1:])

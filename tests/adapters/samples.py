"""The sample documents of every adapter folder, read as data."""

from __future__ import annotations

import copy
import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from canonical.messages import PAYLOADS, Payload
from exchange.adapterfolder import Adapter, load_adapter
from exchange.mapping.run import WireMapping

ADAPTERS = Path(__file__).resolve().parents[2] / "adapters"
FOLDERS = sorted(path.parent for path in ADAPTERS.glob("*/adapter.toml"))
ACCEPTED = sorted(
    path for path in ADAPTERS.glob("*/fixtures/accepted/*.*") if not path.name.endswith(".canonical.json")
)
REFUSED = sorted(path for path in ADAPTERS.glob("*/fixtures/refused/*.*") if path.suffix != ".code")
MAPPINGS = sorted(ADAPTERS.glob("*/*.mapping.toml"))


def shown(path: Path) -> str:
    """The id of a parametrised test."""
    return path.relative_to(ADAPTERS).as_posix().replace("/fixtures", "")


@cache
def adapter(folder: Path) -> Adapter:
    """The folder, compiled once for all tests."""
    return load_adapter(folder)


@cache
def folder_of(path: Path) -> Path:
    """The adapter's folder of any file in it."""
    return ADAPTERS / path.relative_to(ADAPTERS).parts[0]


def mapping_of(path: Path) -> WireMapping:
    """The mapping a sample (`name--what.json`) or a mapping file belongs to."""
    name = path.name.split(".")[0].split("--")[0]
    return adapter(folder_of(path)).mappings[name]


@cache
def of_mapping(folder: Path, name: str) -> tuple[Path, ...]:
    """The accepted samples of one mapping."""
    return tuple(one for one in ACCEPTED if folder_of(one) == folder and mapping_of(one).name == name)


@dataclass(frozen=True)
class Expected:
    """The canonical value beside a sample, written from the contract."""

    context: dict[str, Any]
    content: dict[str, Any] | None

    def payload(self, mapping: WireMapping) -> Payload | None:
        """The message, None for a call without one."""
        return None if mapping.message is None else PAYLOADS[mapping.message].model_validate(self.content)


def expected_of(path: Path) -> Expected:
    """The expected value of an accepted sample."""
    held = json.loads((path.parent / f"{path.stem}.canonical.json").read_text("utf-8"))
    return Expected(held.get("context", {}), held["payload"])


@cache
def declared(mapping_file: Path) -> dict[str, Any]:
    """The mapping file as written, with the fields it includes; not to be changed."""
    spec = tomllib.loads(mapping_file.read_text("utf-8"))
    for name in spec.get("include", ()):
        part = tomllib.loads((mapping_file.parent / f"{name}.fragment.toml").read_text("utf-8"))
        spec["fields"] = part.get("fields", []) + spec.get("fields", [])
    return spec


def unheard(mapping_file: Path) -> set[str]:
    """Wire paths that carry nothing into the message."""
    spec = declared(mapping_file)
    fields = [one for one in spec.get("fields", []) if "wire" in one and "to" not in one]
    return {one["wire"].replace("[]", "[0]") for one in fields} | set(spec.get("ignore", ()))


def unheard_in_lists(mapping_file: Path) -> set[tuple[str, str]]:
    """The same inside repeated data: (path of the list, name in each entry)."""
    return {
        (each["wire"], one["wire"])
        for each in declared(mapping_file).get("each", [])
        for one in each.get("fields", [])
        if "to" not in one
    }


Step = str | int


def places(tree: Any, at: tuple[Step, ...] = ()) -> Iterator[tuple[Step, ...]]:
    """Every member of the tree, nested ones included."""
    if isinstance(tree, dict | list):
        for name, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
            yield (*at, name)
            yield from places(value, (*at, name))


def written(at: tuple[Step, ...]) -> str:
    """A place as refusals write it: `LIST/ITEM[0]/@op`."""
    return "".join(f"[{one}]" if isinstance(one, int) else f"/{one}" for one in at).removeprefix("/")


def without(tree: Any, at: tuple[Step, ...]) -> Any:
    """A copy of the tree with one member taken out."""
    changed = copy.deepcopy(tree)
    del reach(changed, at[:-1])[at[-1]]
    return changed


def reach(tree: Any, at: tuple[Step, ...]) -> Any:
    """The part of the tree at this place."""
    for step in at:
        tree = tree[step]
    return tree


def lost(content: Any, loses: tuple[str, ...]) -> Any:
    """The content without what the mapping says it loses."""
    changed = copy.deepcopy(content)
    for name in loses:
        _drop(changed, name.split("."))
    return changed


def blurred(content: Any, blurs: Mapping[str, Mapping[str, str]]) -> Any:
    """The content as it is heard after a coarse code list said it."""
    changed = copy.deepcopy(content)
    for name, heard_as in blurs.items():
        *way, last = name.split(".")
        for part in _parts(changed, way):
            part[last] = heard_as.get(part.get(last), part.get(last))
    return changed


def _parts(content: Any, way: list[str]) -> Iterator[dict[str, Any]]:
    if isinstance(content, list | tuple):
        for one in content:
            yield from _parts(one, way)
    elif isinstance(content, dict) and not way:
        yield content
    elif isinstance(content, dict) and way[0] in content:
        yield from _parts(content[way[0]], way[1:])


def _drop(content: Any, path: list[str]) -> None:
    if isinstance(content, list | tuple):
        for one in content:
            _drop(one, path)
    elif isinstance(content, dict):
        if len(path) == 1:
            content.pop(path[0], None)
        elif path[0] in content:
            _drop(content[path[0]], path[1:])

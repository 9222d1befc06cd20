"""Walking a drafted folder to its end: every suggestion taken, the rest written by hand."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from exchange.adapterfolder import load_adapter
from exchange.scaffold.analyse import analyse
from exchange.scaffold.points import Walk, apply
from tests.adapters.samples import ADAPTERS

FACTS = {
    r"TODO: Chinese name of the system[^\"]*": "测试系统",
    r"TODO: its SYS number, for example SYS-02": "SYS-02",
    r"TODO: who runs it": "测试单位",
    r"TODO: version of the contract": "1.0",
    r"  # (?:seconds; )?TODO: [^\n]*": "",
    r"TODO: whose contract this is, its version, from whom and when": "Received 2026-11-20.",
    r"\n- TODO: what the contract does not say[^\n]*": "",
}
"""What only a person knows, in adapter.toml, contract.md and notes.md."""


def by_hand(folder: Path, file: str, changes: Mapping[str, str]) -> None:
    """Regular expressions replaced in one file; each must occur."""
    text = (folder / file).read_text("utf-8")
    for pattern, new in changes.items():
        assert re.search(pattern, text), pattern
        text = re.sub(pattern, lambda _, new=new: new, text)
    (folder / file).write_text(text, "utf-8")


def know_the_facts(folder: Path) -> None:
    for file in ("adapter.toml", "contract/contract.md", "notes.md"):
        text = (folder / file).read_text("utf-8")
        for pattern, new in FACTS.items():
            text = re.sub(pattern, new, text)
        (folder / file).write_text(text, "utf-8")


def take_suggestions(folder: Path) -> tuple[int, Walk]:
    """Every edit the walk offers, until it offers none: how many, and what stays open."""
    taken = 0
    for _ in range(10):
        walk = analyse(folder)
        edits = list(dict.fromkeys(point.edit for point in walk.points if point.edit is not None))
        if not edits:
            return taken, walk
        apply(folder, edits)
        taken += len(edits)
    raise AssertionError(f"the suggestions never end: {walk.summary}")


def beside(folder: Path, name: str) -> Any:
    """The canonical value beside an accepted sample."""
    return json.loads((folder / "fixtures/accepted" / f"{name}.canonical.json").read_text("utf-8"))


def shipped(adapter: str, name: str) -> Any:
    """The canonical value a person wrote from the contract for a shipped adapter's sample."""
    return beside(ADAPTERS / adapter, name)


def heard(folder: Path, name: str, suffix: str) -> Any:
    """What the finished folder hears in its own sample."""
    mapping = load_adapter(folder).mappings[name]
    tree = mapping.read((folder / "fixtures/accepted" / f"{name}.{suffix}").read_bytes())
    payload = mapping.hear(tree, beside(folder, name).get("context", {}))
    return payload.model_dump(mode="json", exclude_none=True)

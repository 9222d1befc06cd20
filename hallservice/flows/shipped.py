"""Processes that ship with the program (data/*.json), and the posts they ask for."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from hallservice.approval.definition import Block, Definition, Level, Serial, Step, steps
from hallservice.approval.validation import parsed

OWNER = "platform"
STANDARD, INSTANT = "standard", "instant"
KEYS = (STANDARD, INSTANT, "joint", "village")


@dataclass(frozen=True, slots=True)
class Post:
    """岗位 by the code that steps name."""

    code: str
    name: str


@cache
def shipped() -> Mapping[str, Definition]:
    """Every shipped process by its key; one of a single level begins at the county."""
    folder = files("hallservice.flows") / "data"
    return MappingProxyType({key: parsed((folder / f"{key}.json").read_text("utf-8")) for key in KEYS})


@cache
def posts() -> tuple[Post, ...]:
    """The posts that shipped processes name."""
    text = (files("hallservice.flows") / "data" / "posts.toml").read_text("utf-8")
    return tuple(Post(**row) for row in tomllib.loads(text)["post"])


@cache
def at_level(key: str, level: Level) -> Definition:
    """A shipped process of one level as that level runs it; one over several levels as it is."""
    definition = shipped()[key]
    if len({step.level for step in steps(definition.body)} | {definition.level}) > 1:
        return definition
    return replace(definition, level=level, body=_moved(definition.body, level))


def _moved(block: Block, level: Level) -> Block:
    if isinstance(block, Step):
        return replace(block, level=level)
    if isinstance(block, Serial):
        return replace(block, parts=tuple(_moved(part, level) for part in block.parts))
    return block

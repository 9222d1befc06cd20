"""The mapping's declarations of a document, flat: which wire value has which form."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from exchange.errors import HubError
from exchange.mapping.compile import parse_toml, with_fragments
from exchange.mapping.refusal import DocumentRefused
from exchange.mapping.spec import EachSpec, FieldSpec, MappingSpec
from mocks.conformance import trees
from mocks.conformance.specimen import Specimen

DATES = {
    "date8": "2026-11-24",
    "date_dash": "20261124",
    "date_t": "2026-11-24",
    "datetime14": "2026-11-24 10:30:00",
    "datetime_space": "20261124103000",
    "datetime_t": "2026-11-24 10:30:00",
}
"""Conversion -> a date of another contract's pattern."""


@dataclass(frozen=True)
class Word:
    """One declared wire value at its place in a specimen."""

    place: trees.Place
    spec: FieldSpec

    @property
    def path(self) -> str:
        """As refusals write it."""
        return trees.written(self.place)


@cache
def declared(folder: Path, name: str) -> MappingSpec:
    """The mapping file of this name, fragments included."""
    text = (folder / f"{name}.mapping.toml").read_text("utf-8")
    return with_fragments(parse_toml(MappingSpec, text), lambda file: (folder / file).read_text("utf-8"))


def words(spec: MappingSpec, tree: object) -> Iterator[Word]:
    """Every declared value the tree holds; of a list its first entry."""
    yield from _fields(spec.fields, (), tree)
    for one in spec.each:
        yield from _entries(one, (), tree)


def _fields(fields: tuple[FieldSpec, ...], at: trees.Place, tree: object) -> Iterator[Word]:
    for field in fields:
        place = (*at, *trees.place_of((field.wire or "").replace("[]", "[0]")))
        if field.wire is not None and trees.reach(tree, place) is not None:
            yield Word(place, field)


def _entries(spec: EachSpec, at: trees.Place, tree: object) -> Iterator[Word]:
    place = (*at, *trees.place_of(spec.wire))
    if spec.key is None and isinstance(found := trees.reach(tree, place), list) and found:
        yield from _fields(spec.fields, (*place, 0), tree)
        for one in spec.each:
            yield from _entries(one, (*place, 0), tree)


def required(specimen: Specimen) -> list[trees.Place]:
    """The values of a specimen's tree the contract requires: without one the document is refused by our own
    reading of the contract."""
    tree = specimen.mapping.read(specimen.mapping.write(specimen.tree))
    return [place for place, _ in trees.leaves(specimen.tree) if _needed(specimen, tree, place)]


def _needed(specimen: Specimen, tree: object, place: trees.Place) -> bool:
    if isinstance(place[-1], int) or trees.reach(tree, place) is None:
        return False
    try:
        specimen.mapping.hear_values(trees.without(tree, place), specimen.context)
    except DocumentRefused as refused:
        return any(error.code == "missing_field" for error in refused.errors)
    except HubError:
        return False
    return False

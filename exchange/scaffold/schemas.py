"""JSON Schemas of an OpenAPI document as fields and examples; references local and bounded."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from exchange.errors import Refused
from exchange.scaffold.shape import Leaf, Scalar, Scope

DEEPEST, MOST_FIELDS, MOST_STEPS = 16, 2000, 20_000
_CHINESE = re.compile(r"(?<!\w)([0-9A-Za-z_]{1,12})\s*[:：=\-–—.]?\s*([\u4e00-\u9fff]+)")
_ENGLISH = re.compile(r"(?<!\w)([0-9A-Za-z_]{1,12})\s*[:=]\s*([A-Za-z][A-Za-z_ ]*[A-Za-z])")
Above = frozenset[str]


def mapping(value: Any) -> Mapping[str, Any]:
    """An object, or an empty one for anything else."""
    return value if isinstance(value, dict) else {}


@dataclass(slots=True)
class Schemas:
    """The schemas of one document; every step is counted, so that no document keeps us for ever."""

    document: Mapping[str, Any]
    steps: int = 0

    def resolved(self, said: Any) -> Any:
        """What a local reference leads to; Refused import_outside, bad_reference, too_many."""
        return self._followed(said, frozenset())[0]

    def fields(self, schema: Any) -> Scope:
        """The fields of a schema; a schema within itself is left out."""
        found = _Fields()
        self._fields(schema, "", found, frozenset())
        return found.scope

    def example(self, schema: Any) -> Any:
        """A value put together from the examples of the fields; None when one has none."""
        value = self._example(schema, frozenset())
        return None if _lacks(value) else value

    def flattened(self, schema: Any, above: Above) -> tuple[dict[str, Any], Above]:
        """A schema with allOf put together and the first of oneOf or anyOf taken; empty within itself."""
        said, above = self._followed(schema, above)
        held = dict(mapping(said))
        for one in (*_some(held, "allOf"), *_some(held, "oneOf")[:1], *_some(held, "anyOf")[:1]):
            part, above = self.flattened(one, above)
            properties = {**mapping(held.get("properties")), **mapping(part.get("properties"))}
            held = {**part, **held} | ({"properties": properties} if properties else {})
        return held, above

    def _followed(self, said: Any, above: Above) -> tuple[Any, Above]:
        while isinstance(said, dict) and isinstance(said.get("$ref"), str):
            reference = said["$ref"]
            if reference in above or len(above) > DEEPEST:
                return {}, above
            said, above = self._target(reference), above | {reference}
        self._step()
        return said, above

    def _step(self) -> None:
        self.steps += 1
        if self.steps > MOST_STEPS:
            raise Refused("too_many", f"more than {MOST_STEPS} schemas within schemas")

    def _target(self, reference: str) -> Any:
        if not reference.startswith("#/"):
            raise Refused("import_outside", "a reference leads out of the document", reference[:200])
        found: Any = self.document
        for step in reference[2:].split("/"):
            found = mapping(found).get(step.replace("~1", "/").replace("~0", "~"))
        if found is None:
            raise Refused("bad_reference", "a reference leads nowhere", reference[:200])
        return found

    def _fields(self, schema: Any, at: str, found: _Fields, above: Above) -> None:
        held, above = self.flattened(schema, above)
        if properties := mapping(held.get("properties")):
            for name, below in properties.items():
                self._fields(below, f"{at}/{name}" if at else str(name), found, above)
        elif "items" in held:
            self._list(held["items"], at, found, above)
        elif at and held:
            found.leaf(at, held)

    def _list(self, items: Any, at: str, found: _Fields, above: Above) -> None:
        held, _ = self.flattened(items, above)
        if mapping(held.get("properties")):
            inner = _Fields()
            self._fields(items, "", inner, above)
            found.lists[at] = inner.scope
        elif at and held:
            found.leaf(at, held)

    def _example(self, schema: Any, above: Above) -> Any:
        held, above = self.flattened(schema, above)
        if values := _examples(held):
            return values[0]
        if properties := mapping(held.get("properties")):
            found = {name: self._example(below, above) for name, below in properties.items()}
            needed = _some(held, "required")
            return {name: one for name, one in found.items() if name in needed or not _lacks(one)} or None
        return [self._example(held["items"], above)] if "items" in held else None


@dataclass(slots=True)
class _Fields:
    """The fields of one scope as they are found."""

    leaves: dict[str, Leaf] = field(default_factory=dict)
    lists: dict[str, Scope] = field(default_factory=dict)

    @property
    def scope(self) -> Scope:
        return Scope(tuple(self.leaves.values()), self.lists)

    def leaf(self, at: str, held: Mapping[str, Any]) -> None:
        if len(self.leaves) >= MOST_FIELDS:
            raise Refused("too_many", f"more than {MOST_FIELDS} fields", at[:200])
        description = str(held.get("description", ""))
        short = re.split(r"[,，;；(（:：。\s]", description.strip())[0]
        labels = tuple(one for one in (str(held.get("title", "")), short) if one)
        values = tuple(one for one in _examples(held) if isinstance(one, Scalar))
        self.leaves[at] = Leaf(at, values, labels, _codes(held, description))


def _some(held: Mapping[str, Any], key: str) -> list[Any]:
    found = held.get(key)
    return found if isinstance(found, list) else []


def _examples(held: Mapping[str, Any]) -> list[Any]:
    single = [held[key] for key in ("example", "const") if held.get(key) is not None]
    return single or _some(held, "examples")


def _lacks(value: Any) -> bool:
    """Whether some field of a put-together example has none."""
    if isinstance(value, dict):
        return any(_lacks(one) for one in value.values())
    return value is None or (isinstance(value, list) and any(_lacks(one) for one in value))


def _codes(held: Mapping[str, Any], description: str) -> dict[str, str]:
    """The codes of an enumeration with the words the contract has for them."""
    codes = [str(one) for one in _some(held, "enum") if isinstance(one, Scalar)]
    for key in ("x-enum-descriptions", "x-enumNames", "x-enum-varnames"):
        if len(named := _some(held, key)) == len(codes):
            return dict(zip(codes, map(str, named), strict=True))
    words = dict(_pairs(description))
    return {code: words.get(code, "") for code in codes}


def _pairs(description: str) -> Iterator[tuple[str, str]]:
    for form in (_ENGLISH, _CHINESE):
        yield from ((match[1], match[2]) for match in form.finditer(description))

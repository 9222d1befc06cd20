"""What a new version of a schema breaks for partners that were built against the old one (docs/wire.md §10).

`sent` is what partners send and the hub reads: nothing that was accepted may be refused. `received` is what
the hub sends and partners read: nothing may come that the old schema did not announce, except members that
are new, which a reader passes over. A message that travels both ways keeps to both.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Literal

Schema = dict[str, Any]
Direction = Literal["sent", "received", "both"]

_WORDS = frozenset(
    {"title", "description", "$comment", "examples", "x-code-list", "x-meaning", "$id", "$schema", "$defs"}
)
_LEAST = frozenset({"minLength", "minItems", "minimum", "exclusiveMinimum", "minProperties"})
_MOST = frozenset({"maxLength", "maxItems", "maximum", "exclusiveMaximum", "maxProperties"})
_OWN = frozenset({"properties", "required", "enum", "const", "type", "items", "allOf", "default"})


def compare(old: Schema, new: Schema, direction: Direction = "both") -> list[str]:
    """The breaking changes, each by path and in words; none means that old partners go on working."""
    found: list[str] = []
    if direction in ("sent", "both"):
        found += _Comparison(old, new, True).below(old, new, "")
    if direction in ("received", "both"):
        found += _Comparison(old, new, False).below(old, new, "")
    return list(dict.fromkeys(found))


class _Comparison:
    """One direction; `widening` says whether the new schema may allow more (True) or only less (False)."""

    def __init__(self, old: Schema, new: Schema, widening: bool) -> None:
        self._old, self._new, self._widening = old, new, widening

    def below(self, old: Schema, new: Schema, path: str) -> list[str]:
        """The breaking changes at a path and under it."""
        old, new = _resolved(old, self._old), _resolved(new, self._new)
        found = [*self._kinds(old, new, path), *self._bounds(old, new, path), *self._rest(old, new, path)]
        found += [*self._members(old, new, path), *self._values(old, new, path)]
        if "items" in old or "items" in new:
            found += self.below(old.get("items", {}), new.get("items", {}), f"{path}[]")
        return found

    def _members(self, old: Schema, new: Schema, path: str) -> Iterator[str]:
        before, after = old.get("properties", {}), new.get("properties", {})
        for name in sorted(before.keys() - after.keys()):
            yield f"{path}/{name}: removed"
        for name in sorted(before.keys() & after.keys()):
            yield from self.below(before[name], after[name], f"{path}/{name}")
        needed, was = set(new.get("required", ())), set(old.get("required", ()))
        if self._widening:
            yield from (f"{path}/{name}: newly required" for name in sorted(needed - was))
        else:
            yield from (
                f"{path}/{name}: no longer always there" for name in sorted((was - needed) & after.keys())
            )

    def _kinds(self, old: Schema, new: Schema, path: str) -> Iterator[str]:
        narrow, wide = (_types(old), _types(new)) if self._widening else (_types(new), _types(old))
        if wide is not None and (narrow is None or not narrow <= wide):
            word = "narrowed" if self._widening else "widened"
            yield f"{path}: type {word}"

    def _values(self, old: Schema, new: Schema, path: str) -> Iterator[str]:
        before, after = _enumerated(old), _enumerated(new)
        if self._widening and after is not None:
            gone = [value for value in before or ["any value"] if value not in after]
            yield from (f"{path}: {value} no longer accepted" for value in gone)
        if not self._widening and before is not None:
            come = [value for value in after or ["any value"] if value not in before]
            yield from (f"{path}: {value} is new to the reader" for value in come)

    def _bounds(self, old: Schema, new: Schema, path: str) -> Iterator[str]:
        tight, loose = (new, old) if self._widening else (old, new)
        word = "narrowed" if self._widening else "widened"
        for key in sorted(_LEAST & tight.keys()):
            if key not in loose or loose[key] < tight[key]:
                yield f"{path}: {key} {word}"
        for key in sorted(_MOST & tight.keys()):
            if key not in loose or loose[key] > tight[key]:
                yield f"{path}: {key} {word}"

    def _rest(self, old: Schema, new: Schema, path: str) -> Iterator[str]:
        """Patterns, formats and rules are compared as text: whether one includes another is not decided. One
        that is gone only loosens."""
        tight, loose = (new, old) if self._widening else (old, new)
        for key in sorted(tight.keys() - _WORDS - _LEAST - _MOST - _OWN):
            if tight[key] not in (loose.get(key), _NOTHING.get(key)):
                yield f"{path}: {key} changed"
        rules = {json.dumps(rule, ensure_ascii=False) for rule in loose.get("allOf", ())}
        for rule in tight.get("allOf", ()):
            if json.dumps(rule, ensure_ascii=False) not in rules:
                yield f"{path}: a rule {'came' if self._widening else 'went'}"


_NOTHING: Schema = {"additionalProperties": True, "uniqueItems": False}
"""Values that limit nothing."""


def _resolved(schema: Schema, root: Schema) -> Schema:
    """References inside the schema followed, a choice with null merged into one list of types."""
    while str(schema.get("$ref", "")).startswith("#/$defs/"):
        schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
    kinds = [one for one in schema.get("anyOf", ()) if one.get("type") != "null"]
    if len(kinds) != 1:
        return schema
    one = _resolved(kinds[0], root)
    nullable = len(schema["anyOf"]) > 1
    types = sorted({*_as_list(one.get("type", "string")), *(["null"] if nullable else [])})
    outer = {key: value for key, value in schema.items() if key != "anyOf"}
    return {**outer, **one, "type": types}


def _types(schema: Schema) -> frozenset[str] | None:
    """The JSON types a value may have, None for any."""
    if "type" in schema:
        found = frozenset(_as_list(schema["type"]))
        return found | {"integer"} if "number" in found else found
    values = _enumerated(schema)
    return frozenset(["string"]) if values and all(value[0] == '"' for value in values) else None


def _enumerated(schema: Schema) -> list[str] | None:
    """The only values there may be, as JSON; None for no such limit."""
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    return None if values is None else [json.dumps(value, ensure_ascii=False) for value in values]


def _as_list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else list(value)

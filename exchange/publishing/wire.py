"""The JSON Schema of a partner's whole document, derived from its mapping's declaration.

For XML documents it describes the wire tree: `@name` is an attribute, a repeated element an array.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from exchange.mapping.compile import model_of, parse_toml, with_fragments
from exchange.mapping.fields import Canon, canon_of
from exchange.mapping.spec import EachSpec, FieldSpec, MappingSpec
from exchange.publishing.jsonschemas import payload_schema
from exchange.publishing.wirevalues import Schema, Way, value_schema


def declaration(folder: Path, name: str) -> MappingSpec:
    """What `<name>.mapping.toml` of an adapter's folder declares, its fragments included."""
    spec = parse_toml(MappingSpec, (folder / f"{name}.mapping.toml").read_text("utf-8"))
    return with_fragments(spec, lambda part: (folder / part).read_text("utf-8"))


def document_schema(spec: MappingSpec, way: Way) -> Schema:
    """The document as the hub hears or says it."""
    model = model_of(spec)
    canonical = payload_schema(model.TYPE, ()) if model else {}
    scope = _Scope(spec, way, canonical.get("$defs", {}))
    made = scope.schema(model, canonical, spec.fields, spec.each, spec.ignore)
    for inner in reversed(spec.inner):
        _as_text(made, inner.wire, spec.form)
    return made


class _Scope:
    """Builds the schemas of one mapping's scopes."""

    def __init__(self, spec: MappingSpec, way: Way, definitions: Schema) -> None:
        self._spec, self._way, self._definitions = spec, way, definitions

    def schema(
        self, model: type[BaseModel] | None, canonical: Schema, fields: Sequence[FieldSpec],
        eaches: Sequence[EachSpec], ignore: Sequence[str], only: dict[str, tuple[str, ...]] | None = None,
    ) -> Schema:  # fmt: skip
        """One scope: the whole document, or one entry of a list."""
        node = _object()
        for name, codes in (only or {}).items():
            _place(node, name, {"type": "string", "enum": list(codes)}, True)
        for spec in fields:
            if spec.wire is not None:
                self._field(node, spec.wire, spec, model, canonical)
        for path in ignore:
            _place(node, path, {}, False)
        for wire, group in _by_wire(eaches).items():
            made = self._list(group, model, canonical)
            if wire == "":
                return made
            _place(node, wire, made, any(one.required for one in group))
        return node

    def _field(
        self, node: Schema, wire: str, spec: FieldSpec, model: type[BaseModel] | None, canonical: Schema
    ) -> None:
        path = tuple((spec.to or spec.derived or "").split("."))
        canon = canon_of(model, path) if model and path != ("",) else None
        field = self._canonical(canonical, path) if canon else {}
        if isinstance(spec.constant, dict):
            _below(_way(node, wire, True), wire.rpartition("/")[2], True)
            return
        made = value_schema(spec, canon, field, self._spec.codes, self._way, self._spec.form == "xml")
        _place(node, wire, made, _needed(spec, canon, self._way))

    def _list(self, group: list[EachSpec], model: type[BaseModel] | None, canonical: Schema) -> Schema:
        first = group[0]
        if first.key:
            return {"type": "object", "additionalProperties": {"type": ["string", "integer"]}}
        kinds = [self._kind(spec, model, canonical) for spec in group]
        items = kinds[0] if len(kinds) == 1 else {"anyOf": kinds}
        whole = self._canonical(canonical, tuple(first.to.split(".")))
        alone = len(group) == 1 and not first.only
        sizes: Schema = {key: whole[key] for key in ("minItems", "maxItems") if key in whole and alone}
        return {"type": "array", "items": items, **sizes}

    def _kind(self, spec: EachSpec, model: type[BaseModel] | None, canonical: Schema) -> Schema:
        path = tuple(spec.to.split("."))
        canon = canon_of(model, path) if model else None
        entry = self._resolved(self._canonical(canonical, path).get("items", {}))
        inner = canon.model if canon else None
        return self.schema(inner, entry, spec.fields, spec.each, spec.ignore, spec.only)

    def _canonical(self, schema: Schema, path: tuple[str, ...]) -> Schema:
        """The canonical schema of the field at a path, as of a value that is there."""
        for name in path:
            schema = self._resolved(schema.get("properties", {}).get(name, {}))
        return {key: value for key, value in schema.items() if key not in ("default", "title", "x-code-list")}

    def _resolved(self, schema: Schema) -> Schema:
        present = next(one for one in schema.get("anyOf", [schema]) if one.get("type") != "null")
        target = present.get("$ref", "").rpartition("/")[2]
        found: Schema = self._definitions.get(target, present)
        return found


def _needed(spec: FieldSpec, canon: Canon | None, way: Way) -> bool:
    """Whether a document without the value is refused, or never said."""
    if spec.when or spec.default is not None:
        return False
    if spec.to is not None or spec.derived is not None:
        return canon is not None and (canon.required if spec.required is None else spec.required)
    if spec.constant is not None:
        return spec.required is not False
    return (way == "say" or spec.heard) and spec.required is not False


def _object() -> Schema:
    return {"type": "object", "properties": {}, "required": [], "additionalProperties": False}


def _place(node: Schema, wire: str, schema: Schema, required: bool) -> None:
    """Puts a value where its wire path says, making the objects on the way."""
    node, last = _way(node, wire, required), wire.rpartition("/")[2].removesuffix("[]")
    _require(node, last, required)
    node["properties"][last] = schema


def _way(node: Schema, wire: str, required: bool) -> Schema:
    """The object that holds the last member of a wire path."""
    for part in wire.split("/")[:-1]:
        node = _below(node, part, required)
    return node


def _as_text(node: Schema, wire: str, form: str) -> None:
    """The object at a wire path travels as a document in a text."""
    holder, last = _way(node, wire, False)["properties"], wire.rpartition("/")[2]
    if last in holder:
        inside = {"contentMediaType": f"application/{form}", "contentSchema": holder[last]}
        holder[last] = {"type": "string", **inside}


def _below(node: Schema, part: str, required: bool) -> Schema:
    name = part.removesuffix("[]")
    _require(node, name, required)
    made = _object() if part == name else {"type": "array", "items": _object(), "minItems": 1, "maxItems": 1}
    child: Any = node["properties"].setdefault(name, made)
    found: Schema = child["items"] if child["type"] == "array" else child
    return found


def _require(node: Schema, name: str, required: bool) -> None:
    if required and name not in node["required"]:
        node["required"].append(name)


def _by_wire(eaches: Sequence[EachSpec]) -> dict[str, list[EachSpec]]:
    groups: dict[str, list[EachSpec]] = {}
    for spec in eaches:
        groups.setdefault(spec.wire, []).append(spec)
    return groups

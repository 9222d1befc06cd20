"""Schemas as parts of one larger document: references lead inside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ROOT = "#/components/schemas/"


def embedded(schemas: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """The schemas as `components.schemas` of an OpenAPI or AsyncAPI document."""
    return {name: _moved(_bare(schema), name) for name, schema in sorted(schemas.items())}


def reference(name: str) -> dict[str, str]:
    """A reference to an embedded schema."""
    return {"$ref": ROOT + name}


def _bare(schema: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key not in ("$schema", "$id")}


def _moved(node: Any, name: str) -> Any:
    if isinstance(node, list):
        return [_moved(one, name) for one in node]
    if not isinstance(node, dict):
        return node
    return {
        key: _target(value, name) if key == "$ref" else _moved(value, name) for key, value in node.items()
    }


def _target(reference: str, name: str) -> str:
    """`#/…` leads into the schema itself, `<name>.json` to a neighbour."""
    if reference.startswith("#"):
        return f"{ROOT}{name}{reference[1:]}"
    return ROOT + reference.removesuffix(".json")

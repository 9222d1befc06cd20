"""An OpenAPI 3 document (JSON) as a contract: calls, doors (webhooks and callbacks), schemas as fields."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from exchange.errors import Refused
from exchange.mapping import json
from exchange.scaffold.contract import Body, Contract, Operation, snake
from exchange.scaffold.guess import context_name
from exchange.scaffold.schemas import Schemas, mapping
from exchange.scaffold.shape import shape

METHODS = ("get", "post")
OTHERS = ("put", "patch", "delete", "head", "options", "trace")
MOST_OPERATIONS = 100
_HOLE = re.compile(r"\{([^{}]*)\}")


def read_openapi(document: Any, name: str, files: Mapping[str, bytes]) -> Contract:
    """The contract of an OpenAPI 3 document; Refused unsupported_contract, import_outside, too_many."""
    if not isinstance(document, dict) or not str(document.get("openapi", "")).startswith("3."):
        raise Refused("unsupported_contract", "only OpenAPI 3 is read", name)
    reader = Reader(document, Schemas(document))
    base = reader.base()
    calls = [
        one for path, way, said in reader.operations("paths") for one in reader.call(base + path, way, said)
    ]
    doors = [one for path, way, said in reader.operations("webhooks") for one in reader.door(path, way, said)]
    found = _unique([*calls, *doors])
    if not found or len(found) > MOST_OPERATIONS:
        raise Refused("no_operations", f"{len(found)} operations, 1 to {MOST_OPERATIONS} are read", name)
    info = mapping(document.get("info"))
    title, version = str(info.get("title", "")), str(info.get("version", ""))
    return Contract(
        "openapi", tuple(found), title=title, version=version, files=files, skipped=tuple(reader.skipped())
    )


def _unique(operations: list[Operation]) -> list[Operation]:
    """Operations of one name are told apart by a number."""
    seen: dict[str, int] = {}
    found = []
    for one in operations:
        seen[one.name] = seen.get(one.name, 0) + 1
        again = f"{one.name}_{seen[one.name]}"
        found.append(one if seen[one.name] == 1 else _renamed(one, again))
    return found


def _renamed(one: Operation, name: str) -> Operation:
    request = (
        Body(name, "json", scope=one.request.scope, samples=one.request.samples) if one.request else None
    )
    answer = one.answer
    if answer is not None:
        answer = Body(f"{name}_answer", "json", scope=answer.scope, samples=answer.samples, answer=True)
    return Operation(name, one.way, one.call, request, answer)


@dataclass(frozen=True, slots=True)
class Reader:
    """One document, its references resolved as they are met."""

    document: Mapping[str, Any]
    schemas: Schemas

    def base(self) -> str:
        """The path every call stands below: that of the first server."""
        servers = self.document.get("servers")
        url = str(mapping(servers[0]).get("url", "")) if isinstance(servers, list) and servers else ""
        try:
            path = urlsplit(url).path.rstrip("/")
        except ValueError:
            return ""
        return "" if "{" in path else path

    def operations(self, section: str) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
        """Path or webhook name, method and operation."""
        for path, item in mapping(self.document.get(section)).items():
            for way, said in mapping(self.schemas.resolved(item)).items():
                if way in METHODS and isinstance(said, dict):
                    yield str(path), way, said

    def skipped(self) -> Iterator[str]:
        """What the hub does not speak."""
        for path, item in mapping(self.document.get("paths")).items():
            yield from (
                f"{way.upper()} {path}: only GET and POST are called"
                for way in OTHERS
                if way in mapping(item)
            )

    def call(self, path: str, way: str, said: Mapping[str, Any]) -> Iterator[Operation]:
        """A call of the hub, and the doors its callbacks ask for."""
        name = snake(str(said.get("operationId", ""))) or snake(path) or way
        request = self.body(name, said.get("requestBody")) if way == "post" else None
        call: dict[str, Any] = {"path": _templated(path)}
        if way == "get":
            call = {"method": "GET", **call}
        if query := self.query(said):
            call["query"] = query
        yield Operation(name, "call", {"rest": call}, request, self.answer(name, said))
        for key, item in mapping(said.get("callbacks")).items():
            for expression, below in mapping(self.schemas.resolved(item)).items():
                for how, inner in mapping(self.schemas.resolved(below)).items():
                    if how == "post" and isinstance(inner, dict):
                        yield from self.door(f"{key}" or str(expression), how, inner)

    def door(self, name: str, way: str, said: Mapping[str, Any]) -> Iterator[Operation]:
        """Something the partner sends to the hub."""
        if way == "post":
            called = snake(str(said.get("operationId", ""))) or snake(name) or "pushed"
            yield Operation(
                called, "door", {"rest": {"path": f"/{called}"}}, self.body(called, said.get("requestBody"))
            )

    def query(self, said: Mapping[str, Any]) -> dict[str, str]:
        """Query parameters that must be given, each filled from the call context."""
        found = {}
        for one in said.get("parameters", ()) if isinstance(said.get("parameters"), list) else ():
            held = mapping(self.schemas.resolved(one))
            if held.get("in") == "query" and held.get("required") is True:
                found[str(held.get("name", ""))] = _filled(str(held.get("name", "")))
        return found

    def answer(self, name: str, said: Mapping[str, Any]) -> Body | None:
        """The document of the first success."""
        answers = mapping(said.get("responses"))
        good = next((answers[key] for key in ("200", "201", "202", "2XX", "default") if key in answers), None)
        return self.body(f"{name}_answer", good, answer=True)

    def body(self, name: str, said: Any, answer: bool = False) -> Body | None:
        """The JSON document of a request or answer, with the example the contract gives."""
        content = mapping(mapping(self.schemas.resolved(said)).get("content"))
        media = next((one for kind, one in content.items() if "json" in str(kind)), None)
        if media is None:
            return None
        schema = mapping(media).get("schema", {})
        scope = self.schemas.fields(schema)
        samples = self.examples(mapping(media), schema)
        seen = shape(samples)
        scope = scope if scope.size else seen
        held = tuple((f"{name}{_nth(at)}.json", json.dumps(tree), tree) for at, tree in enumerate(samples))
        return Body(name, "json", scope=scope, samples=held, answer=answer)

    def examples(self, media: Mapping[str, Any], schema: Any) -> list[Any]:
        """Whole examples; one put together from those of the fields when there is none."""
        given = [media["example"]] if "example" in media else []
        given += [
            mapping(self.schemas.resolved(one)).get("value")
            for one in mapping(media.get("examples")).values()
        ]
        given += (
            [self.schemas.resolved(schema)["example"]]
            if "example" in mapping(self.schemas.resolved(schema))
            else []
        )
        whole = [one for one in given if isinstance(one, dict | list)]
        built = None if whole else self.schemas.example(schema)
        return whole or ([] if built is None else [built])


def _templated(path: str) -> str:
    """A path with its holes named by the call context; what is not known is a TODO."""
    named = _HOLE.sub(lambda hole: _filled(hole[1]), path)
    return f"TODO: {path}" if "TODO" in named else named


def _filled(name: str) -> str:
    found = context_name(name)
    return f"{{{found}}}" if found else "TODO: what stands here"


def _nth(at: int) -> str:
    return f"--{at + 1}" if at else ""

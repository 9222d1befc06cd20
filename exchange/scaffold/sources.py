"""The files a scaffold is made from: told apart by what they hold, samples put with their documents."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from exchange.errors import Refused
from exchange.mapping import json, xml
from exchange.mapping.conversions import Form
from exchange.mapping.inner import inner_documents
from exchange.mapping.spec import Inner
from exchange.scaffold.contract import FILE_NAME, Body, Contract, Operation, snake
from exchange.scaffold.openapi import read_openapi
from exchange.scaffold.sampled import named
from exchange.scaffold.shape import Leaf, shape
from exchange.scaffold.wsdl import is_wsdl, read_wsdl
from exchange.seals.safexml import parse, parse_text

LARGEST = 4 * 1024 * 1024  # bytes of a file
ANSWER = "_answer"
MOST_INNER = 8  # documents inside one document


@dataclass(frozen=True, slots=True)
class Sample:
    """One document as it came; `name` is its document, `tree` what it holds below `root`."""

    name: str
    file: str
    body: bytes
    form: Any
    root: str | None
    namespace: str
    tree: Any


def read_sources(paths: Sequence[Path], takes: bool = False) -> Contract:
    """The contract of these files: at most one WSDL or OpenAPI document, and samples. `takes`: documents of
    samples alone are sent to the partner, else it sends them. Refused."""
    contract: Contract | None = None
    samples: list[Sample] = []
    for path in paths:
        found = _read(path)
        if isinstance(found, Contract):
            if contract is not None:
                raise Refused("two_contracts", "one WSDL or OpenAPI document is read at a time", path.name)
            contract = found
        else:
            samples.append(found)
    return _of_samples(samples, takes) if contract is None else _with(contract, samples)


def _read(path: Path) -> Contract | Sample:
    if not FILE_NAME(path.name) or path.name == "contract.md":
        raise Refused("bad_name", "a file name is of letters, digits, . _ and -", ascii(path.name[:100]))
    if path.suffix.lower() in (".yaml", ".yml"):
        raise Refused("yaml_not_read", "YAML is not read: save the document as JSON", path.name)
    with path.open("rb") as file:
        body = file.read(LARGEST + 1)
    if len(body) > LARGEST:
        raise Refused("too_large", f"more than {LARGEST} bytes", path.name)
    return _json(path, body) if body.lstrip()[:1] in (b"{", b"[") else _xml(path, body)


def _json(path: Path, body: bytes) -> Contract | Sample:
    tree = json.loads(body)
    if isinstance(tree, dict) and ({"openapi", "swagger", "asyncapi"} & tree.keys()):
        return read_openapi(tree, path.name, {path.name: body})
    return Sample(_document(path), path.name, body, "json", None, "", tree)


def _xml(path: Path, body: bytes) -> Contract | Sample:
    root = parse(body)
    if is_wsdl(root):
        return read_wsdl(path)
    namespace, _, name = root.tag.removeprefix("{").rpartition("}")
    tree = xml.read(body, name, namespace)
    return Sample(_document(path), path.name, body, "xml", name, namespace, tree)


def _document(path: Path) -> str:
    name = snake(named(path))
    if not name:
        raise Refused("bad_name", "a sample's file name begins with the name of its document", path.name)
    return name


def _bodies(samples: Iterable[Sample]) -> dict[str, Body]:
    """The documents these samples show."""
    found: dict[str, list[Sample]] = {}
    for one in samples:
        found.setdefault(one.name, []).append(one)
    return {name: _body(name, held) for name, held in found.items()}


def _body(name: str, held: list[Sample]) -> Body:
    first = held[0]
    if any((one.form, one.root, one.namespace) != (first.form, first.root, first.namespace) for one in held):
        raise Refused("two_forms", "the samples of one document differ in form or root", name)
    trees, inner = opened([one.tree for one in held], first.form)
    files = tuple(
        (_held_as(one, at), one.body, tree) for at, (one, tree) in enumerate(zip(held, trees, strict=True))
    )
    answer = name.endswith(ANSWER)
    return Body(name, first.form, first.root, first.namespace, shape(trees), files, answer, inner)


def opened(trees: list[Any], form: Form) -> tuple[list[Any], tuple[Inner, ...]]:
    """The trees with every text that is a document of its own opened, and where those were."""
    found: list[Inner] = []
    for _ in range(MOST_INNER):
        inner = next((one for leaf in shape(trees).leaves if (one := _inner(leaf, form)) is not None), None)
        if inner is None:
            break
        (document,) = inner_documents([inner], form)
        trees, found = [document.opened(tree) for tree in trees], [*found, inner]
    return trees, tuple(found)


def _inner(leaf: Leaf, form: Form) -> Inner | None:
    texts = [value.strip() for value in leaf.values if isinstance(value, str)]
    sign = "<" if form == "xml" else ("{", "[")
    if not texts or "@" in leaf.path or not all(text.startswith(sign) for text in texts):
        return None
    try:
        if form == "json":
            return (
                Inner(wire=leaf.path)
                if all(isinstance(json.loads(text), dict | list) for text in texts)
                else None
            )
        roots = {str(parse_text(text).tag) for text in texts}
    except Refused:
        return None
    return Inner(wire=leaf.path, root=roots.pop()) if len(roots) == 1 and "{" not in min(roots) else None


def _held_as(one: Sample, at: int) -> str:
    return f"{one.name}{f'--{at + 1}' if at else ''}.{one.form}"


def _of_samples(samples: list[Sample], takes: bool) -> Contract:
    if not samples:
        raise Refused("no_source", "a WSDL, an OpenAPI document or a sample is needed")
    bodies = _bodies(samples)
    answers = {name: one for name, one in bodies.items() if one.answer}
    found = []
    for name, body in bodies.items():
        answer = answers.pop(f"{name}{ANSWER}", None)
        if not body.answer:
            call = {"path": "TODO: path of the partner's service" if takes else f"/{{name}}/{name}"}
            found.append(Operation(name, "call" if takes else "door", {"rest": call}, body, answer))
    if answers or not found:
        raise Refused("answer_alone", f"{next(iter(answers))} answers no document", None)
    return Contract("samples", tuple(found), files={one.file: one.body for one in samples})


def _with(contract: Contract, samples: list[Sample]) -> Contract:
    """Samples put with the calls of a contract: `create_notice.xml`, `create_notice_answer.xml`."""
    bodies = _bodies(samples)
    found = []
    for one in contract.operations:
        name = snake(one.name)
        request, answer = bodies.pop(name, None), bodies.pop(f"{name}{ANSWER}", None)
        found.append(replace(one, request=_seen(one.request, request), answer=_seen(one.answer, answer)))
    if bodies:
        names = ", ".join(snake(one.name) for one in contract.operations)
        raise Refused("no_operation", f"{next(iter(bodies))} is no document of {names[:300]}", None)
    return replace(contract, operations=tuple(found))


def _seen(told: Body | None, shown: Body | None) -> Body | None:
    """What the contract tells of a document with the samples of it."""
    if told is None or shown is None:
        return shown or told
    leaves = {one.path: one for one in shown.scope.leaves} | {
        one.path: replace(one, values=_values(shown, one.path) or one.values) for one in told.scope.leaves
    }
    lists = {**shown.scope.lists, **told.scope.lists}
    return replace(
        told,
        scope=replace(told.scope, leaves=tuple(leaves.values()), lists=lists),
        samples=shown.samples,
        inner=shown.inner,
    )


def _values(shown: Body, path: str) -> tuple[Any, ...]:
    return next((one.values for one in shown.scope.leaves if one.path == path), ())

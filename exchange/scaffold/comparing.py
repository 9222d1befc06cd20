"""A finished mapping's samples against the canonical values beside them, heard and said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from exchange.errors import HubError, Misconfigured
from exchange.mapping.compile import compile_mapping
from exchange.mapping.complaints import complaints
from exchange.mapping.refusal import DocumentRefused
from exchange.mapping.run import WireMapping
from exchange.scaffold.opened import Opened, read_text
from exchange.scaffold.points import Point
from exchange.scaffold.sampled import Sample


def compared(folder: Path, opened: Opened, samples: list[Sample], said: bool) -> Iterator[Point]:
    """A finished mapping's samples against the canonical values beside them; what the hub sends (`said`) is
    said again."""
    try:
        mapping = compile_mapping(opened.name, opened.text, lambda part: read_text(folder / part))
    except Misconfigured as fault:
        yield Point("broken", opened.file, 1, fault.where or "/", str(fault), "correct the file")
        return
    for sample in samples:
        if sample.expected is not None:
            found = list(_differences(mapping, sample))
            yield from found or (_unsaid(mapping, sample) if said else ())


def _differences(mapping: WireMapping, sample: Sample) -> Iterator[Point]:
    expected = dict(sample.expected or {})
    try:
        heard = content_of(mapping, sample.raw, dict(expected.get("context", {})))
    except DocumentRefused as refused:
        for error in refused.errors:
            detail = f"{error.code}: {error.detail}"
            yield Point("bad_value", sample.file, 1, error.path, detail, "correct the mapping or the sample")
        return
    wanted = blurred(without(expected["payload"], mapping.loses), mapping.blurs)
    for path, left, right in differing(heard, wanted):
        detail = f"the mapping says {left!r}, the canonical value {right!r}"
        do = "see in the contract who is right"
        yield Point("sample_differs", sample.beside, 1, path or "/", detail, do)


def _unsaid(mapping: WireMapping, sample: Sample) -> Iterator[Point]:
    """Where saying the canonical value does not give the sample."""
    expected = dict(sample.expected or {})
    try:
        payload = mapping.model.model_validate(expected["payload"]) if mapping.model else None
        tree = mapping.read(mapping.write(mapping.say(payload, dict(expected.get("context", {})))))
    except ValidationError as fault:
        for loc, code, detail in complaints(fault):
            path = ".".join(map(str, loc)) or "/"
            do = "write it as well: the hub says whole messages"
            yield Point("sample_differs", sample.beside, 1, path, f"{code}: {detail}", do)
        return
    except HubError as fault:
        do = "correct the canonical value or its context"
        yield Point("sample_differs", sample.beside, 1, fault.where or "/", str(fault), do)
        return
    for path, left, right in differing(tree, sample.raw):
        detail = f"the hub would say {left!r}, the sample {right!r}"
        do = "correct the mapping, the canonical value or its context"
        yield Point("sample_differs", sample.file, 1, path or "/", detail, do)


def content_of(mapping: WireMapping, tree: Any, context: Mapping[str, Any]) -> Any:
    """What a document says, in the JSON form of its message; DocumentRefused."""
    if mapping.model is None:
        return None if not mapping.hear_values(tree, context) else {}
    if mapping.direction == "say":
        return plain(mapping.model, mapping.hear_values(tree, context))
    content = mapping.hear(tree, context).model_dump(mode="json", exclude_none=True)
    return without(content, mapping.loses)


def plain(model: Any, values: Mapping[str, Any]) -> Any:
    """Heard values in the JSON form of the message, whole or not."""
    return model.model_construct(**values).model_dump(mode="json", exclude_none=True, warnings=False)


def without(content: Any, loses: tuple[str, ...]) -> Any:
    """The content without what the mapping says it loses."""
    for name in loses:
        content = _dropped(content, name.split("."))
    return content


def _dropped(content: Any, path: list[str]) -> Any:
    if isinstance(content, list | tuple):
        return [_dropped(one, path) for one in content]
    if not isinstance(content, dict):
        return content
    if len(path) == 1:
        return {name: one for name, one in content.items() if name != path[0]}
    return {name: _dropped(one, path[1:]) if name == path[0] else one for name, one in content.items()}


def blurred(content: Any, blurs: Mapping[str, Mapping[str, str]]) -> Any:
    """The content as it is heard after a coarse code list said it."""
    for name, heard_as in blurs.items():
        content = _blurred(content, name.split("."), heard_as)
    return content


def _blurred(content: Any, path: list[str], heard_as: Mapping[str, str]) -> Any:
    if isinstance(content, list | tuple):
        return [_blurred(one, path, heard_as) for one in content]
    if not isinstance(content, dict) or path[0] not in content:
        return content
    held = content[path[0]]
    changed = heard_as.get(held, held) if len(path) == 1 else _blurred(held, path[1:], heard_as)
    return {**content, path[0]: changed}


def differing(left: Any, right: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Where two JSON values differ."""
    if isinstance(left, dict) and isinstance(right, dict):
        for name in [*left, *(one for one in right if one not in left)]:
            yield from differing(left.get(name), right.get(name), f"{path}.{name}" if path else str(name))
    elif isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        for index, (one, other) in enumerate(zip(left, right, strict=True)):
            yield from differing(one, other, f"{path}[{index}]")
    elif left != right:
        yield path, left, right

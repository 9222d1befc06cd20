"""A mapping as it is being written: every line it declares with its place in the files."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from canonical.messages import PAYLOADS, Payload
from exchange.errors import Misconfigured
from exchange.mapping.compile import with_fragments
from exchange.mapping.fields import canon_of
from exchange.mapping.spec import EachSpec, FieldSpec, Fragment, MappingSpec
from exchange.scaffold.points import Point

Kind = TypeVar("Kind", bound=BaseModel)
SUFFIX = ".mapping.toml"
LARGEST = 1024 * 1024  # bytes of a file that a person writes
_WIRE = re.compile(r"""(?<![\w-])wire\s*=\s*(?:"((?:[^"\\]|\\.)*)"|'([^']*)')""")


@dataclass(frozen=True, slots=True)
class Line:
    """One declared value or list: `wire` is its whole path without indexes, `inside` the canonical list its
    scope belongs to (with a full stop at the end)."""

    spec: FieldSpec | EachSpec
    file: str
    line: int
    wire: str
    inside: str

    @property
    def name(self) -> str:
        """What a report calls it."""
        return self.wire or (self.spec.to or "/")


@dataclass(frozen=True, slots=True)
class Opened:
    """One mapping file with its fragments; `broken` is why it cannot be read further."""

    name: str
    text: str
    spec: MappingSpec | None
    lines: tuple[Line, ...]
    broken: tuple[Point, ...] = ()

    @property
    def file(self) -> str:
        """The file's name in the folder."""
        return f"{self.name}{SUFFIX}"

    @property
    def model(self) -> type[Payload] | None:
        """The message's model, if the message is known."""
        return PAYLOADS.get(self.spec.message or "") if self.spec else None

    def line_of(self, key: str) -> int:
        """Where a top-level key stands, else 1."""
        return line_with(self.text, rf"^\s*{key}\s*=")

    def models(self) -> Mapping[str, tuple[type[BaseModel], str]]:
        """The scopes by wire path of their list: model of an entry and canonical path with a full stop."""
        model = self.model
        if model is None or self.spec is None:
            return {}
        return {"": (model, "")} | dict(_scopes(self.spec.each, model, "", ""))


def open_mapping(folder: Path, name: str) -> Opened:
    """The mapping file `name`; whatever is wrong with the files is in `broken`."""
    file = f"{name}{SUFFIX}"
    try:
        text = read_text(folder / file)
        spec, broken = parsed(MappingSpec, text, file)
        if spec is None:
            return Opened(name, text, None, (), broken)
        lines = [line for part in spec.include for line in _fragment_lines(folder, part)]
        lines += _lines(spec, file, text)
        whole = with_fragments(spec, lambda part: read_text(folder / part))
    except Misconfigured as fault:
        return Opened(name, "", None, (), (broken_point(file, fault),))
    return Opened(name, text, whole, tuple(lines))


def read_text(path: Path) -> str:
    """A file of the folder; Misconfigured when it is absent, too large or not UTF-8."""
    try:
        with path.open("rb") as file:
            body = file.read(LARGEST + 1)
        if len(body) > LARGEST:
            raise Misconfigured("too_large", f"more than {LARGEST} bytes", path.name)
        return body.decode()
    except OSError as fault:
        raise Misconfigured("file_missing", fault.strerror or "cannot be read", path.name) from fault
    except UnicodeDecodeError as fault:
        raise Misconfigured("bad_text", "not UTF-8", path.name) from fault


def parsed(kind: type[Kind], text: str, file: str) -> tuple[Kind | None, tuple[Point, ...]]:
    """The value of a TOML text, or every fault in it."""
    try:
        return kind.model_validate(tomllib.loads(text)), ()
    except tomllib.TOMLDecodeError as fault:
        found = re.search(r"line (\d+)", str(fault))
        line = int(found[1]) if found else 1
        return None, (Point("broken", file, line, "/", str(fault), "write it as TOML"),)
    except ValidationError as fault:
        errors = fault.errors(include_url=False, include_input=False)
        return None, tuple(_key_point(error, text, file) for error in errors)


def _key_point(error: Any, text: str, file: str) -> Point:
    keys = [part for part in error["loc"] if isinstance(part, str)]
    line = line_with(text, rf"(?:^|[\s{{,.\[]){re.escape(keys[-1])}\b") if keys else 1
    path = ".".join(map(str, error["loc"])) or "/"
    return Point("broken", file, line, path, error["msg"], "see the language in exchange/mapping/spec.py")


def broken_point(file: str, fault: Misconfigured, line: int = 1) -> Point:
    """A fault of the folder's own files."""
    return Point(
        "broken", file, line, fault.where or "/", f"{fault.code}: {fault.detail}", "correct the file"
    )


def line_with(text: str, pattern: str) -> int:
    """The first line, from 1, in which the pattern occurs; 1 when nowhere."""
    found = re.search(pattern, text, re.MULTILINE)
    return text.count("\n", 0, found.start() + len(found[0]) - len(found[0].lstrip())) + 1 if found else 1


def _fragment_lines(folder: Path, part: str) -> list[Line]:
    file = f"{part}.fragment.toml"
    text = read_text(folder / file)
    spec, _ = parsed(Fragment, text, file)
    return _lines(spec, file, text) if spec else []


def _lines(spec: MappingSpec | Fragment, file: str, text: str) -> list[Line]:
    """Every declaration with its line: declarations and their `wire` keys stand in the same order."""
    found: dict[str, list[int]] = {}
    for match in _WIRE.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        found.setdefault(match[1] if match[1] is not None else match[2], []).append(line)
    eaches = spec.each if isinstance(spec, MappingSpec) else ()
    return list(_placed(spec.fields, eaches, file, found, "", ""))


def _placed(
    fields: tuple[FieldSpec, ...], eaches: tuple[EachSpec, ...], file: str, found: dict[str, list[int]],
    above: str, inside: str,
) -> Iterator[Line]:  # fmt: skip
    for one in fields:
        yield Line(one, file, _take(found, one.wire), joined(above, one.wire or ""), inside)
    for each in eaches:
        wire = joined(above, each.wire)
        yield Line(each, file, _take(found, each.wire), wire, inside)
        yield from _placed(each.fields, each.each, file, found, wire, f"{inside}{each.to}.")


def _take(found: dict[str, list[int]], wire: str | None) -> int:
    places = found.get(wire or "", [])
    return (places.pop(0) if len(places) > 1 else places[0]) if places else 1


def joined(above: str, wire: str) -> str:
    """A wire path below another, without marks of single entries."""
    return "/".join(part for part in (above, wire.replace("[]", "")) if part)


def _scopes(
    eaches: tuple[EachSpec, ...], model: type[BaseModel], above: str, inside: str
) -> Iterator[tuple[str, tuple[type[BaseModel], str]]]:
    for each in eaches:
        canon = canon_of(model, tuple(each.to.split(".")))
        if canon is not None and canon.model is not None:
            wire, path = joined(above, each.wire), f"{inside}{each.to}."
            yield wire, (canon.model, path)
            yield from _scopes(each.each, canon.model, wire, path)

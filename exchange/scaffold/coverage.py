"""What a mapping declares against what the message needs: unread wire fields, unfilled canonical ones."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from exchange.errors import Misconfigured
from exchange.mapping.fields import canon_of, leaves
from exchange.mapping.scope import Builder, Built, uncovered
from exchange.mapping.spec import EachSpec, FieldSpec, MappingSpec
from exchange.scaffold import writing
from exchange.scaffold.guess import Guess, candidates, context_name
from exchange.scaffold.opened import Line, Opened, broken_point
from exchange.scaffold.points import Edit, Kind, Point
from exchange.scaffold.shape import Leaf

COVERED = ("unfilled_field", "unmapped_field")  # told better from here
_ONE_LINE = re.compile(r"\s*\{.*\},?\s*(?:#.*)?")


def sourceless(spec: FieldSpec) -> bool:
    """Whether a line does not say yet where its value goes."""
    return spec.todo is not None and all(
        one is None for one in (spec.to, spec.fill, spec.derived, spec.digest, spec.constant)
    )


def lenient(spec: MappingSpec, model: type[BaseModel] | None) -> tuple[Built, tuple[Misconfigured, ...]]:
    """The mapping built as far as it goes, and every fault in the way; open fields are passed over."""
    faults: list[Misconfigured] = []
    fields, eaches, ignore = _settled(spec)
    builder = Builder(spec.form, spec.codes, spec.loses, faults.append)
    built = builder.build(model, fields, eaches, ignore)
    return built, tuple(fault for fault in faults if fault.code not in COVERED)


def _settled(
    scope: MappingSpec | EachSpec,
) -> tuple[tuple[FieldSpec, ...], tuple[EachSpec, ...], tuple[str, ...]]:
    fields = tuple(one for one in scope.fields if not sourceless(one))
    open_wires = tuple(one.wire for one in scope.fields if sourceless(one) and one.wire)
    open_wires += tuple(one.wire for one in scope.each if one.to == "?" and one.wire)
    eaches = tuple(_settled_each(one) for one in scope.each if one.to != "?")
    return fields, eaches, (*scope.ignore, *open_wires)


def _settled_each(each: EachSpec) -> EachSpec:
    fields, eaches, ignore = _settled(each)
    return each.model_copy(update={"fields": fields, "each": eaches, "ignore": ignore})


def declared_points(opened: Opened, leaves_of: Mapping[str, Leaf]) -> Iterator[Point]:
    """What the lines themselves leave open."""
    if opened.spec is None:
        return
    if opened.spec.todo is not None:
        at = opened.line_of("todo")
        edit = Edit(opened.file, at, None) if opened.spec.todo.startswith("confirm") else None
        yield Point("todo", opened.file, at, "/", opened.spec.todo, "settle it and take the line out", edit)
    for line in opened.lines:
        yield from _codes(line)
        if line.spec.todo is not None:
            leaf = leaves_of.get(line.wire, Leaf(line.wire))
            yield _open_line(opened, line, leaf)


def _codes(line: Line) -> Iterator[Point]:
    codes = line.spec.codes if isinstance(line.spec, FieldSpec) else None
    for code, name in codes.items() if isinstance(codes, dict) else ():
        if name == "?":
            detail, do = f"nobody knows what code {code} means", f"write its name for {line.spec.to} in codes"
            yield Point("unknown_code", line.file, line.line, line.name, detail, do)


def _open_line(opened: Opened, line: Line, leaf: Leaf) -> Point:
    spec = line.spec
    if isinstance(spec, FieldSpec) and sourceless(spec):
        best = suggestions(opened, line.wire, leaf)
        return unread(opened, line.file, line.line, line.name, best, leaf, opened.text)
    if isinstance(spec, EachSpec) and spec.to == "?":
        return Point("unread", line.file, line.line, line.name, spec.todo or "", "name its list with to")
    edit = _edited(opened, line, {"todo": None})
    return Point("unconfirmed", line.file, line.line, line.name, spec.todo or "", "then take todo out", edit)


def suggestions(opened: Opened, wire: str, leaf: Leaf) -> list[dict[str, Any]]:
    """Whole lines for this wire field, the likeliest first."""
    above, model, inside = _scope_of(opened, wire)
    own = wire.removeprefix(above).removeprefix("/")
    if model is None or opened.spec is None:
        name = context_name(own.rsplit("/", 1)[-1])
        return [{"wire": own, "fill": name}] if name and opened.spec and opened.spec.message is None else []
    filled = {line.spec.to for line in opened.lines if line.inside == inside}
    here = Leaf(own, leaf.values, leaf.labels, leaf.codes, leaf.required)
    found = candidates(here, opened.spec.message or "", model, inside, opened.spec.form)
    return [_written(guess) for guess in found if guess.to not in filled][:3]


def _written(guess: Guess) -> dict[str, Any]:
    return {"wire": guess.wire, "to": guess.to, **guess.entry}


def _scope_of(opened: Opened, wire: str) -> tuple[str, type[BaseModel] | None, str]:
    """The innermost declared list around a wire path."""
    models = opened.models()
    around = [one for one in models if one == "" or wire.startswith(f"{one}/")]
    above = max(around, key=len, default="")
    model, inside = models.get(above, (None, ""))
    return above, model, inside


def unread(
    opened: Opened, file: str, line: int, name: str, best: list[dict[str, Any]], leaf: Leaf, text: str,
    insert: bool = False,
) -> Point:  # fmt: skip
    """A wire field that nothing reads."""
    shown = f", for example {str(leaf.values[0])[:40]!r}" if leaf.values else ""
    detail = f"nothing reads it{shown}"
    if not best:
        return Point("unread", file, line, name, detail, "give it to, fill or constant, or name it in ignore")
    others = "".join(f", or {one.get('to') or one.get('fill')}" for one in best[1:])
    edit = None
    if insert or _ONE_LINE.fullmatch(_line(text, line) if file == opened.file else ""):
        edit = Edit(file, line, writing.line(best[0]), insert)
    return Point("unread", file, line, name, detail, f"perhaps {writing.value(best[0])}{others}", edit)


def _line(text: str, number: int) -> str:
    lines = text.splitlines()
    return lines[number - 1] if 0 < number <= len(lines) else ""


def _edited(opened: Opened, line: Line, change: Mapping[str, Any]) -> Edit | None:
    """The declared line with these keys changed, None takes one out."""
    if line.file != opened.file or not isinstance(line.spec, FieldSpec):
        return None
    if not _ONE_LINE.fullmatch(_line(opened.text, line.line)):
        return None
    held = line.spec.model_dump(by_alias=True, exclude_unset=True) | dict(change)
    return Edit(
        line.file, line.line, writing.line({key: one for key, one in held.items() if one is not None})
    )


def fault_points(opened: Opened, faults: tuple[Misconfigured, ...]) -> Iterator[Point]:
    """What the compiler says, each at its line; a question mark in a code table is told elsewhere."""
    for fault in faults:
        found = [line for line in opened.lines if line.spec.wire == fault.where]
        asked = [line for line in found if isinstance(line.spec, FieldSpec) and _asks(line.spec)]
        if not asked:
            at = found[0] if found else None
            file, number = (at.file, at.line) if at else (opened.file, 1)
            yield broken_point(file, fault, number)


def _asks(spec: FieldSpec) -> bool:
    return isinstance(spec.codes, dict) and "?" in spec.codes.values()


def coverage_points(opened: Opened, said_only: bool = False) -> Iterator[Point]:
    """Canonical fields that nothing fills, in every scope; what is only said need not become a message
    again."""
    spec, model = opened.spec, opened.model
    if spec is None or model is None:
        return
    open_paths = list(_uncovered(spec, model, spec.loses, ""))
    may_lose = spec.direction == "say" or (said_only and "direction" not in spec.model_fields_set)
    loses = [*spec.loses, *(path for path, needed in open_paths if not needed or may_lose)]
    say = may_lose and spec.direction != "say" and any(needed for _, needed in open_paths)
    edit = _loses(opened, _whole_parts(loses, model), say)
    for path, needed in open_paths:
        line = opened.line_of("fields")
        if needed and not may_lose:
            do = f"find the wire field, or fill it with {{ given = …, to = {path!r} }}, or say direction"
            yield Point("unfilled", opened.file, line, path, "the message needs it and nothing fills it", do)
        else:
            kind: Kind = "unfilled" if needed else "unmapped"
            do = "map it, or say direction and name it in loses" if needed else "map it or name it in loses"
            yield Point(kind, opened.file, line, path, "nothing fills it", do, edit)


def _whole_parts(loses: list[str], model: type[BaseModel]) -> list[str]:
    """A part of which every field is lost is named as one."""
    found = []
    for name in loses:
        first = name.partition(".")[0]
        canon = canon_of(model, (first,))
        single = canon is not None and canon.model is not None and not canon.repeated
        inner = [".".join((first, *path)) for path in leaves(canon.model)] if canon and canon.model else []
        found.append(first if single and set(inner) <= set(loses) else name)
    return list(dict.fromkeys(found))


def _uncovered(
    scope: MappingSpec | EachSpec, model: type[BaseModel], loses: tuple[str, ...], inside: str
) -> Iterator[tuple[str, bool]]:
    named = [one.to for one in scope.fields if one.to] + [one.to for one in scope.each]
    filled = frozenset(tuple(to.split(".")) for to in named)
    for path, canon in uncovered(model, filled, loses):
        yield f"{inside}{'.'.join(path)}", canon.required
    known = leaves(model)
    for each in scope.each:
        found = known.get(tuple(each.to.split(".")))
        if found is not None and found.model is not None and each.key is None:
            inner = tuple(one.removeprefix(f"{each.to}.") for one in loses if one.startswith(f"{each.to}."))
            yield from _uncovered(each, found.model, inner, f"{inside}{each.to}.")


def _loses(opened: Opened, loses: list[str], say: bool) -> Edit | None:
    """The line of `loses`, or a new one after `form`."""
    written = ('direction = "say"\n' if say else "") + f"loses = {writing.value(loses)}"
    if opened.spec is not None and opened.spec.loses:
        line = opened.line_of("loses")
        return Edit(opened.file, line, written) if "]" in _line(opened.text, line) else None
    return Edit(opened.file, opened.line_of("form"), written, insert=True)

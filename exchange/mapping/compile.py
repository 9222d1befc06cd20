"""From a mapping file to a WireMapping; whatever is wrong with the file is Misconfigured here, at start-
up."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from canonical.messages import PAYLOADS, Payload
from exchange.errors import Misconfigured
from exchange.mapping.conversions import NARROWING
from exchange.mapping.fields import Path, canon_of, leaves
from exchange.mapping.inner import inner_documents
from exchange.mapping.run import Given, WireMapping
from exchange.mapping.scalars import blurred, steps
from exchange.mapping.scope import Builder, Built, check_filled
from exchange.mapping.spec import EachSpec, FieldSpec, Fragment, MappingSpec

Reader = Callable[[str], str]
"""File name in the adapter's folder -> its text."""
Kind = TypeVar("Kind", bound=BaseModel)


def compile_mapping(name: str, text: str, read: Reader | None = None) -> WireMapping:
    """The mapping of this TOML text; `read` opens the fragments it includes. Misconfigured names file and
    key."""
    try:
        return compile_spec(name, with_fragments(parse_toml(MappingSpec, text), read))
    except Misconfigured as fault:
        where = f"{name}.mapping.toml" + (f": {fault.where}" if fault.where else "")
        raise Misconfigured(fault.code, fault.detail, where) from None


def read_mapping(text: str, read: Reader) -> MappingSpec:
    """As written, with its fragments; Misconfigured."""
    return with_fragments(parse_toml(MappingSpec, text), read)


def parse_toml(kind: type[Kind], text: str) -> Kind:
    """A frozen value of a TOML text; Misconfigured names the first wrong key."""
    try:
        return kind.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as fault:
        raise Misconfigured("bad_toml", str(fault)) from None
    except ValidationError as fault:
        first = fault.errors(include_url=False, include_input=False)[0]
        raise Misconfigured("bad_key", first["msg"], ".".join(map(str, first["loc"])) or None) from None


def with_fragments(spec: MappingSpec, read: Reader | None) -> MappingSpec:
    """The mapping with the fields and code tables of the fragments it includes; Misconfigured."""
    fields: tuple[FieldSpec, ...] = ()
    codes: dict[str, dict[str, str]] = {}
    for name in spec.include:
        if read is None:
            raise Misconfigured("no_fragment", f"nothing to read {name} from", "include")
        part = parse_toml(Fragment, read(f"{name}.fragment.toml"))
        fields, codes = fields + part.fields, codes | part.codes
    return spec.model_copy(update={"fields": fields + spec.fields, "codes": codes | spec.codes})


def compile_spec(name: str, spec: MappingSpec) -> WireMapping:
    """The mapping of what was read, fragments included; Misconfigured."""
    _check_finished(spec)
    model = model_of(spec)
    if (spec.form == "xml") != (spec.root is not None):
        raise Misconfigured("bad_root", "an XML document needs a root, a JSON document has none", "root")
    built = Builder(spec.form, spec.codes, spec.loses).build(model, spec.fields, spec.each, spec.ignore)
    if model is not None:
        _check_whole(model, spec, built)
    return WireMapping(
        name, spec.message, spec.form, spec.root or "", spec.namespace, spec.direction, spec.loses, model,
        built.handler, built.sayer, _given(model, spec), built.places,
        tuple(one.to for one in spec.each if one.row_wise), _blurs(spec),
        inner_documents(spec.inner, spec.form), _narrows(spec),
        tuple((one.wire or "", one.digest.algorithm, one.digest.of) for one in spec.fields if one.digest),
    )  # fmt: skip


def _blurs(spec: MappingSpec) -> dict[str, dict[str, str]]:
    return {name: blurred(one, spec.codes) for name, one in _filling(spec) if one.coarse}


def _narrows(spec: MappingSpec) -> tuple[str, ...]:
    return tuple(name for name, one in _filling(spec) if one.as_ in NARROWING)


def _filling(spec: MappingSpec) -> list[tuple[str, FieldSpec]]:
    """The fields that fill canonical ones, by canonical name; in a list behind the list's name."""
    scopes = [("", spec.fields), *((f"{each.to}.", each.fields) for each in spec.each)]
    return [(f"{start}{one.to}", one) for start, below in scopes for one in below if one.to]


def _check_finished(scope: MappingSpec | EachSpec) -> None:
    """A scaffold says itself what is open: nothing runs on a guess."""
    for one in (scope, *scope.fields):
        if one.todo is not None:
            raise Misconfigured("unfinished", one.todo, getattr(one, "wire", None))
    for below in scope.each:
        _check_finished(below)


def model_of(spec: MappingSpec) -> type[Payload] | None:
    """The message's model, None for a call without one; Misconfigured unknown_message."""
    if spec.message is not None and spec.message not in PAYLOADS:
        raise Misconfigured("unknown_message", f"there is no message {spec.message}", "message")
    return PAYLOADS[spec.message] if spec.message else None


def _check_whole(model: type[Payload], spec: MappingSpec, built: Built) -> None:
    known = leaves(model)
    inside = [_lost(model, tuple(name.split(".")), built) for name in spec.loses]
    required = [".".join(path) for path, canon in known.items() if canon.required]
    lost = [path for path in required if any(path.startswith(one) for one in spec.loses)]
    lost += [name for name, needed in zip(spec.loses, inside, strict=True) if needed]
    if lost and spec.direction != "say":
        raise Misconfigured("unfilled_field", f"{lost[0]} is required and cannot be lost", "loses")
    check_filled(model, built.filled, spec.loses, "fields")


def _lost(model: type[Payload], path: Path, built: Built) -> bool:
    """Whether the lost field is one every entry of its list needs; Misconfigured bad_loss."""
    first = canon_of(model, path[:1])
    inside = first is not None and first.repeated and first.model is not None and len(path) == 2
    canon = canon_of(first.model, path[1:]) if inside and first and first.model else canon_of(model, path)
    if canon is None or path in built.filled:
        raise Misconfigured("bad_loss", f"{'.'.join(path)} is no canonical field or is filled", "loses")
    return inside and canon.required


def _given(model: type[Payload] | None, spec: MappingSpec) -> tuple[Given, ...]:
    found = []
    for one in spec.fields:
        canon = canon_of(model, (one.to,)) if one.wire is None and one.to and model is not None else None
        if canon is not None and one.to and one.given:
            hear = steps(one, canon, spec.form, spec.codes)[0] if one.as_ else None
            found.append(Given((one.to,), one.given, canon.required, hear))
    return tuple(found)

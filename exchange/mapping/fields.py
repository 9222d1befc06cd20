"""What the canonical models say about a dotted field: its Python type, code list, and whether it must be
there."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from canonical.codes import Coded, CodeList, code_list

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Canon:
    """One canonical field: `base` Python type, `item` model of a list, `list_key` of its codes; `required`
    on the way
    down to it and itself."""

    base: type
    required: bool
    repeated: bool
    model: type[BaseModel] | None
    list_key: str | None

    @property
    def codes(self) -> CodeList | None:
        """The code list whose names the field carries."""
        return code_list(self.list_key) if self.list_key else None


def canon_of(model: type[BaseModel], path: Path) -> Canon | None:
    """The field at this path; None when the model has none there, or a list is on the way."""
    found = _fields(model).get(path[0])
    if found is None:
        return None
    if len(path) == 1:
        return found
    if found.model is None or found.repeated:
        return None
    below = canon_of(found.model, path[1:])
    return below and Canon(
        below.base, below.required and found.required, below.repeated, below.model, below.list_key
    )


@cache
def _fields(model: type[BaseModel]) -> dict[str, Canon]:
    """The fields of a model, worked out once: there are as many models as message kinds."""
    return {name: _describe(info) for name, info in model.model_fields.items()}


def leaves(model: type[BaseModel], prefix: Path = ()) -> dict[Path, Canon]:
    """Every field that is a value or a list, nested single models opened."""
    found: dict[Path, Canon] = {}
    for name in model.model_fields:
        canon = canon_of(model, (name,))
        if canon is None:
            continue
        if canon.model is not None and not canon.repeated:
            below = leaves(canon.model, (*prefix, name))
            found |= {at: _weaken(one, canon.required) for at, one in below.items()}
        else:
            found[(*prefix, name)] = canon
    return found


def _weaken(canon: Canon, required: bool) -> Canon:
    return Canon(canon.base, canon.required and required, canon.repeated, canon.model, canon.list_key)


def _describe(info: FieldInfo) -> Canon:
    base, repeated, metadata = _peel(info.annotation, list(info.metadata))
    coded = next((mark.key for mark in metadata if isinstance(mark, Coded)), None)
    model = base if issubclass(base, BaseModel) else None
    return Canon(base, info.is_required(), repeated, model, coded)


def _peel(annotation: Any, metadata: list[Any], repeated: bool = False) -> tuple[type, bool, list[Any]]:
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _peel(args[0], metadata + list(args[1:]), repeated)
    if origin in (Union, UnionType):
        return _peel(next(arg for arg in args if arg is not NoneType), metadata, repeated)
    if origin is tuple:
        return _peel(args[0], metadata, True)
    return annotation if isinstance(annotation, type) else object, repeated, metadata

"""The functions: units at which a permission is granted and checked, and the menu entries they open."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType

AUDIT = "audit.view"
MANAGE, GRANT = "people.manage", "people.grant"


@dataclass(frozen=True, slots=True)
class Function:
    """`apart` names the function one person may not use on the same case or item."""

    code: str
    name: str
    group: str
    writes: bool
    apart: str | None = None


@cache
def functions() -> Mapping[str, Function]:
    """Every function by its code, in the order of functions.toml; read once."""
    text = (files("hallservice.people") / "functions.toml").read_text("utf-8")
    rows = tomllib.loads(text)["function"]
    return MappingProxyType({row["code"]: Function(**row) for row in rows})


def label(code: str) -> str:
    """窗口 · 受理; the code itself of a function that is no longer known."""
    found = functions().get(code)
    return f"{found.group} · {found.name}" if found else code


@cache
def pairs() -> Mapping[str, tuple[str, ...]]:
    """For each function the pairs it is kept apart in, each named `a|b` whichever side says so."""
    found: dict[str, set[str]] = {}
    for one in functions().values():
        if one.apart:
            pair = "|".join(sorted((one.code, one.apart)))
            found.setdefault(one.code, set()).add(pair)
            found.setdefault(one.apart, set()).add(pair)
    return MappingProxyType({code: tuple(sorted(names)) for code, names in found.items()})

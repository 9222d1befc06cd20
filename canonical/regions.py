"""The divisions the hub knows by name: Meizhou and all in it (data/regions-4414.csv, licence beside it).

A code is valid by its form (RegionCode); a division is known only if listed here. Synthetic 441499 is not.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from canonical.errors import ValueRefused
from canonical.values import RegionCode


@dataclass(frozen=True, slots=True)
class Region:
    """One division as the National Bureau of Statistics lists it; `level` is GB/T 39046 A.2."""

    code: RegionCode
    name: str
    level: str
    parent: RegionCode


@cache
def regions() -> Mapping[str, Region]:
    """Every known division by its code, from the city down; read once."""
    text = (files("canonical") / "data" / "regions-4414.csv").read_text(encoding="utf-8")
    return {row["code"]: _region(row) for row in csv.DictReader(text.splitlines())}


def _region(row: dict[str, str]) -> Region:
    return Region(RegionCode(row["code"]), row["name"], row["level"], RegionCode(row["parent"]))


def region(code: RegionCode) -> Region:
    """The division of that code; unknown_region."""
    found = regions().get(code)
    if found is None:
        raise ValueRefused("unknown_region", "no division of that code is known by name")
    return found


def full_name(code: RegionCode) -> str:
    """The name with those of the known divisions above it in front: 梅州市梅江区江南街道; unknown_region."""
    here = region(code)
    above = full_name(here.parent) if here.parent in regions() else ""
    return above + here.name


def children(code: RegionCode) -> tuple[Region, ...]:
    """The known divisions directly under this one, in the order of their codes."""
    return tuple(below for below in regions().values() if below.parent == code)

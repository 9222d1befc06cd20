"""The tree of divisions: city, counties, towns and villages as they really are, each an organisation."""

from collections.abc import Collection, Iterator

from canonical.regions import Region, regions
from canonical.values import RegionCode
from exchange.store.work import Work
from hallservice.hall import Hall
from hallservice.people.clerk import Clerk
from hallservice.people.organisations import Org, upsert
from hallservice.people.orgforms import OrgRow

CITY = RegionCode("441400000000")


def own_code(region: str) -> str:
    """The code of the organisation that stands for a division: its digits without the zeros at the end."""
    return RegionCode(region).prefix


def seed_divisions(
    hall: Hall, work: Work, by: Clerk, counties: Collection[str] | None = None, *, villages: bool = True
) -> list[Org]:
    """The city and the chosen counties (6 digits; None: all 2,395 divisions) with all that lies in them."""
    chosen = [one for one in regions().values() if _chosen(one, counties, villages)]
    return upsert(hall, work, by, list(_rows(chosen)))


def _chosen(one: Region, counties: Collection[str] | None, villages: bool) -> bool:
    if one.code == CITY:
        return True
    return (villages or one.level != "6") and (counties is None or one.code[:6] in counties)


def _rows(chosen: list[Region]) -> Iterator[OrgRow]:
    for place, one in enumerate(chosen):
        parent = "" if one.code == CITY else own_code(one.parent)
        yield OrgRow(own_code(one.code), one.name, "division", one.code, parent, place=place)

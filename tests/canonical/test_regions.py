"""The divisions of Meizhou by name, with the samples its government publishes."""

from collections import Counter

import pytest

from canonical.errors import ValueRefused
from canonical.regions import children, full_name, region, regions
from canonical.values import RegionCode

COUNTIES = {  # name, towns, villages
    "441402": ("梅江区", 7, 129),
    "441403": ("梅县区", 20, 391),
    "441422": ("大埔县", 17, 258),
    "441423": ("丰顺县", 17, 283),
    "441424": ("五华县", 16, 451),
    "441426": ("平远县", 12, 143),
    "441427": ("蕉岭县", 8, 110),
    "441481": ("兴宁市", 20, 504),
}


def test_eight_counties_with_their_towns_and_villages() -> None:
    levels = Counter((code[:6], known.level) for code, known in regions().items())
    below = {known.code[:6]: known.name for known in children(RegionCode("441400000000"))}
    counted = {code: (name, levels[code, "5"], levels[code, "6"]) for code, name in below.items()}
    assert counted == COUNTIES and len(regions()) == 2395


def test_the_list_agrees_with_what_the_codes_themselves_say() -> None:
    for known in regions().values():
        assert (known.level, known.parent) == (known.code.level, known.code.parent())


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("441402004000", "江南街道"),
        ("441403100000", "松口镇"),
        ("441424100000", "水寨镇"),
        ("441427100000", "蕉城镇"),
    ],
)
def test_published_towns(code: str, name: str) -> None:
    assert region(RegionCode(code)).name == name


def test_a_full_name_begins_with_the_city() -> None:
    assert full_name(RegionCode("441402004000")) == "梅州市梅江区江南街道"


@pytest.mark.parametrize("code", ["441499000000", "440000000000", "441402004999"])
def test_a_code_may_be_valid_and_still_unknown(code: str) -> None:
    with pytest.raises(ValueRefused) as caught:
        region(RegionCode(code))
    assert caught.value.code == "unknown_region"

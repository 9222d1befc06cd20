"""Local situations and formulas laid over an item of the province, whose own content is never touched."""

from typing import Any

import pytest

from exchange import items
from hallservice.counter.fees import standards_of
from hallservice.items import drafts, overlays, situations
from hallservice.refusals import FormRefused, HallRefused
from tests.exchange.core.rig import ITEM as PERMIT
from tests.exchange.core.rig import service_item
from tests.hallservice.counter.conftest import FEES, MATERIALS
from tests.hallservice.items.samples import Lists

QUESTION = {"label": "经营面积", "type": "integer", "options": ""}
LARGE = {"name": "较大场所", "description": "", "condition": "经营面积 > 150"}
FEE = {
    "code": "103045",
    "name": "检验费",
    "formula": "per_unit",
    "price": "12.50",
    "unit": "件",
    "least": "50.00",
}


def provincial(lists: Lists, to: int, **over: Any) -> None:
    """The province's next version of the permit."""
    said = {"materials": MATERIALS, "fees": FEES} | over
    lists.core.catalogue(service_item(PERMIT, to, **said), to=to)


def typed(lists: Lists, change: str) -> dict[str, Any]:
    """What the editor types over the materials and fees it was begun with."""
    begun = lists.hall.read(lambda connection: drafts.line_of(connection, change, 1)).content
    links = [
        row | ({"situations": "较大场所"} if row["name"] == "平面布局图" else {})
        for row in begun["materials"]
    ]
    fees = [row | (FEE if row["code"] == FEE["code"] else {}) for row in begun["fees"]]
    return {"questions": [QUESTION], "situations": [LARGE], "materials": links, "fees": fees}


def laid_over(lists: Lists) -> None:
    change = lists.begun("add", "overlay", PERMIT)
    assert lists.saved(change, typed(lists, change)) == []
    lists.published(change)


def asked(
    lists: Lists, version: int, area: str, at: float = situations.NOW
) -> tuple[list[str], dict[str, str]]:
    """The materials asked for at this size, and what twenty of each fee cost."""

    def read(connection: Any) -> tuple[list[str], dict[str, str]]:
        setup = situations.setup_of(connection, PERMIT, version, at)
        content = items.content_of(connection, PERMIT, version)
        answers = situations.answers_of(setup, {"q1": area})
        found = situations.materials_for(content, answers, setup)
        kinds = {one.code: one.formula.kind for one in standards_of(content, setup.formulas)}
        least = {
            one.code: str(getattr(one.formula, "least", None))
            for one in standards_of(content, setup.formulas)
        }
        assert set(kinds.values()) == {"per_unit"}
        return [one["name"] for one in found], least

    return lists.hall.read(read)


def doubts(lists: Lists) -> tuple[str, ...]:
    return lists.hall.read(overlays.listed)[0].doubts


ALL = [one["name"] for one in MATERIALS]
FEW = [name for name in ALL if name != "平面布局图"]


@pytest.mark.req("S3-12")
def test_situations_over_the_provinces_item_outlive_its_next_version(lists: Lists) -> None:
    provincial(lists, 2)
    before = lists.core.rows("SELECT data FROM item_content ORDER BY id")
    laid_over(lists)
    assert lists.core.rows("SELECT data FROM item_content ORDER BY id") == before, (
        "the province's stays its own"
    )
    assert lists.core.value("SELECT count(*) FROM item WHERE origin = 'hall'") == 0
    assert asked(lists, 2, "150") == (FEW, {"103044": "None", "103045": "50.00"})
    assert asked(lists, 2, "151")[0] == ALL
    more = [*MATERIALS, MATERIALS[0] | {"name": "承诺书", "order": 5}]
    provincial(lists, 3, materials=more, name="食品经营许可（新）")
    assert doubts(lists) == ()
    assert asked(lists, 3, "150") == ([*FEW, "承诺书"], {"103044": "None", "103045": "50.00"})


def test_what_no_longer_fits_is_read_safely_and_listed_for_review(lists: Lists) -> None:
    provincial(lists, 2)
    laid_over(lists)
    renamed = [one | ({"name": "场所平面图"} if one["name"] == "平面布局图" else {}) for one in MATERIALS]
    dearer = [FEES[0], FEES[1] | {"amount": "15.00", "standard": "每件 15 元"}]
    provincial(lists, 3, materials=renamed, fees=dearer)
    assert doubts(lists) == (
        "省目录中已没有材料“平面布局图”",
        "收费项目“103045”的标准、金额或依据已变，公式停用，现按省目录的金额收费",
    )
    assert asked(lists, 3, "150") == ([one["name"] for one in renamed], {"103044": "None", "103045": "None"})
    assert asked(lists, 2, "150") == (FEW, {"103044": "None", "103045": "50.00"}), (
        "as a case of version 2 reads it"
    )
    change = lists.begun("change", "overlay", PERMIT)
    old = dict(lists.kept("overlay", PERMIT).content)
    assert lists.saved(change, old) == ["m-3-name"], "gone from the province's version of now"
    with pytest.raises(FormRefused):
        lists.submitted(change)
    links = [
        row | ({"name": "场所平面图"} if row["name"] == "平面布局图" else {}) for row in old["materials"]
    ]
    assert lists.saved(change, old | {"materials": links}) == []
    at = lists.core.clock.now
    lists.core.clock.on(60)
    lists.published(change)
    assert doubts(lists) == () and "场所平面图" not in asked(lists, 3, "150")[0]
    assert "场所平面图" in asked(lists, 3, "150", at)[0], "as a case opened before reads it"
    lists.published(lists.begun("cancel", "overlay", PERMIT))
    assert asked(lists, 3, "150")[0] == [one["name"] for one in renamed]
    assert lists.hall.read(overlays.listed) == []


def test_who_may_lay_over_what(lists: Lists) -> None:
    code = lists.item(lists.entry())
    with pytest.raises(HallRefused, match="本地事项请直接变更"):
        lists.begun("add", "overlay", code)
    with pytest.raises(HallRefused, match="not_allowed"):
        lists.begun("add", "overlay", PERMIT, who="clerk")
    with pytest.raises(HallRefused, match="没有这种办理"):
        lists.begun("suspend", "overlay", PERMIT)
    change = lists.begun("add", "overlay", PERMIT)
    assert lists.saved(change, {}) == ["s-1-name"], "nothing was laid over it"
    wrong = {"materials": [{"name": "不存在", "situations": ""}], "fees": [FEE | {"code": "9", "price": "x"}]}
    assert set(lists.saved(change, wrong)) == {"m-1-name", "f-1-code", "f-1-price"}
    with pytest.raises(HallRefused, match="in_change"):
        lists.begun("add", "overlay", PERMIT)

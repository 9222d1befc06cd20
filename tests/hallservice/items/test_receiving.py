"""Items declare at which level they are received (S0-13): small matters stay in the village."""

from dataclasses import replace

import pytest

from hallservice.counter import apply, catalogue
from hallservice.counter.apply import Application
from hallservice.items import drafts
from hallservice.refusals import HallRefused
from tests.exchange.core.rig import ID_NUMBER, MOBILE, NAME
from tests.exchange.core.rig import ITEM as PROVINCIAL
from tests.hallservice.items.samples import Lists

FORM = Application("", name=NAME, document_no=ID_NUMBER, mobile=MOBILE)
COUNTERS = ("clerk", "town", "village")  # of the county, of a town in it, of a village in that


def received(lists: Lists, code: str) -> list[str]:
    """Who may open a case of the item, and is offered it."""
    found = []
    for who in COUNTERS:
        clerk = lists.clerk_as(who)
        offered = lists.hall.read(lambda c, clerk=clerk: catalogue.search(c, clerk, code, "2026-03-02"))
        try:
            apply.apply(lists.hall, clerk, replace(FORM, item_code=code))
        except HallRefused as refusal:
            assert (refusal.code, offered) == ("wrong_place", ()), who
            assert "本级窗口" in refusal.said
        else:
            assert [one.code for one in offered] == [code], who
            found.append(who)
    return found


@pytest.mark.req("S0-13")
def test_an_item_is_received_where_it_says_and_everywhere_where_it_says_nothing(lists: Lists) -> None:
    entry = lists.entry()
    code = lists.item(entry)
    assert received(lists, code) == ["clerk", "town", "village"]
    change = lists.begun("change", "implementation", code)
    content = dict(lists.kept("implementation", code).content)
    assert lists.saved(change, content | {"received_at": ["province"]}) == ["received_at"]
    assert lists.saved(change, content | {"received_at": ["town", "village"]}) == []
    lists.published(change)
    assert received(lists, code) == ["town", "village"]


@pytest.mark.req("S0-13")
def test_of_an_item_of_the_province_the_locality_says_where_it_is_received(lists: Lists) -> None:
    assert received(lists, PROVINCIAL) == ["clerk", "town", "village"]
    change = lists.begun("add", "overlay", PROVINCIAL)
    overlay = dict(lists.hall.read(lambda c: drafts.line_of(c, change, 1)).content)
    assert lists.saved(change, overlay) == ["s-1-name"], "it says nothing yet"
    assert lists.saved(change, overlay | {"received_at": ["county"]}) == []
    lists.published(change)
    assert received(lists, PROVINCIAL) == ["clerk"]

"""In which words a case is decided, and where that is contested."""

import json
from typing import Any

import pytest

from hallservice.counter import notices
from tests.exchange.core.rig import PLAIN_ITEM, service_item
from tests.hallservice.counter.counter import PLAIN, Desk


@pytest.mark.parametrize(
    ("kind", "action", "licence", "words"),
    [
        ("licence", "pass", True, "准予许可"),
        ("payment", "pass", False, "准予办理"),
        ("confirmation", "refuse", False, "不予办理"),
    ],
)
def test_what_is_no_licence_is_decided_in_other_words(
    desk: Desk, kind: str, action: str, licence: bool, words: str
) -> None:
    desk.core.catalogue(service_item(PLAIN_ITEM, 3, kind=kind, result_kind="none"), to=3)
    no = desk.decided(PLAIN, action)
    doc = desk.concluded(no)
    said: dict[str, Any] = json.loads(
        desk.core.value("SELECT data FROM hall_notice WHERE doc_no = :d", d=doc)
    )
    assert (said["granted"], said["licence"]) == (action == "pass", licence)
    told = json.loads(desk.core.value("SELECT canonical FROM document WHERE type = 'case.concluded.v1'"))
    assert told["result_text"] == words


def test_a_decision_is_contested_where_there_is_a_court() -> None:
    county = {"review_body": "梅江区人民政府", "court": "梅江区人民法院"}
    assert notices.remedy_of("441402000000") == notices.remedy_of("441402102001") == county
    assert notices.remedy_of("441481000000")["court"] == "兴宁市人民法院"
    city = {"review_body": "梅州市人民政府", "court": "有管辖权的人民法院"}
    assert notices.remedy_of("441400000000") == city, "there is no 梅州市人民法院"

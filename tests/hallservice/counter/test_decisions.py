"""In which words a case is decided and where that is contested; what the notices before acceptance say."""

import json
from dataclasses import replace
from typing import Any

import pytest

from hallservice.counter import accept, certify, deliver, notices, supplement
from hallservice.refusals import FormRefused, HallRefused
from tests.exchange.core.rig import MOBILE, NAME, PLAIN_ITEM, service_item
from tests.hallservice.counter.counter import FORM, PLAIN, Desk


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


@pytest.mark.req("S3-30", "S3-32")
@pytest.mark.parametrize("kind", ["supplement", "refusal"])
def test_a_notice_given_later_says_when_the_application_was_taken_in(desk: Desk, kind: str) -> None:
    no = desk.opened(seen=()).case_no  # on Monday 2 March 2026 at half past nine
    desk.core.clock.on(3 * 3600)
    if kind == "supplement":
        done = supplement.notify(desk.hall, desk.clerk(), no, desk.seen(no), {1: "缺签名"}, reason="不齐全")
    else:
        done = accept.refuse(desk.hall, desk.clerk(), no, desk.seen(no), "不属于本机关职权范围")
    said = json.loads(desk.core.value("SELECT data FROM hall_notice WHERE doc_no = :d", d=done.doc_no))
    assert (said["kind"], said["case_no"], said["department"]) == (kind, no, "梅江区市场监督管理局")
    assert said["received_at"] == "2026-03-02T09:30:00+08:00"
    assert said["issued_at"] == "2026-03-02T12:30:00+08:00"
    assert said["window"]["staff"] == "窗口甲"
    if kind == "supplement":
        assert said["promised"] == {"number": 10, "unit": "working_day", "until": None}
        assert [(one["name"], one["problem"]) for one in said["materials"]] == [
            ("食品经营许可申请书", "缺签名")
        ]
    else:
        assert said["reason"] == "不属于本机关职权范围"


def test_nothing_is_concluded_before_its_fee(desk: Desk) -> None:
    no = desk.decided()
    for end in (certify.End(), certify.End(without="申请人只要纸质证照")):
        with pytest.raises(HallRefused, match="fee_first"):
            certify.conclude(desk.hall, desk.clerk(), no, desk.seen(no), end)
    assert desk.stage(no) == ("decided", "fee")


@pytest.mark.req("S3-48")
def test_one_parcel_is_on_its_way_at_a_time(desk: Desk) -> None:
    desk.partner("courier", "logistics")
    no = desk.decided(PLAIN)
    desk.concluded(no)
    to = deliver.Address(NAME, MOBILE, "441402000000", "江南路 1 号", "13800138000")
    deliver.send(desk.hall, desk.clerk(), no, desk.seen(no), to)
    with pytest.raises(HallRefused, match="already_sent"):
        deliver.send(desk.hall, desk.clerk(), no, desk.seen(no), to)


@pytest.mark.req("S0-16")
def test_nobody_is_the_own_agent(desk: Desk) -> None:
    form = replace(
        FORM, channel="agent", agent_name=NAME, agent_relation="family", agent_document_no=FORM.document_no
    )
    with pytest.raises(FormRefused) as refused:
        desk.opened(form)
    assert [(one.field, one.code) for one in refused.value.faults] == [("agent_document_no", "same_person")]

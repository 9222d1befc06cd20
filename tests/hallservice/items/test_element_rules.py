"""Every element rule (S3-05) by the field it names and its code; whole changes that a list does not take."""

from typing import Any

import pytest

from hallservice.items import checking, drafts, finding, reporting, review
from hallservice.items.elements import blank
from hallservice.people.organisations import get
from hallservice.refusals import FormRefused, HallRefused
from tests.hallservice.items.samples import ENTRY, FEE, FORM, ITEM, TOWN, Lists

Faults = set[tuple[str, str]]


def faults(
    lists: Lists, list_: str, content: dict[str, Any], code: str = "", org: str = "441402-scj"
) -> Faults:
    def read(connection: Any) -> Faults:
        typed = drafts.synchronised(connection, content) if list_ == "implementation" else content
        found = checking.check(connection, list_, get(connection, org), code, typed).faults
        return {(one.field, one.code) for one in found}

    return lists.hall.read(read)


@pytest.mark.req("S3-05", "S0-07")
def test_what_is_wrong_with_an_entry_of_the_directory(lists: Lists) -> None:
    main = lists.entry()
    sub = lists.entry(name="变更登记", above=main)
    assert faults(lists, "directory", ENTRY | {"name": "甲"}) == set()
    wrong: list[tuple[dict[str, Any], str, Faults]] = [
        ({"category": ""}, "", {("category", "required")}),
        ({"category": "", "levels": ["county"]}, "", set()),
        ({"category": "tea"}, "", {("category", "bad_choice")}),
        ({"department": "3"}, "", {("department", "bad_form")}),
        ({"department": "32"}, main, {("department", "in_code")}),
        ({"kind": "licence"}, main, {("kind", "in_code")}),
        ({"above": main}, sub, set()),
        ({"above": ""}, sub, {("above", "in_code")}),
        ({"above": sub}, "", {("above", "unknown")}),
        ({"above": main, "department": "32"}, "", {("above", "other_kind")}),
        ({"name": ENTRY["name"]}, "", {("name", "twice")}),
        ({"name": ENTRY["name"]}, main, set()),
    ]
    for change, code, found in wrong:
        assert faults(lists, "directory", ENTRY | {"name": "乙"} | change, code) == found, change


@pytest.mark.req("S3-05", "S3-10")
def test_what_is_wrong_with_an_item_of_the_implementation_list(lists: Lists) -> None:
    made = lists.begun("add", "directory", who="district", org="441402102-zx")
    assert lists.saved(made, ENTRY | {"name": "镇里的事项"}, who="district") == []
    towns = lists.published(made, "district")[0].code
    good = ITEM | {"directory": lists.entry()}
    assert faults(lists, "implementation", good) == set()
    wrong: list[tuple[dict[str, Any], Faults]] = [
        ({"directory": towns}, {("directory", "other_place")}),
        ({"directory": "442031L99000"}, {("directory", "unknown")}),
        ({"region": "441403000000"}, {("region", "outside"), ("directory", "other_place")}),
        ({"case_kind": "instant"}, {("promised_count", "instant")}),
        ({"case_kind": "instant", "promised_count": "0"}, set()),
        ({"promised_count": "0"}, {("promised_count", "not_instant")}),
        ({"promised_count": "1", "promised_unit": "month"}, {("promised_count", "promise_exceeds")}),
        ({"result_name": ""}, {("result_name", "required")}),
        ({"has_fee": ""}, {("has_fee", "fee_unsaid")}),
        ({"fees": []}, {("has_fee", "no_fee")}),
        ({"fee_basis": ""}, {("fee_basis", "required")}),
        ({"fees": [FEE, FEE]}, {("f-2-code", "twice")}),
        ({"fees": [FEE | {"code": "收 1"}]}, {("f-1-code", "bad_form")}),
        ({"materials": [FORM, FORM]}, {("m-2-name", "twice")}),
        ({"local_code": "甲"}, {("local_code", "bad_form")}),
    ]
    for change, found in wrong:
        assert faults(lists, "implementation", good | change) == found, change
    assert ("directory", "no_uscc") in faults(lists, "implementation", good, org="441402-dt")
    unlike = blank("implementation") | good  # never synchronised with its entry
    stale = lists.hall.read(
        lambda c: checking.check(c, "implementation", get(c, "441402-scj"), "", unlike).faults
    )
    assert [one.code for one in stale] == ["not_synchronised"]


@pytest.mark.req("S3-06", "S3-08")
def test_what_a_list_does_not_take_of_whole_changes(lists: Lists) -> None:
    main = lists.entry()
    other = lists.begun("add", "directory", who="district", org="441402-wjj")
    assert lists.saved(other, ENTRY | {"name": "别的部门的"}, who="district") == []
    theirs = lists.published(other, "district")[0].code
    with pytest.raises(HallRefused, match="other_org"):
        lists.begun("merge", "directory", main, theirs, who="district")
    lists.entry(name="变更登记", above=main)
    with pytest.raises(FormRefused) as refusal:
        lists.submitted(lists.begun("cancel", "directory", main))
    assert [one.code for one in refusal.value.faults] == ["has_sub_items"]
    code = lists.item(lists.entry(name="乙"))
    change = lists.begun("change", "implementation", code)
    held = dict(lists.kept("implementation", code).content)
    lists.saved(change, held | {"effective_on": "2026-04-01"})
    with pytest.raises(FormRefused) as refusal:
        lists.submitted(change)
    assert [(one.field, one.code) for one in refusal.value.faults] == [("effective_on", "later")]
    lists.saved(change, held | {"contact": "0753-2100001"})
    lists.submitted(change)
    with pytest.raises(HallRefused, match="wrong_state"):
        lists.saved(change, held | {"contact": "0753-2100002"})
    lists.decided(change, "staffing")
    with pytest.raises(HallRefused, match="wrong_state"):
        review.recall(lists.hall, lists.clerk_as("editor"), change, lists.revision(change))
    assert lists.state(change) == "legal_review"


@pytest.mark.req("S3-10", "S0-23")
def test_entries_are_chosen_from_above_and_reports_are_seen_by_who_keeps_the_items(lists: Lists) -> None:
    account = {"account": "tongban", "region": "441400000000"}
    lists.core.party("prov", adapter="provincial_catalogue", address="http://127.0.0.1:1", account=account)
    county = lists.entry()
    made = lists.begun("add", "directory", who="district", org="441402102-zx")
    assert lists.saved(made, ENTRY | {"name": "镇里的事项"}, who="district") == []
    towns = lists.published(made, "district")[0].code

    def offered(region: str) -> list[str]:
        return [one.code for one in lists.hall.read(lambda c: finding.entries_for(c, region))]

    assert offered("441402000000") == [county], "what a town made is the town's"
    assert offered(TOWN) == sorted([county, towns]) and offered("441403000000") == []
    code = lists.item(towns, who="district", org="441402102-zx", region=TOWN)
    for who, seen in (("district", [code]), ("editor", [])):
        clerk = lists.clerk_as(who)
        told = lists.hall.read(lambda c, clerk=clerk: reporting.listed(c, clerk))
        assert [one.code for one in told] == seen, who

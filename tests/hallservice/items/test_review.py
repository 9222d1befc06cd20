"""From a draft to an item cases are opened on, and out of force again."""

import json
from typing import Any

import pytest
from sqlalchemy import text

from canonical.messages import CatalogueReportAnswered
from exchange import items
from exchange.catalogue import feed, reports
from exchange.errors import Refused
from hallservice.items import categories, comparing, drafts, published, reporting, review, situations
from hallservice.items.categories import adjust, eleven
from hallservice.refusals import FormRefused, HallRefused
from tests.exchange.core.rig import ITEM as PROVINCIAL
from tests.exchange.core.rig import ORG, Story, case_number, service_item
from tests.hallservice.items.samples import ENTRY, FEE, ITEM, TOWN, Lists
from tests.hallservice.items.staff import TOWN_USCC


@pytest.mark.req("S3-07", "SYS-12")
def test_an_addition_is_reviewed_by_both_and_gets_its_code_and_version(lists: Lists) -> None:
    change = lists.begun("add", "directory")
    assert lists.saved(change, ENTRY) == []
    with pytest.raises(HallRefused, match="not_allowed"):
        lists.decided(change, "editor")
    lists.submitted(change)
    for who, code in (("editor", "not_allowed"), ("lawyer", "other_post"), ("clerk", "not_allowed")):
        with pytest.raises(HallRefused, match=code):
            lists.decided(change, who)
    with pytest.raises(FormRefused):
        lists.decided(change, "staffing", passed=False)
    assert lists.decided(change, "staffing", passed=False, words="依据不全") == "returned"
    assert lists.core.value("SELECT reason FROM hall_item_change") == "依据不全"
    kept = lists.published(change)[0]
    assert (kept.code, kept.version, kept.state) == ("442031L01000", 1, "in_use")
    rows = lists.core.rows("SELECT json_extract(leaf, '$.kind') AS kind FROM ledger_entry")
    kinds = {row["kind"] for row in rows}
    assert {"hall.items_begun", "hall.items_edited", "hall.items_submit", "hall.items_return",
            "hall.items_pass", "hall.items_published"} <= kinds  # fmt: skip
    lists.core.verified()


@pytest.mark.req("SYS-12")
def test_who_edits_does_not_review_and_nobody_passes_both_stages(lists: Lists) -> None:
    mine = lists.begun("add", "directory", who="both", org="441402-scj")
    lists.saved(mine, ENTRY, who="both")
    lists.submitted(mine, "both")
    with pytest.raises(HallRefused, match="same_person"):
        lists.decided(mine, "both")
    other = lists.begun("add", "directory")
    lists.saved(other, ENTRY | {"name": "另一事项"})
    lists.submitted(other)
    assert lists.decided(other, "examiner") == "legal_review"
    with pytest.raises(HallRefused, match="same_person"):
        lists.decided(other, "examiner")
    with pytest.raises(HallRefused, match="conflict"):
        review.decide(lists.hall, lists.clerk_as("lawyer"), other, 1, True, "")
    assert lists.decided(other, "lawyer") == "published"


@pytest.mark.req("S3-04", "S3-10")
def test_elements_are_checked_and_an_unfinished_item_is_not_submitted(lists: Lists) -> None:
    entry = lists.entry()
    change = lists.begun("add", "implementation")
    wrong = ITEM | {
        "directory": entry, "promised_count": "30", "contact": "", "served": [], "region": TOWN[:9] + "001",
        "fees": [FEE | {"price": "x"}],
        "situations": [{"name": "甲", "description": "", "condition": "面积 > 1"}],
    }  # fmt: skip
    faults = lists.saved(change, wrong)
    assert set(faults) == {"promised_count", "contact", "served", "region", "f-1-price", "s-1-condition",
                           "m-2-situations"}  # fmt: skip
    with pytest.raises(FormRefused):
        lists.submitted(change)
    assert lists.saved(change, ITEM | {"directory": entry}) == []
    kept = lists.published(change)[0]
    assert kept.code == f"{ORG}4{entry}", "credit code, level, basic code"
    assert (kept.content["name"], kept.content["legal_basis"]) == (ENTRY["name"], ENTRY["legal_basis"])


@pytest.mark.req("S3-11")
def test_a_case_pins_the_published_version_and_none_is_opened_after_cancellation(lists: Lists) -> None:
    code = lists.item(lists.entry())
    core = lists.core
    core.party("window", adapter="house", sends=("case.applied.v1",))

    def apply(serial: int) -> str:
        case = Story(case_number(serial))
        said = case.applied() | {"item_code": code}
        return core.send("window", "case.applied.v1", said).code

    assert apply(1) == "ok"
    change = lists.begun("change", "implementation", code)
    content = dict(lists.kept("implementation", code).content) | {"promised_count": "3"}
    assert lists.saved(change, content) == []
    lists.published(change)
    assert apply(2) == "ok"
    pinned = core.rows("SELECT item_version FROM case_record ORDER BY case_no")
    assert [row["item_version"] for row in pinned] == [1, 2]
    with core.hub.store.read() as connection:
        assert items.content_of(connection, code, 1)["promised_limit"]["count"] == 5
        assert items.content_of(connection, code, 2)["promised_limit"]["count"] == 3
    lists.published(lists.begun("suspend", "implementation", code))
    assert apply(3) == "item_not_in_force"
    lists.published(lists.begun("resume", "implementation", code))
    assert apply(4) == "ok"
    lists.published(lists.begun("cancel", "implementation", code))
    assert apply(5) == "item_not_in_force"
    core.verified()


@pytest.mark.req("S3-08")
def test_a_directory_entry_that_ends_takes_its_implementation_items_along(lists: Lists) -> None:
    entry = lists.entry()
    code = lists.item(entry)
    on = "2026-03-31"
    lists.published(lists.begun("cancel", "directory", entry, on=on))
    kept = lists.kept("implementation", code)
    assert (kept.state, kept.cancelled_on) == ("cancelled", on)
    assert lists.kept("directory", entry).cancelled_on == on
    row = lists.core.rows("SELECT state, cancelled_on, origin FROM item WHERE current AND origin = 'hall'")[0]
    assert (row["state"], row["cancelled_on"], row["origin"]) == ("cancelled", on, "hall")
    lists.hall.write(lambda work: items.in_force(work, code))  # until that day
    lists.core.clock.on(40 * 86_400)
    with pytest.raises(Refused, match="item_not_in_force"):
        lists.hall.write(lambda work: items.in_force(work, code))


@pytest.mark.req("S3-06", "S3-08")
def test_split_and_merge_name_their_successors(lists: Lists) -> None:
    entry = lists.entry()
    split = lists.begun("split", "directory", entry)
    for no, name in ((2, "甲类登记"), (3, "乙类登记")):
        assert lists.saved(split, ENTRY | {"name": name}, no) == []
    lists.published(split)
    old = lists.kept("directory", entry)
    assert (old.state, list(old.successors)) == ("cancelled", ["442031L02000", "442031L03000"])
    merge = lists.begun("merge", "directory", *old.successors)
    with pytest.raises(HallRefused, match="in_change"):
        lists.begun("change", "directory", old.successors[0])
    assert lists.saved(merge, ENTRY | {"name": "综合登记"}, 3) == []
    lists.published(merge)
    assert all(list(lists.kept("directory", code).successors) == ["442031L04000"] for code in old.successors)
    assert lists.kept("directory", entry, 1).state == "in_use", "what was published stays"


@pytest.mark.req("S3-12")
def test_conditions_link_different_materials_and_formulas_reach_the_counter(lists: Lists) -> None:
    code = lists.item(lists.entry())
    with lists.core.hub.store.read() as connection:
        setup, content = situations.setup_of(connection, code, 1), items.content_of(connection, code, 1)
    for area, names in (("150", ["申请书"]), ("151", ["申请书", "平面布局图"])):
        answers = situations.answers_of(setup, {"q1": area})
        assert [one["name"] for one in situations.materials_for(content, answers, setup)] == names
    with pytest.raises(FormRefused):
        situations.answers_of(setup, {"q1": "很大"})
    everything = situations.materials_for(service_item(materials=content["materials"]), {})
    assert [one["name"] for one in everything] == ["申请书", "平面布局图"], "of the province: all of them"
    assert setup.formulas["F1"]["least"] == "10.00"


def test_no_list_of_the_province_changes_an_item_kept_here(lists: Lists) -> None:
    code = lists.item(lists.entry())
    same = service_item(code, 9, name="省里的名称")
    party = lists.core.value("SELECT party FROM catalogue_load LIMIT 1")
    lists.core.hub.store.write(lambda work: items.move(work, party, 0))
    lists.core.catalogue(service_item(PROVINCIAL), same, to=1)  # the whole list
    found = lists.core.rows("SELECT name, version, state FROM item WHERE current AND origin = 'hall'")
    assert [(row["name"], row["version"], row["state"]) for row in found] == [(ENTRY["name"], 1, "in_use")]
    difference = lists.core.value("SELECT difference FROM catalogue_load ORDER BY id DESC LIMIT 1")
    assert '"local":1' in str(difference).replace(" ", "")
    lists.core.verified()


@pytest.mark.req("S0-10", "S0-07")
def test_a_towns_item_goes_up_at_once_with_its_category(lists: Lists) -> None:
    account = {"account": "tongban", "region": "441400000000"}
    lists.core.party("prov", adapter="provincial_catalogue", address="http://127.0.0.1:1", account=account)
    entry = lists.entry(who="district", levels=["town"])
    code = lists.item(entry, who="district", org="441402102-zx", region=TOWN)
    assert code == f"{TOWN_USCC}5{entry}"
    row = lists.core.rows("SELECT party, type, payload FROM outbox WHERE type = 'catalogue.reported.v1'")[0]
    assert row["party"] == "prov" and "city_management" in str(row["payload"])
    assert lists.core.value("SELECT state FROM catalogue_report WHERE code = :code", code=code) == "sent"

    def answered(work: Any) -> None:
        batch = work.connection.execute(text("SELECT batch_id FROM catalogue_report")).scalar()
        said = {"row_id": f"{code}-1", "code": "70", "message": "目录编码未登记"}
        answer = CatalogueReportAnswered.model_validate({"batch_id": batch, "rows": [said]})
        reports.answered(work, "prov", answer, 1)

    lists.core.hub.store.write(answered)
    district = lists.clerk_as("district")
    told = lists.hall.read(lambda connection: reporting.listed(connection, district))
    assert [(one.code, one.state, one.message) for one in told] == [(code, "refused", "目录编码未登记")]
    lists.core.clock.on(60)
    assert reporting.again(lists.hall, district, [code]) == 1
    told = lists.hall.read(lambda connection: reporting.listed(connection, district))
    assert [one.state for one in told] == ["sent"], "what was said last"


@pytest.mark.req("S0-08")
def test_a_locality_adjusts_the_eleven_in_versions(lists: Lists) -> None:
    district, region = lists.clerk_as("district"), "441402000000"
    rows = [{"code": one.code, "label": one.label, "base": one.base, "active": "1"} for one in eleven()]
    assert len(rows) == 11
    mine = [*rows, {"code": "tea", "label": "茶产业", "base": "rural_economy", "active": "1"}]
    with pytest.raises(HallRefused, match="not_allowed"):
        adjust(lists.hall, lists.clerk_as("editor"), region, 0, mine)
    with pytest.raises(FormRefused) as refusal:
        adjust(lists.hall, district, region, 0, [*mine, mine[-1] | {"base": "x"}])
    assert {one.field for one in refusal.value.faults} == {"c-13-base", "c-13-label"}
    adjust(lists.hall, district, region, 0, mine)
    entry = lists.entry(category="tea")
    with pytest.raises(FormRefused, match="form"):
        adjust(lists.hall, district, region, 1, rows)
    with pytest.raises(HallRefused, match="conflict"):
        adjust(lists.hall, district, region, 0, mine)
    town = lists.hall.read(lambda connection: categories.of(connection, TOWN))
    assert (town.region, town.version, town.base("tea")) == (region, 1, "rural_economy")
    assert lists.kept("directory", entry).category == "tea"


def test_a_cancelled_item_comes_back_as_its_next_version(lists: Lists) -> None:
    entry = lists.entry()
    code = lists.item(entry)
    again = lists.begun("add", "implementation")
    lists.saved(again, ITEM | {"directory": entry})
    lists.submitted(again)
    lists.decided(again, "staffing")
    with pytest.raises(HallRefused, match="twice"):
        lists.decided(again, "lawyer")
    assert lists.state(again) == "legal_review", "nothing of it was done"
    lists.published(lists.begun("cancel", "implementation", code))
    assert lists.decided(again, "lawyer") == "published"
    kept = lists.kept("implementation", code)
    assert (kept.version, kept.state) == (3, "in_use")


@pytest.mark.req("S3-14", "R-06")
def test_a_change_of_an_implementation_item_goes_the_way_of_its_compilation(lists: Lists) -> None:
    code = lists.item(lists.entry())
    change = lists.begun("change", "implementation", code)
    content = dict(lists.kept("implementation", code).content)
    assert lists.saved(change, content | {"promised_count": "30"}) == ["promised_count"]
    with pytest.raises(FormRefused, match="form"):
        lists.submitted(change)
    assert lists.saved(change, content | {"promised_count": "3", "contact": "0753-2100001"}) == []
    lists.submitted(change)
    assert lists.decided(change, "staffing", passed=False, words="请附承诺依据") == "returned"
    kept = lists.published(change)[0]
    assert (kept.code, kept.version, kept.state) == (code, 2, "in_use")

    def tracked(connection: Any) -> tuple[list[tuple[str, str, str]], list[tuple[str, str]]]:
        line = drafts.line_of(connection, change, 1)
        old = published.expect(connection, line.list, code, line.base).content
        told = comparing.compared(line.list, old, line.content)
        steps = [(one.act, one.name) for one in drafts.steps_of(connection, change)]
        return [(one.label, one.old, one.new) for one in told if one.changed], steps

    differences, steps = lists.hall.read(tracked)
    assert differences == [
        ("承诺时限", "5", "3"), ("咨询电话", "0753-2100000", "0753-2100001"),
    ]  # fmt: skip
    assert steps == [("submit", "编制寅"), ("return", "编办未"), ("submit", "编制寅"), ("pass", "编办未"),
                     ("pass", "司法申")]  # fmt: skip
    stream_of = "SELECT operation, version FROM catalogue_change WHERE code = :code ORDER BY number"
    rows = lists.core.rows(stream_of, code=code)
    assert [(row["operation"], row["version"]) for row in rows] == [("insert", 1), ("update", 2)]


@pytest.mark.req("S0-11")
def test_items_of_four_levels_are_exchanged_and_shared(lists: Lists) -> None:
    """The province's and the city's come down, the county's and the town's are kept here, all go to whoever
    subscribes, the town's go up."""
    core = lists.core
    account = {"account": "tongban", "region": "441400000000"}
    core.party("up", adapter="provincial_catalogue", address="http://127.0.0.1:1", account=account)
    core.party("county", adapter="house", takes=("catalogue.changed.v1",), address="http://127.0.0.1:1")
    above = {"province": f"{ORG}2440125105000", "city": f"{ORG}3440125105000"}
    regions = {"province": "440000000000", "city": "441400000000"}
    core.catalogue(
        *(service_item(code, level=name, region=regions[name]) for name, code in above.items()), to=2
    )
    entry = lists.entry(who="district")
    here = {
        "county": lists.item(entry, who="district", org="441402-scj"),
        "town": lists.item(entry, who="district", org="441402102-zx", region=TOWN),
    }
    while feed.feed(core.hub):
        pass
    given = core.outbox("party = 'county' AND type = 'catalogue.changed.v1'")
    told = {said["code"]: said["item"]["level"] for said in (_payload(row) for row in given)}
    assert {code: told[code] for code in (above | here).values()} == {
        code: level for level, code in (above | here).items()
    }
    up = [_payload(row) for row in core.outbox("party = 'up' AND type = 'catalogue.reported.v1'")]
    assert [[one["item"]["code"] for one in batch["items"]] for batch in up] == [[here["town"]]]


def _payload(row: Any) -> Any:
    return json.loads(row["payload"]) if isinstance(row["payload"], str | bytes) else row["payload"]

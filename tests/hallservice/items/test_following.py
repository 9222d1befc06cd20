"""What stands under a directory entry follows it: suspended, restored, split, merged or cancelled with it."""

from typing import Any

import pytest

from exchange import items
from exchange.errors import Refused
from hallservice.counter import apply
from hallservice.counter.apply import Application
from hallservice.items import following, published
from hallservice.items.published import Kept
from hallservice.refusals import FormRefused, HallRefused
from tests.exchange.core.rig import ID_NUMBER, MOBILE, NAME, Story, case_number
from tests.hallservice.items.samples import ENTRY, ITEM, TOWN, Lists


def _opened(lists: Lists, serial: int, code: str) -> tuple[Story, str]:
    """A case the window opens, and the exchange's answer."""
    case = Story(case_number(serial), code)
    return case, lists.core.send("window", "case.applied.v1", case.applied()).code


def _why(lists: Lists, one: Kept) -> str:
    return lists.hall.read(lambda connection: following.why(connection, one))


def _stand(lists: Lists, *codes: str) -> list[tuple[str, str]]:
    """State and what holds each."""
    kept = [lists.kept("implementation", code) for code in codes]
    return [(one.state, one.held_by) for one in kept]


def _mended(lists: Lists, code: str) -> None:
    """A new version of the item with another limit."""
    change = lists.begun("change", "implementation", code)
    content = dict(lists.kept("implementation", code).content)
    assert lists.saved(change, content | {"promised_count": "3"}) == []
    lists.published(change)


@pytest.mark.req("S3-08", "S3-11")
def test_a_suspended_entry_stops_new_cases_and_restores_only_what_it_stopped(lists: Lists) -> None:
    entry = lists.entry()
    code, own = lists.item(entry), lists.item(entry, who="district", org="441402102-zx", region=TOWN)
    lists.published(lists.begun("suspend", "implementation", own, who="district"), "district")
    lists.core.party("window", adapter="house", sends=("case.applied.v1", "case.accepted.v1"))
    before, said = _opened(lists, 1, code)
    assert said == "ok"
    made = {one.code: one for one in lists.published(lists.begun("suspend", "directory", entry))}
    assert set(made) == {entry, code}, "the item suspended by its own body stays as it was"
    assert _stand(lists, code, own) == [("suspended", entry), ("suspended", "")]
    assert _why(lists, lists.kept("implementation", code)) == (
        f"目录事项“小型餐饮场所登记”（{entry}）已暂停，该目录事项恢复后自动恢复"
    )
    assert _opened(lists, 2, code)[1] == "item_not_in_force"
    form = Application(code, name=NAME, document_no=ID_NUMBER, mobile=MOBILE)
    with pytest.raises(HallRefused, match="不能办理新的申请：目录事项“小型餐饮场所登记”") as refusal:
        apply.apply(lists.hall, lists.clerk_as("clerk"), form)
    assert refusal.value.code == "item_not_in_force"
    lists.core.ok("window", "case.accepted.v1", before.accepted())
    pinned = "SELECT item_version FROM case_record WHERE case_no = :no"
    assert (lists.core.state(before.no), lists.core.value(pinned, no=before.no)) == ("accepted", 1)
    for mine, who in ((code, "editor"), (own, "district")):
        with pytest.raises(HallRefused, match="须先恢复该目录事项"):
            lists.begun("resume", "implementation", mine, who=who)
    _mended(lists, code)
    assert _stand(lists, code) == [("suspended", entry)], "mended, and still not in use"
    assert lists.saved(lists.begun("add", "implementation"), ITEM | {"directory": entry}) == ["directory"]
    lists.published(lists.begun("resume", "directory", entry))
    assert _stand(lists, code, own) == [("in_use", ""), ("suspended", "")]
    assert _opened(lists, 3, code)[1] == "ok"
    lists.published(lists.begun("resume", "implementation", own, who="district"), "district")
    assert _stand(lists, own) == [("in_use", "")]
    lists.core.verified()


def test_a_main_item_takes_its_sub_items_along_and_a_planned_end_stays_planned(lists: Lists) -> None:
    main = lists.entry()
    sub = lists.entry(name="小型餐饮场所变更登记", above=main)
    code = lists.item(sub)
    lists.published(lists.begun("cancel", "implementation", code, on="2026-03-31"))
    lists.published(lists.begun("suspend", "directory", main))
    assert lists.kept("directory", sub).held_by == main and _stand(lists, code) == [("suspended", main)]
    with pytest.raises(Refused, match="item_not_in_force"):
        lists.hall.write(lambda work: items.in_force(work, code))
    with pytest.raises(HallRefused, match="held"):
        lists.begun("resume", "directory", sub)
    with pytest.raises(FormRefused) as refusal:
        lists.submitted(lists.begun("cancel", "directory", sub, on="2026-04-30"))
    assert [one.code for one in refusal.value.faults] == ["suspended"], "suspended until the day: it ends now"
    lists.published(lists.begun("resume", "directory", main))
    kept = lists.kept("implementation", code)
    assert (kept.state, kept.cancelled_on, lists.kept("directory", sub).state) == (
        "cancelled", "2026-03-31", "in_use",
    )  # fmt: skip
    lists.hall.write(lambda work: items.in_force(work, code))


@pytest.mark.parametrize("act", ["split", "merge"])
def test_split_and_merge_leave_no_item_without_an_entry(lists: Lists, act: str) -> None:
    entry, other = lists.entry(), lists.entry(name="小作坊登记")
    code = lists.item(entry)
    change = lists.begun(act, "directory", *([entry] if act == "split" else [entry, other]))
    names = {"split": {2: "甲类登记", 3: "乙类登记"}, "merge": {3: "综合登记"}}[act]
    for no, name in names.items():
        assert lists.saved(change, ENTRY | {"name": name}, no) == []
    lists.published(change)
    old, ended = lists.kept("directory", entry), lists.kept("implementation", code)
    assert (ended.state, list(ended.successors)) == ("cancelled", list(old.successors))
    label = {"split": "拆分", "merge": "合并"}[act]
    assert _why(lists, ended) == f"所属目录事项（{entry}）已{label}，后继事项：{'、'.join(old.successors)}"
    orphans = """SELECT count(*) FROM hall_item i WHERE i.list = 'implementation' AND i.current AND
        i.state <> 'cancelled' AND NOT EXISTS (SELECT 1 FROM hall_item d WHERE d.list = 'directory' AND
        d.current AND d.code = i.above AND d.state <> 'cancelled')"""
    assert lists.core.value(orphans) == 0

    def waiting(connection: Any) -> list[str]:
        new = published.expect(connection, "directory", old.successors[0])
        return [one.code for one in following.uncompiled(connection, new, "2026-03-02")]

    assert lists.hall.read(waiting) == [code]
    lists.item(old.successors[0])
    assert lists.hall.read(waiting) == []

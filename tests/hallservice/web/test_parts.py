"""Parts of the frame by themselves: cells are text, marks are ours, sealed values open for one purpose."""

import pytest
from markupsafe import Markup
from sqlalchemy import Connection

from hallservice.hall import Hall
from hallservice.people.clerk import Clerk
from hallservice.web.guard import Vault
from hallservice.web.lists import Badge, Column, Filter, Link, Paging, asked, table_rows
from hallservice.web.live import Board
from hallservice.web.parts import bar
from hallservice.web.registry import Counted
from hallservice.web.visit import local
from tests.hallservice.world import clerk_of_role

EVIL = "<script>\"'&"
SAFE = "&lt;script&gt;&quot;&#x27;&amp;"


def test_whatever_stands_in_a_cell_is_text() -> None:
    columns = [Column("a"), Column("b", kind="num"), Column("c"), Column("d"), Column("e"), Column("f")]
    cells = [EVIL, 7, None, Link("/a?b=1&c=2", EVIL), Badge("ok", EVIL), Markup("<b>ours</b>")]
    assert table_rows(columns, [cells]) == (
        f'<tr><td>{SAFE}</td><td class="num">7</td><td></td><td><a href="/a?b=1&amp;c=2">{SAFE}</a></td>'
        f'<td><span class="badge ok">{SAFE}</span></td><td><b>ours</b></td></tr>'
    )


def test_a_list_takes_only_what_it_knows() -> None:
    columns = [Column("号", "no"), Column("名")]
    filters = [Filter("q", "关键字"), Filter("state", "状态", (("open", "办理中"),))]
    told = {"page": ["3"], "size": ["50"], "sort": ["-no"], "q": [" 梅 "], "state": ["open"], "x": ["1"]}
    listing = asked(told, columns, filters)
    assert (listing.page, listing.size, listing.sort, listing.descending) == (3, 50, "no", True)
    assert listing.query(page=4) == "?q=%E6%A2%85&state=open&sort=-no&page=4&size=50"
    assert listing.toggled(columns[0]) == "?q=%E6%A2%85&state=open&sort=no&size=50"
    wrong = {"page": ["-1"], "size": ["7"], "sort": ["名; DROP"], "state": ["all"]}
    other = asked(wrong, columns, filters, "-no")
    assert (other.page, other.size, other.sort, other.descending, other.wanted["state"]) == (
        1,
        20,
        "no",
        True,
        "",
    )
    paging = Paging(listing, 120)
    assert (paging.first, paging.last, paging.pages) == (101, 120, 3)


@pytest.mark.parametrize(
    "typed", ["2026-03-02", "20260302", "2026/3/2", "2026年3月2日", "２０２６－３－２", " 2026.03.02 "]
)
def test_a_day_filters_however_it_was_typed(typed: str) -> None:
    since = Filter("since", "自", kind="date")
    listing = asked({"since": [typed]}, (), (since,))
    assert listing.wanted == {"since": "2026-03-02"}
    shown = str(bar((since,), listing, "/x"))
    assert 'value="2026-03-02"' in shown
    assert 'type="date"' not in shown
    assert asked({"since": ["2026-02-30"]}, (), (since,)).wanted == {"since": "2026-02-30"}


def test_marks_and_sealed_values_are_for_one_purpose_of_one_hall() -> None:
    ours, theirs = Vault(b"a" * 32), Vault(b"b" * 32)
    mark = ours.mark("owner", "user")
    assert ours.marked("owner", "user", mark)
    for vault, what, value in ((theirs, "owner", "user"), (ours, "claim", "user"), (ours, "owner", "other")):
        assert not vault.marked(what, value, mark)
    sealed = ours.seal("身份".encode(), "draft 1")
    assert ours.open(sealed, "draft 1") == "身份".encode()
    assert "身份".encode() not in sealed
    assert ours.open(sealed, "draft 2") is theirs.open(sealed, "draft 1") is ours.open(b"", "draft 1") is None
    assert ours.flashed(ours.flash("已受理")) == "已受理"
    assert ours.flashed(theirs.flash("已受理")) == ours.flashed("5bey.x") == ours.flashed("中.文") == ""


def test_a_way_back_is_a_path_of_ours() -> None:
    assert local("/cases/1?tab=%E4%B8%80&x=2") == "/cases/1?tab=%E4%B8%80&x=2"
    for elsewhere in (
        "",
        "x",
        "//e.example",
        "https://e.example",
        "/\\e.example",
        "/a\r\nb",
        "/中",
        "/" + "a" * 2000,
    ):
        assert local(elsewhere) == "/"


def test_a_shared_number_is_counted_once_for_all_who_hold_it_there(hall: Hall) -> None:
    asked_: list[str] = []

    def count(_connection: Connection, clerk: Clerk) -> int:
        asked_.append(clerk.name)
        return len(asked_)

    people = [clerk_of_role(hall, name) for name in ("clerk", "clerk2", "other")]
    shared = Board(hall, [Counted("n", "case.view", count, shared=True)])
    found = shared.refresh(people)
    assert asked_ == ["窗口甲", "窗口丙"]  # two in one county's hall, one in another's
    assert [found[one.user]["n"] for one in people] == [1, 1, 2]
    assert shared.numbers(people[1]) == {"n": 1} and len(asked_) == 2
    asked_.clear()
    Board(hall, [Counted("n", "case.view", count)]).refresh(people)
    assert asked_ == ["窗口甲", "窗口乙", "窗口丙"]
    hall.write(lambda work: hall.record(work, people[0], "hall.sample", "x", {}))
    shared.refresh(people[:1])
    assert asked_[3:] == ["窗口甲"]  # something happened

"""Work lists: the card of a case, and rights as they are at this request."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, insert

from exchange.store.work import Work
from hallservice.counter import claim, lists
from hallservice.counter.lists import Wanted
from hallservice.people import grants
from hallservice.supervision.tables import card, clock
from hallservice.web.pages import counter_lists
from tests.hallservice.counter.counter import PLAIN, Desk
from tests.hallservice.web.webrig import FRAME, Place, mounted, served

DUE, DAY = "2026-03-16", date(2026, 3, 10)


@pytest.fixture
def place(desk: Desk) -> Iterator[Place]:
    with served(mounted(desk.hall, [*FRAME, counter_lists.pages])) as found:
        yield found


def clocked(desk: Desk, no: str, name: str, due: str | None = DUE, **over: Any) -> None:
    """A limit of that case as supervision keeps it, in place of its own."""
    row = {
        "case_no": no, "clock": name, "region": "441402000000", "since": "2026-03-02", "count": 10,
        "unit": "working_day", "suspensions": [], "due": due, "looked": "2026-03-02", **over,
    }  # fmt: skip

    def act(work: Work) -> None:
        work.connection.execute(delete(clock).where(clock.c.case_no == no, clock.c.clock == name))
        work.connection.execute(insert(clock), row)

    desk.hall.write(act)


def carded(desk: Desk, no: str, name: str, *colours: str, due: str = DUE) -> None:
    """Cards raised of it."""
    rows = [
        {
            "id": f"{no[-4:]}-{name}-{colour}", "case_no": no, "clock": name, "due": due, "signal": colour,
            "colour": colour, "day": due, "raised_at": 1.0, "region": "441402000000", "org": "x",
            "org_path": "/", "item_code": "x", "item_name": "x", "entry": 1,
        }
        for colour in colours
    ]  # fmt: skip
    desk.hall.write(lambda work: work.connection.execute(insert(card), rows).rowcount)


@pytest.mark.req("S0-57")
def test_a_list_shows_the_gravest_card_that_counts_and_else_the_due_date(desk: Desk, place: Place) -> None:
    moved, over, found, suspended, both = (desk.accepted(PLAIN) for _ in range(5))
    for no in (moved, over, found, suspended, both):
        carded(desk, no, "statutory", "none" if no == found else "yellow")
    clocked(desk, moved, "statutory", "2026-04-01")  # a card of a due date that is no longer the case's
    clocked(desk, over, "statutory", concluded="2026-03-09")
    clocked(desk, found, "statutory")  # a finding, no card
    clocked(desk, suspended, "statutory", None)
    clocked(desk, both, "statutory")
    clocked(desk, both, "promised")
    carded(desk, both, "promised", "warning", "red")
    with desk.core.hub.store.read() as connection:
        for rows in (
            lists.search(connection, desk.clerk(), Wanted()).rows,
            lists.done(connection, desk.clerk()).rows,
        ):
            said = {row.case_no: row.supervised(DAY) for row in rows}
            assert said == {**dict.fromkeys((moved, over, found, suspended), "正常"), both: "红牌"}
            assert {row.supervised(DAY + timedelta(days=7)) for row in rows} == {"超期", "红牌"}
        assert {row.card for row in lists.register(connection, desk.clerk(), Wanted()).rows} == {""}
    waiting = desk.opened(PLAIN).case_no
    clocked(desk, waiting, "statutory")
    carded(desk, waiting, "statutory", "due")
    with desk.core.hub.store.read() as connection:
        assert [row.card for row in lists.todo(connection, desk.clerk(), "accept").rows] == ["due"]
    clerk = place.visitor().sign_in("clerk")
    assert '<span class="card due">到期提示</span>' in clerk.get("/hall/counter/accept").text
    assert '<span class="card red">红牌</span>' in clerk.get("/hall/counter/search").text


@pytest.mark.req("S0-56")
def test_a_right_taken_away_is_gone_at_the_next_request(desk: Desk, place: Place) -> None:
    no = desk.opened(PLAIN).case_no
    clerk, other = place.visitor().sign_in("clerk"), place.visitor().sign_in("clerk2")
    page = "/hall/counter/accept"
    assert all(no in one.get(page).text for one in (clerk, other))
    claim.take(desk.hall, desk.clerk("clerk2"), no)
    assert "<td>窗口乙</td>" in clerk.get(page).text  # a line changes with its row
    given = desk.core.value('SELECT id FROM hall_grant WHERE "user" = :user', user=desk.clerk().user)
    grants.revoke(desk.hall, desk.clerk_as("root"), given, "试")
    shut = clerk.get(page)
    assert shut.status_code == 403 and no not in shut.text and page not in shut.text
    assert no in other.get(page).text

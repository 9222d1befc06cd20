"""Small pages are made where their request arrives, without a worker, and never hold the others up."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection, func, literal, select, text
from starlette.responses import Response

from exchange.store import atonce
from exchange.store.atonce import AtOnce, WouldWait, at_once
from hallservice.hall import Hall
from hallservice.people import sessions, tables
from hallservice.people.sessions import Session
from hallservice.web.app import Gate
from hallservice.web.context import Context
from hallservice.web.pages import counter_lists
from hallservice.web.registry import Pages, shipped
from tests.exchange.core.rig import Core
from tests.hallservice.web.webrig import FRAME, Place, mounted, served

ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"
SHORT = ENDLESS.replace("FROM n)", "FROM n LIMIT 1000)")
LIST = "/hall/counter/accept"
SessionAs = Callable[[str], Session]


def people(connection: Connection) -> int:
    return int(connection.execute(select(func.count()).select_from(tables.user)).scalar() or 0)


def test_a_reading_at_once_sees_one_state_and_gives_up_rather_than_waits(hall: Hall) -> None:
    store = AtOnce(hall.hub.store)
    with store.read() as connection:
        before = people(connection)
        hall.write(lambda work: work.connection.execute(tables.rights_version.update().values(number=99)))
        assert connection.execute(select(tables.rights_version.c.number)).scalar() != 99
        with pytest.raises(WouldWait), store.read():
            pass
    with pytest.raises(WouldWait), store.read() as connection:
        connection.execute(text(ENDLESS))
    with store.read() as connection:
        assert (people(connection), connection.execute(select(tables.rights_version.c.number)).scalar()) == (
            before, 99,
        )  # fmt: skip


def test_small_readings_are_never_taken_for_long_ones(hall: Hall) -> None:
    store = AtOnce(hall.hub.store)
    for _ in range(200):
        with store.read() as connection:
            assert connection.exec_driver_sql(SHORT).scalar() == 1000


def test_a_fault_of_the_caller_inside_stays_its_own_and_frees_the_connection(hall: Hall) -> None:
    store = AtOnce(hall.hub.store)
    with pytest.raises(KeyError), store.read():
        raise KeyError("mine")
    with store.read() as connection:
        assert connection.execute(select(literal(1))).scalar() == 1


def test_nothing_is_written_at_once(hall: Hall) -> None:
    store, did = AtOnce(hall.hub.store), list[int]()
    with pytest.raises(WouldWait):
        store.write(lambda _work: did.append(1))
    assert did == []


def test_a_database_elsewhere_is_never_asked_at_once(hub: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    assert at_once(hub.hub.store) is not None
    monkeypatch.setattr(hub.hub.store.engine.dialect, "name", "postgresql")
    assert at_once(hub.hub.store) is None


# ------------------------------------------------------------------------------------------- through the app

seen: list[tuple[str, bool]] = []  # thread that made a page, and whether its store may wait
sample = Pages()


def _told(ctx: Context) -> Response:
    seen.append((threading.current_thread().name, ctx.hall.hub.store.patient))
    return Response("shown")


@sample.get("/quick", function=None, title="快", at_once=True)
def quick(ctx: Context) -> Response:
    return _told(ctx)


@sample.get("/long", function=None, title="久", at_once=True)
def long(ctx: Context) -> Response:
    ctx.takes_long()
    return _told(ctx)


@sample.get("/usual", function=None, title="常", at_once=False)
def usual(ctx: Context) -> Response:
    return _told(ctx)


@contextmanager
def opened(hall: Hall) -> Iterator[Place]:
    seen.clear()
    with served(mounted(hall, (*FRAME, counter_lists.pages, sample))) as place:
        yield place


def made_by(place: Place, token: str, path: str) -> tuple[bool, bool]:
    """Whether a worker made the page, and whether its store could wait."""
    seen.clear()
    assert place.visitor().enter(token).get(path).text == "shown"
    ((thread, patient),) = seen
    return thread.startswith("pages"), patient


def test_a_worker_makes_only_what_may_wait(hall: Hall, hub: Core, session_as: SessionAs) -> None:
    token = session_as("clerk").token
    with opened(hall) as place:
        assert made_by(place, token, "/hall/usual") == (True, True)
        assert made_by(place, token, "/hall/quick") == (False, False)
        assert made_by(place, token, "/hall/long") == (True, True)
        hub.clock.now += sessions.SEEN + 1  # that somebody is there is now to be written down
        assert made_by(place, token, "/hall/quick") == (True, True)
        assert made_by(place, token, "/hall/quick") == (False, False)


def test_a_list_that_takes_many_steps_is_made_by_a_worker(
    hall: Hall, session_as: SessionAs, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = session_as("clerk").token
    monkeypatch.setattr(atonce, "EVERY", 1)
    with opened(hall) as place:
        assert made_by(place, token, "/hall/quick") == (True, True)
        assert place.visitor().enter(token).get(LIST).status_code == 200


def test_the_work_list_and_its_spreadsheet_hold_nobody_up(
    hall: Hall, session_as: SessionAs, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = list[bool]()
    todo = counter_lists.lists.todo

    def watched(connection: Connection, *over: object) -> object:
        asked.append(threading.current_thread().name.startswith("pages"))
        return todo(connection, *over)  # type: ignore[arg-type]  # as it was called

    monkeypatch.setattr(counter_lists.lists, "todo", watched)
    token = session_as("clerk").token
    with opened(hall) as place:
        visitor = place.visitor().enter(token)
        assert visitor.get(LIST).status_code == visitor.get(LIST + "?export=1").status_code == 200
    assert asked == [False, True]


def test_every_page_that_says_so_is_made_at_once(
    hall: Hall, session_as: SessionAs, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed, run = list[object](), Gate.run

    async def watched(gate: Gate, do: Callable[[], object]) -> object:
        handed.append(do)
        return await run(gate, do)

    monkeypatch.setattr(Gate, "run", watched)
    said = [page for feature in shipped() for page in feature.declared if page.at_once]
    with served(mounted(hall, shipped())) as place:
        for page in said:
            role = "clerk" if page.menu == counter_lists.MENU else "undertaker"
            answer = place.visitor().enter(session_as(role).token).get("/hall" + page.path)
            assert (page.path, answer.status_code, len(handed)) == (page.path, 200, 0)
    assert len(said) > len(counter_lists.lists.COUNTER)

"""The counter's way and its lists on PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from exchange.app.opening import ensure_keys
from exchange.app.postgres import PostgresNode
from exchange.app.settings import load_settings
from exchange.clocks import today
from hallservice.applicants import beside, contacts, person, seeing
from hallservice.auditing import checking, finding
from hallservice.complaints import lists as complaints
from hallservice.complaints import register, resolve
from hallservice.complaints.register import Complaint
from hallservice.counter import accept, lists, progress, projection, supplement
from hallservice.counter.lists import Wanted
from hallservice.counter.materials import Seen
from hallservice.statistics import behind, counting
from hallservice.statistics.counting import Wanted as Counting
from tests.exchange.core.rig import ITEM, Core, service_item
from tests.exchange.core.test_store_postgres import close, on_postgres
from tests.hallservice.counter.conftest import FEES, MATERIALS, TYPE
from tests.hallservice.counter.counter import WHOLE, Desk
from tests.hallservice.world import build, clerk_of_role, hall_of


@pytest.fixture
def desk(postgres: PostgresNode, tmp_path: Path) -> Iterator[Desk]:
    """A hall whose store is in PostgreSQL."""
    admin = create_engine(postgres.url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text("CREATE DATABASE counter"))
    core = built(postgres.url.rpartition("/")[0] + "/counter", tmp_path)
    hall = hall_of(core)
    yield Desk(hall, core, lambda role: clerk_of_role(hall, role))
    close(core.hub.store)
    with admin.connect() as connection:
        connection.execute(text("DROP DATABASE counter WITH (FORCE)"))
    admin.dispose()


def built(url: str, folder: Path) -> Core:
    ensure_keys(load_settings(environ={"TONGBAN_STATE": str(folder / "made")}))
    core = on_postgres(url, folder, folder / "made" / "keys")
    core.party("hall")
    core.catalogue(service_item(ITEM, materials=MATERIALS, fees=FEES, certificate_type=TYPE))
    build(core)
    return core


def test_the_same_on_postgresql(desk: Desk) -> None:
    opened = desk.opened(seen=(Seen(1, "received", checked=(1, 2, 3)),))
    no = opened.case_no
    supplement.notify(desk.hall, desk.clerk(), no, desk.seen(no), {2: "缺"}, (), "不齐")
    supplement.supplemented(desk.hall, desk.clerk(), no, desk.seen(no), [Seen(2, "received", checked=(1,))])
    other = desk.opened().case_no
    with desk.core.hub.store.read() as connection:
        clerk = desk.clerk_as("clerk")
        first = lists.todo(connection, clerk, "accept", size=1)
        rest = lists.todo(connection, clerk, "accept", Wanted(item="食品"), after=first.next, size=1)
        assert {row.case_no for row in (*first.rows, *rest.rows)} == {no, other}
        assert lists.counts(connection, clerk)["accept"] == 2
        assert lists.counts(connection, desk.clerk_as("other"))["accept"] == 0
        assert (
            len(lists.done(connection, clerk).rows)
            == len(lists.register(connection, clerk, Wanted()).rows)
            == 2
        )
    accept.accept(desk.hall, desk.clerk(), no, desk.seen(no), WHOLE)
    assert progress.of(desk.hall, no, opened.query_password, "10.0.0.1").state == "已受理"
    audited(desk, no)
    before = desk.core.rows("SELECT * FROM hall_case ORDER BY case_no")
    desk.hall.write(lambda work: projection.rebuild(work, desk.core.hub.pseudonym_key))
    assert desk.core.rows("SELECT * FROM hall_case ORDER BY case_no") == before
    assert desk.hall.write(lambda work: projection.refresh(work, desk.core.hub.pseudonym_key)) == 0
    complained_of(desk, no)
    counted(desk)
    registered(desk, no)


def counted(desk: Desk) -> None:
    """By every side, the days of Beijing among them, with the cases behind the numbers."""
    day, clerk = today(desk.core.clock.now), desk.clerk()
    with desk.core.hub.store.read() as connection:
        for side in counting.SIDES:
            groups = counting.counted(connection, clerk, side, Counting(since="2026-03-02"), day)
            assert counting.total(groups).numbers["opened"] == 2, side
            for measure in counting.MEASURES:
                of = counting.narrowed(Counting(), side, groups[0].key)
                number = behind.number(connection, clerk, of, measure, day)
                assert len(behind.found(connection, clerk, of, measure, day).rows) == number
                assert number == groups[0].numbers[measure]
        months = counting.counted(connection, clerk, "month", Counting(), day)
        assert [one.key for one in months] == ["2026-03"]


def registered(desk: Desk, case_no: str) -> None:
    """Whoever came, with the complaint about the case, and read by an act."""
    key, clerk = desk.core.hub.pseudonym_key, desk.clerk()
    with desk.core.hub.store.read() as connection:
        (one,) = seeing.found(connection, key, clerk).rows
        assert one.cases == 2 and seeing.found(connection, key, clerk, size=1).next == ""
        for doubt in ("names", "namesakes"):
            assert seeing.found(connection, key, clerk, seeing.Wanted(doubt=doubt)).rows == ()
        assert len(beside.complaints(connection, clerk, one.id)) == 1
        assert len(beside.messages(connection, clerk, one.id)) >= 3
        assert beside.acted_by(connection, clerk, one.id) == [] == beside.names(connection, clerk, "x" * 24)
        assert seeing.found(connection, key, desk.clerk_as("other")).rows == ()
    contacts.correct(desk.hall, clerk, one.id, contacts.Correction(mobile="13800000041", reason="到场"))
    assert person.unmask(desk.hall, clerk, one.id, "核对").mobile == "13800000041"


def audited(desk: Desk, case_no: str) -> None:
    """The acts of a person and of a body, one of them checked."""
    auditor, day = desk.clerk_as("auditor"), str(today(desk.core.hub.store.clock()))
    wanted = finding.Wanted(begin=day, end=day, kind="case.accepted.v1", staff_no="S-clerk", body="服务大厅")
    (one,) = finding.found(desk.hall, auditor, wanted).rows
    assert (one.about, one.staff_no) == (case_no, "S-clerk")
    assert one in finding.found(desk.hall, auditor, finding.Wanted()).rows
    assert checking.look(desk.hall, auditor, one.entry).state == checking.MATCHES
    assert checking.proof(desk.hall, auditor, one.entry)


def complained_of(desk: Desk, case_no: str) -> None:
    """A visit about the case, listed and answered."""
    came = Complaint("visit", case_no, "", "排队过久", "等了四十分钟。", "陈试", "13800000001")
    made = register.register(desk.hall, desk.clerk(), came)
    resolve.resolve(desk.hall, desk.clerk_as("supervisor"), made.id, "unfounded", "已核实")
    wanted = complaints.Wanted("visit", "resolved", "市场监督")
    with desk.core.hub.store.read() as connection:
        found, total = complaints.found(connection, desk.clerk_as("auditor"), wanted, "title")
        assert ([row.number for row in found], total) == ([made.number], 1)
        assert complaints.waiting(connection, desk.clerk_as("supervisor")) == 0

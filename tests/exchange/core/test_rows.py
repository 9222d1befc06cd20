"""Rows of a front-end database (department D): read in lots, verified, answered by their mark; on PostgreSQL
and on SQLite alike."""

# ruff: noqa: S608 - table names are constants of the test

import json
import os
import secrets
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import psycopg
import pytest

from exchange.app.postgres import PostgresNode, find_server
from exchange.errors import TryLater
from exchange.polling import Poller, Pollers, rounds_of
from exchange.registry import remove_party
from exchange.rowpolling import RowRound
from exchange.transports.sqldoor import open_partner
from exchange.transports.tables import FrontDatabase
from tests.exchange.core.frontdb import (
    DONE,
    PROC,
    Department,
    Place,
    columns_of,
    seal,
    step_row,
    text_of,
    written,
)
from tests.exchange.core.rig import ITEM, ORG, Core, Story, case_number, new_key, until

NAME = "dept-d"
ACCEPTED = "SELECT count(*) FROM document WHERE party = 'dept-d' AND direction = 'in' AND state = :state"


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """An empty database."""
    if request.param == "sqlite":
        file = tmp_path / "front" / "d.db"
        file.parent.mkdir()
        yield Place("sqlite", f"sqlite:///{file}", "", str(file))
        return
    yield from database_of(request.getfixturevalue("postgres"))


def database_of(node: PostgresNode) -> Iterator[Place]:
    name = f"d{secrets.token_hex(6)}"
    login = f"host=127.0.0.1 port={node.port} user={node.user} password={node.password} dbname="
    with psycopg.connect(login + "postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield Place("postgres", node.address(name), node.password, login + name)
    with psycopg.connect(login + "postgres", autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def attach(core: Core, place: Place, name: str = NAME, **over: Any) -> Department:
    """The department as a party of the hub, its database at `place`."""
    key = core.party(name, adapter="department_d", org=ORG, address=place.address, **over)
    core.hub.secrets[name] = place.password  # type: ignore[index] # the rig's own mapping
    return Department(place, key)


@pytest.fixture
def dept(core: Core, place: Place) -> Department:
    place.make_tables()
    return attach(core, place)


@pytest.fixture
def rounds(core: Core) -> Iterator[Callable[[], dict[str, RowRound]]]:
    """The polled tables of the party, as a new process would see them."""
    made: list[RowRound] = []

    def make() -> dict[str, RowRound]:
        party = core.hub.parties.named(NAME)
        assert party is not None
        found = rounds_of(core.hub, party, core.hub.adapters[party.adapter])
        mine = [one for _, one in found if isinstance(one, RowRound)]
        made.extend(mine)
        return {one.table.table.lower(): one for one in mine}

    yield make
    for one in made:
        one.close()


Rounds = Callable[[], dict[str, RowRound]]


@pytest.fixture
def proc(rounds: Rounds, dept: Department) -> RowRound:
    """The table of steps."""
    del dept
    return rounds()[PROC]


def accepted_case(core: Core, serial: int) -> str:
    story = Story(case_number(serial))
    core.ok("hall", "case.applied.v1", story.applied())
    core.ok("hall", "case.accepted.v1", story.accepted())
    return story.no


def taken(core: Core, state: str = "accepted") -> int:
    count: int = core.value(ACCEPTED, state=state)
    return count


class TestMarks:
    """What each row is told."""

    def test_a_step_moves_its_case_and_is_marked(self, core: Core, dept: Department, proc: RowRound) -> None:
        no = accepted_case(core, 1)
        dept.write(PROC, f"{no}-1", step_row(no, ITEM), core.clock.now)
        assert proc.run() is False
        found = dept.place.rows(f"SELECT is_sync, err, sync_at, dataver FROM {PROC}")
        assert found == [(1, None, written(core.clock.now), 1)]
        assert (taken(core), core.state(no)) == (1, "reviewing")
        core.verified()

    def test_120_rows_come_in_three_lots(self, core: Core, dept: Department, proc: RowRound) -> None:
        cases = [accepted_case(core, serial) for serial in range(1, 41)]
        for number in (1, 2, 3):
            for no in cases:
                at = core.clock.now - 300 + number
                dept.write(PROC, f"{no}-{number}", step_row(no, ITEM, number), at)
        done = []
        for _ in range(3):
            done.append((proc.run(), sum(flag == 1 for flag, _ in dept.flags().values())))
        assert done == [(True, 50), (True, 100), (False, 120)]
        assert taken(core) == 120
        assert {core.state(no) for no in cases} == {core.state(cases[0])}
        core.verified()

    def test_the_hub_may_come_first_and_make_the_tables(
        self, core: Core, place: Place, rounds: Rounds
    ) -> None:
        dept = attach(core, place)
        assert [one.run() for one in rounds().values()] == [False, False, False]
        no = accepted_case(core, 1)
        dept.write(PROC, f"{no}-1", step_row(no, ITEM), core.clock.now)
        rounds()[PROC].run()
        assert dept.flag(f"{no}-1") == (1, None)

    def test_a_row_before_its_predecessor_is_taken_and_held(
        self, core: Core, dept: Department, proc: RowRound
    ) -> None:
        no = accepted_case(core, 1)
        dept.write(PROC, f"{no}-2", step_row(no, ITEM, 2), core.clock.now)
        proc.run()
        assert (dept.flag(f"{no}-2"), taken(core, "held")) == ((1, None), 1)
        before = core.state(no)
        dept.write(PROC, f"{no}-1", step_row(no, ITEM, 1), core.clock.now)
        proc.run()
        assert dept.flag(f"{no}-1") == (1, None)
        assert core.state(no) != before

    def test_an_unknown_case_is_9_and_may_be_offered_again(
        self, core: Core, dept: Department, proc: RowRound
    ) -> None:
        no = case_number(7)
        dept.write(PROC, f"{no}-1", step_row(no, ITEM), core.clock.now)
        proc.run()
        flag, why = dept.flag(f"{no}-1")
        assert flag == 9
        assert why is not None
        assert why.startswith("projid: unknown_case")
        dept.place.run(f"UPDATE {PROC} SET is_sync = 0")
        proc.run()
        assert dept.flag(f"{no}-1")[0] == 9  # still nobody knows it
        accepted_case(core, 7)
        dept.place.run(f"UPDATE {PROC} SET is_sync = 0")  # as it is: same version, same seal
        proc.run()
        assert dept.flag(f"{no}-1") == (1, None)
        assert (taken(core), taken(core, "refused")) == (1, 2)
        core.verified()

    def test_a_wrong_value_is_3_and_named_by_its_column(
        self, core: Core, dept: Department, proc: RowRound
    ) -> None:
        no = accepted_case(core, 1)
        wrong: dict[str, Any] = {
            "nodetype": "8",
            "nodetime": "2026-03-02 09:45:00",
            "itemno": "1",
            "nodeadv": "null",
            "sn": -1,
            "deptcode": "114414020072081006",
            "projid": "4414",
        }
        for column, value in wrong.items():
            said = step_row(no, ITEM, **{column: value})
            dept.write(PROC, f"wrong-{column}", said, core.clock.now)
        proc.run()
        flags = dept.flags()
        assert {column: flags[f"wrong-{column}"][0] for column in wrong} == dict.fromkeys(wrong, 3)
        told = {column: str(flags[f"wrong-{column}"][1]) for column in wrong}
        assert {column: why.partition(":")[0] for column, why in told.items()} == {one: one for one in wrong}
        assert max(len(why) for why in told.values()) <= 500
        assert taken(core, "refused") == len(wrong)
        assert proc.run() is False
        assert taken(core, "refused") == len(wrong)  # not read again
        dept.correct(PROC, "wrong-sn", step_row(no, ITEM), core.clock.now, 2)
        proc.run()
        assert dept.flag("wrong-sn") == (1, None)
        core.verified()

    def test_a_broken_row_does_not_hold_up_the_others(
        self, core: Core, dept: Department, proc: RowRound
    ) -> None:
        cases = [accepted_case(core, serial) for serial in (1, 2, 3)]
        for number, no in enumerate(cases):
            over = {"noderesult": "9"} if number == 0 else {}
            dept.write(PROC, f"{no}-1", step_row(no, ITEM, **over), core.clock.now - 10 + number)
        proc.run()
        assert [dept.flag(f"{no}-1")[0] for no in cases] == [3, 1, 1]

    def test_another_bodys_case_is_refused(self, core: Core, dept: Department, proc: RowRound) -> None:
        no = accepted_case(core, 1)
        core.rows("SELECT 1")
        core.hub.store.write(lambda work: work.connection.exec_driver_sql("UPDATE case_record SET org = '1'"))
        dept.write(PROC, f"{no}-1", step_row(no, ITEM), core.clock.now)
        proc.run()
        flag, why = dept.flag(f"{no}-1")
        assert (flag, (why or "").split(" ")[:2]) == (3, ["projid:", "not_allowed"])


class TestUpdatesInPlace:
    """A version written meanwhile is never marked as read."""

    @pytest.fixture
    def no(self, core: Core, dept: Department) -> str:
        number = accepted_case(core, 1)
        dept.write(PROC, f"{number}-1", step_row(number, ITEM), core.clock.now)
        return number

    def test_a_correction_after_the_read_stays_unread(
        self, core: Core, dept: Department, proc: RowRound, no: str
    ) -> None:
        def correct() -> None:
            said = step_row(no, ITEM, nodeadv="更正")
            assert dept.correct(PROC, f"{no}-1", said, core.clock.now, 2) == 1

        after_read(proc, correct)
        proc.run()
        assert dept.place.rows(f"SELECT is_sync, err, dataver FROM {PROC}") == [(0, None, 2)]
        proc.run()
        assert dept.place.rows(f"SELECT is_sync, err, dataver FROM {PROC}") == [(1, None, 2)]
        assert taken(core) == 2
        core.verified()

    def test_a_change_that_forgets_its_version_is_a_conflict(
        self, core: Core, dept: Department, proc: RowRound, no: str
    ) -> None:
        same = dept.row(PROC, f"{no}-1", step_row(no, ITEM, nodeadv="另一意见"), core.clock.now)
        after_read(proc, lambda: dept.replace(PROC, same, 1))
        proc.run()
        assert dept.flag(f"{no}-1") == (0, None)  # the mark was for what was read
        proc.run()
        assert dept.flag(f"{no}-1") == (3, "row_key: conflict")

    def test_the_same_row_again_has_no_second_effect(
        self, core: Core, dept: Department, proc: RowRound, no: str
    ) -> None:
        proc.run()
        before = core.leaves()
        dept.place.run(f"UPDATE {PROC} SET is_sync = 0")
        proc.run()
        assert (dept.flag(f"{no}-1"), core.leaves()) == ((1, None), before)
        again = dept.row(PROC, f"{no}-1", step_row(no, ITEM), core.clock.now + 60)  # sealed afresh
        dept.replace(PROC, again, 1)
        proc.run()
        assert (dept.flag(f"{no}-1"), core.leaves()) == ((1, None), before)

    def test_an_older_version_is_a_replay(
        self, core: Core, dept: Department, proc: RowRound, no: str, rounds: Rounds
    ) -> None:
        first = dept.place.rows(f"SELECT * FROM {PROC}")
        proc.run()
        dept.correct(PROC, f"{no}-1", step_row(no, ITEM, nodeadv="更正"), core.clock.now, 4)
        assert dept.flag(f"{no}-1") == (1, None)  # version 4 is not the next of 1: nothing was changed
        later = dept.row(PROC, f"{no}-1", step_row(no, ITEM, nodeadv="更正"), core.clock.now, 4)
        dept.replace(PROC, later, 1)  # a gap is taken
        proc.run()
        assert dept.flag(f"{no}-1") == (1, None)
        dept.place.run(f"DELETE FROM {PROC}")
        dept.put(PROC, dict(zip(columns_of(PROC), first[0], strict=True)))
        rounds()[PROC].run()  # a hub that has just started knows it too
        assert dept.flag(f"{no}-1") == (3, "dataver: replay")
        assert taken(core) == 2
        core.verified()

    def test_two_readers_at_once_take_each_row_once(
        self, core: Core, dept: Department, no: str, rounds: Rounds
    ) -> None:
        for serial in range(2, 22):
            other = accepted_case(core, serial)
            dept.write(PROC, f"{other}-1", step_row(other, ITEM), core.clock.now)
        readers, faults = [rounds()[PROC] for _ in range(2)], []
        barrier = threading.Barrier(2, timeout=20)
        for reader in readers:
            after_read(reader, barrier.wait)

        def run(reader: RowRound) -> None:
            try:
                reader.run()
            except Exception as fault:  # noqa: BLE001 - it is the result
                faults.append(fault)

        threads = [threading.Thread(target=run, args=(reader,)) for reader in readers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
            assert not thread.is_alive()
        assert faults == []
        assert {flag for flag, _ in dept.flags().values()} == {1}
        assert taken(core) == 21
        core.verified()


class TestSeals:
    """Contract §2: whose row it is, and which row it is."""

    @pytest.fixture
    def no(self, core: Core) -> str:
        return accepted_case(core, 1)

    def test_every_wrong_seal_is_named_and_changes_nothing(
        self, core: Core, dept: Department, no: str, proc: RowRound
    ) -> None:
        at = core.clock.now
        for number, token in enumerate(("", "abc", "e30..e30", "x" * 5000)):
            dept.put(PROC, {**dept.row(PROC, f"token-{number}-", step_row(no, ITEM), at), "row_sign": token})
        other = ({"table": DONE}, {"row": "another-row:1"}, {"row": "bound-2--:2"}, {"more": "x"})
        for number, bound in enumerate(other):
            row = dept.row(PROC, f"bound-{number}--", step_row(no, ITEM), at)
            said = {"table": PROC, "row": f"bound-{number}--:1", **bound}
            dept.put(PROC, {**row, "row_sign": seal(dept.key, text_of(PROC, row), at, **said)})
        changes: tuple[dict[str, Any], ...] = ({"noderesult": "3"}, {"remark": "加注"}, {"orgbusno": None})
        for number, changed in enumerate(changes):
            dept.put(PROC, {**dept.row(PROC, f"changed-{number}", step_row(no, ITEM), at), **changed})
        moved = dept.row(PROC, "at-home-1", step_row(no, ITEM), at)
        dept.put(PROC, {**moved, "row_key": "elsewhere-1"})
        dept.put(PROC, dept.row(PROC, "of-the-future", step_row(no, ITEM), at + 301))
        proc.run()
        told = {key: (flag, str(why).split(" ")[0]) for key, (flag, why) in dept.flags().items()}
        assert told == dict.fromkeys(told, (3, "row_sign:"))
        assert len(told) == 4 + 4 + 3 + 1 + 1
        assert "seal_scope" in str(dept.flag("elsewhere-1")[1])
        assert (taken(core), core.state(no)) == (0, "accepted")
        refused = "SELECT count(*) FROM document WHERE protocol = 'table' AND state = 'refused'"
        assert core.value(refused) == len(told)
        core.verified()

    def test_a_stranger_and_another_party(
        self, core: Core, dept: Department, no: str, place: Place, rounds: Rounds
    ) -> None:
        for number, key in enumerate((new_key("nobody"), core.keys["hall"])):
            row = Department(place, key).row(PROC, f"{no}-{number}", step_row(no, ITEM), core.clock.now)
            dept.put(PROC, row)
        rounds()[PROC].run()
        assert [dept.flag(f"{no}-{n}")[1].split(" ")[:2] for n in (0, 1)] == [  # type: ignore[union-attr] # 3 has one
            ["row_sign:", "unknown_party"],
            ["row_sign:", "not_allowed"],
        ]

    def test_another_department_of_the_same_kind(
        self, core: Core, dept: Department, no: str, place: Place, proc: RowRound
    ) -> None:
        other = core.party("dept-e", adapter="department_d", org="114414020072081018")
        dept.put(PROC, Department(place, other).row(PROC, f"{no}-1", step_row(no, ITEM), core.clock.now))
        proc.run()
        assert str(dept.flag(f"{no}-1")[1]).startswith("row_sign: not_allowed")

    def test_rows_may_have_waited_and_clocks_may_differ_a_little(
        self, core: Core, dept: Department, no: str, proc: RowRound
    ) -> None:
        dept.write(PROC, f"{no}-1", step_row(no, ITEM), core.clock.now - 40 * 86400)
        dept.write(PROC, f"{no}-2", step_row(no, ITEM, 2), core.clock.now + 299)
        proc.run()
        assert {flag for flag, _ in dept.flags().values()} == {1}

    def test_the_time_written_is_the_time_sealed(
        self, core: Core, dept: Department, no: str, proc: RowRound
    ) -> None:
        row = dept.row(PROC, f"{no}-1", step_row(no, ITEM), core.clock.now)
        dept.put(PROC, {**row, "written_at": written(core.clock.now - 3600)})
        proc.run()
        flag, why = dept.flag(f"{no}-1")
        assert (flag, str(why).partition(":")[0]) == (3, "written_at")
        assert taken(core, "refused") == 1  # recorded as this party's


class TestHostileRows:
    """Whatever stands in a table: a coded mark, no other effect, never the same again for ever."""

    @pytest.fixture
    def no(self, core: Core) -> str:
        return accepted_case(core, 1)

    def test_sql_in_values_is_text(self, core: Core, dept: Department, proc: RowRound, no: str) -> None:
        nasty = r"同意'); DROP TABLE EA_JC_STEP_PROC; --\u0000 %s {0} :x"
        dept.write(PROC, f"{no}-1", step_row(no, ITEM, nodeadv=nasty), core.clock.now)
        proc.run()
        assert dept.flag(f"{no}-1") == (1, None)
        stored = core.value("SELECT canonical FROM document WHERE party = 'dept-d' AND direction = 'in'")
        assert nasty == json.loads(stored)["opinion"]

    def test_keys_and_versions_that_are_none(
        self, core: Core, dept: Department, proc: RowRound, no: str
    ) -> None:
        keys = ("'; DROP--", "short", "x" * 65, "空格键空格键空格键")
        for key in keys:
            dept.write(PROC, key, step_row(no, ITEM), core.clock.now)
        dept.write(PROC, "version-0", step_row(no, ITEM), core.clock.now, version=0)
        proc.run()
        told = {key: (flag, str(why).split(" ")[:2]) for key, (flag, why) in dept.flags().items()}
        assert told == {
            **dict.fromkeys(keys, (3, ["row_key:", "bad_value"])),
            "version-0": (3, ["dataver:", "bad_value"]),
        }

    def test_a_huge_row_is_not_even_read(self, core: Core, dept: Department, no: str, rounds: Rounds) -> None:
        huge = step_row(no, ITEM, nodeadv="长" * 20_000)
        dept.write(PROC, f"{no}-1", huge, core.clock.now - 1)
        dept.write(PROC, f"{no}-2", step_row(no, ITEM), core.clock.now)
        proc = rounds()[PROC]
        proc.front.largest = 30_000  # 60,000 bytes of UTF-8 are above it
        proc.run()
        assert dept.flag(f"{no}-1") == (3, "row_key: too_large the row exceeds 30000 bytes")
        assert dept.flag(f"{no}-2") == (1, None)

    def test_a_lot_that_is_too_large_at_once_comes_in_parts(
        self, core: Core, dept: Department, proc: RowRound, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("exchange.transports.tables.LARGEST_LOT", 1_500)
        for serial in range(1, 5):
            no = accepted_case(core, serial)
            dept.write(PROC, f"{no}-1", step_row(no, ITEM), core.clock.now + serial)
        assert proc.run() is True
        assert 0 < sum(flag for flag, _ in dept.flags().values()) < 4
        while proc.run():
            pass
        assert {flag for flag, _ in dept.flags().values()} == {1}

    def test_a_defect_of_ours_marks_its_row_alone(
        self, core: Core, dept: Department, proc: RowRound, no: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        other = accepted_case(core, 2)
        dept.write(PROC, f"{no}-1", step_row(no, ITEM), core.clock.now - 1)
        dept.write(PROC, f"{other}-1", step_row(other, ITEM), core.clock.now)
        real, logged = proc.door.read, []
        monkeypatch.setattr("exchange.rowpolling.log", Mock(exception=lambda *a, **k: logged.append(a[0])))

        def read(hub: Any, sealed: Any, envelope: Any) -> Any:
            if no in envelope.bound["row"]:
                raise ZeroDivisionError
            return real(hub, sealed, envelope)

        monkeypatch.setattr("exchange.polleddoor.PolledDoor.read", lambda self, *args: read(*args))
        proc.run()
        assert dept.flag(f"{no}-1") == (3, "row_key: defect ZeroDivisionError")
        assert logged == ["row_defect"]
        assert dept.flag(f"{other}-1") == (1, None)


class TestWrongTypes:
    """SQLite keeps what it is given, whatever the column was declared as."""

    @pytest.fixture(params=["sqlite"])
    def place(self, request: pytest.FixtureRequest, tmp_path: Path) -> Place:
        return Place("sqlite", f"sqlite:///{tmp_path / 'd.db'}", "", str(tmp_path / "d.db"))

    @pytest.mark.parametrize(
        ("column", "value"),
        [
            ("sn", "'one'"),
            ("sn", "1.5"),
            ("sn", "x'00'"),
            ("nodeadv", "x'ff00'"),
            ("nodeadv", "CAST(x'fffe' AS TEXT)"),
            ("nodeadv", "CAST(x'00e5908c' AS TEXT)"),
            ("row_sign", "x'00'"),
            ("written_at", "CAST(x'ff' AS TEXT)"),
            ("dataver", "'x'"),
            ("dataver", "1.5"),
            ("dataver", "9223372036854775807"),
            ("row_key", "x'0102030405060708'"),
            ("row_key", "CAST(x'ff02030405060708' AS TEXT)"),
            ("row_key", "CAST(x'6162636465666768006a' AS TEXT)"),
        ],
    )
    def test_it_is_marked_with_its_column(
        self, core: Core, dept: Department, proc: RowRound, column: str, value: str
    ) -> None:
        cases = [accepted_case(core, serial) for serial in (1, 2)]
        for no in cases:
            dept.write(PROC, f"{no}-1", step_row(no, ITEM), core.clock.now)
        dept.place.run(f"UPDATE {PROC} SET {column} = {value} WHERE row_key = ?", f"{cases[0]}-1")
        proc.run()
        sql = f"SELECT is_sync, err FROM {PROC} WHERE projid = ?"
        ((flag, why),) = dept.place.rows(sql, cases[0])
        assert flag == 3
        assert why.startswith(f"{column}: ") or (
            value.startswith("CAST(x'00e5") and why.startswith("row_sign")
        )
        assert dept.flag(f"{cases[1]}-1") == (1, None) if column != "row_key" else True
        assert dept.place.rows(sql, cases[1]) == [(1, None)]


class TestTrouble:
    """A database that is away, a hub that dies: nothing is lost, nothing done twice."""

    @pytest.fixture
    def no(self, core: Core, dept: Department) -> str:
        number = accepted_case(core, 1)
        dept.write(PROC, f"{number}-1", step_row(number, ITEM), core.clock.now)
        return number

    def test_killed_between_commit_and_mark(
        self,
        core: Core,
        dept: Department,
        proc: RowRound,
        no: str,
        monkeypatch: pytest.MonkeyPatch,
        rounds: Rounds,
    ) -> None:
        class Killed(BaseException):
            pass

        def die(*_: Any) -> bool:
            raise Killed

        with monkeypatch.context() as patch:
            patch.setattr(FrontDatabase, "mark", die)
            with pytest.raises(Killed):
                proc.run()
        assert (dept.flag(f"{no}-1"), taken(core)) == ((0, None), 1)
        rounds()[PROC].run()
        assert (dept.flag(f"{no}-1"), taken(core)) == ((1, None), 1)
        core.verified()

    def test_a_mark_that_fails_is_made_up_for(
        self, core: Core, dept: Department, proc: RowRound, no: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        dept.write(PROC, "bad-key--", {**step_row(no, ITEM), "nodetype": "8"}, core.clock.now)
        dept.place.run(f"UPDATE {PROC} SET row_sign = 'no' WHERE row_key = ?", "bad-key--")

        def away(*_: Any) -> bool:
            raise TryLater("database_away", "gone")

        with monkeypatch.context() as patch:
            patch.setattr(FrontDatabase, "mark", away)
            for _ in range(3):
                with pytest.raises(TryLater):
                    proc.run()
        entries = len(core.leaves())
        proc.run()
        assert [dept.flag(key)[0] for key in (f"{no}-1", "bad-key--")] == [1, 3]
        assert len(core.leaves()) == entries  # answered once, however often the mark failed

    def test_a_store_that_is_busy_leaves_the_rest_unread(
        self, core: Core, dept: Department, proc: RowRound, no: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        other = accepted_case(core, 2)
        dept.write(PROC, f"{other}-1", step_row(other, ITEM), core.clock.now + 1)
        real = proc.door.read

        def read(hub: Any, sealed: Any, envelope: Any) -> Any:
            if other in envelope.bound["row"]:
                raise TryLater("busy", "the store cannot be written now")
            return real(hub, sealed, envelope)

        with monkeypatch.context() as patch:
            patch.setattr("exchange.polleddoor.PolledDoor.read", lambda self, *args: read(*args))
            with pytest.raises(TryLater):
                proc.run()
        assert [dept.flag(f"{one}-1")[0] for one in (no, other)] == [1, 0]
        proc.run()
        assert dept.flag(f"{other}-1") == (1, None)

    def test_a_table_that_is_locked_is_tried_later(
        self, core: Core, dept: Department, proc: RowRound, no: str
    ) -> None:
        proc.front.close()
        proc.front.engine = open_partner(dept.place.address, dept.place.password, 0.5)
        proc.front.timeout = 0.5
        with dept.place.connect() as connection:
            begin = "BEGIN EXCLUSIVE" if dept.place.kind == "sqlite" else f"LOCK TABLE {PROC}"
            connection.execute(begin)
            with pytest.raises(TryLater):
                proc.run()
            connection.rollback()
        proc.run()
        assert dept.flag(f"{no}-1") == (1, None)

    def test_what_the_password_does_not_open(
        self, core: Core, dept: Department, no: str, rounds: Rounds
    ) -> None:
        if dept.place.kind == "sqlite":
            pytest.skip("an SQLite file has no password")
        core.hub.secrets[NAME] = "wrong"  # type: ignore[index] # the rig's own mapping
        with pytest.raises(TryLater) as fault:
            rounds()[PROC].run()
        assert fault.value.code == "database_away"
        assert "wrong" not in str(fault.value)


class TestServerDown:
    """PostgreSQL itself stops, dies or stands still."""

    @pytest.fixture
    def node(self, tmp_path: Path) -> Iterator[PostgresNode]:
        if find_server() is None:
            pytest.skip("PostgreSQL is not installed")
        node = PostgresNode(tmp_path / "node").start()
        yield node
        node.discard()

    @pytest.fixture
    def place(self, node: PostgresNode) -> Place:
        login = f"host=127.0.0.1 port={node.port} user={node.user} password={node.password} dbname=postgres"
        return Place("postgres", node.address(), node.password, login)

    def test_ten_seconds_down_and_back(self, core: Core, dept: Department, node: PostgresNode) -> None:
        """On an injected clock: failures lengthen the pause, the first success ends it."""
        now = [1000.0]
        poller = Poller(core.hub, NAME, lambda: now[0])
        assert poller.turn() < 1.0
        no = accepted_case(core, 1)
        dept.write(PROC, f"{no}-1", step_row(no, ITEM), core.clock.now)
        node.kill()
        down, pauses = now[0] + 10, []
        now[0] += 2.0
        while now[0] < down:
            pauses.append(poller.turn())
            now[0] += pauses[-1]
        assert pauses == [1.0, 2.0, 5.0]
        node.start()
        assert poller.turn() < 1.0
        assert (dept.flag(f"{no}-1"), taken(core)) == ((1, None), 1)
        poller.close()

    def test_a_server_that_stands_still_is_cut_off(
        self, core: Core, dept: Department, node: PostgresNode, rounds: Rounds
    ) -> None:
        proc = rounds()[PROC]
        proc.run()
        backends = "SELECT pid FROM pg_stat_activity WHERE application_name = 'tongban'"
        pids = [pid for (pid,) in dept.place.rows(backends)]
        assert len(pids) == 1
        proc.front.timeout = 1.0
        os.kill(pids[0], signal.SIGSTOP)
        try:
            began = time.monotonic()
            with pytest.raises(TryLater):
                proc.run()
            assert 0.5 < time.monotonic() - began < 5
        finally:
            os.kill(pids[0], signal.SIGCONT)
        proc.run()


class TestPollers:
    """One thread per party, following the registry."""

    def test_a_party_is_polled_from_its_registration_to_its_removal(self, core: Core, place: Place) -> None:
        place.make_tables()
        pollers = Pollers(core.hub)
        pollers.keep_up()
        assert pollers.threads == {}
        dept = attach(core, place)
        pollers.keep_up()
        try:
            no = accepted_case(core, 1)
            dept.write(PROC, f"{no}-1", step_row(no, ITEM), core.clock.now)
            until(lambda: dept.flag(f"{no}-1") == (1, None))
            core.hub.store.write(lambda work: remove_party(work, core.hub.name, NAME))
            core.hub.parties.forget()
            time.sleep(0.6)
            dept.write(PROC, f"{no}-2", step_row(no, ITEM, 2), core.clock.now)
            time.sleep(2.5)  # longer than the table's turn
            assert dept.flag(f"{no}-2") == (0, None)
        finally:
            pollers.stop()
        assert not any(thread.is_alive() for thread in pollers.threads.values())

    def test_the_tables_of_a_case_in_the_contracts_order(
        self, core: Core, dept: Department, rounds: Rounds
    ) -> None:
        assert list(rounds()) == [PROC, "ea_jc_step_specialnode", DONE]


def after_read(reader: RowRound, do: Callable[[], Any]) -> None:
    """Run `do` once, between reading the lot and working on it."""
    real, done = reader.front.waiting, []

    def waiting(door: Any) -> Any:
        lot = real(door)
        if not done:
            done.append(do())
        return lot

    reader.front.waiting = waiting  # type: ignore[method-assign] # the moment between two statements

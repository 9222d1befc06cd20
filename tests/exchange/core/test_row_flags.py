"""What department D says of the rows the hub wrote (adapters/department_d/contract/contract.md §1: a writer
looks at flag 3 and 9 of its rows: 3 needs a correction, 9 may be set back to 0 once the case is known)."""

# ruff: noqa: S608 - table names are constants of the test

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from exchange.app.serving import Channels
from exchange.dispatch import Dispatcher, Dispatchers
from exchange.errors import Misconfigured, TryLater
from exchange.flagpolling import FlagRound
from exchange.housedelivery import HouseDelivery
from exchange.manifest import WrittenRows
from exchange.polling import Poller, rounds_of
from exchange.transports.rest import RestClient
from exchange.transports.tablelayout import check_ours
from tests.exchange.core.frontdb import Department, Place
from tests.exchange.core.rig import ORG, Core, Story, case_number
from tests.exchange.core.test_rows import database_of

PARTY, INFO, ACCEPT = "dept-d", "pre_apasinfo", "pre_accept"
TABLES = ("pre_apasinfo", "pre_comm_form", "pre_accept", "pre_file", "pre_notice")


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param == "sqlite":
        yield Place("sqlite", f"sqlite:///{tmp_path / 'd.db'}", "", str(tmp_path / "d.db"))
    else:
        yield from database_of(request.getfixturevalue("postgres"))


@pytest.fixture
def dept(core: Core, place: Place) -> Department:
    key = core.party(PARTY, adapter="department_d", org=ORG, address=place.address)
    core.hub.secrets[PARTY] = place.password  # type: ignore[index] # the rig's own mapping
    return Department(place, key)


@pytest.fixture
def worker(core: Core, dept: Department) -> Iterator[Dispatcher]:
    """Delivers to the department as a running hub does."""
    del dept
    channels = Channels(core.hub, None)  # type: ignore[arg-type] # this party has no queues
    house = HouseDelivery(core.hub, RestClient(2.0))
    yield Dispatcher(core.hub, PARTY, Dispatchers(core.hub, channels.to, house, None)._attempt, None)
    channel = channels.to(PARTY)
    assert channel is not None
    assert channel.front is not None
    channel.front().close()


Flags = Callable[[], FlagRound]


@pytest.fixture
def flags(core: Core, dept: Department) -> Iterator[Flags]:
    """The round over our own rows, as a new process makes it."""
    del dept
    made: list[FlagRound] = []

    def make() -> FlagRound:
        party = core.hub.parties.named(PARTY)
        assert party is not None
        found = rounds_of(core.hub, party, core.hub.adapters[party.adapter])
        (one,) = [one for _, one in found if isinstance(one, FlagRound)]
        made.append(one)
        return one

    yield make
    for one in made:
        one.close()


@pytest.fixture
def story(core: Core, worker: Dispatcher) -> Story:
    """A case whose application and acceptance lie in the department's tables."""
    story = Story(case_number(1))
    core.ok("hall", "case.applied.v1", story.applied())
    core.ok("hall", "case.accepted.v1", story.accepted())
    while worker.round():
        pass
    return story


def say(dept: Department, table: str, flag: int, err: str | None = None) -> None:
    """The department's mark, as its contract has it."""
    dept.place.run(
        f"UPDATE {table} SET signstate = ?, err = ?, sync_at = ?", flag, err, "2026-03-02T10:00:00+08:00"
    )


def marks(dept: Department, table: str) -> list[tuple[Any, ...]]:
    return dept.place.rows(f"SELECT signstate, err, sync_at, dataver FROM {table}")


def test_nothing_flagged_nothing_said(core: Core, dept: Department, story: Story, flags: Flags) -> None:
    size = len(core.leaves())
    for flag in (0, 1):
        for table in (INFO, ACCEPT):
            say(dept, table, flag)
        assert flags().run() is False
    assert (len(core.leaves()), core.findings(story.no)) == (size, [])


class TestError:
    """Flag 3."""

    def test_is_a_finding_about_the_case_once(
        self, core: Core, dept: Department, story: Story, flags: Flags
    ) -> None:
        say(dept, ACCEPT, 3, "deptcode: not ours")
        round_ = flags()
        for _ in range(3):
            round_.run()
        flags().run()  # after a restart
        (found,) = core.rows("SELECT * FROM finding WHERE case_no = :no", no=story.no)
        assert (found["category"], found["code"]) == ("procedure", "receipt_refused")
        assert found["detail"] == f"dept-d pre_accept {story.no}:1 3: deptcode: not ours"
        assert marks(dept, ACCEPT)[0][0] == 3, "its mark is the department's"
        core.verified()

    def test_ends_the_delivery_that_wrote_the_row(
        self, core: Core, dept: Department, story: Story, flags: Flags
    ) -> None:
        say(dept, ACCEPT, 3, "deptcode: not ours")
        flags().run()
        states = {
            row["type"]: (row["state"], row["receipt_code"]) for row in core.outbox(f"party = '{PARTY}'")
        }
        assert states == {"case.applied.v1": ("sent", None), "case.accepted.v1": ("refused", "3")}
        (line,) = core.rows("SELECT * FROM document WHERE type = 'exchange.receipted.v1'")
        sent = core.outbox("type = 'case.accepted.v1' AND party = 'dept-d'")[0]
        assert (line["message_id"], line["case_no"]) == (sent["message_id"], story.no)

    def test_of_one_of_two_rows_written_together(
        self, core: Core, dept: Department, story: Story, flags: Flags
    ) -> None:
        say(dept, "pre_comm_form", 3, "item_values: unknown")
        flags().run()
        states = {row["type"]: row["state"] for row in core.outbox(f"party = '{PARTY}'")}
        assert states["case.applied.v1"] == "refused"

    def test_of_a_corrected_version_is_another_finding(
        self, core: Core, dept: Department, story: Story, flags: Flags
    ) -> None:
        say(dept, ACCEPT, 3, "reason: one")
        flags().run()
        dept.place.run(f"UPDATE {ACCEPT} SET dataver = 2, err = 'reason: two'")
        flags().run()
        assert core.findings(story.no) == [("procedure", "receipt_refused")] * 2

    def test_of_a_row_that_names_no_case_of_ours(
        self, core: Core, dept: Department, story: Story, flags: Flags
    ) -> None:
        """Whoever writes there cannot put findings on other cases, nor end the round."""
        say(dept, ACCEPT, 3, "x: \x00\x07\u202e" + "长" * 2000 if dept.place.kind == "sqlite" else "x" * 3000)
        dept.place.run(f"UPDATE {ACCEPT} SET projid = 'nobody'")
        flags().run()
        (found,) = core.rows("SELECT * FROM finding")
        assert found["case_no"] is None
        assert len(found["detail"]) < 700
        assert found["detail"].isprintable()

    def test_without_a_reason(self, core: Core, dept: Department, story: Story, flags: Flags) -> None:
        say(dept, INFO, 3)
        flags().run()
        assert core.findings(story.no) == [("procedure", "receipt_refused")]


class TestUnknownCase:
    """Flag 9."""

    def test_is_set_back_once_the_application_was_taken(
        self, core: Core, dept: Department, story: Story, flags: Flags
    ) -> None:
        say(dept, ACCEPT, 9, "projid: unknown")
        round_ = flags()
        round_.run()
        assert marks(dept, ACCEPT)[0][:2] == (9, "projid: unknown"), (
            "the department does not know the case yet"
        )
        say(dept, INFO, 1)
        round_.run()
        assert marks(dept, ACCEPT) == [(0, None, None, 1)]
        assert core.findings(story.no) == [("procedure", "receipt_unknown_case")]

    def test_at_once_when_the_case_is_known(
        self, core: Core, dept: Department, story: Story, flags: Flags
    ) -> None:
        say(dept, INFO, 1)
        say(dept, ACCEPT, 9, "projid: unknown")
        size = len(core.leaves())
        flags().run()
        assert marks(dept, ACCEPT) == [(0, None, None, 1)]
        assert (core.findings(story.no), len(core.leaves())) == ([], size)

    def test_again_and_again_is_offered_hourly_and_told(
        self, core: Core, dept: Department, story: Story, flags: Flags
    ) -> None:
        say(dept, INFO, 1)
        round_ = flags()
        seen = []
        for _ in range(4):
            say(dept, ACCEPT, 9, "projid: unknown")
            round_.run()
            seen.append(marks(dept, ACCEPT)[0][0])
            core.clock.on(1800)
        assert seen == [0, 9, 0, 9]
        assert core.findings(story.no) == [("procedure", "receipt_unknown_case")]

    def test_of_another_case_stays(self, core: Core, dept: Department, story: Story, flags: Flags) -> None:
        say(dept, INFO, 1)
        say(dept, ACCEPT, 9)
        dept.place.run(f"UPDATE {INFO} SET projid = 'another'")
        flags().run()
        assert marks(dept, ACCEPT)[0][0] == 9

    def test_a_version_written_meanwhile_is_left_alone(
        self, dept: Department, story: Story, flags: Flags, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        say(dept, INFO, 1)
        say(dept, ACCEPT, 9)
        round_ = flags()
        offer = type(round_.front).offer_again

        def meanwhile(self: Any, rules: Any, row: Any) -> bool:
            dept.place.run(f"UPDATE {ACCEPT} SET dataver = 2")
            return offer(self, rules, row)

        monkeypatch.setattr(type(round_.front), "offer_again", meanwhile)
        round_.run()
        assert marks(dept, ACCEPT)[0][0] == 9


def test_more_flagged_rows_than_one_look_takes(
    core: Core, dept: Department, story: Story, flags: Flags, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exchange.transports.tables.FLAGGED", 2)
    monkeypatch.setattr("exchange.flagpolling.FLAGGED", 2)
    columns = dept.place.rows(f"SELECT * FROM {ACCEPT}")[0]
    for number in range(5):
        marks_ = ", ".join("?" * len(columns))
        dept.place.run(f"INSERT INTO {ACCEPT} VALUES ({marks_})", f"copy-000{number}", *columns[1:])
    say(dept, ACCEPT, 3, "x: y")
    flags().run()
    assert len(core.findings(story.no)) == 6


def test_the_poller_of_the_party_looks_at_them(core: Core, dept: Department, story: Story) -> None:
    say(dept, ACCEPT, 3, "deptcode: not ours")
    poller = Poller(core.hub, PARTY)
    poller.turn()
    poller.close()
    assert core.findings(story.no) == [("procedure", "receipt_refused")]


def test_a_database_that_is_away_is_later(core: Core, dept: Department, story: Story, flags: Flags) -> None:
    round_ = flags()
    round_.run()
    dept.place.run(f"ALTER TABLE {ACCEPT} RENAME TO gone")
    with pytest.raises(TryLater):
        round_.run()


@pytest.mark.parametrize(
    "over",
    [{"tables": ("NONE",)}, {"opens": "NONE"}, {"flag": "none"}, {"case": "none"}, {"clear": ("none",)}],
)
def test_a_manifest_that_names_what_is_not_there(core: Core, over: dict[str, Any]) -> None:
    said = {
        "tables": ("PRE_FILE",),
        "flag": "signstate",
        "reason": "err",
        "case": "projid",
        "opens": "PRE_FILE",
    }
    script = core.hub.adapters["department_d"].script
    assert script is not None
    check_ours(script, WrittenRows(**said))
    with pytest.raises(Misconfigured, match="unknown_"):
        check_ours(script, WrittenRows(**{**said, **over}))


def test_every_table_the_hub_writes_is_looked_at(core: Core) -> None:
    database = core.hub.adapters["department_d"].database
    assert database is not None
    assert database.ours is not None
    assert tuple(name.lower() for name in database.ours.tables) == TABLES

"""Personal data at rest: a value without its key, away from its column, altered, and after a rotation."""

import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import JSON, LargeBinary, Text, func, select, type_coerce, update

from exchange.acts import record
from exchange.app import cli, datakeys, opening
from exchange.app.secretfiles import held
from exchange.app.settings import load_settings
from exchange.errors import HubError, Misconfigured, TryLater
from exchange.ledgervalues import value_of
from exchange.store import resealing
from exchange.store.sealed import KEPT_FILE, Ring, Sealed, ring_of
from exchange.store.tables import act, case_record, data_key, document, outbox
from hallservice.tables import metadata
from ledger.verify_store import verify_store
from tests.exchange.core.rig import ID_NUMBER, Core, Story, case_number, open_core

ADR = Path(__file__).resolve().parents[3] / "docs" / "adr" / "personal-data-at-rest.md"
ABOUT = b"document.body"
OLD, NEW, OTHER = (bytes([byte]) * 32 for byte in b"one")


def raw(core: Core, column: Any) -> bytes:
    """What stands first in this column."""
    with core.hub.store.read() as connection:
        there = select(type_coerce(column, LargeBinary)).where(column.is_not(None))
        found = connection.execute(there.limit(1)).scalar_one()
        return bytes(found)


def put(core: Core, column: Any, value: bytes) -> None:
    """As somebody who can write the file, and has no key."""
    plain = {column.name: type_coerce(value, LargeBinary)}
    core.hub.store.write(lambda work: work.connection.execute(update(column.table).values(plain)))


def code_of(does: Callable[[], object]) -> str:
    with pytest.raises(HubError) as refusal:
        does()
    return refusal.value.code


def applied(core: Core, story: Story) -> None:
    core.party("report", adapter="provincial_reporting")
    core.ok("hall", "case.applied.v1", story.applied())


def test_a_value_is_new_each_time_and_opens_for_its_column_alone() -> None:
    ring = Ring({1: OLD, 2: NEW})
    one, same = ring.seal(b"said", ABOUT), ring.seal(b"said", ABOUT)
    assert one != same and b"said" not in one
    assert ring.open(one, ABOUT) == ring.open(same, ABOUT) == b"said"
    assert len(one) == len(b"said") + 31
    assert code_of(lambda: ring.open(one, b"attachment.body")) == "value_damaged"
    assert Ring({2: NEW}).open(one, ABOUT) == b"said"  # the newest sealed it
    assert code_of(lambda: Ring({1: OLD}).open(one, ABOUT)) == "key_missing"
    assert code_of(lambda: Ring({2: OTHER}).open(one, ABOUT)) == "value_damaged"


def test_every_flipped_bit_and_every_cut_is_found() -> None:
    ring = Ring({1: OLD})
    value = ring.seal("张三".encode(), ABOUT)
    for at in range(len(value)):
        changed = value[:at] + bytes([value[at] ^ 1]) + value[at + 1 :]
        assert code_of(lambda: ring.open(changed, ABOUT)) in {"value_damaged", "key_missing"}, at  # noqa: B023
        assert code_of(lambda: ring.open(value[:at], ABOUT)) == "value_damaged"  # noqa: B023 - called at once
    assert code_of(lambda: ring.open(b"{}", ABOUT)) == "value_damaged"


def test_an_altered_value_is_a_coded_error_and_a_finding_of_the_ledger(core: Core, story: Story) -> None:
    applied(core, story)
    good = raw(core, document.c.body)
    for bad in (
        good[:-1] + bytes([good[-1] ^ 1]),
        raw(core, document.c.canonical),
        raw(core, act.c.body),
        b"{}",
    ):
        put(core, document.c.body, bad)
        with core.hub.store.read() as connection:
            assert code_of(lambda: connection.execute(select(document)).all()) == "value_damaged"
            seen = verify_store(connection, core.hub.store.log.signer.vkey, value_of(connection)).findings
        assert {one.rule for one in seen} == {"commitment"}


def test_a_value_of_another_case_of_the_same_column_is_no_secret_of_the_ledger(core: Core) -> None:
    """Sealing cannot tell two rows of a column apart; the commitments can."""
    for number in (1, 2):
        core.ok("hall", "case.applied.v1", Story(case_number(number)).applied())
    put(core, document.c.body, raw(core, document.c.body))
    with core.hub.store.read() as connection:
        seen = verify_store(connection, core.hub.store.log.signer.vkey, value_of(connection)).findings
    assert {one.rule for one in seen} == {"commitment"}


def test_queries_cannot_look_inside(core: Core, story: Story) -> None:
    applied(core, story)
    column = case_record.c.application
    for look in (
        lambda: column == {"name": "张三"}, lambda: column.in_(["x"]), lambda: column.like("%x%"),
        lambda: column.desc(), lambda: column.contains("x"), lambda: column["name"], lambda: column + "x",
    ):  # fmt: skip
        with pytest.raises(TypeError, match="sealed"):
            look()
    with core.hub.store.read() as connection:
        assert connection.execute(select(func.count()).where(column.is_not(None))).scalar() == 1
        assert connection.execute(select(func.count()).where(case_record.c.acceptance == None)).scalar() == 1  # noqa: E711 - SQL


def test_each_column_is_sealed_under_its_own_name_or_its_reason_is_written_down() -> None:
    said = ADR.read_text("utf-8")
    for table in metadata.sorted_tables:
        for column in table.columns:
            name = f"{table.name}.{column.name}"
            if isinstance(column.type, Sealed):
                assert column.type.about == name
            elif isinstance(column.type, JSON | LargeBinary | Text):
                assert f"`{name}`" in said, (
                    f"{name}: seal it, or say in {ADR.name} why it holds no personal data"
                )


def test_hubs_of_one_process_have_their_own_keys(core: Core, story: Story, tmp_path: Path) -> None:
    settings = load_settings(environ={"TONGBAN_STATE": str(tmp_path / "other")})
    other = opening.open_store(settings)
    applied(core, story)
    body = b"of the other"
    other.write(lambda work: record(work, "other", "x.done", "x-1", "x", body))
    core.verified()
    with other.read() as connection:
        assert connection.execute(select(act.c.body)).scalars().all() == [body]
    assert not ring_of(other.engine.dialect).proves(raw(core, data_key.c.proof))
    other.engine.dispose()


def test_without_its_keys_a_store_is_not_opened(core: Core, story: Story, tmp_path: Path) -> None:
    applied(core, story)
    core.hub.store.engine.dispose()
    path = datakeys.path_of(core.settings, 1)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    key = path.read_bytes()
    for open_ in (opening.open_store, opening.open_reader):
        path.unlink()
        assert code_of(lambda: open_(core.settings)) == "key_missing"  # noqa: B023 - called at once
        assert not path.exists(), "no key is made in the place of a lost one"
        path.write_bytes(OTHER)
        path.chmod(0o600)
        assert code_of(lambda: open_(core.settings)) == "key_other"  # noqa: B023
        path.write_bytes(key[:-1])
        assert code_of(lambda: open_(core.settings)) == "key_unreadable"  # noqa: B023
        path.write_bytes(key)
        path.chmod(0o644)
        assert code_of(lambda: open_(core.settings)) == "key_exposed"  # noqa: B023
        path.chmod(0o600)
    opening.open_store(core.settings).engine.dispose()


def numbers(core: Core) -> dict[str, set[int]]:
    """Under which keys the values of each table stand."""
    found: dict[str, set[int]] = {}
    with core.hub.store.read() as connection:
        for table, columns in resealing.sealed_columns(metadata).items():
            for column in columns:
                rows = connection.execute(select(type_coerce(column, LargeBinary))).scalars()
                found.setdefault(table.name, set()).update(row[2] for row in rows if row is not None)
    return {name: keys for name, keys in found.items() if keys}


def worked(core: Core) -> dict[str, Any]:
    core.party("report", adapter="provincial_reporting")
    for number in range(1, 6):
        story = Story(case_number(number))
        core.ok("hall", "case.applied.v1", story.applied())
        core.ok("hall", "case.accepted.v1", story.accepted())
    return everything(core)


def everything(core: Core) -> dict[str, Any]:
    """What stands in the tables with sealed columns, opened."""
    with core.hub.store.read() as connection:
        return {
            table.name: [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key))]
            for table in resealing.sealed_columns(metadata)
        }


@pytest.fixture
def site(core: Core, monkeypatch: pytest.MonkeyPatch) -> Core:
    """Where `tongban` works; batches are small."""
    monkeypatch.setenv("TONGBAN_STATE", str(core.settings.state))
    monkeypatch.setattr(resealing, "BATCH", 3)
    return core


def test_keys_are_not_rotated_under_a_hub_that_runs(site: Core, capsys: pytest.CaptureFixture[str]) -> None:
    with held(datakeys.running(site.settings), alone=False):
        assert cli.main(["keys", "rotate"]) == 1
    assert "in_use" in capsys.readouterr().err
    assert not datakeys.path_of(site.settings, 2).exists()


def test_a_rotation_that_was_broken_off_is_finished_and_the_old_key_needed_no_more(
    site: Core, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before, kept = worked(site), site.settings.state / "files" / "ab" / ("ab" * 32)
    kept.parent.mkdir(parents=True)
    kept.write_bytes(ring_of(site.hub.store.engine.dialect).seal(b"scan", KEPT_FILE))
    site.hub.store.engine.dispose()
    with monkeypatch.context() as power_cut:
        whole = resealing._Renewing.statement
        power_cut.setattr(
            resealing._Renewing, "statement", lambda it: 1 / 0 if it.table.name == "document" else whole(it)
        )
        with pytest.raises(ZeroDivisionError):
            cli.main(["keys", "rotate"])
    works_under_both(site, tmp_path / "half")
    capsys.readouterr()

    assert cli.main(["keys", "rotate"]) == 0
    said = capsys.readouterr().out
    assert "sealed by key 2;" in said and "document: " in said and "files: 1\n" in said
    assert not datakeys.path_of(site.settings, 3).exists(), "the one broken off was finished"
    datakeys.path_of(site.settings, 1).unlink()
    after = open_core(tmp_path, site.clock)
    assert set().union(*numbers(after).values()) == {2}
    assert everything(after) == before
    assert ring_of(after.hub.store.engine.dialect).open(kept.read_bytes(), KEPT_FILE) == b"scan"
    after.verified()
    assert cli.main(["keys", "list"]) == 0
    assert capsys.readouterr().out.startswith("2  since ")
    after.hub.store.engine.dispose()


def works_under_both(site: Core, folder: Path) -> None:
    """A hub that is started in the middle of a rotation."""
    shutil.copytree(site.settings.state, folder / "var")
    half = open_core(folder, site.clock)
    half.keys.update(site.keys)
    half.ok("hall", "case.applied.v1", Story(case_number(9)).applied())
    assert (numbers(half)["case_record"], numbers(half)["document"]) == ({2}, {1, 2})
    half.verified()
    half.hub.store.engine.dispose()


def test_a_rotation_leaves_what_no_key_opens(
    core: Core, story: Story, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    applied(core, story)
    damaged = raw(core, outbox.c.payload)[:-1] + b"?"
    put(core, outbox.c.payload, damaged)
    core.hub.store.engine.dispose()
    monkeypatch.setenv("TONGBAN_STATE", str(core.settings.state))
    assert cli.main(["keys", "rotate"]) == 1
    assert "outbox: 1, 1 damaged and left as they are\n" in capsys.readouterr().out
    settings = core.settings
    store = opening.open_store(settings)
    with store.read() as connection:
        assert connection.execute(select(type_coerce(outbox.c.payload, LargeBinary))).scalar() == damaged
        applicant = connection.execute(select(case_record.c.application)).scalar_one()["applicant"]
    assert applicant["document_no"] == ID_NUMBER
    store.engine.dispose()


def test_no_key_is_made_beyond_the_last_number(core: Core) -> None:
    last = datakeys.path_of(core.settings, 65_535)
    shutil.copy(datakeys.path_of(core.settings, 1), last)
    store = opening.open_store(core.settings)
    assert ring_of(store.engine.dialect).newest == 65_535
    datakeys.retire(store.engine)
    with pytest.raises(Misconfigured, match="keys_used_up"):
        datakeys.turn(core.settings, store.engine)
    store.engine.dispose()


def test_a_damaged_value_is_no_fault_of_the_sender(core: Core, story: Story) -> None:
    """What the case says cannot be read: the sender keeps its message and sends it again."""
    applied(core, story)
    put(core, case_record.c.application, raw(core, outbox.c.payload))
    with pytest.raises(TryLater, match="value_damaged"):
        core.send("hall", "case.accepted.v1", story.accepted())
    assert core.state(story.no) == "submitted"

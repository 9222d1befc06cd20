"""The unit of work: one durable commit for many acts, each failing alone, one checkpoint over all of them."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest
from sqlalchemy import insert, text

from exchange import references
from exchange.errors import TryLater
from exchange.routing import Plan
from exchange.store.tables import finding, outbox
from exchange.store.work import Store, Work
from ledger.log import Checkpoint, Draft, Entry
from ledger.note import open_checkpoint
from tests.exchange.core.rig import Core, together

WRITER = """
import sys, itertools
from exchange.app.opening import open_store
from exchange.app.settings import load_settings
from exchange import references
from ledger.log import Draft

store = open_store(load_settings(environ={"TONGBAN_STATE": sys.argv[1]}))
how_many = int(sys.argv[3]) if len(sys.argv) > 3 else None
for n in itertools.islice(itertools.count(), how_many):
    name = f"{sys.argv[2]}-{n}"
    def act(work):
        entry = work.append(Draft("test.act", name, "a", "b", "svc", values={"payload": name.encode()}))
        references.remember(work, "writer", name, str(entry.seq))
    store.write(act)
    print(name, flush=True)
"""


def line(name: str) -> Draft:
    return Draft("test.act", name, "a", "b", "svc", values={"payload": name.encode()})


def noted(
    store: Store, name: str, fail: BaseException | None = None
) -> Callable[[], tuple[Entry, Checkpoint]]:
    """An act of one row and one ledger line that tells its position and the checkpoint it was given."""

    def act(work: Work) -> tuple[Entry, list[Checkpoint]]:
        given: list[Checkpoint] = []
        entry = work.append(line(name))
        references.remember(work, "test", name, str(entry.seq))
        work.at_checkpoint(given.append)
        if fail is not None:
            raise fail
        return entry, given

    def call() -> tuple[Entry, Checkpoint]:
        entry, given = store.write(act)
        assert len(given) == 1
        return entry, given[0]

    return call


def names(core: Core) -> set[str]:
    return {row["value"] for row in core.rows("SELECT value FROM reference WHERE kind = 'test'")}


def xids(core: Core) -> list[str]:
    return [json.loads(leaf)["xid"] for leaf in core.leaves()]


def test_one_checkpoint_covers_the_acts_of_many_threads(core: Core) -> None:
    before = core.value("SELECT count(*) FROM ledger_checkpoint")
    done = together(core, [noted(core.hub.store, f"act-{n}") for n in range(12)])
    checkpoints = {checkpoint.text for _, checkpoint in done}
    assert len(checkpoints) == 1
    assert core.value("SELECT count(*) FROM ledger_checkpoint") == before + 1
    head = open_checkpoint(checkpoints.pop().encode(), core.hub.store.log.signer.verifier)
    assert [entry.seq for entry, _ in done] == list(range(head.size - 12, head.size))
    core.verified(values=False)


def test_acts_from_many_threads_all_survive(core: Core) -> None:
    store = core.hub.store
    first = core.value("SELECT count(*) FROM ledger_entry")

    def worker(me: int) -> None:
        for n in range(15):
            noted(store, f"w{me}-{n}")()

    threads = [threading.Thread(target=worker, args=(me,)) for me in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert names(core) == {f"w{me}-{n}" for me in range(8) for n in range(15)}
    assert core.value("SELECT count(*) FROM ledger_entry") == first + 120
    core.verified(values=False)


def test_an_act_that_fails_in_a_group_fails_alone(core: Core) -> None:
    store = core.hub.store
    acts = [noted(store, f"act-{n}", ValueError(f"no {n}") if n in (0, 3) else None) for n in range(6)]
    done = together(core, acts)
    assert [str(one) for one in done if isinstance(one, ValueError)] == ["no 0", "no 3"]
    assert names(core) == {"act-1", "act-2", "act-4", "act-5"}
    assert xids(core)[-4:] == ["act-1", "act-2", "act-4", "act-5"]
    core.verified(values=False)


def test_an_act_that_fails_alone_leaves_nothing(core: Core) -> None:
    leaves = core.leaves()
    with pytest.raises(ValueError, match="alone"):
        noted(core.hub.store, "act", ValueError("alone"))()
    assert names(core) == set()
    assert core.leaves() == leaves
    noted(core.hub.store, "after")()
    assert names(core) == {"after"}
    core.verified(values=False)


@pytest.mark.parametrize("where", [0, 2])
def test_what_is_no_exception_undoes_its_commit_and_hangs_nobody(core: Core, where: int) -> None:
    store = core.hub.store
    acts = [noted(store, f"act-{n}", SystemExit(9) if n == where else None) for n in range(4)]
    done = together(core, acts)
    assert isinstance(done[where], SystemExit)
    settled = {f"act-{n}" for n, one in enumerate(done) if not isinstance(one, BaseException)}
    assert names(core) == settled, "an act reported done is kept, one that raised is not"
    noted(store, "after")()
    assert "after" in names(core)
    core.verified(values=False)


def test_an_attempt_undoes_rows_ledger_lines_plans_findings_and_answers(core: Core) -> None:
    leaves, afters, checkpoints = core.leaves(), [], []
    plan = Plan("hall", "out-1", "house", "sms.requested.v1", None, {}, {})

    def act(work: Work) -> None:
        with pytest.raises(KeyError), work.attempt():
            entry = work.append(line("undone"))
            references.remember(work, "test", "undone", "x")
            core.hub.outbox.add(work, [plan], entry.seq)
            found = {
                "case_no": None,
                "category": "logic",
                "code": "c",
                "detail": "d",
                "at": 0.0,
                "entry": entry.seq,
            }
            work.later(insert(finding), found)
            work.group.answers["question"] = "answer"
            work.at_checkpoint(checkpoints.append)
            work.after_commit(lambda: afters.append("undone"))
            raise KeyError
        assert "question" not in work.group.answers
        with work.attempt():
            work.append(line("kept"))
            work.after_commit(lambda: afters.append("kept"))

    core.hub.store.write(act)
    assert xids(core) == [*(json.loads(leaf)["xid"] for leaf in leaves), "kept"]
    assert (names(core), core.outbox(), core.findings()) == (set(), [], [])
    assert (afters, checkpoints) == (["kept"], [])
    core.verified(values=False)


def test_attempts_nest(core: Core) -> None:
    def act(work: Work) -> None:
        with work.attempt():
            references.remember(work, "test", "outer", "x")
            with pytest.raises(KeyError), work.attempt():
                references.remember(work, "test", "inner", "x")
                raise KeyError
            references.remember(work, "test", "again", "x")

    core.hub.store.write(act)
    assert names(core) == {"outer", "again"}


def test_after_commit_runs_once_others_can_see_the_rows(core: Core) -> None:
    seen: list[set[str]] = []

    def act(work: Work) -> None:
        references.remember(work, "test", "row", "x")
        work.after_commit(lambda: seen.append(names(core)))
        assert names(core) == set(), "not visible before the commit"

    core.hub.store.write(act)
    assert seen == [{"row"}]


def test_after_commit_does_not_run_when_the_commit_fails(core: Core) -> None:
    ran: list[str] = []

    def act(work: Work) -> None:
        work.append(line("never"))
        work.after_commit(lambda: ran.append("after"))
        work.later(
            insert(finding),
            {"case_no": None, "category": "c", "code": "c", "detail": "d", "at": 0.0, "entry": 10**6},
        )

    with pytest.raises(TryLater):
        core.hub.store.write(act)
    assert ran == []
    assert "never" not in xids(core)
    noted(core.hub.store, "after")()
    core.verified(values=False)


def test_what_fails_after_the_commit_leaves_nobody_waiting(core: Core) -> None:
    def first(work: Work) -> None:
        references.remember(work, "test", "first", "x")
        work.after_commit(lambda: 1 // 0)

    acts = [lambda: core.hub.store.write(first), *(noted(core.hub.store, f"act-{n}") for n in range(3))]
    done = together(core, acts)
    assert not any(isinstance(one, BaseException) for one in done)
    assert names(core) == {"first", "act-0", "act-1", "act-2"}, "it was durable before"


@pytest.mark.parametrize("group", [1, 3])
def test_nothing_can_be_planned_without_its_ledger_line(core: Core, group: int) -> None:
    row = {
        "party": "hall",
        "message_id": "m",
        "document": "house",
        "type": "t",
        "payload": {},
        "context": {},
        "state": "pending",
        "attempts": 0,
        "next_at": 0.0,
        "created_at": 0.0,
        "entry": 99_999,
    }
    acts = [lambda: core.hub.store.write(lambda work: work.connection.execute(insert(outbox), row))]
    acts += [noted(core.hub.store, f"act-{n}") for n in range(group - 1)]
    done = together(core, acts)
    assert isinstance(done[0], TryLater)
    assert core.outbox() == []
    kept = {f"act-{n}" for n, one in enumerate(done[1:]) if not isinstance(one, BaseException)}
    assert names(core) == kept
    core.verified(values=False)


def test_a_store_that_is_locked_says_try_later_and_goes_on_after(core: Core) -> None:
    store = core.hub.store
    with store.engine.connect() as mine, store.engine.connect() as other:
        mine.exec_driver_sql("PRAGMA busy_timeout = 50")
        mine.rollback()
        other.execution_options(writing=True)
        with other.begin():
            mine.close()  # back to the pool: the next writer gets it
            with pytest.raises(TryLater):
                noted(store, "while-locked")()
    noted(store, "after")()
    assert names(core) == {"after"}
    core.verified(values=False)


def test_the_reader_sees_one_state_while_others_write(core: Core) -> None:
    with core.hub.store.read() as connection:
        count = text("SELECT count(*) FROM ledger_entry")
        before = connection.execute(count).scalar()
        noted(core.hub.store, "meanwhile")()
        assert connection.execute(count).scalar() == before
    assert core.value("SELECT count(*) FROM ledger_entry") == before + 1


def writer(core: Core, name: str, *more: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", WRITER, str(core.settings.state), name, *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_two_processes_write_in_turn(core: Core) -> None:
    other = writer(core, "other", "25")
    assert other.stdout is not None
    other.stdout.readline()
    for n in range(25):
        noted(core.hub.store, f"mine-{n}")()
    assert other.wait(60) == 0
    other.stdout.close()
    ids = xids(core)
    assert {f"other-{n}" for n in range(25)} | {f"mine-{n}" for n in range(25)} <= set(ids)
    assert len(ids) == len(set(ids))
    core.verified(values=False)


def test_kill_9_of_a_writer_leaves_rows_and_ledger_agreeing(core: Core) -> None:
    for attempt in range(4):
        victim = writer(core, f"v{attempt}")
        assert victim.stdout is not None
        told = [victim.stdout.readline().strip() for _ in range(5 + attempt * 7)]
        os.kill(victim.pid, signal.SIGKILL)
        told += [one.strip() for one in victim.stdout if one.endswith("\n")]
        victim.wait(20)
        victim.stdout.close()
        kept = {row["value"]: row["case_no"] for row in core.rows("SELECT value, case_no FROM reference")}
        assert set(told) <= kept.keys(), "what was reported durable is there"
        by_seq = {str(json.loads(leaf)["seq"]): json.loads(leaf)["xid"] for leaf in core.leaves()}
        mine = {name: seq for name, seq in kept.items() if name.startswith(f"v{attempt}-")}
        assert len(mine) in (len(told), len(told) + 1), "at most one commit was not yet told"
        assert all(by_seq[seq] == name for name, seq in mine.items())
        core.verified(values=False)
    noted(core.hub.store, "after")()

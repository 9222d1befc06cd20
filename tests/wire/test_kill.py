"""kill -9 while senders go on: afterwards inbox, cases, documents, ledger and outbox tell one story."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest

from tests.wire.rig import SEAL, Hub, Identity, application, identity, sms, to_json

KILLS = 18
SENDERS = 3
SEED = 20261122


# One interpreter that has imported everything forks the hub anew after each kill: seconds less for each.
FORKER = """
import os, sys
import exchange.app.commands.serve
from exchange.app.cli import main
for line in sys.stdin:
    child = os.fork()
    if not child:
        os._exit(main(["serve"]))
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Forked:
    """The hub's process as `rig.Hub` wants it, forked instead of started."""

    def __init__(self, hub: Hub) -> None:
        pipe = subprocess.PIPE
        with (hub.state / "serve.log").open("ab") as log:
            self._forker = subprocess.Popen(
                [sys.executable, "-c", FORKER],
                env=hub.environment,
                cwd=hub.state,
                stdin=pipe,
                stdout=pipe,
                stderr=log,
            )
        self._hub = hub
        self.pid = 0

    def start(self) -> None:
        """Returns when /health answers."""
        self._ask()
        self._hub.wait_until_healthy(lambda: None)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        assert self._said() == -signal.SIGKILL

    def terminate(self) -> int:
        """Exit code after SIGTERM."""
        os.kill(self.pid, signal.SIGTERM)
        code = self._said()
        self._forker.communicate(timeout=15)
        return code

    def _ask(self) -> None:
        assert self._forker.stdin is not None
        self._forker.stdin.write(b"start\n")
        self._forker.stdin.flush()
        self.pid = self._said()

    def _said(self) -> int:
        assert self._forker.stdout is not None
        return int(self._forker.stdout.readline())


@dataclass
class Sender:
    """Sends one message after another; each until it has a receipt, always the same bytes."""

    hub: Hub
    who: Identity
    stop: threading.Event
    number: int
    receipts: dict[str, bytes] = field(default_factory=dict)
    sent: dict[str, str] = field(default_factory=dict)  # message id -> case number, "" for none
    retries: int = 0
    odd: list[str] = field(default_factory=list)

    def run(self) -> None:
        while not self.stop.is_set():
            self._one(
                application(self.who.name) if len(self.sent) % 2 == self.number % 2 else sms(self.who.name)
            )

    def _one(self, value: dict[str, object]) -> None:
        body, ident = to_json(value), str(value["message_id"])
        payload = value["payload"]
        assert isinstance(payload, dict)
        self.sent[ident] = str(payload.get("case_no", ""))
        headers = {"Content-Type": "application/json", SEAL: self.who.jws(body)}
        while True:
            try:
                answer = self.hub.post(body, headers)
            except httpx2.TransportError:
                self.retries += 1
                time.sleep(0.02)
                continue
            if answer.status_code == 200:
                self.receipts[ident] = answer.content
                return
            if answer.status_code != 503:
                self.odd.append(answer.text)
                return
            time.sleep(0.05)


@dataclass
class Aftermath:
    """The hub after all kills, and what its senders hold."""

    hub: Hub
    senders: list[Sender]

    @property
    def receipts(self) -> dict[str, bytes]:
        return {ident: body for one in self.senders for ident, body in one.receipts.items()}

    @property
    def sent(self) -> dict[str, str]:
        return {ident: case for one in self.senders for ident, case in one.sent.items()}


@pytest.fixture(scope="module")
def aftermath(tmp_path_factory: pytest.TempPathFactory, window: Identity) -> Iterator[Aftermath]:
    chance, stop = random.Random(SEED), threading.Event()
    folder: Path = tmp_path_factory.mktemp("killed")
    hub = Hub(folder / "var")
    hub.prepare(window)
    _add_a_reader(hub)
    process = Forked(hub)
    process.start()
    senders = [Sender(hub, window, stop, number) for number in range(SENDERS)]
    threads = [threading.Thread(target=one.run) for one in senders]
    for thread in threads:
        thread.start()
    for _ in range(KILLS):
        time.sleep(chance.uniform(0.02, 0.6))
        process.kill()
        process.start()
    time.sleep(0.5)
    stop.set()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    yield Aftermath(hub, senders)
    assert process.terminate() == 0


def _add_a_reader(hub: Hub) -> None:
    """A party that is sent every application by its queue, so that each also leaves an outbox row."""
    _, certificate = identity("reader").files(hub.state)
    hub.tongban(
        "party", "add", "reader", "--certificate", str(certificate), "--takes", "case.applied.v1", "*"
    )
    with closing(sqlite3.connect(hub.state / "hub.db", isolation_level=None)) as connection:
        connection.execute("UPDATE party SET address = 'amqp:' WHERE name = 'reader'")


def test_every_message_has_its_receipt(aftermath: Aftermath) -> None:
    """The senders stopped after a receipt, so nothing is open; the kills were felt."""
    assert [one.odd for one in aftermath.senders] == [[]] * SENDERS
    assert aftermath.receipts.keys() == aftermath.sent.keys()
    assert len(aftermath.receipts) >= KILLS
    assert sum(one.retries for one in aftermath.senders) >= KILLS


def test_each_receipt_has_its_message_exactly_once(aftermath: Aftermath) -> None:
    hub = aftermath.hub
    inbox = hub.rows("SELECT message_id, state, entry, receipt FROM inbox")
    documents = hub.rows("SELECT message_id, entry FROM document WHERE direction = 'in'")
    assert sorted(row[0] for row in inbox) == sorted(aftermath.sent)
    assert sorted(row[0] for row in documents) == sorted(aftermath.sent)
    entries = dict(documents)
    for ident, state, entry, stored in inbox:
        receipt = json.loads(aftermath.receipts[ident])
        assert bytes(stored) == aftermath.receipts[ident]
        assert (state, receipt["status"], receipt["message_id"]) == ("accepted", "accepted", ident)
        assert receipt["ledger"]["entry"] == entry == entries[ident]


def test_every_application_is_one_case(aftermath: Aftermath) -> None:
    opened = sorted(case for case in aftermath.sent.values() if case)
    assert sorted(case for (case,) in aftermath.hub.rows("SELECT case_no FROM case_record")) == opened


def test_every_delivery_references_its_entry(aftermath: Aftermath) -> None:
    """One outbox row for each application, on the entry that accepted it."""
    hub = aftermath.hub
    rows = hub.rows("SELECT case_no, entry, party FROM outbox WHERE party = 'reader'")
    accepted = dict(
        hub.rows("SELECT case_no, entry FROM document WHERE direction = 'in' AND case_no IS NOT NULL")
    )
    assert {case: entry for case, entry, _ in rows} == accepted
    assert len(rows) == len(accepted)
    ledger = {number for (number,) in hub.rows("SELECT seq FROM ledger_entry")}
    assert {entry for (entry,) in hub.rows("SELECT entry FROM outbox")} <= ledger


def test_every_delivery_arrives(aftermath: Aftermath) -> None:
    """Under the id of its outbox row; a kill between delivery and mark may bring one again."""
    hub = aftermath.hub
    planned = {ident for (ident,) in hub.rows("SELECT message_id FROM outbox WHERE party = 'reader'")}
    until = time.monotonic() + 40
    while (arrived := _arrived(hub)).keys() != planned and time.monotonic() < until:
        time.sleep(0.2)
    assert arrived.keys() == planned


def _arrived(hub: Hub) -> Counter[str]:
    with closing(sqlite3.connect(hub.state / "queue.db", timeout=30)) as connection:
        rows = connection.execute("SELECT message_id FROM message WHERE queue = 'tongban.out.reader'")
        return Counter(ident for (ident,) in rows)


def test_the_ledger_is_whole_and_keeps_every_checkpoint_given_out(aftermath: Aftermath) -> None:
    """Entries without a gap; each receipt's checkpoint is a beginning of the log as it is now."""
    hub = aftermath.hub
    numbers = [number for (number,) in hub.rows("SELECT seq FROM ledger_entry ORDER BY seq")]
    assert numbers == list(range(len(numbers)))
    receipts = sorted(aftermath.receipts.values(), key=lambda body: json.loads(body)["ledger"]["entry"])
    saved = []
    for position in range(0, len(receipts), max(1, len(receipts) // 20)):
        file = hub.state / f"saved-{position}"
        file.write_text(json.loads(receipts[position])["ledger"]["checkpoint"], "utf-8")
        saved += ["--saved", str(file)]
    assert hub.tongban("ledger", "verify", *saved)

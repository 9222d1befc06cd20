"""A writer killed in the middle of its work, again and again: the store is whole after each death."""

import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from ledger.export import export

ROOT = Path(__file__).resolve().parents[2]

WRITER = """
import sys, time
from pathlib import Path
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import create_engine, event
from ledger.export import export
from ledger.log import Draft, Log
from ledger.note import Signer

url, origin, folder = sys.argv[1:]
engine = create_engine(url)
pragmas = ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL")
event.listen(engine, "connect", lambda connection, _: [connection.execute(pragma) for pragma in pragmas])
log = Log(origin, Signer(origin, Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32)))
number = 0
while True:
    with engine.begin() as connection:
        batch = log.begin(connection, time.time_ns() // 10**6)
        for _ in range(number % 30 + 1):
            number += 1
            case, sender = f"p{number % 7}", f"a/{number % 3}"
            batch.append(Draft("k", f"x-{number}", sender, "b", "s", case=case, values={"v": b"1"}))
        size = batch.close().size
    print(size, flush=True)
    with engine.connect() as connection:
        export(connection, Path(folder))
"""


def killed_after(command: list[str], seconds: float) -> int:
    """Run the writer, kill it; the last size it reported as committed."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as writer:
        assert writer.stdout is not None
        first = writer.stdout.readline()
        time.sleep(seconds)
        writer.kill()
        lines = (first + writer.stdout.read()).split(b"\n")
    return max(int(line) for line in lines[:-1])


def test_sigkill_at_any_moment_loses_nothing_acknowledged(city: Any) -> None:
    folder = city.folder / "export"
    command = [sys.executable, "-c", WRITER, str(city.engine.url), city.signer.name, str(folder)]
    draw, saved = random.Random(17), ()
    for _ in range(12):
        acknowledged = killed_after(command, draw.uniform(0.0, 0.25))
        city.values = dict.fromkeys(((seq, "v") for seq in range(100_000)), b"1")
        report = city.verify(saved)
        assert report.findings == ()
        assert report.size >= acknowledged
        if (folder / "checkpoint").exists():
            assert {finding.rule for finding in city.check(folder, ()).findings} <= {"leftover"}
        note = city.sql("SELECT note FROM ledger_checkpoint ORDER BY size DESC LIMIT 1")[0][0]
        saved = (*saved, note.encode())
    with city.engine.connect() as connection:
        export(connection, folder, verifier=city.signer.verifier)
    assert city.check(folder, saved).findings == ()

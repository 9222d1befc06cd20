"""Results that go back on the carrier (contract §5): result.jsonl and its seal, once the last is there."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Final

from mocks.partners.common import jws
from mocks.partners.common.faults import Faults

RESULTS: Final = "result.jsonl"
NAME: Final = "handover"
FAULTS: Final = frozenset({"missing_line", "no_flag", "sig_bad", "clock_skew_s"})


def home(offer: sqlite3.Row) -> Path | None:
    """The folder its result goes to; None: over the queue."""
    request = json.loads(offer["request"])
    return Path(request["carrier"]).parent if request.get("results") == "folder" else None


def write_when_whole(db: sqlite3.Connection, folder: Path, signer: jws.Signer, faults: Faults) -> bool:
    """Writes the results of a folder once every package of it has one; the flag last."""
    offers = [one for one in db.execute("SELECT * FROM offer ORDER BY id") if home(one) == folder]
    if any(one["state"] != "published" for one in offers) or not folder.is_dir():
        return False
    bodies = [bytes(one["result"]) for one in offers]
    if faults.take(NAME, "missing_line"):
        bodies.pop()
    data = b"".join(body + b"\n" for body in bodies)
    flaws = faults.flaws(NAME)
    seal = signer.sign(data, {"file": RESULTS}, age=flaws.age, spoil=flaws.spoil)
    (folder / RESULTS).write_bytes(data)
    if not faults.take(NAME, "no_flag"):
        (folder / f"{RESULTS}.ok").write_text(f"{seal}\n", "ascii")
    return True

"""What the ledger adds to a commit, against inserting the same rows without it.

Run: python benchmarks/bench_ledger_append.py [--url postgresql+psycopg://...] [--pairs 60]
Pairs are interleaved, figures are medians. The control inserts rows prepared beforehand (entry, disclosures,
counters, head, checkpoint) and neither hashes nor signs.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, Engine, MetaData, create_engine, event, insert, update
from sqlalchemy.sql.expression import bindparam

from ledger.log import Draft, Log, metadata
from ledger.note import Signer
from ledger.tables import channel_key

ORIGIN = "ledger.city.example/bench"
CHANNELS, ENTRIES_PER_CASE = 20, 5
BATCHES = {1: 400, 10: 120, 100: 40, 1000: 10}


def draft(number: int) -> Draft:
    """A realistic act: three commitments, a case of five entries, one of twenty channels."""
    return Draft(
        "exchange.accepted",
        f"019a9f5e-{number:012x}",
        f"city/bureau-{number % CHANNELS}",
        "province/hall",
        "case.accepted/1",
        case=f"p:{number // ENTRIES_PER_CASE:032x}",
        state=("submitted", "accepted"),
        kid="hub-2026-1",
        suite="ed25519",
        values={"payload": b"p" * 2048, "sig": b"s" * 64, "subject": b"441499190001010015"},
    )


def copied() -> MetaData:
    """The same tables under other names, for the control."""
    other = MetaData()
    for table in metadata.sorted_tables:
        table.to_metadata(other, name=f"bare_{table.name}")
    return other


BARE = copied()


def bare(name: str) -> Any:
    return BARE.tables[f"bare_ledger_{name}"]


INSERTS = {name: insert(bare(name)) for name in ("entry", "disclosure", "counter", "head", "checkpoint")}
MOVE = (
    update(bare("counter"))
    .where(bare("counter").c.kind == bindparam("of"), bare("counter").c.key == bindparam("named"))
    .values(n=bindparam("to_n"), last_seq=bindparam("to_seq"))
)
HEAD = update(bare("head")).values(
    size=bindparam("to"), frontier=bindparam("now"), root=bindparam("hash"), ts=bindparam("at")
)


@dataclass
class Control:
    """Rows like those of a batch, ready before the clock starts."""

    seen: dict[tuple[str, str], int]

    def rows(self, first: int, count: int) -> Mapping[str, list[dict[str, Any]]]:
        numbers = range(first, first + count)
        entries = [{"seq": n, "leaf": b"l" * 560, "leaf_hash": b"h" * 32} for n in numbers]
        names = ("payload", "sig", "subject")
        salts = [{"seq": n, "name": name, "salt": b"s" * 16} for n in numbers for name in names]
        new, old = self.counters(numbers)
        return {
            "entry": entries,
            "disclosure": salts,
            "counter": new,
            "moves": old,
            "size": [{"n": first + count}],
        }

    def counters(self, numbers: range) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        keys: dict[tuple[str, str], int] = {}
        for n in numbers:
            item = draft(n)
            keys[("chan", channel_key(item.sender, item.receiver))] = n
            keys[("case", str(item.case))] = n
        new = [_new(key, n) for key, n in keys.items() if key not in self.seen]
        old = [_moved(key, n) for key, n in keys.items() if key in self.seen]
        self.seen |= keys
        return new, old


def _new(key: tuple[str, str], last: int) -> dict[str, Any]:
    return {"kind": key[0], "key": key[1], "n": 1, "last_seq": last}


def _moved(key: tuple[str, str], last: int) -> dict[str, Any]:
    return {"of": key[0], "named": key[1], "to_n": 2, "to_seq": last}


def insert_bare(rows: Mapping[str, list[dict[str, Any]]], connection: Connection) -> None:
    for name in ("entry", "disclosure", "counter"):
        if rows[name]:
            connection.execute(INSERTS[name], rows[name])
    if rows["moves"]:
        connection.execute(MOVE, rows["moves"])
    size = rows["size"][0]["n"]
    connection.execute(HEAD, {"to": size, "now": b"f" * 320, "hash": b"r" * 32, "at": size})
    connection.execute(INSERTS["checkpoint"], {"size": size, "note": "n" * 190})


def append(log: Log, drafts: list[Draft], connection: Connection) -> None:
    batch = log.begin(connection, 1_795_299_398_123)
    batch.prepare(drafts)
    for item in drafts:
        batch.append(item)
    batch.close()


def seconds(engine: Engine, work: Callable[[Connection], None]) -> float:
    """Work and commit; opening the connection is not counted."""
    with engine.connect() as connection:
        start = time.perf_counter()
        work(connection)
        connection.commit()
        return time.perf_counter() - start


def open_engine(url: str) -> Engine:
    engine = create_engine(url)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _durable)
    for tables in (metadata, BARE):
        tables.drop_all(engine)
        tables.create_all(engine)
    with engine.begin() as connection:
        empty = {"log": ORIGIN, "size": 0, "frontier": b"", "root": b"", "ts": 0}
        connection.execute(INSERTS["head"], empty)
    return engine


def _durable(connection: Any, _record: object) -> None:
    for pragma in ("journal_mode=WAL", "synchronous=FULL"):
        connection.execute(f"PRAGMA {pragma}")


def measure(engine: Engine, scale: float) -> None:
    log, control, at = Log(ORIGIN, Signer(ORIGIN, Ed25519PrivateKey.generate())), Control({}), 0
    print("batch  bare us/entry  ledger us/entry  adds us  rows/s ratio  entries/s")
    for size, pairs in BATCHES.items():
        bare_times, ledger_times = [], []
        for _ in range(max(5, int(pairs * scale))):
            rows, drafts = control.rows(at, size), [draft(n) for n in range(at, at + size)]
            at += size
            bare_times.append(seconds(engine, partial(insert_bare, rows)))
            ledger_times.append(seconds(engine, partial(append, log, drafts)))
        report(size, bare_times, ledger_times)


def report(size: int, bare_times: list[float], ledger_times: list[float]) -> None:
    base, full = statistics.median(bare_times), statistics.median(ledger_times)
    added = statistics.median(b - a for a, b in zip(bare_times, ledger_times, strict=True)) / size * 1e6
    ratio = statistics.median(a / b for a, b in zip(bare_times, ledger_times, strict=True))
    each = (base / size * 1e6, full / size * 1e6)
    print(f"{size:5}  {each[0]:13.1f}  {each[1]:15.1f}  {added:7.1f}  {ratio:12.2f}  {size / full:9,.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", help="SQLAlchemy URL; default: a new SQLite file, WAL, synchronous=FULL")
    parser.add_argument("--scale", type=float, default=1.0, help="more or fewer pairs")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        engine = open_engine(args.url or f"sqlite:///{Path(folder) / 'bench.db'}")
        measure(engine, args.scale)
        engine.dispose()


if __name__ == "__main__":
    main()

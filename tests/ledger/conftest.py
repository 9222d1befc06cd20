"""A small city with a log: a store, a key, acts to append, and the tools to damage it."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Engine, create_engine, event, text

from ledger.export import export
from ledger.log import Checkpoint, Draft, Log, metadata
from ledger.note import Signer, TreeHead
from ledger.report import Report
from ledger.tiles import ENTRIES, WIDTH, bundle, level_counts, path_of
from ledger.tree import leaf_hash, root_of
from ledger.verify import verify_directory, verify_store

ORIGIN = "ledger.city.example/2026"
STATES = ("submitted", "accepted", "decided")


@dataclass
class City:
    """A log in a database file, with the values its entries committed to."""

    folder: Path
    engine: Engine
    signer: Signer
    values: dict[tuple[int, str], bytes] = field(default_factory=dict)
    count: int = 0
    now: int = 1_795_299_398_000

    def __post_init__(self) -> None:
        self.log = Log(self.signer.name, self.signer)

    @property
    def store(self) -> Path:
        return Path(str(self.engine.url.database))

    def become(self, other: "City") -> None:
        """Hold the other's log, whose keys are the same."""
        other.engine.dispose()
        self.engine.dispose()
        shutil.copyfile(other.store, self.store)
        self.values, self.count, self.now = dict(other.values), other.count, other.now

    def draft(self, number: int) -> Draft:
        """Three channels; a case of three steps that follow one another."""
        step = number % 3
        return Draft(
            "exchange.accepted",
            f"x-{number:06}",
            f"city/{number % 3}",
            "province/hall",
            "case.accepted/1",
            case=f"p:{number // 3}",
            state=(STATES[step - 1] if step else None, STATES[step]),
            values={"payload": b"payload %d" % number, "sig": b"signature %d" % number},
        )

    def append(self, *batches: int) -> Checkpoint:
        """Commit batches of these sizes; the last checkpoint."""
        for size in batches:
            with self.engine.begin() as connection:
                batch = self.log.begin(connection, self.now)
                for _ in range(size):
                    self.add(batch, self.draft(self.count))
                    self.count += 1
                closed = batch.close()
            self.now += 250
        return closed

    def add(self, batch: Any, draft: Draft) -> int:
        seq: int = batch.append(draft).seq
        self.values |= {(seq, name): value for name, value in draft.values.items()}
        return seq

    def write(self, draft: Draft) -> int:
        """One act in a commit of its own."""
        with self.engine.begin() as connection:
            batch = self.log.begin(connection, self.now)
            seq = self.add(batch, draft)
            batch.close()
        return seq

    def sql(self, statement: str, **values: object) -> list[Any]:
        with self.engine.begin() as connection:
            done = connection.execute(text(statement), values)
            return [tuple(row) for row in done] if done.returns_rows else []

    def leaves(self) -> list[bytes]:
        return [row[0] for row in self.sql("SELECT leaf FROM ledger_entry ORDER BY seq")]

    def export(self, name: str = "export") -> Path:
        with self.engine.connect() as connection:
            export(connection, self.folder / name, verifier=self.signer.verifier)
        return self.folder / name

    def verify(self, saved: tuple[bytes, ...] = ()) -> Report:
        """The store with every value at hand."""
        with self.engine.connect() as connection:
            return verify_store(connection, self.signer.vkey, lambda *key: self.values.get(key), saved)

    def check(self, folder: Path, saved: tuple[bytes, ...] = ()) -> Report:
        return verify_directory(folder, self.signer.vkey, saved)

    def sign(self, leaves: list[bytes]) -> bytes:
        """A checkpoint over any leaves, as an operator with the key could make it."""
        return self.signer.sign(head_of(self.signer.name, leaves).body()).encode()

    def forge(self, leaves: list[bytes], name: str = "forged") -> Path:
        """A folder that is consistent in itself and signed by the true key, over leaves of one's choice."""
        folder = self.folder / name
        write_folder(folder, leaves, self.sign(leaves))
        return folder


def head_of(origin: str, leaves: list[bytes]) -> TreeHead:
    return TreeHead(origin, len(leaves), root_of([leaf_hash(leaf) for leaf in leaves]))


def write_folder(folder: Path, leaves: list[bytes], note: bytes) -> None:
    """The static files by the letter of the tile layout, without the exporter."""
    files = {"checkpoint": note}
    hashes = [leaf_hash(leaf) for leaf in leaves]
    for level, count in level_counts(len(leaves)):
        for low in range(0, count, WIDTH):
            tile = hashes[low : low + WIDTH]
            files[path_of(level, low // WIDTH, len(tile))] = b"".join(tile)
            if level == 0:
                part = leaves[low : low + WIDTH]
                files[path_of(ENTRIES, low // WIDTH, len(part))] = bundle(part)
        full = count - count % WIDTH
        hashes = [root_of(hashes[low : low + WIDTH]) for low in range(0, full, WIDTH)]
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)


def quick_engine(store: Path) -> Engine:
    """Without waiting for the disk: no power cut is played on it."""
    engine = create_engine(f"sqlite:///{store}")
    event.listen(engine, "connect", lambda raw, _: raw.execute("PRAGMA synchronous = OFF"))
    return engine


def make_city(folder: Path, origin: str = ORIGIN, seed: int = 1) -> City:
    engine = quick_engine(folder / f"store-{seed}.db")
    metadata.create_all(engine)
    signer = Signer(origin, Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32))
    return City(folder, engine, signer)


@pytest.fixture
def city(tmp_path: Path) -> Iterator[City]:
    made = make_city(tmp_path)
    yield made
    made.engine.dispose()


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., City]]:
    """More cities: `make(origin, seed)`."""
    cities: list[City] = []

    def another(origin: str = ORIGIN, seed: int = 2) -> City:
        cities.append(make_city(tmp_path, origin, seed))
        return cities[-1]

    yield another
    for one in cities:
        one.engine.dispose()

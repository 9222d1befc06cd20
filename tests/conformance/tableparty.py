"""Department D at work in this process, wrong in one named way: what it reads, marks and writes."""

# ruff: noqa: S608  # the names put into statements are the contract's
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import text

from mocks.conformance.identity import Keys, prepare
from mocks.partners import department_d
from mocks.partners.common.assemble import open_ground
from mocks.partners.common.config import Config
from mocks.partners.common.faults import Flaws
from mocks.partners.common.keys import make_keys
from mocks.partners.department_d_front import Front, Place
from mocks.partners.department_d_rows import Row, sealed
from mocks.partners.department_d_schema import Table
from mocks.partners.department_d_steps import Habits
from mocks.partners.department_steps import Department

Waiting = Sequence[tuple[str, object, str]]
Mark = tuple[int, str | None]


@dataclass(frozen=True)
class Defect:
    """One way to be wrong; each part gives what is done in place of the right thing."""

    id: str
    finds: tuple[str, ...]
    looks: Callable[["Party", Table, Waiting], Waiting] = lambda party, table, lot: lot
    judges: Callable[["Party", Table, Row, Mark], Mark] = lambda party, table, row, mark: mark
    marked: Callable[["Party", Table, Row], None] = lambda party, table, row: None
    any_version: bool = False  # a mark does not name the version that was read
    writes: Callable[["Party", Table, Row], Iterable[Row]] = lambda party, table, row: (row,)
    flags: Callable[["Party", Table, dict[str, Any]], dict[str, Any]] = lambda party, table, flags: flags
    resets: Callable[["Party", Table, str, int], None] = lambda party, table, key, version: None
    waits: bool = True  # an acceptance waits for its application
    options: Mapping[str, Any] = field(default_factory=dict)


CLEAN = Defect("clean", ())


class Bent(Front):
    """The database as the defect lets the department see and change it."""

    party: "Party"

    def waiting(self, table: Table, after: Place) -> Waiting:
        return self.party.defect.looks(self.party, table, super().waiting(table, after))

    def mark(self, table: Table, row: Row, flag: int, err: str | None, at: str) -> None:
        flag, err = self.party.defect.judges(self.party, table, row, (flag, err))
        self.party.defect.marked(self.party, table, row)  # first: who polls for the mark then sees it too
        if self.party.defect.any_version:
            values = f"{table.flag} = :flag, err = :err, sync_at = :at"
            sql = f"UPDATE {table.name} SET {values} WHERE row_key = :key"
            self.party.run(sql, flag=flag, err=err, at=at, key=row["row_key"])
        else:
            super().mark(table, row, flag, err, at)

    def insert(self, table: Table, row: Row) -> bool:
        return all(
            [super(Bent, self).insert(table, one) for one in self.party.defect.writes(self.party, table, row)]
        )

    def flags(self, table: Table, keys: Iterable[str]) -> Mapping[str, tuple[object, object]]:
        return self.party.defect.flags(self.party, table, dict(super().flags(table, keys)))

    def reset(self, table: Table, key: str, version: int) -> None:
        super().reset(table, key, version)
        self.party.defect.resets(self.party, table, key, version)


class Office(department_d.Office):
    """The department, whose acceptances may not wait."""

    def _unknown(self, table: Table, row: Row) -> department_d.Verdict:
        waits = self.front.party.defect.waits if isinstance(self.front, Bent) else True
        return super()._unknown(table, row) if waits else department_d.Verdict(9, "projid: unknown")


@dataclass
class Party:
    """The department on a file of its own, and the keys of both sides."""

    folder: Path
    uscc: str
    defect: Defect = CLEAN
    memory: dict[str, Any] = field(default_factory=dict)
    keys: Keys = field(init=False)

    def __post_init__(self) -> None:
        self.keys = prepare(self.folder)
        self.url = f"sqlite:///{self.folder}/front.db"
        key, self.certificate_file = self.folder / "keys" / "key.pem", self.folder / "keys" / "cert.pem"
        hub = {kind: self.folder / f"hub-{kind}.pem" for kind in ("ec", "rsa")}
        config = Config(
            "department_d", 0, self.folder, key, self.certificate_file, "http://127.0.0.1:9", "", "hub",
            hub["ec"], hub["rsa"], seed=7, own={"repeat_seconds": [0.05] * 6},
        )  # fmt: skip
        make_keys(config, xml=False)
        self.ground = open_ground(config, department_d.FAULTS, department_d.SCHEMA + department_d.SHEETS)
        self.front = Bent(Front.open(self.url).engine)
        object.__setattr__(self.front, "party", self)
        department, habits = Department(self.uscc, "示范局", ("甲示", "乙示", "丙示")), Habits(0, 0, 0, 0, 7)
        log = structlog.get_logger()
        self.office = Office(
            self.ground, self.front, department, habits, (0.02, 0.02), log, self.ground.app()
        )
        self.office.start()

    def use(self, defect: Defect) -> None:
        self.defect, self.memory = defect, {}

    def run(self, sql: str, **values: Any) -> None:
        with self.front.engine.connect() as db:
            db.execute(text(sql), values)

    def rows(self, sql: str, **values: Any) -> list[Any]:
        with self.front.engine.connect() as db:
            return list(db.execute(text(sql), values).all())

    def resealed(self, table: Table, row: Row) -> Row:
        """The row under a good seal over what it says now."""
        return sealed(table, row, self.ground.signer, Flaws())

    def close(self) -> None:
        self.office.stop()

    @staticmethod
    def key() -> str:
        """A row key nobody used."""
        return f"again-{secrets.token_hex(8)}"

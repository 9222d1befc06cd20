"""A front-end database as the hub writes and reads it, and as an attacker does: rows, seals, flags."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import LargeBinary, Text, cast, insert, inspect, literal, select, update
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from canonical.amounts import BEIJING
from exchange.adapterfolder import Adapter
from exchange.errors import HubError, Misconfigured, Refused, TryLater
from exchange.manifest import Database, Outcome, WrittenRows
from exchange.seals import jws
from exchange.tabledelivery import rows_of
from exchange.transports.rowtext import signed_text
from exchange.transports.sqldoor import open_partner, working
from exchange.transports.tablelayout import Layout, Script
from mocks.conformance.bench import Partner, Shot, new_nonce
from mocks.conformance.forgejws import GOOD, Recipe, forge
from mocks.conformance.identity import Keys
from mocks.conformance.masking import shown
from mocks.conformance.reply import Reply
from mocks.conformance.specimen import Specimen

LOOK = 0.02  # seconds between looks at a flag
Row = dict[str, Any]


@dataclass(frozen=True)
class Bytes:
    """A text column is given these bytes, whatever they say."""

    data: bytes


@dataclass(frozen=True)
class Put:
    """One row to write: `over` is the version it takes the place of (0: a new row); `text` is signed instead
    of what the row says."""

    table: str
    values: Mapping[str, Any]
    recipe: Recipe = GOOD
    over: int = 0
    text: bytes | None = None
    at: float | None = None
    off: int = 0  # seconds by which written_at differs from the seal

    @property
    def key(self) -> str:
        """Its row key."""
        return str(self.values.get("row_key"))


@dataclass
class TableLine:
    """One connection to the database both sides reach."""

    adapter: Adapter
    partner: Partner
    keys: Keys
    kind: str = "table"
    versions: dict[tuple[str, str], tuple[Specimen, int]] = field(default_factory=dict)
    _writing: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        database, script = self.adapter.database, self.adapter.script
        if database is None or script is None or database.ours is None:
            raise Misconfigured("no_database", "the manifest names no rows of ours", self.adapter.name)
        self.terms: Database = database
        self.ours: WrittenRows = database.ours
        self.script: Script = script
        self.timeout = self.adapter.limits.timeout
        self.engine = open_partner(self.partner.url, _password(self.partner), self.timeout)
        self.outcome = Outcome(path=self.ours.flag, ok=(str(self.ours.taken),), text=self.ours.reason)

    def send(self, shot: Shot) -> Reply:
        """Writes the document's rows and waits for their flags: the first turned down, else the last."""
        began, recipe = time.monotonic(), shot.seal or GOOD
        with self._writing:
            puts = [self._put(shot, table, values) for table, values in rows_of(shot.wire)]
            problem = self.write(puts)
            if not problem:
                self._wrote(shot, puts)
        how = f"{', '.join(one.table for one in puts)}  [{recipe.zh} / {recipe.en}] {shot.note}".rstrip()
        start = Reply(told_puts(puts), how, outcome=self.outcome)
        if problem:
            return replace(start, status=400, body=problem.encode())
        rows = self.settled([(one.table, one.key) for one in puts], shot.timeout or self.timeout)
        return self._read(rows, start, time.monotonic() - began)

    def write(self, puts: Sequence[Put]) -> str:
        """All of these rows in one transaction; what the database itself says against them."""
        try:
            with working(self.engine, self.timeout, writing=True) as connection:
                for one in puts:
                    connection.execute(self._statement(one))
        except TryLater as fault:
            if fault.code == "database_away":
                raise
            return f"the database refuses the row: {fault.detail}"
        return ""

    def row(self, table: str, key: str) -> Row | None:
        """The row as it stands."""
        layout = self.layout(table)
        query = select(layout.sql).where(layout.sql.c[self.terms.key] == key)
        with working(self.engine, self.timeout) as connection:
            return next((dict(one) for one in connection.execute(query).mappings()), None)

    def rows(self, table: str, case: str) -> list[Row]:
        """The rows of a case, in the order they were written."""
        layout = self.layout(table)
        columns = layout.sql.c
        query = select(layout.sql).where(columns[self.ours.case] == case)
        query = query.order_by(columns[self.terms.written], columns[self.terms.key])
        with working(self.engine, self.timeout) as connection:
            return [dict(one) for one in connection.execute(query).mappings()]

    def change(self, table: str, key: str, version: int, values: Mapping[str, Any]) -> None:
        """Sets columns of one version of a row, as a reader or a writer of flags does."""
        columns = self.layout(table).sql.c
        same = (columns[self.terms.key] == key) & (columns[self.terms.version] == version)
        with working(self.engine, self.timeout, writing=True) as connection:
            connection.execute(update(self.layout(table).sql).where(same).values(dict(values)))

    def settled(self, names: Sequence[tuple[str, str]], seconds: float) -> list[Row]:
        """These rows once one was turned down or all were read, or as they are when time is up."""
        over = {self.ours.refused, self.ours.unknown_case}

        def done(rows: list[Row]) -> bool:
            flags = [one[self.ours.flag] for one in rows]
            return bool(over & set(flags)) or (len(rows) == len(names) and all(flags))

        return self.wait(lambda: [one for name in names if (one := self.row(*name))], done, seconds)

    def wait(
        self, look: Callable[[], list[Row]], done: Callable[[list[Row]], bool], seconds: float
    ) -> list[Row]:
        """What `look` sees once it is `done`, or when time is up."""
        end = time.monotonic() + seconds
        while not done(rows := look()) and time.monotonic() < end:
            time.sleep(LOOK)
        return rows

    def problem(self, table: str, row: Row) -> str:
        """What is wrong with the partner's seal on a row of its own; empty when it holds."""
        layout, name = self.layout(table), f"{row[self.terms.key]}:{row[self.terms.version]}"
        try:
            text, now = signed_text(layout, row), datetime.now(UTC)
            sign = row[self.terms.sign]
            sealed = jws.verify_row(sign, text, self.partner.by_kid, table=layout.name, row=name, now=now)
        except HubError as fault:
            return f"{fault.code}: {fault.detail}"
        at = datetime.fromtimestamp(sealed.iat, BEIJING).isoformat()
        return "" if at == row[self.terms.written] else f"written_at {row[self.terms.written]}, iat {at}"

    def text(self, put: Put) -> bytes:
        """What the row's seal is over."""
        return put.text if put.text is not None else _signed(self.layout(put.table), put.values)

    def layout(self, table: str) -> Layout:
        """A table of the contract."""
        return self.script.layouts[table.lower()]

    def create(self) -> None:
        """The contract's tables, where they are not there yet."""
        try:
            self._create()
        except TryLater:
            self._create()  # the other side was at it too

    def _create(self) -> None:
        with working(self.engine, self.timeout, writing=True) as connection:
            look = inspect(connection)
            missing = {name for name in self.script.layouts if not look.has_table(name)}
            for about, statement in self.script.statements:
                if about in missing:
                    connection.exec_driver_sql(statement)

    def close(self) -> None:
        """Lets go of the connection."""
        self.engine.dispose()

    def _put(self, shot: Shot, table: str, values: Mapping[str, Any]) -> Put:
        """A row that is there is corrected; the same specimen again is the same version again."""
        own, before = self.versions.get((table, str(values.get(self.terms.key))), (None, 0))
        version = values.get(self.terms.version, 1)
        if before and isinstance(version, int):
            version = before if own is shot.specimen else before + 1
        return Put(table, {**values, self.terms.version: version}, shot.seal or GOOD, before)

    def _wrote(self, shot: Shot, puts: Sequence[Put]) -> None:
        for one in puts:
            if isinstance(version := one.values[self.terms.version], int):
                self.versions[one.table, one.key] = (shot.specimen, version)

    def _statement(self, put: Put) -> Any:
        layout, values = self.layout(put.table), self._full(put)
        if not put.over:
            return insert(layout.sql).values(values)
        same = layout.sql.c[self.terms.key] == put.values[self.terms.key]
        return update(layout.sql).where(same).values(values)

    def _full(self, put: Put) -> Row:
        """Every column: the business ones, key, seal, time, and the reader's own as a writer resets them."""
        layout, now = self.layout(put.table), put.at or time.time()
        text = self.text(put)
        bound = {"table": layout.name, "row": f"{put.key}:{put.values.get(self.terms.version)}"}
        forged = forge(put.recipe, text, bound, self.keys, now, new_nonce())
        row = {one.name: _column(put.values.get(one.name)) for one in layout.signed}
        at = datetime.fromtimestamp(int(now) + put.recipe.shift + put.off, BEIJING).isoformat()
        more = {self.ours.flag: self.ours.waiting, **dict.fromkeys(self.ours.clear)}
        key = {self.terms.key: put.values.get(self.terms.key)}
        return row | key | {self.terms.sign: "".join(forged.values), self.terms.written: at} | more

    def _read(self, rows: list[Row], start: Reply, seconds: float) -> Reply:
        """What the flags say."""
        flags = [one[self.ours.flag] for one in rows]
        if not all(flags) and not {self.ours.refused, self.ours.unknown_case} & set(flags):
            return replace(start, problem="没有读取标志 / no flag was set", seconds=seconds)
        told = next((one for one in rows if one[self.ours.flag] not in (0, self.ours.taken)), rows[-1])
        tree = {name: told.get(name) for name in (self.ours.flag, *self.ours.clear)}
        tree[self.ours.flag] = str(tree[self.ours.flag])
        body = "; ".join(f"{name}={value}" for name, value in tree.items() if value is not None)
        return replace(start, body=body.encode(), tree=tree, seconds=seconds)


def _password(partner: Partner) -> str:
    """That of the address, else the shared secret."""
    try:
        return str(make_url(partner.url).password or partner.secret)
    except ArgumentError:
        return partner.secret


def _signed(layout: Layout, values: Mapping[str, Any]) -> bytes:
    """The signed text; of values no text can be made of, that of the others."""
    plain = {name: value for name, value in values.items() if value not in (None, "")}
    try:
        return signed_text(layout, plain)
    except (Refused, ValueError):
        known = {one.name: int if one.kind == "integer" else str for one in layout.signed}
        return signed_text(
            layout, {name: one for name, one in plain.items() if isinstance(one, known.get(name, str))}
        )


def _column(value: Any) -> Any:
    return cast(literal(value.data, LargeBinary), Text) if isinstance(value, Bytes) else value


def told_puts(puts: Sequence[Put]) -> bytes:
    """The rows for the report."""
    return "\n".join(_line(one) for one in puts).encode(errors="replace")


def _line(put: Put) -> str:
    values = "; ".join(f"{name}={value}" for name, value in put.values.items() if value is not None)
    return f"{put.table}: {values}"


def told(rows: Sequence[Row], names: Sequence[str]) -> str:
    """Rows for the report: these columns of each."""
    return shown("\n".join(_columns(one, names) for one in rows)) or "-"


def _columns(row: Row, names: Sequence[str]) -> str:
    return "; ".join(f"{name}={row[name]}" for name in names if row.get(name) is not None)

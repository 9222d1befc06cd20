"""The partner's front-end database: what is written into it and read from it."""

from __future__ import annotations

from collections.abc import Mapping

from exchange.manifest.terms import Section


class TableCall(Section):
    """Rows written into the partner's front-end database [database]: the document's members are its tables
    (an object is one row, a list several), their members columns, the key among them; signed is what the
    contract signs, in its order. A row that is there and says something else is updated in place, with the
    version one higher; then also `set` columns get their values and `clear` columns become NULL."""

    set: Mapping[str, str | int] = {}
    clear: tuple[str, ...] = ()


class WrittenRows(Section):
    """What the reader of our own rows in `tables` says of them in column `flag`, with why in `reason`:
    `refused` needs a correction, which is a finding; `unknown_case` is set back to `waiting` once the row of
    table `opens` with the same `case` is `taken`. `clear` are then NULL again. Looked at every `every`
    seconds."""

    tables: tuple[str, ...]
    flag: str
    waiting: int = 0
    taken: int = 1
    refused: int = 3
    unknown_case: int = 9
    reason: str
    case: str
    opens: str
    clear: tuple[str, ...] = ()
    every: float = 5.0


class Database(Section):
    """The partner's front-end database at the party's address, its password in keys/secrets.toml.

    `create` (a file of the folder) makes its tables, which whoever comes first does; its columns but `key`,
    `sign`, `written` and `unsigned`, in its order, are a row's signed text, `version` among them. The seal is
    bound to `table` and `row` (key:version).
    """

    create: str
    key: str = "row_key"
    version: str = "dataver"
    sign: str = "row_sign"
    written: str = "written_at"
    unsigned: tuple[str, ...] = ()
    ours: WrittenRows | None = None


class TableDoor(Section):
    """A table of [database] the hub polls: rows where all of `where` hold, at most `limit` at once, in
    `order`, every `every` seconds. After its commit each row gets the columns of `ok`, `refused` or (the case
    is not known) `unknown_case`, texts being templates over {now}, and in `reason` what was wrong
    (`column: text`, at most 500 characters): only if version and seal are still those that were read."""

    table: str
    where: dict[str, str | int]
    order: tuple[str, ...]
    limit: int = 50
    every: float = 5.0
    ok: dict[str, str | int]
    refused: dict[str, str | int]
    unknown_case: Mapping[str, str | int] = {}
    reason: str | None = None

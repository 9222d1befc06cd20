"""Defects of a table partner: which rows it reads, in which order, what it marks and writes."""

# ruff: noqa: S608  # the names put into statements are the contract's
import time
from typing import Any

from mocks.partners.department_d_rows import Row
from mocks.partners.department_d_schema import Table
from tests.conformance.tableparty import Defect, Mark, Party, Waiting

FILES = "PRE_FILE"


def first_lot(party: Party, table: Table, lot: Waiting) -> Waiting:
    """LIMIT 50 before the flag is looked at: what stands behind the first 50 rows is never read."""
    if table.name != FILES:
        return lot
    sql = "SELECT row_key FROM PRE_FILE WHERE projid = :case ORDER BY written_at, row_key LIMIT 50"
    (case,) = party.rows("SELECT projid FROM PRE_FILE ORDER BY rowid DESC LIMIT 1") or [("",)]
    first = {key for (key,) in party.rows(sql, case=case[0])}
    return [one for one in lot if one[0] in first]


def newest_first(party: Party, table: Table, lot: Waiting) -> Waiting:
    return lot[::-1]


def first_versions(party: Party, table: Table, lot: Waiting) -> Waiting:
    return [one for one in lot if one[1] == 1]


def stumbles(party: Party, table: Table, lot: Waiting) -> Waiting:
    """One broken text, and the whole table is not read."""
    broken = f"SELECT 1 FROM {table.name} WHERE {table.flag} = 0 AND hex(remark) = :gbk" if lot else ""
    return (
        []
        if lot and table.name == FILES and party.rows(broken, gbk="梅州市".encode("gbk").hex().upper())
        else lot
    )


def takes(*starts: str) -> Any:
    """What it says so of is taken all the same."""

    def judges(party: Party, table: Table, row: Row, mark: Mark) -> Mark:
        return (1, None) if any((mark[1] or "").startswith(one) for one in starts) else mark

    return judges


def no_reason(party: Party, table: Table, row: Row, mark: Mark) -> Mark:
    return mark[0], None


def no_gaps(party: Party, table: Table, row: Row, mark: Mark) -> Mark:
    seen = party.memory.setdefault(row["row_key"], [])
    seen.append(row["dataver"])
    return (3, "dataver: gap") if len(seen) > 1 and seen[-1] > seen[-2] + 1 else mark


def unknown_is_wrong(party: Party, table: Table, row: Row, mark: Mark) -> Mark:
    return (3, "projid: unknown") if mark[0] == 9 else mark


def slow(party: Party, table: Table, row: Row, mark: Mark) -> Mark:
    time.sleep(0.2 if table.name == FILES and row["dataver"] == 1 else 0)
    return mark


def trims(party: Party, table: Table, row: Row) -> None:
    """It keeps its own notes in a column of the writer."""
    if "remark" in row:
        party.run(f"UPDATE {table.name} SET remark = 'seen' WHERE row_key = :key", key=row["row_key"])


def unsealed(party: Party, table: Table, row: Row) -> tuple[Row, ...]:
    return ({**row, "row_sign": ".."},)


def of_another_row(party: Party, table: Table, row: Row) -> tuple[Row, ...]:
    other = party.resealed(table, {**row, "row_key": party.key()})
    return ({**row, "row_sign": other["row_sign"]},)


def dashes(party: Party, table: Table, row: Row) -> tuple[Row, ...]:
    changed = {one: "2026-11-22 10:00:00" for one in ("nodetime", "donetime") if one in row}
    return (party.resealed(table, {**row, **changed}),)


def literal_null(party: Party, table: Table, row: Row) -> tuple[Row, ...]:
    return (party.resealed(table, {**row, "remark": "null"}),)


def earlier(party: Party, table: Table, row: Row) -> tuple[Row, ...]:
    return ({**row, "written_at": "2026-01-01T00:00:00+08:00"},)


def twice(party: Party, table: Table, row: Row) -> tuple[Row, ...]:
    return (row, party.resealed(table, {**row, "row_key": party.key()}))


def from_zero(party: Party, table: Table, row: Row) -> tuple[Row, ...]:
    return (party.resealed(table, {**row, "sn": row["sn"] - 1} if "sn" in row else row),)


def bad_key(party: Party, table: Table, row: Row) -> tuple[Row, ...]:
    return (party.resealed(table, {**row, "row_key": f"行-{row['row_key']}"}),)


def nothing(party: Party, table: Table, row: Row) -> tuple[Row, ...]:
    return ()


def impatient(party: Party, table: Table, flags: dict[str, Any]) -> dict[str, Any]:
    """What it wrote counts as read."""
    return {key: (version, 1) for key, (version, _) in flags.items()}


def again(party: Party, table: Table, flags: dict[str, Any]) -> dict[str, Any]:
    """What was refused is offered again as it was."""
    for key, (_, flag) in flags.items():
        if flag == 3:
            party.run(f"UPDATE {table.name} SET is_sync = 0 WHERE row_key = :key", key=key)
    return flags


def tidy(party: Party, table: Table, flags: dict[str, Any]) -> dict[str, Any]:
    """What was read is deleted."""
    for key, (_, flag) in flags.items():
        if flag == 1:
            party.run(f"DELETE FROM {table.name} WHERE row_key = :key", key=key)
    return flags


def reworded(party: Party, table: Table, key: str, version: int) -> None:
    party.run(f"UPDATE {table.name} SET nodeadv = '另一意见' WHERE row_key = :key", key=key)


TABLE: tuple[Defect, ...] = (
    Defect("reads-the-first-fifty-alone", ("TBL-lot",), looks=first_lot, options={"wait": 1.0}),
    Defect("reads-the-newest-first", ("TBL-order",), looks=newest_first),
    Defect("never-reads-corrections", ("TBL-inplace", "TBL-gap"), looks=first_versions),
    Defect("stumbles-over-a-broken-text", ("TBL-charset",), looks=stumbles),
    Defect("takes-wrong-seals", ("SEAL-flipped", "TBL-altered", "TBL-moved"), judges=takes("row_sign")),
    Defect("takes-any-time", ("TBL-written",), judges=takes("written_at")),
    Defect("takes-the-text-null", ("TBL-null-text",), judges=takes("remark")),
    Defect("takes-any-key", ("TBL-key-short", "TBL-key-signs"), judges=takes("row_key: form")),
    Defect("takes-old-versions", ("TBL-replay",), judges=takes("dataver: replay")),
    Defect("takes-other-content", ("IDM-applied-conflict",), judges=takes("row_key: conflict")),
    Defect("takes-long-numbers", ("TBL-long-projid",), judges=takes("projid: bad value")),
    Defect("refuses-gaps", ("TBL-gap",), judges=no_gaps),
    Defect("refuses-without-a-reason", ("TBL-mark", "TBL-replay"), judges=no_reason),
    Defect("unknown-case-is-an-error", ("TBL-unknown",), judges=unknown_is_wrong),
    Defect("acceptance-does-not-wait", ("TBL-late",), waits=False),
    Defect("marks-whatever-version", ("TBL-meanwhile",), judges=slow, any_version=True),
    Defect("changes-a-column-of-the-writer", ("TBL-columns",), marked=trims),
    Defect("writes-unsealed", ("ROW-seal",), writes=unsealed),
    Defect("writes-the-seal-of-another-row", ("ROW-seal",), writes=of_another_row),
    Defect("writes-times-with-dashes", ("ROW-schema",), writes=dashes),
    Defect("writes-the-text-null", ("ROW-schema",), writes=literal_null),
    Defect("writes-another-time", ("ROW-time", "ROW-seal"), writes=earlier),
    Defect("writes-a-step-twice", ("ROW-once", "ROW-waits"), writes=twice),
    Defect("counts-from-zero", ("ROW-step",), writes=from_zero),
    Defect("writes-other-keys", ("ROW-key",), writes=bad_key, options={"each": 1.0}),
    Defect("never-writes", ("ROW-comes",), writes=nothing, options={"each": 1.0}),
    Defect("waits-for-no-flag", ("ROW-waits",), flags=impatient),
    Defect("deletes-what-was-read", ("ROW-kept",), flags=tidy, options={"each": 1.0}),
    Defect("offers-refused-rows-again", ("ROW-refused",), flags=again),
    Defect("rewords-what-was-unknown", ("ROW-unknown",), resets=reworded),
)

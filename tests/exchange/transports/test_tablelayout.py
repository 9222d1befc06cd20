"""The create script of a contract as the only source of table and column names."""

import json
import sqlite3
from pathlib import Path

import pytest

from exchange.errors import Misconfigured
from exchange.manifest import Database, TableDoor
from exchange.transports.rowtext import signed_text
from exchange.transports.tablelayout import check_door, read_script

CONTRACT = Path(__file__).resolve().parents[3] / "adapters" / "department_d" / "contract" / "schema.sql"
TERMS = Database(create="schema.sql", unsigned=("signstate", "is_sync", "err", "sync_at"))
SMALL = """
CREATE TABLE Steps ( -- a comment; with a semicolon, and a comma
  row_key TEXT NOT NULL PRIMARY KEY, dataver INTEGER NOT NULL DEFAULT 1,
  Name TEXT,   -- 名称
  amount INTEGER, row_sign TEXT NOT NULL, written_at TEXT NOT NULL, is_sync INTEGER, err TEXT,
  UNIQUE (row_key, dataver)
);
CREATE INDEX steps_todo ON STEPS (is_sync);
"""


def test_the_contracts_own_script_is_read_as_the_database_reads_it() -> None:
    script = read_script(CONTRACT.read_text("utf-8"), TERMS)
    with sqlite3.connect(":memory:") as connection:
        connection.executescript(CONTRACT.read_text("utf-8"))
        tables = [
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        assert sorted(script.layouts) == sorted(name.lower() for name in tables)
        for name in tables:
            told = [(row[1], row[2].lower()) for row in connection.execute(f"PRAGMA table_info({name})")]
            assert [(one.name, one.kind) for one in script.layouts[name.lower()].columns] == told
    connection.close()
    signed = [one.name for one in script.layouts["pre_comm_form"].signed]
    assert signed == ["dataver", "projid", "item_values"]


def test_comments_constraints_and_capitals() -> None:
    script = read_script(SMALL, TERMS)
    layout = script.layouts["steps"]
    assert [one.name for one in layout.signed] == ["dataver", "name", "amount"]
    assert [about for about, _ in script.statements] == ["steps", "steps"]


def test_the_signed_text_is_compact_ordered_and_leaves_out_null() -> None:
    layout = read_script(SMALL, TERMS).layouts["steps"]
    said = {"amount": 7, "name": '张"三\\\n\u0001/é', "dataver": 2, "row_sign": "x"}
    text = signed_text(layout, said)
    assert text == '{"dataver":2,"name":"张\\"三\\\\\\n\\u0001/é","amount":7}'.encode()  # contract §2
    assert json.loads(text)["name"] == said["name"]
    assert signed_text(layout, {"dataver": 1}) == b'{"dataver":1}'


@pytest.mark.parametrize(
    "script",
    [
        "",
        "DROP TABLE steps;",
        "CREATE TABLE t (row_key TEXT);",
        SMALL.replace("amount INTEGER", "amount NUMERIC(9,2)"),
        SMALL.replace("Name TEXT", '"na me" TEXT'),
        SMALL + "; INSERT INTO steps VALUES (1)",  # noqa: S608 - it is refused
        "CREATE VIEW steps AS SELECT 1",
    ],
)
def test_any_other_script_is_an_error_at_start(script: str) -> None:
    with pytest.raises(Misconfigured) as fault:
        read_script(script, TERMS)
    assert fault.value.code == "bad_create_script"


@pytest.mark.parametrize(
    ("over", "code"),
    [
        ({"table": "other"}, "unknown_table"),
        ({"where": {"flag": 0}}, "unknown_column"),
        ({"order": ["nothing"]}, "unknown_column"),
        ({"reason": "why"}, "unknown_column"),
        ({"ok": {"name": "x"}}, "signed_column"),
    ],
)
def test_a_door_names_what_the_script_makes(over: dict[str, object], code: str) -> None:
    door = {"table": "STEPS", "where": {"is_sync": 0}, "order": ["row_key"], "ok": {"is_sync": 1}}
    door |= {"refused": {"is_sync": 3}, "reason": "err"}
    script = read_script(SMALL, TERMS)
    check_door(script, TableDoor.model_validate(door), "entry")
    with pytest.raises(Misconfigured) as fault:
        check_door(script, TableDoor.model_validate(door | over), "entry")
    assert fault.value.code == code

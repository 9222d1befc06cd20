"""Department D against adapters/department_d/contract, through an SQLite file and a real PostgreSQL."""

# ruff: noqa: S608  # the names put into statements are the contract's
import base64
import hashlib
import json
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.mocks.amqpparty import case_number
from tests.mocks.jsonparty import BEIJING, Identity, Program, checked_header, until

USCC = "11441400XX00173045"
ITEM = f"{USCC}4440125105000"
WHEN = "20261122T093000"
SCHEMA = Path(__file__).parents[2] / "adapters" / "department_d" / "contract" / "schema.sql"
TECHNICAL = {"row_key", "row_sign", "written_at", "signstate", "is_sync", "err", "sync_at"}
STEPS = ("EA_JC_STEP_PROC", "EA_JC_STEP_SPECIALNODE", "EA_JC_STEP_DONE")
OWN: dict[str, Any] = {
    "uscc": USCC, "department_name": "示范局", "step_seconds": 0.02, "poll_seconds": 0.05, "correct_every": 0,
    "repeat_seconds": [0.05] * 6,
}  # fmt: skip
SERIAL = iter(one for one in range(1, 100_000) if one % 5 and one % 7)
Row = dict[str, Any]


class Base:
    """The shared database in raw SQL, as the hub's side: one connection, every statement by itself."""

    def __init__(self, url: str, connection: Any, mark: str) -> None:
        self.url, self.connection, self.mark = url, connection, mark

    def run(self, sql: str, *values: Any) -> list[Any]:
        cursor = self.connection.cursor()
        cursor.execute(sql.replace("?", self.mark), values)
        found = cursor.fetchall() if cursor.description else []
        cursor.close()
        return list(found)

    def columns(self, table: str) -> list[str]:
        cursor = self.connection.cursor()
        cursor.execute(f"SELECT * FROM {table} WHERE 1 = 0")
        names = [one[0].lower() for one in cursor.description]
        cursor.close()
        return names

    def row(self, table: str, key: str) -> Row:
        (found,) = self.run(f"SELECT * FROM {table} WHERE row_key = ?", key)
        return dict(zip(self.columns(table), found, strict=True))


def sqlite_base(path: Path) -> Base:
    connection = sqlite3.connect(path, isolation_level=None, timeout=10)
    connection.execute("PRAGMA journal_mode = WAL").close()
    return Base(f"sqlite:///{path}", connection, "?")


def postgres_base(node: Any, name: str) -> Base:
    with psycopg.connect(node.url.replace("postgresql+psycopg", "postgresql"), autocommit=True) as db:
        db.execute(f'CREATE DATABASE "{name}"')
    url = node.url.rsplit("/", 1)[0] + "/" + name
    connection = psycopg.connect(url.replace("postgresql+psycopg", "postgresql"), autocommit=True)
    return Base(url, connection, "%s")


class Office(Program):
    """The department, and the hub's rows under the hub's signature."""

    def __init__(self, folder: Path, base: Base, **own: Any) -> None:
        self.base = base
        super().__init__("department_d", folder, b"{}", **OWN | {"database_url": base.url} | own)
        until(self.created)

    def created(self) -> bool:
        try:
            return self.base.run("SELECT count(*) FROM EA_JC_STEP_DONE") == [(0,)] or True
        except (sqlite3.Error, psycopg.Error):
            return False

    def close(self) -> None:
        super().close()
        self.base.connection.close()

    def text(self, table: str, row: Row) -> bytes:
        """The signed text as contract.md 2 words it."""
        names = [one for one in self.base.columns(table) if one not in TECHNICAL]
        said = {name: row[name] for name in names if row.get(name) is not None}
        return json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()

    def seal(self, table: str, row: Row, /, **wrong: Any) -> Row:
        at = wrong.pop("at", int(time.time()))
        signer = wrong.pop("signer", self.hub)
        bound = {"table": table.lower(), "row": f"{row['row_key']}:{row['dataver']}", "iat": at} | wrong
        said = {"row_sign": signer.seal(self.text(table, row), **bound)}
        return row | said | {"written_at": datetime.fromtimestamp(at, BEIJING).isoformat()}

    def write(self, table: str, row: Row, /, **wrong: Any) -> str:
        """One INSERT; the key of the row."""
        full = self.seal(table, row, **wrong)
        marks = ", ".join("?" * len(full))
        self.base.run(f"INSERT INTO {table} ({', '.join(full)}) VALUES ({marks})", *full.values())
        return str(row["row_key"])

    def correct(self, table: str, row: Row) -> None:
        """One UPDATE in place, whatever version stands there."""
        full = self.seal(table, row) | {"signstate": 0, "err": None, "sync_at": None}
        marks = ", ".join(f"{name} = ?" for name in full)
        self.base.run(f"UPDATE {table} SET {marks} WHERE row_key = ?", *full.values(), row["row_key"])

    def verdict(self, table: str, key: str) -> tuple[int, str]:
        """Flag and err once the row was read."""
        sql = f"SELECT signstate, err, sync_at FROM {table} WHERE row_key = ?"
        flag, err, at = until(lambda: next((one for one in self.base.run(sql, key) if one[0]), None))
        assert abs(datetime.fromisoformat(at).timestamp() - time.time()) < 30
        assert at.endswith("+08:00")
        return flag, err or ""

    def accept(self, case: str, **more: Any) -> None:
        for table, row in (
            ("PRE_APASINFO", applied(case)),
            ("PRE_COMM_FORM", form(case)),
            ("PRE_ACCEPT", accepted(case, **more)),
        ):
            self.write(table, row)
        assert self.verdict("PRE_ACCEPT", f"{case}.accept") == (1, "")

    def steps(self, case: str) -> list[tuple[str, Row]]:
        found = []
        for table in STEPS:
            names = self.base.columns(table)
            rows = self.base.run(f"SELECT * FROM {table} WHERE projid = ? ORDER BY row_key", case)
            found += [(table, dict(zip(names, row, strict=True))) for row in rows]
        return found

    def flag(self, table: str, row: Row, flag: int, err: str | None = None) -> None:
        """What the hub's side says to a row it read."""
        self.base.run(
            f"UPDATE {table} SET is_sync = ?, err = ?, sync_at = 'x' WHERE row_key = ? AND dataver = ?",
            flag, err, row["row_key"], row["dataver"],
        )  # fmt: skip

    def take(self, case: str) -> list[str]:
        """Marks what waits as taken; step names in the order seen."""
        waits = [(table, row) for table, row in self.steps(case) if row["is_sync"] == 0]
        for table, row in waits:
            self.flag(table, row, 1)
        return [f"{row['row_key'].removeprefix(case + '.')}:{row['dataver']}" for _, row in waits]

    def walk(self, case: str, last: str = "D") -> list[str]:
        """Takes row after row until the last."""
        seen: list[str] = []

        def over() -> bool:
            seen.extend(self.take(case))
            return any(one.startswith(last + ":") for one in seen)

        until(over, 15)
        return seen

    def rows(self, case: str, direction: str = "sent") -> list[Row]:
        return [row for row in self.admin("record") if row["case"] == case and row["direction"] == direction]


def head(case: str, name: str, version: int = 1) -> Row:
    return {"row_key": f"{case}.{name}", "dataver": version, "projid": case}


def applied(case: str, version: int = 1) -> Row:
    return head(case, "applied", version) | {
        "areacode": "441403000000", "itemno": ITEM, "itemname": "施工许可", "projectname": "新办",
        "applyname": "测试甲", "applytype": "1", "apply_cardtype": "111",
        "apply_cardnumber": "441499199001011234", "applyfrom": "1", "receivetime": WHEN,
        "acceptlist": '[{"attrname":"申请书","num":1,"taketype":"附件上传"}]',
    }  # fmt: skip


def form(case: str) -> Row:
    said = {"linkman": "测试甲", "linkphone": "13800138000"}
    return head(case, "form") | {"item_values": json.dumps(said, ensure_ascii=False)}


def accepted(case: str, *, fee: int = 0, certificate: int = 0) -> Row:
    return head(case, "accept") | {
        "areacode": "441403000000", "itemno": ITEM, "acceptresult": "1", "accepttime": WHEN,
        "deptname": "示范局", "deptcode": USCC, "username": "窗口", "userid": "W1", "promise_limit": 5,
        "promise_limit_unit": "1", "isfee": str(fee), "iscert": str(certificate),
    }  # fmt: skip


def file(case: str, content: bytes = b"%PDF-1.7 invented") -> Row:
    return head(case, "file") | {
        "areacode": "441403000000", "itemno": ITEM, "attrname": "申请书", "taketype": "附件上传",
        "filename": "a.pdf", "filetype": "application/pdf", "sha256": hashlib.sha256(content).hexdigest(),
        "filebody": base64.b64encode(content).decode(), "uploadtime": WHEN,
    }  # fmt: skip


def paid(case: str) -> Row:
    return head(case, "paid") | {
        "noticetype": "FEE", "pay_noticeno": "PN-1", "pay_amount": "105.00", "pay_time": WHEN
    }  # fmt: skip


def issued(case: str) -> Row:
    return head(case, "issued") | {
        "noticetype": "CERT", "cert_id": "1.2.156.1", "cert_no": "SG1", "cert_name": "施工许可证",
        "cert_limit": "20311121",
    }  # fmt: skip


def new_case() -> str:
    return case_number(next(SERIAL))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    folder = tmp_path_factory.mktemp("department")
    program = Office(folder, sqlite_base(folder / "front.db"))
    yield program
    program.close()


@pytest.fixture
def office(shared: Office) -> Iterator[Office]:
    yield shared
    shared.client.delete(f"{shared.url}/admin/faults")


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Callable[..., Office]]:
    """Starts a department of its own on a file."""
    programs: list[Office] = []

    def make(**own: Any) -> Office:
        programs.append(Office(tmp_path, sqlite_base(tmp_path / "front.db"), **own))
        return programs[-1]

    yield make
    for program in programs:
        program.close()


@pytest.fixture(scope="module")
def on_postgres(tmp_path_factory: pytest.TempPathFactory, postgres: Any) -> Iterator[Office]:
    base = postgres_base(postgres, "department_d_mock")
    program = Office(tmp_path_factory.mktemp("department"), base)
    yield program
    program.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def either(request: pytest.FixtureRequest) -> Office:
    """The department on each kind of database."""
    name = "office" if request.param == "sqlite" else "on_postgres"
    program = request.getfixturevalue(name)
    assert isinstance(program, Office)
    assert program.base.url.startswith(request.param)
    return program


def test_a_case_walks_to_its_conclusion_row_by_row(either: Office) -> None:
    case = new_case()
    either.accept(case)
    assert either.walk(case) == ["P-1:1", "P-2:1", "P-3:1", "D:1"]
    rows = either.steps(case)
    said = [(row["nodetype"], row["sn"], row["noderesult"]) for table, row in rows if table == STEPS[0]]
    assert said == [("1", 1, "1"), ("2", 2, "1"), ("3", 3, "1")]
    table, done = rows[-1]
    assert (table, done["doneresult"], done["deptcode"], done["itemno"]) == (STEPS[2], "6", USCC, ITEM)
    for table, row in rows:
        header = checked_header(row["row_sign"], either.text(table, row), either.certificate)
        assert set(header) == {"alg", "b64", "crit", "kid", "iat", "nonce", "table", "row"}
        assert (header["table"], header["row"]) == (table.lower(), f"{row['row_key']}:1")
        assert datetime.fromisoformat(row["written_at"]).timestamp() == header["iat"]
    until(lambda: all(row["accepted"] for row in either.rows(case)))
    shas = {row["id"]: row["sha256"] for row in either.rows(case)}
    assert shas == {
        f"{row['row_key']}-1": hashlib.sha256(either.text(table, row)).hexdigest() for table, row in rows
    }
    assert [row["kind"] for row in either.rows(case, "received")] == [
        "PRE_APASINFO",
        "PRE_COMM_FORM",
        "PRE_ACCEPT",
    ]


def test_the_next_row_waits_for_the_one_before(office: Office) -> None:
    case = new_case()
    office.accept(case)
    until(lambda: office.steps(case))
    time.sleep(0.3)
    assert [row["row_key"] for _, row in office.steps(case)] == [f"{case}.P-1"]


def test_every_fifth_case_has_a_special_procedure(office: Office) -> None:
    case = case_number(10)
    office.accept(case)
    assert office.walk(case) == ["P-1:1", "P-2:1", "S-1-0:1", "S-1-1:1", "P-3:1", "D:1"]
    begin, end = (row for table, row in office.steps(case) if table == STEPS[1])
    assert (begin["specialnodetype"], end["specialnodetype"], begin["sn"], end["sn"]) == ("0", "1", 1, 1)
    assert begin["specialtype"] == "2"
    assert all(begin[name] for name in ("specialname", "approver", "reason"))
    assert end["specialresult"] == "1"


def test_every_seventh_case_is_refused_whatever_it_waits_for(office: Office) -> None:
    case = case_number(14)
    office.accept(case, fee=1, certificate=1)
    office.walk(case)
    rows = {row["row_key"]: row for _, row in office.steps(case)}
    assert rows[f"{case}.P-3"]["noderesult"] == "3"
    assert rows[f"{case}.D"]["doneresult"] == "7"


def test_fee_and_certificate_are_waited_for(either: Office) -> None:
    case = new_case()
    either.accept(case, fee=1, certificate=1)
    either.walk(case, "P-3")
    either.write("PRE_NOTICE", paid(case))
    assert either.verdict("PRE_NOTICE", f"{case}.paid") == (1, "")
    time.sleep(0.3)
    assert len(either.steps(case)) == 3
    either.write("PRE_NOTICE", issued(case))
    either.walk(case)
    done = either.steps(case)[-1][1]
    wanted = {"doneresult": "0", "certificateno": "SG1", "certificatelimit": "20311121", "fee": "105.00"}
    assert wanted.items() <= done.items()


@pytest.fixture(params=["sqlite", "postgresql"])
def correcting(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Office]:
    """A department that corrects a row of every case."""
    if request.param == "sqlite":
        base = sqlite_base(tmp_path / "front.db")
    else:
        base = postgres_base(request.getfixturevalue("postgres"), "department_d_corrections")
    program = Office(tmp_path, base, correct_every=1)
    yield program
    program.close()


def test_rows_are_corrected_in_place_before_or_after_they_were_read(correcting: Office) -> None:
    cases = [new_case() for _ in range(8)]
    for case in cases:
        correcting.accept(case)

    def second(case: str) -> tuple[int, int]:
        row = correcting.base.row(STEPS[0], f"{case}.P-2")
        return row["dataver"], row["is_sync"]

    for case in cases:
        correcting.walk(case, "P-1")
    until(lambda: all(len(correcting.steps(case)) == 2 for case in cases))
    time.sleep(0.4)  # those that are corrected unread are by now
    unread = {case for case in cases if second(case) == (2, 0)}
    assert {second(case) for case in set(cases) - unread} == {(1, 0)}
    assert 0 < len(unread) < 8
    for case in cases:
        seen = correcting.walk(case)
        assert seen == (["P-2:2"] if case in unread else ["P-2:1", "P-2:2"]) + ["P-3:1", "D:1"]
        row = correcting.base.row(STEPS[0], f"{case}.P-2")
        assert "更正" in row["nodeadv"]
        checked_header(row["row_sign"], correcting.text(STEPS[0], row), correcting.certificate)
        names = {one["id"]: one["accepted"] for one in correcting.rows(case)}
        assert (names[f"{case}.P-2-1"], names[f"{case}.P-2-2"]) == (case not in unread, True)


def test_bad_signatures_are_error_3(office: Office) -> None:
    case, stranger = new_case(), Identity("stranger")
    wrongs: dict[str, Row] = {
        "stranger": {"signer": stranger}, "table": {"table": "pre_accept"}, "row": {"row": "other-key:1"},
        "member": {"more": "x"}, "no nonce": {"nonce": None}, "ahead": {"at": int(time.time()) + 400},
        "text": {"after": {"applyname": "测试乙"}},
        "second": {"after": {"written_at": "2026-11-22T09:30:00+08:00"}},
        "rubbish": {"after": {"row_sign": "rubbish"}},
    }  # fmt: skip
    for name, wrong in wrongs.items():
        key = f"{case}.{name.replace(' ', '-')}"
        after = wrong.pop("after", {})
        full = office.seal("PRE_APASINFO", applied(case) | {"row_key": key}, **wrong) | after
        sql = f"INSERT INTO PRE_APASINFO ({', '.join(full)}) VALUES ({', '.join('?' * len(full))})"
        office.base.run(sql, *full.values())
        flag, err = office.verdict("PRE_APASINFO", key)
        assert (flag, err.split(":")[0]) == (3, "written_at" if name == "second" else "row_sign"), name
    office.write("PRE_APASINFO", applied(case), at=int(time.time()) - 86400)  # rows may wait
    assert office.verdict("PRE_APASINFO", f"{case}.applied") == (1, "")


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("itemno", ITEM[:24]), ("applytype", "7"), ("apply_cardtype", "112"),
        ("receivetime", "2026-11-22 09:30:00"),
        ("receivetime", "20260230T093000"), ("areacode", "441403"), ("projid", "44" + "0" * 28),
        ("applyname", "null"), ("applyname", ""), ("acceptlist", "[]"), ("acceptlist", "{"),
        ("acceptlist", '[{"attrname":"a","num":"1","taketype":"附件上传"}]'), ("dataver", 0),
    ],
)  # fmt: skip
def test_columns_are_checked(office: Office, column: str, value: Any) -> None:
    row = applied(new_case()) | {"row_key": f"bad-{time.time_ns()}", column: value}
    signed = {name: one for name, one in row.items() if one != ""}
    full = office.seal("PRE_APASINFO", signed) | {column: value}
    sql = f"INSERT INTO PRE_APASINFO ({', '.join(full)}) VALUES ({', '.join('?' * len(full))})"
    office.base.run(sql, *full.values())
    flag, err = office.verdict("PRE_APASINFO", row["row_key"])
    assert (flag, err.split(":")[0]) == (3, column)


def test_what_sqlite_lets_in_of_another_type_is_error_3(office: Office) -> None:
    case = new_case()
    office.write("PRE_APASINFO", applied(case))
    key = office.write("PRE_ACCEPT", accepted(case) | {"promise_limit": "five"})
    assert office.verdict("PRE_ACCEPT", key) == (3, "promise_limit: type")
    key = office.write("PRE_ACCEPT", accepted(case) | {"row_key": f"{case}.version", "dataver": "one"})
    assert office.verdict("PRE_ACCEPT", key) == (3, "dataver: type")


def test_other_tables_are_checked_too(office: Office) -> None:
    case = new_case()
    office.accept(case, fee=1)
    bad: list[tuple[str, Row, str]] = [
        ("PRE_COMM_FORM", form(case) | {"item_values": '{"linkman":"a"}'}, "item_values"),
        ("PRE_ACCEPT", accepted(case) | {"acceptresult": "2"}, "reason"),
        ("PRE_FILE", file(case) | {"sha256": "0" * 64}, "sha256"),
        ("PRE_FILE", file(case) | {"attrname": "别的"}, "attrname"),
        ("PRE_NOTICE", {name: one for name, one in paid(case).items() if name != "pay_amount"}, "pay_amount"),
        ("PRE_NOTICE", paid(case) | {"pay_amount": "105"}, "pay_amount"),
        ("PRE_NOTICE", issued(case), "noticetype"),  # iscert is 0
    ]
    for count, (table, row, column) in enumerate(bad):
        key = office.write(table, row | {"row_key": f"{case}.bad-{count}"})
        flag, err = office.verdict(table, key)
        assert (flag, err.split(":")[0]) == (3, column)
    assert office.verdict("PRE_FILE", office.write("PRE_FILE", file(case))) == (1, "")


def test_identity(either: Office) -> None:
    case = new_case()
    either.accept(case, fee=1)
    received = either.admin("counts")["received"]
    either.correct("PRE_APASINFO", applied(case))  # the same text, sealed afresh
    assert either.verdict("PRE_APASINFO", f"{case}.applied") == (1, "")
    assert either.admin("counts")["received"] == received
    either.correct("PRE_APASINFO", applied(case) | {"applyname": "测试乙"})
    assert either.verdict("PRE_APASINFO", f"{case}.applied") == (3, "row_key: conflict")
    either.correct("PRE_APASINFO", applied(case, 5) | {"applyname": "测试乙"})  # a gap is taken
    assert either.verdict("PRE_APASINFO", f"{case}.applied") == (1, "")
    either.correct("PRE_APASINFO", applied(case, 4) | {"applyname": "测试丙"})
    assert either.verdict("PRE_APASINFO", f"{case}.applied") == (3, "dataver: replay")
    either.correct("PRE_APASINFO", applied(case, 6) | {"projid": new_case()})
    assert either.verdict("PRE_APASINFO", f"{case}.applied") == (3, "row_key: conflict")


def test_an_unknown_case_is_9_but_an_acceptance_waits_an_hour(office: Office) -> None:
    case, late = new_case(), new_case()
    assert office.verdict("PRE_FILE", office.write("PRE_FILE", file(case))) == (9, "projid: unknown")
    assert office.verdict("PRE_COMM_FORM", office.write("PRE_COMM_FORM", form(case))) == (
        9,
        "projid: unknown",
    )
    office.write("PRE_ACCEPT", accepted(late), at=int(time.time()) - 3700)
    assert office.verdict("PRE_ACCEPT", f"{late}.accept") == (9, "projid: unknown")
    office.write("PRE_ACCEPT", accepted(case), at=int(time.time()) - 3000)
    time.sleep(0.3)
    assert office.base.row("PRE_ACCEPT", f"{case}.accept")["signstate"] == 0
    office.write("PRE_APASINFO", applied(case))
    assert office.verdict("PRE_ACCEPT", f"{case}.accept") == (1, "")
    office.base.run("UPDATE PRE_FILE SET signstate = 0 WHERE row_key = ?", f"{case}.file")
    assert office.verdict("PRE_FILE", f"{case}.file") == (1, "")


def test_more_than_one_look_holds_are_read_past_those_that_wait(fresh: Callable[..., Office]) -> None:
    office = fresh(poll_seconds=0.5)
    for serial in range(60):
        office.write("PRE_ACCEPT", accepted(case_number(1000 + serial)))
    cases = [new_case() for _ in range(60)]
    for case in cases:
        office.write("PRE_APASINFO", applied(case))
        office.write("PRE_ACCEPT", accepted(case))
    for case in cases:
        assert office.verdict("PRE_ACCEPT", f"{case}.accept") == (1, "")
    assert office.admin("counts")["received"] == 120


def test_tables_of_the_other_side_are_left_as_they_are(tmp_path: Path) -> None:
    base = sqlite_base(tmp_path / "front.db")
    base.connection.executescript(SCHEMA.read_text("utf-8").split("CREATE TABLE EA_JC_STEP_PROC")[0])
    office = Office(tmp_path, base)
    try:
        case = new_case()
        office.accept(case)
        until(lambda: office.steps(case))
    finally:
        office.close()


def test_flag_9_is_shown_again_and_flag_3_without_a_fault_ends_the_case(office: Office) -> None:
    case = new_case()
    office.accept(case)
    (table, row), *_ = until(lambda: office.steps(case))
    before = row["row_sign"]
    office.flag(table, row, 9, "projid: unknown")
    until(lambda: office.base.row(table, row["row_key"])["is_sync"] == 0)
    row = office.base.row(table, row["row_key"])
    assert (row["err"], row["sync_at"], row["row_sign"], row["dataver"]) == (None, None, before, 1)
    office.flag(table, row, 3, "nodeadv: x")
    refused = {"P-1": {"state": "refused", "version": 1, "code": "3", "err": "nodeadv: x"}}
    until(lambda: office.admin("cases")[case] == refused)
    assert office.rows(case)[-1]["accepted"] is False


@pytest.mark.parametrize(
    "fault", ["sig_bad", "null_text", "bad_date_pattern", "truncate_800b", "clock_skew_s"]
)
def test_a_row_a_fault_spoilt_is_corrected_in_place(office: Office, fault: str) -> None:
    case = new_case()
    assert office.arm(operation="EA_JC_STEP_PROC", fault=fault).status_code == 200
    office.accept(case)
    (table, row), *_ = until(lambda: office.steps(case))
    seen = {
        "null_text": row["nodeadv"] == "null",
        "bad_date_pattern": "T" not in row["nodetime"] and row["nodetime"] != "null",
        "clock_skew_s": datetime.fromisoformat(row["written_at"]).timestamp() > time.time() + 300,
        "sig_bad": False,
        "truncate_800b": 797 < len((row["remark"] or "").encode()) <= 800,
    }
    try:
        checked_header(row["row_sign"], office.text(table, row), office.certificate)
    except Exception as error:  # noqa: BLE001  # whatever joserfc says
        seen["sig_bad"] = type(error).__name__ == "BadSignatureError" and not seen["truncate_800b"]
    assert [name for name, is_so in seen.items() if is_so] == [fault]
    office.flag(table, row, 3, "row_sign: x")
    until(lambda: office.base.row(table, row["row_key"])["dataver"] == 2)
    good = office.base.row(table, row["row_key"])
    checked_header(good["row_sign"], office.text(table, good), office.certificate)
    assert "同意" in good["nodeadv"]
    assert good["remark"] is None
    assert (good["is_sync"], good["err"]) == (0, None)
    assert office.walk(case)[-1] == "D:1"


def test_faults_of_order_and_number(office: Office) -> None:
    case = new_case()
    office.arm(operation="EA_JC_STEP_PROC", fault="duplicate_push", value=2)
    office.accept(case)
    assert office.walk(case) == ["P-1:1", "P-1:1", "P-1:1", "P-2:1", "P-3:1", "D:1"]
    case = new_case()
    office.arm(operation="EA_JC_STEP_PROC", fault="reorder", value=0.6)
    office.accept(case)
    seen = office.walk(case)
    assert seen.index("P-2:1") < seen.index("P-1:1") if "P-1:1" in seen else seen[0] == "P-2:1"
    case = new_case()
    office.arm(operation="EA_JC_STEP_PROC", fault="version_gap")
    office.accept(case)
    assert office.walk(case)[0] == "P-1:3"
    case = new_case()
    office.arm(operation="EA_JC_STEP_DONE", fault="missing_attachment")
    office.accept(case, certificate=1)
    office.write("PRE_NOTICE", issued(case))
    office.walk(case)
    assert office.steps(case)[-1][1]["certificateno"] is None


def test_faults_of_reading(office: Office) -> None:
    case = new_case()
    office.arm(operation="PRE_APASINFO", fault="maintenance", until=0.5)
    office.write("PRE_APASINFO", applied(case))
    time.sleep(0.25)
    assert office.base.row("PRE_APASINFO", f"{case}.applied")["signstate"] == 0
    assert office.verdict("PRE_APASINFO", f"{case}.applied") == (1, "")
    office.arm(operation="PRE_FILE", fault="rate_limit", times=3)
    assert office.verdict("PRE_FILE", office.write("PRE_FILE", file(case))) == (1, "")
    office.arm(operation="PRE_COMM_FORM", fault="drop_before_reply")
    assert office.verdict("PRE_COMM_FORM", office.write("PRE_COMM_FORM", form(case))) == (1, "")
    (row,) = (one for one in office.rows(case, "received") if one["kind"] == "PRE_COMM_FORM")
    assert row["repeats"] == 1
    office.arm(operation="PRE_ACCEPT", fault="partial_accept")
    assert office.verdict("PRE_ACCEPT", office.write("PRE_ACCEPT", accepted(case)))[0] == 3
    assert office.arm(operation="PRE_ACCEPT", fault="sig_bad").status_code == 422


def test_a_killed_department_goes_on(fresh: Callable[..., Office]) -> None:
    office, case = fresh(step_seconds=0.3), new_case()
    office.accept(case)
    until(lambda: office.steps(case))
    office.end(signal.SIGKILL)
    office.take(case)
    office.start()
    assert office.walk(case) == ["P-2:1", "P-3:1", "D:1"]
    office.base.run("UPDATE PRE_ACCEPT SET signstate = 0")
    assert office.verdict("PRE_ACCEPT", f"{case}.accept") == (1, "")
    assert len(office.steps(case)) == 4


def test_a_row_written_before_the_kill_is_not_written_twice(fresh: Callable[..., Office]) -> None:
    office, case = fresh(), new_case()
    office.accept(case)
    until(lambda: office.steps(case))
    office.end(signal.SIGKILL)
    with sqlite3.connect(office.folder / "state" / "record.db") as db:  # as if killed between the two
        db.execute("UPDATE sheet SET state = 'waiting', stored = 0")
    db.close()
    office.start()
    assert office.walk(case) == ["P-1:1", "P-2:1", "P-3:1", "D:1"]


def test_a_database_that_goes_away_loses_nothing(on_postgres: Office, postgres: Any) -> None:
    case = new_case()
    on_postgres.accept(case)
    until(lambda: on_postgres.steps(case))
    on_postgres.base.connection.close()
    postgres.stop()
    time.sleep(0.3)
    postgres.start()
    on_postgres.base.connection = psycopg.connect(
        on_postgres.base.url.replace("postgresql+psycopg", "postgresql"), autocommit=True
    )
    assert on_postgres.walk(case) == ["P-1:1", "P-2:1", "P-3:1", "D:1"]


def test_the_end_is_clean_and_the_log_holds_no_personal_data(fresh: Callable[..., Office]) -> None:
    office, case = fresh(), new_case()
    office.accept(case)
    until(lambda: office.steps(case))
    code, seconds = office.end()
    assert code == 0
    assert seconds < 2
    log = (office.folder / "state" / "department_d.log").read_text("utf-8")
    assert "started" in log
    assert not any(text in log for text in ("测试甲", "4414991990"))

"""A department at its own front-end database: it writes, signs and corrects rows by the contract alone, with
the plain drivers and its own signatures."""

import base64
import hashlib
import json
import re
import secrets
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import psycopg
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

SCHEMA = Path(__file__).resolve().parents[3] / "adapters" / "department_d" / "contract" / "schema.sql"
BEIJING = timezone(timedelta(hours=8))
APART = {"row_key", "row_sign", "written_at", "signstate", "is_sync", "err", "sync_at"}  # contract §2
PROC, SPECIAL, DONE = "ea_jc_step_proc", "ea_jc_step_specialnode", "ea_jc_step_done"


def columns_of(table: str) -> list[str]:
    """The columns of a table in the order of the contract's schema."""
    script = re.sub(r"--[^\n]*", "", SCHEMA.read_text("utf-8"))
    found = re.search(rf"CREATE TABLE {table} \((.*?)\n\);", script, re.IGNORECASE | re.DOTALL)
    assert found is not None
    return [line.split()[0].lower() for line in found[1].strip().splitlines()]


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def text_of(table: str, row: Mapping[str, Any]) -> bytes:
    """The signed text of contract §2."""
    said = {n: row[n] for n in columns_of(table) if n not in APART and row.get(n) is not None}
    return json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()


def seal(key: Any, text: bytes, at: float, **bound: str) -> str:
    """A detached ES256 JWS, made by hand."""
    kid = b64(hashlib.sha256(key.certificate.public_bytes(Encoding.DER)).digest())
    header = {"alg": "ES256", "b64": False, "crit": ["b64"], "kid": kid, "iat": int(at)}
    protected = b64(json.dumps({**header, "nonce": secrets.token_urlsafe(18), **bound}).encode())
    signature = key.private.sign(protected.encode() + b"." + text, ec.ECDSA(SHA256()))
    r, s = decode_dss_signature(signature)
    return f"{protected}..{b64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def opened(certificate: Any, text: bytes, token: str) -> dict[str, Any] | None:
    """The protected header of a seal that holds for this text, else None."""
    protected, _, signature = token.partition("..")
    raw = base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
    der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    try:
        certificate.public_key().verify(der, protected.encode() + b"." + text, ec.ECDSA(SHA256()))
    except InvalidSignature:
        return None
    header: dict[str, Any] = json.loads(base64.urlsafe_b64decode(protected + "=" * (-len(protected) % 4)))
    return header


def written(at: float) -> str:
    return datetime.fromtimestamp(int(at), UTC).astimezone(BEIJING).isoformat(timespec="seconds")


def step_row(no: str, item: str, number: int = 1, **over: Any) -> dict[str, Any]:
    """An approval step as the department tells it."""
    return {
        "projid": no,
        "areacode": "441402000000",
        "itemno": item,
        "orgbusno": f"YW-{number}",
        "sn": number,
        "nodetype": str(number),
        "nodename": ("承办", "审核", "批准")[number - 1],
        "noderesult": "1",
        "nodeadv": "同意",
        "nodetime": "20260302T094500",
        "deptname": "梅江区市场监督管理局",
        "deptcode": "114414020072081005",
        "username": "测试戊",
        "userid": "S009",
        **over,
    }


@dataclass
class Place:
    """The database: `address` as the registry keeps it, `password` as the secrets file does."""

    kind: str
    address: str
    password: str
    login: str  # for the plain driver

    def connect(self) -> Any:
        if self.kind == "sqlite":
            connection = sqlite3.connect(self.login, timeout=10)
            connection.execute("PRAGMA journal_mode=WAL")
            return closing(connection)
        return psycopg.connect(self.login, connect_timeout=5)

    def run(self, sql: str, *values: Any) -> int:
        """One statement, committed; how many rows it touched."""
        with self.connect() as connection:
            done = connection.execute(sql if self.kind == "sqlite" else sql.replace("?", "%s"), values)
            connection.commit()
            return int(done.rowcount)

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with self.connect() as connection:
            return list(connection.execute(sql if self.kind == "sqlite" else sql.replace("?", "%s"), values))

    def make_tables(self) -> None:
        with self.connect() as connection:
            for statement in re.sub(r"--[^\n]*", "", SCHEMA.read_text("utf-8")).split(";"):
                if statement.strip():
                    connection.execute(statement)
            connection.commit()


@dataclass
class Department:
    """The writer of EA_JC_STEP_* and reader of PRE_*."""

    place: Place
    key: Any

    def row(
        self, table: str, key: str, said: Mapping[str, Any], at: float, version: int = 1
    ) -> dict[str, Any]:
        """A whole row, sealed."""
        row = {"row_key": key, "dataver": version, **said}
        token = seal(self.key, text_of(table, row), at, table=table, row=f"{key}:{version}")
        return {**row, "row_sign": token, "written_at": written(at)}

    def put(self, table: str, row: Mapping[str, Any]) -> None:
        """INSERT, as it is."""
        names = ", ".join(row)
        self.place.run(f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(row))})", *row.values())  # noqa: S608

    def write(self, table: str, key: str, said: Mapping[str, Any], at: float, version: int = 1) -> None:
        self.put(table, self.row(table, key, said, at, version))

    def correct(self, table: str, key: str, said: Mapping[str, Any], at: float, version: int) -> int:
        """The contract's update in place: from the version before to this one."""
        return self.replace(table, self.row(table, key, said, at, version), version - 1)

    def replace(self, table: str, row: Mapping[str, Any], before: int) -> int:
        reset = {**row, "is_sync": 0, "err": None, "sync_at": None}
        sets = ", ".join(f"{name} = ?" for name in reset)
        sql = f"UPDATE {table} SET {sets} WHERE row_key = ? AND dataver = ?"  # noqa: S608
        return self.place.run(sql, *reset.values(), row["row_key"], before)

    def flags(self, table: str = PROC) -> dict[str, tuple[int, str | None]]:
        """Flag and reason by row key."""
        found = self.place.rows(f"SELECT row_key, is_sync, err FROM {table}")  # noqa: S608
        return {str(key): (flag, err) for key, flag, err in found}

    def flag(self, key: str, table: str = PROC) -> tuple[int, str | None]:
        return self.flags(table)[key]

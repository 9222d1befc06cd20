"""Bodies and staff of the directory: rows by version, what changed since one, the administrator's changes."""

from __future__ import annotations

import json
import random
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field

from mocks.partners.common.members import STRICT, BadMember, Reference, Text100, Text200, checked, dashed
from mocks.partners.common.record import Record

SCHEMA = """
CREATE TABLE IF NOT EXISTS entry (
  kind TEXT NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL UNIQUE, data TEXT NOT NULL,
  PRIMARY KEY (kind, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS oldest (one INTEGER PRIMARY KEY CHECK (one = 1), version INTEGER NOT NULL);
"""
FIRST_TIME = "2026-01-01 08:00:00"
CREDIT = r"^[0-9A-HJ-NPQRTUWXY]{18}$"
Row = dict[str, object]


def _dashed(text: str) -> str:
    if len(text) != len(FIRST_TIME):
        raise ValueError("yyyy-MM-dd HH:mm:ss is needed")
    return text


Flag = Literal["1", "0"]
Time = Annotated[str, AfterValidator(_dashed)]


class Org(BaseModel):
    """A row of `orgs`."""

    model_config = STRICT
    orgId: Reference
    orgName: Text200
    creditCode: str | None = Field(None, pattern=CREDIT)
    orgCode: str | None = Field(None, pattern=r"^[0-9A-Z]{9}$")
    parentId: Reference | None = None
    areaCode: str = Field(pattern=r"^[0-9]{12}$")
    enabled: Flag
    modifyTime: Time


class User(BaseModel):
    """A row of `users`."""

    model_config = STRICT
    userId: Reference
    userName: Text100
    loginName: Reference
    orgId: Reference
    duty: str | None = Field(None, min_length=1, max_length=50)
    realName: Flag
    enabled: Flag
    modifyTime: Time


MODELS: Mapping[str, tuple[type[BaseModel], str]] = {"orgs": (Org, "orgId"), "users": (User, "userId")}


def _flag(value: object) -> Flag:
    return "1" if value else "0"


def first_rows() -> list[tuple[str, Row]]:
    """Bodies and staff of the data file."""
    data = tomllib.loads((files(__package__) / "data/identity/people.toml").read_text("utf-8"))
    found: list[tuple[str, Row]] = []
    for one in data["org"]:
        row = {"orgId": one["id"], "orgName": one["name"], "areaCode": one["area"], "enabled": "1"}
        credit = one.get("credit")
        row |= {"creditCode": credit, "orgCode": credit[8:17]} if credit else {}
        row |= {"parentId": one["parent"]} if "parent" in one else {}
        found.append(("orgs", row | {"modifyTime": FIRST_TIME}))
    for one in data["user"]:
        row = {"userId": one["id"], "userName": one["name"], "loginName": one["login"], "orgId": one["org"]}
        row |= {"duty": one["duty"]} if "duty" in one else {}
        row |= {"realName": _flag(one.get("real_name", True)), "enabled": _flag(one.get("enabled", True))}
        found.append(("users", row | {"modifyTime": FIRST_TIME}))
    return found


def ordered(orgs: Sequence[Row]) -> list[Row]:
    """By change, but a parent before its children where both changed."""
    by_id, done = {row["orgId"]: row for row in orgs}, dict[object, Row]()

    def place(row: Row) -> None:
        parent = by_id.get(row.get("parentId"))
        if parent is not None and parent["orgId"] not in done and parent is not row:
            place(parent)
        done.setdefault(row["orgId"], row)

    for row in orgs:
        place(row)
    return list(done.values())


@dataclass(frozen=True)
class People:
    """Every method joins the caller's transaction or makes its own."""

    record: Record
    seed: int

    def fill(self) -> None:
        """The data file, at the first start."""
        with self.record.work():
            if not self.version():
                for kind, row in first_rows():
                    self._put(kind, row)

    def version(self) -> int:
        """Of the last change."""
        with self.record.work() as db:
            return int(db.execute("SELECT coalesce(max(version), 0) FROM entry").fetchone()[0])

    def oldest(self) -> int:
        """The first version one may still ask from."""
        with self.record.work() as db:
            row = db.execute("SELECT version FROM oldest").fetchone()
        return int(row["version"]) if row else 0

    def forget(self, version: int) -> None:
        """Versions below this one are too old from now on."""
        with self.record.work() as db:
            db.execute("INSERT OR REPLACE INTO oldest VALUES (1, ?)", (version,))

    def since(self, version: int) -> list[tuple[str, Row]]:
        """What changed after a version, as it is now: bodies first."""
        with self.record.work() as db:
            ask = "SELECT kind, data FROM entry WHERE version > ? ORDER BY version"
            rows = [(row["kind"], json.loads(row["data"])) for row in db.execute(ask, (version,))]
        orgs = ordered([row for kind, row in rows if kind == "orgs"])
        return [("orgs", row) for row in orgs] + [(kind, row) for kind, row in rows if kind == "users"]

    def get(self, kind: str, id: object) -> Row | None:
        """One row."""
        with self.record.work() as db:
            ask = "SELECT data FROM entry WHERE kind = ? AND id = ?"
            row = db.execute(ask, (kind, id)).fetchone()
        return None if row is None else dict(json.loads(row["data"]))

    def all(self, kind: str) -> list[Row]:
        """Every row of a kind."""
        with self.record.work() as db:
            ask = "SELECT data FROM entry WHERE kind = ? ORDER BY id"
            return [json.loads(row["data"]) for row in db.execute(ask, (kind,))]

    def by_login(self, login: str) -> Row | None:
        """The enabled user of a login name."""
        found = [row for row in self.all("users") if row["loginName"] == login and row["enabled"] == "1"]
        return found[0] if found else None

    def _put(self, kind: str, row: Row) -> None:
        with self.record.work() as db:
            identity, version = row[MODELS[kind][1]], self.version() + 1
            line = (kind, identity, version, json.dumps(row, ensure_ascii=False))
            db.execute("INSERT OR REPLACE INTO entry VALUES (?, ?, ?, ?)", line)

    def change(self, asked: Mapping[str, object], now: float) -> int:
        """Rows as members to be changed (null takes one away); BadMember, and nothing is changed."""
        if not asked.keys() <= {"orgs", "users"} or not asked:
            raise BadMember("orgs, users")
        with self.record.work():
            for kind in ("orgs", "users"):
                rows = asked.get(kind, [])
                if not isinstance(rows, list):
                    raise BadMember(kind)
                for number, row in enumerate(rows):
                    self._change_one(kind, row, f"{kind}[{number}]", now)
            self._whole()
        return self.version()

    def _change_one(self, kind: str, row: object, where: str, now: float) -> None:
        model, identity = MODELS[kind]
        if not isinstance(row, dict) or not isinstance(row.get(identity), str):
            raise BadMember(f"{where}.{identity}")
        merged = (self.get(kind, row[identity]) or {"enabled": "1"}) | row | {"modifyTime": dashed(now)}
        whole = {name: value for name, value in merged.items() if value is not None}
        try:
            checked(model, whole)
        except BadMember as error:
            raise BadMember(f"{where}.{error}") from error
        self._put(kind, whole)

    def _whole(self) -> None:
        """Parents and places of work are there; a login name is one enabled user's."""
        known = {row["orgId"] for row in self.all("orgs")}
        if any(row.get("parentId", row["orgId"]) not in known for row in self.all("orgs")):
            raise BadMember("parentId")
        users = self.all("users")
        if any(row["orgId"] not in known for row in users):
            raise BadMember("orgId")
        logins = [row["loginName"] for row in users if row["enabled"] == "1"]
        if len(logins) != len(set(logins)):
            raise BadMember("loginName")

    def draw(self, number: int, now: float) -> int:
        """So many changes drawn from the seed: people move, get another duty, go and come back."""
        for _ in range(number):
            draw = random.Random(f"{self.seed}/{self.version()}")  # noqa: S311  # behaviour, not a secret
            user, org = draw.choice(self.all("users")), draw.choice(self.all("orgs"))
            duty = draw.choice(("科员", "审核", "批准", "窗口"))
            changes: list[Row] = [
                {"orgId": org["orgId"]}, {"duty": duty}, {"enabled": "1" if user["enabled"] == "0" else "0"}
            ]  # fmt: skip
            change = draw.choice(changes)
            self.change({"users": [{"userId": user["userId"], **change}]}, now)
        return self.version()


def enabled_user(people: People, user_id: object) -> Row | None:
    """The user of an id, unless disabled."""
    row = people.get("users", user_id)
    return row if row is not None and row["enabled"] == "1" else None

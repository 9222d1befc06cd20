"""GET /directory/v1/changes (contract, part 1): one round is one version, page by page."""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import dataclass

from mocks.partners.common import strictjson
from mocks.partners.common.clock import Clock
from mocks.partners.common.endpoint import Answer, Call, Manners
from mocks.partners.common.faults import ANSWER_FAULTS, Faults
from mocks.partners.common.pace import Pace
from mocks.partners.identity_people import People, Row

SCHEMA = """
CREATE TABLE IF NOT EXISTS round (
  id TEXT PRIMARY KEY, since INTEGER NOT NULL, version INTEGER NOT NULL, rows TEXT NOT NULL,
  until REAL NOT NULL) WITHOUT ROWID;
"""
FAULTS = ANSWER_FAULTS | {"pagination_shift", "version_gap", "nine_characters", "cursor_lost"}
CURSOR_LIFE = 600.0  # seconds
NUMBER = re.compile(r"[0-9]{1,15}", re.ASCII)
CURSOR = re.compile(r"([0-9a-f]{32})\.([0-9]{1,9})", re.ASCII)


def said(errcode: str, errmsg: str) -> Answer:
    """An error of the contract."""
    return Answer({"errcode": errcode, "errmsg": errmsg})


REFUSALS = {
    "seal": said("40001", "signature"),
    "media_type": said("40002", "content type"),
    "too_large": said("40002", "body"),
    "busy": said("45009", "too fast"),
}
MANNERS = Manners(REFUSALS.__getitem__, {"errcode": "-1", "errmsg": "system busy"})


class Refused(Exception):
    """An errcode other than 0."""

    def __init__(self, errcode: str, errmsg: str) -> None:
        super().__init__(errmsg)
        self.answer = said(errcode, errmsg)


@dataclass(frozen=True)
class Asked:
    """The parameters of a call."""

    since: int
    cursor: str
    size: int

    @staticmethod
    def read(call: Call) -> Asked:
        """Each of the three once and nothing else; Refused 40002 names the wrong one."""
        given = dict(call.query)
        if len(call.query) != len(given) or given.keys() != {"since", "cursor", "size"}:
            raise Refused("40002", "since, cursor, size")
        for name in ("since", "size"):
            if not NUMBER.fullmatch(given[name]):
                raise Refused("40002", name)
        size = int(given["size"])
        if not 1 <= size <= 500:
            raise Refused("40002", "size")
        if call.body:
            raise Refused("40002", "body")
        return Asked(int(given["since"]), given["cursor"], size)


@dataclass(frozen=True)
class Round:
    """All rows of a round and where a page begins."""

    id: str
    version: int
    rows: list[tuple[str, Row]]
    first: int


@dataclass(frozen=True)
class Directory:
    """The face of the directory."""

    people: People
    faults: Faults
    pace: Pace
    clock: Clock

    def changes(self, call: Call) -> Answer:
        """One page."""
        if self.pace.too_fast(self.clock()):
            return REFUSALS["busy"]
        try:
            asked = Asked.read(call)
            if asked.cursor and self.faults.take("directory", "cursor_lost"):
                raise Refused("40003", "cursor")
            with self.people.record.work():
                turn = self._later(asked) if asked.cursor else self._begin(asked)
                return self._page(asked, turn)
        except Refused as refused:
            return refused.answer

    def _begin(self, asked: Asked) -> Round:
        version = self.people.version()
        if asked.since > version or 0 < asked.since < self.people.oldest():
            raise Refused("40004", "since")
        return Round("", version, self.people.since(asked.since), 0)

    def _later(self, asked: Asked) -> Round:
        match = CURSOR.fullmatch(asked.cursor)
        if match is None:
            raise Refused("40003", "cursor")
        with self.people.record.work() as db:
            db.execute("DELETE FROM round WHERE until < ?", (self.clock(),))
            ask = "SELECT * FROM round WHERE id = ? AND since = ?"
            row = db.execute(ask, (match[1], asked.since)).fetchone()
        if row is None:
            raise Refused("40003", "cursor")
        rows, first = [(kind, one) for kind, one in json.loads(row["rows"])], int(match[2])
        if shift := self.faults.take("directory", "pagination_shift"):
            first = max(0, first - int(shift.number(1)))
        return Round(row["id"], row["version"], rows, first)

    def _page(self, asked: Asked, turn: Round) -> Answer:
        last = turn.first + asked.size
        page = turn.rows[turn.first : last]
        version = turn.version + (7 if self.faults.take("directory", "version_gap") else 0)
        data: dict[str, object] = {
            "since": asked.since, "version": version, "total": len(turn.rows),
            "orgs": self._spoilt([row for kind, row in page if kind == "orgs"]),
            "users": [row for kind, row in page if kind == "users"],
        }  # fmt: skip
        if last < len(turn.rows):
            data["cursor"] = f"{turn.id or self._keep(asked, turn)}.{last}"
        answer = Answer({"errcode": "0", "errmsg": "ok", "data": data})
        name, body = f"{asked.since}-{turn.version}-{turn.first}", strictjson.write(answer.value)
        self.people.record.note("sent", "directory", name, body, "0", accepted=True)
        return answer

    def _spoilt(self, orgs: list[Row]) -> list[Row]:
        """`nine_characters`: an old row with the organisation code where the credit code belongs."""
        if any("creditCode" in row for row in orgs) and self.faults.take("directory", "nine_characters"):
            return [row | ({"creditCode": row["orgCode"]} if "orgCode" in row else {}) for row in orgs]
        return orgs

    def _keep(self, asked: Asked, turn: Round) -> str:
        """A round of several pages is kept as it is now; the name of it."""
        name, rows = secrets.token_hex(16), json.dumps(turn.rows, ensure_ascii=False)
        with self.people.record.work() as db:
            line = (name, asked.since, turn.version, rows, self.clock() + CURSOR_LIFE)
            db.execute("INSERT INTO round VALUES (?, ?, ?, ?, ?)", line)
        return name

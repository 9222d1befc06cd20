"""What department B answers to the hub: seal, repeats, the contract's rules, the case as it stands."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from cryptography import x509
from lxml import etree

from mocks.partners.common.clock import Clock
from mocks.partners.common.faults import Faults
from mocks.partners.common.record import Record
from mocks.partners.common.soapdesk import distort, spoil_signature, wrapped
from mocks.partners.common.xmlseal import sign_enveloped, verify_enveloped
from mocks.partners.common.xmlsig import Element, SealError, Signer, XmlError, canonical, parse
from mocks.partners.department_b_cases import Cases
from mocks.partners.department_b_rules import (
    DIFFERS,
    KINDS,
    LATER,
    NO_CASE,
    NOT_NOW,
    SEAL,
    STATUS,
    USED,
    WRONG,
    Refused,
    Tree,
    materials,
    read_document,
    text,
)  # fmt: skip
from mocks.partners.department_b_steps import Scene, special_kind
from mocks.partners.department_b_text import as_text, grown
from mocks.partners.department_rules import spaced

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS document (
  case_no TEXT NOT NULL, kind TEXT NOT NULL, data TEXT NOT NULL, at REAL NOT NULL,
  PRIMARY KEY (case_no, kind)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS file (
  case_no TEXT NOT NULL, material TEXT NOT NULL, name TEXT NOT NULL, sha256 TEXT NOT NULL,
  size INTEGER NOT NULL, PRIMARY KEY (case_no, material, name, sha256)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS answered (
  msg_id TEXT PRIMARY KEY, digest TEXT NOT NULL, code TEXT NOT NULL, said TEXT NOT NULL,
  more TEXT NOT NULL) WITHOUT ROWID;
"""
ARGUMENTS: Final = {"caseNo": "CASENO", "materialId": "MATERIALID", "fileName": "FILENAME"}
DONE: Final = {"HJ:1": "1", "HJ:2": "2", "HJ:3": "3", "BJ:1": "4"}  # JD by the step answered last
SUSPENDED: Final = "9"
NOTICES: Final = frozenset({"FEE", "CERT"})
Arguments = Mapping[str, str]
Members = dict[str, object]


@dataclass(frozen=True)
class Said:
    """STATUS by its code, DESC's text, and DATA where there is one."""

    code: str
    text: str = ""
    more: Members | None = None

    @property
    def status(self) -> str:
        """STATUS."""
        return STATUS.get(self.code, "500")


@dataclass(frozen=True)
class Desk:
    """Every document of the hub; what it changes is one transaction, written before the answer."""

    account: str
    record: Record
    faults: Faults
    clock: Clock  # of seals
    signer: Signer
    trusted: Sequence[x509.Certificate]
    cases: Cases

    def result(self, operation: str, given: Arguments) -> str:
        """The sealed RESULT to one call."""
        with self.record.work() as db:
            said = self._answered(db, operation, given)
        desc = f"{said.code}:{said.text}"
        members: Members = {"STATUS": said.status, "DESC": desc}
        root = grown(etree.Element("RESULT"), members | ({"DATA": said.more} if said.more else {}))
        distort(root, self.faults, operation)
        sign_enveloped(root, self.signer)
        if self.faults.take(operation, "sig_bad"):
            spoil_signature(root)
        return wrapped(as_text(root), self.faults, operation)

    def _answered(self, db: sqlite3.Connection, operation: str, given: Arguments) -> Said:
        sent = given["xml"]
        try:
            root = parse(sent)
        except XmlError:
            return self._unread(operation, "", sent, Said(WRONG, "xml"))
        name = root.findtext("HEAD/MSGID") or ""
        try:
            bare = verify_enveloped(root, self.trusted, datetime.fromtimestamp(self.clock(), UTC))
        except SealError:
            return self._unread(operation, name, sent, Said(SEAL, "签名无效"))
        if bare.findtext("HEAD/APPID") != self.account:
            return self._unread(operation, name, sent, Said(SEAL, "APPID"))
        if not KINDS["id"](name):
            return self._unread(operation, name, sent, Said(WRONG, "MSGID"))
        return self._once(db, operation, bare, given)

    def _unread(self, operation: str, name: str, sent: str, said: Said) -> Said:
        """An answer that is not kept."""
        body = sent.encode("gb18030")
        name = name[:50] or hashlib.sha256(body).hexdigest()[:32]
        self.record.note("received", operation, name, body, said.status, accepted=False)
        return said

    def _once(self, db: sqlite3.Connection, operation: str, bare: Element, given: Arguments) -> Said:
        name, digest = str(bare.findtext("HEAD/MSGID")), content(bare)
        row = db.execute("SELECT * FROM answered WHERE msg_id = ?", (name,)).fetchone()
        if row is not None and row["digest"] != digest:
            return self._unread(operation, name, given["xml"], Said(USED, "MSGID 已用于其他文档"))
        if row is not None:
            said = Said(row["code"], row["said"], json.loads(row["more"]))
        elif self.faults.take(operation, "busy"):
            return Said(LATER, "请稍后再试")
        else:
            said = self._new(db, operation, bare, given)
            more = json.dumps(said.more, ensure_ascii=False)
            row = (name, digest, said.code, said.text, more)
            db.execute("INSERT INTO answered VALUES (?, ?, ?, ?, ?)", row)
        self._note(bare, given["xml"], digest, said)
        return said

    def _note(self, bare: Element, sent: str, digest: str, said: Said) -> None:
        kind, name = bare.findtext("HEAD/KIND") or "?", str(bare.findtext("HEAD/MSGID"))
        case, body = bare.findtext("DATA/CASENO") or "", sent.encode("gb18030")
        good = said.code == "0"
        self.record.note("received", kind, name, body, said.status, accepted=good, case=case, content=digest)

    def _new(self, db: sqlite3.Connection, operation: str, bare: Element, given: Arguments) -> Said:
        try:
            kind, data = read_document(bare, operation)
            size = check_arguments(given, data)
            case = text(data, "CASENO")
            scene = self.cases.scene(db, case)
            check_point(kind, data, scene)
        except Refused as error:
            return Said(error.code, str(error))
        if kind == "CX":
            return Said("0", more=self._progress(db, scene))
        if kind == "FJ":
            row = (case, text(data, "MATERIALID"), text(data, "FILENAME"), text(data, "SHA256").lower(), size)
            db.execute("INSERT OR IGNORE INTO file VALUES (?, ?, ?, ?, ?)", row)
            return Said("0")
        self._keep(db, case, kind, data)
        self.cases.plan(db, case)
        return Said("0")

    def _keep(self, db: sqlite3.Connection, case: str, kind: str, data: Tree) -> None:
        row = (case, kind, json.dumps(data, ensure_ascii=False), self.clock())
        db.execute("INSERT OR REPLACE INTO document VALUES (?, ?, ?, ?)", row)

    def _progress(self, db: sqlite3.Connection, scene: Scene) -> Members:
        """The last step done, and its time."""
        (at,) = db.execute(
            "SELECT at FROM document WHERE case_no = ? AND kind = 'SQ'", (scene.case,)
        ).fetchone()
        rows = self.cases.outbox.steps(db, scene.case)
        done = {step: row["at"] for step, row in rows.items() if row["code"] == "200"}
        step = next((step for step in reversed(DONE) if step in done), None)
        last, at = (DONE[step], done[step]) if step else ("0", at)
        if "TS:1" in done and "TJ:1" not in done and special_kind(scene.case) == "2":
            last, at = SUSPENDED, done["TS:1"]
        return {"CASENO": scene.case, "JD": last, "GXSJ": spaced(at)}


def content(bare: Element) -> str:
    """The digest of a document without its signature and TIME."""
    root = etree.fromstring(canonical(bare))
    for stamp in root.findall("HEAD/TIME"):
        stamp.text = ""
    return hashlib.sha256(canonical(root)).hexdigest()


def check_arguments(given: Arguments, data: Tree) -> int:
    """Arguments beside the document must be what it says; the size of the file."""
    for name, member in ARGUMENTS.items():
        if name in given and given[name] != text(data, member):
            raise Refused(WRONG, name)
    if "base64" not in given:
        return 0
    try:
        file = base64.b64decode(given["base64"], validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refused(WRONG, "base64") from error
    md5 = hashlib.md5(file, usedforsecurity=False).hexdigest()
    if hashlib.sha256(file).hexdigest() != text(data, "SHA256").lower():
        raise Refused(DIFFERS, "SHA256")
    if given["md5"] and given["md5"].lower() != md5:
        raise Refused(DIFFERS, "md5")
    return len(file)


def check_point(kind: str, data: Tree, scene: Scene) -> None:
    """Whether a good document may come now."""
    if kind != "SQ" and "SQ" not in scene.known:
        raise Refused(NOT_NOW if kind in ("SL", "FJ") else NO_CASE, "CASENO")
    if kind in ("SL", "FJ") and text(data, "SXBM") != text(scene.known["SQ"], "SXBM"):
        raise Refused(WRONG, "SXBM")
    if kind in ("SQ", "SL"):
        _check_version(kind, data, scene)
    if kind == "FJ":
        _check_material(data, scene)
    if kind in NOTICES:
        _check_notice(kind, scene)


def _check_version(kind: str, data: Tree, scene: Scene) -> None:
    """Another document of a kind is a later version of the data."""
    before = scene.known.get(kind)
    if before is not None and int(text(data, "VERSION")) <= int(text(before, "VERSION")):
        raise Refused(NOT_NOW, kind)


def _check_material(data: Tree, scene: Scene) -> None:
    listed = set[str]().union(*(materials(one) for one in scene.known.values()))
    if text(data, "MATERIALID") not in listed:
        raise Refused(WRONG, "MATERIALID")


def _check_notice(kind: str, scene: Scene) -> None:
    expected = scene.fee if kind == "FEE" else scene.certificate and not scene.own
    if not scene.acceptance or not expected or kind in scene.known:
        raise Refused(NOT_NOW, kind)

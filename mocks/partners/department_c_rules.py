"""What department C's contract asks of each object it receives: members, values, what must come before."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from mocks.partners.department_c_xml import Document

Members = Mapping[str, str]
Known = Mapping[str, Members]
"""The newest document of a case by object, a notice as EA_JC_NOTICE:1 or :2."""

BASIC, PROC, FILE, NOTICE = "EA_JC_STEP_BASICINFO", "EA_JC_STEP_PROC", "EA_JC_FILE", "EA_JC_NOTICE"
LETTERS: Final = {BASIC: "B", PROC: "P", FILE: "F", NOTICE: "N"}
LARGEST_FILE: Final = 10 << 20  # bytes
CARDS: Final = ("111", "414", "511", "516", "553", "554", "001")
HEAD = "ORGBUSNO!:case PROJID:t50 ITEMCODE!:item REGIONID!:region DATAVER!:positive MEMO:t500 "
TABLE: Final = {  # member, ! = required, :kind (text if none)
    BASIC: HEAD + "ITEMNAME! PROJECTNAME!:t395 APPLYTYPE!:applicant APPLYNAME! APPLYCARDTYPE!:card"
    " APPLYCARDNO! LINKMAN! LINKPHONE! LINKCARDTYPE:card LINKCARDNO LINKMAIL APPLYFROM!:channel"
    " RECEIVENO APPLYTIME!:time SITEID:region OLDPROJID",
    PROC: HEAD + "NODETYPE!:one SN!:zero ORGNAME! ORGCODE!:credit USERNAME! USERID! NODERESULT!:accepted"
    " NODEADV ACCEPTNO ACCEPTDATE!:time QUERYPWD:six STATUTELIMIT:whole STATUTEUNIT:unit PROMISELIMIT:whole"
    " PROMISEUNIT:unit APPLYFROM:channel ISFEE!:flag ISCERT!:flag",
    FILE: HEAD + "ATTRNAME! FILENAME!:t200 FILETYPE!:media SHA256!:sha CONTENT!:base64 UPLOADTIME!:time",
    NOTICE: "ORGBUSNO!:case DATAVER!:positive NOTICETYPE!:kind12 PAYNOTENO FEE:fen PAYTIME:time CERTID CERTNO"
    " CERTNAME CERTLIMIT:day",
    "MATERIAL": "MNAME! MCOUNT!:whole TAKETYPE!:kind123",
}  # fmt: skip
WITH_MATERIALS: Final = frozenset({BASIC, PROC})
NOTICES: Final = {"1": ("PAYNOTENO", "FEE", "PAYTIME"), "2": ("CERTID", "CERTNO", "CERTNAME")}
CERTIFICATE_ONLY: Final = ("CERTID", "CERTNO", "CERTNAME", "CERTLIMIT")
FEE_ONLY: Final = ("PAYNOTENO", "FEE", "PAYTIME")


class Refused(Exception):
    """Status 500; the text is its `msg`."""


def form(pattern: str) -> Callable[[str], bool]:
    """Text of a form."""
    match = re.compile(pattern, re.ASCII | re.DOTALL).fullmatch
    return lambda value: match(value) is not None


def stamp(pattern: str, shape: str) -> Callable[[str], bool]:
    """A time in the strptime pattern, in exactly the form `shape`."""
    shaped = form(shape)

    def check(value: str) -> bool:
        try:
            return shaped(value) and bool(datetime.strptime(value, pattern))  # noqa: DTZ007  # form only
        except ValueError:
            return False

    return check


KINDS: Final[Mapping[str, Callable[[str], bool]]] = {
    "text": bool,
    "t50": form(".{1,50}"),
    "t200": form(".{1,200}"),
    "t395": form(".{1,395}"),
    "t500": form(".{1,500}"),
    "case": form("44[0-9A-Z]{28}"),
    "item": form("[0-9A-HJ-NPQRTUWXY]{18}-[0-9A-Z]-[0-9A-Z]{12}"),
    "region": form("[0-9]{12}"),
    "positive": form("[1-9][0-9]{0,8}"),
    "whole": form("0|[1-9][0-9]{0,8}"),
    "fen": form("[0-9]{1,15}"),
    "applicant": form("[129]"),
    "card": CARDS.__contains__,
    "channel": form("[123]"),
    "unit": form("[123]"),
    "kind123": form("[123]"),
    "kind12": form("[12]"),
    "accepted": form("[45]"),
    "one": form("1"),
    "zero": form("0"),
    "flag": form("[01]"),
    "six": form("[0-9]{6}"),
    "credit": form("[0-9A-HJ-NPQRTUWXY]{18}"),
    "media": form(r"[A-Za-z0-9][\w.+-]*/[A-Za-z0-9][\w.+-]*"),
    "sha": form("[0-9a-fA-F]{64}"),
    "base64": form("(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?"),
    "time": stamp("%Y-%m-%d %H:%M:%S", "[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}"),
    "day": stamp("%Y-%m-%d", "[0-9]{4}-[0-9]{2}-[0-9]{2}"),
}


@dataclass(frozen=True)
class Member:
    """One member of an object."""

    required: bool
    kind: str


def _member(text: str) -> tuple[str, Member]:
    head, _, kind = text.partition(":")
    return head.rstrip("!"), Member(head.endswith("!"), kind or "text")


MEMBERS: Final = {name: dict(map(_member, text.split())) for name, text in TABLE.items()}


def judge(document: Document, wanted: str) -> None:
    """Refused names the first thing a document breaks by itself."""
    if document.root != wanted:
        raise Refused(f"{wanted} is needed here")
    _judge_members(document.members, wanted)
    if document.materials is not None and wanted not in WITH_MATERIALS:
        raise Refused("MATERIALS: unknown member")
    for one in document.materials or ():
        _judge_members(one, "MATERIAL")
    if wanted in JUDGES:
        JUDGES[wanted](document.members)


def _judge_members(members: Members, table: str) -> None:
    known = MEMBERS[table]
    for name, value in members.items():
        if name not in known:
            raise Refused(f"{name[:50]}: unknown member")
        if not KINDS[known[name].kind](value):
            raise Refused(f"{name}: bad value")
    for name, member in known.items():
        if member.required and name not in members:
            raise Refused(f"{name}: missing")


def _judge_proc(members: Members) -> None:
    if members["NODERESULT"] == "5" and "NODEADV" not in members:
        raise Refused("NODEADV: missing")


def _judge_notice(members: Members) -> None:
    kind = members["NOTICETYPE"]
    for name in NOTICES[kind]:
        if name not in members:
            raise Refused(f"{name}: missing")
    for name in CERTIFICATE_ONLY if kind == "1" else FEE_ONLY:
        if name in members:
            raise Refused(f"{name}: not with NOTICETYPE {kind}")


def _judge_file(members: Members) -> None:
    try:
        content = base64.b64decode(members["CONTENT"], validate=True)
    except binascii.Error as error:
        raise Refused("CONTENT: not base64") from error
    if len(content) > LARGEST_FILE:
        raise Refused("CONTENT: more than 10 MB")
    if hashlib.sha256(content).hexdigest() != members["SHA256"].lower():
        raise Refused("SHA256: not that of CONTENT")


JUDGES: Final = {PROC: _judge_proc, NOTICE: _judge_notice, FILE: _judge_file}


def sequence(root: str, members: Members) -> tuple[str, ...]:
    """The node sequence of what the department receives."""
    if root == PROC:
        return (members["SN"],)
    if root == FILE:
        return (members["SHA256"],)
    if root == NOTICE:
        kind = members["NOTICETYPE"]
        return kind, members["PAYNOTENO" if kind == "1" else "CERTID"]
    return ()


def identity(root: str, members: Members) -> tuple[str, int]:
    """Name without the version, and the version."""
    name = "-".join((LETTERS[root], members["ORGBUSNO"], *sequence(root, members)))
    return name, int(members["DATAVER"])


def place(root: str, members: Members) -> str:
    """The key of a document in `Known`."""
    return f"{root}:{members['NOTICETYPE']}" if root == NOTICE else root


def unfitting(root: str, members: Members, known: Known, materials: frozenset[str]) -> str:
    """Why a good document may not come now; empty if it may. `materials`: names in the lists of the case."""
    before = known.get(BASIC)
    if root == BASIC:
        return (
            ""
            if before is None or before["ITEMCODE"] == members["ITEMCODE"]
            else "ITEMCODE: another one before"
        )
    if before is None:
        return "ORGBUSNO: unknown"
    if root != NOTICE and members["ITEMCODE"] != before["ITEMCODE"]:
        return "ITEMCODE: differs from BASICINFO"
    if root == FILE and materials and members["ATTRNAME"] not in materials:
        return "ATTRNAME: no such material"
    return _unfitting_notice(members, known) if root == NOTICE else ""


def _unfitting_notice(members: Members, known: Known) -> str:
    accepted, kind = known.get(PROC), members["NOTICETYPE"]
    if accepted is None:
        return "ORGBUSNO: not accepted yet"
    flag = "ISFEE" if kind == "1" else "ISCERT"
    return "" if accepted[flag] == "1" else f"NOTICETYPE: {flag} of the case is 0"

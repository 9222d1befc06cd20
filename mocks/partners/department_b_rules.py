"""What department B's contract makes of a document: a table of every member, and rules across members."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias

from lxml import etree

from mocks.partners.common.clock import BEIJING, parse_compact
from mocks.partners.common.xmlsig import Element, XmlError, parse

Tree: TypeAlias = "dict[str, str | Tree | list[Tree]]"
Check = Callable[[str], bool]
MISSING, WRONG, UNKNOWN, NO_CASE, NOT_NOW, DIFFERS = "1001", "1002", "1003", "1004", "1005", "1006"
SEAL, USED, LATER = "4001", "4009", "5003"
STATUS: Final = {"0": "200", SEAL: "401", USED: "409", LATER: "503"}
"""STATUS by code; every other code is 500."""


class Refused(Exception):
    """A rule of the contract; `code` is that of DESC, the text names the member."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True)
class Leaf:
    """A member with a text."""

    holds: Check
    required: bool


@dataclass(frozen=True)
class Group:
    """A member with members; `many`: any number of them."""

    members: Mapping[str, Leaf | Group]
    required: bool = True
    many: bool = False


def form(pattern: str) -> Check:
    """Text of a form."""
    match = re.compile(pattern, re.ASCII).fullmatch
    return lambda text: match(text) is not None


def _dated(pattern: str, digits: str) -> Check:
    shaped = form(digits)

    def holds(text: str) -> bool:
        try:
            return shaped(text) and bool(datetime.strptime(text, pattern).replace(tzinfo=BEIJING))
        except ValueError:
            return False

    return holds


def _compact(text: str) -> bool:
    try:
        return bool(parse_compact(text))
    except ValueError:
        return False


KINDS: Final[Mapping[str, Check]] = {
    "text": lambda text: bool(text.strip()),
    "case": form("[0-9A-Z]{28}"),
    "item": form("[0-9A-Z]{31}"),
    "basic": form("[0-9A-Z]{12}"),
    "region": form("[0-9]{6}"),
    "place": form("[0-9]{12}"),
    "six": form("[0-9]{6}"),
    "positive": form("[1-9][0-9]{0,8}"),
    "whole": form("0|[1-9][0-9]{0,8}"),
    "credit": form("[0-9A-HJ-NPQRTUWXY]{18}"),
    "organisation": form("[0-9A-HJ-NPQRTUWXY]{9}"),
    "staff": form("[A-Za-z0-9-]{1,20}"),
    "media": form(r"[A-Za-z0-9.+-]+/[A-Za-z0-9.+-]+"),
    "sha": form("[0-9A-Fa-f]{64}"),
    "money": form(r"(?:0|[1-9][0-9]{0,12})\.[0-9]{2}"),
    "document": form("111|414|511|516|553|554|001"),
    "time": _dated("%Y-%m-%d %H:%M:%S", "[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}"),
    "day": _dated("%Y-%m-%d", "[0-9]{4}-[0-9]{2}-[0-9]{2}"),
    "stamp": _compact,
    "id": form("[A-Za-z0-9._-]{8,50}"),
}


def _kind(name: str) -> Check:
    """A kind of KINDS; t50 = text of at most so many characters; a/b/c = one of the codes."""
    if name in KINDS:
        return KINDS[name]
    if name[0] == "t":
        most = int(name[1:])
        return lambda text: bool(text.strip()) and len(text) <= most
    codes = name.split("/")
    return lambda text: text in codes


def members(text: str, **groups: Group) -> dict[str, Leaf | Group]:
    """A table from words NAME, NAME! (required), NAME:kind, and the groups below it."""
    table: dict[str, Leaf | Group] = {}
    for word in text.split():
        name, _, kind = word.partition(":")
        table[name.rstrip("!")] = Leaf(_kind(kind or "text"), name.endswith("!"))
    return table | groups


HEAD: Final = Group(members("MSGID!:id KIND! APPID! TIME!:stamp"))
_CASE = "CASENO!:case "
_COMMON = _CASE + "SXBM!:item SXJBBM!:basic XZQHDM!:region VERSION!:positive YWLSH:t50 PDH:t20 BZ:t500 "
_OFFICER = "BLBM!:t200 TYSHXYDM!:credit D_ZZJGDM!:organisation BLR! BLRGH!:staff "
_MATERIALS = Group(
    {"CAILIAO": Group(members("CLMC! CLSL!:whole SQFS!:1/2/3"), required=False, many=True)}, required=False
)
_APPLICANT = "SQRLX!:10/20/30 SQRMC! ZJLX!:document ZJHM! SQSJ!:time SBHZH:t50 SBWD:place YBJBH:t50 XML_DATA!"
_ACCEPTANCE = (
    _OFFICER + "SLJG!:1 BSLYY SLHZH SLSJ!:time CXMM:six FDSX:whole FDSXDW:1/2/3 CNSX:whole CNSXDW:1/2/3"
    " SFSF!:0/1 SFCZ!:0/1"
)
_CHANNEL = "YWLY!:10/20/30"
DATA: Final[Mapping[str, Group]] = {
    "SQ": Group(members(
        _COMMON + "SXMC! " + _CHANNEL, SPSHENQIN=Group(members(_APPLICANT)), SPCAILIAOSHENHE=_MATERIALS
    )),
    "SL": Group(members(
        _COMMON + "YWLY:10/20/30", SPSHOULI=Group(members(_ACCEPTANCE)), SPCAILIAOSHENHE=_MATERIALS
    )),
    "FJ": Group(members(_COMMON + "MATERIALID!:t200 FILENAME!:t200 WJLX!:media SHA256!:sha SCSJ!:time")),
    "CX": Group(members(_CASE)),
    "FEE": Group(members(_CASE, SPJIAOFEI=Group(members("JKTZSH! JE!:money JFSJ!:time")))),
    "CERT": Group(members(_CASE, SPZHENGZHAO=Group(members("ZZBS! ZZBH! ZZMC! YXQZ:day")))),
}  # fmt: skip
FORM: Final = Group(members("BJMC!", LXR=Group(members("XM! SJ! ZJLX:document ZJHM YX"))))
OPERATIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "ReceiveApply": ("SQ", "SL"),
    "ReceiveAttachment": ("FJ",),
    "QueryProcess": ("CX",),
    "ReceiveNotice": ("FEE", "CERT"),
}


def read(node: Element, group: Group) -> Tree:
    """The members of an element in any order; an empty one is absent. `Refused` names the first wrong one."""
    _require_plain(node)
    found: Tree = {}
    for child in node:
        spec = group.members.get(child.tag)
        if spec is None:
            raise Refused(UNKNOWN, etree.QName(child).localname)
        _add(found, child, spec)
    for name, spec in group.members.items():
        if spec.required and name not in found:
            raise Refused(MISSING, name)
    return found


def _require_plain(node: Element) -> None:
    """No attributes, and no text between members."""
    if node.attrib:
        raise Refused(UNKNOWN, f"{node.tag}@{next(iter(node.attrib))}")
    if any((text or "").strip() for text in (node.text, *(child.tail for child in node))):
        raise Refused(WRONG, str(node.tag))


def _add(found: Tree, child: Element, spec: Leaf | Group) -> None:
    value = _leaf(child, spec) if isinstance(spec, Leaf) else _inner(child, spec)
    name = str(child.tag)
    if not value:
        return
    if isinstance(spec, Group) and spec.many and isinstance(value, dict):
        listed = found.setdefault(name, [])
        if isinstance(listed, list):
            listed.append(value)
        return
    if name in found:
        raise Refused(WRONG, name)
    found[name] = value


def _leaf(child: Element, spec: Leaf) -> str:
    if child.attrib or len(child):
        raise Refused(UNKNOWN, f"{child.tag}/")
    text = child.text or ""
    if text and (text == "null" or not spec.holds(text)):
        raise Refused(WRONG, str(child.tag))
    return text


def _inner(child: Element, spec: Group) -> Tree:
    empty = not len(child) and not child.attrib and not (child.text or "").strip()
    return {} if empty else read(child, spec)


def read_document(bare: Element, operation: str) -> tuple[str, Tree]:
    """KIND and DATA of a request whose seal holds, every rule inside the document kept."""
    if bare.tag != "REQUEST":
        raise Refused(UNKNOWN, str(bare.tag))
    if sorted(str(child.tag) for child in bare) != ["DATA", "HEAD"]:
        raise Refused(MISSING if len(bare) < 2 else UNKNOWN, "HEAD, DATA")
    _require_plain(bare)
    kind = str(read(bare.find("HEAD"), HEAD)["KIND"])
    if kind not in OPERATIONS[operation]:
        raise Refused(WRONG, "KIND")
    data = read(bare.find("DATA"), DATA[kind])
    _check_across(data)
    return kind, data


def branch(data: Tree, name: str) -> Tree:
    """A group of a document that was read; empty if it was absent."""
    value = data.get(name, {})
    return value if isinstance(value, dict) else {}


def text(data: Tree, name: str) -> str:
    """A text of a document that was read; empty if it was absent."""
    value = data.get(name, "")
    return value if isinstance(value, str) else ""


def materials(data: Tree) -> set[str]:
    """The names of the materials a document lists."""
    listed = branch(data, "SPCAILIAOSHENHE").get("CAILIAO", [])
    return {text(one, "CLMC") for one in listed} if isinstance(listed, list) else set()


def _check_across(data: Tree) -> None:
    item, applicant, acceptance = text(data, "SXBM"), branch(data, "SPSHENQIN"), branch(data, "SPSHOULI")
    if item and text(data, "SXJBBM") != item[-12:]:
        raise Refused(WRONG, "SXJBBM")
    if acceptance and text(acceptance, "TYSHXYDM")[8:17] != text(acceptance, "D_ZZJGDM"):
        raise Refused(WRONG, "D_ZZJGDM")
    if applicant:
        _check_number(applicant)
        read_form(text(applicant, "XML_DATA"))


def _check_number(person: Tree) -> None:
    """Where the document is the credit code, the number is one."""
    if text(person, "ZJLX") == "001" and not KINDS["credit"](text(person, "ZJHM")):
        raise Refused(WRONG, "ZJHM")


def read_form(given: str) -> Tree:
    """The application form inside XML_DATA."""
    try:
        root = parse(given)
    except XmlError as error:
        raise Refused(WRONG, "XML_DATA") from error
    if root.tag != "FORM":
        raise Refused(UNKNOWN, "XML_DATA")
    found = read(root, FORM)
    _check_number(branch(found, "LXR"))
    return found

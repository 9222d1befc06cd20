"""What department D's contract asks of the columns it reads, and what must be known before a row is taken."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from typing import Final

from mocks.partners.common import strictjson
from mocks.partners.common.processobjects import KINDS, Check, form, is_text, moment, pick, whole
from mocks.partners.department_d_rows import BadRow, Row
from mocks.partners.department_d_schema import Column, Table

APPLIED, ACCEPTED, FILE, NOTICE = "PRE_APASINFO", "PRE_ACCEPT", "PRE_FILE", "PRE_NOTICE"
LARGEST_FILE: Final = 10 << 20  # bytes
Known = Mapping[str, Row]
"""The newest rows of a case by table, a notice as PRE_NOTICE:FEE or :CERT."""

COLUMNS: Final = {  # column: kind; a text if not named
    "dataver": "positive", "projid": "case", "areacode": "digits12", "site_code": "digits12",
    "itemno": "item", "applytype": "applicant", "apply_cardtype": "document", "applyfrom": "pick123",
    "receivetime": "time", "acceptlist": "acceptlist", "item_values": "form", "acceptresult": "pick12",
    "accepttime": "time", "deptcode": "credit", "law_limit": "whole", "law_limit_unit": "unit",
    "promise_limit": "whole", "promise_limit_unit": "unit", "isfee": "bit", "iscert": "bit", "sha256": "sha",
    "uploadtime": "time", "noticetype": "notice", "pay_amount": "yuan", "pay_time": "time",
    "cert_limit": "day",
}  # fmt: skip
TAKEN_AS: Final = pick("纸质收取", "附件上传", "电子证照库")
MATERIAL: Final[Mapping[str, Check]] = {"attrname": is_text, "num": whole(0), "taketype": TAKEN_AS}
LINK: Final[Mapping[str, Check]] = {
    "linkman": is_text, "linkphone": is_text, "linkcardtype": KINDS["document"], "linkcardno": is_text,
    "linkmail": is_text,
}  # fmt: skip
CONDITIONS: Final = (  # table, column, its value, the columns it requires
    (ACCEPTED, "acceptresult", "2", ("reason",)),
    (NOTICE, "noticetype", "FEE", ("pay_noticeno", "pay_amount", "pay_time")),
    (NOTICE, "noticetype", "CERT", ("cert_id", "cert_no", "cert_name")),
)


def _json(value: object) -> object:
    try:
        return strictjson.read(str(value).encode())
    except strictjson.BadJson:
        return None


def _acceptlist(value: object) -> bool:
    said = _json(value)
    return isinstance(said, list) and bool(said) and all(_material(one) for one in said)


def _material(value: object) -> bool:
    if not isinstance(value, dict) or value.keys() != MATERIAL.keys():
        return False
    return all(check(value[name]) for name, check in MATERIAL.items())


def _form(value: object) -> bool:
    said = _json(value)
    if not isinstance(said, dict) or not {"linkman", "linkphone"} <= said.keys() <= LINK.keys():
        return False
    return all(LINK[name](one) for name, one in said.items())


HERE: Final[Mapping[str, Check]] = {
    **KINDS,
    "case": form("[0-9A-Z]{28}"),
    "applicant": pick("1", "2", "3", "4", "5", "6"),
    "time": moment("%Y%m%dT%H%M%S", "[0-9]{8}T[0-9]{6}"),
    "day": moment("%Y%m%d", "[0-9]{8}"),
    "unit": pick("1", "2", "3", "4"),
    "bit": pick("0", "1"),
    "notice": pick("FEE", "CERT"),
    "sha": form("[0-9a-fA-F]{64}"),
    "acceptlist": _acceptlist,
    "form": _form,
}


def _check(column: Column) -> Check:
    return HERE[COLUMNS.get(column.name, "whole" if column.integer else "text")]


def judge(table: Table, row: Row) -> None:
    """BadRow names the first column that breaks the contract by itself."""
    for one in table.business:
        value = row[one.name]
        if value in (None, "") and one.required:
            raise BadRow(f"{one.name}: missing")
        if value not in (None, "") and (value == "null" or not _check(one)(value)):
            raise BadRow(f"{one.name}: bad value")
    for name, column, wanted, needed in CONDITIONS:
        if name == table.name and row[column] == wanted:
            _need(row, needed)
    if table.name == FILE:
        _judge_file(row)


def _need(row: Row, names: tuple[str, ...]) -> None:
    for name in names:
        if row[name] in (None, ""):
            raise BadRow(f"{name}: missing")


def _judge_file(row: Row) -> None:
    try:
        content = base64.b64decode(str(row["filebody"]), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadRow("filebody: not base64") from error
    if len(content) > LARGEST_FILE:
        raise BadRow("filebody: more than 10 MB")
    if hashlib.sha256(content).hexdigest() != str(row["sha256"]).lower():
        raise BadRow("sha256: not that of filebody")
    if row["taketype"] != "附件上传":
        raise BadRow("taketype: bad value")


def place(table: str, row: Row) -> str:
    """The key of a row in `Known`."""
    return f"{table}:{row['noticetype']}" if table == NOTICE else table


def unfitting(table: str, row: Row, known: Known) -> str:
    """`column: why` if the row contradicts what is known of its case."""
    if table == FILE:
        names = _materials(known)
        return "attrname: not in acceptlist" if names and row["attrname"] not in names else ""
    if table == NOTICE and ACCEPTED in known:
        flag = "isfee" if row["noticetype"] == "FEE" else "iscert"
        return "" if known[ACCEPTED][flag] == "1" else f"noticetype: {flag} of the case is 0"
    return ""


def _materials(known: Known) -> frozenset[str]:
    lists = [_json(known[name].get("acceptlist")) for name in (APPLIED, ACCEPTED) if name in known]
    return frozenset(str(one["attrname"]) for each in lists if isinstance(each, list) for one in each)

"""What the body faults do to a document of department C before its encryption, and to its HTTP body after."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from mocks.partners.common.faults import PUSH_FAULTS, Faults
from mocks.partners.common.strictjson import write
from mocks.partners.department_c_xml import encrypt

SEND_FAULTS: Final = PUSH_FAULTS | {"version_gap"}
DONE_FAULTS: Final = SEND_FAULTS | {"missing_attachment"}
_LEAF: Final = re.compile(r"<(\w+)>([^<]*)</\1>")
_TIME: Final = re.compile(r"(\d{4})-(\d{2})-(\d{2}) (\d{2}):(\d{2}):(\d{2})", re.ASCII)
_MILLIS: Final = re.compile(r"(\d{10})\d{3}", re.ASCII)
_VERSION: Final = re.compile(r"<DATAVER>(\d+)</DATAVER>", re.ASCII)
_HEAD: Final = frozenset({"ORGBUSNO", "ITEMCODE", "REGIONID", "DATAVER", "PROJID"})


@dataclass(frozen=True)
class Letter:
    """An HTTP body as it leaves; `spoilt`: a fault changed it."""

    body: bytes
    content_type: str
    spoilt: bool
    version: int


def _null(match: re.Match[str]) -> str:
    name = match[1]
    return match[0] if name in _HEAD else f"<{name}>null</{name}>"


def _other_date(match: re.Match[str]) -> str:
    name, value = match[1], match[2]
    if found := _TIME.fullmatch(value):
        value = "{}{}{}T{}{}{}".format(*found.groups())
    elif name == "SPECIALTIME" and (found := _MILLIS.fullmatch(value)):
        value = found[1]  # seconds instead of milliseconds
    return f"<{name}>{value}</{name}>"


def _gap(match: re.Match[str]) -> str:
    return f"<DATAVER>{int(match[1]) + 2}</DATAVER>"


def spoilt_text(text: str, faults: Faults, operation: str) -> str:
    """The document after the faults of its members."""
    if faults.take(operation, "null_text"):
        text = _LEAF.sub(_null, text)
    if faults.take(operation, "bad_date_pattern"):
        text = _LEAF.sub(_other_date, text)
    if fault := faults.take(operation, "schema_new_field"):
        name = fault.text("NEWFIELD")
        text = re.sub(r"</(\w+)>\Z", rf"<{name}>新增字段</{name}></\1>", text)
    if faults.take(operation, "version_gap"):
        text = _VERSION.sub(_gap, text)
    if faults.take(operation, "missing_attachment"):
        text = re.sub(r"<CERTIFICATE(\w+)>[^<]*</CERTIFICATE\1>", "", text)
    return text


def letter(
    plain: bytes, good: bytes, version: int, key: bytes, faults: Faults, operation: str
) -> Letter:  # fmt: skip
    """The body to send: `good` (which holds `plain` encrypted) unless a fault is armed."""
    text = plain.decode()
    changed = spoilt_text(text, faults, operation)
    gbk = bool(faults.take(operation, "gbk_body"))
    body = good
    if gbk or changed != text:
        body = write({"xmlStr": encrypt(changed.encode("gb18030" if gbk else "utf-8"), key)})
    if faults.take(operation, "truncate_800b"):
        body = body[:800]
    if faults.take(operation, "bom"):
        body = b"\xef\xbb\xbf" + body
    label = bool(faults.take(operation, "wrong_charset_label"))
    content_type = "application/json" + ("; charset=GBK" if label else "")
    said = _VERSION.search(changed)
    return Letter(body, content_type, label or body != good, int(said[1]) if said else version)

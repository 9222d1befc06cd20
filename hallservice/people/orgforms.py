"""What a row for an organisation must be, however it came: a form, a sheet, the identity directory."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from canonical.errors import ValueRefused
from canonical.itemcodes import CreditCode
from canonical.regions import regions
from canonical.values import region12
from hallservice.people.fields import line, wrong
from hallservice.refusals import FieldFault

CODE = re.compile(r"[0-9A-Za-z][0-9A-Za-z.-]{0,39}", re.ASCII)


@dataclass(frozen=True, slots=True)
class OrgRow:
    """One organisation as it is to be. An empty `parent` is the top."""

    code: str
    name: str
    kind: str
    region: str
    parent: str = ""
    short_name: str = ""
    uscc: str = ""
    org_code: str = ""
    has_own_system: bool = False
    party: str = ""
    active: bool = True
    place: int = 0
    source: str = ""
    source_id: str = ""

    @property
    def section(self) -> bool:
        """A section of the organisation above it."""
        return self.kind == "section"


@cache
def kinds() -> Mapping[str, str]:
    """Kinds of organisation with their names, in the order they are offered."""
    text = (files("hallservice.people") / "kinds.toml").read_text("utf-8")
    return {row["code"]: row["name"] for row in tomllib.loads(text)["kind"]}


def read(given: Mapping[str, object]) -> tuple[OrgRow | None, list[FieldFault]]:
    """The row, or what is wrong with it field by field."""
    faults: list[FieldFault] = []
    text = {name: line(given, name, faults, most) for name, most in _TEXTS.items()}
    for name, said in _REQUIRED.items():
        if not text[name]:
            faults.append(FieldFault(name, "required", said))
    faults.extend(_coded(text))
    region = _region(text["region"], faults)
    uscc = _uscc(text["uscc"], faults)
    if faults:
        return None, faults
    texts = text | {"region": region, "uscc": uscc, "org_code": uscc[8:17] or text["org_code"]}
    values: dict[str, Any] = {**texts, "place": _number(given.get("place"))}
    values |= {name: _flag(given.get(name, name == "active")) for name in ("has_own_system", "active")}
    return OrgRow(**values), []


_TEXTS = {
    "code": 40, "name": 100, "kind": 12, "region": 12, "parent": 40, "short_name": 50, "uscc": 18,
    "org_code": 9, "party": 40, "source": 40, "source_id": 64,
}  # fmt: skip
_REQUIRED = {
    "code": "请填写机构编码",
    "name": "请填写机构名称",
    "kind": "请选择机构类型",
    "region": "请填写行政区划",
}


def _coded(text: Mapping[str, str]) -> list[FieldFault]:
    """Codes: their form, and those of a list."""
    faults = []
    if text["code"] and not CODE.fullmatch(text["code"]):
        faults.append(wrong("code", "机构编码只能用字母、数字、点和短横，最多 40 个字符"))
    if text["kind"] and text["kind"] not in kinds():
        faults.append(wrong("kind", f"没有这种机构类型，可用：{'、'.join(kinds().values())}"))
    if text["kind"] == "section" and not text["parent"]:
        faults.append(wrong("parent", "科室要有上级机构"))
    return faults


def _region(text: str, faults: list[FieldFault]) -> str:
    """Twelve digits of a division that is known by name."""
    try:
        code = region12(text) if text else ""
    except ValueRefused:
        faults.append(wrong("region", "行政区划是 6 位或 12 位数字"))
        return ""
    if code and code not in regions():
        faults.append(wrong("region", "梅州市没有这个行政区划代码"))
    return code


def _uscc(text: str, faults: list[FieldFault]) -> str:
    try:
        return CreditCode(text.upper()) if text else ""
    except ValueRefused:
        faults.append(wrong("uscc", "统一社会信用代码不对（18 位，最后一位是校验码）"))
        return ""


def _flag(value: object) -> bool:
    return value in (True, "1", "true", "on", "是")


def _number(value: object) -> int:
    return (
        int(value) if isinstance(value, int | str) and str(value).isdecimal() and len(str(value)) < 7 else 0
    )

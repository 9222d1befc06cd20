"""Town and village items reported upward: row answers at once, findings of the audit later."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from mocks.partners.catalogue_items import COLUMNS
from mocks.partners.common.xmlsig import Element

MOST_ROWS: Final = 200
OWN_COLUMNS: Final = ("LOCAL_CATALOG_CODE", "TOWN_CODE", "VILLAGE_CODE", "CATEGORY")
REQUIRED: Final = ("ROW_GUID", "TASK_NAME", "LOCAL_CATALOG_CODE", "TOWN_CODE", "CATEGORY")
GROUPS: Final = {
    "MATERIALS": ("MATERIAL", (
        "MATERIAL_NAME", "IS_NEED", "MATERIAL_TYPE", "MATERIAL_FORMAT", "PAGE_NUM", "SOURCE_TYPE",
        "ACCEPT_STAND", "ORDER_NUM",
    )),
    "FEES": ("FEE", ("FEE_CODE", "FEE_NAME", "FEE_STAND", "AMOUNT", "BY_LAW", "IS_DESC")),
}  # fmt: skip
_TOWN = re.compile(r"4414(02|03|22|23|24|26|27|81)(?!000)\d{3}000", re.ASCII)
_VILLAGE = re.compile(r"\d{9}(?!000)\d{3}", re.ASCII)
_CATEGORY = re.compile(r"0[1-9]|1[01]", re.ASCII)
_AMOUNT = re.compile(r"(0|[1-9]\d{0,13})\.\d\d", re.ASCII)
_FORMS: Final = {
    "ROW_GUID": re.compile(r"[0-9A-Za-z-]{1,50}", re.ASCII),
    "CATALOG_CODE": re.compile(r"[0-9A-Z]{12}", re.ASCII),
    "TASK_CODE": re.compile(r"[0-9A-Z]{31}", re.ASCII),
    "TASK_VERSION": re.compile(r"[1-9]\d{0,8}", re.ASCII),
    "ANTICIPATE_DAY": re.compile(r"\d{1,4}", re.ASCII),
    "PROMISE_DAY": re.compile(r"\d{1,4}", re.ASCII),
    "REGION_CODE": re.compile(r"\d{12}", re.ASCII),
    "TASK_NAME": re.compile(r".{1,1000}"),
    "LOCAL_CATALOG_CODE": re.compile(r"\S{1,50}"),
    "TOWN_CODE": _TOWN,
    "VILLAGE_CODE": _VILLAGE,
    "CATEGORY": _CATEGORY,
}
Row = tuple[str, str, str]
"""guid, code, msg."""


def judge(items: Sequence[Element], refuse: Callable[[], bool]) -> list[Row]:
    """One answer per row; `refuse` says whether the fault partial_accept acts on this row."""
    guids = Counter(item.findtext("ROW_GUID") for item in items)
    return [_row(item, guids[item.findtext("ROW_GUID")] > 1, refuse()) for item in items]


def _row(item: Element, twice: bool, refuse: bool) -> Row:
    problem = "ROW_GUID 重复" if twice else row_problem(item)
    problem = problem or ("目录编码未登记" if refuse else "")
    return item.findtext("ROW_GUID") or "", "70" if problem else "0", problem


def row_problem(item: Element) -> str:
    """The first thing wrong with a reported item, "" if nothing is."""
    names = Counter(node.tag for node in item)
    for name, count in names.items():
        if count > 1 or name not in (*COLUMNS, *OWN_COLUMNS, *GROUPS):
            return f"{name} 不允许"
    for name in REQUIRED:
        if not item.findtext(name):
            return f"{name} 缺少"
    for name, form in _FORMS.items():
        if names[name] and not form.fullmatch(item.findtext(name) or ""):
            return f"{name} 不符合规定"
    return _village_problem(item) or _group_problem(item)


def _village_problem(item: Element) -> str:
    village = item.findtext("VILLAGE_CODE") or ""
    if village and village[:9] != item.findtext("TOWN_CODE")[:9]:
        return "VILLAGE_CODE 不在 TOWN_CODE 之下"
    return ""


def _group_problem(item: Element) -> str:
    for group, (name, columns) in GROUPS.items():
        for line in item.findall(f"{group}/*"):
            unknown = [node.tag for node in line if node.tag not in columns]
            if line.tag != name or unknown:
                return f"{(unknown or [line.tag])[0]} 不允许"
    if any(not _AMOUNT.fullmatch(node.text or "") for node in item.iterfind("FEES/FEE/AMOUNT")):
        return "AMOUNT 不符合规定"
    return ""


def audit(item: Element) -> list[tuple[str, str, str, str]]:
    """What the later audit finds in an accepted row: guid, err_type (1 value, 2 missing), table, message."""
    guid = item.findtext("ROW_GUID")
    found = []
    if _promises_too_much(item):
        found.append((guid, "1", "up_task_general_basic", "PROMISE_DAY 大于 ANTICIPATE_DAY"))
    if item.find("MATERIALS/MATERIAL") is None:
        found.append((guid, "2", "up_task_general_material", "没有申请材料"))
    return found


def _promises_too_much(item: Element) -> bool:
    same_unit = item.findtext("PROMISE_TYPE") == item.findtext("ANTICIPATE_TYPE")
    promise, limit = item.findtext("PROMISE_DAY"), item.findtext("ANTICIPATE_DAY")
    return bool(same_unit and promise and limit and int(promise) > int(limit))

"""The element rules (S3-05): what is wrong with an item as typed, field by field, in Chinese."""

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from sqlalchemy import Connection

from canonical.codes import code_list
from canonical.errors import ValueRefused
from canonical.values import RegionCode
from hallservice.counter.form import Check
from hallservice.items import categories, overlays, rowchecks
from hallservice.items.elements import ELEMENTS, GROUPS, Content, Element, Group
from hallservice.items.published import current, find_name
from hallservice.items.rowchecks import Checked
from hallservice.items.wording import DIRECTORY, LEVELS, LOCAL_LEVELS, OVERLAY
from hallservice.people.organisations import Org
from hallservice.refusals import FieldFault

DAYS: Mapping[str, Decimal] = {
    "working_day": Decimal("1.4"), "calendar_day": Decimal(1), "month": Decimal(30), "year": Decimal(365),
}  # fmt: skip


def check(connection: Connection, list_: str, org: Org, code: str, content: Content) -> Checked:
    """Everything that is wrong with it."""
    found = Checked()
    for one in ELEMENTS[list_]:
        found.faults += _element(one, one.name, content.get(one.name, ""))
    for group in GROUPS[list_]:
        found.faults += _rows(group, content.get(group.name, ()))
    if list_ == DIRECTORY:
        _directory(connection, org, code, content, found)
    elif list_ == OVERLAY:
        overlays.check(connection, org, content, found)
    else:
        _implementation(connection, org, code, content, found)
    return found


def _rows(group: Group, rows: Sequence[Mapping[str, Any]]) -> list[FieldFault]:
    faults = []
    if len(rows) > group.most:
        faults.append(FieldFault(f"{group.letter}-1-name", "too_many", f"{group.label}最多 {group.most} 行"))
    for at, row in enumerate(rows[: group.most], 1):
        for one in group.elements:
            faults += _element(one, f"{group.letter}-{at}-{one.name}", row.get(one.name, ""))
    return faults


def _element(one: Element, name: str, value: Any) -> list[FieldFault]:
    check = Check()
    if one.kind == "choices":
        _several(check, one, name, value)
    elif one.kind != "fixed":
        said = value if isinstance(value, str) else ""
        if said or one.required:
            _KINDS[one.kind](check, one, name, said)
    return check.faults


def _several(check: Check, one: Element, name: str, value: Any) -> None:
    chosen = list(value) if isinstance(value, list | tuple) else []
    if one.required and not chosen:
        check.fault(name, "required", f"请选择{one.label}")
    if unknown := [said for said in chosen if said not in dict(one.choices)]:
        check.fault(name, "bad_choice", f"{one.label}没有“{unknown[0]}”这一项")


def _text(check: Check, one: Element, name: str, said: str) -> None:
    check.text(name, said, one.label, one.longest, required=one.required)


def _choice(check: Check, one: Element, name: str, said: str) -> None:
    if said not in dict(one.choices):
        check.fault(name, "bad_choice" if said else "required", f"请选择{one.label}")


def _whole(check: Check, one: Element, name: str, said: str) -> None:
    check.whole(name, said, one.label, 0, min(3660, 10**one.longest - 1))


def _number(check: Check, one: Element, name: str, said: str) -> None:
    try:
        good = len(said) <= one.longest and Decimal(said).is_finite() and Decimal(said) >= 0
    except InvalidOperation:
        good = False
    if not good:
        check.fault(name, "bad_form", f"{one.label}应为不小于零的数，例如 12.50")


def _money(check: Check, one: Element, name: str, said: str) -> None:
    check.money(name, said, one.label)


def _day(check: Check, one: Element, name: str, said: str) -> None:
    found = check.day(name, said, one.label)
    if found is not None and found.isoformat() != said:  # kept as it was typed, and compared as text
        check.fault(name, "bad_form", f"{one.label}应写成 {found.isoformat()}")


def _yes(check: Check, one: Element, name: str, said: str) -> None:
    if said != "1":
        check.fault(name, "bad_choice", f"{one.label}只能为“是”或空")


_KINDS: Mapping[str, Callable[[Check, Element, str, str], None]] = {
    "text": _text, "long": _text, "choice": _choice, "whole": _whole, "number": _number, "money": _money,
    "day": _day, "yes": _yes,
}  # fmt: skip


# -- directory


def _directory(connection: Connection, org: Org, code: str, content: Content, found: Checked) -> None:
    if not re.fullmatch("[0-9A-Z]{2}", content["department"]):
        found.fault("department", "bad_form", "部门代码为两位数字或大写字母")
    held = current(connection, DIRECTORY, code) if code else None
    for name in ("kind", "department", "above"):
        if held is not None and held.content[name] != content[name]:
            found.fault(name, "in_code", "这一要素是编码的一部分，变更时不能改；请用“拆分”或“新增”")
    local = [level for level in content["levels"] if level in LOCAL_LEVELS]
    offered = categories.of(connection, org.region)
    if content["category"] and content["category"] not in dict(offered.choices):
        found.fault("category", "bad_choice", "目录分类不在本地在用的分类中")
    elif local and not content["category"]:
        found.fault("category", "required", "镇（街）、村（社区）行使的事项必须选择目录分类")
    if content["above"]:
        _main_item(connection, code, content, found)
    twin = find_name(connection, DIRECTORY, content["name"], org.region)
    if twin and twin != code:
        found.fault("name", "twice", f"同一区划内已有同名事项（{twin}）")


def _main_item(connection: Connection, code: str, content: Content, found: Checked) -> None:
    main = current(connection, DIRECTORY, content["above"])
    if main is None or main.state == "cancelled" or main.above:
        found.fault("above", "unknown", "主项编码应为目录清单中在用的主项")
    elif main.code == code:
        found.fault("above", "itself", "事项不能是自己的子项")
    elif main.state == "suspended" and not code:
        found.fault("above", "suspended", "主项已暂停，恢复后才能增加子项")
    elif main.kind != content["kind"] or main.content["department"] != content["department"]:
        found.fault("above", "other_kind", "子项的事项类型和部门代码应与主项相同")


# -- implementation


def _implementation(connection: Connection, org: Org, code: str, content: Content, found: Checked) -> None:
    if org.uscc is None:
        found.fault("directory", "no_uscc", f"“{org.name}”没有登记统一社会信用代码，不能编制实施清单")
    _entry(connection, code, content, found)
    _region(org, content, found)
    _limits(content, found)
    _results(content, found)
    _fees(content, found)
    rowchecks.situations(content, found)
    names = [row.get("name", "") for row in content["materials"]]
    for at, name in enumerate(names, 1):
        if name and name in names[: at - 1]:
            found.fault(f"m-{at}-name", "twice", f"材料“{name}”重复")


def _entry(connection: Connection, code: str, content: Content, found: Checked) -> None:
    """In use; an item that is there already may be mended while its entry is suspended."""
    entry = current(connection, DIRECTORY, content["directory"])
    if entry is None or entry.state == "cancelled":
        if content["directory"]:
            found.fault("directory", "unknown", "目录清单中没有这个在用的事项")
        return
    if entry.state == "suspended" and not code:
        found.fault("directory", "suspended", "该目录事项已暂停，恢复后才能编制新的实施事项")
    found.entry = entry
    stale = [
        name for name in ("name", "kind", "legal_basis", "category") if content[name] != entry.content[name]
    ]
    if stale:
        found.fault("directory", "not_synchronised", "目录的基本要素已有变化，请点“同步基本要素”")


def _region(org: Org, content: Content, found: Checked) -> None:
    try:
        region = RegionCode(content["region"])
    except ValueRefused:
        if content["region"]:
            found.fault("region", "bad_form", "行政区划为 12 位代码")
        return
    if not RegionCode(org.region).contains(region):
        found.fault("region", "outside", "行政区划不在实施主体的区划内")
    found.level = LEVELS[region.level]
    entry = found.entry
    if entry is not None and found.level not in entry.content["levels"]:
        label = code_list("service_level").label_of(found.level)
        found.fault("region", "other_level", f"目录没有规定由{label}行使")
    elif entry is not None and not RegionCode(entry.region).contains(region):
        found.fault("directory", "other_place", "该目录事项属于其他区划")


def _limits(content: Content, found: Checked) -> None:
    """承诺时限不得超过法定时限. Units are compared by their usual length; equal units exactly."""
    said = [content[name] for name in ("statutory_count", "promised_count")]
    units = [content[name] for name in ("statutory_unit", "promised_unit")]
    if not all(one.isdecimal() and len(one) < 5 for one in said) or not all(one in DAYS for one in units):
        return
    statutory, promised = (Decimal(one) * DAYS[unit] for one, unit in zip(said, units, strict=True))
    if promised > statutory:
        found.fault("promised_count", "promise_exceeds", "承诺时限不得超过法定时限")
    if content["case_kind"] == "instant" and int(said[1]):
        found.fault("promised_count", "instant", "即办件的承诺时限应为 0")
    if content["case_kind"] == "promised" and not int(said[1]):
        found.fault("promised_count", "not_instant", "承诺件的承诺时限应大于 0")


def _results(content: Content, found: Checked) -> None:
    if content["result_kind"] not in ("", "none") and not content["result_name"]:
        found.fault("result_name", "required", "有审批结果的事项请填写结果名称")
    if content["local_code"] and not re.fullmatch(r"[A-Za-z0-9._-]{1,50}", content["local_code"]):
        found.fault("local_code", "bad_form", "本地编码只能有字母、数字、点和短横")


def _fees(content: Content, found: Checked) -> None:
    charged = content["has_fee"] == "1"
    if charged and not content["fee_basis"]:
        found.fault("fee_basis", "required", "收费的事项请填写收费依据")
    if charged and not content["fees"]:
        found.fault("has_fee", "no_fee", "收费的事项至少要有一个收费项目")
    if content["fees"] and not charged:
        found.fault("has_fee", "fee_unsaid", "已填写收费项目，请勾选“收费”")
    codes = [fee.get("code", "") for fee in content["fees"]]
    for at, fee in enumerate(content["fees"], 1):
        if not re.fullmatch(r"[A-Za-z0-9._-]{1,20}", fee.get("code", "")):
            found.fault(f"f-{at}-code", "bad_form", "收费编码只能有字母、数字、点和短横")
        elif fee["code"] in codes[: at - 1]:
            found.fault(f"f-{at}-code", "twice", "收费编码重复")
        rowchecks.formula(at, fee, found)

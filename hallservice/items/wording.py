"""Chinese words of the item lists: states, acts, what may be done."""

from collections.abc import Mapping

from canonical.codes import code_list

EDIT, REVIEW, VIEW = "items.edit", "items.review", "items.view"
DIRECTORY, IMPLEMENTATION, OVERLAY = "directory", "implementation", "overlay"

LISTS: Mapping[str, str] = {DIRECTORY: "目录清单", IMPLEMENTATION: "实施清单"}
# Situations and formulas laid over an item of the province; changed and reviewed as the lists are.
KEPT: Mapping[str, str] = {**LISTS, OVERLAY: "本地情形"}
ACTS: Mapping[str, str] = {
    "add": "新增", "change": "变更", "split": "拆分", "merge": "合并", "suspend": "暂停", "resume": "恢复",
    "cancel": "取消", "import": "批量导入",
}  # fmt: skip
STATES: Mapping[str, str] = {
    "draft": "草稿", "returned": "已退回", "org_review": "待编制审核", "legal_review": "待法制审核",
    "published": "已发布", "dropped": "已作废",
}  # fmt: skip
STAGES: Mapping[str, str] = {"org_review": "编制审核", "legal_review": "法制审核"}
NEXT: Mapping[str, str] = {"org_review": "legal_review", "legal_review": "published"}
EDITABLE = ("draft", "returned")
IN_REVIEW = tuple(STAGES)
OPEN = (*EDITABLE, *IN_REVIEW)
# Who holds one of these posts reviews that stage alone; who holds none of them may review either.
POSTS: Mapping[str, str] = {"establishment": "org_review", "legal": "legal_review"}
STEPS: Mapping[str, str] = {
    "submit": "提交审核", "pass": "通过", "return": "退回", "recall": "撤回", "drop": "作废",
}  # fmt: skip
ITEM_STATES: Mapping[str, str] = {
    "in_use": "在用", "suspended": "暂停", "cancelled": "取消", "withdrawn": "已撤销",
}  # fmt: skip
COLOURS: Mapping[str, str] = {
    "in_use": "ok", "suspended": "warn", "cancelled": "bad", "withdrawn": "bad", "draft": "plain",
    "returned": "bad", "org_review": "info", "legal_review": "info", "published": "ok", "dropped": "plain",
}  # fmt: skip
FORMULAS: Mapping[str, str] = {"fixed": "定额", "per_unit": "按数量", "tiered": "分档累进"}
QUESTIONS: Mapping[str, str] = {
    "text": "选择", "boolean": "是否", "integer": "整数", "money": "金额", "date": "日期",
}  # fmt: skip
# Of a division's code; the items of the last two are reported upward, each with its category.
LEVELS: Mapping[str, str] = {"2": "province", "3": "city", "4": "county", "5": "town", "6": "village"}
LOCAL_LEVELS = ("town", "village")
# Counters that may receive an item (S0-13).
RECEIVING: Mapping[str, str] = {
    "city": "市级窗口", "county": "县级窗口", "town": "镇（街）窗口", "village": "村（社区）服务点",
}  # fmt: skip
SERIALS = 36**2 - 1  # main items a department may add here


def options(codes: str, first: str = "") -> list[tuple[str, str]]:
    """A code list as choices."""
    listed = [(entry.name, entry.label) for entry in code_list(codes).entries]
    return [("", first), *listed] if first else listed


def label(codes: str, name: str) -> str:
    """The label of a code; what is no code stays as it is."""
    return code_list(codes).label_of(name) if name in code_list(codes).names else name


def labels(codes: str, names: object) -> str:
    """Several labels in a row."""
    return "、".join(label(codes, str(name)) for name in names) if isinstance(names, list | tuple) else ""

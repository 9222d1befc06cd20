"""The elements of the two lists as data: forms, sheets, comparisons and checks all go by these tables."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hallservice.items.wording import (
    DIRECTORY,
    FORMULAS,
    IMPLEMENTATION,
    OVERLAY,
    QUESTIONS,
    RECEIVING,
    options,
)

Content = dict[str, Any]  # as typed: texts, lists of texts, lists of such rows
YES: Mapping[str, str] = {"1": "是"}


@dataclass(frozen=True, slots=True)
class Element:
    """One element. `kind`: text, long, choice, choices, yes, whole, money, number, day, fixed (not typed)."""

    name: str
    label: str
    kind: str = "text"
    codes: str = ""  # code list of a choice
    longest: int = 200
    required: bool = False
    section: str = ""
    hint: str = ""
    given: Mapping[str, str] | None = None  # choices that are no code list

    @property
    def choices(self) -> list[tuple[str, str]]:
        """Values and labels."""
        return list(self.given.items()) if self.given is not None else options(self.codes)

    def shown(self, value: object) -> str:
        """A value in words."""
        if self.kind == "yes":
            return "是" if value == "1" else "否"
        found = dict(self.choices) if self.codes or self.given else {}
        if isinstance(value, list | tuple):
            return "、".join(found.get(str(one), str(one)) for one in value)
        return found.get(str(value or ""), str(value or ""))


_BASIC, _WORK, _RESULT, _PLACE = "基本要素", "办理要素", "结果与收费", "办理地点与联系方式"
_RECEIVED = Element(
    "received_at", "收件层级", "choices", section=_PLACE, given=RECEIVING,
    hint="哪些层级的窗口可以收件；不选则事项区划内各级窗口都可以",
)  # fmt: skip
DIRECTORY_ELEMENTS = (
    Element("name", "事项名称", required=True, section=_BASIC),
    Element("kind", "事项类型", "choice", "item_type", required=True, section=_BASIC),
    Element("department", "部门代码", longest=2, required=True, section=_BASIC,
            hint="基本编码的第 5、6 位，两位数字或大写字母"),
    Element("above", "主项编码", longest=12, section=_BASIC, hint="子项填写主项的 12 位基本编码，主项不填"),
    Element("legal_basis", "设定依据", "long", longest=4000, required=True, section=_BASIC),
    Element("levels", "行使层级", "choices", "service_level", required=True, section=_BASIC),
    Element("category", "目录分类", codes="directory_category", longest=24, section=_BASIC,
            hint="镇（街）、村（社区）行使的事项必填"),
    Element("effective_on", "生效日期", "day", longest=10, section=_BASIC, hint="不填为发布之日"),
)  # fmt: skip
IMPLEMENTATION_ELEMENTS = (
    Element("directory", "目录编码", longest=12, required=True, section=_BASIC, hint="从目录清单选择"),
    Element("name", "事项名称", "fixed", section=_BASIC),
    Element("kind", "事项类型", "fixed", "item_type", section=_BASIC),
    Element("legal_basis", "设定依据", "fixed", section=_BASIC),
    Element("category", "目录分类", "fixed", "directory_category", section=_BASIC),
    Element("local_code", "本地编码", longest=50, section=_BASIC, hint="字母、数字和短横，可不填"),
    Element("region", "行政区划", longest=12, required=True, section=_BASIC,
            hint="行使本事项的区划 12 位代码，决定行使层级"),
    Element("case_kind", "办件类型", "choice", "case_kind", required=True, section=_WORK),
    Element("served", "服务对象", "choices", "service_object", required=True, section=_WORK),
    Element("statutory_count", "法定时限", "whole", longest=4, required=True, section=_WORK),
    Element("statutory_unit", "法定时限单位", "choice", "limit_unit", required=True, section=_WORK),
    Element("promised_count", "承诺时限", "whole", longest=4, required=True, section=_WORK,
            hint="不得超过法定时限；即办件为 0"),
    Element("promised_unit", "承诺时限单位", "choice", "limit_unit", required=True, section=_WORK),
    Element("conditions", "受理条件", "long", longest=4000, required=True, section=_WORK),
    Element("flow", "办理流程", "long", longest=4000, section=_WORK),
    Element("handling_forms", "办理形式", "choices", "handling_form", required=True, section=_WORK),
    Element("visits", "到现场次数", "whole", longest=2, section=_WORK),
    Element("online", "可以网上办理", "yes", section=_WORK),
    Element("by_appointment", "可以预约", "yes", section=_WORK),
    Element("result_kind", "结果类型", "choice", "result_type", required=True, section=_RESULT),
    Element("result_name", "结果名称", section=_RESULT),
    Element("certificate_type", "证照类型编码", longest=21, section=_RESULT),
    Element("has_fee", "收费", "yes", section=_RESULT),
    Element("fee_basis", "收费依据", "long", longest=4000, section=_RESULT),
    _RECEIVED,
    Element("address", "办理地点", longest=1000, required=True, section=_PLACE),
    Element("opening_hours", "办理时间", longest=1000, required=True, section=_PLACE),
    Element("contact", "咨询电话", longest=1000, required=True, section=_PLACE),
    Element("supervision", "监督投诉电话", longest=1000, section=_PLACE),
    Element("effective_on", "生效日期", "day", longest=10, section=_PLACE, hint="不填为发布之日"),
)  # fmt: skip
MATERIAL_ELEMENTS = (
    Element("name", "材料名称", required=True),
    Element("necessity", "必要性", "choice", "material_necessity", required=True),
    Element("kind", "类型", "choice", "material_type", required=True),
    Element("format", "形式", "choice", "material_format", required=True),
    Element("copies", "份数", "whole", longest=3, required=True),
    Element("source", "来源", "choice", "material_source", required=True),
    Element("review_point", "审查要点", "long", longest=2000, hint="每行或每个分号一个要点"),
    Element("situations", "适用情形", longest=1000, hint="情形名称，用分号隔开；不填为所有情形"),
)  # fmt: skip
_FORMULA = (
    Element("price", "金额或单价", "number", longest=16),
    Element("unit", "计量单位", longest=20),
    Element("least", "最低", "money", longest=16),
    Element("most", "最高", "money", longest=16),
    Element("tiers", "分档", longest=500, hint="上限:费率，用分号隔开，如 100:0.01；500:0.008；以上:0.005"),
)  # fmt: skip
FEE_ELEMENTS = (
    Element("code", "收费编码", longest=20, required=True),
    Element("name", "收费项目", required=True),
    Element("standard", "收费标准", longest=1000, required=True),
    Element("legal_basis", "收费依据", longest=2000, required=True),
    Element("reducible", "可以减免", "yes"),
    Element("formula", "计费方式", "choice", required=True, given=FORMULAS),
    *_FORMULA,
)  # fmt: skip
QUESTION_ELEMENTS = (
    Element("label", "问题", longest=100, required=True),
    Element("type", "回答方式", "choice", required=True, given=QUESTIONS),
    Element("options", "选项", longest=500, hint="回答方式为“选择”时填写，用分号隔开"),
)  # fmt: skip
SITUATION_ELEMENTS = (
    Element("name", "情形名称", longest=50, required=True),
    Element("description", "说明", longest=500),
    Element("condition", "条件", longest=1000, required=True, hint="如：经营面积 > 150 且 是否学校食堂 = 是"),
)  # fmt: skip
# What is laid over an item of the province: its own materials and fees are named, never changed.
OVERLAY_ELEMENTS = (
    Element("item", "实施编码", "fixed", section=_BASIC),
    Element("name", "事项名称", "fixed", section=_BASIC),
    Element("kind", "事项类型", "fixed", "item_type", section=_BASIC),
    _RECEIVED,
)
LINK_ELEMENTS = (
    Element("name", "材料名称", required=True, hint="省统一目录中的材料名称"),
    Element("situations", "适用情形", longest=1000, hint="情形名称，用分号隔开；不填为所有情形"),
)
PRICE_ELEMENTS = (
    Element("code", "收费编码", longest=20, required=True, hint="省统一目录中的收费编码"),
    Element("name", "收费项目"),
    Element("formula", "计费方式", "choice", given=FORMULAS, hint="不选则按省统一目录的金额"),
    *_FORMULA,
)


@dataclass(frozen=True, slots=True)
class Group:
    """Rows of one kind inside an item."""

    name: str
    label: str
    letter: str  # of the form's fields: m-1-name
    elements: tuple[Element, ...]
    most: int


GROUPS: Mapping[str, tuple[Group, ...]] = {
    DIRECTORY: (),
    IMPLEMENTATION: (
        Group("questions", "情形问题", "q", QUESTION_ELEMENTS, 20),
        Group("situations", "情形", "s", SITUATION_ELEMENTS, 30),
        Group("materials", "申请材料", "m", MATERIAL_ELEMENTS, 60),
        Group("fees", "收费项目", "f", FEE_ELEMENTS, 20),
    ),
    OVERLAY: (
        Group("questions", "情形问题", "q", QUESTION_ELEMENTS, 20),
        Group("situations", "情形", "s", SITUATION_ELEMENTS, 30),
        Group("materials", "申请材料", "m", LINK_ELEMENTS, 60),
        Group("fees", "收费项目", "f", PRICE_ELEMENTS, 20),
    ),
}  # fmt: skip
ELEMENTS: Mapping[str, tuple[Element, ...]] = {
    DIRECTORY: DIRECTORY_ELEMENTS,
    IMPLEMENTATION: IMPLEMENTATION_ELEMENTS,
    OVERLAY: OVERLAY_ELEMENTS,
}
SYNCHRONISED = ("name", "kind", "legal_basis", "category")


def sections(list_: str) -> list[tuple[str, list[Element]]]:
    """Elements by section, in order."""
    found: dict[str, list[Element]] = {}
    for one in ELEMENTS[list_]:
        found.setdefault(one.section, []).append(one)
    return list(found.items())


def blank(list_: str) -> Content:
    """A new item before anything is typed."""
    content: Content = {one.name: [] if one.kind == "choices" else "" for one in ELEMENTS[list_]}
    return content | {group.name: [] for group in GROUPS[list_]}


def parts(text: str) -> list[str]:
    """Texts in one field, parted by semicolons."""
    return [part.strip() for part in text.replace("；", ";").replace("\n", ";").split(";") if part.strip()]

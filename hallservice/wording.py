"""Chinese words for what the hall and the exchange say in codes: refusals, states, stages."""

from collections.abc import Mapping

from canonical.casetable import State
from exchange.errors import HubError, TryLater
from hallservice.refusals import HallRefused

S = State
STATES: Mapping[str, str] = {
    S.DRAFT: "草稿", S.SUBMITTED: "已申请", S.PRE_SUPPLEMENT: "预审待补正", S.PRE_REFUSED: "预审不通过",
    S.PRE_ACCEPTED: "预审通过", S.RECEIVED: "已接件", S.SUPPLEMENTING: "待补正", S.NOT_ACCEPTED: "不予受理",
    S.ACCEPTED: "已受理", S.UNDERTAKING: "承办中", S.REVIEWING: "审核中", S.APPROVING: "批准中",
    S.SUSPENDED: "特别程序中", S.EXTENSION_PENDING: "延期审批中", S.DECIDED: "已决定",
    S.AWAITING_PAYMENT: "待缴费", S.CERTIFIED: "已制证", S.CONCLUDED: "已办结", S.DELIVERED: "已送达",
    S.ARCHIVED: "已归档",
}  # fmt: skip
"""State of a case -> what a clerk reads."""

STAGES: Mapping[str, str] = {
    "prereview": "预审", "receive": "接件", "accept": "受理", "supplement": "补正", "approve": "审批",
    "fee": "缴费", "certificate": "发证", "deliver": "送达", "done": "完成",
}  # fmt: skip
"""Stage of a case at the counter, in the order a case goes through."""

SAID: Mapping[str, str] = {
    "state_forbids": "办件现在的状态不允许这样办理，请刷新后再看",
    "decision_contradicts": "与办件已作出的决定矛盾，不能办理",
    "held": "前一步骤还没有完成，请稍后再办",
    "unknown_case": "没有这个办件，或者不在您的管辖范围内",
    "unknown_item": "没有这个事项",
    "item_not_in_force": "该事项当前不在有效期内（停用、取消或尚未生效），不能办理",
    "bad_value": "填写的内容不符合要求",
    "missing_field": "有必填内容没有填写",
    "not_allowed": "您没有此项权限",
    "conflict": "与已有记录冲突，请刷新后再办",
    "busy": "系统繁忙，请稍后再试",
}
"""Code of a refusal of the exchange -> what to do about it."""


def in_chinese(fault: HubError) -> HallRefused:
    """A refusal of the exchange as the hall says it; the code stays, and where it was."""
    other = SAID["busy"] if isinstance(fault, TryLater) else f"系统不接受这次办理（{fault.code}）"
    return HallRefused(fault.code, SAID.get(fault.code, other), fault.where or "")


def state(code: str) -> str:
    """The label of a case's state; a code nobody named stays as it is."""
    return STATES.get(code, code)


def stage(code: str) -> str:
    """The label of a stage."""
    return STAGES.get(code, code)

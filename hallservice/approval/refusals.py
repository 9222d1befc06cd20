"""Why an act is refused: stable codes and what the person who tried is told."""

from typing import NoReturn

from hallservice.approval.state import ActRefused

MESSAGES = {
    "unknown_plan": "找不到这个流程版本",
    "already_started": "流程已经启动",
    "not_started": "流程尚未启动",
    "unit_missing": "没有指明“{level}”一级的承办单位",
    "other_unit": "{who}不属于承办单位",
    "time_backwards": "操作时间早于上一次操作",
    "wrong_status": "办件{status}，不能进行这项操作",
    "unknown_step": "流程里没有这个环节",
    "already_done": "“{step}”已由{who}于{at}办结",
    "already_passed": "“{step}”已由{who}提交，正在等待加签人签署",
    "not_active": "“{step}”还没有轮到，或者已不需要办理",
    "not_holder": "“{step}”不由您办理",
    "delegated": "“{step}”已委派给{who}，请先收回",
    "not_delegated": "“{step}”没有委派",
    "signers_waiting": "“{step}”还有加签人没有签署：{who}",
    "panel_open": "“{step}”的会签还没有结束",
    "panel_failed": "“{step}”的会签没有通过，请退回、不予同意或重新会签",
    "duty_separation": "受理、承办与批准必须分开，不能由同一人办理：{who}",
    "reason_missing": "必须写明理由",
    "unknown_fact": "流程没有声明要素“{name}”",
    "bad_fact": "要素“{name}”的值与类型不符",
    "no_previous": "前面没有可以退回的环节",
    "target_missing": "没有指明退回到哪个环节",
    "not_earlier": "只能退回到之前已经办结的环节",
    "same_person": "不能交给自己或已经在办的人",
    "already_signer": "{who}已经是“{step}”的签署人",
    "not_signer": "{who}不是“{step}”正在等待的签署人",
    "bad_share": "需要同意的人数不在会签人数之内",
    "may_not_urge": "只有督办岗、牵头部门或已办环节的经办人可以催办",
    "not_urged": "“{step}”没有等待回复的催办",
    "not_passed_by_you": "“{step}”不是由您办结的",
    "followed": "后续环节已有人办理，不能撤回",
    "days_missing": "延期必须写明天数",
    "already_asked": "同样的申请正在等待批准",
    "no_ask": "没有等待批准的这项申请",
    "own_ask": "不能批准自己提出的申请",
    "not_special": "只有特别程序审批岗可以决定",
    "not_administrator": "只有流程管理岗可以更换流程版本",
    "only_system": "这项操作只能由系统执行",
    "not_due": "“{step}”还没有超过时限",
    "no_default": "“{step}”没有规定这种默认处理",
    "same_plan": "已经是这个流程版本",
    "skips_differ": "更换版本会使这些环节不再办理，必须逐一确认：{steps}",
}


def refuse(code: str, **names: str) -> NoReturn:
    """Raises ActRefused with the message of the code."""
    raise ActRefused(code, MESSAGES[code].format(**names))

"""Chinese words for what is done in a process: verbs, what is asked for, what a to-do wants."""

from collections.abc import Mapping

VERBS: Mapping[str, str] = {
    "started": "启动流程", "passed": "通过", "refused": "不予同意", "returned": "退回",
    "resupplied": "申请人已补充", "transferred": "转办", "delegated": "委派", "given_back": "委派交回",
    "signer_added": "加签", "signer_removed": "减签", "countersigned": "发起会签", "signed": "签署",
    "urged": "催办", "urge_answered": "回复催办", "withdrawn": "撤回",
    "asked": "申请特别程序", "answered": "答复特别程序", "resumed": "恢复", "deemed": "到期默认",
    "closed": "流程关闭", "migrated": "更换流程版本",
}  # fmt: skip

ASKS: Mapping[str, str] = {
    "suspension": "挂起", "extension": "延期", "abort": "中止", "termination": "终止",
}  # fmt: skip

WANTED: Mapping[str, str] = {
    "handle": "办理", "sign": "签署", "countersign": "会签", "give_back": "委派办理", "answer": "审批申请",
    "resume": "待恢复", "resupply": "待申请人补充",
}  # fmt: skip

GROUNDS = ("听证", "招标", "拍卖", "检验", "检测", "检疫", "鉴定", "专家评审")
"""行政许可法 art. 45: what does not count towards the limit; any other ground names its own legal basis."""

"""What each kind of act is called: all that the hall records, and the messages staff send."""

from collections.abc import Mapping

from hallservice.counter.history import MORE
from hallservice.counter.progress import TOLD

KINDS: Mapping[str, str] = {
    "hall.signed_in": "登录", "hall.signed_out": "退出登录", "hall.sign_in_failed": "登录失败",
    "hall.sign_in_alarm": "登录告警", "hall.sign_in_alarm_seen": "核实登录告警",
    "hall.window_bound": "绑定窗口", "hall.window_left": "离开窗口",
    "hall.password_changed": "修改口令", "hall.password_reset": "重置口令", "hall.user_unlocked": "解锁账号",
    "hall.user_added": "新增人员", "hall.user_changed": "修改人员", "hall.account_rules": "修改账号规则",
    "hall.set_up": "初始化站点",
    "hall.user_active": "恢复账号", "hall.user_locked": "停用账号", "hall.user_left": "人员离岗",
    "hall.granted": "授权", "hall.revoked": "收回授权", "hall.grant_confirmed": "确认授权",
    "hall.handed_over": "移交授权", "hall.role_defined": "定义角色", "hall.role_closed": "停用角色",
    "hall.organisations": "修改机构", "hall.organisation_closed": "停用机构",
    "hall.organisations_related": "关联机构", "hall.organisations_unrelated": "解除机构关联",
    "hall.bodies_adopted": "采用机构", "hall.directory_adopted": "同步通讯录", "hall.duty_saved": "修改职务",
    "hall.posts_ended": "岗位任职终止",
    "hall.post_saved": "修改岗位", "hall.post_closed": "停用岗位", "hall.post_given": "任岗",
    "hall.post_taken": "免岗", "hall.group_saved": "修改工作组", "hall.group_closed": "停用工作组",
    "hall.group_given": "加入工作组", "hall.group_taken": "移出工作组", "hall.window_saved": "修改窗口",
    "hall.window_closed": "停用窗口",
    "hall.unmasked": "查看完整个人信息", "hall.applicant_corrected": "更正联系方式",
    "hall.applicant_sought": "查找服务对象", "hall.exported": "导出表格", "hall.file_read": "查看附件",
    "hall.paper_read": "查看文书", "hall.printed": "打印文书", "hall.overlay_printed": "套打",
    "hall.voucher_seen": "查看缴费凭证",
    "hall.received": "接件", "hall.claimed": "签收办件", "hall.unclaimed": "放回办件",
    "hall.fee_notice_issued": "出具缴费通知", "hall.no_certificate": "不制证办结",
    "hall.certificate_later": "证照补办", "hall.certificate_urged": "催办证照",
    "hall.certificate_printed": "打印证照",
    "hall.slots_set": "设置预约时段", "hall.slots_closed": "停用预约时段",
    "hall.appointment_checked_in": "预约签到", "hall.appointment_missed": "预约失约",
    "hall.appointment_cancelled": "取消预约",
    "hall.approval": "审批操作", "hall.flow": "登记流程", "hall.flow_drafted": "编辑流程",
    "hall.flow_published": "发布流程", "hall.flow_retired": "停用流程", "hall.flow_discarded": "放弃流程草稿",
    "hall.flow_assigned": "指定事项流程", "hall.flow_unassigned": "取消指定流程",
    "hall.items_begun": "发起事项变更", "hall.items_edited": "编辑事项",
    "hall.items_line_dropped": "移除事项变更",
    "hall.items_submit": "提交事项审核", "hall.items_return": "退回事项变更",
    "hall.items_pass": "事项审核通过",
    "hall.items_recall": "撤回事项变更", "hall.items_drop": "放弃事项变更",
    "hall.items_published": "发布事项",
    "hall.items_reported": "上报事项", "hall.items_staged": "上传事项表格",
    "hall.items_imported": "导入事项", "hall.items_import_dropped": "放弃事项导入",
    "hall.item_categories": "修改事项分类",
    "hall.card_raised": "亮牌", "hall.card_acknowledged": "签收督办", "hall.threshold_set": "设置监察阈值",
    "hall.due_recomputed": "重算期限", "hall.lawful_default": "逾期视为受理",
    "hall.default_failed": "视为受理未成",
}  # fmt: skip
"""`hall.*` -> what it is; those the hub does by itself too."""

MESSAGES: Mapping[str, str] = {
    **TOLD, **MORE,
    "case.attached.v1": "补充附件", "catalogue.reported.v1": "上报事项清单",
    "archive.submitted.v1": "移交档案",
    "complaint.registered.v1": "登记投诉", "complaint.resolved.v1": "答复投诉",
    "sms.requested.v1": "发送短信", "service.recorded.v1": "登记服务",
}  # fmt: skip
"""Type of a message staff send -> what it is; others are called by their type."""

WORDS: Mapping[str, str] = {**KINDS, **MESSAGES}

FIELDS: Mapping[str, str] = {
    "payload": "正文", "message_id": "消息编号", "sender": "发送方", "sent_at": "发送时间", "type": "类型",
    "case_no": "办件编号", "item_code": "事项编码", "item_name": "事项名称", "region": "区划", "site": "网点",
    "applicant": "申请人", "contact": "联系人", "agent": "代办人", "officer": "经办人", "name": "名称",
    "document_no": "证件号码", "document_type": "证件类型", "mobile": "手机号码", "kind": "种类",
    "applied_at": "申请时间", "decided_at": "决定时间", "occurred_at": "发生时间", "result": "结果",
    "opinion": "意见", "reason": "理由", "materials": "材料", "channel": "方式", "window": "窗口",
    "staff_no": "工号", "org": "单位", "user": "人员", "role": "角色", "roles": "角色", "functions": "权限",
    "row": "登记", "login": "登录名", "level": "实名等级", "duty": "职务", "source": "来源",
    "client": "网络地址",
    "session": "会话", "why": "原因", "begins": "生效时间", "ends": "失效时间", "ended": "已终止",
    "rows": "行数",
    "filters": "条件", "begin": "起", "end": "止", "body": "单位", "card": "督办牌", "item": "事项",
    "code": "代码", "note": "备注", "parent": "上级", "active": "启用", "one_time": "一次性口令",
    "may_use": "可使用", "may_pass": "可再授权", "number": "编号", "event": "操作",
    "from": "原状态", "to": "新状态",
}  # fmt: skip
"""Members of what was recorded -> what they are called; others keep their names."""


def said(kind: str) -> str:
    """What an act of this kind is called."""
    return WORDS.get(kind, kind)


def field(path: str) -> str:
    """What a line of the content is called: 正文 › 申请人 › 证件号码."""
    return " › ".join(FIELDS.get(name, name) for name in path.split("."))

"""One paper of every kind, of invented people, as JSON."""

from typing import Any

CASE = "441499000000202611221000001N"
REMEDY = {"review_body": "梅州市人民政府", "court": "梅州市梅江区人民法院"}
ISSUED = {
    "doc_no": "梅示市监受〔2026〕12号",
    "department": "梅州市示例区市场监督管理局",
    "issued_at": "2026-11-22T10:05:00+08:00",
}
OF_CASE = ISSUED | {
    "case_no": CASE,
    "item": "食品经营许可（新办）",
    "applicant": "梅州市示例客家小吃店",
    "window": {"staff": "张示例", "name": "3号综合窗口", "phone": "0753-0000000"},
}
MATERIALS = [
    {"name": "食品经营许可申请书", "form": "原件", "copies": 1},
    {"name": "营业执照", "form": "电子证照", "copies": 1, "note": "由电子证照库取得"},
    {"name": "与食品经营相适应的主要设备设施布局、操作流程文件", "form": "复印件", "copies": 2},
    {
        "name": "食品安全自查、从业人员健康管理、进货查验记录等保证食品安全的规章制度",
        "form": "复印件",
        "copies": 1,
    },
    {"name": "从业人员健康证明", "form": "复印件", "copies": 3, "note": "验原件"},
]
LIMIT = {"number": 10, "unit": "working_day", "until": "2026-12-04"}
PAPERS_NAMED = [
    {"name": "食品经营许可证（正本）", "number": "JY24414990000018", "copies": 1},
    {"name": "食品经营许可证（副本）", "number": "JY24414990000018", "copies": 1},
]

SAMPLES: dict[str, dict[str, Any]] = {
    "acceptance": OF_CASE
    | {
        "accepted_at": "2026-11-22T10:00:00+08:00",
        "promised": LIMIT,
        "materials": MATERIALS,
        "delivery": "邮寄送达（邮政特快专递）",
    },
    "refusal": OF_CASE
    | {
        "received_at": "2026-11-22T09:40:00+08:00",
        "reason": "申请事项依法不属于本行政机关职权范围。\n请向示例县市场监督管理局提出申请。",
        "remedy": REMEDY,
    },
    "supplement": OF_CASE
    | {
        "received_at": "2026-11-22T09:40:00+08:00",
        "promised": LIMIT,
        "reason": "逾期不补齐、补正的，视为放弃本次申请，可以重新提出申请。",
        "materials": [
            {"name": "食品经营许可申请书", "problem": "第2页缺少法定代表人签名", "copies": 1},
            {
                "name": "从业人员健康证明",
                "problem": "李示例的健康证明已经过期，\n请提交有效的证明",
                "copies": 1,
            },
        ],
    },
    "special": OF_CASE
    | {
        "procedure": "专家评审",
        "reason": "经营场所属于新业态，需要专家对布局流程进行评审。",
        "basis": "《中华人民共和国行政许可法》第四十五条",
        "starts_on": "2026-11-24",
        "lasts": {"number": 5, "unit": "working_day"},
    },
    "extension": OF_CASE
    | {
        "reason": "经营场所涉及多个部门的意见，案情复杂。",
        "approver": "王示例（副局长）",
        "by": {"number": 10},
        "due_before": "2026-12-04",
        "due_now": "2026-12-18",
    },
    "payment": OF_CASE
    | {
        "unit_code": "441499001",
        "payer": "梅州市示例客家小吃店",
        "fees": [
            {
                "code": "103044901",
                "name": "不动产登记费",
                "standard": "每件80元",
                "quantity": "1",
                "amount": "80.00",
            },
            {
                "code": "103044902",
                "name": "证书工本费",
                "standard": "每本10元",
                "quantity": "4.5",
                "amount": "45.30",
            },
        ],
        "reduction": "20.00",
        "reduction_basis": "小微企业减免",
        "total": "105.30",
        "pay_code": "44149926000000001234",
        "bank": "政务服务大厅一楼银行窗口",
        "pay_by": "2026-12-05",
        "verified_by": "陈示例",
    },
    "decision": OF_CASE
    | {
        "granted": True,
        "applied_on": "2026-11-22",
        "basis": "《中华人民共和国行政许可法》第三十八条第一款",
        "certificate": {"name": "食品经营许可证", "number": "JY24414990000018"},
        "valid": "2026年12月1日至2031年11月30日",
        "remedy": REMEDY,
    },
    "conclusion": OF_CASE
    | {
        "concluded_at": "2026-12-01T16:20:00+08:00",
        "result": "准予行政许可",
        "papers": PAPERS_NAMED,
        "delivery": "窗口领取",
    },
    "collection": OF_CASE
    | {
        "papers": PAPERS_NAMED,
        "place": "示例区政务服务大厅一楼发证窗口",
        "hours": "工作日 9:00—12:00，14:30—17:30",
        "bring": "领取人身份证；委托他人领取的，另带授权委托书",
        "until": "2027-03-01",
    },
    "delivery_receipt": OF_CASE
    | {
        "papers": PAPERS_NAMED,
        "method": "直接送达",
        "place": "示例区政务服务大厅",
        "servers": ["张示例", "李示例"],
    },
    "receiving": OF_CASE
    | {
        "received_at": "2026-11-22T09:40:00+08:00",
        "materials": MATERIALS,
        "query_password": "K7M2Q9",
        "query_address": "政务服务网“办件查询”，或大厅自助终端",
    },
    "urge_order": ISSUED
    | {
        "doc_no": "示督〔2026〕3号",
        "department": "示例区行政效能监察室",
        "target": "示例区市场监督管理局",
        "content": "经电子监察系统发现，你单位下列业务超过时限。\n请立即办理，并查明原因。",
        "findings": [
            {
                "case_no": CASE,
                "item": "食品经营许可（新办）",
                "problem": "审核环节超时3个工作日",
                "level": "黄牌",
            },
        ],
        "reply_by": "2026-11-29",
        "contact": "刘示例 0753-0000001",
    },
    "slip": ISSUED
    | {
        "doc_no": "Q20261122-0042",
        "department": "示例区政务服务大厅",
        "ticket": "A042",
        "service": "食品经营许可",
        "area": "二楼 3—8号窗口",
        "waiting": 5,
    },
}
APPOINTMENT = SAMPLES["slip"] | {
    "doc_no": "Y20261123-0007",
    "ticket": "20261123000007",
    "slot": {"on": "2026-11-23", "start": "10:00", "end": "10:30"},
    "waiting": None,
}
DENIED = SAMPLES["decision"] | {
    "granted": False,
    "reason": "经营场所与有毒、有害场所的距离不足。\n布局流程不能防止待加工食品与直接入口食品交叉污染。",
    "certificate": None,
    "valid": "",
    "basis": "《中华人民共和国行政许可法》第三十八条第二款",
}


def sample(kind: str, **changes: Any) -> dict[str, Any]:
    """The sample of a kind, changed."""
    return SAMPLES[kind] | {"kind": kind} | changes

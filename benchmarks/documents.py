"""The house documents the benchmarks send: about 4 KB each, invented throughout (docs/wire.md §2)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from uuid import uuid4

from lxml import etree

from canonical.values import RegionCode, complete_credit_code, complete_id_number, make_case_number

SENDER = "bureau"
RECEIVER = "hall"
NAMESPACE = "urn:tongban:message:1"
REGION = RegionCode("441402000000")
ORG = str(complete_credit_code("11441400007208100"))
ITEM = f"{ORG}3440111105003"
BEIJING = timezone(timedelta(hours=8))
OPINION = "经现场核查，申请人提交的材料齐全，经营场所布局、设备设施、人员资格与申报内容一致，符合许可条件。"
REMARK = "核查人员两名，全程录像；现场笔录由申请人签字确认后随案归档。"

Document = dict[str, Any]


def message(kind: str, payload: Mapping[str, Any]) -> Document:
    """A document of this kind, said now under a new id."""
    now = datetime.now(UTC).astimezone(BEIJING).isoformat(timespec="seconds")
    return {"message_id": str(uuid4()), "type": kind, "sender": SENDER, "sent_at": now, "payload": payload}


def as_json(document: Document) -> bytes:
    """Compact UTF-8."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def as_xml(document: Document) -> Any:
    """The same in the house's XML form."""
    root = etree.Element(f"{{{NAMESPACE}}}Message", nsmap={None: NAMESPACE}, Id="m1")
    _fill(root, document)
    return root


def _fill(parent: Any, members: Mapping[str, Any]) -> None:
    for name, value in members.items():
        for one in value if isinstance(value, list) else (value,):
            child = etree.SubElement(parent, f"{{{NAMESPACE}}}{name}")
            if isinstance(one, Mapping):
                _fill(child, one)
            else:
                child.text = str(one)


def case_number(serial: int) -> str:
    """The window's case of this serial number."""
    return str(make_case_number(REGION, date(2026, 11, 20), "2", serial))


def application(case_no: str) -> Document:
    """Object 0: opens a case, and has the hub write a short message to the applicant."""
    serial = int(case_no[21:27])
    person = str(complete_id_number(f"44149919900101{serial % 1000:03d}"))
    return message("case.applied.v1", {
        "case_no": case_no, "item_code": ITEM, "region": str(REGION), "item_name": "食品经营许可（新办）",
        "applicant": {
            "kind": "natural_person", "name": f"测试人{serial}", "document_type": "resident_id_card",
            "document_no": person,
        },
        "contact": {"name": f"测试人{serial}", "mobile": f"139{serial:08d}"},
        "summary": _text(f"{serial}号申请。", OPINION, 700),
        "materials": [
            {"name": f"申请材料之{n}：{REMARK}", "count": 1, "received_as": "paper"} for n in range(1, 9)
        ],
        "channel": "window", "applied_at": "2026-11-20T09:30:00+08:00",
    })  # fmt: skip


def acceptance(case_no: str) -> Document:
    """Object 2: starts the case's clocks; without the acceptance no step may follow."""
    return message("case.accepted.v1", {
        "case_no": case_no, "item_code": ITEM, "region": str(REGION), "officer": _officer(),
        "result": "accepted",
        "decided_at": "2026-11-20T10:30:00+08:00", "promised_limit": {"count": 5, "unit": "working_day"},
    })  # fmt: skip


@dataclass
class Steps:
    """Approval steps of open cases in turn: undertaken, sent back by the reviewer, undertaken again."""

    cases: list[str]
    made: dict[str, int] = field(default_factory=dict)
    at: int = 0

    def next(self) -> Document:
        """Object 3 for the next case: one act, from which nothing else follows."""
        case_no = self.cases[self.at % len(self.cases)]
        self.at += 1
        number = self.made[case_no] = self.made.get(case_no, 0) + 1
        return step(case_no, number)


def step(case_no: str, number: int) -> Document:
    """The case's step of this number; odd ones pass it on, even ones send it back."""
    passed = number % 2 == 1
    return message("case.step.v1", {
        "case_no": case_no, "item_code": ITEM, "region": str(REGION), "remark": REMARK * 5,
        "step": "undertake" if passed else "review", "step_name": "承办" if passed else "审核",
        "step_no": 1 + number % 1000, "officer": _officer(),
        "opinion": _text(f"第{number}步：", OPINION, 1000),
        "action": "pass" if passed else "return", "decided_at": "2026-11-20T11:30:00+08:00",
    })  # fmt: skip


def _officer() -> dict[str, str]:
    return {
        "organisation": "梅江区市场监督管理局", "organisation_code": ORG, "name": "测试承办人",
        "staff_no": "W0102",
    }  # fmt: skip


def _text(head: str, sentence: str, length: int) -> str:
    return (head + sentence * (length // len(sentence) + 1))[:length]

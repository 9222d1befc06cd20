"""What a window does besides the course of a case: files, verification, search, parcels, ratings, changes."""

from __future__ import annotations

import base64
import hashlib
import random
from collections.abc import Callable, Mapping

from mocks.partners.counter_files import form, pdf
from mocks.partners.counter_papers import WRITERS, File, Json, case_members, moment

ALL_ACTS = frozenset({"adopt", "files", "verify", "search", "post", "rate", "report", "change"})
ASIDE = frozenset({
    "case.attached.v1", "verification.requested.v1", "certificate.searched.v1",
    "certificate.file_requested.v1", "case.evaluated.v1", "performance.reported.v1", "catalogue.reported.v1",
    "certificate.change_requested.v1",
})  # fmt: skip
"""A case goes on without them: one that is refused holds nothing back."""
RATINGS = (
    "very_satisfied", "very_satisfied", "very_satisfied", "satisfied", "satisfied", "fairly_satisfied",
    "dissatisfied", "very_dissatisfied",
)  # fmt: skip
WINDOW, STAFF = "W001", "W001"
HALL_COUNTY = "441402000000"  # 梅江区, where this hall stands


def kind_of(step: str) -> str:
    """The message type of a step; what follows # tells several of one type apart."""
    return step.partition("#")[0]


def _attached(file: File, now: float, name: str, media_type: str, content: bytes) -> Json:
    material = file.item.materials[0] if file.item.materials else "申请书"
    return case_members(file) | {
        "material": material, "file_name": f"{material[:100]}.{name}", "media_type": media_type,
        "digest": hashlib.sha256(content).hexdigest(), "content": base64.b64encode(content).decode(),
        "attached_at": moment(now),
    }  # fmt: skip


def attached_pdf(file: File, now: float) -> Json:
    """附件: a scan."""
    return _attached(file, now, "pdf", "application/pdf", pdf(f"{file.item.name} {file.case_no}"))


def attached_xml(file: File, now: float) -> Json:
    """附件: a filled form."""
    content = form(file.case_no, file.item.name, file.applicant["name"])
    return _attached(file, now, "xml", "application/xml", content)


def _holder(file: File) -> Json:
    return {name: file.applicant[name] for name in ("name", "document_type", "document_no")}


def verification_requested(file: File, now: float) -> Json:
    """Whether the applicant is who he says."""
    subject = "person" if file.applicant["kind"] == "natural_person" else "enterprise"
    return {
        "request_id": f"{file.case_no}-V", "case_no": file.case_no, "subject": subject,
        "holder": _holder(file), "purpose": f"办理{file.item.name}时核验申请人"[:200],
    }  # fmt: skip


def searched(file: File, now: float) -> Json:
    """The applicant's certificates, instead of paper ones."""
    return {
        "request_id": f"{file.case_no}-S", "case_no": file.case_no, "item_code": file.item.code,
        "holder": _holder(file), "purpose": f"办理{file.item.name}免交材料"[:200],
    }  # fmt: skip


def file_requested(file: File, now: float) -> Json:
    """The file of a certificate that was found."""
    return {
        "request_id": f"{file.case_no}-D", "case_no": file.case_no, "identifier": file.identifier,
        "format": "pdf", "purpose": f"仅供办理{file.item.name}使用"[:200],
    }  # fmt: skip


def _county(region: str) -> str:
    """A parcel goes to a county; what the city's own bodies decide goes out from the hall's."""
    return HALL_COUNTY if region.endswith("00000000") else region


def county(region: str) -> str:
    """A courier goes to counties: of a city its first, where the hall stands."""
    return f"{region[:4]}02000000" if region[4:6] == "00" else f"{region[:6]}000000"


def parcel_requested(file: File, now: float) -> Json:
    """寄送 of the result."""
    region, contact = _county(file.item.region), file.contact
    hall = {"name": "政务服务大厅出件窗口", "mobile": "13800138000", "region": region}
    receiver = {"name": contact["name"], "mobile": contact["mobile"], "region": region}
    return {
        "request_id": f"{file.case_no}-P", "case_no": file.case_no,
        "sender": hall | {"address": "政务服务大厅一楼"}, "receiver": receiver | {"address": "虚构路1号"},
        "contents": file.item.result_name, "requested_at": moment(now),
    }  # fmt: skip


def evaluated(file: File, now: float) -> Json:
    """好差评 on the tablet of the window."""
    draw = random.Random(file.case_no)  # noqa: S311  # repeatable behaviour, not a secret
    return case_members(file) | {
        "satisfaction": draw.choice(RATINGS), "channel": "hall_tablet", "service_number": 1,
        "window": WINDOW, "staff_no": STAFF, "evaluated_at": moment(now),
    }  # fmt: skip


def change_requested(file: File, now: float) -> Json:
    """年检."""
    return {
        "request_id": f"{file.case_no}-Y", "case_no": file.case_no, "identifier": file.identifier,
        "kind": "annual_inspection", "reason": "年度检验合格",
    }  # fmt: skip


Writer = Callable[[File, float], Json]
MORE: Mapping[str, Writer] = {
    "case.attached.v1#pdf": attached_pdf,
    "case.attached.v1#xml": attached_xml,
    "verification.requested.v1": verification_requested,
    "certificate.searched.v1": searched,
    "certificate.file_requested.v1": file_requested,
    "parcel.requested.v1": parcel_requested,
    "case.evaluated.v1": evaluated,
    "certificate.change_requested.v1": change_requested,
}


def writer(step: str) -> Writer:
    """Who writes the payload of a step."""
    return MORE.get(step) or WRITERS[kind_of(step)]

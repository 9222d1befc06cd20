"""The house messages a hall counter writes, by their published schemas, from the facts of a case."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from mocks.partners.common.clock import BEIJING

Json = dict[str, object]
LIFE = timedelta(days=5 * 365)


@dataclass(frozen=True)
class Item:
    """An item in force, as the hub's list names it."""

    code: str
    name: str
    region: str
    organisation: str
    organisation_code: str
    promised_limit: Mapping[str, object] | None
    statutory_limit: Mapping[str, object] | None
    fees: tuple[Mapping[str, object], ...]
    result_name: str
    certificate_type: str  # empty: the item gives no certificate
    materials: tuple[str, ...]

    @staticmethod
    def read(raw: Mapping[str, object]) -> Item:
        """KeyError or ValueError if the list is not what it should be."""
        certificate = raw["result_kind"] == "certificate"
        kind = str(raw.get("certificate_type") or "") if certificate else ""
        if certificate and not kind:
            raise ValueError(f"{raw['code']}: certificate_type is missing")
        return Item(
            str(raw["code"]), str(raw["name"]), str(raw["region"]).ljust(12, "0"), str(raw["organisation"]),
            str(raw["organisation_code"]), _mapping(raw.get("promised_limit")),
            _mapping(raw.get("statutory_limit")), tuple(_mappings(raw.get("fees"))) if raw["has_fee"] else (),
            str(raw.get("result_name") or raw["name"]), kind,
            tuple(str(one["name"]) for one in _mappings(raw.get("materials"))),
        )  # fmt: skip


def _mapping(value: object) -> Mapping[str, object] | None:
    return value if isinstance(value, dict) else None


def _mappings(value: object) -> list[Mapping[str, object]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


@dataclass(frozen=True)
class Plan:
    """What will happen to a case at the counter."""

    supplement: bool = False
    refuse: bool = False
    prereview_refuse: bool = False
    files: bool = False  # hands in files
    verify: bool = False  # has the applicant verified
    search: bool = False  # has the applicant's certificates searched
    rate: bool = False  # rates the service at the window


@dataclass(frozen=True)
class File:
    """The facts of one case; the last three are of the message that is written now."""

    case_no: str
    item: Item
    applicant: Mapping[str, str]
    contact: Mapping[str, str]
    channel: str  # window or online
    mode: str  # of delivery
    plan: Plan
    clerk: str
    adopted: bool = False  # another system took the application
    notice_no: str = ""
    identifier: str = ""  # of the certificate the message is about
    payment: int = 1  # which payment of the notice, once others were taken back


def moment(seconds: float) -> str:
    """RFC 3339 in Beijing time, to the second."""
    return datetime.fromtimestamp(seconds, BEIJING).isoformat(timespec="seconds")


def day(seconds: float, later: timedelta = timedelta(0)) -> str:
    return (datetime.fromtimestamp(seconds, BEIJING) + later).date().isoformat()


def case_members(file: File) -> Json:
    return {"case_no": file.case_no, "item_code": file.item.code, "region": file.item.region}


def _officer(file: File) -> Json:
    item = file.item
    return {
        "organisation": item.organisation, "organisation_code": item.organisation_code, "name": file.clerk,
        "staff_no": "W001",
    }  # fmt: skip


def _materials(file: File, names: tuple[str, ...]) -> list[Json]:
    how = "attachment" if file.channel == "online" else "paper"
    return [{"name": name, "count": 1, "received_as": how} for name in names]


def _missing(file: File) -> list[Json]:
    """What a supplement is about: the first material of the item."""
    return _materials(file, file.item.materials[:1] or ("补充说明",))


def applied(file: File, now: float) -> Json:
    """Object 0."""
    return case_members(file) | {
        "item_name": file.item.name, "applicant": dict(file.applicant), "contact": dict(file.contact),
        "summary": f"申请办理{file.item.name}", "materials": _materials(file, file.item.materials),
        "channel": file.channel, "applied_at": moment(now), "site": file.item.region,
    }  # fmt: skip


def pre_reviewed(file: File, now: float) -> Json:
    """Object 1."""
    refused = file.plan.prereview_refuse
    result = {"result": "refused", "reason": "不属于本机关职权范围"} if refused else {"result": "passed"}
    return case_members(file) | {"officer": _officer(file), "reviewed_at": moment(now)} | result


def supplement_noticed(file: File, now: float) -> Json:
    """Object 7."""
    missing = _missing(file)
    return case_members(file) | {
        "sent_by": file.clerk, "reason": "材料不齐全", "materials": missing, "noticed_at": moment(now)
    }  # fmt: skip


def supplemented(file: File, now: float) -> Json:
    """Object 8."""
    return case_members(file) | {
        "received_by": file.clerk,
        "materials": _missing(file),
        "received_at": moment(now),
    }


def accepted(file: File, now: float) -> Json:
    """Object 2."""
    said = case_members(file) | {
        "officer": _officer(file), "result": "refused" if file.plan.refuse else "accepted",
        "decided_at": moment(now), "notice_no": f"SL{file.case_no}", "channel": file.channel,
    }  # fmt: skip
    if file.plan.refuse:
        return said | {"reason": "申请材料不符合法定形式"}
    limits = {"promised_limit": file.item.promised_limit, "statutory_limit": file.item.statutory_limit}
    given = {name: dict(limit) for name, limit in limits.items() if limit is not None}
    password = f"{int(file.case_no[21:27]) * 7919 % 1_000_000:06d}"
    return said | given | {"query_password": password, "materials": _materials(file, file.item.materials)}


def fee_requested(file: File, now: float) -> Json:
    """缴费通知: one line per fee of the item."""
    item = file.item
    amounts = [Decimal(str(fee["amount"])).quantize(Decimal("0.01")) for fee in item.fees]
    lines = [
        {**{name: fee[name] for name in ("code", "name", "standard")}, "quantity": 1, "amount": str(amount)}
        for fee, amount in zip(item.fees, amounts, strict=True)
    ]
    return {
        "request_id": f"{file.case_no}-F", "case_no": file.case_no, "unit_no": item.organisation_code,
        "unit_name": item.organisation, "lines": lines, "payer": file.applicant["name"],
        "total": str(sum(amounts, Decimal("0.00"))), "due_on": day(now, timedelta(days=15)),
        "verified_by": file.clerk,
    }  # fmt: skip


def fee_confirmed(file: File, now: float) -> Json:
    """缴费确认 at the window."""
    return {
        "request_id": f"{file.case_no}-Q{file.payment if file.payment > 1 else ''}",
        "case_no": file.case_no, "notice_no": file.notice_no,
        "window": "W001", "clerk": file.clerk, "confirmed_at": moment(now),
    }  # fmt: skip


def certificate_requested(file: File, now: float) -> Json:
    """证照制发."""
    item = file.item
    holder = {name: file.applicant[name] for name in ("name", "document_type", "document_no")}
    fields = [
        {"name": "holderName", "value": file.applicant["name"]}, {"name": "scope", "value": item.name}
    ]  # fmt: skip
    return {
        "request_id": f"{file.case_no}-C", "case_no": file.case_no, "item_code": item.code,
        "type_code": item.certificate_type, "name": item.result_name, "issuer": item.organisation,
        "issuer_code": item.organisation_code, "region": item.region, "holders": [holder],
        "issued_on": day(now), "valid_from": day(now), "valid_to": day(now, LIFE), "fields": fields,
    }  # fmt: skip


def delivered(file: File, now: float) -> Json:
    """Object 9: the contact collects."""
    contact = file.contact
    return case_members(file) | {
        "collector": contact["name"], "document_type": contact["document_type"],
        "document_no": contact["document_no"], "mode": file.mode, "collected_at": moment(now),
    }  # fmt: skip


WRITERS: Mapping[str, Callable[[File, float], Json]] = {
    "case.applied.v1": applied,
    "case.pre_reviewed.v1": pre_reviewed,
    "case.supplement_noticed.v1": supplement_noticed,
    "case.supplemented.v1": supplemented,
    "case.accepted.v1": accepted,
    "fee.requested.v1": fee_requested,
    "fee.confirmed.v1": fee_confirmed,
    "certificate.requested.v1": certificate_requested,
    "case.delivered.v1": delivered,
}

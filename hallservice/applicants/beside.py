"""What stands beside a person or body in the register: cases, certificates asked for, complaints, short
messages, and for whom somebody acted where; each only where the clerk may see it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, func, or_, select

from exchange.store.tables import document, reference
from hallservice.applicants.keeping import AGENT, APPLICANT, CREDIT_CODE, identity, known_by
from hallservice.applicants.seeing import VIEW, C, L, seen
from hallservice.applicants.tables import hall_applicant_case
from hallservice.complaints import places
from hallservice.complaints.tables import hall_complaint
from hallservice.counter.tables import hall_case, hall_certificate, hall_receipt
from hallservice.people.clerk import Clerk
from hallservice.people.tables import org

MOST = 50  # rows of each list
CASES = "case.view"
MESSAGES: Mapping[str, str] = {
    "applied": "收到申请", "pre_passed": "预审通过", "pre_supplement": "预审补正",
    "pre_refused": "预审不通过", "accepted": "受理", "deemed": "视为受理", "refused": "不予受理",
    "supplement": "补正通知",
    "supplemented": "补正收到", "fee_notice": "缴费通知", "fee_confirmed": "缴费确认",
    "fee_reversed": "缴款冲正", "suspended": "特别程序", "resumed": "恢复办理", "concluded": "办结",
    "parcel_booked": "快递寄出", "parcel_signed": "快递签收", "evaluate": "邀请评价",
}  # fmt: skip
"""Template of a short message -> what it told; the text itself holds the query password."""


@dataclass(frozen=True, slots=True)
class Agency:
    """Somebody acted for somebody: `other` is the other side's id, shown masked."""

    other: str
    name: str
    relation: str  # code of counter.apply.RELATIONS
    site: str
    cases: int
    last_at: float


@dataclass(frozen=True, slots=True)
class Message:
    """One short message without its text: to whom it went, masked, and how it ended."""

    at: float
    case_no: str
    template: str
    mobile: str
    status: str  # requested, or of the code list sms_status


def _mine(applicant: str, clerk: Clerk, role: str = "") -> Select[Any]:
    """Numbers of their cases that the clerk may open."""
    ask = select(L.case_no).join(hall_case, C.case_no == L.case_no)
    ask = ask.where(L.applicant == applicant, seen(C, clerk, VIEW, CASES))
    return ask.where(L.role == role) if role else ask


def cases(connection: Connection, clerk: Clerk, applicant: str) -> Sequence[Row[Any]]:
    """The newest first: rows of hall_case with the role and whom it was for."""
    ask = (
        select(hall_case, L.role, L.relation)
        .join(hall_applicant_case, L.case_no == C.case_no)
        .where(L.applicant == applicant, seen(C, clerk, VIEW, CASES))
        .order_by(C.opened_at.desc(), C.case_no.desc())
    )
    return connection.execute(ask.limit(MOST)).all()


def certificates(connection: Connection, clerk: Clerk, applicant: str) -> Sequence[Row[Any]]:
    """Asked of the certificate library for a case of theirs, the newest first."""
    own = _mine(applicant, clerk, APPLICANT)
    ask = select(hall_certificate).where(hall_certificate.c.case_no.in_(own))
    return connection.execute(ask.order_by(hall_certificate.c.request_id.desc()).limit(MOST)).all()


def complaints(connection: Connection, clerk: Clerk, applicant: str) -> Sequence[Row[Any]]:
    """About a case of theirs, or told under the name and number of a contact of theirs; the newest first."""
    reached = select(L.contact_hash).join(hall_case, C.case_no == L.case_no)
    reached = reached.where(L.applicant == applicant, L.role == APPLICANT, seen(C, clerk, VIEW))
    theirs = or_(
        hall_complaint.c.case_no.in_(_mine(applicant, clerk, APPLICANT)),
        hall_complaint.c.contact_hash.in_(reached),
    )
    ask = select(*places.SHOWN).select_from(places.JOINED).where(theirs, places.visible(clerk))
    return connection.execute(ask.order_by(hall_complaint.c.registered_at.desc()).limit(MOST)).all()


def messages(connection: Connection, clerk: Clerk, applicant: str) -> list[Message]:
    """Short messages about their cases, the newest first."""
    ask = (
        select(document.c.at, document.c.case_no, document.c.canonical)
        .where(document.c.case_no.in_(_mine(applicant, clerk, APPLICANT)))
        .where(document.c.type == "sms.requested.v1", document.c.direction != "out")
        .order_by(document.c.entry.desc())
    )
    rows = [row for row in connection.execute(ask.limit(MOST)) if row.canonical is not None]
    known = select(reference.c.value, reference.c.data).where(
        reference.c.kind == "sms", reference.c.value.in_([row.canonical["request_id"] for row in rows])
    )
    ends = {row.value: (row.data or {}).get("status", "") for row in connection.execute(known)}
    return [_message(row, ends) for row in rows]


def _message(row: Any, ends: Mapping[str, str]) -> Message:
    said = row.canonical
    mobile = f"{said['mobile'][:3]}****{said['mobile'][-4:]}"
    return Message(row.at, row.case_no, said["template"], mobile, ends.get(said["request_id"], "requested"))


def acted_for(connection: Connection, clerk: Clerk, applicant: str) -> list[Agency]:
    """For whom this person came, and where."""
    return _agencies(connection, clerk, applicant, AGENT)


def acted_by(connection: Connection, clerk: Clerk, applicant: str) -> list[Agency]:
    """Who came for this person or body."""
    return _agencies(connection, clerk, applicant, APPLICANT)


def _agencies(connection: Connection, clerk: Clerk, applicant: str, role: str) -> list[Agency]:
    other = hall_applicant_case.alias("other")
    o, r = other.c, hall_receipt.c
    relation = o.relation if role == APPLICANT else L.relation
    ask = (
        select(
            o.applicant, relation.label("relation"), r.org_name, func.max(o.name_masked).label("name"),
            func.count().label("cases"), func.max(L.opened_at).label("last_at"),
        )
        .select_from(hall_applicant_case)
        .join(other, (o.case_no == L.case_no) & (o.role != L.role))
        .join(hall_case, C.case_no == L.case_no)
        .join(hall_receipt, r.case_no == L.case_no)
        .where(L.applicant == applicant, L.role == role, seen(C, clerk, VIEW))
        .group_by(o.applicant, relation, r.site_path, r.org_name)
        .order_by(func.max(L.opened_at).desc())
    )  # fmt: skip
    return [
        Agency(row.applicant, row.name, row.relation, row.org_name, int(row.cases), row.last_at)
        for row in connection.execute(ask.limit(MOST))
    ]


def body_named(connection: Connection, key: bytes, clerk: Clerk, applicant: str) -> str:
    """What the hall's own organisations call a body with this code, where the cases call it otherwise; else
    ''."""
    rows = connection.execute(select(org.c.uscc, org.c.name).where(org.c.uscc.is_not(None)))
    known = {identity(key, CREDIT_CODE, known_by(key, row.uscc)): str(row.name) for row in rows}
    if applicant not in known:
        return ""
    ask = select(L.name_hash).join(hall_case, C.case_no == L.case_no)
    told = connection.execute(ask.where(L.applicant == applicant, seen(C, clerk, VIEW)).distinct())
    own = known_by(key, known[applicant])
    return known[applicant] if any(row.name_hash != own for row in told) else ""


def names(connection: Connection, clerk: Clerk, applicant: str) -> list[tuple[str, float]]:
    """The different names told for this document, masked, each with when it was told last."""
    ask = (
        select(func.max(L.name_masked).label("name"), func.max(L.opened_at).label("at"))
        .join(hall_case, C.case_no == L.case_no)
        .where(L.applicant == applicant, seen(C, clerk, VIEW))
        .group_by(L.name_hash)
        .order_by(func.max(L.opened_at).desc())
    )
    return [(row.name, row.at) for row in connection.execute(ask.limit(MOST))]

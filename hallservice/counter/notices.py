"""Notices and slips of a case: issued as data, printed on demand, reprinted under the same number."""

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from canonical.regions import regions
from exchange.errors import Refused
from exchange.store.work import Work
from hallservice.counter import numbers
from hallservice.counter.materials import Material, label
from hallservice.counter.standing import Standing, look, moment
from hallservice.counter.tables import hall_notice
from hallservice.hall import Hall
from hallservice.papers.code import paper_digest
from hallservice.papers.kinds import Paper, paper_from
from hallservice.people.clerk import Clerk
from hallservice.refusals import HallRefused
from ledger.prepared import run

_ONE = select(hall_notice).where(hall_notice.c.doc_no == bindparam("of"))
_OF_CASE = (
    select(hall_notice)
    .where(hall_notice.c.case_no == bindparam("of"))
    .order_by(hall_notice.c.issued_at, hall_notice.c.doc_no)
)
TITLES: Mapping[str, str] = {
    "receiving": "收件回执", "acceptance": "受理通知书", "supplement": "补齐补正通知书",
    "refusal": "不予受理通知书", "payment": "缴费通知单", "special": "特别程序告知书",
    "extension": "延期通知书", "decision": "决定书", "conclusion": "办结通知书",
    "collection": "领取通知书", "delivery_receipt": "送达回执",
}  # fmt: skip
MOST_COPIES = 999
NO_MATERIALS = [{"name": "本事项无需提交材料", "form": "—", "copies": 1}]
NOTHING_YET = [{"name": "本次没有提交材料", "form": "—", "copies": 1}]
FORMS: Mapping[str, str] = {"paper": "纸质", "attachment": "附件", "certificate_library": "电子证照"}

Render = Callable[[Paper, int], tuple[bytes, str]]
"""A paper and which copy it is (1 the original) -> its PDF and the SHA-256 of that."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One row; `copies` is how often it was printed."""

    doc_no: str
    kind: str
    case_no: str
    digest: str
    copies: int
    issued_at: float
    issued_by: str
    served_at: float | None

    @property
    def title(self) -> str:
        """What stands on top of the paper."""
        return TITLES[self.kind]


def issue(
    work: Work, clerk: Clerk, here: Standing, kind: str, said: Mapping[str, Any], doc_no: str | None = None
) -> str:
    """A new notice of a case; its number. `said` is what its kind says beyond every paper of a case."""
    number = doc_no or numbers.document_number(work, kind, here.case["region"])
    data = {
        "kind": kind,
        "doc_no": number,
        "department": line(here.department),
        "issued_at": moment(work.now),
        "case_no": here.no,
        "item": line(here.case["application"]["item_name"]),
        "applicant": line(here.case["application"]["applicant"]["name"]),
        "window": window_of(clerk, here),
        **said,
    }
    paper = _paper(data)
    row = {
        "doc_no": number,
        "kind": kind,
        "case_no": here.no,
        "data": paper.model_dump(mode="json"),
        "digest": paper_digest(paper),
        "pdf_sha256": None,
        "copies": 0,
        "issued_at": work.now,
        "issued_by": clerk.name,
        "served_at": None,
    }
    work.connection.execute(insert(hall_notice), row)
    return number


def line(text: str) -> str:
    """What a catalogue or a partner wrote, as one printable line of at most 300 characters."""
    seen = (ch if unicodedata.category(ch)[0] not in "CZ" else " " for ch in text)
    return " ".join("".join(seen).split())[:300]


def _paper(data: Mapping[str, Any]) -> Paper:
    try:
        return paper_from(data)
    except Refused as fault:
        raise HallRefused(fault.code, f"文书内容不能打印：{fault.detail}", fault.where or "") from fault


def of_case(connection: Connection, case_no: str) -> tuple[Notice, ...]:
    """Oldest first."""
    return tuple(_notice(row) for row in run(connection, _OF_CASE, {"of": case_no}))


def _notice(row: Any) -> Notice:
    return Notice(
        row.doc_no,
        row.kind,
        row.case_no,
        row.digest,
        row.copies,
        row.issued_at,
        row.issued_by,
        row.served_at,
    )


def printed(hall: Hall, clerk: Clerk, doc_no: str, render: Render) -> bytes:
    """One more copy as PDF: the first is the original, each later one is marked as a reprint; each is an act
    in the ledger. The same copy of the same notice is the same bytes."""
    row = hall.read(lambda connection: _visible(connection, clerk, doc_no))
    paper, copy = _paper(row["data"]), row["copies"] + 1
    if copy > MOST_COPIES:
        raise HallRefused("too_many_copies", "这份文书打印次数已达上限")
    pdf, digest = render(paper, copy)
    hall.write(lambda work: _count(hall, work, clerk, row, copy, digest))
    return pdf


def shown(hall: Hall, clerk: Clerk, doc_no: str, render: Render) -> bytes:
    """The original to look at, without counting a copy; it names the applicant, so that looking is an act."""
    row = hall.read(lambda connection: _visible(connection, clerk, doc_no))
    made = render(_paper(row["data"]), 1)[0]
    what = {"kind": row["kind"]}
    hall.write(lambda work: hall.record(work, clerk, "hall.paper_read", doc_no, what, row["case_no"]))
    return made


def of_applicant(hall: Hall, case_no: str, doc_no: str, render: Render) -> bytes:
    """A notice as the applicant prints it (S3-46), for whoever has just shown the case's password."""
    row = hall.read(lambda connection: run(connection, _ONE, {"of": doc_no}).first())
    if row is None or row.case_no != case_no:
        raise HallRefused("unknown_notice", "没有这份文书", "doc_no")
    return render(_paper(row.data), 1)[0]


def _visible(connection: Connection, clerk: Clerk, doc_no: str) -> dict[str, Any]:
    row = run(connection, _ONE, {"of": doc_no}).first()
    if row is None:
        raise HallRefused("unknown_notice", "没有这份文书", "doc_no")
    look(connection, clerk, row.case_no, "case.view")
    return dict(row._asdict())


def _count(hall: Hall, work: Work, clerk: Clerk, row: Mapping[str, Any], copy: int, digest: str) -> None:
    mine = (hall_notice.c.doc_no == row["doc_no"]) & (hall_notice.c.copies == copy - 1)
    values: dict[str, Any] = {"copies": copy}
    if copy == 1:
        values["pdf_sha256"] = digest
    if not work.connection.execute(update(hall_notice).where(mine).values(**values)).rowcount:
        raise HallRefused("overtaken", "另一位工作人员刚刚打印了这份文书，请再打印一次")
    what = {"kind": row["kind"], "copy": copy, "pdf": digest}
    hall.record(work, clerk, "hall.printed", row["doc_no"], what, row["case_no"])


def serve(work: Work, doc_no: str) -> None:
    """It was handed over; the first time counts."""
    mine = (hall_notice.c.doc_no == doc_no) & hall_notice.c.served_at.is_(None)
    work.connection.execute(update(hall_notice).where(mine).values(served_at=work.now))


def window_of(clerk: Clerk, here: Standing) -> dict[str, str]:
    """Who answers at the counter; the telephone is that of the item."""
    return {
        "staff": clerk.name,
        "name": clerk.window or clerk.org_name,
        "phone": line(str(here.item.get("contact") or "")),
    }


def material_rows(found: Sequence[Material]) -> list[dict[str, Any]]:
    """What was received, as the paper lists it; deferred ones are named as such."""
    rows = [
        {
            "name": line(one.name),
            "form": FORMS[one.received_as],
            "copies": max(one.count, 1),
            "note": one.certificate_name and f"电子证照：{line(one.certificate_name)}",
        }
        for one in found
        if one.status == "received"
    ]
    rows += [
        {"name": line(one.name), "form": "—", "copies": one.copies or 1, "note": "容缺后补"}
        for one in found
        if one.status == "deferred"
    ]
    return rows or (NOTHING_YET if found else NO_MATERIALS)


def limit_of(limit: Mapping[str, Any], until: str | None = None) -> dict[str, Any]:
    """A canonical limit as papers say it."""
    unit = {"working_day": "working_day", "month": "month"}.get(limit["unit"], "day")
    count = limit["count"] * 12 if limit["unit"] == "year" else limit["count"]
    return {
        "number": count,
        "unit": "month" if limit["unit"] == "year" else unit,
        "until": until,
    }


def remedy_of(region: str) -> dict[str, Any]:
    """Where a decision is contested: the government of the county or city, and the county's court; a city has
    none that hears suits against its departments first (行政诉讼法 art. 14)."""
    place = regions().get(f"{region[:6]}000000")
    name = place.name if place else "本级"
    court = f"{name}人民法院" if place and place.level == "4" else "有管辖权的人民法院"
    return {"review_body": f"{name}人民政府", "court": court}


def delivery_text(mode: str) -> str:
    """窗口领取, 邮寄 or 网上送达."""
    return label("delivery_mode", mode)

"""Progress by case number and query password (S3-49), for anybody who has both.

Wrong ones are counted by case, by client and by the two together; nobody is told which of them was wrong. A
password has six digits and the numbers of cases follow each other: with a quarter of an hour's bound alone,
somebody with a hundred addresses could try a million in four days.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from exchange.store.tables import document
from exchange.store.work import Work
from hallservice import wording
from hallservice.counter.standing import Standing, standing_of
from hallservice.counter.tables import hall_case, hall_query_attempt
from hallservice.hall import Hall
from hallservice.people.attempts import network
from hallservice.refusals import HallRefused
from ledger.prepared import run

WINDOW, DAY = 15 * 60.0, 86_400.0  # seconds in which wrong answers are counted
# How many within which time. Those of a day are many enough for a hall's or a carrier's single address.
MOST: Mapping[str, tuple[int, float]] = {
    "pair": (5, WINDOW), "client": (30, WINDOW), "case": (20, WINDOW),
    "client-day": (300, DAY), "case-day": (60, DAY),
}  # fmt: skip
WAIT = {WINDOW: "请 15 分钟后再试", DAY: "请明天再试，或持身份证到窗口查询"}
_ROW = select(hall_case).where(hall_case.c.case_no == bindparam("of"))
_COUNTED = select(hall_query_attempt).where(hall_query_attempt.c.subject == bindparam("of"))
_STEPS = (
    select(document.c.type, document.c.canonical, document.c.at)
    .where(
        document.c.case_no == bindparam("of"),
        document.c.state == "accepted",
        document.c.direction != "out",
    )
    .order_by(document.c.entry)
)
NOTHING = b"------"
DEEMED = "期限内未告知补正，依法视为受理"
RATABLE = ("not_accepted", "concluded", "delivered", "archived")
TOLD: Mapping[str, str] = {
    "case.applied.v1": "申请", "case.pre_reviewed.v1": "预审", "case.accepted.v1": "受理",
    "case.step.v1": "审批", "case.special_started.v1": "特别程序开始",
    "case.special_finished.v1": "特别程序结束", "case.supplement_noticed.v1": "通知补正",
    "case.supplemented.v1": "补正收到", "fee.noticed.v1": "缴费通知", "fee.paid.v1": "银行收款",
    "fee.confirmed.v1": "缴费确认", "certificate.issued.v1": "证照签发", "case.concluded.v1": "办结",
    "parcel.booked.v1": "结果交寄", "case.delivered.v1": "送达", "case.evaluated.v1": "评价",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mark:
    """One line of the course: what, when (Unix seconds), a word about it."""

    what: str
    at: float
    said: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """What the applicant may see."""

    case_no: str
    item_name: str
    department: str
    state: str
    stage: str
    promised_due: str
    fee_due: bool
    evaluated: bool
    ratable: bool
    marks: tuple[Mark, ...]


def of(hall: Hall, case_no: str, password: str, client: str) -> Progress:
    """HallRefused wrong (number or password) or too_many; `client` is the network address asked from."""
    here = standing(hall, case_no, password, client)
    marks = hall.read(lambda connection: course(connection, here.no))
    return Progress(
        here.no,
        here.row["item_name"],
        here.department,
        wording.state(here.state),
        wording.stage(here.row["stage"]),
        here.case["promised_due"] or "",
        bool(here.case["facts"]["fee_due"]) and here.row["stage"] == "fee",
        bool(here.case["facts"]["evaluated"]),
        here.state in RATABLE,
        marks,
    )


def standing(hall: Hall, case_no: str, password: str, client: str) -> Standing:
    """The case, for whoever knows its password."""
    number, said = case_no.strip().upper()[:50], password.strip()[:20]
    subjects = _subjects(hall.hub.pseudonym_key, number, client)
    found = hall.write(lambda work: _tried(work, number, said, subjects))
    if found is None:
        raise HallRefused("wrong", "办件编号或查询密码不正确", "case_no")
    return found


def standing_in(connection: Connection, case_no: str) -> Standing:
    """The case by its number alone: for one whose password was just shown."""
    row = connection.execute(_ROW, {"of": case_no}).one()
    return standing_of(connection, case_no, row._asdict())


def _tried(work: Work, number: str, said: str, subjects: Mapping[str, str]) -> Standing | None:
    """Counted and compared in one commit: requests at the same moment do not slip past the limit."""
    for kind, subject in subjects.items():
        most, window = MOST[kind]
        if _failures(work, subject, window) >= most:
            raise HallRefused("too_many", f"查询失败次数过多，{WAIT[window]}")
    row = run(work.connection, _ROW, {"of": number}).first()
    here = standing_of(work.connection, number, row._asdict()) if row else None
    right = hmac.compare_digest(_password(here) or NOTHING, said.encode())
    if here is None or not right or _password(here) is None:
        for kind, subject in subjects.items():
            _count(work, subject, MOST[kind][1])
        return None
    return here


def _password(here: Standing | None) -> bytes | None:
    """That of the acceptance; before it, that of the receipt."""
    if here is None:
        return None
    found = here.case["query_password"] or (here.receipt or {}).get("query_password")
    return found.encode() if found else None


def _subjects(key: bytes, number: str, client: str) -> dict[str, str]:
    near, _ = network(client)
    said = {"pair": f"{number}:{near}"} | dict.fromkeys(("client", "client-day"), near)
    said |= dict.fromkeys(("case", "case-day"), number)
    return {
        kind: hmac.digest(key, f"{kind}:{said[kind]}".encode(), hashlib.sha256).hex()[:40] for kind in MOST
    }


def _failures(work: Work, subject: str, window: float) -> int:
    row = run(work.connection, _COUNTED, {"of": subject}).first()
    return 0 if row is None or row.since + window <= work.now else int(row.failures)


def _count(work: Work, subject: str, window: float) -> None:
    before = _failures(work, subject, window)
    values: dict[str, Any] = {"failures": before + 1} | ({} if before else {"since": work.now})
    mine = update(hall_query_attempt).where(hall_query_attempt.c.subject == subject).values(**values)
    if not work.connection.execute(mine).rowcount:
        old = hall_query_attempt.c.since < work.now - DAY
        work.connection.execute(delete(hall_query_attempt).where(old))
        row = {"subject": subject, "since": work.now, "failures": 1}
        work.connection.execute(insert(hall_query_attempt), row)


def course(connection: Connection, case_no: str) -> tuple[Mark, ...]:
    """Every step with its time, nothing that names a person."""
    rows = run(connection, _STEPS, {"of": case_no})
    return tuple(Mark(TOLD[row.type], row.at, _word(row)) for row in rows if row.type in TOLD)


def _word(row: Any) -> str:
    said = row.canonical or {}
    if row.type == "case.step.v1":
        return str(said.get("step_name", ""))
    if said.get("deemed_basis"):
        return f"{DEEMED}（自{str(said['decided_at'])[:10]}起）"
    words = {
        "refused": "不予受理", "accepted": "予以受理", "supplement": "需补正", "passed": "通过",
    }  # fmt: skip
    return words.get(str(said.get("result", "")), "")

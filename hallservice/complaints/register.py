"""登记来电、来访投诉 (SYS-13): what the clerk writes down while somebody is on the line or at the window."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from canonical.errors import ValueRefused
from canonical.messages import ComplaintRegistered, Payload
from canonical.values import CaseNumber
from exchange import complaints
from exchange.clocks import today
from exchange.errors import HubError
from exchange.store.work import Work
from hallservice import wording
from hallservice.complaints import places
from hallservice.complaints.places import REGISTER
from hallservice.complaints.tables import hall_complaint
from hallservice.counter.form import Check
from hallservice.counter.numbers import next_of
from hallservice.counter.standing import Standing, look, moment
from hallservice.hall import Hall
from hallservice.people.clerk import Clerk
from hallservice.refusals import HallRefused
from ledger.log import Entry
from ledger.prepared import run

SOURCES = ("telephone", "visit")  # the third, the portal, sends its own
MOST = 9_999  # of one region and day
C = hall_complaint.c
_NUMBERED = select(C.id).where(C.number == bindparam("of"))


@dataclass(frozen=True, slots=True)
class Complaint:
    """The form as typed."""

    source: str = ""
    case_no: str = ""
    organisation: str = ""  # credit code of the body complained of; '' for none named
    title: str = ""
    content: str = ""
    complainant: str = ""
    mobile: str = ""


@dataclass(frozen=True, slots=True)
class Taken:
    """What the complainant is told: the number; `id` is the address of its page."""

    id: str
    number: str


def register(hall: Hall, clerk: Clerk, asked: Complaint, once: str | None = None) -> Taken:
    """Take it down. `once` names the form: sent twice it is one complaint. FormRefused; HallRefused
    not_allowed."""
    clerk.expect(REGISTER, clerk.path)

    def act(work: Work) -> Taken:
        if once and (known := _known(work, once)):
            return known
        said = _said(work.connection, clerk, asked)
        number = _number(work, clerk.region)
        head = {"complaint_no": number, "region": clerk.region, "registered_at": moment(work.now)}
        told(hall, work, clerk, ComplaintRegistered.model_validate({**said, **head}))
        by = {"clerk": clerk.name, "staff_no": clerk.staff_no, "window": clerk.window, "once": once}
        work.connection.execute(update(hall_complaint).where(C.number == number).values(**by))
        return Taken(str(run(work.connection, _NUMBERED, {"of": number}).scalar()), number)

    return hall.write(act)


def told(hall: Hall, work: Work, clerk: Clerk, payload: Payload) -> Entry:
    """The act on the one path; what the exchange refuses is refused in Chinese."""
    try:
        return hall.tell(work, clerk, payload)
    except HubError as fault:
        raise wording.in_chinese(fault) from fault


def _known(work: Work, once: str) -> Taken | None:
    row = work.connection.execute(select(C.id, C.number).where(C.once == once)).first()
    return Taken(row.id, row.number) if row else None


def _said(connection: Connection, clerk: Clerk, asked: Complaint) -> dict[str, Any]:
    """What the message says of it; FormRefused with every fault."""
    check = Check()
    if asked.source not in SOURCES:
        check.fault("source", "bad_choice" if asked.source else "required", "请选择来电或来访")
    case = case_named(connection, clerk, asked.case_no, check)
    named = asked.organisation.strip()
    if named and named not in dict(places.bodies(connection, clerk)):
        check.fault("organisation", "bad_choice", "请从列表中选择被投诉单位")
    said = {
        "source": asked.source,
        "title": check.text("title", asked.title, "投诉标题", 200),
        "content": check.text("content", asked.content, "投诉内容", 4000, lines=True),
        "complainant": check.text("complainant", asked.complainant, "投诉人姓名", 100),
        "mobile": check.mobile("mobile", asked.mobile),
    }
    check.done()
    body = named or (case.case["org"] if case else "")
    return {
        **said,
        **({"case_no": case.no} if case else {}),
        **({"organisation_code": body} if body else {}),
    }


def case_named(connection: Connection, clerk: Clerk, typed: str, check: Check) -> Standing | None:
    """The case of a typed number, None without one; a fault where it is none that the clerk may know."""
    said = "".join(typed.split()).upper()
    if not said:
        return None
    try:
        return look(connection, clerk, str(CaseNumber(said)), REGISTER)
    except ValueRefused as fault:
        wrong = "办件编号的校验位不符，请核对是否录错"
        form = "办件编号应为 28 位：27 位数字和 1 位校验码"
        check.fault("case_no", fault.code, wrong if fault.code == "check_digit" else form)
    except HallRefused as refusal:
        check.fault("case_no", refusal.code, refusal.said)
    return None


def _number(work: Work, region: str) -> str:
    """TS, region, day and serial; numbers that others used are stepped over."""
    start = f"TS{region}{today(work.now):%Y%m%d}"
    while (serial := next_of(work, f"complaint:{start}")) <= MOST:
        number = f"{start}{serial:04d}"
        if complaints.registered_by(work, number) is None:
            return number
    raise HallRefused("too_many", "今天本地区的投诉编号已经用完，请联系管理员")

"""A certificate the library has not made: since when it is waited for, asking again, and going on without it.

The decision stands without its certificate; that follows within the ten working days of 行政许可法 art. 44.
So a case whose certificate is late may be concluded with the certificate left for later: the request stays
open, what comes is linked to the case, told to the applicant and added to the conclusion.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime

from sqlalchemy import Connection, bindparam, select, update

from canonical.amounts import BEIJING
from canonical.messages import CaseConcluded, CertificateIssued, CertificateRequested, Payload
from canonical.timelimit import elapsed
from exchange import calendars
from exchange.clocks import today
from exchange.reacting.occasion import Occasion
from exchange.reacting.telling import tell as tell_applicant
from exchange.store.tables import document, outbox
from exchange.store.work import Work
from hallservice.counter.certificate import FUNCTION, Certificate, latest, owed
from hallservice.counter.form import Check
from hallservice.counter.receive import LIBRARY
from hallservice.counter.standing import Standing, begin, tell
from hallservice.counter.tables import hall_certificate
from hallservice.hall import Hall
from hallservice.people.clerk import Clerk
from hallservice.refusals import HallRefused
from ledger.prepared import run

PAUSE = 10 * 60.0  # seconds between two questions about the same certificate
UNDER_WAY = ("pending", "claimed")
_REQUEST = (
    select(document.c.canonical)
    .where(
        document.c.case_no == bindparam("of"),
        document.c.type == CertificateRequested.TYPE,
        document.c.state == "accepted",
    )
    .order_by(document.c.entry.desc())
)
_ONE = select(hall_certificate).where(hall_certificate.c.request_id == bindparam("of"))


@dataclass(frozen=True, slots=True)
class Wait:
    """Since when (Unix seconds) and for how many working days; `long`: it need not be waited for any more."""

    since: float
    again: float | None
    days: int
    most: int

    @property
    def long(self) -> bool:
        return self.days >= self.most

    @property
    def told(self) -> str:
        """For the screen."""
        asked = f"，最近一次催问 {_minute(self.again)}" if self.again else ""
        return f"{_minute(self.since)} 提出，已等待 {self.days} 个工作日{asked}"


def wait_of(hall: Hall, connection: Connection, made: Certificate) -> Wait:
    """How long this request has been waiting; the day it was made counts as 0."""
    now = today(hall.hub.store.clock())
    days = elapsed(_day(made.asked_at), now, calendars.loaded(connection))
    return Wait(made.asked_at, made.again_at, days, hall.settings.certificate_days)


def expect_long(hall: Hall, connection: Connection, made: Certificate) -> Wait:
    """HallRefused too_early while the library still has its time."""
    wait = wait_of(hall, connection, made)
    if not wait.long:
        said = f"证照提出后满 {wait.most} 个工作日仍未签发的，才能先行办结（已等待 {wait.days} 个工作日）"
        raise HallRefused("too_early", said, "later")
    return wait


def attached(hall: Hall) -> bool:
    """Whether there is a library to ask."""
    return any(hall.hub.parties.of_adapter(name) for name in hall.hub.adapters_of(LIBRARY))


def ask_again(hall: Hall, clerk: Clerk, case_no: str, seen: int) -> None:
    """The same request once more, under its own id: the library answers what it answered first, and makes no
    second certificate. One that is still on its way is sent at once instead.

    HallRefused nothing_awaited, no_library, too_soon."""

    def act(work: Work) -> None:
        here = begin(work, clerk, case_no, seen, FUNCTION)
        made = latest(work.connection, case_no)
        if made is None or not made.awaited:
            raise HallRefused("nothing_awaited", "现在没有等待签发的证照")
        if not attached(hall):
            raise HallRefused("no_library", "本站现在没有接入电子证照系统，请联系系统管理员")
        if work.now < (made.again_at or made.asked_at) + PAUSE:
            raise HallRefused("too_soon", "刚刚已经提出过，请 10 分钟后再催问")
        if not _sent_at_once(hall, work, made.request_id):
            said = run(work.connection, _REQUEST, {"of": case_no}).first()
            if said is not None:
                tell(hall, work, clerk, CertificateRequested.model_validate(said.canonical))
        mine = hall_certificate.c.request_id == made.request_id
        work.connection.execute(update(hall_certificate).where(mine).values(again_at=work.now))
        hall.record(work, clerk, "hall.certificate_urged", made.request_id, {"name": made.name}, here.no)

    hall.write(act)


def _sent_at_once(hall: Hall, work: Work, request_id: str) -> bool:
    """Whether the request has not left yet: it need not be said twice."""
    mine = (outbox.c.type == CertificateRequested.TYPE) & outbox.c.state.in_(UNDER_WAY)
    rows = work.connection.execute(select(outbox.c.id, outbox.c.party, outbox.c.payload).where(mine))
    found = [row for row in rows if row.payload.get("request_id") == request_id]
    for row in found:
        waiting = (outbox.c.id == row.id) & (outbox.c.state == "pending")
        work.connection.execute(update(outbox).where(waiting).values(next_at=work.now))
        work.after_commit(hall.hub.outbox.bell(row.party).set)
    return bool(found)


def expect_none_owed(connection: Connection, case_no: str) -> None:
    """HallRefused certificate_owed: the result is handed out when it is whole, or nobody waits any more."""
    if owed(connection, case_no) is not None:
        said = "证照还没有签发，签发后一并送达；确定不再补发的，请在“证照补发”中写明理由"
        raise HallRefused("certificate_owed", said)


def give_up(hall: Hall, clerk: Clerk, case_no: str, seen: int, reason: str) -> None:
    """Nobody waits for it any more, for this reason; should it come all the same, it is linked.

    HallRefused nothing_awaited."""
    check = Check()
    why = check.text("reason", reason, "不再补发的理由", 500, lines=True)
    check.done()

    def act(work: Work) -> None:
        here = begin(work, clerk, case_no, seen, FUNCTION)
        made = owed(work.connection, case_no)
        if made is None:
            raise HallRefused("nothing_awaited", "这个办件没有待补发的证照")
        mine = hall_certificate.c.request_id == made.request_id
        work.connection.execute(update(hall_certificate).where(mine).values(later=False))
        hall.record(work, clerk, "hall.no_certificate", case_no, {"reason": why}, case_no)
        said = _corrected(_last(work, here), f"未制发电子证照：{why}")
        tell(hall, work, clerk, CaseConcluded.model_validate(said))

    hall.write(act)


# -- with the messages


def promise(occasion: Occasion) -> Iterator[Payload]:
    """The applicant is told that the certificate follows."""
    case = occasion.moved.case
    if case is not None and owed(occasion.work.connection, case["case_no"]) is not None:
        yield from tell_applicant("certificate_later")(occasion)


def link(occasion: Occasion) -> Iterator[Payload]:
    """It came after the conclusion: that is told anew with the certificate's number, and to the applicant."""
    said, case = occasion.message.payload, occasion.moved.case
    if not isinstance(said, CertificateIssued) or said.state != "issued" or occasion.moved.repeated:
        return
    row = run(occasion.work.connection, _ONE, {"of": said.request_id}).first()
    if row is None or case is None or case["state"] != "concluded":
        return
    last = occasion.said_before(case["case_no"], CaseConcluded.TYPE)[-1]
    until = {"certificate_valid_to": row.valid_to} if row.valid_to else {}
    known = {"certificate_name": row.name, "certificate_no": said.number, **until}
    yield CaseConcluded.model_validate(_corrected(last, f"电子证照“{row.name}”已签发") | known)
    yield from tell_applicant("certificate_came")(occasion)


def _last(work: Work, here: Standing) -> dict[str, object]:
    said = (
        select(document.c.canonical)
        .where(
            document.c.case_no == here.no,
            document.c.type == CaseConcluded.TYPE,
            document.c.state == "accepted",
            document.c.direction != "out",
        )
        .order_by(document.c.entry.desc())
    )
    found: dict[str, object] = work.connection.execute(said).scalars().first() or {}
    return found


def _corrected(last: dict[str, object], text: str) -> dict[str, object]:
    """The conclusion told again, with the decision in its own words: its next version, of the same moment."""
    version, decided = last.get("version", 1), str(last.get("result_text") or "准予办理").partition("；")[0]
    said = f"{decided}；{text}"[:1000]
    return {**last, "version": (version if isinstance(version, int) else 1) + 1, "result_text": said}


def _day(at: float) -> date:
    return datetime.fromtimestamp(at, UTC).astimezone(BEIJING).date()


def _minute(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC).astimezone(BEIJING):%Y-%m-%d %H:%M}"

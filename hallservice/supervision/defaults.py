"""The lawful defaults: what silence does where the law says so (R-04, C9). None of them decides on a licence.

行政许可法 art. 32: an application for a licence that nobody answered in five working days is accepted as of
its receipt. Defaults of a step in a process are defined there with their basis, and fired from here too.
"""

import secrets
from datetime import date, datetime, time
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, insert, select, update

from canonical.casetable import State
from canonical.codes import code_list
from canonical.instants import SHANGHAI, local_date
from canonical.messages import CaseAccepted
from canonical.timelimit import Acceptance, deemed_acceptance
from exchange import acts, calendars, clocks, items
from exchange.cases import item_type
from exchange.errors import Refused
from exchange.pipeline import submit
from exchange.records import add_finding, pseudonym
from exchange.store.tables import case_record
from exchange.store.work import Work
from hallservice.hall import Hall
from hallservice.supervision.clocks import NOTICE
from hallservice.supervision.limits import Rules
from hallservice.supervision.roster import SYSTEM_STAFF_NO
from hallservice.supervision.tables import clock, default
from hallservice.supervision.thresholds import rulebook

BASIS: Final = "《中华人民共和国行政许可法》第三十二条第一款第四项"
POLICY: Final = "DEEM_ACCEPTED"
ACCEPTANCE: Final = "acceptance"
UNANSWERED = (State.SUBMITTED, State.PRE_ACCEPTED, State.RECEIVED)
LICENCE: Final = code_list("item_type").code("licence")


def fire(hall: Hall, today: date) -> int:
    """Every default whose day has come; how many. Each is an act of the system with its basis."""
    waiting = hall.read(lambda connection: _unanswered(connection, today))
    return sum(hall.write(partial(_accept, hall, case_no=no, today=today)) for no in waiting)


def _unanswered(connection: Connection, today: date) -> list[str]:
    """Licences applied for whose notice limit has passed, and that nothing was done about yet. What was told
    only today waits for the morning: the answer to it may be on the way."""
    late = (clock.c.clock == NOTICE) & clock.c.concluded.is_(None) & (clock.c.due < today.isoformat())
    late &= case_record.c.opened_at < datetime.combine(today, time.min, SHANGHAI).timestamp()
    open_ = case_record.c.state.in_([state.value for state in UNANSWERED])
    done = select(default.c.case_no).where(default.c.about == ACCEPTANCE)
    query = (
        select(clock.c.case_no, case_record.c.item_code, case_record.c.facts)
        .join(case_record, case_record.c.case_no == clock.c.case_no)
        .where(late, open_, clock.c.case_no.not_in(done))
        .order_by(clock.c.due)
    )
    return [row.case_no for row in connection.execute(query) if _concerns(row.item_code, row.facts)]


def _concerns(item_code: str, facts: Any) -> bool:
    """The law speaks of licences, and of the first notice: one that was given is an answer."""
    return item_type(item_code) == LICENCE and not facts["supplemented"]


def _accept(hall: Hall, work: Work, *, case_no: str, today: date) -> int:
    """Read again inside the commit: somebody may have answered meanwhile."""
    case = work.connection.execute(select(case_record).where(case_record.c.case_no == case_no)).one()
    rules = rulebook(work.connection).of(case.region)
    found = _deemed(work, case, rules, today)
    if found is None or _known(work, case_no):
        return 0
    try:
        with work.attempt():
            _submit(hall, work, case, found)
    except Refused as refusal:
        _note_failure(hall, work, case_no, refusal)
        return 0
    ended = update(clock).where(clock.c.case_no == case_no, clock.c.clock == NOTICE)
    work.connection.execute(ended.values(concluded=today.isoformat(), next_day=None))
    return 1


def _deemed(work: Work, case: Any, rules: Rules, today: date) -> Acceptance | None:
    if case.state not in UNANSWERED or not _concerns(case.item_code, case.facts) or not rules.deem_accepted:
        return None
    since = select(clock.c.since).where(clock.c.case_no == case.case_no, clock.c.clock == NOTICE)
    received = date.fromisoformat(work.connection.execute(since).scalar_one())
    calendar = calendars.known(work)
    return deemed_acceptance(received, None, today, calendar) if calendar.is_working_day(today) else None


def _known(work: Work, case_no: str) -> bool:
    mine = (default.c.case_no == case_no) & (default.c.about == ACCEPTANCE)
    return work.connection.execute(select(default.c.case_no).where(mine)).first() is not None


def _submit(hall: Hall, work: Work, case: Any, found: Acceptance) -> None:
    """The act with its basis, and the acceptance by the one path."""
    hub, said = hall.hub, {"policy": POLICY, "basis": BASIS, "as_of": found.day.isoformat()}
    value, mine = {"case_no": case.case_no, **said}, pseudonym(hub.pseudonym_key, case.case_no)
    entry = acts.record_value(
        work, hub.name, "hall.lawful_default", f"default-{case.case_no}", "supervision", value, case=mine
    )
    row = {"case_no": case.case_no, "about": ACCEPTANCE, "policy": POLICY, "basis": BASIS}
    work.connection.execute(
        insert(default), {**row, "day": found.day.isoformat(), "at": work.now, "entry": entry.seq}
    )
    told = f"五个工作日内未告知补正，自收到申请材料之日（{found.day}）起即为受理（{BASIS}）"
    add_finding(work, case.case_no, ("time", "deemed_accepted", told), entry.seq)
    submit(hub, work, _acceptance(work.connection, case, found), cause=None)


def _acceptance(connection: Connection, case: Any, found: Acceptance) -> CaseAccepted:
    """As the office would have said it, as of the receipt; limits as the pinned version of the item has
    them."""
    item = items.content_of(connection, case.item_code, case.item_version)
    if not item:
        raise Refused("unknown_item", "the item's version is not stored", "item_code")
    body = {"organisation": item["organisation"], "organisation_code": case.org}
    return CaseAccepted.model_validate(
        {
            "case_no": case.case_no,
            "item_code": case.item_code,
            "region": case.region,
            "officer": {**body, "name": "系统（视为受理）", "staff_no": SYSTEM_STAFF_NO},
            "result": "accepted",
            "deemed_basis": BASIS,
            "decided_at": _receipt(case, found),
            "query_password": f"{secrets.randbelow(1_000_000):06d}",
            "statutory_limit": item["statutory_limit"],
            "promised_limit": item["promised_limit"],
            "remark": f"视为受理：{BASIS}",
        }
    )


def _receipt(case: Any, found: Acceptance) -> str:
    """The moment of the application; midnight where a correction moved its day."""
    said: str = case.application["applied_at"]
    return said if local_date(datetime.fromisoformat(said)) == found.day else f"{found.day}T00:00:00+08:00"


def _note_failure(hall: Hall, work: Work, case_no: str, refusal: Refused) -> None:
    """Once a case: the default is written down as not carried out."""
    mine = pseudonym(hall.hub.pseudonym_key, case_no)
    value = {"case_no": case_no, "policy": POLICY, "code": refusal.code}
    entry = acts.record_value(
        work, hall.hub.name, "hall.default_failed", f"default-{case_no}", "supervision", value, case=mine
    )
    row = {"case_no": case_no, "about": ACCEPTANCE, "policy": "NONE", "basis": BASIS}
    day = clocks.today(work.now).isoformat()
    work.connection.execute(insert(default), {**row, "day": day, "at": work.now, "entry": entry.seq})
    add_finding(work, case_no, ("time", "deemed_acceptance_failed", str(refusal)), entry.seq)

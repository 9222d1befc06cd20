"""Every state of the case's table has a page that says what comes next and who does it, and no act on it
leads to where nothing can be done."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import unescape
from typing import Any

import pytest
from sqlalchemy import delete, insert, update

from canonical.casetable import ENDED, MOVES, Event, State
from exchange.store.tables import case_record
from hallservice.counter import certify, projection
from hallservice.counter.tables import hall_certificate, hall_fee
from hallservice.hall import Hall
from hallservice.web.pages import counter_acts, counter_case, counter_money, counter_overlay
from tests.exchange.core.rig import PLAIN_ITEM, Story, case_number
from tests.hallservice.counter.counter import PLAIN, Desk
from tests.hallservice.web.webrig import FRAME, Place, Visitor, mounted, served

S, E = State, Event
# What the window tells of itself, beside an application that a pre-review sent back.
NOBODY = (*ENDED, S.DELIVERED)  # filing is the archives'
OURS = (E.PRE_PASSED, E.RECEIVED, E.SUPPLEMENTED, E.ACCEPTED, E.FEE_NOTICED, E.CONCLUDED)


@dataclass(frozen=True)
class Stands:
    """A case in a state: what its facts say, and how it came; `late`: what the state alone does not tell."""

    state: State
    facts: dict[str, Any] = field(default_factory=dict)
    online: bool = False
    late: str = ""

    @property
    def name(self) -> str:
        return f"{self.state}{'-online' if self.online else ''}{'-' + self.late if self.late else ''}"


GRANTED = {"granted": True}
DONE = {**GRANTED, "conclusion": "concluded"}
BEFORE = (S.DRAFT, S.SUBMITTED, S.PRE_SUPPLEMENT, S.PRE_REFUSED, S.PRE_ACCEPTED, S.NOT_ACCEPTED)
APPROVAL = (S.ACCEPTED, S.UNDERTAKING, S.REVIEWING, S.APPROVING, S.SUSPENDED, S.EXTENSION_PENDING)
AFTER = {
    S.DECIDED: GRANTED, S.CERTIFIED: {**GRANTED, "certified": True}, S.CONCLUDED: DONE, S.DELIVERED: DONE,
    S.ARCHIVED: DONE,
}  # fmt: skip
STANDS = (
    *(Stands(state, online=True) for state in BEFORE),
    *(Stands(state) for state in (S.SUBMITTED, S.RECEIVED, S.SUPPLEMENTING, S.NOT_ACCEPTED, *APPROVAL)),
    Stands(S.AWAITING_PAYMENT, {**GRANTED, "fee_due": True}),
    *(Stands(state, facts) for state, facts in AFTER.items()),
    Stands(S.DECIDED, {"granted": False}, late="denied"),
    Stands(S.DECIDED, {**GRANTED, "fee_due": True}, late="fee"),
    Stands(S.CERTIFIED, {**AFTER[S.CERTIFIED], "fee_due": True}, late="reversed"),
    Stands(S.CONCLUDED, {**DONE, "fee_due": True}, late="reversed"),
    Stands(S.CONCLUDED, DONE, late="owed"),
    Stands(S.CONCLUDED, {"conclusion": "returned"}, late="returned"),
)


@pytest.fixture
def place(hall: Hall) -> Iterator[Place]:
    pages = (counter_acts, counter_case, counter_money, counter_overlay)
    with served(mounted(hall, [*FRAME, *(one.pages for one in pages)])) as found:
        yield found


class Cases:
    """Cases that are put where a test wants them."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        desk.core.party("front", sends=("case.applied.v1",))
        story = Story(case_number(1), PLAIN_ITEM)
        desk.core.ok("front", "case.applied.v1", story.applied(channel="online"))
        self.online, self.window, self.owing = story.no, desk.accepted(PLAIN), self._asked()

    def _asked(self) -> str:
        no = self.desk.accepted()
        self.put(no, S.DECIDED, GRANTED)
        asked = certify.Asked("食品经营许可证")
        certify.request(self.desk.hall, self.desk.clerk(), no, self.desk.seen(no), asked)
        later = update(hall_certificate).values(later=True)
        self.desk.hall.write(lambda work: work.connection.execute(later).rowcount)
        return no

    def of(self, stands: Stands) -> str:
        self.desk.hall.write(lambda work: self._fee(work, stands))
        no = self.owing if stands.late == "owed" else self.online if stands.online else self.window
        self.put(no, stands.state, stands.facts)
        return no

    def _fee(self, work: Any, stands: Stands) -> None:
        """What was asked for of the case at the window, where the state means that something was."""
        work.connection.execute(delete(hall_fee).where(hall_fee.c.case_no == self.window))
        state = "reversed" if stands.late == "reversed" else "noticed"
        if stands.state is S.AWAITING_PAYMENT or stands.late == "reversed":
            row = {
                "request_id": "fee-1", "case_no": self.window, "lines": [], "reduction": "0", "total": "5.00",
                "state": state, "verified_by": "窗口甲", "verified_at": work.now, "due_on": "2026-03-17",
                "notice_no": "44140226000000000017",
            }  # fmt: skip
            work.connection.execute(insert(hall_fee), row)

    def put(self, no: str, state: State, facts: dict[str, Any]) -> None:
        core = self.desk.core

        def act(work: Any) -> None:
            row = work.connection.execute(case_record.select().where(case_record.c.case_no == no)).one()
            plain = {"granted": None, "fee_due": False, "conclusion": None, "certified": False}
            said = {**row.facts, **plain, **facts, "state": state.value}
            mine = update(case_record).where(case_record.c.case_no == no)
            work.connection.execute(mine.values(state=state.value, facts=said))
            entry = core.value("SELECT version FROM hall_case WHERE case_no = :no", no=no)
            projection.project(work, core.hub.pseudonym_key, no, entry)

        self.desk.hall.write(act)


def text_of(page: str) -> str:
    main = re.search(r"<main.*?</main>", page, re.DOTALL)
    return re.sub(r"\s+", "", unescape(re.sub("<[^>]+>", "", main.group()))) if main else ""


def next_of(page: str) -> tuple[str, str]:
    """What comes next, and who does it; '' where nobody has to."""
    found = re.search(r"<b>下一步：</b>(.+?)。(?:<b>办理：</b>(.+?)。)?(?:您没有|</p>)", page)
    assert found, text_of(page)[:200]
    return found.group(1), found.group(2) or ""


def acts_of(page: str, no: str) -> list[str]:
    return re.findall(rf'<a class="button" href="(/hall/cases/{no}/[^"]+)"', page)


def dead_end(who: Visitor, path: str) -> str:
    """Why an act leads nowhere: a page that cannot be opened, says so itself, or has nothing to press."""
    answer = who.get(path)
    if answer.status_code != 200:
        return f"{path}: {answer.status_code}"
    forms = re.findall(r'<form[^>]*method="post"[^>]*action="/hall/cases/', answer.text)
    idle = 'role="status">办件现在是' in answer.text or not (forms or "请等待" in answer.text)
    return f"{path}: nothing to do, and it does not say why" if idle else ""


def other_hands(approver: Visitor, no: str) -> str:
    """Whoever may not act is told so, and shown no act of the counter."""
    page = approver.get(f"/hall/cases/{no}").text
    told = "请转有权限的人员办理" in page and not acts_of(page, no)
    return "" if told else "who may not act is not told"


def open_at(stands: Stands) -> bool:
    """Whether the table has something for the window to tell."""
    again = stands.state in MOVES[E.APPLIED] and stands.state is not S.DRAFT
    handed_out = stands.state in MOVES[E.DELIVERED] and stands.facts.get("conclusion") == "concluded"
    paying = stands.state in MOVES[E.FEE_CONFIRMED] and stands.facts.get("fee_due", False)
    owing = stands.state in MOVES[E.CERTIFICATE_ISSUED] and stands.late == "owed"
    return again or handed_out or paying or owing or any(stands.state in MOVES[event] for event in OURS)


@pytest.mark.req("S0-64")
def test_every_state_says_what_comes_next_and_leads_to_no_dead_end(desk: Desk, place: Place) -> None:
    assert {one.state for one in STANDS} == set(State)
    cases, clerk = Cases(desk), place.visitor().sign_in("clerk")
    approver, wrong = place.visitor().sign_in("approver"), list[str]()
    for stands in STANDS:
        no = cases.of(stands)
        page = clerk.get(f"/hall/cases/{no}").text
        _, by = next_of(page)
        acts = [one for one in acts_of(page, no) if not one.endswith("/evaluate")]
        if stands.state in ENDED and by:
            wrong.append(f"{stands.name}: an end that names who goes on")
        if not acts and not by and stands.state not in NOBODY and stands.late != "returned":
            wrong.append(f"{stands.name}: nobody goes on, and it does not say so")
        if bool(acts) != open_at(stands):
            wrong.append(f"{stands.name}: acts {acts}")
        if not acts and stands.state in APPROVAL and "梅江区市场监督管理局" not in by:
            wrong.append(f"{stands.name}: nobody named")
        wrong += [f"{stands.name}: {why}" for path in acts_of(page, no) if (why := dead_end(clerk, path))]
        if acts and (why := other_hands(approver, no)):
            wrong.append(f"{stands.name}: {why}")
    assert wrong == []

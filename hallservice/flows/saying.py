"""What `telling` says, as canonical messages on the hall's one path."""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection, bindparam, select

from canonical.amounts import BEIJING
from canonical.messages import CaseConcluded, CaseSpecialFinished, CaseSpecialStarted, CaseStep, Payload
from exchange import clocks
from exchange.cases import Case
from exchange.errors import HubError
from exchange.store.tables import case_record
from exchange.store.work import Work
from hallservice import wording
from hallservice.approval.events import SYSTEM, Person
from hallservice.flows import noticing
from hallservice.flows.telling import Ended, Saying, SpecialBegun, SpecialOver, StepSaid
from hallservice.hall import Hall
from hallservice.people import organisations
from hallservice.people import tables as p
from hallservice.people.clerk import Clerk
from hallservice.refusals import HallRefused
from ledger.prepared import run

_STAFF_NO = re.compile("[A-Za-z0-9-]{1,20}")  # canonical.messages.parts.StaffNumber
UNLAWFUL = "延期不合法：一个办件只能延长一次，一般不超过十个工作日，联合办理不超过十五个工作日"
_KNOWN = ("case_no", "item_code", "region", "org", "promised_due", "clock")
_CASE = select(*(case_record.c[name] for name in _KNOWN)).where(case_record.c.case_no == bindparam("of"))
_BODY = select(p.org.c.name, p.org.c.uscc, p.org.c.path)
_ORG = _BODY.where(p.org.c.code == bindparam("code"))
_IN_CHARGE = _BODY.where(p.org.c.uscc == bindparam("code"))


def tell(hall: Hall, work: Work, clerk: Clerk, case_no: str, sayings: Iterable[Saying]) -> tuple[str, ...]:
    """Every saying in its order, then the notices that follow; their types, none of a case that is not there.
    HallRefused where the exchange does not take one."""
    row = run(work.connection, _CASE, {"of": case_no}).first()
    if row is None:
        return ()
    case: Case = row._asdict()
    types, told = [], _tellable(work, case, sayings)
    for saying in told:
        try:
            payload = _payload(work, case, saying)
            hall.tell(work, clerk, payload)
        except HubError as refusal:
            raise _said(saying, refusal) from refusal
        except ValidationError as wrong:
            place = ".".join(map(str, wrong.errors(include_url=False, include_input=False)[0]["loc"]))
            raise HallRefused("bad_value", "有内容不符合上报规范，不能办理", place) from None
        types.append(payload.TYPE)
    noticing.issue(work, clerk, case, told)
    return tuple(types)


def expect_extendable(work: Work, case_no: str, days: int) -> None:
    """HallRefused extension_unlawful where the law allows the case no such extension: who asks hears it, not
    who has to answer."""
    row = run(work.connection, _CASE, {"of": case_no}).first()
    if row is not None and clocks.unlawful_extension(row._asdict(), days, clocks.today(work.now)):
        raise HallRefused("extension_unlawful", UNLAWFUL)


def _tellable(work: Work, case: Case, sayings: Iterable[Saying]) -> list[Saying]:
    """Without a refused extension that has become unlawful since it was asked for: of what could not be
    there is nothing to tell."""
    told = list(sayings)
    match told:
        case [SpecialBegun(kind="extension", days=days), SpecialOver(result="refused")] if (
            clocks.unlawful_extension(case, days, clocks.today(work.now))
        ):
            return []
    return told


def _said(saying: Saying, refusal: HubError) -> HallRefused:
    if isinstance(saying, SpecialBegun) and (refusal.code, refusal.where) == ("bad_value", "limit"):
        return HallRefused("extension_unlawful", UNLAWFUL)
    return wording.in_chinese(refusal)


def _payload(work: Work, case: Case, saying: Saying) -> Payload:
    head = {"case_no": case["case_no"], "item_code": case["item_code"], "region": case["region"]}
    now = datetime.fromtimestamp(int(work.now), BEIJING)
    match saying:
        case StepSaid():
            return CaseStep.model_validate(
                {**head, **_step(work.connection, case, saying), "decided_at": now}
            )
        case SpecialBegun():
            return CaseSpecialStarted.model_validate({**head, **_special(saying), "started_at": now})
        case SpecialOver():
            over = {"number": saying.number, "result": saying.result, "finished_at": now}
            return CaseSpecialFinished.model_validate({**head, **over})
        case Ended():
            by = officer(work.connection, case, saying.by)
            ended = {"officer": by, "result": saying.result, "reason": saying.reason, "concluded_at": now}
            return CaseConcluded.model_validate({**head, **ended})


def _step(connection: Connection, case: Case, said: StepSaid) -> dict[str, Any]:
    return {
        "step": said.step,
        "step_name": said.name,
        "step_no": said.number,
        "officer": officer(connection, case, said.by),
        "opinion": said.opinion,
        "action": said.action,
    }


def _special(said: SpecialBegun) -> dict[str, Any]:
    limit = {"limit": {"count": said.days, "unit": "working_day"}} if said.days else {}
    return {
        "number": said.number, "kind": said.kind, "name": said.name, "reason": said.reason,
        "approver": said.approver, **limit,
    }  # fmt: skip


def officer(connection: Connection, case: Case, who: Person) -> dict[str, str]:
    """Who acted, for which body; a body without a credit code acts under the nearest one above that has it,
    and where there is none under that of the department in charge, for which the system acts too."""
    asked = (_IN_CHARGE, {"code": case["org"]}) if who.org == SYSTEM.org else (_ORG, {"code": who.org})
    row = run(connection, *asked).first()
    line = organisations.above(connection, row.path) if row and not row.uscc else []
    code = (
        row.uscc if row and row.uscc else next((one.uscc for one in reversed(line) if one.uscc), case["org"])
    )
    number = {"staff_no": who.id} if _STAFF_NO.fullmatch(who.id) else {}
    return {
        "organisation": row.name if row else who.org,
        "organisation_code": code,
        "name": who.name,
        **number,
    }

"""What people do in a process: one act is one event, one ledger line, the new to-dos and what the case is
told, all in one commit."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from dataclasses import fields as dataclass_fields
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Connection

from canonical.amounts import BEIJING
from canonical.errors import ValueRefused
from canonical.messages import CaseStep
from canonical.messages.parts import Opinion, Reason
from exchange.store.work import Work
from hallservice.approval import bpmn as bpmn_
from hallservice.approval import events
from hallservice.approval import picture as picture_
from hallservice.approval.engine import apply
from hallservice.approval.events import SYSTEM, VERBS, Actor, Asked, Deemed, Event, Person, Urged
from hallservice.approval.plan import Plan
from hallservice.approval.state import ActRefused, State
from hallservice.counter import standing
from hallservice.flows import keeping, reach, saying, staff, tasks, telling
from hallservice.flows.keeping import Instance
from hallservice.flows.staff import SYSTEM_CLERK
from hallservice.flows.starting import start
from hallservice.flows.wording import VERBS as WORDS
from hallservice.hall import Hall
from hallservice.people import separation
from hallservice.people.clerk import Clerk
from hallservice.refusals import FieldFault, FormRefused, HallRefused
from hallservice.supervision import urging

__all__ = ["Acted", "act", "bpmn", "deem", "of_case", "picture", "start"]

HANDLE, SUPERVISE, URGE = "approval.handle", "approval.supervise", "supervision.urge"
BY_HAND = VERBS.keys() - {"started", "deemed", "closed", "migrated"}
BY_SUPERVISORS = frozenset({"urged", "transferred", "answered", "resumed"})
BY_FUNCTION = {**dict.fromkeys(BY_SUPERVISORS, (SUPERVISE,)), "urged": (SUPERVISE, URGE)}
DEEMED = {"DEEM_RENEWED": "有效期届满前未作出决定，依{}视为准予延续"}
LONG: TypeAdapter[str] = TypeAdapter(Opinion)
SHORT: TypeAdapter[str] = TypeAdapter(Reason)


@dataclass(frozen=True, slots=True)
class Acted:
    """What an act came to: the number of the event, where the instance stands, what the case was told."""

    case_no: str
    number: int
    status: str
    told: tuple[str, ...]


def act(
    hall: Hall, clerk: Clerk, case_no: str, verb: str, /, *, expected: int | None = None, **fields: Any
) -> Acted:
    """One verb of `hallservice.approval.events` with the fields it has there; people are given by staff
    number. `expected`: how many events the person who acts had seen.

    HallRefused with the engine's code and words, `stale` naming who was first and when, or what the exchange
    says; FormRefused for fields that are wrong.
    """
    if verb not in BY_HAND:
        raise HallRefused("unknown_verb", "没有这种操作", verb)
    also = BY_FUNCTION.get(verb, ())
    if not (clerk.may(HANDLE) or any(clerk.may(function) for function in also)):
        clerk.expect(HANDLE)
    return hall.write(lambda work: act_in(hall, work, clerk, case_no, verb, fields, expected))


def act_in(
    hall: Hall,
    work: Work,
    clerk: Clerk,
    case_no: str,
    kind: str,
    fields: Mapping[str, Any],
    expected: int | None,
) -> Acted:
    """As `act`, within a commit that does more."""
    found = reach.seen(work.connection, clerk, case_no)
    if kind not in BY_SUPERVISORS:
        separation.note_hand(work, clerk, HANDLE, case_no)
    by = staff.actor(work.connection, clerk, found.plan, found.state)
    event = event_of(work.connection, moment(work, found.state), by, kind, fields)
    _expect_fresh(work.connection, found, event, expected)
    if isinstance(event, Asked) and event.kind == "extension" and event.days:
        saying.expect_extendable(work, case_no, event.days)
    done = commit(hall, work, clerk, found, event)
    standing.handled(work, clerk, case_no, CaseStep.TYPE)
    return done


def commit(
    hall: Hall, work: Work, clerk: Clerk, found: Instance, event: Event, plan: Plan | None = None
) -> Acted:
    """The event's whole effect; `plan` is the new one of a migration."""
    known = {found.plan.digest: found.plan, **({plan.digest: plan} if plan else {})}
    try:
        state = apply(known, found.state, event)
    except ActRefused as refused:
        raise HallRefused(refused.code, refused.message, found.case_no) from None
    said, told = telling.say(found.plan, found.state, event, state, found.told)
    after = replace(found, plan=known[state.plan], state=state, told=told)
    entry = keeping.keep(hall, work, clerk, after, event)
    tasks.renew(work, found.case_no, after.plan, state)
    if isinstance(event, Urged):
        urging.call(hall, work, found.case_no, event, entry)
    types = saying.tell(hall, work, clerk, found.case_no, said) if said else ()
    return Acted(found.case_no, state.count, state.status, types)


def event_of(connection: Connection, at: datetime, by: Actor, kind: str, fields: Mapping[str, Any]) -> Event:
    """The event a form amounts to; FormRefused."""
    named = _named(connection, kind, fields)
    _expect_text(kind, named)
    value = {"at": at.isoformat(), "by": _as_value(by), "verb": kind, **named}
    try:
        return events.from_json(json.dumps(value))
    except (ValueRefused, TypeError):
        raise FormRefused(_wrong(kind, value)) from None


def _wrong(kind: str, value: Mapping[str, Any]) -> list[FieldFault]:
    """Each field that is not of its form."""
    try:
        TypeAdapter(VERBS[kind]).validate_json(json.dumps(value, default=str), strict=True)
    except ValidationError as wrong:
        places = [str(one["loc"][0]) if one["loc"] else "" for one in wrong.errors(include_url=False)]
        return [FieldFault(place, "bad_value", "填写不正确") for place in dict.fromkeys(places)]
    return [FieldFault("", "bad_value", "填写不正确")]


def _named(connection: Connection, kind: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Staff numbers as persons."""
    found = dict(fields)
    for name in ("to", "who"):
        if name in found and not (kind == "returned" and name == "to"):
            found[name] = _people(connection, name, found[name])
    return found


def _people(connection: Connection, name: str, given: str | Sequence[str]) -> Any:
    numbers = [given] if isinstance(given, str) else list(given)
    known = staff.persons(connection, numbers)
    if not numbers or any(number not in known for number in numbers):
        raise FormRefused([FieldFault(name, "unknown_person", "请选择在职的工作人员")])
    people = [_as_value(known[number]) for number in numbers]
    return people[0] if isinstance(given, str) else people


def _as_value(person: Person) -> dict[str, Any]:
    """As an event names one."""
    return {one.name: getattr(person, one.name) for one in dataclass_fields(person)}


def _expect_text(kind: str, fields: Mapping[str, Any]) -> None:
    """What goes to the province has to fit there: reasons of 500 characters, opinions of 1,000."""
    text = fields.get("opinion") or ""
    short = kind == "asked" or (kind == "returned" and fields.get("to") == "applicant")
    try:
        (SHORT if short else LONG).validate_python(text or "-")
    except ValidationError:
        most = 500 if short else 1000
        fault = FieldFault("opinion", "bad_text", f"意见最长 {most} 个字，不能含控制字符")
        raise FormRefused([fault]) from None


def moment(work: Work, state: State) -> datetime:
    """Now, in whole seconds; never before what happened last."""
    return max(datetime.fromtimestamp(int(work.now), BEIJING), state.latest)


def _expect_fresh(connection: Connection, found: Instance, event: Event, expected: int | None) -> None:
    """Refuses what was decided on an older view of the same step, or of the whole, and says who was first."""
    if expected is None or expected >= found.state.count:
        return
    mine = getattr(event, "step", None)
    for one in keeping.happened(connection, found.id, expected):
        theirs = getattr(one.event, "step", None)
        if mine is None or theirs is None or mine == theirs:
            who, when = one.event.by.name, f"{one.event.at:%Y-%m-%d %H:%M}"
            did = WORDS[one.event.verb]
            raise HallRefused("stale", f"{who}已于{when}先行办理（{did}），请按最新情况再办", found.case_no)


def deem(hall: Hall, case_no: str, step: str) -> Acted:
    """The lawful default of a step past its due moment (R-04); refused where the law knows none."""

    def act(work: Work) -> Acted:
        found = keeping.get(work.connection, case_no)
        due = tasks.due(work, found.plan, found.state, step)
        if due is None:
            raise HallRefused("not_due", "这个环节没有正在计算的时限", case_no)
        place = found.plan.places[step].step
        event = Deemed(
            at=moment(work, found.state), by=SYSTEM, step=step, due=due, policy=place.overdue,
            basis=place.basis, opinion=DEEMED.get(place.overdue, "超过时限，依{}").format(place.basis),
        )  # fmt: skip
        return commit(hall, work, SYSTEM_CLERK, found, event)

    return hall.write(act)


def of_case(hall: Hall, clerk: Clerk, case_no: str) -> Instance:
    """The instance as it is now, for those whom the case concerns; HallRefused no_instance."""
    return hall.read(lambda connection: reach.seen(connection, clerk, case_no))


def picture(hall: Hall, clerk: Clerk, case_no: str) -> str:
    """Where the case stands, as SVG."""
    found = of_case(hall, clerk, case_no)
    return picture_.picture(found.plan, found.state)


def bpmn(hall: Hall, clerk: Clerk, case_no: str) -> bytes:
    """The plan the case runs, as BPMN 2.0 XML."""
    return bpmn_.bpmn(of_case(hall, clerk, case_no).plan)

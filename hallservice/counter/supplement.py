"""补正: one notice names everything to complete (S0-61, S3-32); then the case continues (S3-33), that of a
pre-review too when the applicant brings the papers to the window."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, select

from canonical.casetable import Event
from canonical.messages import (
    CaseApplied,
    CaseConcluded,
    CasePreReviewed,
    CaseSupplemented,
    CaseSupplementNoticed,
)
from exchange.store.tables import document
from exchange.store.work import Work
from hallservice.counter import materials, notices, receive
from hallservice.counter.accept import FUNCTION, Decided, received_at
from hallservice.counter.form import Check
from hallservice.counter.materials import Seen
from hallservice.counter.standing import Standing, begin, look, moment, tell
from hallservice.hall import Hall
from hallservice.people.clerk import Clerk
from hallservice.refusals import HallRefused
from ledger.prepared import run

WAITING = ("supplementing", "pre_supplement")
# State it waits in -> event that ends it where nothing came, result of the conclusion, its label.
# 补交不来 is of a supplement notice; what never got through its pre-review is deleted (S0-39).
ENDS: Mapping[str, tuple[Event, str, str]] = {
    "supplementing": (Event.SUPPLEMENT_EXPIRED, "supplement_missing", "补交不来办结"),
    "pre_supplement": (Event.CONCLUDED_DELETED, "deleted", "逾期未补正，删除办结"),
}
_REVIEWED = (
    select(document.c.canonical)
    .where(
        document.c.case_no == bindparam("of"),
        document.c.type == CasePreReviewed.TYPE,
        document.c.state == "accepted",
    )
    .order_by(document.c.entry.desc())
)
_PARTED = re.compile("[、；;\n]")
MOST_MORE = 20
NO_LIMIT = {"count": 0, "unit": "working_day"}


def notify(
    hall: Hall,
    clerk: Clerk,
    case_no: str,
    seen: int,
    problems: Mapping[int, str],
    more: Sequence[tuple[str, str]] = (),
    reason: str = "",
) -> Decided:
    """Ask for materials: `problems` by number of the item's, `more` (name, problem) beyond them."""
    check = Check()
    said = check.text("reason", reason, "补正理由", 500, lines=True)
    wanted = {
        no: check.text(f"problem-{no}", why, "需补正的内容", 500, lines=True) for no, why in problems.items()
    }
    extra = [
        (
            check.text(f"more-{at}", name, "材料名称", 200),
            check.text(f"more-{at}-problem", why, "需补正的内容", 500, lines=True),
        )
        for at, (name, why) in enumerate(more, 1)
    ]
    if not problems and not more:
        check.fault("materials", "required", "请至少选择一份需要补齐补正的材料")
    check.done()

    def act(work: Work) -> Decided:
        here = begin(work, clerk, case_no, seen, FUNCTION, Event.SUPPLEMENT_NOTICED)
        receive.prepare(work, here)
        numbered = {**wanted, **{materials.add(work, case_no, name): why for name, why in extra}}
        rows = _wanted(work, here, numbered)
        materials.want(work, case_no, numbered)
        payload = {
            **here.head,
            "sent_by": clerk.name,
            "reason": said,
            "materials": [
                {"name": row["name"], "count": row["copies"], "received_as": "paper"} for row in rows
            ],
            "noticed_at": moment(work.now),
        }
        tell(hall, work, clerk, CaseSupplementNoticed.model_validate(payload))
        paper = {
            "received_at": moment(received_at(here)),
            "promised": notices.limit_of(here.item.get("promised_limit", NO_LIMIT)),
            "reason": said,
            "materials": rows,
        }
        return Decided(notices.issue(work, clerk, here, "supplement", paper))

    return hall.write(act)


def _wanted(work: Work, here: Standing, problems: Mapping[int, str]) -> list[dict[str, object]]:
    known = {one.no: one for one in materials.of(work.connection, here.no)}
    if unknown := problems.keys() - known.keys():
        raise HallRefused("unknown_material", "没有这份材料", f"problem-{min(unknown)}")
    return [
        {"name": notices.line(known[no].name), "problem": why, "copies": max(known[no].copies, 1)}
        for no, why in problems.items()
    ]


def called_up(hall: Hall, clerk: Clerk, case_no: str) -> Standing:
    """补正续办: the waiting case by its number alone; HallRefused not_waiting."""
    here = hall.read(lambda connection: look(connection, clerk, case_no.strip().upper(), FUNCTION))
    if here.state not in WAITING:
        raise HallRefused("not_waiting", "这个办件不在补正中，请从待办或查询打开")
    return here


def supplemented(hall: Hall, clerk: Clerk, case_no: str, seen: int, came: Sequence[Seen]) -> None:
    """What was asked for has come; everything that was wanted has to be there."""

    def act(work: Work) -> None:
        here = begin(work, clerk, case_no, seen, FUNCTION, Event.SUPPLEMENTED)
        before = {one.no for one in materials.of(work.connection, case_no) if one.status == "wanted"}
        check = Check()
        laid = materials.look_at(work, case_no, came, check)
        for one in laid:
            if one.no in before and one.status not in ("received", "deferred"):
                check.fault(f"material-{one.no}", "missing", f"“{one.name}”还没有补来")
        check.done()
        got = [one for one in laid if one.no in before] or list(laid)
        payload = {
            **here.head,
            "received_by": clerk.name,
            "materials": materials.as_messages(got),
            "received_at": moment(work.now),
        }
        tell(hall, work, clerk, CaseSupplemented.model_validate(payload))

    hall.write(act)


@dataclass(frozen=True, slots=True)
class Corrected:
    """What the applicant of an online application sets right at the window: in words, and in the fields of
    the application that are filled in; blank ones stay as they are. `more`: papers beyond the item's list, by
    name, parted as Chinese lists are; `identified` as at receipt."""

    said: str
    more: str = ""
    contact_name: str = ""
    mobile: str = ""
    summary: str = ""
    identified: str = "seen"


def resubmitted(
    hall: Hall, clerk: Clerk, case_no: str, seen: int, came: Sequence[Seen], corrected: Corrected
) -> str:
    """The application handed in again at the window, by the message of one handed in again online, and taken
    in there; the number of the slip, '' where there is one."""
    check = Check()
    changes, more = _changes(check, corrected), _more(check, corrected.more)
    check.done()

    def act(work: Work) -> str:
        here = begin(work, clerk, case_no, seen, FUNCTION, Event.APPLIED)
        receive.prepare(work, here)
        check = Check()
        receive.expect_identified(check, corrected.identified)
        laid = materials.look_at(work, case_no, came, check)
        check.done()
        again = {
            **_merged(here.case["application"], changes),
            "materials": [*materials.as_messages(laid), *more],
            "applied_at": moment(work.now),
            "site": clerk.region,
        }
        tell(hall, work, clerk, CaseApplied.model_validate(again))
        if here.receipt is not None:
            return ""
        if not laid and more:
            materials.lay_out(work, case_no, here.item, more)
        whole = materials.of(work.connection, case_no)
        return receive.take_in(hall, work, clerk, here, whole, corrected.identified)

    return hall.write(act)


def _changes(check: Check, corrected: Corrected) -> dict[str, Any]:
    said = check.text("said", corrected.said, "补正情况", 500, lines=True)
    name = check.text("contact_name", corrected.contact_name, "联系人", 100, required=False)
    mobile = check.mobile("mobile", corrected.mobile) if corrected.mobile.strip() else ""
    summary = check.text("summary", corrected.summary, "办理摘要", 1000, required=False)
    contact = {key: value for key, value in (("name", name), ("mobile", mobile)) if value}
    return {"remark": said, "contact": contact, **({"summary": summary} if summary else {})}


def _more(check: Check, given: str) -> list[dict[str, Any]]:
    """Papers of the applicant's own naming, one each."""
    names = [name.strip() for name in _PARTED.split(given) if name.strip()]
    if len(names) > MOST_MORE:
        check.fault("more", "too_many", f"清单以外的材料一次最多登记 {MOST_MORE} 份")
    said = [check.text("more", name, "材料名称", 200) for name in names[:MOST_MORE]]
    return [{"name": name, "count": 1, "received_as": "paper"} for name in dict.fromkeys(said)]


def _merged(application: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The application as it is told again, as a message of its own and no correction of the first."""
    contact = {**application["contact"], **changes["contact"]}
    return {**application, **changes, "contact": contact, "version": 1}


def wanted(connection: Connection, case_no: str) -> str:
    """What the pre-review asked for last."""
    said = run(connection, _REVIEWED, {"of": case_no}).first()
    return str((said.canonical or {}).get("supplement_note", "")) if said is not None else ""


def expired(hall: Hall, clerk: Clerk, case_no: str, seen: int, reason: str) -> str:
    """Nothing came in the time set: 补交不来办结, of a pre-review 删除办结; the number of the conclusion
    notice."""
    check = Check()
    said = check.text("reason", reason, "办结理由", 500, lines=True)
    check.done()

    def act(work: Work) -> str:
        state = look(work.connection, clerk, case_no, FUNCTION).state
        event, result, label = ENDS.get(state, ENDS["supplementing"])
        here = begin(work, clerk, case_no, seen, FUNCTION, event)
        payload = {
            **here.head,
            "officer": here.officer(clerk),
            "result": result,
            "reason": said,
            "concluded_at": moment(work.now),
        }
        tell(hall, work, clerk, CaseConcluded.model_validate(payload))
        paper = {
            "concluded_at": moment(work.now),
            "result": notices.line(f"{label}：{said}"),
            "delivery": "窗口领取",
        }
        return notices.issue(work, clerk, here, "conclusion", paper)

    return hall.write(act)

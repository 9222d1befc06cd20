"""What comes next for a case, in every state of its table: the words, who does it, and the acts of the
counter that are open now."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from canonical.casetable import HANDED_OUT, MOVES, Event, State
from hallservice.counter.progress import RATABLE
from hallservice.counter.standing import Standing

S = State
APPLY, ACCEPT, FEE, DELIVER = "counter.apply", "counter.accept", "counter.fee", "counter.deliver"
APPLICANT, NOBODY = "申请人", "无"


class Act(NamedTuple):
    """One act: the function it needs, its path below the case, its words, its access key."""

    function: str
    path: str
    text: str
    key: str


@dataclass(frozen=True, slots=True)
class Beside:
    """What the case's own record does not say: the certificate that is owed or is there, and whether its
    department works in a system of its own."""

    owed: bool = False
    issued: bool = False
    own_system: bool = False


@dataclass(frozen=True, slots=True)
class Next:
    """`who` does it: people in words; `functions`: which of the hall's functions it needs, none where the
    hall has nothing to do."""

    said: str
    who: str
    functions: tuple[str, ...] = ()
    acts: tuple[Act, ...] = field(default=())


# Stage -> what may be done there.
ACTS: Mapping[str, tuple[Act, ...]] = {
    "prereview": (Act(ACCEPT, "/prereview", "预审", "A"),),
    "receive": (Act(APPLY, "/receive", "接件", "A"), Act(ACCEPT, "/accept", "直接受理", "B")),
    "accept": (Act(ACCEPT, "/accept", "受理、补正、不予受理", "A"),),
    "supplement": (Act(ACCEPT, "/supplemented", "补正续办", "A"),),
    "fee": (Act(FEE, "/fee", "核价与缴费", "A"),),
    "certificate": (Act(DELIVER, "/certificate", "制证与办结", "A"), Act(DELIVER, "/overlay", "套打", "O")),
    "deliver": (
        Act(DELIVER, "/deliver", "送达", "A"),
        Act(DELIVER, "/overlay", "套打", "O"),
        Act(DELIVER, "/evaluate", "评价", "V"),
    ),
    "done": (Act(DELIVER, "/evaluate", "评价", "V"),),
}
OWED = Act(DELIVER, "/certificate", "证照补发", "A")
PRINT = Act(DELIVER, "/certificate/file", "证照打印", "F")
REVERSED = Act(FEE, "/fee", "重新缴费", "Y")
# Path -> what it is in the case's table; whatever has none asks the services.
EVENTS: Mapping[str, tuple[Event, ...]] = {
    "/prereview": (Event.PRE_PASSED,), "/receive": (Event.RECEIVED,), "/accept": (Event.ACCEPTED,),
    "/supplemented": (Event.SUPPLEMENTED, Event.APPLIED), "/deliver": (Event.DELIVERED,),
}  # fmt: skip
WINDOW = "窗口受理人员"
ANSWER = "预审意见已经告知申请人：可以在网上补正后重新提交，也可以带材料到窗口补正续办"
HELD = "，期间不计入办理时限"
# State -> what comes next, who does it, with which functions. What depends on more is in `_special`.
SAID: Mapping[State, tuple[str, str, tuple[str, ...]]] = {
    S.DRAFT: ("申请还没有提交，提交以后才能办理", APPLICANT, ()),
    S.SUBMITTED: ("审查申请材料，作出受理、补正或不予受理的决定", WINDOW, (ACCEPT,)),
    S.PRE_SUPPLEMENT: (ANSWER, f"申请人；到窗口补正的由{WINDOW}办理", (ACCEPT,)),
    S.PRE_REFUSED: ("预审没有通过，办件已经结束；申请人改正后可以重新申请", NOBODY, ()),
    S.PRE_ACCEPTED: ("预审已经通过，申请人到窗口交材料，接件后受理", WINDOW, (APPLY, ACCEPT)),
    S.RECEIVED: ("审查申请材料，作出受理、补正或不予受理的决定", WINDOW, (ACCEPT,)),
    S.SUPPLEMENTING: (
        "等待申请人补齐补正；材料补来后续办，逾期不补的可以办结",
        f"申请人；续办由{WINDOW}",
        (ACCEPT,),
    ),
    S.NOT_ACCEPTED: ("不予受理，办件已经结束；申请人可以依法复议、诉讼", NOBODY, ()),
    S.ACCEPTED: ("等待审批部门承办", "", ()),
    S.UNDERTAKING: ("等待审批部门承办", "", ()),
    S.REVIEWING: ("等待审批部门审核", "", ()),
    S.APPROVING: ("等待审批部门作出决定", "", ()),
    S.SUSPENDED: (f"正在进行特别程序{HELD}；程序结束后继续审批", "", ()),
    S.EXTENSION_PENDING: ("已经申请延期，等待批准；期间时限照常计算", "", ()),
    S.DECIDED: ("制发证照，办结", "窗口发证人员", (DELIVER,)),
    S.AWAITING_PAYMENT: ("等待申请人缴费；银行收款以后由窗口确认", "申请人；确认由窗口收费人员", (FEE,)),
    S.CERTIFIED: ("证照已经签发，可以办结", "窗口发证人员", (DELIVER,)),
    S.CONCLUDED: ("登记送达，请申请人评价", "窗口发证人员", (DELIVER,)),
    S.DELIVERED: ("已经送达；接入了归档系统的，由系统自动归档，窗口没有要办的事", NOBODY, ()),
    S.ARCHIVED: ("已经归档，办件全部办完", NOBODY, ()),
}
APPROVAL = (S.ACCEPTED, S.UNDERTAKING, S.REVIEWING, S.APPROVING, S.SUSPENDED, S.EXTENSION_PENDING)
ENDED_EARLY = "已经按“{}”办结，没有要送达的结果"


def of(here: Standing, beside: Beside = Beside(), conclusion: str = "") -> Next:
    """What comes next; `conclusion`: the label of how the case ended."""
    said, who, functions = _special(here, beside, conclusion) or SAID[State(here.state)]
    if here.state in APPROVAL:
        where = "在部门自己的系统中办理，结果由交换平台送回" if beside.own_system else "在大厅的审批页面办理"
        who = f"{here.department}（{where}）"
    return Next(said, who, functions, _acts(here, beside))


def _special(here: Standing, beside: Beside, conclusion: str) -> tuple[str, str, tuple[str, ...]] | None:
    """Where the state alone does not say it."""
    stage, facts = here.row["stage"], here.case["facts"]
    if stage == "prereview" and here.state == S.SUBMITTED:
        return "预审网上提交的材料，通过后请申请人到窗口办理", WINDOW, (ACCEPT,)
    if stage == "receive" and here.state == S.SUBMITTED:
        return "申请人到窗口交材料，接件后受理", WINDOW, (APPLY, ACCEPT)
    if stage == "fee" and here.state == S.DECIDED:
        return "核价，出具缴费通知单；缴费确认以后制证、办结", "窗口收费人员", (FEE,)
    if facts["granted"] and facts["fee_due"] and here.state in HANDED_OUT:
        return (
            "缴款已被银行冲正，等待申请人重新缴纳；银行收款以后由窗口确认",
            "申请人；确认由窗口收费人员",
            (FEE,),
        )
    if stage == "deliver" and beside.owed:
        return "办件先行办结，等待电子证照系统签发证照；签发后登记送达", "窗口发证人员", (DELIVER,)
    if here.state == S.CONCLUDED and stage == "done":
        return ENDED_EARLY.format(conclusion), NOBODY, ()
    return None


def _acts(here: Standing, beside: Beside) -> tuple[Act, ...]:
    """The acts that are open: none of them leads to a page where nothing can be done."""
    facts = here.case["facts"]
    found = [one for one in ACTS.get(here.row["stage"], ()) if _open(one, here)]
    if beside.owed:
        found = [OWED if one.path == "/deliver" else one for one in found]
    if facts["granted"] and facts["fee_due"] and here.state in HANDED_OUT:
        found = [REVERSED, *(one for one in found if one.path != "/certificate")]
    if beside.issued and here.state in HANDED_OUT:
        found.append(PRINT)
    return tuple(found)


def _open(one: Act, here: Standing) -> bool:
    facts = here.case["facts"]
    if one.path == "/evaluate":
        return here.state in RATABLE and not facts["evaluated"]
    if one.path == "/overlay":
        return facts["granted"] is True
    events = EVENTS.get(one.path, ())
    return not events or any(here.state in MOVES[event] for event in events)

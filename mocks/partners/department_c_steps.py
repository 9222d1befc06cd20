"""What department C does with a case, as pure functions: which document is next, and what it says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from mocks.partners.common.clock import BEIJING
from mocks.partners.department_c_rules import BASIC, PROC, Known
from mocks.partners.department_steps import Department, falls

SPECIAL, DONE = "EA_JC_STEP_SPECIALNODE", "EA_JC_STEP_DONE"
PAID, ISSUED = "EA_JC_NOTICE:1", "EA_JC_NOTICE:2"
NODES: Final = {"1": ("2", "承办"), "2": ("3", "审核"), "3": ("4", "批准")}  # NODETYPE and NODENAME by SN
ROUTES: Final = {  # by letter: object, path at the hub, operation
    "P": (PROC, "/department_c/receiveProcInfo", "hubReceiveProcInfo"),
    "S": (SPECIAL, "/department_c/receiveSuspendInfo", "hubReceiveSuspendInfo"),
    "D": (DONE, "/department_c/receiveDoneInfo", "hubReceiveDoneInfo"),
}
Body = dict[str, object]
Sent = Mapping[str, bool]
"""Steps sent so far; True once the next may follow."""


@dataclass(frozen=True)
class Habits:
    """Every so-manieth case has a special procedure, is refused, is extended; 0 = none."""

    special_every: int
    refuse_every: int
    extend_every: int = 0  # whether an item may be extended is not the department's to see

    def specials(self, case: str) -> list[str]:
        """The special procedures of a case by SPECIALTYPE; their SN count from 1."""
        found = ["2"] if falls(case, self.special_every) else []
        return [*found, "1"] if falls(case, self.extend_every) else found


@dataclass(frozen=True)
class Scene:
    """A case, who works on it, and the Unix second it is."""

    case: str  # 28 characters
    known: Known
    department: Department
    habits: Habits
    now: float

    @property
    def refused(self) -> bool:
        """Whether the case is not permitted."""
        return falls(self.case, self.habits.refuse_every)


def walk(case: str, habits: Habits) -> list[str]:
    """All documents of a case in order, as letter and node sequence."""
    numbers = range(1, len(habits.specials(case)) + 1)
    return ["P-1", "P-2", *(f"S-{sn}-{end}" for sn in numbers for end in "01"), "P-3", "D"]


def next_step(scene: Scene, sent: Sent) -> str | None:
    """The document to send now, if any; nothing before an acceptance with NODERESULT 4."""
    if scene.known.get(PROC, {}).get("NODERESULT") != "4":
        return None
    for step in walk(scene.case, scene.habits):
        if step not in sent:
            return step if step != "D" or _may_conclude(scene) else None
        if not sent[step]:
            return None
    return None


def _may_conclude(scene: Scene) -> bool:
    """Refused, or everything the flags of the acceptance announce has come."""
    flags = scene.known[PROC]
    paid, issued = (
        flags["ISFEE"] == "0" or PAID in scene.known,
        flags["ISCERT"] == "0" or ISSUED in scene.known,
    )
    return scene.refused or (paid and issued)


def identity(step: str, case: str, version: int) -> str:
    """The contract's name of what the department sends."""
    letter, *parts = step.split("-")
    return "-".join((letter, f"44{case}", *parts, str(version)))


def body(step: str, scene: Scene, version: int) -> Body:
    """The members of a document."""
    letter, *parts = step.split("-")
    applied = scene.known[BASIC]
    head: Body = {
        "ORGBUSNO": f"44{scene.case}", "PROJID": f"WJ{scene.case[-10:]}", "ITEMCODE": applied["ITEMCODE"],
        "REGIONID": applied["REGIONID"], "DATAVER": version,
    }  # fmt: skip
    return head | WRITERS[letter](tuple(parts), scene)


def _officer(scene: Scene, count: int) -> Body:
    name, number = scene.department.officer(count)
    return {
        "ORGNAME": scene.department.name, "ORGCODE": scene.department.uscc, "USERNAME": name,
        "USERID": number,
    }  # fmt: skip


def _node(parts: tuple[str, ...], scene: Scene) -> Body:
    code, name = NODES[parts[0]]
    refused = parts[0] == "3" and scene.refused
    return {
        "NODETYPE": code, "NODENAME": name, "SN": parts[0], **_officer(scene, int(parts[0])),
        "NODERESULT": "3" if refused else "1",
        "NODEADV": "不符合法定条件，不予许可" if refused else f"{name}：材料齐全，符合要求，同意",
        "NODETIME": spaced(scene.now),
    }  # fmt: skip


def _special(parts: tuple[str, ...], scene: Scene) -> Body:
    number, end = parts
    said: Body = {"SPECIALNODETYPE": end, "SN": number, "SPECIALTIME": round(scene.now * 1000)}
    return said | ({"SPECIALRESULT": "1"} if end == "1" else _begin(int(number), scene))


def _begin(number: int, scene: Scene) -> Body:
    """An extension, or another procedure, which stops the clock."""
    approver, _ = scene.department.officer(3)
    if scene.habits.specials(scene.case)[number - 1] == "1":
        said: Body = {"SPECIALTYPE": "1", "SPECIALNAME": "延长审批", "REASON": "案情复杂，需延长审批期限"}
    else:
        said = {"SPECIALTYPE": "2", "SPECIALNAME": "专家评审", "REASON": "依法需要组织专家评审"}
    return said | {"APPROVER": approver, "LIMIT": 5, "LIMITUNIT": "2"}


def _done(parts: tuple[str, ...], scene: Scene) -> Body:
    fee = {"FEE": scene.known[PAID]["FEE"]} if PAID in scene.known else {}
    return _officer(scene, 3) | _result(scene) | fee | {"DONETIME": spaced(scene.now)}


def _result(scene: Scene) -> Body:
    if scene.refused:
        return {"DONERESULT": "1", "RESULTEXPLAIN": "不予许可", "EXITRES": "不符合法定条件"}
    if scene.known[PROC]["ISCERT"] == "0":
        return {"DONERESULT": "7", "RESULTEXPLAIN": "准予许可"}
    given = scene.known[ISSUED]
    limit = {"CERTIFICATELIMIT": given["CERTLIMIT"]} if "CERTLIMIT" in given else {}
    said: Body = {
        "DONERESULT": "0", "RESULTEXPLAIN": "准予许可", "CERTIFICATENAME": given["CERTNAME"],
        "CERTIFICATENO": given["CERTNO"],
    }  # fmt: skip
    return said | limit


WRITERS = {"P": _node, "S": _special, "D": _done}


def spaced(seconds: float) -> str:
    """yyyy-MM-dd HH:mm:ss in Beijing time."""
    return datetime.fromtimestamp(seconds, BEIJING).strftime("%Y-%m-%d %H:%M:%S")

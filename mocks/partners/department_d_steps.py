"""What department D does with a case, as pure functions: which row is next, and what its columns hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from mocks.partners.common.assemble import draw
from mocks.partners.common.clock import BEIJING
from mocks.partners.department_d_rules import ACCEPTED, APPLIED, Known
from mocks.partners.department_steps import Department, falls

PROC, SPECIAL, DONE = "EA_JC_STEP_PROC", "EA_JC_STEP_SPECIALNODE", "EA_JC_STEP_DONE"
PAID, ISSUED = "PRE_NOTICE:FEE", "PRE_NOTICE:CERT"
NODES: Final = {"1": "承办", "2": "审核", "3": "批准"}
TABLES: Final = {"P": PROC, "S": SPECIAL, "D": DONE}
CORRECTED: Final = "P-2"
Columns = dict[str, object]
Sent = Mapping[str, bool]
"""Steps written so far; True once the next may follow."""


@dataclass(frozen=True)
class Habits:
    """Every so-manieth case has a special procedure, is refused, extended, has a row corrected; 0 = none."""

    special_every: int
    refuse_every: int
    extend_every: int  # whether an item may be extended is not the department's to see
    correct_every: int
    seed: int = 0

    def specials(self, case: str) -> list[str]:
        """The special procedures of a case by specialtype; their sn count from 1."""
        found = ["2"] if falls(case, self.special_every) else []
        return [*found, "1"] if falls(case, self.extend_every) else found

    def correction(self, case: str) -> str:
        """When a row of the case is corrected: "early", "late" (after it was read), or "" for never."""
        if not self.correct_every or draw(self.seed, "correct", case) >= 1 / self.correct_every:
            return ""
        return "late" if draw(self.seed, "late", case) < 0.5 else "early"


@dataclass(frozen=True)
class Scene:
    """A case, who works on it, and the Unix second it is."""

    case: str
    known: Known
    department: Department
    habits: Habits
    now: float

    @property
    def refused(self) -> bool:
        """Whether the case is not permitted."""
        return falls(self.case, self.habits.refuse_every)


def walk(case: str, habits: Habits) -> list[str]:
    """All rows of a case in order, as letter and number."""
    numbers = range(1, len(habits.specials(case)) + 1)
    return ["P-1", "P-2", *(f"S-{sn}-{end}" for sn in numbers for end in "01"), "P-3", "D"]


def row_key(case: str, step: str) -> str:
    """The key of a step's row."""
    return f"{case}.{step}"


def next_step(scene: Scene, sent: Sent) -> str | None:
    """The row to write now, if any; nothing before an acceptance with acceptresult 1."""
    if scene.known.get(ACCEPTED, {}).get("acceptresult") != "1" or APPLIED not in scene.known:
        return None
    for step in walk(scene.case, scene.habits):
        if step not in sent:
            return step if step != "D" or _may_conclude(scene) else None
        if not sent[step]:
            return None
    return None


def _may_conclude(scene: Scene) -> bool:
    """Refused, or everything the flags of the acceptance announce has come."""
    flags = scene.known[ACCEPTED]
    paid, issued = (
        flags["isfee"] == "0" or PAID in scene.known,
        flags["iscert"] == "0" or ISSUED in scene.known,
    )
    return scene.refused or (paid and issued)


def columns(step: str, scene: Scene) -> Columns:
    """The business columns of a row but dataver."""
    letter, *parts = step.split("-")
    applied = scene.known[APPLIED]
    head: Columns = {
        "projid": scene.case, "areacode": applied["areacode"], "itemno": applied["itemno"],
        "orgbusno": f"ZJ{scene.case[-10:]}",
    }  # fmt: skip
    return head | WRITERS[letter](tuple(parts), scene)


def corrected(said: Columns) -> Columns:
    """The columns of a step after second thoughts."""
    return said | {"nodeadv": f"{said['nodeadv']}（更正：补充审核意见）"}


def _officer(scene: Scene, count: int) -> Columns:
    name, number = scene.department.officer(count)
    return {
        "deptname": scene.department.name, "deptcode": scene.department.uscc, "username": name,
        "userid": number,
    }  # fmt: skip


def _node(parts: tuple[str, ...], scene: Scene) -> Columns:
    code, name = parts[0], NODES[parts[0]]
    refused = code == "3" and scene.refused
    return {
        "sn": int(code), "nodetype": code, "nodename": name, "noderesult": "3" if refused else "1",
        "nodeadv": "不符合法定条件，不予许可" if refused else f"{name}：材料齐全，符合要求，同意",
        "nodetime": basic(scene.now), **_officer(scene, int(code)),
    }  # fmt: skip


def _special(parts: tuple[str, ...], scene: Scene) -> Columns:
    number, end = parts
    said: Columns = {"sn": int(number), "specialnodetype": end, "specialtime": basic(scene.now)}
    return said | ({"specialresult": "1"} if end == "1" else _begin(int(number), scene))


def _begin(number: int, scene: Scene) -> Columns:
    """An extension, or another procedure, which stops the clock."""
    approver, _ = scene.department.officer(3)
    if scene.habits.specials(scene.case)[number - 1] == "1":
        said: Columns = {"specialtype": "1", "specialname": "延长审批", "reason": "案情复杂，需延长审批期限"}
    else:
        said = {"specialtype": "2", "specialname": "现场勘验", "reason": "依法需要组织现场勘验"}
    return said | {"approver": approver, "limit_count": 5, "limit_unit": "1"}


def _done(parts: tuple[str, ...], scene: Scene) -> Columns:
    fee = {"fee": scene.known[PAID]["pay_amount"]} if PAID in scene.known else {}
    return _result(scene) | fee | {"donetime": basic(scene.now)} | _officer(scene, 3)


def _result(scene: Scene) -> Columns:
    if scene.refused:
        return {"doneresult": "7", "resultexplain": "不予许可"}
    if scene.known[ACCEPTED]["iscert"] == "0":
        return {"doneresult": "6", "resultexplain": "准予许可"}
    given = scene.known[ISSUED]
    return {
        "doneresult": "0", "resultexplain": "准予许可", "certificatename": given["cert_name"],
        "certificateno": given["cert_no"], "certificatelimit": given.get("cert_limit"),
    }  # fmt: skip


WRITERS = {"P": _node, "S": _special, "D": _done}


def basic(seconds: float) -> str:
    """yyyyMMddTHHmmss in Beijing time."""
    return datetime.fromtimestamp(seconds, BEIJING).strftime("%Y%m%dT%H%M%S")

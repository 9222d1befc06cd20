"""What department A does with a case, as pure functions: which feedback is next, and what it says."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

Body = dict[str, object]
Objects = Mapping[str, Mapping[str, object]]
"""What the hub pushed of one case, by object (0, 2, F, C)."""
Sent = Mapping[str, bool]
"""Steps sent so far; True once the next may follow."""

NAMES = {"1": "承办", "2": "审核", "3": "批准"}
FEE = "收费"  # BZ of object 2: the hub says that the case has a fee
SUSPEND, EXTEND = "B", "A"


@dataclass(frozen=True)
class Habits:
    """Every so-manieth case is suspended, extended or refused; 0 = none."""

    suspend_every: int
    extend_every: int
    refuse_every: int


@dataclass(frozen=True)
class Department:
    """Who acts; at least three of the staff, one for each approval step."""

    uscc: str
    name: str
    staff: tuple[str, ...]

    def officer(self, step: int) -> tuple[str, str]:
        """Name and staff number of who does the step, from 1."""
        place = (step - 1) % len(self.staff)
        return self.staff[place], f"A{place + 1:03d}"


def serial(case: str) -> int:
    """The six-digit serial of a case number; of a foreign number a number that is always the same."""
    digits = case[21:27]
    return int(digits) if len(case) == 28 and digits.isdigit() else zlib.crc32(case.encode())


def falls(case: str, every: int) -> bool:
    """Whether a case is an every-th one."""
    return every > 0 and serial(case) % every == 0


def specials(case: str, habits: Habits) -> list[str]:
    """The special procedures of a case, in order; their numbers (XH) count from 1."""
    found = [SUSPEND] if falls(case, habits.suspend_every) else []
    return [*found, EXTEND] if falls(case, habits.extend_every) else found


def walk(case: str, habits: Habits) -> list[str]:
    """All feedback of a case in order, as object:number."""
    between = [f"{no}:{xh}" for xh, _ in enumerate(specials(case, habits), start=1) for no in "56"]
    return ["3:1", "3:2", *between, "3:3", "4:1"]


def may_conclude(case: str, objects: Objects, habits: Habits, certificate: bool) -> bool:
    """Object 4 is due: refused, or everything the case waits for has come."""
    if falls(case, habits.refuse_every):
        return True
    fee = objects["2"].get("BZ") == FEE
    return (not fee or "F" in objects) and (not certificate or "C" in objects)


def next_step(case: str, objects: Objects, sent: Sent, habits: Habits, certificate: bool) -> str | None:
    """The feedback to send now, if any; nothing before an acceptance (object 2 with SLZTDM 1)."""
    if objects.get("2", {}).get("SLZTDM") != "1":
        return None
    for step in walk(case, habits):
        if step not in sent:
            ready = step != "4:1" or may_conclude(case, objects, habits, certificate)
            return step if ready else None
        if not sent[step]:
            return None
    return None


@dataclass(frozen=True)
class Scene:
    """Everything the text of a step is made of; now is yyyy-MM-dd HH:mm:ss."""

    case: str
    objects: Objects
    department: Department
    habits: Habits
    certificate: bool
    now: str

    @property
    def common(self) -> Body:
        """The members every object has."""
        accepted = self.objects["2"]
        kept = {name: accepted[name] for name in ("SBLSH", "SXBM", "XZQHDM", "SJBBH")}
        return kept | {"YWLSH": f"YW{self.case[-8:]}"}


def body(step: str, scene: Scene) -> Body:
    """The object of a step."""
    number, count = step.split(":")
    return scene.common | WRITERS[number](int(count), scene)


def _approval(count: int, scene: Scene) -> Body:
    refused = count == 3 and falls(scene.case, scene.habits.refuse_every)
    name, staff = scene.department.officer(count)
    return {
        "SPHJDM": str(count), "SPHJMC": NAMES[str(count)], "SPBMMC": scene.department.name,
        "SPBMZZJDMD": scene.department.uscc, "SPRXM": name, "SPRGH": staff,
        "SPYJ": "不符合法定条件，不予许可" if refused else "材料齐全，符合要求，同意", "SPSJ": scene.now,
        "SPHJZTDM": "3" if refused else "1", "SPBZH": count,
    }  # fmt: skip


def _special_started(count: int, scene: Scene) -> Body:
    kind = specials(scene.case, scene.habits)[count - 1]
    approver, _ = scene.department.officer(3)
    names = {SUSPEND: "听证", EXTEND: "延长审批"}
    reasons = {SUSPEND: "依法需要组织听证", EXTEND: "案情复杂，需延长审批期限"}
    return {
        "XH": count, "TBCXZL": kind, "TBCXZLMC": names[kind], "TBCXKSRQ": scene.now, "TBCXPZR": approver,
        "TBCXQDLY": reasons[kind], "TBCXSX": 10, "TBCXSXDW": "G",
    }  # fmt: skip


def _special_finished(count: int, scene: Scene) -> Body:
    return {"XH": count, "TBCXJG": "1", "TBCXJSRQ": scene.now}


def _conclusion(count: int, scene: Scene) -> Body:
    name, _ = scene.department.officer(3)
    said: Body = {
        "BJBMMC": scene.department.name, "BJBMZZJDDM": scene.department.uscc, "BLRXM": name, "BJSJ": scene.now
    }  # fmt: skip
    return said | _result(scene) | _fee(scene)


def _result(scene: Scene) -> Body:
    if falls(scene.case, scene.habits.refuse_every):
        return {"BJJGDM": "6", "BJJGMS": "不予许可"}
    if not scene.certificate:
        return {"BJJGDM": "6", "BJJGMS": "准予许可"}
    given = scene.objects["C"]
    said: Body = {"BJJGDM": "0", "BJJGMS": "准予许可", "ZJGZMC": given["ZZMC"], "ZJBH": given["ZZBH"]}
    return said | ({"ZJYXQX": given["YXQZ"]} if "YXQZ" in given else {})


def _fee(scene: Scene) -> Body:
    """Whole yuan: the contract's object 4 knows no fen."""
    if "F" not in scene.objects:
        return {}
    yuan = Decimal(str(scene.objects["F"]["SFJE"])).quantize(Decimal(1), ROUND_HALF_UP)
    return {"SFJE": int(yuan), "JEDWDM": "CNY"}


WRITERS = {"3": _approval, "4": _conclusion, "5": _special_started, "6": _special_finished}

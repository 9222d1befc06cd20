"""What department B does with a case, as pure functions: which document is due, and what it says."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from mocks.partners.certificate_types import check_character
from mocks.partners.department_b_rules import Tree, branch, text
from mocks.partners.department_steps import serial

Sent = Mapping[str, bool]
"""Steps sent so far; True once the next may follow."""

NODES = {1: ("10", "承办"), 2: ("20", "审核"), 3: ("30", "批准")}
OPERATIONS = {
    "HJ": "PushProcess", "TS": "PushProcess", "TJ": "PushProcess", "BJ": "PushResult", "ZZ": "PushCertificate"
}  # fmt: skip
EXTENDED, OTHER = "1", "2"


@dataclass(frozen=True)
class Habits:
    """Every so-manieth case has a special procedure or is refused (0 = none), shifted by the seed."""

    special_every: int
    refuse_every: int
    seed: int

    def special(self, case: str) -> bool:
        """Whether a case has a special procedure."""
        return self.special_every > 0 and (serial(case) + self.seed) % self.special_every == 0

    def refused(self, case: str) -> bool:
        """Whether a case is refused."""
        return self.refuse_every > 0 and (serial(case) + self.seed) % self.refuse_every == 0


@dataclass(frozen=True)
class Department:
    """Who acts: staff by step, and the items (31 or 12 characters) whose certificates are its own."""

    uscc: str
    name: str
    staff: tuple[str, ...]
    own_items: frozenset[str]

    def officer(self, step: int) -> dict[str, str]:
        """The members of OFFICER for a step, from 1."""
        place = (step - 1) % len(self.staff)
        return {
            "BLBM": self.name, "TYSHXYDM": self.uscc, "D_ZZJGDM": self.uscc[8:17],
            "BLR": self.staff[place], "BLRGH": f"B{place + 1:03d}",
        }  # fmt: skip


@dataclass(frozen=True)
class Scene:
    """One case: DATA of what the hub sent, by KIND."""

    case: str
    known: Mapping[str, Tree]
    department: Department
    habits: Habits

    @property
    def acceptance(self) -> Tree:
        """SPSHOULI; empty before SL."""
        return branch(self.known.get("SL", {}), "SPSHOULI")

    @property
    def fee(self) -> bool:
        """Whether the case has a fee."""
        return text(self.acceptance, "SFSF") == "1"

    @property
    def certificate(self) -> bool:
        """Whether the item ends with a certificate."""
        return text(self.acceptance, "SFCZ") == "1"

    @property
    def own(self) -> bool:
        """Whether that certificate is the department's own."""
        item = text(self.known["SQ"], "SXBM")
        return self.certificate and bool({item, item[-12:]} & self.department.own_items)

    @property
    def refused(self) -> bool:
        """Whether the department says no."""
        return self.habits.refused(self.case)

    @property
    def paid(self) -> bool:
        """Nothing is owed."""
        return not self.fee or "FEE" in self.known

    def walk(self) -> list[str]:
        """All documents of a case in order, as KIND:number."""
        between = ["TS:1", "TJ:1"] if self.habits.special(self.case) else []
        papers = ["ZZ:1"] if self.own and not self.refused else []
        return ["HJ:1", "HJ:2", *between, "HJ:3", *papers, "BJ:1"]

    def ready(self, step: str) -> bool:
        """Whether what a document waits for has come."""
        if step[:2] not in ("ZZ", "BJ") or self.refused:
            return True
        if step[:2] == "ZZ" or not self.certificate:
            return self.paid
        return self.own or "CERT" in self.known

    def next_step(self, sent: Sent) -> str | None:
        """The document to send now, if any; none before SL."""
        if "SQ" not in self.known or not self.acceptance:
            return None
        for step in self.walk():
            if step not in sent:
                return step if self.ready(step) else None
            if not sent[step]:
                return None
        return None


def data_of(step: str, scene: Scene, now: str) -> dict[str, object]:
    """DATA of a document; `now` is yyyy-MM-dd HH:mm:ss."""
    kind, count = step[:2], int(step[3:])
    if kind == "ZZ":
        return {"CASENO": scene.case, "SPZHENGZHAO": _own_certificate(scene)}
    names = ("CASENO", "SXBM", "SXJBBM", "XZQHDM", "VERSION")
    common = {name: text(scene.known["SL"], name) for name in names} | {"YWLSH": f"YW{scene.case[-8:]}"}
    if kind == "HJ":
        return common | {"SPHUANJIE": _node(count, scene, now)}
    if kind == "BJ":
        return common | {"SPBANJIE": _conclusion(scene, now)}
    return common | {"SPTEBIECHENGXU": _begun(count, scene, now) if kind == "TS" else _ended(count, now)}


def _node(count: int, scene: Scene, now: str) -> dict[str, str]:
    code, name = NODES[count]
    no = count == 3 and scene.refused
    opinion = "不符合法定条件，不予许可" if no else "材料齐全，符合要求，同意"
    officer = scene.department.officer(count)
    return {
        "HJDM": code, "HJMC": name, "BZH": str(count), **officer, "YJ": opinion, "BLSJ": now,
        "JG": "3" if no else "1",
    }  # fmt: skip


def special_kind(case: str) -> str:
    """ZL of a case's special procedure: the clock stops (2) or the time is extended (1), by turns."""
    return OTHER if serial(case) % 2 else EXTENDED


def _begun(count: int, scene: Scene, now: str) -> dict[str, str]:
    kind, approver = special_kind(scene.case), scene.department.officer(3)["BLR"]
    name, why = ("听证", "依法需要组织听证") if kind == OTHER else ("延长审批", "案情复杂，需延长审批期限")
    return {
        "XH": str(count), "ZL": kind, "MC": name, "KSSJ": now, "PZR": approver, "LY": why, "SX": "10",
        "SXDW": "1",
    }  # fmt: skip


def _ended(count: int, now: str) -> dict[str, str]:
    return {"XH": str(count), "JG": "1", "JSSJ": now}


def _conclusion(scene: Scene, now: str) -> dict[str, str]:
    return scene.department.officer(3) | _result(scene) | _money(scene) | {"BJSJ": now}


def _result(scene: Scene) -> dict[str, str]:
    if scene.refused:
        return {"BJJG": "6", "JGMS": "不予许可"}
    if not scene.certificate:
        return {"BJJG": "6", "JGMS": "准予许可"}
    given = _own_certificate(scene) if scene.own else branch(scene.known["CERT"], "SPZHENGZHAO")
    said = {"BJJG": "0", "JGMS": "准予许可", "ZZBH": text(dict(given), "ZZBH")}
    more = {"ZZMC": text(dict(given), "ZZMC"), "ZZYXQ": text(dict(given), "YXQZ")}
    return said | {name: value for name, value in more.items() if value}


def _money(scene: Scene) -> dict[str, str]:
    paid = text(branch(scene.known.get("FEE", {}), "SPJIAOFEI"), "JE")
    return {"SFJE": f"{Decimal(paid):.2f}"} if paid else {}


def own_number(case: str) -> str:
    """The number of the department's own certificate: no two cases have the same."""
    return f"粤{case[:6]}〔{case[12:16]}〕{case[16:27]}号"


def identifier(case: str, uscc: str) -> str:
    """ZZBS by GB/T 36904: type, body, a serial of nine digits, version, check character."""
    serial9 = int(hashlib.sha256(case.encode()).hexdigest(), 16) % 10**9
    parts = (f"{uscc}001", uscc, f"{serial9:09d}", "001")
    return ".".join(("1.2.156.3005.2", *parts, check_character("".join(parts))))


def _own_certificate(scene: Scene) -> dict[str, str]:
    file = own_file(scene.case)
    return {
        "ZZBS": identifier(scene.case, scene.department.uscc), "ZZBH": own_number(scene.case), "ZT": "1",
        "WJMC": f"{scene.case}.pdf", "WJDX": str(len(file)), "SHA256": hashlib.sha256(file).hexdigest(),
    }  # fmt: skip


def own_file(case: str) -> bytes:
    """A PDF of one page that names the case; the same bytes every time."""
    page = f"BT /F1 18 Tf 72 720 Td (Certificate of case {case}) Tj ET".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%b\nendstream" % (len(page), page),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    out, places = b"%PDF-1.4\n", []
    for number, value in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, value)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    head = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    tail = b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, len(out))
    return out + head + table + tail


def attachment(step: str, case: str) -> str:
    """The argument base64 of a document; empty where its operation has none."""
    return base64.b64encode(own_file(case)).decode() if step[:2] == "ZZ" else ""

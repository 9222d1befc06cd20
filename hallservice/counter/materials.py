"""Materials of a case: those its item version asks for, each with its review points (S3-31)."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from canonical.codes import code_list
from canonical.messages import FoundCertificate
from canonical.messages import Material as MaterialLine
from exchange.store.work import Work
from hallservice.counter.form import Check
from hallservice.counter.tables import hall_material
from hallservice.refusals import HallRefused
from ledger.prepared import run

_OF = select(hall_material).where(hall_material.c.case_no == bindparam("of")).order_by(hall_material.c.no)
_POINT = re.compile(r"[;；\n]+")
REQUIRED, DEFERRABLE = "required", "deferrable"
STATUSES: Mapping[str, str] = {
    "awaited": "待收", "received": "已收", "deferred": "容缺后补", "wanted": "需补正",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Material:
    """One line of the acceptance screen."""

    no: int
    name: str
    necessity: str
    source: str
    copies: int
    points: tuple[str, ...]
    checked: tuple[int, ...]
    received_as: str
    status: str
    count: int
    problem: str
    certificate: str
    certificate_name: str

    @property
    def needed(self) -> str:
        """必要, 非必要 or 容缺后补."""
        return label("material_necessity", self.necessity)

    @property
    def told(self) -> str:
        """已收, 待收 …"""
        return STATUSES[self.status]


@dataclass(frozen=True, slots=True)
class Seen:
    """What a clerk says of one material: `status`, how it came, how many, and which points hold."""

    no: int
    status: str
    received_as: str = "paper"
    count: str = "1"
    checked: tuple[int, ...] = ()


def of(connection: Connection, case_no: str) -> tuple[Material, ...]:
    """In the order of the item."""
    return tuple(_shown(row._asdict()) for row in run(connection, _OF, {"of": case_no}))


def _shown(row: Mapping[str, Any]) -> Material:
    said = {name: value for name, value in row.items() if name != "case_no"}
    said |= {name: tuple(said[name]) for name in ("points", "checked")}
    said |= {name: said[name] or "" for name in ("problem", "certificate", "certificate_name")}
    return Material(**said)


def points(text: str | None) -> tuple[str, ...]:
    """The review points of one material: one a line, or parted by semicolons."""
    found = (part.strip(" 　。") for part in _POINT.split(text or ""))
    return tuple(part for part in found if part)


def lay_out(
    work: Work, case_no: str, item: Mapping[str, Any], handed_in: Sequence[Mapping[str, Any]]
) -> None:
    """The rows of a new case: what the item asks for, then what was handed in beyond it."""
    asked = sorted(item.get("materials", ()), key=lambda one: one["order"])
    rows = [_row(case_no, no, one, handed_in) for no, one in enumerate(asked, 1)]
    names = {one["name"] for one in asked}
    more = [one for one in handed_in if one["name"] not in names]
    rows += [_extra(case_no, len(rows) + at, one) for at, one in enumerate(more, 1)]
    if rows:
        work.connection.execute(insert(hall_material), rows)


def asked_by(item: Mapping[str, Any]) -> tuple[Material, ...]:
    """What an item asks for, before there is a case."""
    asked = sorted(item.get("materials", ()), key=lambda one: one["order"])
    return tuple(_shown(_row("", no, one, ())) for no, one in enumerate(asked, 1))


def _row(case_no: str, no: int, one: Mapping[str, Any], got: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    came = next((other for other in got if other["name"] == one["name"]), None)
    return {
        **_blank(case_no, no, one["name"]),
        "necessity": one["necessity"],
        "source": one["source"],
        "copies": one["copies"],
        "points": list(points(one.get("review_point"))),
        "status": "received" if came else "awaited",
        "received_as": came["received_as"] if came else "paper",
        "count": came["count"] if came else 0,
    }


def _extra(case_no: str, no: int, one: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **_blank(case_no, no, one["name"]),
        "necessity": "optional",
        "status": "received",
        "received_as": one["received_as"],
        "count": one["count"],
    }


def hand_in(work: Work, case_no: str, came: Sequence[MaterialLine]) -> None:
    """What came again for a case whose materials are laid out: what was awaited is there, what is new is
    added; what was looked at before stays looked at."""
    known = {one.name: one for one in of(work.connection, case_no)}
    if not known:
        return
    for line in came:
        one = known.get(line.name)
        if one is None:
            row = _extra(case_no, 1 + len(known), line.model_dump())
            work.connection.execute(insert(hall_material), row)
            known[line.name] = _shown(row)
        elif one.status in ("awaited", "wanted"):
            mine = (hall_material.c.case_no == case_no) & (hall_material.c.no == one.no)
            values = {"status": "received", "received_as": line.received_as, "count": line.count}
            work.connection.execute(update(hall_material).where(mine).values(**values))


def _blank(case_no: str, no: int, name: str) -> dict[str, Any]:
    fixed = {"source": "applicant", "copies": 1, "points": [], "checked": [], "problem": None}
    return {
        "case_no": case_no,
        "no": no,
        "name": name,
        **fixed,
        "certificate": None,
        "certificate_name": None,
    }


def look_at(work: Work, case_no: str, seen: Iterable[Seen], check: Check) -> tuple[Material, ...]:
    """Keep what the clerk says of each material; faults carry the field `material-<no>`."""
    known = {one.no: one for one in of(work.connection, case_no)}
    for said in seen:
        one = known.get(said.no)
        if one is None:
            raise HallRefused("unknown_material", "没有这份材料", f"material-{said.no}")
        known[said.no] = _kept(work, case_no, one, said, check)
    return tuple(known[no] for no in sorted(known))


def _kept(work: Work, case_no: str, one: Material, said: Seen, check: Check) -> Material:
    name = f"material-{one.no}"
    if said.status not in STATUSES:
        check.fault(name, "bad_choice", f"请选择“{one.name}”的收取情况")
        return one
    if said.status == "deferred" and one.necessity == REQUIRED:
        check.fault(name, "not_deferrable", f"“{one.name}”是必要材料，不能容缺")
    got = said.status == "received"
    count = check.whole(f"{name}-count", said.count, f"“{one.name}”的份数", 1, 999) if got else 0
    how = check.choice(f"{name}-as", said.received_as, f"“{one.name}”的收取方式", "material_received_as")
    checked = tuple(sorted(set(said.checked) & set(range(1, len(one.points) + 1))))
    values = {"status": said.status, "received_as": how, "count": count, "checked": list(checked)}
    if not check.faults:
        mine = (hall_material.c.case_no == case_no) & (hall_material.c.no == one.no)
        work.connection.execute(update(hall_material).where(mine).values(**values))
    return replace(one, status=said.status, received_as=how, count=count, checked=checked)


def expect_complete(found: Sequence[Material], check: Check) -> None:
    """What has to be there before acceptance: every required material, each review point looked at."""
    for one in found:
        name = f"material-{one.no}"
        if one.necessity == REQUIRED and one.status != "received":
            check.fault(name, "missing", f"必要材料“{one.name}”还没有收到，不能受理；可发补正通知")
        elif one.necessity == DEFERRABLE and one.status not in ("received", "deferred"):
            check.fault(name, "missing", f"“{one.name}”没有收到，请选“容缺后补”或发补正通知")
        elif one.status == "received" and len(one.checked) < len(one.points):
            left = len(one.points) - len(one.checked)
            check.fault(name, "unchecked", f"“{one.name}”还有 {left} 个审查要点没有核对")


def as_messages(found: Sequence[Material]) -> list[dict[str, Any]]:
    """What came, as messages name it."""
    return [
        {"name": one.name, "count": one.count, "received_as": one.received_as}
        for one in found
        if one.status == "received"
    ]


def want(work: Work, case_no: str, problems: Mapping[int, str]) -> None:
    """The materials a supplement notice asks for, each with what is wrong with it."""
    for no, problem in problems.items():
        mine = (hall_material.c.case_no == case_no) & (hall_material.c.no == no)
        values = {"status": "wanted", "problem": problem, "checked": []}
        work.connection.execute(update(hall_material).where(mine).values(**values))


def add(work: Work, case_no: str, name: str, necessity: str = "optional") -> int:
    """A material beyond the item's list; its number."""
    no = 1 + max((one.no for one in of(work.connection, case_no)), default=0)
    row = {**_blank(case_no, no, name), "necessity": necessity, "status": "awaited", "received_as": "paper"}
    work.connection.execute(insert(hall_material), {**row, "count": 0})
    return no


def link(work: Work, case_no: str, found: Iterable[FoundCertificate]) -> int:
    """Valid certificates of the library stand for the awaited materials of their name; how many."""
    linked = 0
    for one in of(work.connection, case_no):
        match = next((cert for cert in found if _same(one.name, cert.name)), None)
        if match is not None and one.status in ("awaited", "wanted"):
            linked += 1
            link_one(work, case_no, one.no, match.identifier, match.name)
    return linked


def link_one(work: Work, case_no: str, no: int, identifier: str, name: str) -> None:
    """This certificate stands for that material."""
    mine = (hall_material.c.case_no == case_no) & (hall_material.c.no == no)
    values = {"status": "received", "count": 1, "received_as": "certificate_library"}
    named = {"certificate": identifier, "certificate_name": name}
    work.connection.execute(update(hall_material).where(mine).values(**values, **named))


def _same(material: str, certificate: str) -> bool:
    """营业执照 stands for 营业执照 and for 营业执照副本（复印件）, not the other way round."""
    return bool(certificate) and material.startswith(certificate)


def label(codes: str, name: str) -> str:
    """The Chinese label of a code list's English name."""
    return code_list(codes).label_of(name)

"""What happened to a case, for staff: every step with who took it, when and what was said (S0-64)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, select

from exchange.store.tables import document
from hallservice.counter.materials import label
from hallservice.counter.progress import TOLD
from hallservice.counter.standing import PARTNERS, Standing, name_in
from ledger.prepared import run

_ROWS = (
    select(
        document.c.entry,
        document.c.type,
        document.c.at,
        document.c.body,
        document.c.party,
        document.c.canonical,
    )
    .where(
        document.c.case_no == bindparam("of"),
        document.c.state == "accepted",
        document.c.direction != "out",
    )
    .order_by(document.c.entry)
)
MORE: Mapping[str, str] = {
    "fee.requested.v1": "核价，发出缴费通知", "certificate.requested.v1": "申请制证",
    "certificate.searched.v1": "查询电子证照", "parcel.requested.v1": "申请邮寄",
    "fee.reversed.v1": "银行冲正", "archive.result.v1": "归档",
}  # fmt: skip
RESULTS: Mapping[str, str] = {
    "case.pre_reviewed.v1": "pre_review_result", "case.accepted.v1": "acceptance_result",
    "case.concluded.v1": "conclusion_result", "case.special_finished.v1": "special_result",
}  # fmt: skip
WORDS = ("opinion", "reason", "supplement_note", "result_text", "deemed_basis")


@dataclass(frozen=True, slots=True)
class Step:
    """One line: what, when (Unix seconds), by whom, what came of it, what was said."""

    what: str
    at: float
    who: str
    result: str
    said: str


def of_case(connection: Connection, here: Standing) -> tuple[Step, ...]:
    """In the order things came, the taking-in of the papers among them."""
    titles = {**TOLD, **MORE}
    rows = [row for row in run(connection, _ROWS, {"of": here.no}) if row.type in titles]
    steps = [(row.entry, _step(row, titles[row.type])) for row in rows]
    if here.receipt is not None:
        got = here.receipt
        steps.append((got["entry"], Step("接件", got["at"], got["clerk"], "", got["org_name"])))
    return tuple(step for _, step in sorted(steps, key=lambda one: one[0]))


def _step(row: Any, title: str) -> Step:
    said = row.canonical or {}
    who = name_in(row.body) or _named(said) or PARTNERS
    words = next((str(said[key]) for key in WORDS if said.get(key)), "")
    again = "（补记）" if row.type == "case.concluded.v1" and said.get("version", 1) > 1 else ""
    return Step(str(said.get("step_name") or title) + again, row.at, who, _result(row.type, said), words)


def _named(said: Mapping[str, Any]) -> str:
    officer = said.get("officer") or {}
    return str(officer.get("name") or said.get("sent_by") or said.get("received_by") or "")


def _result(kind: str, said: Mapping[str, Any]) -> str:
    if kind == "case.step.v1":
        return label("step_action", str(said["action"]))
    if kind == "case.evaluated.v1":
        return label("satisfaction", str(said["satisfaction"]))
    if said.get("deemed_basis"):
        return "视为受理"
    codes = RESULTS.get(kind)
    return label(codes, str(said["result"])) if codes else ""

"""How far the cases of a work list are with what was asked of a partner: which of them wait for the partner,
and which for the window."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Column, Connection, Table, select

from hallservice.counter.tables import hall_certificate, hall_fee, hall_parcel
from hallservice.counter.turneddown import REFUSED


class Told(NamedTuple):
    """In few words; `kind` is the badge's: bad and warn are for the window to act on, plain waits."""

    kind: str
    text: str


NEW: Mapping[str, Told] = {
    "fee": Told("warn", "待核价"), "certificate": Told("warn", "待办理"), "deliver": Told("warn", "待领取"),
}  # fmt: skip
FEE: Mapping[str, Told] = {
    "requested": Told("plain", "等待通知书号"), "noticed": Told("plain", "待缴费"),
    "paid": Told("warn", "已缴费，待确认"), "reversed": Told("bad", "已冲正，须重新核价"),
    REFUSED: Told("bad", "收费系统未受理"),
}  # fmt: skip
CERTIFICATE: Mapping[str, Told] = {
    "requested": Told("plain", "等待签发"), "pending_seal": Told("plain", "等待签章"),
    "issued": Told("warn", "已签发，待办结"), REFUSED: Told("bad", "证照系统未受理"),
}  # fmt: skip
PARCEL: Mapping[str, Told] = {
    "requested": Told("plain", "已下单"), "booked": Told("plain", "已取得运单号"),
    "signed": Told("warn", "已签收，待登记"), "returned": Told("bad", "快件退回"),
    "lost": Told("bad", "快件丢失"), REFUSED: Told("bad", "快递公司未接单"),
}  # fmt: skip
OWED = Told("warn", "证照待补发")
ON_ITS_WAY = Told("plain", "邮寄途中")
# Stage -> the table of what is asked there, the column that says how far it is, the words.
ASKED: Mapping[str, tuple[Table, Column[str], Mapping[str, Told]]] = {
    "fee": (hall_fee, hall_fee.c.state, FEE),
    "certificate": (hall_certificate, hall_certificate.c.state, CERTIFICATE),
    "deliver": (hall_parcel, hall_parcel.c.status, PARCEL),
}


def told(connection: Connection, stage: str, cases: Sequence[str]) -> Mapping[str, Told]:
    """Case -> how far it is, by the request made last; of a stage that asks nobody, nothing."""
    if stage not in ASKED or not cases:
        return {}
    table, state, words = ASKED[stage]
    query = select(table.c.case_no, state).where(table.c.case_no.in_(cases)).order_by(table.c.request_id)
    last = {case_no: words.get(said, ON_ITS_WAY) for case_no, said in connection.execute(query)}
    owed = _owed(connection, cases) if stage == "deliver" else {}
    return {**dict.fromkeys(cases, NEW[stage]), **last, **owed}


def _owed(connection: Connection, cases: Sequence[str]) -> Mapping[str, Told]:
    """Those concluded without waiting for their certificate: while it is not there nothing is handed out."""
    c = hall_certificate.c
    query = select(c.case_no, c.state, c.later).where(c.case_no.in_(cases)).order_by(c.request_id)
    last = {row.case_no: (row.later, row.state) for row in connection.execute(query)}
    found = {no: state for no, (later, state) in last.items() if later and state != "issued"}
    return {no: CERTIFICATE[REFUSED] if state == REFUSED else OWED for no, state in found.items()}

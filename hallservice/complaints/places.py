"""Whose complaint it is: the body complained of, else the division; and who may look at it there."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, bindparam, or_, select

from canonical.values import RegionCode
from exchange.store.tables import document
from hallservice.complaints.tables import hall_complaint
from hallservice.people.clerk import Clerk
from hallservice.people.filtering import within
from hallservice.people.tables import org
from hallservice.refusals import HallRefused
from ledger.prepared import run

REGISTER, HANDLE, VIEW = "complaints.register", "complaints.handle", "complaints.view"
STATES: Mapping[str, str] = {"registered": "待答复", "resolved": "已办结"}
UNKNOWN = "没有这件投诉，或者不在您的管辖范围内"
DIVISION = "division"
C = hall_complaint.c
JOINED = hall_complaint.join(org, org.c.code == C.about, isouter=True)
SHOWN = (hall_complaint, org.c.path, org.c.name.label("place"), org.c.kind.label("place_kind"))
_ONE = select(*SHOWN).select_from(JOINED).where(C.id == bindparam("of"))
_BODY = select(org.c.code).where(org.c.uscc == bindparam("of"))
_DIVISION = select(org.c.code).where(org.c.code == bindparam("of"), org.c.kind == DIVISION)
_SAID = select(document.c.canonical).where(document.c.entry == bindparam("of"))


def about(connection: Connection, uscc: str | None, region: str) -> str:
    """The organisation whose supervisors see it: of that credit code, else the region's own or the nearest
    above it that the hall has; '' without any."""
    body = run(connection, _BODY, {"of": uscc}).scalar() if uscc else None
    if body is not None:
        return str(body)
    code = RegionCode(region).prefix
    for length in (12, 9, 6, 4, 2):
        found = run(connection, _DIVISION, {"of": code[:length]}).scalar()
        if found is not None:
            return str(found)
    return ""


def bodies(connection: Connection, clerk: Clerk) -> list[tuple[str, str]]:
    """Credit code and name of whom one can complain of here."""
    ask = select(org.c.uscc, org.c.name).where(
        org.c.uscc.is_not(None), org.c.active, within(org.c.path, clerk, REGISTER)
    )
    return [(row.uscc, row.name) for row in connection.execute(ask.order_by(org.c.path))]


def visible(clerk: Clerk) -> ColumnElement[bool]:
    """The rows a clerk sees: about bodies within the own scope, and those the clerk took down."""
    return or_(within(org.c.path, clerk, VIEW), C.staff_no == clerk.staff_no)


def look(connection: Connection, clerk: Clerk, complaint: str, function: str = VIEW) -> Row[Any]:
    """The row; HallRefused not_allowed without the function, unknown_complaint where it is another's. Who
    took it down looks at it wherever it belongs, and does no more with it."""
    clerk.expect(function)
    row = connection.execute(_ONE, {"of": complaint}).first()
    if row is None or not _sees(clerk, row, function):
        raise HallRefused("unknown_complaint", UNKNOWN)
    return row


def _sees(clerk: Clerk, row: Row[Any], function: str) -> bool:
    within_scope = row.path is not None and clerk.may(function, row.path)
    return within_scope or (function == VIEW and row.staff_no == clerk.staff_no)


def body_told(row: Row[Any]) -> str:
    """The body complained of as people read it."""
    if row.place is None:
        return row.uscc or "未指明"
    if row.place_kind != DIVISION:
        return str(row.place)
    return f"{row.uscc or '未指明'}（{row.place}）"


def said(connection: Connection, entry: int | None) -> Mapping[str, Any]:
    """What a recorded message said; empty where there is none any more."""
    found = run(connection, _SAID, {"of": entry}).scalar() if entry is not None else None
    return found or {}

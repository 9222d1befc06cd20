"""A case as an act on it finds it, and what every act first asks: is it seen, allowed, not overtaken."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, bindparam, insert, or_, select, update

from canonical.amounts import BEIJING
from canonical.casetable import MOVES, Event
from canonical.messages import Payload
from exchange import items
from exchange.errors import HubError
from exchange.store.tables import case_record, document
from exchange.store.work import Work
from hallservice import wording
from hallservice.counter.tables import hall_case, hall_handled, hall_receipt
from hallservice.hall import Hall
from hallservice.people.clerk import Clerk
from hallservice.people.filtering import holds, within
from hallservice.people.separation import note_hand
from hallservice.refusals import HallRefused
from ledger.log import Entry
from ledger.prepared import run

_CASE = select(case_record).where(case_record.c.case_no == bindparam("of"))
_ROW = select(hall_case).where(hall_case.c.case_no == bindparam("of"))
_RECEIPT = select(hall_receipt).where(hall_receipt.c.case_no == bindparam("of"))
_SAID = select(document.c.body, document.c.at, document.c.type, document.c.party).where(
    document.c.entry == bindparam("of")
)
PARTNERS = "对方系统"


@dataclass(frozen=True, slots=True)
class Standing:
    """`case` as the exchange has it, `row` as the lists have it, `receipt` of its taking-in if any, `item`
    the content of the version it is pinned to."""

    case: Mapping[str, Any]
    row: Mapping[str, Any]
    receipt: Mapping[str, Any] | None
    item: Mapping[str, Any]

    @property
    def no(self) -> str:
        return str(self.case["case_no"])

    @property
    def state(self) -> str:
        return str(self.case["state"])

    @property
    def head(self) -> dict[str, Any]:
        """What every case message begins with."""
        return {key: self.case[key] for key in ("case_no", "item_code", "region")}

    @property
    def department(self) -> str:
        """The body in charge, by its item."""
        return str(self.item.get("organisation") or self.case["org"])

    def officer(self, clerk: Clerk) -> dict[str, Any]:
        """Who acts, for the body in charge of the item: windows accept in its name."""
        return {
            "organisation": self.department,
            "organisation_code": self.case["org"],
            "name": clerk.name,
            "staff_no": clerk.staff_no,
        }


def look(connection: Connection, clerk: Clerk, case_no: str, function: str) -> Standing:
    """The case; HallRefused not_allowed without the function, unknown_case where it is another's."""
    clerk.expect(function)
    row = run(connection, _ROW, {"of": case_no}).first()
    if row is None or not sees(clerk, function, row.org_path, row.site_path):
        raise HallRefused("unknown_case", wording.SAID["unknown_case"], "case_no")
    return standing_of(connection, case_no, row._asdict())


def standing_of(connection: Connection, case_no: str, row: Mapping[str, Any]) -> Standing:
    """Without asking who looks."""
    case = run(connection, _CASE, {"of": case_no}).first()
    receipt = run(connection, _RECEIPT, {"of": case_no}).first()
    if case is None:
        raise HallRefused("unknown_case", wording.SAID["unknown_case"], "case_no")
    content = items.content_of(connection, case.item_code, case.item_version)
    return Standing(case._asdict(), row, receipt._asdict() if receipt else None, content)


def sees(clerk: Clerk, function: str, org_path: str, site_path: str) -> bool:
    """Whether the department in charge or the site of receipt lies where the function is held."""
    tops = clerk.scopes.get(function, ())
    return any(path and holds(tops, path) for path in (org_path, site_path))


def begin(
    work: Work, clerk: Clerk, case_no: str, seen: int, function: str, event: Event | None = None
) -> Standing:
    """The case at the begin of an act: `seen` is the version the clerk's screen showed, `event` what the act
    is in the case's table. HallRefused also same_person, overtaken and state_forbids."""
    here = look(work.connection, clerk, case_no, function)
    note_hand(work, clerk, function, case_no)
    if here.row["version"] != seen:
        raise HallRefused("overtaken", _overtaken(work, here), "case_no")
    if event is not None and here.state not in MOVES[event]:
        said = f"办件现在是“{wording.state(here.state)}”，不能这样办理"
        raise HallRefused("state_forbids", said, "case_no")
    return here


def _overtaken(work: Work, here: Standing) -> str:
    """Who was first, and when."""
    work.flush()
    who, at = _last(work.connection, here)
    when = datetime.fromtimestamp(at, UTC).astimezone(BEIJING)
    state = wording.state(here.state)
    said = f"{who}已于 {when:%m-%d %H:%M:%S} 先办理了这个办件，现在是“{state}”"
    return f"{said}。您填写的内容没有提交，请核对后再办"


def _last(connection: Connection, here: Standing) -> tuple[str, float]:
    if here.receipt and here.receipt["entry"] == here.row["version"]:
        return str(here.receipt["clerk"]), float(here.receipt["at"])
    said = run(connection, _SAID, {"of": here.row["version"]}).first()
    if said is None:
        return PARTNERS, float(here.row["updated_at"])
    return name_in(said.body) or PARTNERS, float(said.at)


def name_in(body: bytes) -> str:
    """The clerk a recorded act names; empty for what came from elsewhere."""
    try:
        said = json.loads(body)
    except ValueError:
        return ""
    by = said.get("by") if isinstance(said, dict) else None
    return str(by.get("name", "")) if isinstance(by, dict) else ""


def tell(hall: Hall, work: Work, clerk: Clerk, payload: Payload) -> Entry:
    """The clerk's act on the one path; what the exchange refuses is refused in Chinese."""
    try:
        entry = hall.tell(work, clerk, payload)
    except HubError as fault:
        raise wording.in_chinese(fault) from fault
    case_no = getattr(payload, "case_no", None)
    if case_no:
        handled(work, clerk, str(case_no), payload.TYPE)
    return entry


def handled(work: Work, clerk: Clerk, case_no: str, act: str) -> None:
    """The clerk's own done list."""
    row = {"staff_no": clerk.staff_no, "case_no": case_no, "act": act, "at": work.now}
    done = {"who": clerk.staff_no, "of": case_no, "did": act, "now": work.now}
    if not run(work.connection, _HANDLED_AGAIN, done).rowcount:
        run(work.connection, _HANDLED, row)


_HANDLED = insert(hall_handled)
_HANDLED_AGAIN = (
    update(hall_handled)
    .where(hall_handled.c.staff_no == bindparam("who"), hall_handled.c.case_no == bindparam("of"))
    .values(act=bindparam("did"), at=bindparam("now"))
)


def moment(now: float) -> str:
    """A Unix time as messages say it."""
    return datetime.fromtimestamp(now, UTC).astimezone(BEIJING).isoformat(timespec="seconds")


def visible(clerk: Clerk, function: str) -> Any:
    """The rows of `hall_case` a clerk sees: department in charge or site of receipt within the own scope."""
    return or_(within(hall_case.c.org_path, clerk, function), within(hall_case.c.site_path, clerk, function))

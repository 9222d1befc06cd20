"""`hall_case`: one row a case, made from the case's own record and its receipt; lists read it alone.

Every message that may move a case makes its row anew in the same commit; `rebuild` makes all of them, and the
result is the same: nothing in a row comes from anywhere else. How a case ended is told by `ends`.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import bindparam, delete, func, insert, or_, select, update

from canonical.casetable import State
from exchange.records import pseudonym
from exchange.store.tables import case_record, document
from exchange.store.work import Work
from hallservice.counter import ends
from hallservice.counter.tables import hall_case, hall_receipt
from hallservice.people.tables import org
from ledger.prepared import run

S = State
HIDDEN = 7  # characters of a name that are shown as hidden: a list stays as wide as its screen
MOVING = (
    "case.applied.v1", "case.pre_reviewed.v1", "case.accepted.v1", "case.step.v1", "case.concluded.v1",
    "case.special_started.v1", "case.special_finished.v1", "case.supplement_noticed.v1",
    "case.supplemented.v1", "case.delivered.v1", "fee.noticed.v1", "fee.paid.v1", "fee.confirmed.v1",
    "fee.reversed.v1", "certificate.issued.v1", "archive.result.v1",
)  # fmt: skip
"""The messages that may move a case (canonical.case); an evaluation moves none."""

_CASE = select(case_record).where(case_record.c.case_no == bindparam("of"))
_RECEIPT = select(hall_receipt).where(hall_receipt.c.case_no == bindparam("of"))
_PATH = select(org.c.path).where(org.c.uscc == bindparam("code"))
_KNOWN = select(hall_case.c.case_no).where(hall_case.c.case_no == bindparam("of"))
_NEW = insert(hall_case)
_CHANGE = update(hall_case).where(hall_case.c.case_no == bindparam("of"))
_STAGES: Mapping[str, str] = {
    S.PRE_SUPPLEMENT: "supplement", S.SUPPLEMENTING: "supplement", S.RECEIVED: "accept",
    S.AWAITING_PAYMENT: "fee", S.CERTIFIED: "certificate",
    **dict.fromkeys((S.ACCEPTED, S.UNDERTAKING, S.REVIEWING, S.APPROVING), "approve"),
    **dict.fromkeys((S.SUSPENDED, S.EXTENSION_PENDING), "approve"),
    **dict.fromkeys((S.PRE_REFUSED, S.NOT_ACCEPTED, S.DELIVERED, S.ARCHIVED), "done"),
}  # fmt: skip


def project(work: Work, key: bytes, case_no: str, entry: int) -> None:
    """Make the row of a case anew; `key` is that of pseudonyms, `entry` the ledger line of what moved it."""
    case = run(work.connection, _CASE, {"of": case_no}).first()
    if case is None:
        return
    receipt = run(work.connection, _RECEIPT, {"of": case_no}).first()
    row = row_of(case._asdict(), receipt._asdict() if receipt else None, _path(work, case.org), key, entry)
    if run(work.connection, _KNOWN, {"of": case_no}).first() is None:
        run(work.connection, _NEW, row)
    else:
        run(work.connection, _CHANGE, {**row, "of": case_no})


def rebuild(work: Work, key: bytes) -> int:
    """Every row from the records; how many."""
    work.flush()
    work.connection.execute(delete(hall_case))
    last = (
        select(document.c.case_no, func.max(document.c.entry).label("entry"))
        .where(document.c.type.in_(MOVING), document.c.state == "accepted", document.c.case_no.is_not(None))
        .group_by(document.c.case_no)
    )
    found = work.connection.execute(last).all()
    for row in found:
        project(work, key, row.case_no, row.entry)
    ends.restore(work)
    return len(found)


def refresh(work: Work, key: bytes) -> int:
    """Rows that something other than a message overtook: due dates counted anew by a new calendar, an
    organisation that moved; how many."""
    places = org.c.path.is_distinct_from(hall_case.c.org_path) & (org.c.path.is_not(None))
    dues = [
        case_record.c[name].is_distinct_from(hall_case.c[name]) for name in ("promised_due", "statutory_due")
    ]
    stale = (
        select(hall_case.c.case_no, hall_case.c.version)
        .join(case_record, case_record.c.case_no == hall_case.c.case_no)
        .join(org, org.c.uscc == hall_case.c.org, isouter=True)
        .where(or_(places, *dues))
    )
    found = work.connection.execute(stale).all()
    for row in found:
        project(work, key, row.case_no, row.version)
    return len(found)


def row_of(
    case: Mapping[str, Any], receipt: Mapping[str, Any] | None, path: str, key: bytes, entry: int
) -> dict[str, Any]:
    """The row a case has; pure."""
    said = case["application"]
    who = said["applicant"]
    got = receipt or {}
    return {
        "case_no": case["case_no"],
        "version": max(entry, got.get("entry", 0)),
        **{name: case[name] for name in ("org", "region", "item_code", "opened_at", "state")},
        "org_path": path,
        "site_path": got.get("site_path", ""),
        "item_name": said["item_name"],
        "applicant_masked": name_shown(who["kind"], who["name"]),
        "document_masked": document_shown(who["document_no"]),
        "name_hash": hashed(key, who["name"]),
        "document_hash": hashed(key, who["document_no"]),
        "channel": said["channel"],
        "received_at": got.get("at"),
        "stage": stage_of(case, receipt is not None),
        "promised_due": case["promised_due"],
        "statutory_due": case["statutory_due"],
        "updated_at": max(case["changed_at"], got.get("at", 0.0)),
        "window": got.get("window"),
        "clerk": got.get("clerk"),
        "staff_no": got.get("staff_no"),
        "accepted_on": (case["clock"] or {}).get("accepted"),
    }


def stage_of(case: Mapping[str, Any], received: bool) -> str:
    """Where at the counter a case waits, by its state and whether its papers were taken in."""
    state = case["state"]
    if state in (S.DRAFT, S.SUBMITTED, S.PRE_ACCEPTED):
        return _before_acceptance(case, received)
    if state == S.DECIDED:
        facts = case["facts"]
        return "fee" if facts["granted"] and facts["fee_due"] else "certificate"
    if state == S.CONCLUDED:
        return "deliver" if case["facts"]["conclusion"] in ("certificate_issued", "concluded") else "done"
    return _STAGES[state]


def _before_acceptance(case: Mapping[str, Any], received: bool) -> str:
    if received:
        return "accept"
    online = case["application"]["channel"] == "online"
    return "prereview" if online and case["state"] == S.SUBMITTED else "receive"


def hashed(key: bytes, value: str) -> str:
    """What a name or number is searched by."""
    return pseudonym(key, "person:" + value.strip().upper())


def name_shown(kind: str, name: str) -> str:
    """张** for a person, of a long name no more than its beginning; the names of bodies are public."""
    return name[:1] + "*" * min(max(len(name) - 1, 1), HIDDEN) if kind == "natural_person" else name


def document_shown(number: str) -> str:
    """4414**********1234; of shorter numbers the first and the last."""
    ends = 4 if len(number) >= 15 else 1
    return number[:ends] + "*" * max(len(number) - 2 * ends, 1) + number[-ends:]


def _path(work: Work, code: str | None) -> str:
    found: str | None = run(work.connection, _PATH, {"code": code}).scalar() if code else None
    return found or ""

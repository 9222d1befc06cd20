"""The register follows the cases in their own commit: all of it comes from applications and receipts."""

import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import bindparam, delete, insert, select, update

from canonical.messages import Payload
from exchange.reacting.occasion import Occasion, Reaction
from exchange.records import pseudonym
from exchange.store.tables import case_record
from exchange.store.work import Work
from hallservice.applicants.tables import hall_applicant, hall_applicant_case
from hallservice.counter.projection import document_shown, hashed, name_shown
from hallservice.counter.tables import hall_receipt
from ledger.prepared import run

APPLICANT, AGENT = "applicant", "agent"
PERSON, ID_CARD, CREDIT_CODE = "natural_person", "resident_id_card", "unified_social_credit_code"
_KIND = select(hall_applicant.c.kind).where(hall_applicant.c.id == bindparam("of"))
_NEW = insert(hall_applicant)
_OTHER_KIND = update(hall_applicant).where(hall_applicant.c.id == bindparam("of"))
_NAMED = insert(hall_applicant_case)
_RENAMED = update(hall_applicant_case).where(
    hall_applicant_case.c.case_no == bindparam("no"), hall_applicant_case.c.role == bindparam("as")
)


def alike(text: str) -> str:
    """A name or number however it was written: full-width forms, brackets and blanks make no other of it."""
    return "".join(unicodedata.normalize("NFKC", text).split())


def known_by(key: bytes, text: str) -> str:
    """What a name or number is found by; without the key no guess can be confirmed."""
    return hashed(key, alike(text))


def identity(key: bytes, document_type: str, number_hash: str) -> str:
    """The id of whoever has the document; `number_hash` as `known_by` of its number."""
    return pseudonym(key, f"applicant:{document_type}:{number_hash}").removeprefix("p:")


def reached_by(key: bytes, name: str, mobile: str) -> str:
    """A name with the number it is called on: the same person in a case and in a complaint."""
    return hashed(key, f"{alike(name)}/{mobile}")


def keep(occasion: Occasion) -> Iterator[Payload]:
    """Whom an application names; one that replaces another names anew."""
    case = occasion.moved.case
    if case is not None and not occasion.moved.repeated:
        name_applicant(occasion.work, occasion.hub.pseudonym_key, case)
    yield from ()


def name_applicant(work: Work, key: bytes, case: Mapping[str, Any]) -> None:
    """`case` is a row of case_record."""
    who, contact = case["application"]["applicant"], case["application"]["contact"]
    found = identity(key, who["document_type"], known_by(key, who["document_no"]))
    shown = document_shown(who["document_no"])
    _expect_person(work, found, who["kind"], who["document_type"], shown)
    link = {
        "applicant": found,
        "opened_at": case["opened_at"],
        "name_hash": known_by(key, who["name"]),
        "name_masked": name_shown(who["kind"], who["name"]),
        "contact_hash": reached_by(key, contact["name"], contact["mobile"]),
    }
    _name(work, case["case_no"], APPLICANT, link)


def name_agent(work: Work, key: bytes, receipt: Mapping[str, Any]) -> None:
    """Who came for the applicant; `receipt` is a row of hall_receipt."""
    agent = receipt["agent"]
    if not agent:
        return
    found = identity(key, ID_CARD, agent["hash"])
    no = receipt["case_no"]
    _expect_person(work, found, PERSON, ID_CARD, agent["document"])
    link = {
        "applicant": found,
        "opened_at": _opened_at(work, no),
        "name_hash": known_by(key, agent["name"]),
        "name_masked": name_shown(PERSON, agent["name"]),
        "relation": agent["relation"],
    }
    _name(work, no, AGENT, link)


_OPENED = select(case_record.c.opened_at).where(case_record.c.case_no == bindparam("no"))


def _opened_at(work: Work, case_no: str) -> float:
    return float(run(work.connection, _OPENED, {"no": case_no}).scalar())


def _expect_person(work: Work, found: str, kind: str, document_type: str, shown: str) -> None:
    """Its row; the kind told last is the one kept."""
    known = run(work.connection, _KIND, {"of": found}).scalar()
    if known is None:
        row = {"id": found, "kind": kind, "document_type": document_type, "document_masked": shown}
        run(work.connection, _NEW, row)
    elif known != kind:
        run(work.connection, _OTHER_KIND, {"kind": kind, "of": found})


def _name(work: Work, case_no: str, role: str, link: Mapping[str, Any]) -> None:
    if not run(work.connection, _RENAMED, {**link, "no": case_no, "as": role}).rowcount:
        run(work.connection, _NAMED, {**link, "case_no": case_no, "role": role})


def rebuild(work: Work, key: bytes) -> int:
    """All of it from the cases and receipts, corrections kept; how many cases."""
    work.flush()
    work.connection.execute(delete(hall_applicant_case))
    cases = work.connection.execute(select(case_record).order_by(case_record.c.opened_at)).all()
    for case in cases:
        name_applicant(work, key, case._asdict())
    for receipt in work.connection.execute(select(hall_receipt).order_by(hall_receipt.c.entry)).all():
        name_agent(work, key, receipt._asdict())
    return len(cases)


REACTIONS: Mapping[str, tuple[Reaction, ...]] = {"case.applied.v1": (keep,)}

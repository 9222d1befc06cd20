"""Somebody of the register in full: reading is an act in the ledger (S3-93). The number stands nowhere but in
the application, and is read from the newest one the clerk may read unmasked."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from canonical.errors import ValueRefused
from canonical.values import IdNumber
from exchange.store.tables import case_record
from exchange.store.work import Work
from hallservice.applicants import contacts
from hallservice.applicants.keeping import AGENT, APPLICANT, ID_CARD, identity, known_by
from hallservice.applicants.seeing import UNMASK, VIEW, look, newest
from hallservice.counter.form import Check
from hallservice.counter.tables import hall_receipt
from hallservice.hall import Hall
from hallservice.people.clerk import Clerk

CALLING = "counter.apply"
WHY = "代申请时按证件号码调用已登记的信息"


@dataclass(frozen=True, slots=True)
class Person:
    """Of an agent who never applied the number is not kept, and stays masked."""

    kind: str
    name: str
    document_type: str
    document_no: str
    contact_name: str = ""
    mobile: str = ""
    address: str = ""
    born: str = ""  # ISO day, of an identity card
    sex: str = ""  # 男, 女


def unmask(hall: Hall, clerk: Clerk, applicant: str, reason: str) -> Person:
    """FormRefused; HallRefused not_allowed, unknown_applicant."""
    check = Check()
    why = check.text("reason", reason, "查看理由", 200)
    check.done()

    def act(work: Work) -> Person:
        look(work.connection, clerk, applicant, VIEW, UNMASK)
        return _read(hall, work, clerk, applicant, (VIEW, UNMASK), why)

    return hall.write(act)


def call_up(hall: Hall, clerk: Clerk, document_type: str, document_no: str) -> Person | None:
    """Who has exactly this document, for the form of an application; None where no case the clerk may read
    names it. That it was asked is an act either way. FormRefused; HallRefused not_allowed."""
    clerk.expect(CALLING)
    clerk.expect(UNMASK)
    check = Check()
    kind = check.choice("document_type", document_type, "证件类型", "document_type")
    number = check.document("document_no", kind, document_no)
    check.done()
    key = hall.hub.pseudonym_key
    wanted = identity(key, kind, known_by(key, number))

    def act(work: Work) -> Person | None:
        if newest(work.connection, clerk, wanted, CALLING, UNMASK, role=APPLICANT) is None:
            hall.record(work, clerk, "hall.applicant_sought", wanted, {"found": False})
            return None
        return _read(hall, work, clerk, wanted, (CALLING, UNMASK), WHY)

    return hall.write(act)


def _read(
    hall: Hall, work: Work, clerk: Clerk, applicant: str, functions: tuple[str, ...], why: str
) -> Person:
    link = newest(work.connection, clerk, applicant, *functions, role=APPLICANT)
    came = link or newest(work.connection, clerk, applicant, *functions, role=AGENT)
    hall.record(work, clerk, "hall.unmasked", applicant, {"reason": why}, came.case_no)
    told = contacts.history(work.connection, clerk, applicant, functions[0])
    return _whole(work.connection, link, told) if link else _agent(work.connection, came, told)


def _whole(connection: Connection, link: Any, told: list[contacts.Corrected]) -> Person:
    """The application's own words, with what was corrected since; an earlier correction stands where the
    application says nothing."""
    ask = select(case_record.c.application, hall_receipt.c.address)
    ask = ask.join(hall_receipt, hall_receipt.c.case_no == case_record.c.case_no, isouter=True)
    row = connection.execute(ask.where(case_record.c.case_no == link.case_no)).one()
    who, contact = row.application["applicant"], row.application["contact"]
    typed = {"contact_name": contact["name"], "mobile": contact["mobile"], "address": row.address or ""}
    reached = _folded(link.opened_at, typed, told)
    named = {name: who[name] for name in ("kind", "name", "document_type", "document_no")}
    return Person(**named, **reached, **_born(who["document_type"], who["document_no"]))


def _folded(at: float, typed: dict[str, str], told: list[contacts.Corrected]) -> dict[str, str]:
    """In the order of time (`told` has the newest first); what is empty says nothing."""
    corrected = [(one.at, one.told) for one in reversed(told)]
    said = sorted([(at, typed), *corrected], key=lambda pair: pair[0])
    found = dict.fromkeys(contacts.FIELDS, "")
    for _, fields in said:
        found |= {name: value for name, value in fields.items() if value}
    return found


def _born(document_type: str, number: str) -> dict[str, str]:
    if document_type != ID_CARD:
        return {}
    try:
        card = IdNumber(number)
    except ValueRefused:
        return {}
    return {"born": card.born.isoformat(), "sex": "男" if card.sex == "male" else "女"}


def _agent(connection: Connection, link: Any, told: list[contacts.Corrected]) -> Person:
    ask = select(hall_receipt.c.agent).where(hall_receipt.c.case_no == link.case_no)
    agent = connection.execute(ask).scalar_one()
    reached = _folded(link.opened_at, {}, told)
    return Person(link.kind, agent["name"], link.document_type, agent["document"], **reached)

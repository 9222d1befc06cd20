"""Corrections of contact data: what changed, who changed it, when and why; nothing is ever overwritten."""

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, insert, select

from exchange.store.work import Work
from hallservice.applicants.seeing import EDIT, VIEW, look
from hallservice.applicants.tables import hall_applicant_contact
from hallservice.counter.form import Check
from hallservice.counter.projection import name_shown
from hallservice.hall import Hall
from hallservice.ids import new_id
from hallservice.people.clerk import Clerk
from hallservice.people.filtering import within
from hallservice.refusals import FieldFault, FormRefused

FIELDS = ("contact_name", "mobile", "address")
K = hall_applicant_contact.c


@dataclass(frozen=True, slots=True)
class Correction:
    """The form: what is left blank stays as it is."""

    contact_name: str = ""
    mobile: str = ""
    address: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Corrected:
    """One correction as it is kept; `told` holds the fields that were corrected."""

    id: str
    at: float
    clerk: str
    staff_no: str
    org_name: str
    reason: str
    told: dict[str, str] = field(default_factory=dict)

    def masked(self) -> dict[str, str]:
        """As lists show it."""
        hide = {"contact_name": lambda name: name_shown("natural_person", name), "mobile": mobile_shown,
                "address": address_shown}  # fmt: skip
        return {name: hide[name](value) for name, value in self.told.items()}


def mobile_shown(mobile: str) -> str:
    """138****8017."""
    return f"{mobile[:3]}****{mobile[-4:]}"


def address_shown(address: str) -> str:
    """The beginning alone: the division, not the door."""
    return address[:6] + "****" if len(address) > 6 else address[:2] + "****"


def correct(hall: Hall, clerk: Clerk, applicant: str, asked: Correction) -> None:
    """FormRefused; HallRefused not_allowed, unknown_applicant."""
    told, why = _checked(asked)

    def act(work: Work) -> None:
        look(work.connection, clerk, applicant, EDIT)
        value = {"fields": sorted(told), "reason": why}
        entry = hall.record(work, clerk, "hall.applicant_corrected", applicant, value)
        row = {
            "id": new_id(work.now), "applicant": applicant, "entry": entry.seq, "at": work.now,
            "clerk": clerk.name, "staff_no": clerk.staff_no, "org_name": clerk.org_name,
            "site_path": clerk.path, "told": {**told, "reason": why},
        }  # fmt: skip
        work.connection.execute(insert(hall_applicant_contact), row)

    hall.write(act)


def _checked(asked: Correction) -> tuple[dict[str, str], str]:
    """The fields that were filled in, and the reason."""
    check = Check()
    said = {
        "contact_name": check.text("contact_name", asked.contact_name, "联系人", 100, required=False),
        "mobile": check.mobile("mobile", asked.mobile) if asked.mobile.strip() else "",
        "address": check.text("address", asked.address, "住址", 200, required=False),
    }
    why = check.text("reason", asked.reason, "更正依据", 200)
    told = {name: value for name, value in said.items() if value}
    if not told and not check.faults:
        raise FormRefused([FieldFault("contact_name", "required", "请至少填写一项要更正的内容")])
    check.done()
    return told, why


def history(connection: Connection, clerk: Clerk, applicant: str, function: str = VIEW) -> list[Corrected]:
    """The corrections made where the clerk holds the function, the newest first."""
    ask = select(hall_applicant_contact).where(K.applicant == applicant, within(K.site_path, clerk, function))
    return [_corrected(row) for row in connection.execute(ask.order_by(K.at.desc(), K.id.desc()))]


def _corrected(row: Any) -> Corrected:
    told = dict(row.told)
    return Corrected(row.id, row.at, row.clerk, row.staff_no, row.org_name, told.pop("reason"), told)

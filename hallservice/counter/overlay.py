"""套打 (S3-45): a certificate's or a label's values on a printed form, by a layout that is data."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from canonical.amounts import BEIJING
from exchange.errors import Refused
from exchange.store.work import Work
from hallservice.counter import certificate
from hallservice.counter.certificate import Certificate
from hallservice.counter.form import Check
from hallservice.counter.standing import Standing, look
from hallservice.hall import Hall
from hallservice.papers.overlay import Layout
from hallservice.people.clerk import Clerk
from hallservice.refusals import FieldFault, FormRefused, HallRefused

FUNCTION = "counter.deliver"
STAGES = ("certificate", "deliver", "done")
Place = Callable[[Layout, Mapping[str, str], datetime, tuple[float, float]], tuple[bytes, str]]
"""Layout, values, moment and shift (mm right, mm down) -> PDF and its SHA-256."""
_SHIFT = re.compile(r"-?[0-9]{1,2}(\.[0-9])?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Asked:
    """The form: values by the layout's field, empty ones filled from the case; the printer's correction."""

    values: Mapping[str, str] = field(default_factory=dict)
    right: str = "0"
    down: str = "0"


def known(here: Standing, made: Certificate | None) -> dict[str, str]:
    """What the case itself can put into fields of these names."""
    application = here.case["application"]
    person = application["applicant"]["kind"] == "natural_person"
    found = {
        "operator": application["applicant"]["name"],
        "holder": application["applicant"]["name"],
        "recipient": application["contact"]["name"],
        "phone": application["contact"]["mobile"],
        "credit_code": "" if person else application["applicant"]["document_no"],
        "business": here.row["item_name"],
        "contents": f"{here.row['item_name']}办理结果",
        "sender": here.department,
    }
    if made is not None:
        found |= {
            "permit_no": made.number,
            "valid_until": made.valid_to or "长期",
            "issued_on": made.valid_from,
        }
    return found


def printable(here: Standing) -> bool:
    """Whether there is something to hand out."""
    return here.row["stage"] in STAGES and here.case["facts"]["granted"] is True


def printed(hall: Hall, clerk: Clerk, case_no: str, layout: Layout, asked: Asked, place: Place) -> bytes:
    """The values alone, for the form that lies in the printer; an act in the ledger, which names the fields
    typed over. FormRefused names the field; HallRefused too_early before there is something to hand out."""
    check = Check()
    typed = {
        box.name: check.text(
            box.name, asked.values.get(box.name, ""), box.label, 500, required=False, lines=True
        )
        for box in layout.field
    }
    shift = (_shift(check, "right", asked.right), _shift(check, "down", asked.down))
    check.done()
    here = hall.read(lambda connection: look(connection, clerk, case_no, FUNCTION))
    if not printable(here):
        raise HallRefused("too_early", "办件还没有准予决定，不能套打")
    made = hall.read(lambda connection: certificate.to_hand_out(connection, case_no))
    filled = known(here, made)
    values = {name: said or filled.get(name, "") for name, said in typed.items()}
    pdf, digest = _placed(hall, layout, values, shift, place)
    what: dict[str, Any] = {"layout": layout.name, "pdf": digest, "instead": instead(filled, typed)}

    def record(work: Work) -> None:
        hall.record(work, clerk, "hall.overlay_printed", case_no, what, case_no)

    hall.write(record)
    return pdf


def instead(case: Mapping[str, str], typed: Mapping[str, str]) -> list[str]:
    """The fields printed otherwise than the case says, for whoever looks at the act later."""
    return sorted(name for name, said in typed.items() if said and case.get(name) and case[name] != said)


def _placed(
    hall: Hall, layout: Layout, values: Mapping[str, str], shift: tuple[float, float], place: Place
) -> tuple[bytes, str]:
    at = datetime.fromtimestamp(int(hall.hub.store.clock()), UTC).astimezone(BEIJING)
    try:
        return place(layout, values, at, shift)
    except Refused as fault:
        raise FormRefused([FieldFault(fault.where or "", fault.code, fault.detail)]) from fault


def _shift(check: Check, name: str, given: str) -> float:
    """Millimetres, -99.9 to 99.9."""
    said = given.strip() or "0"
    if not _SHIFT.fullmatch(said):
        check.fault(name, "bad_form", "偏移应为毫米数，例如 -1.5")
        return 0.0
    return float(said)

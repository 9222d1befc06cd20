"""接件 (S3-28): identity confirmed, papers taken in, the slip with the query password handed over.

A card reader fills the applicant's data; the certificate library is searched for what it holds of the
applicant; everything else comes through the document camera.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select

from canonical.casetable import Event
from canonical.messages import CertificateSearched
from exchange.store.work import Work
from hallservice.applicants.keeping import name_agent
from hallservice.approval.conditions import Fact
from hallservice.counter import materials, notices, numbers
from hallservice.counter.form import Check
from hallservice.counter.materials import Material, Seen
from hallservice.counter.projection import project
from hallservice.counter.standing import Standing, begin, handled, moment, tell
from hallservice.counter.tables import hall_notice, hall_receipt
from hallservice.hall import Hall
from hallservice.ids import new_id
from hallservice.items import situations
from hallservice.people.clerk import Clerk
from hallservice.refusals import HallRefused
from ledger.prepared import run

LIBRARY = "SYS-04"
_RECEIPT = select(hall_receipt).where(hall_receipt.c.case_no == bindparam("of"))
_SLIP = select(hall_notice.c.doc_no).where(
    hall_notice.c.case_no == bindparam("of"), hall_notice.c.kind == "receiving"
)
IDENTIFIED = ("card", "seen", "none")


@dataclass(frozen=True, slots=True)
class Opened:
    """What the counter hands over: the number, the password to ask with, the number of the slip."""

    case_no: str
    query_password: str
    receipt_no: str


@dataclass(frozen=True, slots=True)
class Taken:
    """How the papers came: how the person was identified, through which agent, by which form, and which
    situations of the item the answers meet."""

    identified: str = "seen"
    agent: Mapping[str, str] | None = None
    once: str | None = None
    answers: Mapping[str, Fact] = field(default_factory=dict)
    situations: Sequence[str] = ()
    address: str = ""  # of the applicant, where it was told


def receive(
    hall: Hall, clerk: Clerk, case_no: str, seen: int, handed_in: Sequence[Seen], identified: str = "seen"
) -> str:
    """Take in the papers of an online application at the counter; the number of the slip."""

    def act(work: Work) -> str:
        here = begin(work, clerk, case_no, seen, "counter.apply", Event.RECEIVED)
        if here.receipt is not None:
            raise HallRefused("already_received", f"这个办件已由{here.receipt['clerk']}接件")
        prepare(work, here)
        check = Check()
        laid = materials.look_at(work, case_no, handed_in, check)
        expect_identified(check, identified)
        check.done()
        return take_in(hall, work, clerk, here, laid, identified)

    return hall.write(act)


def take_in(
    hall: Hall, work: Work, clerk: Clerk, here: Standing, laid: Sequence[Material], identified: str
) -> str:
    """The papers of a case that was opened elsewhere, which has no receipt yet; the number of the slip."""
    keep(hall, work, clerk, here.no, Taken(identified))
    handled(work, clerk, here.no, "hall.received")
    search_library(hall, work, clerk, here)
    return slip(hall, work, clerk, here, laid)


def expect_identified(check: Check, identified: str) -> None:
    if identified not in IDENTIFIED:
        check.fault("identified", "bad_choice", "请选择身份核验方式")


def prepare(work: Work, here: Standing) -> None:
    """The materials of a case the hall sees for the first time."""
    if not materials.of(work.connection, here.no):
        handed = here.case["application"].get("materials", ())
        materials.lay_out(work, here.no, asked(work.connection, here), handed)


def asked(connection: Connection, here: Standing) -> dict[str, Any]:
    """The item for a case that came without answers to its questions, as from the portal: what depends on a
    situation may be handed in and need not; where it is missing, a supplement asks for it (S3-12)."""
    code, version, at = (here.case[name] for name in ("item_code", "item_version", "opened_at"))
    linked = situations.setup_of(connection, code, version, at).materials
    said = here.item.get("materials", ())
    some = [one | {"necessity": "optional"} if one["name"] in linked else one for one in said]
    return {**here.item, "materials": some}


def keep(hall: Hall, work: Work, clerk: Clerk, case_no: str, taken: Taken) -> None:
    """The receipt and its line in the ledger; the case's row follows."""
    what = {"identified": taken.identified, "agent": dict(taken.agent) if taken.agent else None}
    where = {"window": clerk.window, "site": clerk.org_name}
    entry = hall.record(work, clerk, "hall.received", case_no, {**what, **where}, case_no)
    row = {
        "case_no": case_no,
        "entry": entry.seq,
        "at": work.now,
        "staff_no": clerk.staff_no,
        "clerk": clerk.name,
        "org_name": clerk.org_name,
        "site_path": clerk.path,
        "window": clerk.window,
        "identified": taken.identified,
        "agent": what["agent"],
        "answers": dict(taken.answers),
        "situations": list(taken.situations),
        "address": taken.address or None,
        "query_password": numbers.query_password(),
        "once": taken.once,
    }
    work.connection.execute(insert(hall_receipt), row)
    name_agent(work, hall.hub.pseudonym_key, row)
    project(work, hall.hub.pseudonym_key, case_no, entry.seq)


def search_library(hall: Hall, work: Work, clerk: Clerk, here: Standing) -> bool:
    """Ask the certificate library what it has of the applicant, for this case alone; whether there is one."""
    attached = any(hall.hub.parties.of_adapter(name) for name in hall.hub.adapters_of(LIBRARY))
    wanted = any(one.source == "government" for one in materials.of(work.connection, here.no))
    if attached and wanted:
        applicant = here.case["application"]["applicant"]
        holder = {key: applicant[key] for key in ("name", "document_type", "document_no")}
        said = {
            "request_id": new_id(work.now),
            "case_no": here.no,
            "item_code": here.case["item_code"],
            "holder": holder,
            "purpose": f"办理{here.case['application']['item_name']}核验申请材料"[:200],
        }
        tell(hall, work, clerk, CertificateSearched.model_validate(said))
    return attached and wanted


def slip(hall: Hall, work: Work, clerk: Clerk, here: Standing, laid: Sequence[Material]) -> str:
    """收件回执: what was handed in, and how to ask."""
    receipt = work.connection.execute(_RECEIPT, {"of": here.no}).one()
    said = {
        "received_at": moment(receipt.at),
        "materials": notices.material_rows(laid),
        "query_password": receipt.query_password,
        "query_address": f"{hall.settings.public_url}/progress",
    }
    return notices.issue(work, clerk, here, "receiving", said)


def opened(work: Work, case_no: str) -> Opened:
    """The answer to a form that was sent before, or just now."""
    receipt = work.connection.execute(_RECEIPT, {"of": case_no}).one()
    return Opened(case_no, receipt.query_password, run(work.connection, _SLIP, {"of": case_no}).scalar())

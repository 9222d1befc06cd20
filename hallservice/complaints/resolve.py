"""答复、办结 (S3-81): a result and a reply, once; the portal is told what came from it by the exchange."""

from typing import Any

from sqlalchemy import Row, update

from canonical.messages import ComplaintResolved
from exchange.store.work import Work
from hallservice.complaints.places import HANDLE, look
from hallservice.complaints.register import told
from hallservice.complaints.tables import hall_complaint
from hallservice.counter.form import Check
from hallservice.counter.lists import local
from hallservice.counter.standing import moment
from hallservice.hall import Hall
from hallservice.people.clerk import Clerk
from hallservice.refusals import HallRefused

LONGEST = 1000  # characters of a reply


def resolve(hall: Hall, clerk: Clerk, complaint: str, result: str, reply: str) -> str:
    """End it; its number. FormRefused; HallRefused not_allowed, unknown_complaint, overtaken."""

    def act(work: Work) -> str:
        row = look(work.connection, clerk, complaint, HANDLE)
        if row.state != "registered":
            raise HallRefused("overtaken", _overtaken(row))
        check = Check()
        check.choice("result", result, "认定结果", "complaint_result")
        words = check.text("reply", reply, "答复内容", LONGEST, lines=True)
        check.done()
        said = {
            "complaint_no": row.number,
            "result": result,
            "organisation": clerk.org_name,
            "reply": words,
            "resolved_at": moment(work.now),
        }
        told(hall, work, clerk, ComplaintResolved.model_validate(said))
        mine = hall_complaint.c.id == complaint
        work.connection.execute(update(hall_complaint).where(mine).values(resolved_by=clerk.name))
        return str(row.number)

    return hall.write(act)


def _overtaken(row: Row[Any]) -> str:
    """Who was first, and when."""
    said = f"{row.resolved_by}已于 {local(row.resolved_at)} 先答复了这件投诉"
    return f"{said}。您填写的内容没有提交"

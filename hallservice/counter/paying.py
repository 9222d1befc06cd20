"""The payment slip, and the window's confirmation that it was paid, a separate act (S3-43)."""

from typing import Any

from sqlalchemy import update

from canonical.casetable import Event
from canonical.messages import FeeConfirmed
from exchange.store.work import Work
from hallservice.counter import notices
from hallservice.counter.charge import FUNCTION, Fee, attached, latest
from hallservice.counter.form import Check
from hallservice.counter.standing import Standing, begin, handled, look, moment, tell
from hallservice.counter.tables import hall_fee
from hallservice.hall import Hall
from hallservice.ids import new_id
from hallservice.people.clerk import Clerk
from hallservice.refusals import FieldFault, FormRefused, HallRefused


def notice(hall: Hall, clerk: Clerk, case_no: str) -> str:
    """缴费通知单 with the number the bank asks for; its own number. Asked again it is the same.

    HallRefused not_noticed."""

    def act(work: Work) -> str:
        here = look(work.connection, clerk, case_no, FUNCTION)
        fee = latest(work.connection, case_no)
        if fee is None or fee.state != "noticed":
            raise HallRefused("not_noticed", "还没有缴款通知书号，请稍后再出具缴费通知单")
        if fee.doc_no:
            return fee.doc_no
        number = notices.issue(work, clerk, here, "payment", _slip(here, fee))
        mine = hall_fee.c.request_id == fee.request_id
        work.connection.execute(update(hall_fee).where(mine).values(doc_no=number))
        hall.record(work, clerk, "hall.fee_notice_issued", number, {"notice_no": fee.notice_no}, case_no)
        return number

    return hall.write(act)


def _slip(here: Standing, fee: Fee) -> dict[str, Any]:
    members = ("code", "name", "standard", "quantity", "amount")
    return {
        "unit_code": here.case["org"],
        "payer": notices.line(here.case["application"]["applicant"]["name"]),
        "fees": [{name: notices.line(one[name]) for name in members} for one in fee.lines],
        "reduction": fee.reduction,
        "reduction_basis": fee.reduction_basis,
        "total": fee.total,
        "pay_code": fee.notice_no,
        "bank": "大厅银行代收窗口",
        "pay_by": fee.due_on,
        "verified_by": fee.verified_by,
    }


def confirm(hall: Hall, clerk: Clerk, case_no: str, seen: int, voucher: str = "") -> None:
    """The applicant came back from the bank: the window confirms the payment. Where no fee system tells of
    payments, by the number of the bank's receipt.

    FormRefused; HallRefused no_window, not_noticed, unpaid."""
    check = Check()
    paper = check.text("voucher", voucher, "银行收款凭证号", 40, required=False)
    check.done()

    def act(work: Work) -> None:
        here = begin(work, clerk, case_no, seen, FUNCTION, Event.FEE_CONFIRMED)
        fee = latest(work.connection, case_no)
        if clerk.window is None:
            raise HallRefused("no_window", "请先签到窗口，再确认缴费")
        if fee is None or not fee.notice_no:
            raise HallRefused("not_noticed", "还没有缴款通知书号，不能确认缴费")
        _expect_paid(hall, here, paper)
        said = {
            "request_id": new_id(work.now),
            "case_no": case_no,
            "notice_no": fee.notice_no,
            "window": clerk.window,
            "clerk": clerk.name,
            "confirmed_at": moment(work.now),
        }
        tell(hall, work, clerk, FeeConfirmed.model_validate(said))
        if paper:
            hall.record(work, clerk, "hall.voucher_seen", fee.notice_no, {"voucher": paper}, case_no)
        done = {"state": "confirmed", "confirmed_by": clerk.name, "confirmed_at": work.now}
        mine = hall_fee.c.request_id == fee.request_id
        work.connection.execute(update(hall_fee).where(mine).values(**done))
        handled(work, clerk, case_no, FeeConfirmed.TYPE)

    hall.write(act)


def _expect_paid(hall: Hall, here: Standing, voucher: str) -> None:
    if here.case["facts"]["fee_paid"]:
        return
    if attached(hall):
        raise HallRefused("unpaid", "还没有收到银行的收款通知，不能确认缴费")
    if not voucher:
        raise FormRefused([FieldFault("voucher", "required", "请填写银行收款凭证号")])

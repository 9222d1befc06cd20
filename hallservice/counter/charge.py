"""Fees of a case: computed by the item's standards, verified by a clerk, asked for (S3-42)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select

from canonical.errors import ValueRefused
from canonical.messages import FeeNoticed, FeeRequested
from canonical.values import Money
from exchange.clocks import today
from exchange.store.work import Work
from hallservice.counter import numbers
from hallservice.counter.fees import Standard, cost, standards_of
from hallservice.counter.form import Check
from hallservice.counter.standing import Standing, begin, tell
from hallservice.counter.tables import hall_fee
from hallservice.counter.turneddown import REFUSED
from hallservice.hall import Hall
from hallservice.ids import new_id
from hallservice.items import situations
from hallservice.people.clerk import Clerk
from hallservice.refusals import HallRefused
from ledger.prepared import run

FUNCTION = "counter.fee"
FEES = "SYS-05"
DAYS_TO_PAY = 15
MOST_WHOLE = 100_000  # canonical.messages.fees.FeeLine
_OF = select(hall_fee).where(hall_fee.c.case_no == bindparam("of")).order_by(hall_fee.c.request_id.desc())


@dataclass(frozen=True, slots=True)
class Line:
    """One computed line; `given` the quantity as typed."""

    code: str
    name: str
    standard: str
    unit: str
    quantity: Decimal
    amount: Money
    reducible: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """The form of 核价: quantities by fee code ('' or 0: none), a reduction with its basis."""

    quantities: Mapping[str, str]
    reduction: str = ""
    reduction_basis: str = ""
    due_on: str = ""


@dataclass(frozen=True, slots=True)
class Computed:
    """What the applicant owes."""

    lines: tuple[Line, ...]
    reduction: Money
    reduction_basis: str
    total: Money


@dataclass(frozen=True, slots=True)
class Fee:
    """One request for payment as it stands."""

    request_id: str
    lines: tuple[Mapping[str, str], ...]
    reduction: str
    reduction_basis: str
    total: str
    state: str
    verified_by: str
    due_on: str
    notice_no: str
    serial: str
    confirmed_by: str
    reason: str
    doc_no: str


STATES: Mapping[str, str] = {
    "requested": "已核价，等待缴款通知书号", "noticed": "待缴费", "paid": "银行已收款，待窗口确认",
    "confirmed": "已确认", "reversed": "银行已冲正，需重新缴纳", REFUSED: "收费系统未受理，可重新核价",
}  # fmt: skip


def standards(connection: Connection, here: Standing) -> tuple[Standard, ...]:
    """The fee standards of the item version the case is pinned to, with the formulas the hall keeps of it."""
    case = here.case
    formulas = situations.formulas_of(connection, case["item_code"], case["item_version"], case["opened_at"])
    return standards_of(here.item, formulas)


def compute(found: Sequence[Standard], asked: Asked) -> Computed:
    """核价 as the screen shows it; FormRefused names the quantity or reduction that is wrong."""
    check = Check()
    lines = tuple(_line(one, asked, check) for one in found if asked.quantities.get(one.code, "").strip(" 0"))
    if not lines:
        check.fault("quantities", "required", "请至少填写一项收费的数量")
    reduction, basis = _reduction(lines, asked, check)
    check.done()
    total = sum((line.amount.fen for line in lines), 0) - reduction.fen
    return Computed(lines, reduction, basis, Money.from_fen(total))


def _line(one: Standard, asked: Asked, check: Check) -> Line:
    name = f"quantity-{one.code}"
    quantity = check.amount(name, asked.quantities[one.code], f"“{one.name}”的数量")
    try:
        amount = cost(one.formula, quantity)
    except ValueRefused as fault:
        check.fault(name, fault.code, f"“{one.name}”的数量超出可计算范围")
        amount = Money("0")
    return Line(one.code, one.name, one.text, one.formula.unit, quantity, amount, one.reducible)


def _reduction(lines: Sequence[Line], asked: Asked, check: Check) -> tuple[Money, str]:
    reduction = check.money("reduction", asked.reduction, "减免金额", required=False)
    basis = check.text("reduction_basis", asked.reduction_basis, "减免依据", 300, required=bool(reduction))
    most = sum(line.amount.fen for line in lines if line.reducible)
    if reduction.fen > most:
        said = "所选收费项目不可减免" if not most else f"减免金额不能超过可减免的 {Money.from_fen(most)} 元"
        check.fault("reduction", "not_reducible", said)
    return reduction, basis


def request(hall: Hall, clerk: Clerk, case_no: str, seen: int, asked: Asked) -> str:
    """Verify the price and ask the fee system for a payment notice; the id of the request. Where none is
    attached the hall gives the number of the notice itself.

    FormRefused; HallRefused no_fee_due, already_requested."""

    def act(work: Work) -> str:
        here = begin(work, clerk, case_no, seen, FUNCTION)
        _expect_due(work, here)
        computed = compute(standards(work.connection, here), asked)
        due = _due(work, asked)
        ident = new_id(work.now)
        tell(hall, work, clerk, FeeRequested.model_validate(_asked_for(here, clerk, computed, ident, due)))
        work.connection.execute(insert(hall_fee), _row(work, clerk, here, computed, ident, due))
        if not attached(hall):
            tell(hall, work, clerk, FeeNoticed.model_validate(_own_number(work, here, ident)))
        return ident

    return hall.write(act)


def attached(hall: Hall) -> bool:
    """Whether a fee system gives the numbers and tells of payments."""
    return any(hall.hub.parties.of_adapter(name) for name in hall.hub.adapters_of(FEES))


def _own_number(work: Work, here: Standing, ident: str) -> dict[str, str]:
    serial = numbers.next_of(work, f"fee:{here.case['region'][:6]}:{today(work.now).year}")
    number = f"{here.case['region'][:6]}{today(work.now):%Y%m%d}{serial:06d}"
    return {
        "request_id": ident,
        "case_no": here.no,
        "notice_no": number,
        "check_no": number[-4:],
        "book_check_no": number[-8:],
    }


def _expect_due(work: Work, here: Standing) -> None:
    facts = here.case["facts"]
    if not (here.state == "decided" and facts["granted"] and facts["fee_due"]):
        raise HallRefused("no_fee_due", "这个办件现在没有待核价的费用")
    last = latest(work.connection, here.no)
    if last is not None and last.state in ("requested", "noticed", "paid"):
        raise HallRefused("already_requested", f"费用已由{last.verified_by}核价并发出缴费通知")


def _due(work: Work, asked: Asked) -> date:
    check, now = Check(), today(work.now)
    due = check.day("due_on", asked.due_on, "缴费期限", required=False) or now + timedelta(days=DAYS_TO_PAY)
    if due < now:
        check.fault("due_on", "past", "缴费期限不能早于今天")
    check.done()
    return due


def _asked_for(here: Standing, clerk: Clerk, computed: Computed, ident: str, due: date) -> dict[str, Any]:
    return {
        "request_id": ident,
        "case_no": here.no,
        "unit_no": here.case["org"],
        "unit_name": here.department,
        "lines": _fee_lines(computed),
        "payer": here.case["application"]["applicant"]["name"],
        "total": str(computed.total),
        "due_on": due.isoformat(),
        "verified_by": clerk.name,
    }


def _fee_lines(computed: Computed) -> list[dict[str, Any]]:
    """As the fee system takes them: whole quantities, each line less its part of the reduction."""
    left = computed.reduction.fen
    lines = []
    for line in computed.lines:
        less = min(left, line.amount.fen) if line.reducible else 0
        left -= less
        lines.append(_fee_line(line, Money.from_fen(less), computed.reduction_basis))
    return lines


def _fee_line(line: Line, less: Money, basis: str) -> dict[str, Any]:
    """The words of the standard tell the payer what the members tell programs."""
    whole = line.quantity == line.quantity.to_integral_value() and line.quantity <= MOST_WHOLE
    measure = f"{line.quantity.normalize():f}"
    noted = "" if whole else f"（数量 {measure}{line.unit}）"
    reduced = f"（减免 {less} 元，依据：{basis}）" if less else ""
    return {
        "code": line.code,
        "name": line.name,
        "standard": (line.standard + noted + reduced)[:1000],
        "quantity": int(line.quantity) if whole else 1,
        "amount": str(Money.from_fen(line.amount.fen - less.fen)),
        **({} if whole else {"measure": measure}),
        **({"reduction": str(less), "reduction_basis": basis} if less else {}),
    }


def _row(
    work: Work, clerk: Clerk, here: Standing, computed: Computed, ident: str, due: date
) -> dict[str, Any]:
    said = [
        {
            "code": line.code,
            "name": line.name,
            "standard": line.standard,
            "quantity": f"{line.quantity.normalize():f}",
            "unit": line.unit,
            "amount": str(line.amount),
        }
        for line in computed.lines
    ]
    return {
        "request_id": ident,
        "case_no": here.no,
        "lines": said,
        "reduction": str(computed.reduction),
        "reduction_basis": computed.reduction_basis or None,
        "total": str(computed.total),
        "state": "requested",
        "verified_by": clerk.name,
        "verified_at": work.now,
        "due_on": due.isoformat(),
    }


def latest(connection: Connection, case_no: str) -> Fee | None:
    """The request made last."""
    row = run(connection, _OF, {"of": case_no}).first()
    if row is None:
        return None
    return Fee(
        row.request_id,
        tuple(row.lines),
        row.reduction,
        row.reduction_basis or "",
        row.total,
        row.state,
        row.verified_by,
        row.due_on,
        row.notice_no or "",
        row.serial or "",
        row.confirmed_by or "",
        row.reason or "",
        row.doc_no or "",
    )

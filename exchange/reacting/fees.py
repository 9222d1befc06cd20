"""Fees: what notice numbers belong to, what the revenue system says a fee should be, what the bank took back,
and the bank's file of the day before."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial
from operator import mul
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from sqlalchemy import Connection, select

from canonical.errors import ValueRefused
from canonical.messages import (
    FeeBasis,
    FeeBasisRequested,
    FeeLine,
    FeeNoticed,
    FeeReconciled,
    FeeRequested,
    FeeReversed,
    Payload,
    ReconciledLine,
)
from exchange import items, references
from exchange.errors import Refused
from exchange.reacting.occasion import Occasion, Reaction
from exchange.receipts import BEIJING
from exchange.store.tables import document

DAY = 86_400.0  # seconds
LATE = 3 * DAY  # a bank's notice may come that much later than its day
KINDS = {"fee.paid.v1": "paid", "fee.reversed.v1": "reversed"}


def remember_notice(occasion: Occasion) -> Iterator[Payload]:
    """The bank will speak of the notice number alone."""
    payload = occasion.message.payload
    if isinstance(payload, FeeNoticed):
        references.remember(occasion.work, "fee_notice", payload.notice_no, payload.case_no)
    yield from ()


@dataclass(frozen=True, slots=True)
class Price:
    """One fee of an item: what a quantity costs (ValueRefused for one that cannot be), and whether the item
    lets it be reduced."""

    cost: Callable[[Decimal], Decimal]
    reducible: bool


Case = Mapping[str, Any]
Prices = Callable[[Connection, Case], Mapping[str, Price]]


def by_amount(connection: Connection, case: Case) -> Mapping[str, Price]:
    """As the catalogue tells fees: one amount for each unit."""
    content = items.content_of(connection, case["item_code"], case["item_version"])
    return {
        fee["code"]: Price(partial(mul, Decimal(fee["amount"])), fee["reducible"])
        for fee in content.get("fees", ())
    }


def checked_by(prices: Prices) -> Reaction:
    """Holds each line against the item's own standard (S3-72): a finding where quantity, standard and the
    recorded reduction do not explain the amount."""

    def reaction(occasion: Occasion) -> Iterator[Payload]:
        payload, case = occasion.message.payload, occasion.moved.case
        if isinstance(payload, FeeRequested) and case is not None:
            known = prices(occasion.work.connection, case)
            for line in payload.lines:
                if found := _unexplained(line, known.get(line.code)):
                    occasion.note("discretion", *found)
        yield from ()

    return reaction


check_fee = checked_by(by_amount)


def _unexplained(line: FeeLine, price: Price | None) -> tuple[str, str] | None:
    """(code, detail); a fee the item does not name is the revenue system's to judge."""
    if price is None:
        return None
    if line.reduction and not price.reducible:
        detail = f"{line.code}: reduced by {line.reduction} ({line.reduction_basis}), which the item forbids"
        return "fee_reduced_unlawfully", detail
    quantity, less = Decimal(line.measure or line.quantity), line.reduction or Decimal(0)
    try:
        whole: Decimal | None = price.cost(quantity)
    except ValueRefused:
        whole = None
    if whole is not None and line.amount + less == whole:
        return None
    reduced = f" after a reduction of {less}" if less else ""
    detail = f"{line.code}: asked {line.amount}{reduced}, the item says {whole} for {quantity}"
    return "fee_differs_from_item", detail


def ask_for_basis(occasion: Occasion) -> Iterator[Payload]:
    """The revenue system is asked for its own record of each fee (S3-71)."""
    payload, case = occasion.message.payload, occasion.moved.case
    if not isinstance(payload, FeeRequested) or case is None or occasion.attached("SYS-09") is None:
        return
    for line in payload.lines:
        ident = uuid5(NAMESPACE_OID, f"basis/{payload.request_id}/{line.code}")
        yield FeeBasisRequested(
            request_id=str(ident), case_no=payload.case_no, item_code=case["item_code"], fee_code=line.code
        )


def compare_basis(occasion: Occasion) -> Iterator[Payload]:
    """The item library's basis against the revenue system's (S3-71)."""
    payload, case = occasion.message.payload, occasion.moved.case
    if isinstance(payload, FeeBasis) and case is not None:
        expected = _standards(occasion, case).get(payload.fee_code)
        if expected is None or expected != payload.amount:
            detail = f"{payload.fee_code}: revenue system {payload.amount}, item library {expected}"
            occasion.note("discretion", "fee_basis_differs", detail)
    yield from ()


def note_reversal(occasion: Occasion) -> Iterator[Payload]:
    """Money that was there and is gone is for a person to see."""
    payload = occasion.message.payload
    if isinstance(payload, FeeReversed) and not occasion.moved.repeated:
        detail = f"{payload.notice_no}: {payload.original_serial} taken back by {payload.serial}"
        occasion.note("fee", "payment_reversed", detail)
    yield from ()


def reconcile(occasion: Occasion) -> Iterator[Payload]:
    """The bank's file of a day against its own notices; a difference is a finding, a file that contradicts
    itself is refused."""
    payload = occasion.message.payload
    if isinstance(payload, FeeReconciled):
        _expect_sums(payload)
        theirs = {(line.kind, line.serial): line for line in payload.lines}
        if len(theirs) != len(payload.lines):
            raise Refused("bad_value", "a serial occurs twice", "lines")
        ours = _our_day(occasion, payload)
        for key in sorted(theirs.keys() | ours.keys()):
            _compare(occasion, key, theirs.get(key), ours.get(key))
    yield from ()


def _standards(occasion: Occasion, case: Mapping[str, Any]) -> dict[str, Decimal]:
    """Fee code -> yuan, by the item version the case is pinned to."""
    content = items.content_of(occasion.work.connection, case["item_code"], case["item_version"])
    return {fee["code"]: Decimal(fee["amount"]) for fee in content.get("fees", ())}


def _expect_sums(said: FeeReconciled) -> None:
    paid = sum((line.amount + line.overdue_amount for line in said.lines if line.kind == "paid"), Decimal(0))
    back = sum((line.amount + line.overdue_amount for line in said.lines if line.kind != "paid"), Decimal(0))
    if said.count != len(said.lines):
        raise Refused(
            "bad_value", f"the first line counts {said.count}, there are {len(said.lines)}", "count"
        )
    if Decimal(said.balance) != paid - back:
        raise Refused("bad_value", "the first line is not the sum of the lines", "balance")


def _our_day(occasion: Occasion, said: FeeReconciled) -> dict[tuple[str, str], Mapping[str, Any]]:
    """The bank's notices the hub accepted for that day."""
    begin = datetime(said.day.year, said.day.month, said.day.day, tzinfo=BEIJING).timestamp()
    query = select(document.c.type, document.c.canonical).where(
        document.c.type.in_(KINDS), document.c.direction == "in", document.c.state == "accepted",
        document.c.at >= begin - DAY, document.c.at < begin + LATE,
    )  # fmt: skip
    occasion.work.flush()
    found = {}
    for row in occasion.work.connection.execute(query):
        said_at = row.canonical.get("paid_at") or row.canonical["reversed_at"]
        if datetime.fromisoformat(said_at).astimezone(BEIJING).date() == said.day:
            found[(KINDS[row.type], row.canonical["serial"])] = row.canonical
    return found


def _compare(
    occasion: Occasion, key: tuple[str, str], theirs: ReconciledLine | None, ours: Mapping[str, Any] | None
) -> None:
    kind, serial = key
    notice = theirs.notice_no if theirs else str(ours["notice_no"]) if ours else ""
    case_no = references.case_of(occasion.work, "fee_notice", notice)
    if ours is None and theirs is not None:
        detail = f"{kind} {serial} of notice {notice}: the bank has it, no notice of it came"
        occasion.note("fee", "reconciliation_missing_here", detail, case_no)
    elif theirs is None:
        detail = f"{kind} {serial} of notice {notice}: the bank's file does not have it"
        occasion.note("fee", "reconciliation_missing_there", detail, case_no)
    elif ours is not None and Decimal(ours["amount"]) != theirs.amount:
        detail = (
            f"{kind} {serial} of notice {notice}: {ours['amount']} was told, the file says {theirs.amount}"
        )
        occasion.note("fee", "reconciliation_amount", detail, case_no)

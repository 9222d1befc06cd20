"""送达: collected at the window, or carried by the courier (S3-47, S3-48)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select

from canonical.casetable import Event
from canonical.errors import ValueRefused
from canonical.messages import CaseDelivered, ParcelRequested
from canonical.values import RegionCode
from exchange.store.work import Work
from hallservice.counter import notices, waiting
from hallservice.counter.certificate import to_hand_out
from hallservice.counter.form import Check
from hallservice.counter.materials import label
from hallservice.counter.standing import Standing, begin, moment, tell
from hallservice.counter.tables import hall_parcel
from hallservice.counter.turneddown import REFUSED
from hallservice.hall import Hall
from hallservice.ids import new_id
from hallservice.people.clerk import Clerk
from hallservice.refusals import HallRefused
from ledger.prepared import run

FUNCTION = "counter.deliver"
_PARCEL = (
    select(hall_parcel)
    .where(hall_parcel.c.case_no == bindparam("of"))
    .order_by(hall_parcel.c.request_id.desc())
)


@dataclass(frozen=True, slots=True)
class Collection:
    """Who took the result, and how it went."""

    collector: str
    document_type: str = "resident_id_card"
    document_no: str = ""
    mode: str = "window"


@dataclass(frozen=True, slots=True)
class Address:
    """Where the courier carries it."""

    name: str
    mobile: str
    region: str
    address: str
    sender_mobile: str = ""
    sender_address: str = ""


@dataclass(frozen=True, slots=True)
class Parcel:
    """One parcel as it was tracked last."""

    request_id: str
    waybill_no: str
    status: str
    place: str
    reason: str

    @property
    def refused(self) -> bool:
        """The courier will not carry it; it may be asked again."""
        return self.status == REFUSED

    @property
    def may_go_again(self) -> bool:
        """It will not arrive."""
        return self.status in ("returned", "lost", REFUSED)

    @property
    def told(self) -> str:
        """已揽收, 运输中 …"""
        own = {"requested": "已下单", "booked": "已取得运单号", REFUSED: f"快递公司未接单：{self.reason}"}
        return own.get(self.status) or label("parcel_status", self.status)


def deliver(hall: Hall, clerk: Clerk, case_no: str, seen: int, asked: Collection) -> str:
    """Register the delivery; the number of the receipt to sign. HallRefused not_signed_yet for a parcel still
    on its way, certificate_owed for a certificate that was left for later."""
    check = Check()
    kind = check.choice("document_type", asked.document_type, "证件类型", "document_type")
    said = {
        "collector": check.text("collector", asked.collector, "领取人姓名", 100),
        "document_type": kind,
        "document_no": check.document("document_no", kind, asked.document_no, "领取人证件号码"),
        "mode": check.choice("mode", asked.mode, "送达方式", "delivery_mode"),
    }
    check.done()

    def act(work: Work) -> str:
        here = begin(work, clerk, case_no, seen, FUNCTION, Event.DELIVERED)
        waiting.expect_none_owed(work.connection, case_no)
        sent = parcel(work.connection, case_no)
        if asked.mode == "post" and (sent is None or sent.status != "signed"):
            raise HallRefused("not_signed_yet", "快件还没有签收，不能登记送达")
        payload = {**here.head, **said, "collected_at": moment(work.now)}
        tell(hall, work, clerk, CaseDelivered.model_validate(payload))
        return _receipt(work, clerk, here, asked.mode)

    return hall.write(act)


def _receipt(work: Work, clerk: Clerk, here: Standing, mode: str) -> str:
    made = to_hand_out(work.connection, here.no)
    papers: list[Mapping[str, Any]] = [{"name": made.name, "number": made.number}] if made else []
    told = [one for one in notices.of_case(work.connection, here.no) if one.kind == "decision"]
    papers += [{"name": one.title, "number": one.doc_no} for one in told]
    said = {
        "papers": papers or [{"name": "办理结果"}],
        "method": notices.delivery_text(mode),
        "place": clerk.org_name,
        "servers": [clerk.name],
    }
    for one in told:
        notices.serve(work, one.doc_no)
    return notices.issue(work, clerk, here, "delivery_receipt", said)


def send(hall: Hall, clerk: Clerk, case_no: str, seen: int, asked: Address) -> str:
    """Ask the courier to fetch the result; the id of the request. HallRefused already_sent, state_forbids."""
    check = Check()
    to = {
        "name": check.text("receiver", asked.name, "收件人姓名", 100),
        "mobile": check.mobile("mobile", asked.mobile, "收件人手机号码"),
        "region": _region(asked.region, check),
        "address": check.text("address", asked.address, "收件地址", 200),
    }
    sender_mobile = check.mobile("sender_mobile", asked.sender_mobile, "寄件联系手机号码")
    sender_address = check.text("sender_address", asked.sender_address or clerk.org_name, "寄件地址", 200)
    check.done()

    def act(work: Work) -> str:
        here = begin(work, clerk, case_no, seen, FUNCTION, Event.DELIVERED)
        waiting.expect_none_owed(work.connection, case_no)
        sent = parcel(work.connection, case_no)
        if sent is not None and not sent.may_go_again:
            raise HallRefused("already_sent", f"快件{sent.waybill_no}已在途中")
        ident = new_id(work.now)
        origin = {
            "name": clerk.name,
            "mobile": sender_mobile,
            "region": clerk.region,
            "address": sender_address,
        }
        said = {
            "request_id": ident,
            "case_no": case_no,
            "sender": origin,
            "receiver": to,
            "contents": f"{here.case['application']['item_name']}办理结果"[:200],
            "requested_at": moment(work.now),
        }
        tell(hall, work, clerk, ParcelRequested.model_validate(said))
        row = {"request_id": ident, "case_no": case_no, "status": "requested", "changed_at": work.now}
        work.connection.execute(insert(hall_parcel), {**row, "waybill_no": None, "place": None})
        return ident

    return hall.write(act)


def _region(given: str, check: Check) -> str:
    try:
        return RegionCode(given.strip())
    except ValueRefused:
        check.fault("region", "bad_form", "请选择收件地区（12 位行政区划代码）")
        return ""


def parcel(connection: Connection, case_no: str) -> Parcel | None:
    """The parcel sent last."""
    row = run(connection, _PARCEL, {"of": case_no}).first()
    return (
        Parcel(row.request_id, row.waybill_no or "", row.status, row.place or "", row.reason or "")
        if row
        else None
    )

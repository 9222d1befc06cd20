"""What follows from messages around a case: ratings, reversals, fee bases, audits, parcels, files."""

import base64
import hashlib
import json
from datetime import date, timedelta
from typing import Any

import pytest

from canonical.messages import PAYLOADS
from exchange.delivery import Sent
from exchange.overdue import note_unanswered, send_again
from exchange.pipeline import accept_overdue
from exchange.replies import take_pulled
from tests.exchange.core.rig import (
    ITEM,
    MOBILE,
    ORG,
    PLAIN_ITEM,
    START,
    Core,
    Story,
    case_number,
    iso,
    service_item,
    took,
)

NOTICE = "44140226000000000017"
FEE = {
    "code": "103044", "name": "证照工本费", "standard": "每证 5 元", "amount": "5.00",
    "legal_basis": "粤财综〔2018〕17号", "reducible": False,
}  # fmt: skip


@pytest.fixture
def plain() -> Story:
    """A case without a fee."""
    return Story(case_number(1), PLAIN_ITEM)


def up_to(core: Core, story: Story, last: str) -> None:
    """A case told by the hall up to a message."""
    granted = "certificate_issued" if story.item == ITEM else "concluded"
    said = [
        ("case.applied.v1", story.applied()),
        ("case.accepted.v1", story.accepted()),
        *(("case.step.v1", story.step(n)) for n in (1, 2, 3)),
        ("case.concluded.v1", story.concluded(granted)),
        ("case.delivered.v1", story.delivered()),
    ]
    for type_, payload in said:
        core.ok("hall", type_, payload)
        if type_ == last and (type_ != "case.step.v1" or payload["step_no"] == 3):
            return


def own(core: Core, type_: str) -> list[dict[str, Any]]:
    """What the hub itself said of this type."""
    rows = core.rows(
        "SELECT canonical FROM document WHERE type = :t AND direction = 'own' ORDER BY entry", t=type_
    )
    return [json.loads(row["canonical"]) for row in rows]


def rating(story: Story, after: timedelta, satisfaction: str = "very_satisfied") -> dict[str, Any]:
    at = iso(START + after)
    return {**story.head, "satisfaction": satisfaction, "channel": "web", "evaluated_at": at}


def noticed(core: Core, story: Story) -> None:
    """A case that waits for its payment, with a bank that may speak."""
    core.party(
        "till", adapter="fees", address="http://127.0.0.1:1", account={"account": "t", "drop_folder": "/x"}
    )
    core.party("bank", sends=("fee.paid.v1", "fee.reversed.v1", "fee.reconciled.v1"))
    up_to(core, story, "case.step.v1")
    core.ok("hall", "fee.requested.v1", story.fee_requested())
    answer = PAYLOADS["fee.noticed.v1"].model_validate(story.fee_noticed(NOTICE))
    core.delivered("till", lambda row: took(row, reply=("fee.noticed.v1", answer)))


def reversal(serial: str = "CZ17") -> dict[str, Any]:
    return {
        "notice_no": NOTICE, "serial": serial, "original_serial": f"BK{NOTICE}", "amount": "5.00",
        "reversed_at": iso(START), "bank": "103",
    }  # fmt: skip


def bank_day(*lines: dict[str, Any], count: int | None = None, balance: str = "5.00") -> dict[str, Any]:
    counted = len(lines) if count is None else count
    head = {"region": "441402000000", "day": START.date().isoformat(), "count": counted, "balance": balance}
    return {**head, "lines": list(lines)}


def line(serial: str = f"BK{NOTICE}", amount: str = "5.00", kind: str = "paid") -> dict[str, Any]:
    return {
        "notice_no": NOTICE, "serial": serial, "kind": kind, "amount": amount, "overdue_amount": "0.00",
        "paid_at": iso(START), "bank": "103",
    }  # fmt: skip


def test_a_rating_within_seconds_of_the_conclusion_is_given_by_no_person(core: Core, plain: Story) -> None:
    core.party("stars", sends=("case.evaluated.v1",))
    up_to(core, plain, "case.concluded.v1")
    core.ok("stars", "case.evaluated.v1", rating(plain, timedelta(seconds=9)))
    assert core.findings(plain.no) == [("integrity", "automatic_rating")]
    core.ok("stars", "case.evaluated.v1", rating(plain, timedelta(minutes=10)))
    assert len(core.findings(plain.no)) == 1


def test_a_bad_rating_has_to_be_put_right_in_fifteen_working_days(core: Core, plain: Story) -> None:
    core.party("stars", sends=("case.evaluated.v1",))
    up_to(core, plain, "case.concluded.v1")
    core.ok("stars", "case.evaluated.v1", rating(plain, timedelta(hours=1), "dissatisfied"))
    assert core.findings(plain.no) == [("evaluation", "bad_rating")]
    due = date(2026, 3, 23)  # Monday 2 March and fifteen working days, no holiday between
    assert due.isoformat() in core.value("SELECT detail FROM finding")


def test_one_digit_by_sms_rates_the_case_last_asked_about(core: Core, plain: Story) -> None:
    core.party("gate", sends=("sms.replied.v1",))
    said = {"mobile": MOBILE, "content": " 2 ", "received_at": iso(START)}
    core.ok("gate", "sms.replied.v1", said)
    assert own(core, "case.evaluated.v1") == [], "nobody was asked yet"
    up_to(core, plain, "case.delivered.v1")
    for words in ("2", "谢谢", "6", "", "12"):
        core.ok("gate", "sms.replied.v1", {**said, "content": words})
    (only,) = own(core, "case.evaluated.v1")
    assert (only["case_no"], only["satisfaction"], only["channel"]) == (plain.no, "satisfied", "sms")
    core.verified()


def test_acceptance_and_conclusion_are_services_to_be_rated(core: Core, plain: Story) -> None:
    core.party("ratings", adapter="evaluation", address="http://127.0.0.1:1", account={"account": "tongban"})
    up_to(core, plain, "case.concluded.v1")
    first, second = own(core, "service.recorded.v1")
    assert (first["stage"], first["service_number"]) == ("accepted", 1)
    assert (second["stage"], second["service_number"]) == ("concluded", 2)
    assert second["concluded_at"] == second["accepted_at"] == iso(START)
    assert [row["type"] for row in core.outbox("party = 'ratings'")] == ["service.recorded.v1"] * 2


def test_no_service_is_recorded_where_nobody_rates(core: Core, plain: Story) -> None:
    up_to(core, plain, "case.concluded.v1")
    assert own(core, "service.recorded.v1") == []


def test_a_payment_taken_back_is_awaited_again(core: Core, story: Story) -> None:
    noticed(core, story)
    core.ok("bank", "fee.paid.v1", story.fee_paid(NOTICE))
    core.ok("hall", "fee.confirmed.v1", story.fee_confirmed(NOTICE))
    assert core.state(story.no) == "decided"
    core.ok("bank", "fee.reversed.v1", reversal())
    assert core.state(story.no) == "awaiting_payment"
    assert ("fee", "payment_reversed") in core.findings(story.no)
    assert "冲正" in own(core, "sms.requested.v1")[-1]["content"]
    core.verified()


def test_a_reversal_that_overtakes_its_payment_waits_for_it(core: Core, story: Story) -> None:
    noticed(core, story)
    assert core.send("bank", "fee.reversed.v1", reversal()).status == "held"
    core.ok("bank", "fee.paid.v1", story.fee_paid(NOTICE))
    assert core.state(story.no) == "awaiting_payment"
    assert ("fee", "payment_reversed") in core.findings(story.no)


@pytest.mark.parametrize(
    ("lines", "balance", "expected"),
    [
        ([line()], "5.00", []),
        ([], "0.00", ["reconciliation_missing_there"]),
        ([line(), line("BK99")], "10.00", ["reconciliation_missing_here"]),
        ([line(amount="6.00")], "6.00", ["reconciliation_amount"]),
        ([line(), line("CZ17", kind="reversed")], "0.00", ["reconciliation_missing_here"]),
    ],
)
def test_the_banks_day_is_held_against_its_notices(
    core: Core, story: Story, lines: list[dict[str, Any]], balance: str, expected: list[str]
) -> None:
    noticed(core, story)
    core.ok("bank", "fee.paid.v1", story.fee_paid(NOTICE))
    core.ok("bank", "fee.reconciled.v1", bank_day(*lines, balance=balance))
    assert [code for _, code in core.findings()] == expected


@pytest.mark.parametrize(
    ("said", "where"),
    [
        (bank_day(line(), count=2), "count"),
        (bank_day(line(), balance="5.01"), "balance"),
        (bank_day(line(), line(), balance="10.00"), "lines"),
    ],
)
def test_a_file_that_contradicts_itself_is_refused(
    core: Core, story: Story, said: dict[str, Any], where: str
) -> None:
    noticed(core, story)
    receipt = core.send("bank", "fee.reconciled.v1", said)
    assert (receipt.status, receipt.code) == ("refused", "bad_value")
    assert json.loads(receipt.body)["errors"][0]["path"] == where


@pytest.mark.req("S3-71")
def test_the_revenue_systems_basis_is_held_against_the_item_library(core: Core) -> None:
    core.catalogue(service_item(version=2, fees=[FEE]), to=2)
    core.party("tax", adapter="revenue", address="http://127.0.0.1:1", account={"account": "tongban"})
    story = Story(case_number(1))
    up_to(core, story, "case.step.v1")
    core.ok("hall", "fee.requested.v1", story.fee_requested())
    (asked,) = own(core, "fee.basis_requested.v1")
    assert (asked["fee_code"], asked["item_code"], asked["case_no"]) == ("103044", ITEM, story.no)
    core.party("says", sends=("fee.basis.v1",))
    basis = {"request_id": asked["request_id"], "case_no": story.no, "fee_code": "103044", "legal_basis": "x"}
    core.ok("says", "fee.basis.v1", {**basis, "standard": "每证 5 元", "amount": "5.00"})
    assert core.findings(story.no) == []
    core.ok("says", "fee.basis.v1", {**basis, "standard": "每证 8 元", "amount": "8.00"})
    assert core.findings(story.no) == [("discretion", "fee_basis_differs")]


@pytest.mark.req("S3-72")
@pytest.mark.parametrize(
    ("said", "reducible", "found"),
    [
        ({"amount": "5.00"}, False, None),
        ({"amount": "10.00", "quantity": 2}, False, None),
        ({"amount": "6.00"}, False, "fee_differs_from_item"),
        ({"amount": "12.50", "measure": "2.5"}, False, None),
        ({"amount": "5.00", "measure": "2.5"}, False, "fee_differs_from_item"),
        ({"amount": "3.00", "reduction": "2.00", "reduction_basis": "小微企业减免"}, True, None),
        ({"amount": "2.00", "reduction": "2.00", "reduction_basis": "x"}, True, "fee_differs_from_item"),
        ({"amount": "3.00", "reduction": "2.00", "reduction_basis": "x"}, False, "fee_reduced_unlawfully"),
        ({"amount": "3.00"}, True, "fee_differs_from_item"),
    ],
)
def test_a_cases_fee_is_held_against_its_item(
    core: Core, said: dict[str, object], reducible: bool, found: str | None
) -> None:
    """A finding where standard, quantity and the recorded reduction do not explain the amount."""
    core.catalogue(service_item(version=2, fees=[FEE | {"reducible": reducible}]), to=2)
    story = Story(case_number(1))
    up_to(core, story, "case.step.v1")
    asked = story.fee_requested()
    asked["lines"][0] |= said
    core.ok("hall", "fee.requested.v1", asked | {"total": said["amount"]})
    assert core.findings(story.no) == ([("discretion", found)] if found else [])


def test_row_errors_of_a_receipt_and_rows_of_the_nightly_audit_are_findings(core: Core, plain: Story) -> None:
    core.party("report", adapter="provincial_reporting")
    core.ok("hall", "case.applied.v1", plain.applied())
    sent = core.outbox("party = 'report'")[0]["message_id"]
    core.delivered("report", took)
    wrong = [{"field": "LXRSJ", "message": "手机号不合规范"}]
    core.delivered("report", took)
    take(core, "report", "exchange.receipted.v1", {"message_id": sent, "code": "0", "row_errors": wrong})
    rows = [
        {
            "message_id": sent,
            "error_type": "E01",
            "table": "up_pro_accept",
            "field": "SQRMC",
            "message": "超长",
        },
        {"message_id": "never-sent", "error_type": "E09", "message": "重复"},
    ]
    night = {"batch_id": "A-1", "region": "441400000000", "audited_on": "2026-03-03", "rows": rows}
    take(core, "report", "exchange.audited.v1", night)
    found = core.rows("SELECT case_no, code, detail FROM finding ORDER BY id")
    assert [(row["code"], row["case_no"]) for row in found] == [
        ("row_error", plain.no), ("audit_abnormal", plain.no), ("audit_abnormal", None),
    ]  # fmt: skip
    assert "never sent" in found[2]["detail"]


def take(core: Core, party: str, type_: str, payload: dict[str, Any]) -> None:
    """A message a partner's answer brought."""
    said = PAYLOADS[type_].model_validate(payload)
    take_pulled(
        core.hub, party, Sent("rest", b"{}", "0", "ok"), (type_, said), f"{type_}-{len(core.leaves())}"
    )


def test_the_directory_keeps_the_newest_of_each_entry(core: Core) -> None:
    office = {
        "id": "o1",
        "name": "梅江区市监局",
        "region": "441402000000",
        "active": True,
        "changed_at": iso(START),
    }
    clerk = {
        "id": "s1", "name": "测试甲", "login": "cs.jia", "organisation": "o1", "level": "verified",
        "active": True, "changed_at": iso(START),
    }  # fmt: skip
    page = {"since": 0, "to_version": 7, "total": 2, "organisations": [office], "staff": [clerk]}
    take(core, "sso", "directory.increment.v1", page)
    gone = {
        **page,
        "since": 7,
        "to_version": 9,
        "total": 1,
        "organisations": [],
        "staff": [clerk | {"active": False}],
    }
    take(core, "sso", "directory.increment.v1", gone)
    rows = core.rows("SELECT kind, id, active FROM directory_entry ORDER BY kind")
    assert [(row["kind"], row["id"], bool(row["active"])) for row in rows] == [
        ("organisation", "o1", True), ("staff", "s1", False),
    ]  # fmt: skip
    assert core.value("SELECT position FROM stream WHERE party = 'sso'") == 9


@pytest.mark.req("S3-48")
def test_a_parcel_is_followed_by_its_waybill(core: Core, plain: Story) -> None:
    core.party("courier", sends=("parcel.booked.v1", "parcel.tracked.v1"))
    up_to(core, plain, "case.concluded.v1")
    booked = {"request_id": "p-1", "case_no": plain.no, "waybill_no": "YT17", "booked_at": iso(START)}
    core.ok("courier", "parcel.booked.v1", booked)
    assert "YT17" in own(core, "sms.requested.v1")[-1]["content"]
    tracked = {"waybill_no": "YT17", "status": "signed", "occurred_at": iso(START)}
    core.ok("courier", "parcel.tracked.v1", tracked)
    assert "已签收" in own(core, "sms.requested.v1")[-1]["content"]
    core.ok("courier", "parcel.tracked.v1", {**tracked, "status": "lost", "place": "梅州"})
    assert core.findings(plain.no) == [("procedure", "parcel_lost")]


def test_a_track_that_overtakes_its_waybill_waits_for_it(core: Core, plain: Story) -> None:
    core.party("courier", sends=("parcel.booked.v1", "parcel.tracked.v1"))
    up_to(core, plain, "case.concluded.v1")
    tracked = {"waybill_no": "YT18", "status": "lost", "occurred_at": iso(START)}
    assert core.send("courier", "parcel.tracked.v1", tracked).status == "held"
    booked = {"request_id": "p-1", "case_no": plain.no, "waybill_no": "YT18", "booked_at": iso(START)}
    core.ok("courier", "parcel.booked.v1", booked)
    assert core.findings(plain.no) == [("procedure", "parcel_lost")]
    core.verified()


def test_a_number_that_never_becomes_known_is_refused_after_a_day(core: Core) -> None:
    core.party("courier", sends=("parcel.tracked.v1",))
    tracked = {"waybill_no": "YT99", "status": "signed", "occurred_at": iso(START)}
    assert core.send("courier", "parcel.tracked.v1", tracked).status == "held"
    core.clock.on(86_401)
    core.hub.store.write(lambda work: accept_overdue(core.hub, work))
    assert core.value("SELECT state FROM inbox WHERE party = 'courier'") == "refused"


def test_what_the_data_platform_does_not_know_is_for_a_person(core: Core, plain: Story) -> None:
    core.party("data", sends=("verification.answered.v1",))
    core.ok("hall", "case.applied.v1", plain.applied())
    said = {"request_id": "v-1", "case_no": plain.no, "source": "公安人口库", "verified_at": iso(START)}
    core.ok("data", "verification.answered.v1", {**said, "result": "match"})
    assert core.findings(plain.no) == []
    core.ok("data", "verification.answered.v1", {**said, "result": "mismatch"})
    assert core.findings(plain.no) == [("content", "verification_mismatch")]


def attached(story: Story, body: bytes) -> dict[str, Any]:
    return {
        **story.head, "material": "平面图", "file_name": "plan.pdf", "media_type": "application/pdf",
        "digest": hashlib.sha256(body).hexdigest(), "content": base64.b64encode(body).decode(),
        "attached_at": iso(START),
    }  # fmt: skip


@pytest.mark.req("S3-34")
def test_files_follow_the_application_and_later_ones_follow_the_acceptance(core: Core, plain: Story) -> None:
    core.party(
        "dept", adapter="department_b", org=ORG, address="http://127.0.0.1:1", account={"account": "t"}
    )
    core.ok("hall", "case.applied.v1", plain.applied())
    core.ok("hall", "case.attached.v1", attached(plain, b"%PDF-1"))
    core.ok("hall", "case.attached.v1", attached(plain, b"%PDF-2"))
    assert core.outbox("party = 'dept'") == [], "before acceptance a department knows nothing of it"
    core.ok("hall", "case.accepted.v1", plain.accepted())
    core.ok("hall", "case.attached.v1", attached(plain, b"%PDF-3"))
    rows = core.outbox("party = 'dept'")
    assert [row["type"] for row in rows] == [
        "case.applied.v1", "case.attached.v1", "case.attached.v1", "case.accepted.v1", "case.attached.v1",
    ]  # fmt: skip
    assert len({row["message_id"] for row in rows}) == 5


def test_a_file_that_is_not_what_its_digest_says_is_refused(core: Core, plain: Story) -> None:
    core.ok("hall", "case.applied.v1", plain.applied())
    wrong = attached(plain, b"%PDF-1") | {"digest": hashlib.sha256(b"%PDF-2").hexdigest()}
    assert core.send("hall", "case.attached.v1", wrong).code == "bad_value"
    assert core.send("hall", "case.attached.v1", wrong | {"content": "not base64!"}).code == "bad_value"


def test_a_step_told_anew_with_a_higher_version_is_a_correction(core: Core, plain: Story) -> None:
    up_to(core, plain, "case.concluded.v1")
    assert core.send("hall", "case.step.v1", plain.step(1)).status == "refused", "no higher version"
    corrected = plain.step(1) | {"version": 2, "opinion": "同意（更正）"}
    core.ok("hall", "case.step.v1", corrected)
    assert core.state(plain.no) == "concluded"
    assert core.findings(plain.no)[-1] == ("content", "corrected")
    changed = plain.step(1, "return") | {"version": 3}
    assert core.send("hall", "case.step.v1", changed).code == "state_forbids", (
        "another decision is no correction"
    )
    core.verified()


def test_a_delivery_without_its_receipt_is_a_finding_once(core: Core, plain: Story) -> None:
    core.party("report", adapter="provincial_reporting")
    core.ok("hall", "case.applied.v1", plain.applied())
    core.delivered("report", took)

    def look() -> int:
        return core.hub.store.write(lambda work: note_unanswered(core.hub, work))

    core.clock.on(86_399)
    assert look() == 0
    core.clock.on(2)
    assert look() == 1
    assert look() == 0
    assert core.findings(plain.no) == [("procedure", "answer_unknown")]


def test_a_message_whose_receipt_was_lost_is_sent_again_under_its_id(core: Core, plain: Story) -> None:
    core.party("report", adapter="provincial_reporting")
    core.party("sms-gate", adapter="sms", address="http://127.0.0.1:1", account={"account": "tongban"})
    core.ok("hall", "case.applied.v1", plain.applied())
    for party in ("report", "sms-gate"):
        core.delivered(party, took)
    ident = core.outbox("party = 'report'")[0]["message_id"]

    def after(seconds: float) -> int:
        core.clock.on(seconds)
        return send_again(core.hub)

    assert (after(19), after(2)) == (0, 1)
    (again,) = core.delivered("report", took)
    assert again.message_id == ident
    assert (after(39), after(2)) == (0, 1), "twice the pause"
    core.delivered("report", took)
    take(core, "report", "exchange.receipted.v1", {"message_id": ident, "code": "101"})
    assert len(core.delivered("report", took)) == 0, "again later, as the receipt says"
    core.clock.on(60)
    assert len(core.delivered("report", took)) == 1
    assert after(200) == 1, "the receipt of the repeat is awaited too"
    core.delivered("report", took)
    take(core, "report", "exchange.receipted.v1", {"message_id": ident, "code": "0"})
    assert after(3600) == 0
    assert [row["state"] for row in core.outbox()] == ["sent", "sent"], (
        "no receipt is promised for short messages"
    )

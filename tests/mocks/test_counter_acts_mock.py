"""What a hall window does besides its own cases, against docs/wire.md and the published schemas."""

import base64
import hashlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from canonical.messages import PAYLOADS, Message
from tests.mocks.amqpparty import USCC, check_character
from tests.mocks.hallparty import CERTIFIED, FULL, PLAIN, REGION, Answer, Hall, Seen, step
from tests.mocks.jsonparty import ROOT, until


def identifier(serial: str) -> str:
    """GB/T 36904: check MOD 37,36 over type, issuer, serial and version."""
    parts = (f"{USCC}001", USCC, serial, "001")
    return ".".join(("1.2.156.3005.2", *parts, check_character("".join(parts))))


IDENTIFIER = identifier("ABC123")


@pytest.fixture
def hall(tmp_path: Path) -> Iterator[Any]:
    made: list[Hall] = []

    def make(items: list[dict[str, Any]], **own: Any) -> Hall:
        made.append(Hall(tmp_path, items, **own))
        made[-1].desk.answer = lambda seen: answered(made[-1], seen)
        return made[-1]

    yield make
    for one in made:
        one.close()


def answered(counter: Hall, seen: Seen) -> Answer:
    said = counter.desk.said
    document = seen.document["payload"]
    if "case_no" not in document:  # reports are about no case
        document["case_no"] = ""
    return counter.desk.sealed(seen, 200, said(seen))


def types(counter: Hall, case: str) -> list[str]:
    return [one.removeprefix("case.") for one in counter.desk.types(case)]


def held(counter: Hall) -> None:
    """Every document follows its schema."""
    for seen in counter.desk.seen:
        if seen.type in ("performance.reported.v1", "catalogue.reported.v1"):
            seen.document["payload"].pop("case_no", None)
        message = Message.model_validate(seen.document)
        PAYLOADS[message.type].model_validate(seen.document["payload"])


def finish(counter: Hall, case: str) -> None:
    counter.ok("case.concluded.v1", {"case_no": case, "result": "concluded"})
    counter.awaited(case, "case.delivered.v1")
    archive(counter, case)


def archive(counter: Hall, case: str) -> None:
    counter.ok("archive.result.v1", {"case_no": case, "code": "200", "request_id": "r", "fonds": "0001"})


def online(item: dict[str, Any], serial: int = 500_001, **more: Any) -> dict[str, Any]:
    """An application the hub took from the portal."""
    first = f"{REGION}202611221{serial:06d}"
    return {
        "case_no": first + check_character(first), "item_code": item["code"], "region": REGION, "version": 1,
        "item_name": item["name"], "summary": "网上申请", "channel": "online", "materials": [],
        "applicant": {
            "kind": "natural_person", "name": "测试甲", "document_type": "resident_id_card",
            "document_no": "441499199001010015",
        },
        "contact": {"name": "样例乙", "mobile": "13800138001"}, "applied_at": "2026-11-22T09:30:00+08:00",
    } | more  # fmt: skip


def test_without_acts_the_new_pushes_are_unknown(hall: Any) -> None:
    counter = hall([PLAIN], cases=1)
    counter.case()
    answer = counter.push("case.applied.v1", online(PLAIN))
    assert (answer.status_code, counter.checked(answer)["code"]) == (422, "unknown_type")
    assert "adopted" not in counter.admin("progress")


def test_an_online_application_is_handled_as_an_own_one(hall: Any) -> None:
    counter = hall([FULL], acts=["adopt"], supplement_every=1)
    application = online(FULL)
    case = application["case_no"]
    early = counter.push("case.attached.v1", {
        "case_no": case, "material": "m", "file_name": "f", "digest": "d", "content": "c"
    })  # fmt: skip
    assert early.status_code == 503
    counter.ok("case.applied.v1", application)
    notice = counter.awaited(case, "case.supplement_noticed.v1")
    assert notice["materials"][0]["received_as"] == "attachment"
    time.sleep(0.3)
    assert types(counter, case) == ["pre_reviewed.v1", "supplement_noticed.v1"]
    given = {"case_no": case, "received_by": "测试甲", "received_at": "2026-11-22T09:31:00+08:00"}
    counter.ok("case.supplemented.v1", given | {"materials": notice["materials"]})
    counter.awaited(case, "case.accepted.v1")
    counter.ok("case.step.v1", step(case))
    counter.awaited(case, "fee.requested.v1")
    counter.ok("fee.noticed.v1", {"case_no": case, "notice_no": "N1"})
    counter.ok("fee.paid.v1", {"notice_no": "N1", "serial": "S1"})
    wanted = counter.awaited(case, "certificate.requested.v1")
    assert wanted["holders"][0]["document_no"] == "441499199001010015"
    finish(counter, case)
    progress = counter.admin("progress")
    assert (progress["cases"], progress["finished"]) == (1, 1)
    assert progress["adopted"] == {"cases": 1, "finished": 1, "failed": 0}
    held(counter)


def test_what_cannot_be_adopted_is_told(hall: Any) -> None:
    counter = hall([PLAIN], acts=["adopt"], cases=6)
    for wrong, status, code in (
        (online(FULL), 422, "unknown_item"), (online(PLAIN, applicant="测试甲"), 422, "bad_value"),
        (online(PLAIN, item_code=""), 422, "missing_field"),
    ):  # fmt: skip
        answer = counter.push("case.applied.v1", wrong)
        assert (answer.status_code, counter.checked(answer)["code"]) == (status, code)
    window = online(PLAIN, channel="window")
    counter.ok("case.applied.v1", window)
    counter.case(6)
    assert {case[20] for case in counter.desk.cases()} == {"2"}  # the portal alone numbers online ones
    assert window["case_no"] not in counter.desk.cases()
    counter.ok("case.applied.v1", online(PLAIN), name="applied-once")
    counter.ok("case.applied.v1", online(PLAIN), name="applied-once")
    counter.ok("case.applied.v1", online(PLAIN))
    until(
        lambda: counter.desk.types(online(PLAIN)["case_no"]) == ["case.pre_reviewed.v1", "case.accepted.v1"]
    )
    assert counter.admin("progress")["adopted"] == {"cases": 1, "finished": 0, "failed": 0}


def test_files_verification_and_search_come_before_acceptance(hall: Any) -> None:
    counter = hall([PLAIN], acts=["files", "verify", "search"], cases=3)
    until(lambda: counter.opened() == 3)
    cases = sorted(counter.desk.cases(), key=lambda case: str(case)[21:27])
    common = ["pre_reviewed.v1", "verification.requested.v1", "certificate.searched.v1", "accepted.v1"]
    assert types(counter, cases[0]) == ["applied.v1", *common]
    assert types(counter, cases[2]) == ["applied.v1", "attached.v1", "attached.v1", *common]
    held(counter)
    files = [one.document["payload"] for one in counter.desk.of(cases[2]) if one.type == "case.attached.v1"]
    contents = {one["media_type"]: base64.b64decode(one["content"], validate=True) for one in files}
    assert [hashlib.sha256(contents[one["media_type"]]).hexdigest() for one in files] == [
        one["digest"] for one in files
    ]
    assert contents["application/pdf"].startswith(b"%PDF-1.4")
    assert etree.fromstring(contents["application/xml"]).findtext("caseNo") == cases[2]
    search = counter.awaited(cases[0], "certificate.searched.v1")
    one = {
        "identifier": IDENTIFIER,
        "name": "许可证",
        "number": "1",
        "valid_from": "2026-01-01",
        "state": "valid",
    }
    found = {"request_id": search["request_id"], "certificates": [one | {"state": "expired"}, one]}
    counter.ok("certificate.found.v1", found)
    assert counter.awaited(cases[0], "certificate.file_requested.v1")["identifier"] == IDENTIFIER
    counter.ok("certificate.found.v1", {"request_id": f"{cases[1]}-S", "certificates": []})
    counter.ok("verification.answered.v1", {
        "request_id": f"{cases[0]}-V", "result": "match", "source": "x", "verified_at": "x"
    })  # fmt: skip
    time.sleep(0.2)
    assert "certificate.file_requested.v1" not in counter.desk.types(cases[1])
    held(counter)


def test_some_applicants_come_back(hall: Any) -> None:
    counter = hall([PLAIN], acts=["search"], cases=12)
    until(lambda: counter.opened() == 12, 15)
    cases = {int(case[21:27]): counter.desk.of(case)[0].document["payload"] for case in counter.desk.cases()}
    numbers = {n: one["applicant"]["document_no"] for n, one in cases.items()}
    assert (numbers[8], numbers[12]) == (numbers[2], numbers[3])
    assert len(set(numbers.values())) == 10


def test_an_act_the_hub_refuses_holds_nothing_back(hall: Any) -> None:
    counter = hall([PLAIN], acts=["verify", "files"])
    desk = counter.desk

    def picky(seen: Seen) -> Answer:
        if seen.type in ("verification.requested.v1", "case.attached.v1"):
            return desk.sealed(seen, 403, desk.said(seen, "refused", "not_allowed"))
        return desk.receipt(seen)

    desk.answer = picky
    counter.run(3)
    until(lambda: counter.opened() == 3)
    assert counter.admin("progress")["failed"] == []
    for case in desk.cases():
        assert types(counter, case)[-1] == "accepted.v1"
        finish(counter, case)
    assert counter.admin("progress")["finished"] == 3


def posted(counter: Hall) -> tuple[str, str]:
    """A case whose result goes by post, and one whose result does not."""
    modes = {}
    for case in counter.desk.cases():
        counter.ok("case.concluded.v1", {"case_no": case, "result": "concluded"})
        until(lambda case=case: types(counter, case)[-1] in ("parcel.requested.v1", "delivered.v1"))
        modes[types(counter, case)[-1]] = case
    return modes["parcel.requested.v1"], modes["delivered.v1"]


def test_a_result_by_post_is_delivered_when_it_is_signed_for(hall: Any) -> None:
    counter = hall([PLAIN], acts=["post"], cases=8)
    until(lambda: counter.opened() == 8)
    case, other = posted(counter)
    assert "parcel.requested.v1" not in counter.desk.types(other)
    booked = {"case_no": case, "request_id": f"{case}-P", "waybill_no": "W1", "booked_at": "x"}
    track = {"waybill_no": "W1", "status": "collected", "occurred_at": "x"}
    counter.ok("parcel.tracked.v1", track)  # may come before the booking
    counter.ok("parcel.booked.v1", booked)
    counter.ok("parcel.tracked.v1", track | {"status": "out_for_delivery"})
    time.sleep(0.3)
    assert types(counter, case)[-1] == "parcel.requested.v1"
    counter.ok("parcel.tracked.v1", track | {"status": "signed"})
    assert counter.awaited(case, "case.delivered.v1")["mode"] == "post"
    archive(counter, case)
    assert counter.admin("progress")["by_state"]["finished"] == 1
    held(counter)


def test_what_comes_back_is_collected_at_the_window_and_tracking_may_be_first(hall: Any) -> None:
    counter = hall([PLAIN], acts=["post"], cases=8)
    until(lambda: counter.opened() == 8)
    case, _ = posted(counter)
    counter.ok("parcel.tracked.v1", {"waybill_no": "W2", "status": "returned", "occurred_at": "x"})
    counter.ok(
        "parcel.booked.v1",
        {"case_no": case, "request_id": f"{case}-P", "waybill_no": "W2", "booked_at": "x"},
    )
    assert counter.awaited(case, "case.delivered.v1")["mode"] == "window"


def test_a_parcel_nobody_books_is_collected(hall: Any) -> None:
    counter = hall([PLAIN], acts=["post"], cases=8, parcel_patience_ms=600)
    until(lambda: counter.opened() == 8)
    case, _ = posted(counter)
    assert counter.awaited(case, "parcel.requested.v1")["receiver"]["region"] == REGION
    assert counter.awaited(case, "case.delivered.v1")["mode"] == "window"
    booked = {"case_no": case, "request_id": f"{case}-P", "waybill_no": "W3", "booked_at": "x"}
    counter.ok("parcel.booked.v1", booked)
    counter.ok("parcel.tracked.v1", {"waybill_no": "W3", "status": "signed", "occurred_at": "x"})
    time.sleep(0.2)
    assert counter.desk.types(case).count("case.delivered.v1") == 1


def test_a_payment_taken_back_is_waited_for_again(hall: Any) -> None:
    counter = hall([FULL], acts=["adopt"], cases=1)
    case, reversal = counter.case(), {"notice_no": "N1", "amount": "105.00", "reversed_at": "x"}
    counter.ok("case.step.v1", step(case))
    counter.awaited(case, "fee.requested.v1")
    counter.ok("fee.noticed.v1", {"case_no": case, "notice_no": "N1"})
    counter.ok("fee.reversed.v1", reversal | {"serial": "R1", "original_serial": "S1"})
    counter.ok("fee.paid.v1", {"notice_no": "N1", "serial": "S1"})  # taken back before it was told
    time.sleep(0.3)
    assert counter.desk.types(case)[-1] == "fee.requested.v1"
    assert counter.admin("progress")["by_state"] == {"paying": 1}
    counter.ok("fee.paid.v1", {"notice_no": "N1", "serial": "S2"})
    assert counter.awaited(case, "fee.confirmed.v1")["request_id"] == f"{case}-Q2"
    counter.awaited(case, "certificate.requested.v1")
    counter.ok("fee.reversed.v1", reversal | {"serial": "R2", "original_serial": "S2"})  # too late
    finish(counter, case)
    assert counter.desk.types(case).count("certificate.requested.v1") == 1


def test_a_payment_confirmed_and_taken_back_is_confirmed_again(hall: Any) -> None:
    uncertified = FULL | {"result_kind": "none", "certificate_type": None}
    counter = hall([uncertified], acts=["adopt"], cases=1)
    case = counter.case()
    counter.ok("case.step.v1", step(case))
    counter.awaited(case, "fee.requested.v1")
    counter.ok("fee.noticed.v1", {"case_no": case, "notice_no": "N1"})
    counter.ok("fee.paid.v1", {"notice_no": "N1", "serial": "S1"})
    counter.awaited(case, "fee.confirmed.v1")
    until(lambda: counter.admin("progress")["by_state"] == {"paid": 1})
    back = {"notice_no": "N1", "serial": "R", "original_serial": "S1", "amount": "105.00", "reversed_at": "x"}
    counter.ok("fee.reversed.v1", back)
    assert counter.admin("progress")["by_state"] == {"paying": 1}
    counter.ok("fee.paid.v1", {"notice_no": "N1", "serial": "S2"})
    until(lambda: counter.desk.types(case).count("fee.confirmed.v1") == 2)
    ids = [one.document["payload"]["request_id"] for one in counter.desk.of(case) if "confirmed" in one.type]
    assert ids == [f"{case}-Q", f"{case}-Q2"]


WHOLE = {  # what the list says of an item beyond what a case needs
    "row_id": "a" * 32, "catalog_code": "440131008000", "kind": "licence", "version": 1, "state": "in_use",
    "legal_basis": "法", "level": "city", "organisation_nature": "statutory_organ", "online": True,
    "served": ["enterprise"], "changed_at": "2026-10-31T02:53:00+08:00", "materials": [], "result_name": "证",
    "fees": [],
}  # fmt: skip
SECOND = WHOLE | {"code": CERTIFIED["code"][:-1] + "7", "certificate_type": None, "result_kind": "none"}


def certified(counter: Hall, case: str, number: int) -> None:
    counter.ok("case.step.v1", step(case))
    issued = {"request_id": f"{case}-C", "state": "issued", "identifier": identifier(f"ABC{number}")}
    counter.ok("certificate.issued.v1", issued)


def test_ratings_and_changes_are_sent_before_it_is_done(hall: Any) -> None:
    counter = hall([CERTIFIED], acts=["rate", "change"], change_every=2, rate_delay_ms=1200)
    counter.run(4)
    until(lambda: counter.opened() == 4)
    for number, case in enumerate(counter.desk.cases()):
        certified(counter, case, number)
        finish(counter, case)
    progress = counter.admin("progress")
    assert (progress["finished"], progress["by_state"]) == (3, {"closing": 1, "finished": 3})
    until(lambda: counter.admin("progress")["finished"] == 4)
    found = [one for one in counter.desk.seen if one.type == "case.evaluated.v1"]
    assert [int(one.case[21:27]) for one in found] == [4]
    assert found[0].document["payload"]["channel"] == "hall_tablet"
    changes = [one.document["payload"] for one in counter.desk.seen if "change_requested" in one.type]
    assert [one["kind"] for one in changes] == ["annual_inspection"] * 2
    held(counter)


def test_a_run_ends_with_its_reports(hall: Any) -> None:
    counter = hall([CERTIFIED | WHOLE, CERTIFIED | SECOND], acts=["report"])
    for run in (1, 2):
        counter.run(2)
        until(lambda run=run: counter.opened() == 2 * run)
        for case in counter.desk.cases()[-2:]:
            assert not [one for one in counter.desk.seen if "reported" in one.type][2 * run - 2 :]
            finish(counter, case)
        until(lambda run=run: counter.admin("progress")["finished"] == 2 * run)
        reports = {one.type: one.document["payload"] for one in counter.desk.seen if "reported" in one.type}
        assert set(reports) == {"performance.reported.v1", "catalogue.reported.v1"}
    held(counter)
    town, efficiency = reports["catalogue.reported.v1"], reports["performance.reported.v1"]
    assert [one["item"]["level"] for one in town["items"]] == ["town", "town"]
    assert len({one["item"]["row_id"] for one in town["items"]} - {"a" * 32}) == 2
    assert {row["subject_kind"] for row in efficiency["rows"]} == {"department", "window", "person"}
    counter.ok("performance.received.v1", {"report_id": efficiency["report_id"], "accepted": 3})
    for kind in ("catalogue.report_answered.v1", "catalogue.audited.v1"):
        counter.ok(kind, {"batch_id": town["batch_id"], "rows": []})
        assert counter.push(kind, {"batch_id": "never-sent"}).status_code == 422


def test_an_unknown_act_stops_the_start(hall: Any) -> None:
    counter = hall([PLAIN])
    counter.end()
    counter.config(hub_url=counter.desk.url, acts=["dance"])
    config = str(counter.folder / "partner.toml")
    command = [sys.executable, "-m", "mocks.partners.counter", "--config", config]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("acts: dance")

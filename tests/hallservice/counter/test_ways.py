"""Whole ways through the counter on a real hub: straight, supplemented, refused, with fee and certificate."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from canonical.values import complete_id_number
from exchange.errors import TryLater
from hallservice.counter import (
    accept,
    awaiting,
    certfile,
    certificate,
    certify,
    charge,
    deliver,
    evaluate,
    history,
    lists,
    notices,
    paying,
    prereview,
    progress,
    standing,
    supplement,
    waiting,
)
from hallservice.counter.materials import Seen, of
from hallservice.counter.prereview import Review
from hallservice.flows import instances
from hallservice.refusals import FormRefused, HallRefused
from tests.exchange.core.rig import ID_NUMBER, MOBILE, NAME, PLAIN_ITEM, Story, case_number, iso, took
from tests.hallservice.counter.counter import FORM, IDENTIFIER, PLAIN, WHOLE, Desk

NOTICE = "44140226000000000017"

NUMBERS = {"notice_no": NOTICE, "check_no": "4821", "book_check_no": "90210773"}
PAID = {
    "notice_no": NOTICE, "serial": "BK17", "amount": "40.00", "overdue_amount": "0.00",
    "paid_at": "2026-03-02T09:30:00+08:00", "bank": "103", "voucher_no": "V-17",
}  # fmt: skip


def kinds(desk: Desk, no: str) -> list[str]:
    with desk.core.hub.store.read() as connection:
        return sorted(one.kind for one in notices.of_case(connection, no))


def paper(desk: Desk, doc_no: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        desk.core.value("SELECT data FROM hall_notice WHERE doc_no = :no", no=doc_no)
    )
    return found


def told(desk: Desk) -> list[str]:
    """The short messages that went out, by template."""
    rows = desk.core.rows("SELECT canonical FROM document WHERE type = 'sms.requested.v1' ORDER BY entry")
    return [json.loads(row["canonical"])["template"] for row in rows]


@pytest.mark.req("S0-14", "S0-59", "S3-47")
def test_the_straight_way_of_a_case_without_a_fee(desk: Desk) -> None:
    no = desk.decided(PLAIN)
    assert desk.stage(no) == ("decided", "certificate")
    desk.concluded(no)
    assert desk.stage(no) == ("concluded", "deliver")
    desk.collected(no)
    assert desk.stage(no) == ("delivered", "done")
    assert kinds(desk, no) == ["acceptance", "conclusion", "decision", "delivery_receipt", "receiving"]
    assert told(desk) == ["applied", "accepted", "concluded", "evaluate"]
    desk.core.verified()


@pytest.mark.req("S3-59")
def test_a_whole_case_online_without_anybody_at_the_window(desk: Desk) -> None:
    desk.core.party("front", sends=("case.applied.v1",))
    story = Story(case_number(1), PLAIN_ITEM)
    came = [{"name": "设计图", "count": 1, "received_as": "attachment"}]
    desk.core.ok("front", "case.applied.v1", story.applied(channel="online", materials=came))
    no, clerk = story.no, desk.clerk()
    prereview.pre_review(desk.hall, clerk, no, desk.seen(no), Review("passed"))
    accept.accept(desk.hall, clerk, no, desk.seen(no), [Seen(1, "received", "attachment")], "online")
    for step in ("undertake", "review", "approve"):
        desk.step(no, step)
    certify.conclude(desk.hall, clerk, no, desk.seen(no), certify.End(delivery="online"))
    desk.collected(no, mode="online")
    assert desk.stage(no) == ("delivered", "done") and everything(desk, "hall_receipt") == []
    said = json.loads(desk.core.value("SELECT canonical FROM document WHERE type = 'case.delivered.v1'"))
    assert said["mode"] == "online"
    assert told(desk) == ["applied", "pre_passed", "accepted", "concluded", "evaluate"]
    password = desk.core.value("SELECT query_password FROM case_record WHERE case_no = :no", no=no)
    seen = progress.of(desk.hall, no, password, "10.0.0.1")
    assert [mark.what for mark in seen.marks][:3] == ["申请", "预审", "受理"]


@pytest.mark.req("S0-15")
@pytest.mark.parametrize(("role", "site"), [("village", "441402102001"), ("town", "441402102000")])
def test_the_town_and_the_village_register_check_and_enter_for_who_comes(
    desk: Desk, role: str, site: str
) -> None:
    no = desk.opened(role=role, seen=WHOLE[:1]).case_no
    assert json.loads(desk.core.value("SELECT application FROM case_record"))["site"] == site
    clerk = desk.clerk(role)
    with pytest.raises(FormRefused) as refused:
        accept.accept(desk.hall, clerk, no, desk.seen(no), WHOLE[:1])
    assert [one.field for one in refused.value.faults] == ["material-2", "material-3"]
    accept.accept(desk.hall, clerk, no, desk.seen(no), WHOLE)
    with desk.core.hub.store.read() as connection:
        assert [row.case_no for row in lists.register(connection, clerk, lists.Wanted()).rows] == [no]


@pytest.mark.req("S0-63")
def test_the_counter_and_the_department_of_the_hall_share_one_case(desk: Desk) -> None:
    no = desk.accepted(PLAIN)
    for role, step in (("undertaker", "undertake"), ("reviewer", "review"), ("approver", "approve")):
        instances.act(desk.hall, desk.clerk_as(role), no, "passed", step=step, opinion="同意")
    assert desk.stage(no) == ("decided", "certificate")
    desk.concluded(no)
    desk.collected(no)
    with desk.core.hub.store.read() as connection:
        steps = history.of_case(connection, standing.look(connection, desk.clerk(), no, "case.view"))
        done = lists.done(connection, desk.clerk_as("approver")).rows
    assert [(one.what, one.who) for one in steps if one.what != "评价"] == [
        ("申请", "窗口甲"), ("接件", "窗口甲"), ("受理", "窗口甲"), ("承办", "承办己"), ("审核", "审核庚"),
        ("批准", "批准辛"), ("办结", "窗口甲"), ("送达", "窗口甲"),
    ]  # fmt: skip
    assert [row.case_no for row in done] == [no]


@pytest.mark.req("S3-29", "S0-60")
def test_the_acceptance_notice_says_what_it_must(desk: Desk) -> None:
    no = desk.opened().case_no
    assert desk.stage(no) == ("submitted", "accept")
    decided = accept.accept(desk.hall, desk.clerk(), no, desk.seen(no), WHOLE, "post")
    said = paper(desk, decided.doc_no)
    # 10 working days from Monday 2 March 2026, no holiday between
    assert decided.promised_due == said["promised"]["until"] == "2026-03-16"
    assert (said["case_no"], said["department"]) == (no, "梅江区市场监督管理局")
    assert said["window"] == {"staff": "窗口甲", "name": "A01", "phone": ""}
    assert said["accepted_at"] == "2026-03-02T09:30:00+08:00" and said["delivery"] == "邮寄"
    assert [(one["name"], one["note"]) for one in said["materials"]] == [
        ("食品经营许可申请书", ""),
        ("营业执照", ""),
        ("平面布局图", "容缺后补"),
    ]
    password = desk.core.value("SELECT query_password FROM case_record WHERE case_no = :no", no=no)
    assert password == desk.core.value("SELECT query_password FROM hall_receipt WHERE case_no = :no", no=no)


@pytest.mark.req("S3-31")
def test_nothing_is_accepted_before_every_review_point_was_looked_at(desk: Desk) -> None:
    no = desk.opened(seen=()).case_no
    half = (Seen(1, "received", checked=(1, 3)), Seen(2, "awaited"), Seen(3, "awaited"), Seen(4, "awaited"))
    with pytest.raises(FormRefused) as refused:
        accept.accept(desk.hall, desk.clerk(), no, desk.seen(no), half)
    assert [(one.field, one.code) for one in refused.value.faults] == [
        ("material-1", "unchecked"),
        ("material-2", "missing"),
        ("material-3", "missing"),
    ]
    with desk.core.hub.store.read() as connection:
        shown = of(connection, no)
    assert shown[0].points == ("申请人签名", "住所与营业执照一致", "经营项目已勾选")
    assert desk.stage(no) == ("submitted", "accept")


@pytest.mark.req("S0-61", "S3-32", "S3-33")
def test_supplement_and_the_case_goes_on_where_it_was(desk: Desk) -> None:
    no = desk.opened(seen=(Seen(1, "received", checked=(1, 2, 3)),)).case_no
    notice = supplement.notify(
        desk.hall, desk.clerk(), no, desk.seen(no), {2: "缺少副本"}, [("租赁合同", "未提交")], "材料不齐"
    )
    assert desk.stage(no) == ("supplementing", "supplement")
    said = paper(desk, notice.doc_no)
    assert [(one["name"], one["problem"]) for one in said["materials"]] == [
        ("营业执照", "缺少副本"),
        ("租赁合同", "未提交"),
    ]
    assert said["promised"]["number"] == 10 and said["reason"] == "材料不齐"
    here = supplement.called_up(desk.hall, desk.clerk("clerk2"), f" {no} ")
    came = [Seen(2, "received", checked=(1,))]
    with pytest.raises(FormRefused, match="form"):
        supplement.supplemented(desk.hall, desk.clerk("clerk2"), no, here.row["version"], came)
    supplement.supplemented(
        desk.hall, desk.clerk("clerk2"), no, here.row["version"], [*came, Seen(5, "received")]
    )
    assert desk.stage(no) == ("received", "accept")
    accept.accept(desk.hall, desk.clerk(), no, desk.seen(no), [*WHOLE, Seen(5, "received")])
    assert told(desk) == ["applied", "supplement", "supplemented", "accepted"]
    with pytest.raises(HallRefused, match="not_waiting"):
        supplement.called_up(desk.hall, desk.clerk(), no)


def sent_back(desk: Desk) -> Story:
    """An online application whose pre-review wants corrections."""
    desk.core.party("front", sends=("case.applied.v1",))
    story = Story(case_number(1), PLAIN_ITEM)
    came = [{"name": "设计图", "count": 1, "received_as": "attachment"}]
    desk.core.ok("front", "case.applied.v1", story.applied(channel="online", materials=came))
    asked = Review("supplement", "缺场地租赁合同，手机号码请核对")
    prereview.pre_review(desk.hall, desk.clerk(), story.no, desk.seen(story.no), asked)
    assert desk.stage(story.no) == ("pre_supplement", "supplement")
    return story


@pytest.mark.req("S3-23", "S3-26", "S3-33")
def test_what_a_pre_review_wants_is_brought_to_the_window_and_the_case_goes_on(desk: Desk) -> None:
    no = sent_back(desk).no
    here = supplement.called_up(desk.hall, desk.clerk(), no)
    with desk.core.hub.store.read() as connection:
        assert supplement.wanted(connection, no) == "缺场地租赁合同，手机号码请核对"
    desk.core.clock.on(86_400)  # Tuesday: the five days of art. 32 run from here
    came = [Seen(1, "received", "attachment")]
    corrected = supplement.Corrected(
        "补来租赁合同，更正手机", "租赁合同、承诺书", mobile="13900139017", identified="card"
    )
    with pytest.raises(FormRefused) as refused:
        supplement.resubmitted(
            desk.hall, desk.clerk(), no, here.row["version"], came, supplement.Corrected(" ", mobile="139")
        )
    assert [one.field for one in refused.value.faults] == ["said", "mobile"]
    slip = supplement.resubmitted(desk.hall, desk.clerk(), no, here.row["version"], came, corrected)
    assert desk.stage(no) == ("submitted", "accept") and kinds(desk, no) == ["receiving"]
    assert paper(desk, slip)["received_at"] == "2026-03-03T09:30:00+08:00"
    said = [json.loads(row["canonical"]) for row in applications(desk)]
    assert [one["contact"]["mobile"] for one in said] == [MOBILE, "13900139017"]
    names = ["设计图", "租赁合同", "承诺书"]
    assert [one["name"] for one in said[1]["materials"]] == names
    assert [one["name"] for one in paper(desk, slip)["materials"]] == names
    assert said[1]["remark"] == "补来租赁合同，更正手机" and said[1]["channel"] == "online"
    assert said[1]["applicant"] == said[0]["applicant"] and said[1]["applied_at"].startswith("2026-03-03")
    accept.accept(desk.hall, desk.clerk(), no, desk.seen(no), came)
    assert told(desk) == ["applied", "pre_supplement", "applied", "accepted"]


def applications(desk: Desk) -> list[Any]:
    return desk.core.rows(
        "SELECT canonical FROM document WHERE type = 'case.applied.v1' AND direction <> 'out' ORDER BY entry"
    )


def test_what_is_handed_in_again_online_stands_among_the_materials(desk: Desk) -> None:
    story = sent_back(desk)
    lines = [{"name": name, "count": 1, "received_as": "attachment"} for name in ("设计图", "租赁合同")]
    again = story.applied(channel="online", materials=lines, version=2)
    desk.core.ok("front", "case.applied.v1", again)
    assert desk.stage(story.no) == ("submitted", "prereview")
    with desk.core.hub.store.read() as connection:
        assert [(one.name, one.status) for one in of(connection, story.no)] == [
            ("设计图", "received"),
            ("租赁合同", "received"),
        ]


@pytest.mark.req("S0-39")
def test_a_pre_review_nobody_came_back_to_is_deleted_with_its_reason(desk: Desk) -> None:
    no = sent_back(desk).no
    supplement.expired(desk.hall, desk.clerk(), no, desk.seen(no), "逾期没有重新提交")
    assert desk.stage(no) == ("concluded", "done")
    said = json.loads(desk.core.value("SELECT canonical FROM document WHERE type = 'case.concluded.v1'"))
    assert (said["result"], said["reason"]) == ("deleted", "逾期没有重新提交")


@pytest.mark.req("S0-62", "S3-30")
def test_refusal_with_its_reason_and_where_it_is_contested(desk: Desk) -> None:
    no = desk.opened().case_no
    with pytest.raises(FormRefused) as refused:
        accept.refuse(desk.hall, desk.clerk(), no, desk.seen(no), "  ")
    assert refused.value.faults[0].field == "reason"
    decided = accept.refuse(desk.hall, desk.clerk(), no, desk.seen(no), "不属于许可范围")
    said = paper(desk, decided.doc_no)
    assert said["reason"] == "不属于许可范围" and said["received_at"] == "2026-03-02T09:30:00+08:00"
    assert said["remedy"] == {
        "review_body": "梅江区人民政府", "court": "梅江区人民法院", "review_days": 60, "suit_months": 6,
    }  # fmt: skip
    assert desk.stage(no) == ("not_accepted", "done") and told(desk) == ["applied", "refused"]


@pytest.mark.req("S3-42", "S3-43", "S3-47")
def test_fee_and_certificate_with_their_partners(desk: Desk) -> None:
    desk.partner("till", "fees")
    desk.partner("library", "certificates")
    desk.core.party("bank", sends=("fee.paid.v1",))
    no = desk.decided()
    assert desk.stage(no) == ("decided", "fee")
    with pytest.raises(HallRefused, match="fee_first"):
        certify.request(desk.hall, desk.clerk(), no, desk.seen(no), certify.Asked("食品经营许可证"))
    desk.requested(no, {"103044": "2", "103045": "3"}, reduction="7.50", reduction_basis="小微企业")
    with pytest.raises(HallRefused, match="not_noticed"):
        paying.notice(desk.hall, desk.clerk(), no)
    noticed(desk, no)
    with pytest.raises(HallRefused, match="unpaid"):
        paying.confirm(desk.hall, desk.clerk(), no, desk.seen(no))
    desk.core.ok("bank", "fee.paid.v1", PAID)
    with pytest.raises(HallRefused, match="no_window"):
        paying.confirm(desk.hall, desk.clerk(window=None), no, desk.seen(no))
    paying.confirm(desk.hall, desk.clerk(), no, desk.seen(no))
    with desk.core.hub.store.read() as connection:
        fee = charge.latest(connection, no)
    assert fee is not None and (fee.state, fee.serial, fee.confirmed_by) == ("confirmed", "BK17", "窗口甲")
    issued(desk, no)
    desk.concluded(no)
    desk.collected(no)
    assert told(desk)[2:] == ["fee_notice", "fee_confirmed", "concluded", "evaluate"]
    desk.core.verified()


def noticed(desk: Desk, no: str) -> None:
    """The fee system has given the number, the slip names it."""
    with pytest.raises(HallRefused, match="already_requested"):
        desk.requested(no)
    sent = desk.core.outbox("type = 'fee.requested.v1'")
    assert json.loads(sent[0]["payload"])["total"] == "40.00"
    request = json.loads(sent[0]["payload"])["request_id"]
    desk.answers("till", "fee.noticed.v1", {"request_id": request, "case_no": no, **NUMBERS})
    slip = paying.notice(desk.hall, desk.clerk(), no)
    said = paper(desk, slip)
    # 2 x 5.00 + 3 x 12.50 - 7.50
    assert (said["total"], said["reduction"], said["pay_code"]) == ("40.00", "7.50", NOTICE)
    assert paying.notice(desk.hall, desk.clerk(), no) == slip


def test_without_a_fee_system_the_hall_numbers_the_notice_and_sees_the_receipt(desk: Desk) -> None:
    no = desk.decided()
    desk.requested(no)
    assert desk.stage(no) == ("awaiting_payment", "fee")
    said = paper(desk, paying.notice(desk.hall, desk.clerk(), no))
    assert said["pay_code"] == "44140220260302000001"
    with pytest.raises(FormRefused) as refused:
        paying.confirm(desk.hall, desk.clerk(), no, desk.seen(no))
    assert [one.field for one in refused.value.faults] == ["voucher"]
    paying.confirm(desk.hall, desk.clerk(), no, desk.seen(no), "V-17")
    assert desk.stage(no) == ("decided", "certificate")


def issued(desk: Desk, no: str) -> None:
    """The certificate asked for and issued."""
    asked = certify.Asked("食品经营许可证", "2026-03-10", "2031-03-09")
    request = certify.request(desk.hall, desk.clerk(), no, desk.seen(no), asked)
    with pytest.raises(HallRefused, match="certificate_pending"):
        desk.concluded(no)
    answer = {"request_id": request, "identifier": IDENTIFIER, "number": "粤梅17", "state": "issued"}
    desk.answers("library", "certificate.issued.v1", answer)
    assert desk.stage(no) == ("certified", "certificate")


def requests(desk: Desk) -> list[dict[str, Any]]:
    """What the library was sent, in order."""
    return [json.loads(row["payload"]) for row in desk.core.outbox("type = 'certificate.requested.v1'")]


def ask_again(desk: Desk, no: str) -> None:
    waiting.ask_again(desk.hall, desk.clerk(), no, desk.seen(no))


def test_a_certificate_is_asked_for_again_under_its_own_request(desk: Desk) -> None:
    no = desk.awaited()
    with pytest.raises(HallRefused, match="too_soon"):
        ask_again(desk, no)
    desk.core.clock.on(waiting.PAUSE)
    ask_again(desk, no)
    assert len(requests(desk)) == 1  # it has not left yet: sent at once instead of twice
    desk.core.delivered("library", lambda row: took(row))
    desk.core.clock.on(waiting.PAUSE)
    ask_again(desk, no)
    first, second = requests(desk)
    assert first == second
    answer = {"request_id": first["request_id"], "identifier": IDENTIFIER, "number": "粤梅17"}
    desk.answers("library", "certificate.issued.v1", {**answer, "state": "issued"})
    with pytest.raises(HallRefused, match="nothing_awaited"):
        ask_again(desk, no)
    desk.core.party("callback", sends=("certificate.issued.v1",))
    desk.core.ok("callback", "certificate.issued.v1", {**answer, "case_no": no, "state": "pending_seal"})
    assert desk.core.value("SELECT state FROM hall_certificate") == "issued"  # a first answer told late
    desk.concluded(no)


def concluded_later(desk: Desk, no: str) -> str:
    return certify.conclude(desk.hall, desk.clerk(), no, desk.seen(no), certify.End(later="1"))


def left_for_later(desk: Desk) -> str:
    """Concluded on the third working day after the request, without waiting any more."""
    no = desk.awaited()
    desk.core.clock.on(2 * 86_400)
    with pytest.raises(HallRefused, match="too_early"):
        concluded_later(desk, no)
    desk.core.clock.on(86_400)  # Thursday 5 March
    concluded_later(desk, no)
    assert desk.stage(no) == ("concluded", "deliver")
    return no


def test_a_case_is_concluded_with_its_certificate_left_for_later_and_gets_it(desk: Desk) -> None:
    no = left_for_later(desk)
    data = desk.core.rows("SELECT kind, data FROM hall_notice WHERE kind IN ('decision', 'conclusion')")
    papers = {row["kind"]: json.loads(row["data"]) for row in data}
    assert papers["conclusion"]["result"].endswith("电子证照“食品经营许可证”签发后补送，签发时另行短信告知")
    assert papers["decision"]["certificate"] is None and told(desk)[-2:] == ["concluded", "certificate_later"]
    acts = [json.loads(row["body"]) for row in desk.core.rows("SELECT body FROM act")]
    waited = next(one["what"] for one in acts if "asked_at" in (one.get("what") or {}))
    assert (waited["asked_at"], waited["days"], waited["most"]) == ("2026-03-02T09:30:00+08:00", 3, 3)
    with pytest.raises(HallRefused, match="certificate_owed"):
        desk.collected(no)
    (sent,) = requests(desk)
    answer = {"request_id": sent["request_id"], "identifier": IDENTIFIER, "number": "粤梅17"}
    desk.answers("library", "certificate.issued.v1", {**answer, "state": "issued"})
    ends = concluded_as(desk)
    assert [(one["result"], one.get("certificate_no"), one["version"]) for one in ends] == [
        ("concluded", None, 1),
        ("concluded", "粤梅17", 2),
    ]
    assert ends[1]["concluded_at"] == ends[0]["concluded_at"] and told(desk)[-1] == "certificate_came"
    assert "粤梅17" in str(paper(desk, desk.collected(no))["papers"])
    assert desk.stage(no) == ("delivered", "done")
    desk.core.verified()


def concluded_as(desk: Desk) -> list[dict[str, Any]]:
    query = "SELECT canonical FROM document WHERE type = 'case.concluded.v1' AND direction <> 'out'"
    return [json.loads(row["canonical"]) for row in desk.core.rows(f"{query} ORDER BY entry")]


def test_a_certificate_left_for_later_may_be_asked_for_anew_and_be_given_up(desk: Desk) -> None:
    no = left_for_later(desk)
    turned_down(desk, "library", "字段不符")
    with desk.core.hub.store.read() as connection:
        assert awaiting.told(connection, "deliver", [no])[no].text == "证照系统未受理"
    certify.request(desk.hall, desk.clerk(), no, desk.seen(no), certify.Asked("食品经营许可证"))
    with desk.core.hub.store.read() as connection:
        assert awaiting.told(connection, "deliver", [no])[no].text == "证照待补发"
    waiting.give_up(desk.hall, desk.clerk(), no, desk.seen(no), "申请人书面放弃")
    assert concluded_as(desk)[-1]["result_text"] == "准予许可；未制发电子证照：申请人书面放弃"
    desk.collected(no)
    assert desk.stage(no) == ("delivered", "done")


@pytest.mark.req("R-07")
def test_the_librarys_own_file_is_fetched_checked_kept_and_printed(desk: Desk, tmp_path: Path) -> None:
    no = desk.paid()
    clerk, folder = desk.clerk(), tmp_path / "files"
    with pytest.raises(HallRefused, match="no_certificate"):
        certfile.ask(desk.hall, clerk, no)
    issued(desk, no)
    body = b"%PDF-1.7 " + "食品经营许可证".encode()

    def offered(of: bytes = body, life: float = 600) -> None:
        request = certfile.ask(desk.hall, clerk, no)
        asked = json.loads(desk.core.outbox("type = 'certificate.file_requested.v1'")[-1]["payload"])
        assert (asked["identifier"], asked["format"], asked["request_id"]) == (IDENTIFIER, "pdf", request)
        until = datetime.fromtimestamp(desk.core.clock.now + life, UTC)
        answer = {
            "request_id": request, "identifier": IDENTIFIER, "format": "pdf", "url": "http://127.0.0.1:1/f/x",
            "expires_at": iso(until), "digest": hashlib.sha256(of).hexdigest(),
        }  # fmt: skip
        desk.answers("library", "certificate.file.v1", answer)

    def printed(got: bytes = body) -> bytes:
        return certfile.printed(desk.hall, clerk, no, folder, lambda url: got)

    offered()
    desk.core.clock.on(601)
    with pytest.raises(HallRefused, match="no_file"):  # its address was good for ten minutes
        printed()
    offered()
    with pytest.raises(HallRefused, match="file_damaged"):
        printed(body + b"!")
    assert printed() == body
    desk.core.clock.on(86_400)
    assert certfile.printed(desk.hall, clerk, no, folder, lambda url: b"") == body  # kept by its digest
    assert desk.core.value("SELECT copies FROM hall_certificate_file WHERE state = 'kept'") == 2
    assert b"hall.certificate_printed" in desk.core.leaves()[-1]


def test_a_certificates_file_is_fetched_from_the_librarys_host_alone(desk: Desk) -> None:
    desk.partner("library", "certificates")  # registered at 127.0.0.1
    get, body = certfile.from_library(desk.hall), b"%PDF-1.7 x"
    for url in ("file:///etc/passwd", "http://10.9.8.7/f"):
        with pytest.raises(TryLater, match="bad_address"):
            get(url)
    with library_at(body) as url:
        assert get(url) == body
        with pytest.raises(TryLater, match="410"):
            get(url + "gone")


@contextmanager
def library_at(body: bytes) -> Iterator[str]:
    """The plain GET behind an offered file; anything but its own address is gone."""

    class Files(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/f" else 410)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *said: object) -> None:
            """Not on the test's output."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Files) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/f"
        server.shutdown()
        thread.join(30)


def test_what_a_partner_refuses_for_good_is_told_at_the_window_and_asked_for_again(desk: Desk) -> None:
    desk.partner("till", "fees")
    desk.partner("library", "certificates")
    desk.core.party("bank", sends=("fee.paid.v1",))
    no = desk.decided()
    desk.requested(no)
    turned_down(desk, "till", "执收单位\x00已停用")
    with desk.core.hub.store.read() as connection:
        fee = charge.latest(connection, no)
    assert fee is not None and (fee.state, fee.reason) == ("refused", "执收单位已停用")
    again = desk.requested(no)
    desk.answers("till", "fee.noticed.v1", {"request_id": again, "case_no": no, **NUMBERS})
    desk.core.ok("bank", "fee.paid.v1", PAID)
    paying.confirm(desk.hall, desk.clerk(), no, desk.seen(no))
    asked = certify.Asked("食品经营许可证", "2026-03-10", "2031-03-09")
    certify.request(desk.hall, desk.clerk(), no, desk.seen(no), asked)
    turned_down(desk, "library", "")
    with desk.core.hub.store.read() as connection:
        made = certificate.latest(connection, no)
    assert made is not None and made.refused and made.reason == "104"  # without words, the code
    with pytest.raises(FormRefused) as asked_why:
        desk.concluded(no)
    assert [one.field for one in asked_why.value.faults] == ["without"]
    issued(desk, no)
    desk.concluded(no)


def test_an_item_with_a_certificate_is_concluded_without_one_for_a_reason_alone(desk: Desk) -> None:
    no = desk.decided()
    desk.requested(no)
    paying.confirm(desk.hall, desk.clerk(), no, desk.seen(no), "V-17")
    with pytest.raises(FormRefused) as refused:
        desk.concluded(no)
    assert [(one.field, one.code) for one in refused.value.faults] == [("without", "required")]
    end = certify.End(without="申请人书面声明不需要电子证照")
    certify.conclude(desk.hall, desk.clerk(), no, desk.seen(no), end)
    assert desk.stage(no) == ("concluded", "deliver")
    said = desk.core.value("SELECT canonical FROM document WHERE type = 'case.concluded.v1'")
    assert json.loads(said)["result_text"] == "准予许可；未制发电子证照：申请人书面声明不需要电子证照"
    acts = [json.loads(row["body"]) for row in desk.core.rows("SELECT body FROM act")]
    assert [one["by"] for one in acts if one.get("what") == {"reason": end.without}] == ["S-clerk"]


def test_a_courier_that_does_not_come_keeps_nothing_from_the_window(desk: Desk) -> None:
    desk.partner("courier", "logistics")
    no = desk.decided(PLAIN)
    desk.concluded(no)
    to = deliver.Address(NAME, MOBILE, "441402000000", "江南路 1 号", "13800138000")
    deliver.send(desk.hall, desk.clerk(), no, desk.seen(no), to)
    turned_down(desk, "courier", "超出派送范围")
    with desk.core.hub.store.read() as connection:
        parcel = deliver.parcel(connection, no)
    assert parcel is not None and parcel.told == "快递公司未接单：超出派送范围"
    deliver.send(desk.hall, desk.clerk(), no, desk.seen(no), to)
    turned_down(desk, "courier", "超出派送范围")
    desk.collected(no)
    assert desk.stage(no) == ("delivered", "done")


def test_what_never_got_an_answer_is_to_be_asked_about_first(desk: Desk) -> None:
    desk.partner("till", "fees")
    no = desk.decided()
    desk.requested(no)
    turned_down(desk, "till", "no answer from http://10.9.8.7/pay", "partner_away", "poison")
    with desk.core.hub.store.read() as connection:
        fee = charge.latest(connection, no)
    assert fee is not None and fee.state == "refused"
    assert "partner_away" in fee.reason and "核实" in fee.reason and "10.9.8.7" not in fee.reason


def test_a_refusal_that_comes_after_the_answer_changes_nothing(desk: Desk) -> None:
    desk.partner("till", "fees")
    no = desk.decided()
    request = desk.requested(no)
    desk.core.party("counter_of_the_till", sends=("fee.noticed.v1",))
    desk.core.ok("counter_of_the_till", "fee.noticed.v1", {"request_id": request, "case_no": no, **NUMBERS})
    turned_down(desk, "till", "重复的申请")
    with desk.core.hub.store.read() as connection:
        fee = charge.latest(connection, no)
    assert fee is not None and (fee.state, fee.reason) == ("noticed", "")


def turned_down(desk: Desk, party: str, words: str, code: str = "104", verdict: str = "refused") -> None:
    """What the partner was sent ends for good without being done."""
    desk.core.delivered(party, lambda row: took(row, code, verdict, detail=words))
    desk.core.clock.now += 1  # what is asked again is asked later


@pytest.mark.req("S0-17", "S3-48")
def test_a_courier_carries_it_and_delivery_waits_for_the_signature(desk: Desk) -> None:
    desk.partner("courier", "logistics")
    desk.core.party("post", sends=("parcel.tracked.v1",))
    no = desk.decided(PLAIN)
    desk.concluded(no)
    to = deliver.Address(NAME, MOBILE, "441402000000", "江南路 1 号", "13800138000")
    request = deliver.send(desk.hall, desk.clerk(), no, desk.seen(no), to)
    with pytest.raises(HallRefused, match="not_signed_yet"):
        desk.collected(no, mode="post")
    booked = {
        "request_id": request,
        "case_no": no,
        "waybill_no": "SF17",
        "booked_at": "2026-03-02T09:30:00+08:00",
    }
    desk.answers("courier", "parcel.booked.v1", booked)
    at = {"waybill_no": "SF17", "occurred_at": "2026-03-02T09:30:00+08:00"}
    desk.core.ok("post", "parcel.tracked.v1", {**at, "status": "signed", "signed_by": NAME})
    desk.collected(no, mode="post")
    assert desk.stage(no) == ("delivered", "done")
    assert told(desk) == ["applied", "accepted", "concluded", "parcel_booked", "parcel_signed", "evaluate"]


@pytest.mark.req("S3-50")
def test_a_rating_names_the_window_and_the_clerk_and_is_given_once(desk: Desk) -> None:
    no = desk.decided(PLAIN)
    rating = evaluate.Rating("very_satisfied", "很快", ("办事快捷",))
    with pytest.raises(HallRefused, match="too_early"):
        evaluate.at_window(desk.hall, desk.clerk(), no, rating)
    desk.concluded(no)
    evaluate.at_window(desk.hall, desk.clerk("clerk2", "A02"), no, rating)
    said = json.loads(desk.core.value("SELECT canonical FROM document WHERE type = 'case.evaluated.v1'"))
    assert (said["window"], said["staff_no"]) == ("A01", "S-clerk")  # who served, not who held the tablet
    with pytest.raises(HallRefused, match="already_evaluated"):
        evaluate.at_window(desk.hall, desk.clerk(), no, rating)


def test_a_denied_case_is_concluded_and_delivered_with_the_reason(desk: Desk) -> None:
    no = desk.decided(action="refuse")
    assert desk.stage(no) == ("decided", "certificate")  # no fee, no certificate: it is concluded there
    doc = desk.concluded(no)
    said = paper(desk, doc)
    assert (said["granted"], said["reason"]) == (False, "场所不符合卫生要求")
    desk.collected(no)
    assert desk.stage(no) == ("delivered", "done")


@pytest.mark.req("S0-16", "S0-58")
def test_the_agent_is_recorded_apart_from_the_applicant(desk: Desk) -> None:
    agent = "44149919850101001"
    number = str(complete_id_number(agent))
    form = replace(
        FORM, channel="agent", agent_name="测试代办", agent_relation="village_agent", agent_document_no=number
    )
    no = desk.opened(form, role="village").case_no
    row = desk.core.rows("SELECT agent, site_path FROM hall_receipt")[0]
    said = json.loads(row["agent"])
    assert (said["name"], said["document"]) == ("测试代办", f"4414{'*' * 10}{number[-4:]}")
    assert row["site_path"].endswith("/441402102001/") and no[20] == "3"  # channel 3: by an agent
    stored = [
        value for table in ("hall_receipt", "hall_case", "hall_notice") for value in everything(desk, table)
    ]
    assert not any(number in value or ID_NUMBER in value for value in stored)
    said = json.loads(desk.core.value("SELECT canonical FROM document WHERE type = 'case.applied.v1'"))
    assert said["applicant"]["name"] == NAME and said["site"] == "441402102001"


def everything(desk: Desk, table: str) -> list[str]:
    return [str(row) for row in desk.core.rows(f"SELECT * FROM {table}")]  # noqa: S608 - a name of this test

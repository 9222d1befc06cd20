"""The counter's pages as a browser without scripts sees them."""

import hashlib
import json
import re
from collections.abc import Iterator
from html import unescape
from io import BytesIO
from typing import Any

import pytest
from python_calamine import CalamineWorkbook

from canonical.values import complete_id_number
from hallservice.counter import accept, prereview
from hallservice.counter.cards import EXTRA, IdCard
from hallservice.counter.prereview import Review
from hallservice.hall import Hall
from hallservice.papers.kinds import Paper
from hallservice.papers.service import Papers, Rendered
from hallservice.web.pages import (
    counter_acts,
    counter_apply,
    counter_appoint,
    counter_case,
    counter_lists,
    counter_money,
    counter_public,
)
from tests.exchange.core.rig import (
    ID_NUMBER,
    ITEM,
    MOBILE,
    NAME,
    PLAIN_ITEM,
    Story,
    case_number,
    took,
)
from tests.hallservice.counter.counter import IDENTIFIER, PLAIN, WHOLE, Desk, Reader
from tests.hallservice.web.webrig import FRAME, Place, Visitor, hidden, mounted, served

OTHER = str(complete_id_number("44149919800101001"))
PAGES = (
    counter_acts, counter_apply, counter_appoint, counter_case, counter_lists, counter_money, counter_public,
)  # fmt: skip
PERSON = {
    "channel": "window",
    "kind": "natural_person",
    "name": NAME,
    "document_type": "resident_id_card",
    "document_no": ID_NUMBER,
    "mobile": MOBILE,
    "identified": "seen",
    "contact_name": "",
    "summary": "开小餐馆",
}
TYPED = {
    **PERSON,
    **{f"material-{no}-as": "paper" for no in (1, 2, 3, 4)},
    **{f"material-{no}-count": "1" for no in (1, 2, 3, 4)},
    **{"material-1": "received", "material-2": "received", "material-3": "deferred", "material-4": "awaited"},
}
POINTS = {"material-1-point": ["1", "2", "3"], "material-2-point": ["1"]}


FILE = b"%PDF-1.7 certificate"


class Quick(Papers):
    """A printer without a typesetter: what a paper looks like is tested with the papers."""

    def __init__(self) -> None:
        pass

    def render(self, paper: Paper, *, copy: int = 1, seconds: float | None = None) -> Rendered:
        body = f"%PDF- {paper.doc_no} {copy}".encode()
        return Rendered(body, hashlib.sha256(body).hexdigest(), ())


@pytest.fixture
def place(hall: Hall) -> Iterator[Place]:
    features = [*FRAME, *(one.pages for one in PAGES)]
    extras = {"papers": Quick(), "certificate_files": lambda url: FILE}
    with served(mounted(hall, features, extras=extras)) as found:
        yield found


@pytest.fixture
def clerk(place: Place) -> Visitor:
    return place.visitor().sign_in("clerk")


def summary(text: str) -> list[str]:
    """What the error summary on top says."""
    found = re.search(r'<div class="errors".*?</div>', text, re.DOTALL)
    return [unescape(one) for one in re.findall(r">([^<>\n]+)</a>", found.group())] if found else []


@pytest.mark.req("S0-55", "S0-58")
def test_a_proxy_application_keeps_what_was_typed_and_is_made_once(desk: Desk, clerk: Visitor) -> None:
    form = f"/hall/counter/apply?item={ITEM}"
    fields = {**clerk.hidden(form, "/hall/counter/apply"), **TYPED, **POINTS}
    wrong = clerk.send(
        "/hall/counter/apply", {**fields, "mobile": "1380013801", "summary": "<b>开</b>小餐馆"}
    )
    assert wrong.status_code == 422 and "<title>错误：代申请" in wrong.text
    assert summary(wrong.text) == ["手机号码应为 11 位数字，以 13 至 19 开头"]
    assert 'href="#f-mobile"' in wrong.text and 'value="1380013801"' in wrong.text
    assert f'value="{NAME}"' in wrong.text and "&lt;b&gt;开&lt;/b&gt;小餐馆" in wrong.text
    assert wrong.text.count('type="checkbox" name="material-1-point" value="2" checked') == 1
    again = {**hidden(wrong.text, "/hall/counter/apply"), **TYPED, **POINTS}
    first, second = (clerk.send("/hall/counter/apply", again) for _ in range(2))
    assert first.status_code == second.status_code == 303
    assert first.headers["location"] == second.headers["location"]
    assert desk.core.value("SELECT count(*) FROM case_record") == 1
    shown = clerk.get(first.headers["location"]).text
    assert "查询密码" in shown and "收件回执" in shown and ID_NUMBER not in shown and NAME not in shown


def test_acceptance_by_its_form_and_who_was_first(desk: Desk, clerk: Visitor, place: Place) -> None:
    no = desk.opened(seen=()).case_no
    action = f"/hall/cases/{no}/accept"
    page = clerk.get(action).text
    assert page.index("申请人签名") < page.index("住所与营业执照一致") < page.index("经营项目已勾选")
    fields = {**hidden(page, action), **TYPED, **POINTS, "delivery": "window", "do": "accept"}
    missing = clerk.send(action, {**fields, "material-2": "awaited", "reason": "写了一半的理由"})
    assert missing.status_code == 422
    assert summary(missing.text) == ["必要材料“营业执照”还没有收到，不能受理；可发补正通知"]
    assert "写了一半的理由" in missing.text
    late = place.visitor().sign_in("clerk2")
    theirs = {**late.hidden(action, action), **TYPED, **POINTS, "delivery": "window", "do": "accept"}
    done = clerk.send(
        action, {**hidden(missing.text, action), **TYPED, **POINTS, "delivery": "window", "do": "accept"}
    )
    assert done.status_code == 303 and done.headers["location"] == f"/hall/cases/{no}"
    lost = late.send(action, {**theirs, "reason": "我也填了"})
    assert lost.status_code == 422 and "窗口甲已于 03-02 09:30:00 先办理了这个办件" in lost.text
    assert "我也填了" in lost.text


def test_a_claim_is_taken_and_given_back_on_the_case(desk: Desk, clerk: Visitor, place: Place) -> None:
    no = desk.opened().case_no
    at, action = f"/hall/cases/{no}", f"/hall/cases/{no}/claim"
    assert clerk.post(at, action, {"do": "take"}).status_code == 303
    assert "退还签收" in clerk.get(at).text and "窗口甲" in clerk.get("/hall/counter/accept").text
    assert action not in place.visitor().sign_in("clerk2").get(at).text
    assert clerk.post(at, action, {"do": "release"}).status_code == 303
    assert "签收(K)" in clerk.get(at).text


def test_supplement_and_refusal_name_their_fields(desk: Desk, clerk: Visitor) -> None:
    no = desk.opened().case_no
    action = f"/hall/cases/{no}/accept"
    fields = {**clerk.hidden(action, action), **TYPED, **POINTS}
    nothing = clerk.send(action, {**fields, "do": "supplement"})
    assert summary(nothing.text) == ["请填写补正理由", "请至少选择一份需要补齐补正的材料"]
    refused = clerk.send(action, {**hidden(nothing.text, action), **TYPED, "do": "refuse", "reason": ""})
    assert summary(refused.text) == ["请填写不予受理的理由"]
    said = {"problem-2": "缺副本", "supplement_reason": "材料不齐", "do": "supplement"}
    done = clerk.send(action, {**hidden(refused.text, action), **TYPED, **said})
    assert done.status_code == 303 and desk.stage(no) == ("supplementing", "supplement")
    scanned = {
        **clerk.hidden("/hall/counter/resume", "/hall/counter/resume"),
        "case_no": f"TB1:{no}:" + "A" * 52,
    }
    found = clerk.send("/hall/counter/resume", scanned)
    assert found.headers["location"] == f"/hall/cases/{no}/supplemented"
    assert "上次通知补正：缺副本" in clerk.get(found.headers["location"]).text
    over = f"/hall/cases/{no}/expired"
    assert summary(clerk.post(found.headers["location"], over, {"reason": ""}).text) == ["请填写办结理由"]
    assert clerk.post(found.headers["location"], over, {"reason": "逾期\n未补"}).status_code == 303
    assert desk.stage(no) == ("concluded", "done")


@pytest.mark.req("S0-05", "S0-56", "S0-57")
def test_lists_are_masked_filtered_and_exported(desk: Desk, clerk: Visitor, place: Place) -> None:
    numbers = [desk.opened(PLAIN).case_no for _ in range(3)]
    page = clerk.get("/hall/counter/accept")
    assert len(page.content) <= 30 * 1024  # before it is packed
    assert "受理（3）" in page.text and all(no in page.text for no in numbers)
    assert NAME not in page.text and ID_NUMBER not in page.text
    other = place.visitor().sign_in("other")
    assert numbers[0] not in other.get("/hall/counter/accept").text
    assert "不在您的管辖范围内" in other.get(f"/hall/cases/{numbers[0]}").text
    assert numbers[0] in clerk.get("/hall/counter/register").text
    assert numbers[0] not in place.visitor().sign_in("village").get("/hall/counter/register").text
    sheet = clerk.get("/hall/counter/accept?export=1")
    lines = CalamineWorkbook.from_filelike(BytesIO(sheet.content)).get_sheet_by_index(0).to_python()
    assert [line[0] for line in lines] == ["办件编号", *numbers] and ID_NUMBER not in str(lines)
    asked = {**clerk.hidden("/hall/counter/search", "/hall/counter/search"), "person": ID_NUMBER}
    led = clerk.send("/hall/counter/search", asked).headers["location"]
    assert ID_NUMBER not in led and numbers[0] in clerk.get(led).text


@pytest.mark.req("S3-93")
def test_unmasking_is_posted_and_recorded(desk: Desk, clerk: Visitor) -> None:
    no = desk.opened().case_no
    at, action = f"/hall/cases/{no}", f"/hall/cases/{no}/unmask"
    assert clerk.post(at, action).status_code == 422
    shown = clerk.post(at, action, {"reason": "电话核对"})
    assert shown.status_code == 200 and ID_NUMBER in shown.text and MOBILE in shown.text
    kinds = desk.core.rows("SELECT leaf FROM ledger_entry ORDER BY seq DESC LIMIT 1")
    assert b"hall.unmasked" in kinds[0]["leaf"]


@pytest.mark.req("S3-46", "S3-49", "S3-50")
def test_anybody_with_number_and_password_sees_progress_and_rates_once(desk: Desk, place: Place) -> None:
    opened = desk.opened(PLAIN)
    accept.accept(desk.hall, desk.clerk(), opened.case_no, desk.seen(opened.case_no), WHOLE[:0])
    for step in ("undertake", "review", "approve"):
        desk.step(opened.case_no, step)
    desk.concluded(opened.case_no)
    guest = place.visitor()
    asked = {"case_no": opened.case_no, "password": opened.query_password}
    wrong = guest.post("/hall/progress", "/hall/progress", {**asked, "password": "abc"})
    assert (
        wrong.status_code == 422
        and "办件编号或查询密码不正确" in wrong.text
        and 'value="abc"' not in wrong.text
    )
    shown = guest.post("/hall/progress", "/hall/progress", asked)
    assert "已办结" in shown.text and NAME not in shown.text and "窗口甲" not in shown.text
    assert all(title in shown.text for title in ("收件回执", "受理通知书", "决定书", "办结通知书"))
    own = {**hidden(shown.text, "/hall/progress/paper"), **asked}
    printed = guest.send("/hall/progress/paper", own)
    assert printed.headers["content-type"] == "application/pdf"
    assert printed.content.decode() == f"%PDF- {own['no']} 1"  # the original, not counted as a copy
    for change in ({"password": "000000"}, {"no": "（441402）受字〔2026〕000009号"}):
        assert b"%PDF-" not in guest.send("/hall/progress/paper", {**own, **change}).content
    act = "/hall/progress/evaluate"
    empty = guest.send(act, hidden(shown.text, act))
    assert summary(empty.text) == ["请选择满意程度"]
    rated = guest.send(act, {**hidden(empty.text, act), "satisfaction": "satisfied", "tags": ["办事快捷"]})
    assert rated.status_code == 303
    said = json.loads(desk.core.value("SELECT canonical FROM document WHERE type = 'case.evaluated.v1'"))
    assert (said["satisfaction"], said["window"], said["staff_no"]) == ("satisfied", "A01", "S-clerk")
    assert "提交评价" not in guest.post("/hall/progress", "/hall/progress", asked).text


def test_fees_are_computed_before_they_are_asked_for(desk: Desk, clerk: Visitor) -> None:
    no = desk.decided()
    action = f"/hall/cases/{no}/fee"
    quantities = {"quantity-103044": "2", "quantity-103045": "1.5", "reduction": "", "due_on": ""}
    page = clerk.post(action, action, {**quantities, "do": "compute"})
    assert page.status_code == 200 and "应缴合计 <b>28.75</b> 元" in page.text  # 2 x 5.00 + 1.5 x 12.50
    wrong = clerk.send(
        action, {**hidden(page.text, action), **quantities, "reduction": "99", "do": "request"}
    )
    assert summary(wrong.text) == ["请填写减免依据", "减免金额不能超过可减免的 18.75 元"]
    done = clerk.send(action, {**hidden(wrong.text, action), **quantities, "do": "request"})
    assert done.status_code == 303
    row: dict[str, Any] = desk.core.rows("SELECT total, state FROM hall_fee")[0]
    assert row == {"total": "28.75", "state": "noticed"}


@pytest.mark.req("S3-33")
def test_what_a_pre_review_wants_is_entered_at_the_window(desk: Desk, clerk: Visitor) -> None:
    desk.core.party("front", sends=("case.applied.v1",))
    story = Story(case_number(1), PLAIN_ITEM)
    desk.core.ok("front", "case.applied.v1", story.applied(channel="online"))
    asked = Review("supplement", "缺租赁合同")
    prereview.pre_review(desk.hall, desk.clerk(), story.no, desk.seen(story.no), asked)
    found = clerk.post("/hall/counter/resume", "/hall/counter/resume", {"case_no": story.no})
    at, action = found.headers["location"], f"/hall/cases/{story.no}/resubmitted"
    assert "预审意见：</b>缺租赁合同" in clerk.get(at).text
    rows = {"material-1": "received", "material-1-as": "paper", "material-1-count": "1", "identified": "seen"}
    wrong = clerk.post(at, action, {**rows, "said": "", "mobile": "1380013801"})
    assert summary(wrong.text) == ["请填写补正情况", "手机号码应为 11 位数字，以 13 至 19 开头"]
    typed = {**hidden(wrong.text, action), **rows, "said": "补来租赁合同"}
    done = clerk.send(action, typed)
    assert done.status_code == 303 and done.headers["location"] == f"/hall/cases/{story.no}/accept"
    assert "请打印收件回执" in clerk.get(done.headers["location"]).text
    assert desk.stage(story.no) == ("submitted", "accept")


def test_a_certificate_that_does_not_come_is_asked_for_again_and_left_for_later(
    desk: Desk, clerk: Visitor
) -> None:
    no = desk.awaited()
    at, again = f"/hall/cases/{no}/certificate", f"/hall/cases/{no}/certificate/again"
    page = clerk.get(at).text
    assert "2026-03-02 09:30 提出，已等待 0 个工作日" in page and "满 3 个工作日仍未签发的" in page
    assert "/conclude" not in page and "刚刚已经提出过" in clerk.post(at, again).text
    desk.core.clock.on(3 * 86_400)
    clerk.sign_in("clerk")
    assert "最近一次催问 2026-03-05 09:30" in clerk.get(clerk.post(at, again).headers["location"]).text
    end = f"/hall/cases/{no}/conclude"
    assert clerk.post(at, end, {"delivery": "window"}).status_code == 303
    case = clerk.get(f"/hall/cases/{no}").text
    assert "办件先行办结，等待电子证照系统签发证照" in case and "证照补发(A)" in case
    assert "证照待补发" in clerk.get("/hall/counter/deliver").text
    held = clerk.get(f"/hall/cases/{no}/deliver").text
    assert "还没有签发，签发后一并送达" in held and "登记送达(A)" not in held


def test_the_librarys_file_is_printed_at_the_window(desk: Desk, clerk: Visitor) -> None:
    no = desk.awaited()
    sent = json.loads(desk.core.outbox("type = 'certificate.requested.v1'")[0]["payload"])
    answer = {
        "request_id": sent["request_id"],
        "identifier": IDENTIFIER,
        "number": "粤梅17",
        "state": "issued",
    }
    desk.answers("library", "certificate.issued.v1", answer)
    at = f"/hall/cases/{no}/certificate/file"
    assert "证照打印(F)" in clerk.get(f"/hall/cases/{no}").text
    assert clerk.post(at, at).status_code == 303 and "还没有取到" in clerk.get(at).text
    asked = json.loads(desk.core.outbox("type = 'certificate.file_requested.v1'")[0]["payload"])
    offer = {
        "request_id": asked["request_id"], "identifier": IDENTIFIER, "format": "pdf", "url": "http://h/x",
        "expires_at": "2026-03-02T09:40:00+08:00", "digest": hashlib.sha256(FILE).hexdigest(),
    }  # fmt: skip
    desk.answers("library", "certificate.file.v1", offer)
    printed = clerk.post(at, f"/hall/cases/{no}/certificate/print")
    assert (printed.content, printed.headers["content-type"]) == (FILE, "application/pdf")
    assert "已打印 1 份" in clerk.get(at).text


def test_a_day_is_typed_year_first_in_several_ways_and_never_by_the_browsers_language(
    desk: Desk, clerk: Visitor
) -> None:
    no = desk.decided()
    at = f"/hall/cases/{no}/fee"
    field = re.search(r'<input[^>]*name="due_on"[^>]*>', clerk.get(at).text)
    assert field and 'type="text"' in field.group() and 'inputmode="numeric"' in field.group()
    wrong = clerk.post(at, at, {"quantity-103044": "1", "due_on": "03/17/2026", "do": "request"})
    assert summary(wrong.text) == ["缴费期限应为日期，例如 2026-03-02"] and 'value="03/17/2026"' in wrong.text
    typed = {**hidden(wrong.text, at), "quantity-103044": "1", "due_on": "２０２６/3/17", "do": "request"}
    assert clerk.send(at, typed).status_code == 303
    assert desk.core.value("SELECT due_on FROM hall_fee") == "2026-03-17"


@pytest.fixture
def with_reader(hall: Hall) -> Iterator[Visitor]:
    """The clerk at window A01, whose reader has this test's card on it."""
    card = IdCard(NAME, ID_NUMBER, "江南路 1 号", None)
    extras = {EXTRA: Reader(card)}
    with served(mounted(hall, [*FRAME, *(one.pages for one in PAGES)], extras=extras)) as found:
        yield found.visitor().sign_in("clerk")


def test_a_card_fills_the_form_where_the_window_has_a_reader(desk: Desk, with_reader: Visitor) -> None:
    form = f"/hall/counter/apply?item={ITEM}"
    assert "读身份证" not in with_reader.get(form).text and "本窗口没有读卡器" in with_reader.get(form).text
    window = desk.core.value("SELECT id FROM hall_window WHERE number = 'A01'")
    with_reader.post("/hall/window", "/hall/window", {"window": window})
    fields = {**with_reader.hidden(form, "/hall/counter/apply"), "mobile": MOBILE, "channel": "window"}
    filled = with_reader.send("/hall/counter/apply", {**fields, "do": "card"}).text
    for name, value in {
        "name": NAME,
        "document_no": ID_NUMBER,
        "address": "江南路 1 号",
        "mobile": MOBILE,
    }.items():
        assert re.search(rf'name="{name}"[^>]*value="{value}"', filled), name
    assert '<option value="card" selected>' in filled and desk.core.rows("SELECT * FROM hall_receipt") == []
    typed = {**hidden(filled, "/hall/counter/apply"), **TYPED, "address": "江南路 1 号", "identified": "card"}
    other = with_reader.send("/hall/counter/apply", {**typed, "document_no": OTHER})  # not the card's number
    assert summary(other.text) == ["没有读到这个号码的身份证，请重新读卡，或者改选其他核验方式"]
    assert with_reader.send("/hall/counter/apply", typed).status_code == 303
    rows = desk.core.rows("SELECT identified, address FROM hall_receipt")
    assert rows == [{"identified": "card", "address": "江南路 1 号"}]


def test_the_work_list_says_what_a_partner_turned_down_and_the_case_leads_there(
    desk: Desk, clerk: Visitor
) -> None:
    desk.partner("till", "fees")
    no, fresh = desk.decided(), desk.decided()
    desk.requested(no, {"103044": "2"})
    desk.core.delivered("till", lambda row: took(row, "104", "refused", detail="执收单位已停用"))
    waiting = clerk.get("/hall/counter/fee").text
    assert "收费系统未受理" in waiting and "待核价" in waiting and fresh in waiting
    case = clerk.get(f"/hall/cases/{no}").text
    assert "执收单位已停用" in case and f'<a href="/hall/cases/{no}/fee">现在去办</a>' in case
    assert "没有受理" not in clerk.get(f"/hall/cases/{fresh}").text
    again = clerk.get(f"/hall/cases/{no}/fee").text
    assert "执收单位已停用" in again and re.search(r'name="quantity-103044"[^>]*value="2"', again)


def test_a_step_that_was_taken_before_says_so(desk: Desk, clerk: Visitor) -> None:
    no = desk.accepted()
    assert "办件现在是“已受理”，这一步已经办过" in clerk.get(f"/hall/cases/{no}/accept").text


def test_nobody_but_the_hall_may_open_its_forms(place: Place) -> None:
    assert place.visitor().get("/hall/counter/accept").status_code == 303
    approver = place.visitor().sign_in("approver")
    assert approver.get("/hall/counter/apply").status_code == 403

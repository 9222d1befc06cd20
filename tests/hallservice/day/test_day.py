"""A clerk's day in a browser without a mouse: five cases, each act found in the ledger and at partners."""

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Browser

from tests.app.demo.running import Running, demo, demonstration
from tests.hallservice.day import people as do
from tests.hallservice.day.people import Applicant, Staff
from tests.hallservice.web.browsing import SCREENSHOTS
from tests.hallservice.web.webrig import until

# Of the catalogue of the demonstration's county: names with which they are found, and whose they are.
FEE_AND_CERTIFICATE = "11441402XX0209402D4440709231000"  # 居民身份证补领, 梅江区公安局
NO_FEE = "11441402XX0209402D4440109232000"  # 旅馆业特种行业许可, the same body
SUPPLEMENTED = "11441402XX0205401D4440105222000"  # 教师资格认定, 梅江区教育局
REFUSED = "11441402XX0231407A4440731006000"  # 特种设备使用登记, 梅江区市场监督管理局
JOINT = "11441402XX0231407A4440131001000"  # 食品经营许可, the same body: with 教育局 and 公安局 side by side
POLICE = ("chengban04", "shenhe04", "pizhun04")  # undertakes, reviews, approves
APPROVED = [("reviewing", "approve"), ("approving", "approve")]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with demonstration(tmp_path_factory.mktemp("day")) as found:
        yield found


@pytest.fixture(scope="module")
def staff(running: Running, browser: Browser) -> Iterator[Staff]:
    everybody = Staff(running, browser, SCREENSHOTS)
    yield everybody
    everybody.close()


def told(running: Running, case_no: str) -> list[str]:
    """What the hall told the exchange of the case, as its ledger has it."""
    asked = "SELECT type FROM document WHERE party = 'hall.embedded' AND state = 'accepted' AND case_no = ?"
    kinds = [row["type"].removesuffix(".v1") for row in running.rows(asked + " ORDER BY entry", case_no)]
    return [kind for kind in kinds if kind != "certificate.searched"]  # asked along with the materials


def verbs(running: Running, case_no: str) -> list[tuple[str, str]]:
    """Who did what in the case's process, by the acts in the ledger."""
    asked = "SELECT act.body FROM act JOIN ledger_entry ON seq = entry ORDER BY entry"
    acts = [json.loads(row["body"]) for row in running.rows(asked)]
    said = [act["what"] for act in acts if isinstance(act, dict) and isinstance(act.get("what"), dict)]
    events = [what["event"] for what in said if what.get("case_no") == case_no and "event" in what]
    return [(event["verb"], event["by"]["id"]) for event in events if event["verb"] != "started"]


def staff_numbers(running: Running, *logins: str) -> list[str]:
    asked = "SELECT staff_no FROM hall_user WHERE login = ?"
    return [running.rows(asked, login)[0]["staff_no"] for login in logins]


def texts(running: Running, case_no: str, direction: str) -> list[dict[str, Any]]:
    """Short messages of the case: `own` as they were wanted, `out` as the gateway was sent them."""
    asked = """SELECT canonical FROM document
        WHERE type = 'sms.requested.v1' AND case_no = ? AND direction = ? ORDER BY entry"""
    said = [json.loads(row["canonical"]) for row in running.rows(asked, case_no, direction)]
    return [{"id": one["request_id"], "template": one["template"]} for one in said]


def expect_reported(running: Running, case_no: str, objects: str, messages: list[str]) -> None:
    """The province has exactly these objects in this order, the applicant these short messages, the ledger is
    whole."""

    def taken() -> str:
        record = running.record("province")
        return "".join(one["kind"] for one in record if one["case"] == case_no and one["accepted"])

    until(lambda: taken() == objects, 60)
    assert [row["template"] for row in texts(running, case_no, "own")] == messages
    until(lambda: len(texts(running, case_no, "out")) == len(messages), 60)
    gateway = {one["id"] for one in running.record("sms") if one["kind"] == "sms" and one["accepted"]}
    assert {row["id"] for row in texts(running, case_no, "out")} <= gateway
    assert running.tongban("ledger", "verify").startswith("whole")


def partner(running: Running, name: str, case_no: str) -> list[tuple[str, str]]:
    record: list[dict[str, Any]] = running.record(name)
    return [(one["direction"], one["kind"]) for one in record if one["case"] == case_no and one["accepted"]]


def passes(staff: Staff, case_no: str, logins: tuple[str, ...], states: list[tuple[str, str]]) -> None:
    """Each passes the own step, after which the case stands there."""
    for login, state in zip(logins, states, strict=True):
        do.approve(staff.at(login), case_no, "材料齐全，同意")
        assert staff.running.stands(case_no) == state


@pytest.mark.req("S0-14", "S0-55", "S0-56", "S0-58", "S0-59", "S0-60", "S0-63", "S3-42", "S3-47")
@pytest.mark.req("S0-57", "S3-50", "S3-21")
def test_from_the_window_to_the_archive(running: Running, staff: Staff) -> None:
    clerk, person = staff.clerk(), Applicant("陈小明", "101")
    case_no = do.take_in(clerk, FEE_AND_CERTIFICATE, person)
    assert clerk.badges == ["已申请", "受理"]
    do.accept(clerk, case_no)
    assert clerk.badges == ["已受理", "审批"]
    do.print_last(clerk)
    passes(staff, case_no, POLICE, [*APPROVED, ("decided", "fee")])
    do.price(clerk, case_no)
    asked = "SELECT state, total FROM hall_fee WHERE case_no = ?"
    until(lambda: running.rows(asked, case_no) == [{"state": "paid", "total": "40.00"}], 60)
    do.confirm_fee(clerk, case_no)
    assert clerk.badges == ["已决定", "发证"]
    do.ask_certificate(clerk, case_no)
    running.comes(case_no, "certified", "certificate")
    do.conclude(clerk, case_no)
    assert clerk.badges == ["已办结", "送达"]
    do.deliver(clerk, case_no, person)
    assert clerk.badges[-1] == "完成"
    do.rate(clerk, case_no)
    running.comes(case_no, "archived", "done")
    do.look_at_done(clerk, case_no)
    rated = "SELECT canonical FROM document WHERE type = 'case.evaluated.v1' AND case_no = ?"
    assert json.loads(running.rows(rated, case_no)[0]["canonical"])["window"] == do.WINDOW
    assert told(running, case_no) == [
        "case.applied", "case.accepted", "case.step", "case.step", "case.step", "fee.requested",
        "fee.confirmed", "certificate.requested", "case.concluded", "case.delivered", "case.evaluated",
    ]  # fmt: skip
    assert verbs(running, case_no) == [("passed", who) for who in staff_numbers(running, *POLICE)]
    assert partner(running, "fees", case_no) == [
        ("received", "CreateNotice"), ("sent", "paid"), ("received", "ConfirmPayment"),
    ]  # fmt: skip
    assert partner(running, "certificates", case_no)[0] == ("received", "issue")
    assert partner(running, "archives", case_no) == [("received", "addFile"), ("sent", "result")]
    wanted = ["applied", "accepted", "fee_notice", "fee_confirmed", "concluded", "evaluate"]
    expect_reported(running, case_no, "0233349", wanted)


@pytest.mark.req("S0-61", "S3-33")
def test_papers_are_missing_and_come_later(running: Running, staff: Staff) -> None:
    clerk = staff.clerk()
    case_no = do.take_in(clerk, SUPPLEMENTED, Applicant("林美珍", "102"))
    do.ask_supplement(clerk, case_no)
    do.print_last(clerk)
    assert clerk.badges == ["待补正", "补正"]
    do.bring_supplement(clerk, case_no)
    assert running.stands(case_no) == ("received", "accept")
    do.accept(clerk, case_no)
    assert clerk.badges == ["已受理", "审批"]
    assert told(running, case_no) == [
        "case.applied", "case.supplement_noticed", "case.supplemented", "case.accepted",
    ]  # fmt: skip
    expect_reported(running, case_no, "0782", ["applied", "supplement", "supplemented", "accepted"])


@pytest.mark.req("S0-62")
def test_refused_at_the_window(running: Running, staff: Staff) -> None:
    clerk = staff.clerk()
    case_no = do.take_in(clerk, REFUSED, Applicant("黄国强", "103"))
    do.refuse(clerk, case_no)
    do.print_last(clerk)
    assert clerk.badges == ["不予受理", "完成"]
    assert told(running, case_no) == ["case.applied", "case.accepted"]
    expect_reported(running, case_no, "02", ["applied", "refused"])


@pytest.mark.req("S3-38")
def test_the_clock_stops_while_something_is_tested(running: Running, staff: Staff) -> None:
    case_no = do.take_in(staff.clerk(), NO_FEE, Applicant("李文辉", "104"))
    do.accept(staff.clerk(), case_no)
    passes(staff, case_no, POLICE[:1], APPROVED[:1])
    do.ask_suspension(staff.at("shenhe04"), case_no)
    assert running.stands(case_no) == ("reviewing", "approve")
    do.grant_suspension(staff.at("pizhun04"), case_no)
    assert running.stands(case_no) == ("suspended", "approve")
    do.resume(staff.at("shenhe04"), case_no)
    assert running.stands(case_no) == ("reviewing", "approve")
    passes(staff, case_no, POLICE[1:], [APPROVED[1], ("decided", "certificate")])
    assert [verb for verb, _ in verbs(running, case_no)] == [
        "passed", "asked", "answered", "resumed", "passed", "passed",
    ]  # fmt: skip
    assert told(running, case_no)[2:] == [
        "case.step", "case.special_started", "case.special_finished", "case.step", "case.step",
    ]  # fmt: skip
    expect_reported(running, case_no, "0235633", ["applied", "accepted", "suspended", "resumed"])


@pytest.mark.req("S0-63", "S0-64")
def test_three_bodies_side_by_side(running: Running, staff: Staff) -> None:
    case_no = do.take_in(staff.clerk(), JOINT, Applicant("温建平", "105"))
    do.accept(staff.clerk(), case_no)
    order = ("chengban", "chengban03", "chengban04", "shenhe04", "shenhe", "shenhe03", "pizhun")
    states = [*[APPROVED[0]] * 3, *[APPROVED[1]] * 3, ("decided", "certificate")]
    passes(staff, case_no, order, states)
    assert verbs(running, case_no) == [("passed", who) for who in staff_numbers(running, *order)]
    expect_reported(running, case_no, "023333333", ["applied", "accepted"])


@pytest.mark.req("S0-44")
def test_who_comes_in_finds_a_days_work(running: Running) -> None:
    """Something waits for each who approves, and supervision has cards of every colour but the day's own."""
    body = running.rows("SELECT org FROM hall_user WHERE login = ?", POLICE[0].removesuffix("04"))[0]["org"]
    waits = running.rows("SELECT post, colour FROM hall_task WHERE org = ? AND colour <> ''", body)
    assert {(one["post"], one["colour"]) for one in waits} == {
        ("undertake", "red"), ("review", "yellow"), ("approve", "warning"),
    }  # fmt: skip
    joint = """SELECT window FROM hall_flow_instance JOIN hall_flow_plan ON digest = plan
        JOIN hall_case USING (case_no) WHERE definitions LIKE '%联合审批%' AND window IN ('A01', 'A02')"""
    assert running.rows(joint), "bodies side by side, of the demonstration's own day"
    asked = """SELECT role, "user" FROM hall_card_call JOIN hall_card ON hall_card.id = card
        WHERE colour = 'red' AND hall_card.case_no NOT IN (SELECT case_no FROM hall_receipt)"""
    told_ = running.rows(asked)
    assert {one["role"] for one in told_ if one["user"]} == {
        "分管局长", "办公室主任", "主管处长", "承办人", "系统管理员",
    }  # fmt: skip


def test_everybody_it_names_comes_in_and_no_second_one_starts_beside_it(running: Running) -> None:
    urls = running.told["urls"]
    for account in running.told["accounts"]:
        assert sees_the_hall(urls["hall"], account)
    assert {one["role"] for one in running.told["accounts"]} >= {
        "clerk", "approver", "supervisor", "administrator", "auditor",
    }  # fmt: skip
    assert httpx2.get(urls["hub"] + "/health", trust_env=False).json() == {"ready": True}
    assert httpx2.get(urls["sms"] + "/admin/health", trust_env=False).json() == {"ready": True}
    second = demo(running.state, "--once", "--cases", "1")
    assert (second.returncode, len(second.stderr.splitlines())) == (1, 1)
    assert "demo_runs" in second.stderr


def sees_the_hall(url: str, account: dict[str, str]) -> bool:
    """Signs in as a browser without scripts would; whether the name then stands on the page."""
    with httpx2.Client(trust_env=False, follow_redirects=True) as browser:
        page = browser.get(f"{url}/sign-in").text
        hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page))
        form = {**hidden, "login": account["login"], "password": account["password"]}
        answer = browser.post(f"{url}/sign-in", data=form, headers={"Origin": url.removesuffix("/hall")})
        return answer.status_code == 200 and account["name"] in answer.text

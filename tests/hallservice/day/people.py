"""What the staff of the hall do, each with a keyboard: screens of the counter and of the approval desk."""

import re
from dataclasses import dataclass, field

from playwright.sync_api import Browser

from canonical.values import complete_id_number
from tests.app.demo.running import Running
from tests.hallservice.day.keyboard import Person

CLERK, WINDOW = "chuangkou", "A03"


@dataclass(frozen=True)
class Applicant:
    """An invented person of the unassigned region 441499; the mobile number has a prefix nobody has."""

    name: str
    serial: str

    @property
    def document_no(self) -> str:
        return str(complete_id_number(f"44149919880516{self.serial}"))

    @property
    def mobile(self) -> str:
        return f"19900008{self.serial}"


@dataclass
class Staff:
    """Everybody at work; each signs in once."""

    running: Running
    browser: Browser
    pictures: str | None = None
    _in: dict[str, Person] = field(default_factory=dict)

    def at(self, login: str) -> Person:
        """Signed in."""
        if login not in self._in:
            person = Person(self.browser, self.running.url, self.pictures)
            self._in[login] = person.sign_in(login, self.running.password)
        return self._in[login]

    def clerk(self) -> Person:
        """At the window."""
        fresh = CLERK not in self._in
        clerk = self.at(CLERK)
        if fresh:
            clerk.enter("a[href='/hall/window']")
            clerk.pick("#f-window", WINDOW)
            assert clerk.alt("a") == "窗口已绑定。"
            clerk.look("workbench")
        return clerk

    def close(self) -> None:
        for person in self._in.values():
            person.close()


def take_in(clerk: Person, item: str, who: Applicant) -> str:
    """代申请: the item found by its code, the form filled, every material looked at; the case's number."""
    clerk.menu("/counter/apply")
    clerk.look("items")
    clerk.type("#q-q", item)
    clerk.enter()
    clerk.type("#f-name", who.name)
    clerk.type("#f-document_no", who.document_no)
    clerk.type("#f-mobile", who.mobile)
    materials(clerk)
    clerk.look("apply")
    assert clerk.alt("a").startswith("已收件。办件编号 ")
    number = re.search(r"办件编号 (\w+)，查询密码 \d{6}。", clerk.said)
    assert number is not None
    return number[1]


def materials(clerk: Person) -> None:
    """All of them there, every point of review ticked."""
    for one in clerk.page.locator("select[id^=f-material-]:not([id$=-as])").all():
        name = one.get_attribute("name")
        clerk.tick(f"[name={name}-point]")
        clerk.pick(f"#f-{name}", "已收")


def to_case(clerk: Person, stage: str, case_no: str) -> None:
    """From the to-do list of that stage straight to what is to be done."""
    clerk.menu(f"/counter/{stage}")
    clerk.enter(f"#list a[href*='/cases/{case_no}']")


def accept(clerk: Person, case_no: str) -> None:
    to_case(clerk, "accept", case_no)
    clerk.look("accept")
    assert re.match(r"已受理，承诺办结日期 \d{4}-\d\d-\d\d。请打印受理通知书 ", clerk.alt("a")), clerk.said


def print_last(clerk: Person) -> None:
    """打印(P) opens the notice made last in a tab of its own, for the printer."""
    pages = clerk.guest.context
    with pages.expect_event("response", lambda answer: answer.url.endswith("/print")) as opened:
        clerk.guest.access("p")
    assert (opened.value.status, opened.value.headers["content-type"]) == (200, "application/pdf")
    for other in pages.pages:
        if other != clerk.page:
            other.close()


def ask_supplement(clerk: Person, case_no: str) -> None:
    to_case(clerk, "accept", case_no)
    clerk.type("#f-problem-1", "缺少申请人签字")
    clerk.type("#f-supplement_reason", "提交的材料不齐全")
    assert clerk.alt("b").startswith("已通知补正。请打印补齐补正通知书 ")


def bring_supplement(clerk: Person, case_no: str) -> None:
    """补正续办: called up by its number, the papers taken in, then accepted."""
    clerk.menu("/counter/resume")
    clerk.type("#f-case_no", case_no)
    clerk.alt("a")
    materials(clerk)
    clerk.look("supplemented")
    assert clerk.alt("a") == "补正材料已收，请继续受理。"


def refuse(clerk: Person, case_no: str) -> None:
    to_case(clerk, "accept", case_no)
    clerk.type("#f-reason", "申请事项依法不属于本机关职权范围")
    assert clerk.alt("r").startswith("已登记不予受理。请打印不予受理通知书 ")


# -- approval


def to_task(person: Person, case_no: str) -> None:
    """From the to-do list."""
    person.menu("/approval")
    person.look("todo")
    person.enter(f"a[href$='/approval/cases/{case_no}']")
    person.look("approval")


def approve(person: Person, case_no: str, opinion: str) -> None:
    to_task(person, case_no)
    person.type("#f-opinion", opinion)
    assert person.alt("a") == "“通过”已完成"


def ask_suspension(person: Person, case_no: str) -> None:
    to_task(person, case_no)
    person.alt("p")
    person.pick("#f-ground", "检测")
    person.type("#f-opinion", "需要对生产场所进行检测")
    person.look("suspension")
    assert person.alt("a") == "“申请特别程序”已完成"


def grant_suspension(person: Person, case_no: str) -> None:
    to_task(person, case_no)
    person.alt("y")
    person.type("#f-opinion", "同意检测")
    assert person.alt("a") == "“答复特别程序”已完成"


def resume(person: Person, case_no: str) -> None:
    to_task(person, case_no)
    assert "（时限暂停）" in person.page.locator("main .facts").inner_text()
    person.alt("h")
    person.type("#f-opinion", "检测合格，恢复办理")
    assert person.alt("a") == "“恢复”已完成"


# -- money, certificate, delivery


def price(clerk: Person, case_no: str) -> None:
    """The fee computed, looked at, and told."""
    to_case(clerk, "fee", case_no)
    clerk.type("input.count", "1")
    clerk.alt("c")
    clerk.look("fee")
    assert "应缴合计 40.00 元" in clerk.page.locator("main p.note").inner_text()
    assert clerk.alt("a") == "已核价并发出缴费通知。"


def confirm_fee(clerk: Person, case_no: str) -> None:
    to_case(clerk, "fee", case_no)
    clerk.look("paid")
    assert clerk.alt("a") == "已确认缴费。"


def ask_certificate(clerk: Person, case_no: str) -> None:
    """The holder and what is permitted come from the case."""
    to_case(clerk, "certificate", case_no)
    clerk.look("certificate")
    assert clerk.alt("a") == "已向电子证照系统申请制证，签发后再办结。"


def conclude(clerk: Person, case_no: str) -> None:
    to_case(clerk, "certificate", case_no)
    clerk.look("conclude")
    assert clerk.alt("e").startswith("已办结，申请人会收到短信。请打印决定书 ")


def deliver(clerk: Person, case_no: str, to: Applicant) -> None:
    to_case(clerk, "deliver", case_no)
    clerk.type("#f-collector", to.name)
    clerk.type("#f-document_no", to.document_no)
    clerk.look("deliver")
    assert clerk.alt("a").startswith("已登记送达。请打印送达回执 ")


def rate(clerk: Person, case_no: str) -> None:
    clerk.alt("v")
    clerk.tab("[name=satisfaction]")
    clerk.press("Space")
    clerk.look("evaluate")
    assert clerk.alt("a") == "评价已提交，谢谢。"


def look_at_done(clerk: Person, case_no: str) -> None:
    """已办事项: the number, the state in supervision and at the window, the window, the time."""
    clerk.menu("/counter/done")
    clerk.look("done")
    shown = clerk.page.locator(f"#list tr:has-text('{case_no}')").inner_text()
    assert re.search(rf"已结束\s+已归档\s+{WINDOW}\s+\d{{4}}-\d\d-\d\d \d\d:\d\d", shown), shown

"""What only a real browser shows: the keyboard alone, no scripts, many tabs, paper."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from hallservice.web.assets import BUILT
from tests.hallservice.web.browsing import Guest
from tests.hallservice.web.conftest import Walked
from tests.hallservice.web.webrig import until
from tests.hallservice.world import LOGINS, PASSWORD

FORM = "/hall/sample/form"
FOCUS = (
    "document.activeElement.id || document.activeElement.name || document.activeElement.textContent.trim()"
)


@pytest.fixture
def guest(browser: Browser, framed: Walked) -> Iterator[Guest]:
    """A browser nobody used."""
    made = Guest(browser, framed.place.base)
    yield made
    made.context.close()


def tabbed_to(guest: Guest, wanted: str, most: int = 60) -> None:
    """Tab, and nothing else, until that is in focus."""
    for _ in range(most):
        if guest.page.evaluate(FOCUS) == wanted:
            return
        guest.page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not lead to {wanted}")


def test_a_form_from_sign_in_to_its_answer_by_keyboard_alone(guest: Guest) -> None:
    page, keys = guest.page, guest.page.keyboard
    guest.open("/hall/sample/form")
    assert page.evaluate(FOCUS) == "f-login"
    keys.type(LOGINS["clerk"])
    keys.press("Tab")
    keys.type(PASSWORD)
    keys.press("Enter")
    page.wait_for_url("**" + FORM)
    keys.press("Tab")
    assert page.evaluate(FOCUS) == "跳到主要内容"
    keys.press("Enter")
    tabbed_to(guest, "f-note", 5)
    keys.type("按键填写")
    guest.access("a")  # 登记(A)
    page.wait_for_selector("#errors")
    assert page.title().startswith("错误：") and page.evaluate(FOCUS) == "errors"
    keys.press("Tab")
    keys.press("Enter")
    keys.type("键盘甲")
    assert page.evaluate("document.activeElement.id") == "f-name"
    assert page.input_value("#f-note") == "按键填写"
    tabbed_to(guest, "f-mode", 5)
    keys.press("ArrowRight")
    assert page.evaluate("document.activeElement.value") == "post"
    guest.access("a")
    page.wait_for_url("**/hall/sample")
    expect(page.locator(".said")).to_have_text("已登记：键盘甲")
    faults = [
        fault for fault in guest.faults if "422" not in fault
    ]  # the browser tells of that status itself
    assert faults == []


def test_everything_works_without_scripts(browser: Browser, framed: Walked) -> None:
    guest = Guest(browser, framed.place.base, scripts=False).sign_in("clerk")
    page = guest.page
    page.goto(framed.place.base + FORM)
    page.fill("#f-name", "无脚本乙")
    page.press("#f-name", "Enter")
    expect(page.locator(".said")).to_have_text("已登记：无脚本乙")
    page.select_option("#q-state", "done")
    page.click("text=查询(S)")
    assert "state=done" in page.url
    expect(page.locator("caption")).to_contain_text("共 46 条")
    page.click("text=下一页(N)")
    expect(page.locator("caption")).to_contain_text("第 21–40 条")
    guest.context.close()


@pytest.mark.skipif(not (BUILT / "htmx.js").is_file(), reason="htmx is built by: make assets")
def test_a_filter_changes_the_list_and_the_address_and_nothing_else(guest: Guest) -> None:
    page = guest.sign_in("clerk").page
    guest.open("/hall/sample")
    page.evaluate("window.same = true")
    page.select_option("#q-state", "done")
    page.click("text=查询(S)")
    expect(page.locator("caption")).to_contain_text("共 46 条")
    assert "state=done" in page.url and page.evaluate("window.same") is True
    assert guest.look("filtered") == []
    page.go_back()
    expect(page.locator("caption")).to_contain_text("共 137 条")


def test_eight_tabs_share_one_stream_and_pages_still_open(guest: Guest, framed: Walked) -> None:
    guest.sign_in("clerk")
    tabs = [guest.page, *(guest.tab() for _ in range(7))]
    for tab in tabs:
        tab.goto(framed.place.base + "/hall/sample")
    until(lambda: framed.place.board.streams == 1)
    before = framed.place.board.count(framed.clerks["clerk"], "acts")
    assert before is not None
    framed.visitor("clerk2").post(FORM, FORM, {"name": "丙"})
    for tab in tabs:
        expect(tab.locator("[data-count=acts]")).to_have_text(f"（{before + 1}）", timeout=30_000)
    assert framed.place.board.streams == 1
    ninth = guest.tab()
    assert ninth.goto(framed.place.base + "/hall/") is not None
    for tab in tabs[:7]:  # and with them whichever of them had the stream
        tab.close()
    ninth.close()
    framed.visitor("clerk2").post(FORM, FORM, {"name": "丁"})
    expect(tabs[7].locator("[data-count=acts]")).to_have_text(f"（{before + 2}）", timeout=30_000)


def test_paper_shows_the_list_and_nothing_around_it(guest: Guest) -> None:
    page = guest.sign_in("clerk").page
    guest.open("/hall/sample")
    page.emulate_media(media="print")
    for gone in (".bar", ".tree", ".filters", ".pages"):
        expect(page.locator(gone)).to_be_hidden()
    expect(page.locator("table.list")).to_be_visible()
    made = page.pdf(prefer_css_page_size=True)
    (size,) = set(re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", made))
    assert [round(float(side)) for side in size] == [595, 842]  # A4 in points

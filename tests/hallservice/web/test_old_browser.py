"""The pages in Chromium 78 of 2019: sign in, a list with its filter, a form, a live count."""

from pathlib import Path

import pytest

from hallservice.web.assets import BUILT
from tests.hallservice.web.conftest import Walked
from tests.hallservice.web.oldchromium import NotHere, fetch, old_page
from tests.hallservice.world import LOGINS, PASSWORD

KEPT = Path(__file__).resolve().parents[3] / "var" / "chromium-78"


@pytest.mark.skipif(not (BUILT / "htmx.js").is_file(), reason="htmx is built by: make assets")
def test_a_browser_of_2019(framed: Walked, tmp_path: Path) -> None:
    try:
        program = fetch(KEPT)
    except NotHere as reason:
        pytest.skip(str(reason))
    base = framed.place.base + "/hall"
    with old_page(program, tmp_path) as page:
        assert "Chrome/78." in page.run("navigator.userAgent")
        page.open(f"{base}/sign-in?next=%2Fsample")
        page.run(f"document.querySelector('#f-login').value = {LOGINS['clerk']!r}")
        page.run(f"document.querySelector('#f-password').value = {PASSWORD!r}")
        page.run("document.querySelector('button.main').click()")
        page.until("location.pathname === '/hall/sample' && document.readyState === 'complete'")
        assert page.run("document.documentElement.scrollWidth <= innerWidth")
        assert page.run("document.querySelector('main').getBoundingClientRect().left > 150")
        page.until("!!window.htmx && !!document.querySelector('.filters button')")
        page.run("window.same = true; document.querySelector('#q-state').value = 'done'")
        page.run("document.querySelector('.filters button').click()")
        page.until("document.querySelector('caption').textContent.indexOf('共 46 条') >= 0")
        assert page.run("window.same") is True and "state=done" in page.run("location.search")
        assert page.faults == []
        page.open(f"{base}/sample/form")
        page.run("document.querySelector('button.main').click()")
        page.until("document.activeElement && document.activeElement.id === 'errors'")
        before = framed.place.board.count(framed.clerks["clerk"], "acts") or 0
        page.run("document.querySelector('#f-name').value = '旧浏览器戊'")
        page.run("document.querySelector('button.main').click()")
        page.until("(document.querySelector('.said') || {}).textContent === '已登记：旧浏览器戊'")
        page.until(f"document.querySelector('[data-count=acts]').textContent === '（{before + 1}）'")
        assert [fault for fault in page.faults if "422" not in fault] == []

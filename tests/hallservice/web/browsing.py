"""A real browser over the pages: what is looked at on every one of them."""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.hallservice.world import LOGINS, PASSWORD

ROOT = Path(__file__).resolve().parents[3]
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage",
    "--disable-extensions", "--no-first-run", "--disable-component-update",
    "--disable-features=PreloadTopChromeWebUI",
)  # fmt: skip
SCREEN = {"width": 1366, "height": 768}
SCREENSHOTS = os.environ.get("TONGBAN_SCREENSHOTS")  # a folder that gets a picture of every page

LOOK = """async whole => {
  const rules = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];
  const found = await axe.run(whole ? document : '#main', {runOnly: rules, resultTypes: ['violations']});
  const nodes = v => v.nodes.map(n => n.html).slice(0, 3).join(' | ');
  const faults = found.violations.map(v => 'axe ' + v.id + ': ' + nodes(v));
  const shown = e => e.checkVisibility({visibilityProperty: true});  // not inside a closed <details>
  const wanted = 'a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex="0"]';
  const before = document.activeElement;
  for (const e of document.querySelectorAll(wanted)) {
    if (e.disabled || !shown(e)) continue;
    if (e.tabIndex !== 0) { faults.push('not reached by Tab: ' + e.outerHTML.slice(0, 120)); continue; }
    e.focus();
    const style = getComputedStyle(e);
    if (document.activeElement !== e) faults.push('takes no focus: ' + e.outerHTML.slice(0, 120));
    else if (style.outlineStyle === 'none' || parseFloat(style.outlineWidth) < 2)
      faults.push('focus is not seen: ' + e.outerHTML.slice(0, 120));
  }
  if (before && before.focus) before.focus();
  if (document.querySelector('[onclick], [style], script:not([src])')) faults.push('inline script or style');
  const wide = document.documentElement.scrollWidth;
  if (wide > innerWidth) faults.push('scrolls sideways: ' + wide + ' px');
  const keys = [...document.querySelectorAll('[accesskey]')].map(e => e.accessKey);
  const twice = keys.filter((k, at) => keys.indexOf(k) !== at);
  if (twice.length) faults.push('accesskey twice: ' + [...new Set(twice)]);
  for (const form of document.querySelectorAll('form[method=post]'))
    for (const name of ['csrf', 'act'])
      if (!form.querySelector('[name=' + name + ']')) faults.push('form without ' + name);
  for (const table of document.querySelectorAll('table')) {
    if (!table.caption) faults.push('table without caption');
    if ([...table.querySelectorAll('th')].some(th => !th.scope)) faults.push('th without scope');
  }
  if (document.querySelectorAll('h1').length !== 1) faults.push('not one h1');
  if (!document.title) faults.push('no title');
  return faults;
}"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's browser without a window; its shell without what belongs to a window is much lighter."""
    path = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    if path is None:
        pytest.skip("Chromium is not installed")
    with sync_playwright() as tool:
        browser = tool.chromium.launch(executable_path=path, args=[*QUIET])
        yield browser
        browser.close()


class Guest:
    """One person's browser; what goes wrong in it is gathered in `faults`."""

    def __init__(self, browser: Browser, base: str, *, scripts: bool = True, axe: bool = True) -> None:
        self.base, self.faults = base, list[str]()
        self.context: BrowserContext = browser.new_context(
            viewport=SCREEN, locale="zh-CN", java_script_enabled=scripts
        )
        self.context.set_default_timeout(30_000)
        if axe and AXE.is_file() and scripts:
            self.context.add_init_script(path=AXE)
        self.page = self.tab()

    def tab(self) -> Page:
        """One more tab."""
        page = self.context.new_page()
        page.on("pageerror", lambda fault: self.faults.append(f"script: {fault}"))
        page.on("console", lambda said: self.faults.append(said.text) if said.type == "error" else None)
        return page

    def sign_in(self, login: str) -> "Guest":
        self.page.goto(f"{self.base}/hall/sign-in")
        self.page.fill("#f-login", LOGINS[login])
        self.page.fill("#f-password", PASSWORD)
        self.page.press("#f-password", "Enter")
        self.page.wait_for_selector(".own")
        return self

    def access(self, key: str) -> None:
        """Alt and an accesskey: the tool's own keyboard sends no text with Alt, by which browsers find it."""
        line = self.context.new_cdp_session(self.page)
        said = {"modifiers": 1, "key": key, "windowsVirtualKeyCode": ord(key.upper())}
        line.send("Input.dispatchKeyEvent", {**said, "type": "keyDown", "text": key, "unmodifiedText": key})
        line.send("Input.dispatchKeyEvent", {**said, "type": "keyUp"})
        line.detach()

    def enter(self, token: str) -> "Guest":
        """Signed in without the sign-in page."""
        self.context.add_cookies([{"name": "tongban", "value": token, "url": f"{self.base}/hall"}])
        return self

    def open(self, path: str) -> int:
        """The page's status."""
        self.faults.clear()
        answer = self.page.goto(self.base + path)
        assert answer is not None
        return answer.status

    def look(self, name: str, *, whole: bool = True) -> list[str]:
        """Everything that is wrong with the page that is open; the frame is the same on each, and axe looks
        at it with `whole`."""
        if SCREENSHOTS:
            Path(SCREENSHOTS).mkdir(parents=True, exist_ok=True)
            # a hidden caret would be a style of the tool's own, which the policy keeps out
            self.page.screenshot(path=Path(SCREENSHOTS) / f"{name}.png", full_page=True, caret="initial")
        found: list[str] = self.page.evaluate(LOOK, whole)
        heard, self.faults = self.faults, []
        return [*found, *heard]


def filled(path: str, example: Mapping[str, str], values: Mapping[str, str]) -> str:
    """The path of a page with its example in place; `?name` goes into the query."""
    query = []
    for name, given in example.items():
        assert not given.startswith("@") or given[1:] in values, f"prepared.py makes no {given[1:]}"
        value = values[given[1:]] if given.startswith("@") else given
        if name.startswith("?"):
            query.append(f"{name[1:]}={value}")
        path = path.replace("{" + name + "}", value).replace("{" + name + ":path}", value)
    assert "{" not in path, f"{path}: the page declares no example for it"
    return "/hall" + path + ("?" + "&".join(query) if query else "")


def first(items: Mapping[str, Any], wanted: Any) -> str | None:
    """The first name whose value is wanted."""
    return next((name for name, value in items.items() if wanted(value)), None)

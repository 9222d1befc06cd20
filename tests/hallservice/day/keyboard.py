"""A member of staff with a keyboard and no mouse: Tab, arrows, Enter, Space, typing and access keys alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser

from tests.hallservice.web.browsing import Guest
from tests.hallservice.web.webrig import until

HERE = "s => !!document.activeElement && document.activeElement.matches(s)"
NOWHERE = "() => document.activeElement === document.body"
SETTLED = "() => !document.querySelector('[autofocus]') || document.activeElement !== document.body"
CHOSEN = "() => document.activeElement.selectedOptions[0].textContent.trim()"
MOST = 150  # keys pressed before a thing is held to be out of reach


class Person:
    """One person's browser; `pictures`: a folder that gets the screens that are looked at."""

    def __init__(self, browser: Browser, url: str, pictures: str | None = None) -> None:
        self.url, self._pictures = url, pictures
        self.guest = Guest(browser, url.removesuffix("/hall"), axe=False)
        self.page, self._keys = self.guest.page, self.guest.page.keyboard

    def sign_in(self, login: str, password: str) -> "Person":
        """The one address that is typed; all else is reached from there."""
        self.page.goto(f"{self.url}/sign-in")
        until(lambda: self.page.evaluate(SETTLED))
        self.type("#f-login", login)
        self.type("#f-password", password)
        self.enter()
        assert self.page.locator(".own").count() == 1, f"{login} is not signed in: {self.said}"
        return self

    def tab(self, wanted: str) -> None:
        """Tab, past the menu by the skip link where the focus is nowhere, until that has the focus."""
        if self.page.evaluate(NOWHERE) and self.page.locator(f"#main {wanted}").count():
            self._keys.press("Tab")
            assert self.page.evaluate(HERE, ".skip"), f"no skip link on {self.page.url}"
            self._keys.press("Enter")
        for _ in range(MOST):
            if self.page.evaluate(HERE, wanted):
                return
            self._keys.press("Tab")
        raise AssertionError(f"Tab does not lead to {wanted} on {self.page.url}")

    def type(self, wanted: str, text: str) -> None:
        """In place of what the field holds."""
        self.tab(wanted)
        self._keys.press("Control+A")
        self._keys.type(text)

    def press(self, key: str) -> None:
        self._keys.press(key)

    def pick(self, wanted: str, label: str) -> None:
        """The first choice of a list whose words hold `label`, by arrow keys."""
        self.tab(wanted)
        self._keys.press("Home")
        for _ in range(MOST):
            if label in self.page.evaluate(CHOSEN):
                return
            self._keys.press("ArrowDown")
        raise AssertionError(f"no choice {label} in {wanted}")

    def tick(self, wanted: str) -> None:
        """Every box of that kind."""
        boxes = self.page.locator(wanted)
        for at in range(boxes.count()):
            if not boxes.nth(at).is_checked():
                self.tab(f"{wanted}[value='{boxes.nth(at).get_attribute('value')}']")
                self._keys.press("Space")

    def enter(self, wanted: str = "") -> None:
        """Enter, on a link or in a form, and the page it leads to."""
        if wanted:
            self.tab(wanted)
        with self._new_page():
            self._keys.press("Enter")

    def alt(self, key: str) -> str:
        """An access key and the page it leads to; what that says."""
        assert self.page.locator(f"[accesskey={key}]").count() == 1, f"no {key} on {self.page.url}"
        with self._new_page():
            self.guest.access(key)
        return self.said

    @contextmanager
    def _new_page(self) -> Iterator[None]:
        """Until the page that comes is there, and the focus where it wants it."""
        with self.page.expect_navigation(wait_until="domcontentloaded"):
            yield
        until(lambda: self.page.evaluate(SETTLED))

    def menu(self, path: str) -> None:
        """An entry of the menu."""
        self.enter(f"nav.tree a[href='/hall{path}']")

    def look(self, name: str) -> None:
        """A picture of the screen as it is, where pictures are asked for."""
        if self._pictures:
            Path(self._pictures).mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=Path(self._pictures) / f"{name}.png", caret="initial")

    @property
    def said(self) -> str:
        """The message, or what was wrong."""
        return " ".join(self.page.locator(".said, #errors").all_inner_texts())

    @property
    def badges(self) -> list[str]:
        """State and stage as the page of a case shows them."""
        return self.page.locator("main > p .badge").all_inner_texts()

    def close(self) -> None:
        self.guest.context.close()

"""Every page that is registered, in a real browser: accessible, closed, operable by keyboard, authorised."""

import json
from collections.abc import Callable

import pytest

from hallservice.web.registry import Page, shipped
from tests.hallservice.web import samplepages
from tests.hallservice.web.browsing import AXE, Guest, filled
from tests.hallservice.web.conftest import Walked
from tests.hallservice.web.webrig import Visitor

DEFECT = "/sample/defect"
WHOLE = ("/", "/sign-in")  # the frame with and without a person in it
PAGES = [
    page
    for feature in [*shipped(), samplepages.pages]
    for page in feature.declared
    if page.method == "GET" and page.path != DEFECT
]


def role_for(walked: Walked, page: Page) -> str:
    """Who opens the page: as its example says, else the first member of staff who may."""
    if page.public:
        return ""
    named = page.example.get("@as")
    held = [name for name, clerk in walked.clerks.items() if page.open_to(clerk)]
    assert held, f"{page.path}: nobody in the tests' hall holds {page.functions}"
    return named or held[0]


def address(walked: Walked, page: Page) -> str:
    example = {name: value for name, value in page.example.items() if name != "@as"}
    return filled(page.path, example, walked.values(page))


@pytest.mark.skipif(not AXE.is_file(), reason="axe is fetched by: make assets")
@pytest.mark.parametrize("page", PAGES, ids=[page.path for page in PAGES])
def test_page(page: Page, walked: Walked, guests: Callable[[str], Guest]) -> None:
    guest = guests(role_for(walked, page))
    path = address(walked, page)
    assert guest.open(path) == 200
    name = page.path.strip("/").replace("/", "-") or "home"
    assert guest.look(name, whole=page.path in WHOLE) == []
    reports = [json.loads(report) for report in walked.violations]
    walked.violations.clear()
    assert reports == []


def outsider(walked: Walked, page: Page) -> Visitor | None:
    """A member of staff who may not use the page, where there is one."""
    other = next((name for name, clerk in walked.clerks.items() if not page.open_to(clerk)), None)
    return walked.visitor(other) if other else None


def test_every_page_is_closed_to_others(walked: Walked) -> None:
    """Without a session one is sent to sign in; without the function one is refused."""
    anybody, wrong = walked.place.visitor(), list[str]()
    for page in PAGES:
        path = address(walked, page)
        nobody, other = anybody.get(path), outsider(walked, page)
        sent = nobody.status_code == 303 and nobody.headers["location"].startswith("/hall/sign-in")
        if not page.public and not sent:
            wrong.append(f"{path}: {nobody.status_code} without a session")
        if other is not None and (status := other.get(path).status_code) != 403:
            wrong.append(f"{path}: {status} without the function")
    assert wrong == []


def test_every_act_is_closed_to_others(walked: Walked) -> None:
    anybody, wrong, fields = walked.place.visitor(), list[str](), dict[Visitor, dict[str, str]]()
    acts = [page for feature in shipped() for page in feature.declared if page.method == "POST"]
    for page in acts:
        path, other = "/hall" + page.path.replace("{", "").replace("}", ""), outsider(walked, page)
        if not page.public and (status := anybody.send(path, {}).status_code) != 303:
            wrong.append(f"{path}: {status} without a session")
        if other is not None:
            if other not in fields:
                fields[other] = other.hidden("/hall/", "/hall/sign-out")
            if (status := other.send(path, fields[other]).status_code) != 403:
                wrong.append(f"{path}: {status} without the function")
    assert wrong == []

"""Every page that is registered, in a real browser: accessible, closed, operable by keyboard, authorised."""

import json
from collections.abc import Callable

import pytest

from hallservice.web.registry import Page, shipped
from tests.hallservice.web import samplepages
from tests.hallservice.web.browsing import AXE, Guest, filled
from tests.hallservice.web.conftest import Walked

DEFECT = "/sample/defect"
PAGES = [
    page
    for feature in [*shipped(), samplepages.pages]
    for page in feature.declared
    if page.method == "GET" and page.path != DEFECT
]
pytestmark = pytest.mark.xdist_group("browser")


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
    assert guest.look(page.path.strip("/").replace("/", "-") or "home") == []
    reports = [json.loads(report) for report in walked.violations]
    walked.violations.clear()
    assert reports == []


@pytest.mark.parametrize("page", PAGES, ids=[page.path for page in PAGES])
def test_page_is_closed_to_others(page: Page, walked: Walked) -> None:
    path = address(walked, page)
    nobody = walked.place.visitor().get(path)
    if page.public:
        assert nobody.status_code in (200, 303, 404, 422)
        return
    assert nobody.status_code == 303 and nobody.headers["location"].startswith("/hall/sign-in")
    other = next((name for name, clerk in walked.clerks.items() if not page.open_to(clerk)), None)
    if other is not None:
        assert walked.visitor(other).get(path).status_code == 403


def test_every_act_is_closed_to_others(walked: Walked) -> None:
    """Anonymous posts are sent to sign in; of the signed-in, whoever lacks the function is refused."""
    acts = [page for feature in shipped() for page in feature.declared if page.method == "POST"]
    for page in acts:
        path = "/hall" + page.path.replace("{", "").replace("}", "")
        if not page.public:
            nobody = walked.place.visitor().send(path, {})
            assert nobody.status_code == 303, page.path
        other = next((name for name, clerk in walked.clerks.items() if not page.open_to(clerk)), None)
        if other is not None:
            visitor = walked.visitor(other)
            fields = visitor.hidden("/hall/", "/hall/sign-out")
            assert visitor.send(path, fields).status_code == 403, page.path

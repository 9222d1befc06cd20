"""Every form of every page: a session that ends while somebody types loses nothing of it."""

import html
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from lxml import html as pages_read

from hallservice.web.drafts import typed_by_hand
from hallservice.web.registry import Page, shipped
from tests.hallservice.web.conftest import Walked
from tests.hallservice.web.test_every_page import address, role_for

SHOWN = [page for one in shipped() for page in one.declared if page.method == "GET" and not page.public]
ACTS = [page for one in shipped() for page in one.declared if page.method == "POST"]
# Whom one looks for by an identity number is not written down anywhere, not even sealed.
NOT_KEPT = {"/counter/search", "/applicants", "/password"}
TYPED = {"date": "2026-12-31", "number": "7", "tel": "13812345678", "time": "09:30"}
Fields = dict[str, list[str]]


def act_of(action: str) -> Page:
    """The act a form's address leads to; one without parameters before those that have some."""
    here = action.removeprefix("/hall").split("/")
    fits = [page for page in ACTS if same_way(page.path.split("/"), here)]
    return min(fits, key=lambda page: page.path.count("{"))


def same_way(declared: list[str], here: list[str]) -> bool:
    return len(declared) == len(here) and all(
        a == b or a[:1] == "{" for a, b in zip(declared, here, strict=True)
    )


def forms(text: str) -> Iterator[tuple[str, Any]]:
    for form in pages_read.fromstring(text).iter("form"):
        if (form.get("method") or "").lower() == "post":
            yield form.get("action"), form


def filled(form: Any) -> Fields:
    """As somebody leaves it who typed into everything: the last choice of each list, every box ticked."""
    found: Fields = {}
    for number, one in enumerate(form.iter("input", "textarea", "select")):
        name, kind = one.get("name"), one.get("type") or "text"
        if not name or kind in ("submit", "file"):
            continue
        if one.tag == "select":
            found.setdefault(name, []).append([*one.iter("option")][-1].get("value"))
        elif kind == "radio":
            found[name] = [one.get("value")]
        elif kind in ("hidden", "checkbox"):
            found.setdefault(name, []).append(one.get("value") or "")
        else:
            said = TYPED.get(kind, f"已填{number}")
            found.setdefault(name, []).append(said[: int(one.get("maxlength") or 99)])
    return found


def shown(form: Any) -> Fields:
    """What the fields of a form say."""
    found: Fields = {}
    for one in form.iter("input", "textarea", "select"):
        name, kind, value = one.get("name"), one.get("type") or "text", one.get("value") or ""
        if one.tag == "select":
            options = [*one.iter("option")]
            chosen = [each for each in options if each.get("selected") is not None] or options[:1]
            value = chosen[0].get("value") if chosen else ""
        elif one.tag == "textarea":
            value = (one.text or "").removeprefix("\n")
        if name and (kind not in ("radio", "checkbox") or one.get("checked") is not None):
            found.setdefault(name, []).append(value)
    return found


def typed(found: Fields, form: Any) -> Fields:
    """Without what no person typed."""
    hidden = {one.get("name") for one in form.iter("input") if one.get("type") == "hidden"}
    return {name: said for name, said in found.items() if typed_by_hand(name) and name not in hidden}


def lost(walked: Walked, role: str, action: str, form: Any) -> str:
    """What is not there again after the session ended and the same person signed in; "" where all is."""
    given = filled(form)
    own = typed(given, form)
    if not own or act_of(action).path in NOT_KEPT:
        return ""
    ended = walked.place.visitor().send(action, given)
    back = parse_qs(urlsplit(html.unescape(ended.headers.get("location", ""))).query).get("next", [""])[0]
    if "draft=" not in back:
        return f"{action}: nothing is kept of {sorted(own)}"
    again = walked.visitor(role).get("/hall" + back)
    same = [typed(shown(one), one) for where, one in forms(again.text) if where == action]
    gone = [{name for name in own if sorted(each.get(name, [])) != sorted(own[name])} for each in same]
    best = min(gone, key=len, default=set(own))
    return f"{action}: {sorted(best)}" if best else ""


@pytest.fixture(scope="module")
def known() -> set[tuple[str, ...]]:
    """Forms that stand on several pages are looked at once."""
    return set()


@pytest.mark.parametrize("page", SHOWN, ids=[page.path for page in SHOWN])
def test_what_was_typed_is_there_again(page: Page, walked: Walked, known: set[tuple[str, ...]]) -> None:
    role = role_for(walked, page)
    answer = walked.visitor(role).get(address(walked, page))
    assert answer.status_code == 200
    for action, form in forms(answer.text):
        same = (act_of(action).path, *sorted(filled(form)))
        if same not in known:
            assert lost(walked, role, action, form) == ""
        known.add(same)

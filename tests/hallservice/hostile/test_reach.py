"""Whoever holds every function in one county reaches for the things of the next by their ids and numbers."""

from tests.hallservice.hostile.site import Site

OWN = ("/sso/{name}", "/sso/{name}/back")  # for everybody


def _hidden_form(site: Site) -> dict[str, str]:
    made = site.made
    more = {
        "reason": "看看", "seen": "1", "no": made["notice"], "id": "x", "material": "材料", "do": "take",
        "opinion": "同意", "step": "undertake", "revision": "1", "body_of": made["owner"], "key": "taken",
        "name": "名称", "org": made["owner"], "flow": "platform/standard/", "version": "1", "how": "add",
        "list": "implementation", "kind": "user", "receiver": made["user"], "role": made["role"],
        "may_use": "1", "words": "好", "result": "accepted", "said": "好", "satisfaction": "very_satisfied",
        "delivery": "window",
    }  # fmt: skip
    return more | site.hidden("foreign")


def test_nothing_of_another_unit_is_shown_or_changed(site: Site) -> None:
    visitor, reached = site.visitor("foreign"), []
    for page in site.pages:
        if "{" not in page.path or page.path in OWN:
            continue
        path = site.path(page)
        if page.method == "GET":
            answer = visitor.get(path, params={"step": "undertake"} if "acts" in path else {})
        else:
            answer = visitor.send(path, _hidden_form(site))
        if answer.status_code not in (400, 403, 404, 409, 422) or "窗口甲" in answer.text:
            reached.append((page.method, page.path, answer.status_code))
    assert sorted(reached) == PUBLIC


# Lists of items are public within the administration; a role the city shares is seen by all below.
PUBLIC = [
    ("GET", "/items/directory/{code}", 200),
    ("GET", "/items/guides/{code}", 200),
    ("GET", "/people/roles/{role}", 200),
]


def test_nobody_gets_past_the_entrance(site: Site) -> None:
    visitor = site.visitor()
    for page in site.pages:
        if page.public:
            continue
        path = site.path(page)
        answer = visitor.get(path) if page.method == "GET" else visitor.send(path, {"csrf": "x", "act": "x"})
        assert answer.status_code == 303 and answer.headers["location"].startswith("/hall/sign-in"), path


def test_a_paper_is_printed_by_the_counter_of_its_case_under_its_own_number(site: Site) -> None:
    case, other = site.made["case"], site.made["older_case"]
    form = site.hidden("all") | {"no": site.made["notice"]}
    assert site.visitor("all").send(f"/hall/cases/{other}/paper", form).status_code == 422
    assert site.visitor("all").send(f"/hall/cases/{other}/print", form).status_code == 422
    looker = site.hidden("looker") | {"no": site.made["notice"]}  # sees it, and works at another counter
    assert site.visitor("looker").send(f"/hall/cases/{case}/print", looker).status_code == 403

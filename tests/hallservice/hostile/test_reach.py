"""Whoever holds every function in one county reaches for the things of the next by their ids and numbers."""

from sqlalchemy import insert, select

from exchange.store.work import Work
from hallservice.ids import new_id
from hallservice.people import grants, rights, sessions
from hallservice.people import tables as t
from hallservice.people.accounts import UserRow, add
from hallservice.people.functions import functions
from hallservice.people.grants import Wish
from hallservice.people.sessions import Door
from hallservice.people.system import SYSTEM
from tests.hallservice.hostile.site import HERE, Site

OWN = ("/sso/{name}", "/sso/{name}/back")  # for everybody


def _hidden_form(site: Site, who: str = "foreign") -> dict[str, str]:
    made = site.made
    more = {
        "reason": "看看", "seen": "1", "no": made["notice"], "id": "x", "material": "材料", "do": "take",
        "opinion": "同意", "step": "undertake", "revision": "1", "body_of": made["owner"], "key": "taken",
        "name": "名称", "org": made["owner"], "flow": "platform/standard/", "version": "1", "how": "add",
        "list": "implementation", "kind": "user", "receiver": made["user"], "role": made["role"],
        "may_use": "1", "words": "好", "result": "accepted", "said": "好", "satisfaction": "very_satisfied",
        "delivery": "window",
    }  # fmt: skip
    return more | site.hidden(who)


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


# Seen with the function held anywhere: what is public within the administration, a role the city shares. The
# empty form of an act and a line of a change show no more than the right to see the case or the change does.
ANYWHERE = {
    *((method, path) for method, path, _ in PUBLIC),
    ("GET", "/approval/cases/{case_no}/acts/{verb}"),
    ("GET", "/items/changes/{change}/lines/{no}"),
}


def test_a_function_held_elsewhere_does_nothing_here(site: Site) -> None:
    """Every other function here, the page's own in the next county."""
    asked = sorted({page.functions for page in site.pages if page.functions and "{" in page.path})
    site.tokens |= site.hall.write(lambda work: {_named(own): _apart(site, work, own) for own in asked})
    reached = []
    for page in site.pages:
        if not page.functions or "{" not in page.path or (page.method, page.path) in ANYWHERE:
            continue
        who, path = _named(page.functions), site.path(page)
        visitor = site.visitor(who)
        if page.method == "GET":
            answer = visitor.get(path, params={"step": "undertake"} if "acts" in path else {})
        else:
            answer = visitor.send(path, _hidden_form(site, who))
        if answer.status_code not in (400, 403, 404, 409, 422):
            reached.append((page.method, page.path, answer.status_code))
    assert not reached, "\n".join(map(str, reached))


def _named(own: tuple[str, ...]) -> str:
    return "+".join(own)


def _apart(site: Site, work: Work, own: tuple[str, ...]) -> str:
    """A session of somebody who works here, with the functions `own` in the next county alone."""
    login = "apart." + new_id(work.now)[-8:]
    user = add(site.hall, work, SYSTEM, UserRow(login, "旁人", HERE, login))
    root = work.connection.execute(select(t.user.c.id).where(t.user.c.login == "admin")).scalar_one()
    every = [code for code in functions() if code != "audit.view"]
    for place, held in (("441402", [code for code in every if code not in own]), ("441403", own)):
        role = {"id": new_id(work.now), "org": "4414", "name": f"{login} {place}"}
        work.connection.execute(insert(t.role), role | {"shared": True, "active": True})
        for code in held:
            row = {"role": role["id"], "function": code, "added_by": None, "added_at": work.now}
            work.connection.execute(insert(t.role_function), row)
        grants.keep(work, Wish(role["id"], "user", user, place), root)
    rights.touched(work.connection)
    return sessions.open(site.hall, work, user, Door("127.0.0.1")).token

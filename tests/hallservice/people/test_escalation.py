"""Ways to more rights than anybody granted, each tried by somebody who is an administrator already."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from canonical.itemcodes import complete_credit_code
from exchange.store.tables import directory_entry
from hallservice.hall import Hall
from hallservice.people import (
    accounts,
    credentials,
    directory,
    grants,
    organisations,
    relations,
    roles,
    sessions,
    signin,
    sso,
    staffing,
)
from hallservice.people import tables as t
from hallservice.people.clerk import Clerk
from hallservice.people.grants import Wish
from hallservice.people.organisations import Org
from hallservice.people.port import Answer, Identity, Trip
from hallservice.people.sessions import Session
from hallservice.people.system import SYSTEM
from hallservice.refusals import HallRefused
from tests.exchange.core.rig import Core
from tests.hallservice.world import HEALTH, LOGINS, PASSWORD

As = Callable[[str], Clerk]
In = Callable[[str], Session]
BUREAU, OTHER = "/4414/441402/441402-scj/", "/4414/441402/441402-wjj/"


def refusal(act: Callable[[], Any]) -> HallRefused:
    with pytest.raises(HallRefused) as caught:
        act()
    return caught.value


def role(hub: Core, name: str) -> str:
    return str(hub.value("SELECT id FROM hall_role WHERE name = :name", name=name))


def form_of(one: Org, **over: Any) -> dict[str, Any]:
    names = ("code", "name", "kind", "region", "parent", "uscc", "has_own_system", "party")
    return {name: getattr(one, name) for name in names} | over


def moved(hall: Hall, by: Clerk, code: str, parent: str) -> Org:
    one = hall.read(lambda connection: organisations.get(connection, code))
    return organisations.save(hall, by, form_of(one, parent=parent))


# -- by roles, posts and groups


def test_nobody_adds_to_the_role_he_holds_himself(hall: Hall, hub: Core, clerk_as: As) -> None:
    root, county = clerk_as("root"), clerk_as("administrator")
    own = roles.define_role(hall, county, {"name": "本区查询", "org": "441402"}, ["items.view"])
    given = grants.grant(hall, root, Wish(own, "user", county.user, "441402"))
    more = ["items.view", "case.unmask"]
    assert (
        refusal(lambda: roles.define_role(hall, county, {"name": "本区查询"}, more, own)).code == "own_rights"
    )
    # Nor by a group he is in, nor the first administrator by the role that makes him one.
    grants.revoke(hall, root, given, "换")
    group = staffing.save_group(hall, root, "441402", "督查组")
    grants.grant(hall, root, Wish(own, "group", group, "441402"))
    staffing.put_in(hall, root, "group", group, county.user)
    assert (
        refusal(lambda: roles.define_role(hall, county, {"name": "本区查询"}, more, own)).code == "own_rights"
    )
    chief = ["people.manage", "people.grant", "counter.accept"]
    top = role(hub, "最高管理")
    assert (
        refusal(lambda: roles.define_role(hall, root, {"name": "最高管理"}, chief, top)).code == "own_rights"
    )
    assert roles.define_role(hall, county, {"name": "本区查看"}, ["items.view"], own)  # a name is no right
    assert roles.define_role(hall, root, {"name": "本区查看"}, more, own)  # whoever is not in it may
    assert clerk_as("administrator").may("case.unmask") and not clerk_as("root").may("counter.accept")


def test_an_option_for_a_while_gives_nothing_for_longer(hall: Hall, hub: Core, clerk_as: As) -> None:
    root, county = clerk_as("root"), clerk_as("administrator")
    post = staffing.save_post(hall, county, "441402-dt", "desk", "总台")
    mine = roles.define_role(hall, county, {"name": "总台", "org": "441402"}, ["items.view"])
    grants.grant(hall, county, Wish(mine, "post", post, "441402-dt"))
    pack = role(hub, "全部功能再授权")
    old = hub.value("SELECT id FROM hall_grant WHERE role = :r AND user = :u", r=pack, u=county.user)
    grants.revoke(hall, root, old, "改为限期")
    grants.grant(
        hall, root, Wish(pack, "user", county.user, "441402", False, True, ends=hub.clock.now + 86_400)
    )
    hub.clock.on(1)
    into = refusal(lambda: staffing.put_in(hall, county, "post", post, clerk_as("clerk").user))
    wider = refusal(
        lambda: roles.define_role(hall, county, {"name": "总台"}, ["items.view", "case.view"], mine)
    )
    assert (into.code, wider.code) == ("too_long", "too_long")
    grants.revoke(hall, root, hub.value("SELECT id FROM hall_grant WHERE post = :p", p=post), "改为限期")
    grants.grant(hall, county, Wish(mine, "post", post, "441402-dt", ends=hub.clock.now + 3600))
    staffing.put_in(hall, county, "post", post, clerk_as("clerk").user)
    assert roles.define_role(hall, county, {"name": "总台"}, ["items.view", "case.view"], mine)


# -- by moving organisations


def test_a_move_brings_nobody_rights_that_were_not_granted(hall: Hall, hub: Core, clerk_as: As) -> None:
    root, county = clerk_as("root"), clerk_as("administrator")
    unmask = roles.define_role(hall, root, {"name": "看全", "org": "4414", "shared": "1"}, ["case.unmask"])
    own = grants.grant(hall, root, Wish(unmask, "user", county.user, "441402-scj"))
    refused = refusal(lambda: moved(hall, county, "441402-wjj", "441402-scj"))
    assert refused.code == "own_rights" and not clerk_as("administrator").may("case.unmask", OTHER)
    grants.revoke(hall, root, own, "试")
    # Who manages places and grants nothing cannot make others' rights reach further either.
    places = roles.define_role(hall, root, {"name": "机构", "org": "4414", "shared": "1"}, ["people.manage"])
    grants.grant(hall, root, Wish(places, "user", clerk_as("examiner").user, "441402"))
    keeper = clerk_as("examiner")
    assert refusal(lambda: moved(hall, keeper, "441402-wjj", "441402-scj")).code == "not_allowed"
    # Whoever could grant it all may: what those of the bureau hold reaches the body that joined it.
    assert moved(hall, county, "441402-wjj", "441402-scj").path == f"{BUREAU}441402-wjj/"
    assert clerk_as("approver").may("approval.handle", f"{BUREAU}441402-wjj/")


def test_a_move_ends_posts_of_the_body_that_was_left_and_shows_what_lost_its_backing(
    hall: Hall, hub: Core, clerk_as: As
) -> None:
    county, root = clerk_as("administrator"), clerk_as("root")
    post = hub.value("SELECT id FROM hall_post WHERE org = '441402-scj' AND code = 'approve'")
    staffing.put_in(hall, county, "post", post, clerk_as("section").user)
    staffing.put_in(
        hall, county, "post",
        hub.value("SELECT id FROM hall_post WHERE org = '441402-scj-sp' AND code = 'undertake'"),
        clerk_as("section").user,
    )  # fmt: skip
    assert clerk_as("section").posts == ("approve", "undertake")
    moved(hall, county, "441402-scj-sp", "441402-wjj")
    now = clerk_as("section")
    assert now.posts == ("undertake",) and now.unit == "441402-wjj"
    assert hub.value(
        "SELECT count(*) FROM ledger_entry WHERE json_extract(leaf, '$.kind') = 'hall.posts_ended'"
    ) == 1  # fmt: skip
    # What the county gave over a body does not go with the body to another county unseen.
    given = grants.grant(
        hall, county, Wish(role(hub, "窗口受理"), "user", clerk_as("clerk").user, "441402-cgj")
    )
    moved(hall, root, "441402-cgj", "441403")
    assert hub.value("SELECT review FROM hall_grant WHERE id = :id", id=given) == 1


# -- by accounts


def test_who_grants_nothing_gets_at_no_administrators_account(hall: Hall, hub: Core, clerk_as: As) -> None:
    root = clerk_as("root")
    places = roles.define_role(hall, root, {"name": "人事", "org": "4414", "shared": "1"}, ["people.manage"])
    grants.grant(hall, root, Wish(places, "user", clerk_as("editor").user, "4414"))
    keeper, county = clerk_as("editor"), clerk_as("administrator")
    assert keeper.may("people.manage", "/4414/") and not keeper.may("people.grant")
    for victim in (county, clerk_as("auditor"), root):
        assert (
            refusal(lambda v=victim: credentials.reset_password(hall, keeper, v.user)).code == "beyond_reach"
        )
    form = {"staff_no": "S-administrator", "name": "管理巳", "org": "441402", "login": "taken.over"}
    assert refusal(lambda: accounts.change(hall, keeper, county.user, form)).code == "beyond_reach"
    assert credentials.reset_password(hall, keeper, clerk_as("clerk").user)  # a clerk's is his to reset


def test_nobody_becomes_another_in_the_ledger(hall: Hall, hub: Core, clerk_as: As) -> None:
    county = clerk_as("administrator")
    own = {
        "staff_no": county.staff_no,
        "name": county.name,
        "org": county.org,
        "login": LOGINS["administrator"],
    }
    for over in (
        {"staff_no": "S-x"},
        {"name": "别人"},
        {"org": "441402-scj"},
        {"login": "x.y"},
        {"duty": "局长"},
    ):
        changed = refusal(lambda o=over: accounts.change(hall, county, county.user, own | o))
        assert changed.code == "own_account"
    accounts.change(hall, county, county.user, own | {"mobile": "13800138000"})


def test_a_session_is_no_place_to_guess_the_password(hall: Hall, hub: Core, session_as: In) -> None:
    signed = sessions.find(hall, session_as("clerk").token)
    assert signed is not None
    new = "Ganzhou#River7"
    codes = [
        refusal(lambda n=n: credentials.change_password(hall, signed, f"guess{n}", new, new)).code
        for n in range(6)
    ]
    assert codes == ["form"] * 5 + ["locked"]
    assert refusal(lambda: credentials.change_password(hall, signed, PASSWORD, new, new)).code == "locked"
    assert signin.sign_in(hall, LOGINS["clerk"], PASSWORD, "")  # signing in is not locked by that
    hub.clock.on(15 * 60 + 1)
    again = sessions.find(hall, session_as("clerk").token)
    assert again is not None
    credentials.change_password(hall, again, PASSWORD, new, new)


# -- by what other systems name


class Stranger:
    """A provider whose users may call themselves what they like."""

    name, title = "free", ""

    def __init__(self, login: str, directory: str = "", subject: str = "") -> None:
        self.identity, self.directory = Identity(login, subject), directory

    def address(self, trip: Trip) -> str | None:
        return None

    def identify(self, trip: Trip, answer: Answer) -> Identity:
        return self.identity


def arrive(hall: Hall, one: Stranger) -> sso.Arrived:
    state = sso.begin(hall, one, "http://h/back", "b").split("state=")[1]
    return sso.finish(hall, one, "http://h/back", "b", Answer({"state": [state]}))


def test_a_name_over_there_is_no_administrator_here(hall: Hall, hub: Core, clerk_as: As) -> None:
    for name in ("admin", LOGINS["administrator"], LOGINS["auditor"]):
        assert refusal(lambda n=name: arrive(hall, Stranger(n))).code == "sso_not_linked"
        assert refusal(lambda n=name: arrive(hall, Stranger(n, "identity", "U7"))).code == "sso_not_linked"
    assert arrive(hall, Stranger(LOGINS["clerk"]))
    link = {"source": "identity", "source_id": "U7"}
    mine = t.user.c.login == LOGINS["administrator"]
    hall.write(lambda work: work.connection.execute(update(t.user).where(mine).values(link)))
    assert arrive(hall, Stranger("whatever", "identity", "U7"))  # by the number in the directory he may


def test_a_login_that_only_looks_like_another_is_another(hall: Hall) -> None:
    kelvin = LOGINS["clerk"].replace("k", "\u212a")
    assert kelvin != LOGINS["clerk"] and kelvin.lower() == LOGINS["clerk"]
    for login in (kelvin, f"{LOGINS['clerk']}\u200b", f" {LOGINS['clerk']}", "％", ""):
        assert refusal(lambda n=login: arrive(hall, Stranger(n))).code == "sso_unknown_staff", ascii(login)


def test_who_grants_nothing_ends_no_administrators_rights(hall: Hall, hub: Core, clerk_as: As) -> None:
    root, auditor = clerk_as("root"), clerk_as("auditor")
    places = roles.define_role(hall, root, {"name": "人事", "org": "4414", "shared": "1"}, ["people.manage"])
    grants.grant(hall, root, Wish(places, "user", clerk_as("editor").user, "4414"))
    group = staffing.save_group(hall, root, "4414", "审计组")
    grants.grant(hall, root, Wish(role(hub, "审计"), "group", group, "4414"))
    staffing.put_in(hall, root, "group", group, auditor.user)
    keeper = clerk_as("editor")
    for act in (
        lambda: staffing.take_out(hall, keeper, "group", group, auditor.user),
        lambda: staffing.close(hall, keeper, "group", group),
        lambda: credentials.leave(hall, keeper, auditor.user),
    ):
        assert refusal(act).code in ("not_allowed", "beyond_reach")
    staffing.take_out(hall, root, "group", group, auditor.user)
    staffing.close(hall, keeper, "group", staffing.save_group(hall, keeper, "441402", "普通组"))


def test_the_directory_takes_no_administrators_account_by_its_name(
    hall: Hall, hub: Core, clerk_as: As
) -> None:
    said = {"id": "U66", "name": "冒名", "login": "admin", "organisation": "B9", "level": "verified"}
    body = {"id": "B9", "name": "冒名局", "region": "441402000000"}
    at = {"active": True, "changed_at": "2026-03-02T09:00:00+08:00"}
    rows = [
        {"party": "identity", "kind": kind, "id": one["id"], "active": True, "data": one | at}
        for kind, one in (("organisation", body), ("staff", said))
    ]
    hall.write(lambda work: work.connection.execute(insert(directory_entry), rows))
    done = hall.write(lambda work: directory.adopt(hall, work, SYSTEM, "identity"))
    assert len(done.problems) == 1 and "admin" in done.problems[0]
    assert clerk_as("root").org == "4414" and clerk_as("root").may("people.grant", "/4414/")


def test_a_credit_code_registered_elsewhere_is_not_claimed(hall: Hall, hub: Core, clerk_as: As) -> None:
    county, root = clerk_as("administrator"), clerk_as("root")
    new = {"code": "441402-x", "name": "冒领局", "kind": "organ", "region": "441402", "parent": "441402"}
    for elsewhere in ("11441403XX0023309", "11441400XX0023309", "11100000XX0023309"):
        code = str(complete_credit_code(elsewhere))
        refused = refusal(lambda c=code: organisations.save(hall, county, new | {"uscc": c}, new=True))
        assert [(f.field, f.code) for f in refused.faults] == [("uscc", "not_allowed")], elsewhere
    own = str(complete_credit_code("11441402XX0077706"))
    assert organisations.save(hall, county, new | {"uscc": own}, new=True).uscc == own
    kept = hall.read(lambda connection: organisations.by_uscc(connection, HEALTH))
    assert kept is not None and organisations.save(hall, county, form_of(kept, name="改名")).name == "改名"
    code = str(complete_credit_code("11100000XX0023309"))
    assert organisations.save(hall, root, new | {"uscc": code}).uscc == code


def test_relations_and_duties_of_others_are_theirs(hall: Hall, hub: Core, clerk_as: As) -> None:
    county, root = clerk_as("administrator"), clerk_as("root")
    away = refusal(lambda: relations.relate(hall, county, "441402-scj", "441403-dt", "parallel"))
    assert away.code == "not_allowed"
    relations.relate(hall, county, "441402-scj", "441400-dsj", "subordinate")  # guided from above
    relations.relate(hall, root, "441402-scj", "441403-dt", "parallel")
    gone = refusal(lambda: relations.unrelate(hall, county, "441402-scj", "441403-dt", "parallel"))
    assert gone.code == "not_allowed"
    relations.unrelate(hall, root, "441403-dt", "441402-scj", "parallel")
    assert hall.read(lambda c: organisations.related(c, "441402-scj", "parallel")) == []
    staffing.save_duty(hall, county, "副局长", 20)
    assert refusal(lambda: staffing.save_duty(hall, county, "副局长", 1, active=False)).code == "not_allowed"
    assert refusal(lambda: staffing.save_duty(hall, clerk_as("clerk"), "科员")).code == "not_allowed"
    staffing.save_duty(hall, root, "副局长", 10)
    rank = hall.read(lambda c: c.execute(select(t.duty.c.rank).where(t.duty.c.name == "副局长")).scalar())
    assert rank == 10

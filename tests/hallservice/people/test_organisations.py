"""The tree of organisations, the divisions it begins with, row filtering, the identity directory."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Column, MetaData, String, Table, create_engine, insert, select

from canonical.messages import DirectoryOrganisation, DirectoryStaff
from canonical.regions import regions
from exchange.app.postgres import PostgresNode
from exchange.store.tables import directory_entry
from hallservice.hall import Hall
from hallservice.people import directory, organisations, relations, sessions
from hallservice.people import tables as t
from hallservice.people.clerk import Clerk
from hallservice.people.directory import Adopted
from hallservice.people.divisions import seed_divisions
from hallservice.people.filtering import outermost, within
from hallservice.people.orgforms import OrgRow, read
from hallservice.people.sessions import Session
from hallservice.people.system import SYSTEM
from hallservice.refusals import HallRefused
from tests.exchange.core.rig import ORG, Core
from tests.hallservice.world import OWN_SYSTEM

As = Callable[[str], Clerk]
FORM = {"code": "441402-new", "name": "新局", "kind": "organ", "region": "441402", "parent": "441402"}


def refusal(act: Callable[[], Any]) -> HallRefused:
    with pytest.raises(HallRefused) as caught:
        act()
    return caught.value


def fields(refused: HallRefused) -> set[tuple[str, str]]:
    return {(fault.field, fault.code) for fault in refused.faults}


@pytest.mark.req("S0-03", "S0-19", "S0-23")
def test_every_division_of_the_city_is_an_organisation_under_its_parent(hall: Hall, hub: Core) -> None:
    made = hall.write(lambda work: seed_divisions(hall, work, SYSTEM))
    assert len(made) == len(regions()) == 2395
    by_region = {one.region: one for one in made}
    for division in regions().values():
        parent = by_region.get(division.parent)
        own = by_region[division.code]
        assert own.name == division.name
        assert own.path == (parent.path if parent else "/") + own.code + "/"
    assert by_region["441402102001"].path == "/4414/441402/441402102/441402102001/"
    hub.verified()


@pytest.mark.req("S0-22")
def test_an_organisation_moves_with_everything_below_it(
    hall: Hall, hub: Core, clerk_as: As, session_as: Callable[[str], Session]
) -> None:
    session = session_as("section")
    before = clerk_as("section")
    row = {"code": "441402-scj", "name": "梅江区市监局", "kind": "organ", "region": "441402", "uscc": ORG}
    organisations.save(hall, clerk_as("administrator"), row | {"parent": "441402-dt"})
    after = clerk_as("section")
    assert before.path == "/4414/441402/441402-scj/441402-scj-sp/"
    assert after.path == "/4414/441402/441402-dt/441402-scj/441402-scj-sp/"
    assert after.scopes["approval.handle"] == ("/4414/441402/441402-dt/441402-scj/",)
    signed = sessions.find(hall, session.token)
    assert signed is not None and signed.clerk == after
    round_ = refusal(
        lambda: organisations.save(hall, clerk_as("administrator"), row | {"parent": "441402-scj-sp"})
    )
    assert fields(round_) == {("parent", "loop")}


def test_forms_are_refused_field_by_field(hall: Hall, clerk_as: As) -> None:
    county = clerk_as("administrator")
    wrong = {"code": "有空 格", "name": " ", "kind": "club", "region": "99", "uscc": ORG[:-1] + "0"}
    assert {(f.field, f.code) for f in read(wrong)[1]} == {
        ("code", "invalid"), ("name", "required"), ("kind", "invalid"), ("region", "invalid"),
        ("uscc", "invalid"),
    }  # fmt: skip
    assert all(fault.said for fault in read(wrong)[1])
    for change, fault in (
        ({"code": "441402-dt"}, ("code", "taken")),
        ({"parent": ""}, ("parent", "required")),
        ({"parent": "441403"}, ("parent", "not_allowed")),
        ({"parent": "nowhere"}, ("parent", "unknown")),
        ({"uscc": ORG}, ("uscc", "taken")),
        ({"region": "441499000000"}, ("region", "invalid")),
    ):
        refused = refusal(lambda change=change: organisations.save(hall, county, FORM | change, new=True))
        assert fields(refused) == {fault}, change
    assert organisations.save(hall, county, FORM, new=True).path == "/4414/441402/441402-new/"
    full = {
        "code": "441402-dt",
        "name": "大厅",
        "kind": "hall",
        "region": "441402",
        "parent": "441402",
        "active": "",
    }
    assert fields(refusal(lambda: organisations.save(hall, county, full))) == {("active", "in_use")}


@pytest.mark.req("S0-22")
def test_relations_beside_the_tree(hall: Hall, clerk_as: As) -> None:
    root = clerk_as("root")
    relations.relate(hall, root, "441402-scj", "441400-dsj", "subordinate")
    relations.relate(hall, root, "441402-scj", "441402-wjj", "parallel")

    def names(org: str, kind: str) -> list[str]:
        return hall.read(lambda connection: [o.code for o in organisations.related(connection, org, kind)])

    assert names("441402-scj", "subordinate") == ["441400-dsj"] and names("441400-dsj", "subordinate") == []
    assert names("441402-scj", "parallel") == ["441402-wjj"] and names("441402-wjj", "parallel") == [
        "441402-scj"
    ]


def test_many_rows_at_once_name_the_row_that_is_wrong(hall: Hall, hub: Core) -> None:
    good = OrgRow("x-2", "下级", "section", "441402000000", "x-1")  # stands before its parent
    upper = OrgRow("x-1", "上级", "organ", "441402000000", "441402")
    made = hall.write(lambda work: organisations.upsert(hall, work, SYSTEM, [good, upper]))
    assert [one.path for one in made] == ["/4414/441402/x-1/x-2/", "/4414/441402/x-1/"]
    lost = [OrgRow("y", "丙", "organ", "441402000000", "nowhere"), good]
    refused = refusal(lambda: hall.write(lambda work: organisations.upsert(hall, work, SYSTEM, lost)))
    assert fields(refused) == {("parent", "unknown")} and refused.faults[0].said.startswith("y:")
    ring = [OrgRow(a, "甲", "organ", "441402000000", b) for a, b in (("a", "b"), ("b", "a"))]
    assert fields(
        refusal(lambda: hall.write(lambda work: organisations.upsert(hall, work, SYSTEM, ring)))
    ) == {("parent", "loop")}


def test_a_body_with_people_or_bodies_in_it_is_not_closed(hall: Hall, hub: Core) -> None:
    def close(code: str) -> None:
        hall.write(lambda work: organisations.close(hall, work, SYSTEM, code))

    for code in ("441402-wjj", "441402102"):  # staff; villages
        assert fields(refusal(lambda code=code: close(code))) == {("active", "in_use")}
    empty = OrgRow("441402-x", "空局", "organ", "441402000000", "441402")
    hall.write(lambda work: organisations.upsert(hall, work, SYSTEM, [empty]))
    close("441402-x")
    assert hub.value("SELECT active FROM hall_org WHERE code = '441402-x'") == 0


# -- row filtering


PATHS = (
    "/4414/",
    "/4414/441402/",
    "/4414/441402/441402-scj/",
    "/4414/4414020/",
    "/4414/441403/x/",
    "/44149/",
    "",
)


def everything(holder: Clerk, connection: Any, table: Table) -> set[str]:
    ask = select(table.c.org_path).where(within(table.c.org_path, holder, "case.view"))
    return set(connection.execute(ask).scalars())


@pytest.mark.req("S0-18", "S0-23")
@pytest.mark.parametrize("tops", [(), ("/4414/441402/",), ("/4414/441402/", "/4414/441403/"), ("/4414/",)])
def test_rows_of_other_units_are_not_seen(tops: tuple[str, ...], engine: Any) -> None:
    """On both databases, and on PostgreSQL with a locale that sorts `/` and `-` last."""
    other = String(255).with_variant(String(255, collation="en-x-icu"), "postgresql")
    table = Table("seen", MetaData(), Column("org_path", other), prefixes=["TEMPORARY"])
    holder = Clerk("u", "1", "甲", "o", "/", "441400000000", scopes={"case.view": tops})
    with engine.begin() as connection:
        table.create(connection)
        connection.execute(insert(table), [{"org_path": path} for path in PATHS])
        seen = everything(holder, connection, table)
        table.drop(connection)
    assert seen == {path for path in PATHS if any(path.startswith(top) for top in tops)}
    assert seen == {path for path in PATHS if holder.may("case.view", path)}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest) -> Iterator[Any]:
    if request.param == "sqlite":
        made = create_engine("sqlite://")
    else:
        node: PostgresNode = request.getfixturevalue("postgres")
        made = create_engine(node.url)
    yield made
    made.dispose()


def test_the_filter_is_a_search_in_the_index(hub: Core) -> None:
    holder = Clerk("u", "1", "甲", "o", "/", "4414", scopes={"f": ("/4414/441402/", "/4414/441403/")})
    ask = select(t.org.c.code).where(within(t.org.c.path, holder, "f"))
    plan = hub.rows("EXPLAIN QUERY PLAN " + str(ask.compile(compile_kwargs={"literal_binds": True})))
    assert [row["detail"] for row in plan if "SCAN" in row["detail"]] == []


def test_only_the_outermost_paths_are_kept() -> None:
    assert outermost(["/a/b/", "/a/", "/ab/", "/a/"]) == ("/a/", "/ab/")


# -- the identity directory


def tell(hall: Hall, *entries: DirectoryOrganisation | DirectoryStaff) -> Adopted:
    def act(work: Any) -> Adopted:
        for one in entries:
            kind = "staff" if isinstance(one, DirectoryStaff) else "organisation"
            row = {"party": "identity", "kind": kind, "id": one.id}
            same = (directory_entry.c[name] == value for name, value in row.items())
            work.connection.execute(directory_entry.delete().where(*same))
            data = one.model_dump(mode="json", exclude_none=True)
            work.connection.execute(insert(directory_entry), row | {"active": one.active, "data": data})
        return directory.adopt(hall, work, SYSTEM, "identity")

    return hall.write(act)


def body(id_: str, name: str, parent: str | None = None, **more: Any) -> DirectoryOrganisation:
    said = {"id": id_, "name": name, "parent": parent, "region": "441402000000", "active": True}
    return DirectoryOrganisation.model_validate(said | {"changed_at": "2026-03-02T09:00:00+08:00"} | more)


def person(id_: str, name: str, org: str, **more: Any) -> DirectoryStaff:
    said = {
        "id": id_,
        "name": name,
        "login": f"sso.{id_}",
        "organisation": org,
        "level": "verified",
        "active": True,
    }
    return DirectoryStaff.model_validate(said | {"changed_at": "2026-03-02T09:00:00+08:00"} | more)


@pytest.mark.req("S0-20")
def test_the_directory_is_taken_over_and_followed(hall: Hall, hub: Core, clerk_as: As) -> None:
    told = [
        body("S1", "审批科", "B1"), body("B1", "梅江区统计局"), body("B9", "城管局", credit_code=OWN_SYSTEM),
        person("U1", "测试甲", "S1", duty="科长"), person("U2", "测试乙", "B9"), person("U3", "测试丙", "B7"),
        person("U4", "测试丁", "B1", login="ceshi.approver"),
    ]  # fmt: skip
    first = tell(hall, *told)
    assert (first.organisations, first.added, first.changed, first.closed) == (3, 2, 1, 0)
    assert len(first.problems) == 1 and "U3" in first.problems[0]
    assert (
        tell(hall).problems == first.problems and tell(hall).organisations == 0
    )  # nothing new, nothing done
    rows = {row["source_id"]: row for row in hub.rows("SELECT * FROM hall_user WHERE source = 'identity'")}
    orgs = {row["code"]: row for row in hub.rows("SELECT * FROM hall_org")}
    assert rows["U1"]["org"] == "identity-S1" and orgs["identity-S1"]["path"].startswith(
        "/4414/441402/identity-B1/"
    )
    assert (
        rows["U2"]["org"] == "441402-cgj" and rows["U2"]["password"] is None and rows["U1"]["duty"] == "科长"
    )
    assert rows["U4"]["id"] == clerk_as("approver").user and rows["U4"]["staff_no"] == "S-approver"
    # Where somebody moved away, what held for the old place has ended; nothing is ever given.
    assert not clerk_as("approver").scopes
    then = tell(
        hall,
        person("U1", "测试甲", "B1"),
        person("U2", "测试乙", "B9", active=False),
        body("S1", "审批科", "B1", active=False),
    )
    assert (then.changed, then.closed, then.problems) == (1, 2, first.problems)
    states = {
        row["source_id"]: row["status"] for row in hub.rows("SELECT * FROM hall_user WHERE source_id <> ''")
    }
    assert states == {"U1": "active", "U2": "left", "U4": "active"}
    assert hub.value("SELECT active FROM hall_org WHERE code = 'identity-S1'") == 0
    hub.verified()

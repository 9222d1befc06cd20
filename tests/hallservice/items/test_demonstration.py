"""The demonstration's own items: the town's and the village's, reviewed by named staff, reported upward."""

from pathlib import Path
from typing import Any

import pytest

from exchange.app.demo.hall import applicants, site
from exchange.app.opening import ensure_keys
from exchange.app.settings import load_settings
from hallservice.applicants import seeing
from hallservice.hall import Hall
from hallservice.items import drafts, finding, reporting
from hallservice.items.finding import Wanted
from tests.exchange.core.rig import Core, make_core
from tests.hallservice.world import hall_of

STEP = ("act", "stage", "name")
PASSED = [
    ("submit", "draft", "宋雅琴"), ("pass", "org_review", "邱伟强"), ("pass", "legal_review", "卢静"),
]  # fmt: skip


@pytest.fixture
def core(tmp_path: Path) -> Any:
    ensure_keys(load_settings(environ={"TONGBAN_STATE": str(tmp_path / "keys")}))
    made = make_core(tmp_path / "core", tmp_path / "keys" / "keys")
    account = {"account": "tongban", "region": "441400000000"}
    made.party("province", adapter="provincial_catalogue", address="http://127.0.0.1:1", account=account)
    yield made
    made.hub.store.engine.dispose()


def steps(hall: Hall, change: str) -> list[tuple[str, ...]]:
    found = hall.read(lambda connection: drafts.steps_of(connection, change))
    return [tuple(getattr(one, name) for name in STEP) for one in found]


@pytest.mark.req("S0-01")
def test_items_of_every_station_and_point_are_kept_to_the_norm_and_reported(core: Core) -> None:
    hall = hall_of(core)
    bodies = site.build(hall, "Tong-2026-Ban", frozenset())
    keeper = site.clerk(hall, "bianzhi")

    def found(**wanted: str) -> list[str]:
        return sorted(
            one.name
            for one in hall.read(lambda c: finding.implementation(c, Wanted(source="hall", **wanted)))[0]
        )

    town, village = found(region="441402004000", level="town"), found(region="441402004001", level="village")
    assert town == ["最低生活保障申请受理", "高龄老人津贴申请受理"]
    assert village == ["居住证办理受理", "高龄老人津贴申请受理"]
    reported = hall.read(lambda connection: reporting.listed(connection, keeper))
    assert sorted((one.name, one.state) for one in reported) == sorted(
        (name, "sent") for name in town + village
    )
    assert core.value("SELECT count(*) FROM outbox WHERE type = 'catalogue.reported.v1'") == 4
    rows = core.rows("SELECT id, state, title FROM hall_item_change ORDER BY made_at")
    published = [row["id"] for row in rows if row["state"] == "published"]
    assert len(published) == 3 + 4 and all(steps(hall, one) == PASSED for one in published)
    waiting = {row["state"]: steps(hall, row["id"]) for row in rows if row["state"] != "published"}
    assert waiting == {
        "legal_review": PASSED[:2],
        "org_review": PASSED[:1],
        "returned": [PASSED[0], ("return", "org_review", "邱伟强")],
    }
    assert site.build(hall, "", frozenset()) == bodies, "what is kept here is no body's of the catalogue"
    for _ in range(2):  # a later run finds them there
        applicants.seed(hall, bodies)
    village = site.clerk(hall, "cunju")
    people = hall.read(lambda c: seeing.found(c, hall.hub.pseudonym_key, village).rows)
    assert sorted((one.name, one.role, one.cases) for one in people) == [
        ("丘**", "applicant", 1), ("侯**", "agent", 2), ("管**", "applicant", 1),
    ]  # fmt: skip
    core.verified()

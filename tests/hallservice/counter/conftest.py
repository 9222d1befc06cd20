"""The hall with the counter's reactions at work, and items with materials, fees and a certificate."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from exchange.reactions import Reactions
from hallservice.counter import projection, turneddown
from hallservice.counter.reactions import REACTIONS, keep_row
from hallservice.hall import Hall
from hallservice.people.clerk import Clerk
from tests.exchange.core.rig import ITEM, PLAIN_ITEM, Core, service_item
from tests.hallservice.counter.counter import Desk
from tests.hallservice.world import hall_of

MATERIALS = [
    {"name": "食品经营许可申请书", "necessity": "required", "kind": "original", "format": "paper",
     "source": "applicant", "copies": 1, "order": 1,
     "review_point": "申请人签名；住所与营业执照一致；经营项目已勾选"},
    {"name": "营业执照", "necessity": "required", "kind": "copy", "format": "paper_or_electronic",
     "copies": 1, "source": "government", "review_point": "在有效期内", "order": 2},
    {"name": "平面布局图", "necessity": "deferrable", "kind": "original", "format": "paper", "copies": 2,
     "source": "applicant", "order": 3},
    {"name": "健康证明", "necessity": "optional", "kind": "copy", "format": "paper", "copies": 1,
     "source": "applicant", "order": 4},
]  # fmt: skip
FEES = [
    {"code": "103044", "name": "证照工本费", "standard": "每证 5 元", "amount": "5.00",
     "legal_basis": "粤财综〔2018〕17号", "reducible": False},
    {"code": "103045", "name": "检验费", "standard": "每件 12.50 元", "amount": "12.50",
     "legal_basis": "粤发改〔2019〕3号", "reducible": True},
]  # fmt: skip
TYPE = "114414020072081005001"


@pytest.fixture(scope="session")
def counter_pattern(hall_pattern: Core, tmp_path_factory: pytest.TempPathFactory) -> Core:
    """The hall's store with the items of these tests in force, version 2."""
    from tests.exchange.core.rig import copy_of

    core = copy_of(hall_pattern, tmp_path_factory.mktemp("counter-pattern"))
    more: dict[str, Any] = {"materials": MATERIALS, "fees": FEES, "certificate_type": TYPE}
    core.catalogue(
        service_item(ITEM, 2, **more),
        service_item(PLAIN_ITEM, 2, name="户外广告备案", result_kind="none"),
        to=2,
    )
    return core


@pytest.fixture
def hub(tmp_path: Path, counter_pattern: Core) -> Any:
    """A hub whose reactions keep the counter's rows."""
    from tests.exchange.core.rig import copy_of

    copy = copy_of(counter_pattern, tmp_path)
    table = dict(copy.hub.reactions.table)
    if not any(keep_row in known for known in table.values()):
        for kind, more in REACTIONS.items():
            table[kind] = (*table.get(kind, ()), *more)
    copy.hub = replace(copy.hub, reactions=Reactions(table, (turneddown.note,)))
    yield copy
    rebuilt(copy)
    copy.hub.store.engine.dispose()


def rebuilt(core: Core) -> None:
    """Whatever a test did, the rows made step by step are those made anew."""
    before = core.rows("SELECT * FROM hall_case ORDER BY case_no")
    core.hub.store.write(lambda work: projection.rebuild(work, core.hub.pseudonym_key))
    assert core.rows("SELECT * FROM hall_case ORDER BY case_no") == before


@pytest.fixture
def hall(hub: Core, tmp_path: Path) -> Hall:
    """Its files lie with the test."""
    made = hall_of(hub)
    return replace(made, settings=replace(made.settings, files=tmp_path / "files"))


@pytest.fixture
def desk(hall: Hall, hub: Core, clerk_as: Callable[[str], Clerk]) -> Desk:
    """Whole ways through the counter."""
    return Desk(hall, hub, clerk_as)

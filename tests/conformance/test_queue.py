"""The kit against department A over queues: no alarm when it is right, every planted defect found by name."""

from collections.abc import Iterator

import pytest

from exchange.seals.keys import load_signing_key
from exchange.transports import dbqueue
from tests.conformance.bridge import CLEAN, Bridge, Defect
from tests.conformance.defects_queue import QUEUE
from tests.conformance.partners import ORG, Mock, alarms, running

pytestmark = pytest.mark.xdist_group("conformance_queue")
Partner = tuple[Mock, Bridge]


@pytest.fixture(scope="module")
def department() -> Iterator[Partner]:
    dbqueue.IDLE = 0.01  # seconds between looks: 50 ms at each of a thousand messages is the time of the test
    with running("department_a", queue="kit.db", scale=0.1) as mock:
        keys = mock.folder / "keys"
        own = load_signing_key((keys / "key.pem").read_bytes(), (keys / "cert.pem").read_bytes())
        bridge = Bridge(mock.folder / "kit.db", mock.folder / "queue.db", ORG, mock.keys.ec, own)
        yield mock, bridge
        bridge.close()


def test_bridge_itself_changes_nothing(department: Partner) -> None:
    department[1].use(CLEAN)
    wanted = {check for defect in QUEUE for check in defect.finds}
    report = department[0].report(wanted)
    assert alarms(report) == []
    assert {one.check.id for one in report.findings if one.verdict.result == "passed"} == wanted


@pytest.mark.parametrize("defect", QUEUE, ids=lambda one: one.id)
def test_every_defect_is_found(department: Partner, defect: Defect) -> None:
    department[1].use(defect)
    report = department[0].report(("ACC-applied", *defect.finds), timeout=defect.options.get("timeout", 3.0))
    found = {one.check.id: one.verdict.result for one in report.findings if one.check.id in defect.finds}
    assert found == dict.fromkeys(defect.finds, "failed"), [one.verdict for one in report.findings]

"""The kit against department A over queues: no alarm when it is right, every planted defect found by name."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from exchange.seals.keys import load_signing_key
from exchange.transports import dbqueue
from mocks.conformance.model import Report
from tests.conformance.bridge import CLEAN, Bridge, Defect
from tests.conformance.defects_queue import QUEUE
from tests.conformance.partners import ORG, Mock, alarms, running
from tests.conformance.spread import Found, spread, verdicts

WANTED = {check for defect in QUEUE for check in defect.finds}
Partner = tuple[Mock, Bridge]


@contextmanager
def department() -> Iterator[Partner]:
    with running("department_a", queue="kit.db", scale=0.1) as mock:
        keys = mock.folder / "keys"
        own = load_signing_key((keys / "key.pem").read_bytes(), (keys / "cert.pem").read_bytes())
        bridge = Bridge(mock.folder / "kit.db", mock.folder / "queue.db", ORG, mock.keys.ec, own)
        yield mock, bridge
        bridge.close()


def tried(partner: Partner, defect: Defect) -> Report:
    partner[1].use(defect)
    if defect is CLEAN:
        return partner[0].report(WANTED)
    return partner[0].report(("ACC-applied", *defect.finds), timeout=defect.options.get("timeout", 3.0))


@pytest.fixture(scope="module")
def found(request: pytest.FixtureRequest) -> Iterator[Found]:
    dbqueue.IDLE = 0.01  # seconds between looks: 50 ms at each of a thousand messages is the time of the test
    with spread(request, department, tried, CLEAN, QUEUE, workers=2) as runs:
        yield runs


def test_bridge_itself_changes_nothing(found: Found) -> None:
    report = found(CLEAN)
    assert alarms(report) == []
    assert {one.check.id for one in report.findings if one.verdict.result == "passed"} == WANTED


@pytest.mark.parametrize("defect", QUEUE, ids=lambda one: one.id)
def test_every_defect_is_found(found: Found, defect: Defect) -> None:
    report = found(defect)
    assert verdicts(report, defect.finds) == dict.fromkeys(defect.finds, "failed"), report.findings

"""The kit against department A over a real RabbitMQ: the whole run clean, faults of it found."""

from collections.abc import Iterator
from contextlib import suppress

import httpx2
import pika
import pytest
from pika.exceptions import AMQPError

from exchange.app.rabbit import find_server
from tests.conformance.partners import ORG, Mock, alarms, running

pytestmark = pytest.mark.rabbit
QUEUES = (f"dept.{ORG}.in", f"dept.{ORG}.receipt", "hub.case.feedback", "hub.case.receipt", "gov.case.dead")
FAULTS = [  # operation, fault, checks that must notice
    ("receipt", "sig_bad", ("ANS-seal",)),
    ("receipt", "schema_new_field", ("SCH-applied",)),
    ("feedback", "duplicate_push", ("FBK-comes",)),
    ("feedback", "null_text", ("FBK-schema",)),
]


def emptied(url: str) -> None:
    """The node is shared with other tests."""
    with suppress(AMQPError):
        connection = pika.BlockingConnection(pika.URLParameters(url))
        for name in QUEUES:
            connection.channel().queue_purge(name)
        connection.close()


@pytest.fixture(scope="module")
def department(request: pytest.FixtureRequest) -> Iterator[Mock]:
    broker = request.getfixturevalue("rabbit").url if find_server() else ""  # else the database queue
    with running("department_a", scale=0.1, broker=broker) as mock:
        yield mock
    if broker:
        emptied(broker)


def test_clean_department_raises_no_alarm(department: Mock) -> None:
    report = department.report()
    assert alarms(report) == []
    assert report.conforming
    assert report.count("passed") >= 150


@pytest.mark.parametrize(("operation", "fault", "finds"), FAULTS, ids=[one[1] for one in FAULTS])
def test_faults_of_the_department_are_found(
    department: Mock, operation: str, fault: str, finds: tuple[str, ...]
) -> None:
    armed = {"operation": operation, "fault": fault, "times": 50}
    assert httpx2.post(f"{department.url}/admin/fault", json=armed, trust_env=False).status_code == 200
    try:
        report = department.report(finds)
    finally:
        httpx2.delete(f"{department.url}/admin/faults", trust_env=False)
    assert {one.check.id: one.verdict.result for one in report.findings} == dict.fromkeys(finds, "failed")

"""The kit against the SMS gateway: every planted defect found by name."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from exchange.seals.keys import load_signing_key
from mocks.conformance.model import Report
from tests.conformance.defects_rest import REST
from tests.conformance.partners import Mock, alarms, running
from tests.conformance.spread import Found, spread, verdicts
from tests.conformance.tamper import CLEAN, Defect, Proxy

WANTED = {check for defect in REST for check in defect.finds}
Partner = tuple[Mock, Proxy]


@contextmanager
def gateway() -> Iterator[Partner]:
    with running("sms") as mock:
        keys = mock.folder / "keys"
        own = load_signing_key((keys / "key.pem").read_bytes(), (keys / "cert.pem").read_bytes())
        proxy = Proxy(mock.url, mock.keys.ec, own)
        yield mock, proxy
        proxy.close()


def tried(partner: Partner, defect: Defect) -> Report:
    mock, proxy = partner
    proxy.use(defect)
    if defect is CLEAN:
        return mock.report(WANTED, proxy.url)
    return mock.report(("ACC-submit", *defect.finds), proxy.url, defect.options.get("timeout"))


@pytest.fixture(scope="module")
def found(request: pytest.FixtureRequest) -> Iterator[Found]:
    with spread(request, gateway, tried, CLEAN, REST, workers=1) as runs:
        yield runs


def test_proxy_itself_changes_nothing(found: Found) -> None:
    report = found(CLEAN)
    assert alarms(report) == []
    assert {one.check.id for one in report.findings} == WANTED


@pytest.mark.parametrize("defect", REST, ids=lambda one: one.id)
def test_every_defect_is_found(found: Found, defect: Defect) -> None:
    report = found(defect)
    assert verdicts(report, defect.finds) == dict.fromkeys(defect.finds, "failed"), report.findings

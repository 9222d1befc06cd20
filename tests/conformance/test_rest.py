"""The kit against the SMS gateway: no alarm when it is right, and every planted defect found by name."""

from collections.abc import Iterator

import pytest

from exchange.seals.keys import load_signing_key
from tests.conformance.defects_rest import REST
from tests.conformance.partners import Mock, alarms, running
from tests.conformance.tamper import CLEAN, Defect, Proxy

pytestmark = pytest.mark.xdist_group("conformance_rest")


@pytest.fixture(scope="module")
def sms() -> Iterator[Mock]:
    with running("sms") as mock:
        yield mock


@pytest.fixture(scope="module")
def proxy(sms: Mock) -> Iterator[Proxy]:
    keys = sms.folder / "keys"
    own = load_signing_key((keys / "key.pem").read_bytes(), (keys / "cert.pem").read_bytes())
    found = Proxy(sms.url, sms.keys.ec, own)
    yield found
    found.close()


def test_clean_gateway_raises_no_alarm(sms: Mock) -> None:
    report = sms.report()
    assert alarms(report) == []
    assert len(report.findings) >= 120
    assert report.conforming
    assert report.seconds < 60


def test_proxy_itself_changes_nothing(sms: Mock, proxy: Proxy) -> None:
    proxy.use(CLEAN)
    wanted = {check for defect in REST for check in defect.finds}
    report = sms.report(wanted, proxy.url)
    assert alarms(report) == []
    assert {one.check.id for one in report.findings} == wanted


@pytest.mark.parametrize("defect", REST, ids=lambda one: one.id)
def test_every_defect_is_found(sms: Mock, proxy: Proxy, defect: Defect) -> None:
    proxy.use(defect)
    report = sms.report(("ACC-submit", *defect.finds), proxy.url, defect.options.get("timeout"))
    found = {one.check.id: one.verdict.result for one in report.findings if one.check.id in defect.finds}
    assert found == dict.fromkeys(defect.finds, "failed"), [one.verdict for one in report.findings]

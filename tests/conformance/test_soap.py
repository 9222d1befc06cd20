"""The kit against two SOAP partners: XML-DSig in GBK (fees) and WS-Security (catalogue)."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from exchange.seals.keys import load_signing_key
from mocks.conformance.model import Report
from tests.conformance.defects_soap import FEES, WSS
from tests.conformance.partners import Mock, alarms, running
from tests.conformance.spread import Found, spread, verdicts
from tests.conformance.tamper import CLEAN, Defect, Proxy

Partner = tuple[Mock, Proxy]
PLANTED = {"fees": FEES, "catalogue": WSS}
FIRST = {"fees": "ACC-create_notice", "catalogue": "ACC-increment_query"}
NAMESPACE = {
    "fees": "http://www.example.gov.cn/feishui/fee/1.0",
    "catalogue": "http://www.example.gov.cn/xzsp/catalog/1.0",
}


@contextmanager
def started(module: str) -> Iterator[Partner]:
    with running(module) as mock:
        keys = mock.folder / "keys"
        own = load_signing_key((keys / "key.pem").read_bytes(), (keys / "cert.pem").read_bytes())
        proxy = Proxy(mock.url, mock.keys.ec, own)
        yield mock, proxy
        proxy.close()


def wanted(module: str) -> set[str]:
    return {check for defect in PLANTED[module] for check in defect.finds}


def tried(partner: Partner, defect: Defect) -> Report:
    mock, proxy = partner
    proxy.use(defect)
    proxy.memory |= {"hub": mock.keys.rsa, "namespace": NAMESPACE[mock.module]}
    finds = wanted(mock.module) if defect is CLEAN else (FIRST[mock.module], *defect.finds)
    return mock.report(finds, proxy.url)


@pytest.fixture(scope="module")
def fees(request: pytest.FixtureRequest) -> Iterator[Found]:
    with spread(request, partial(started, "fees"), tried, CLEAN, FEES, workers=1) as found:
        yield found


@pytest.fixture(scope="module")
def catalogue(request: pytest.FixtureRequest) -> Iterator[Found]:
    with spread(request, partial(started, "catalogue"), tried, CLEAN, WSS, workers=1) as found:
        yield found


@pytest.mark.parametrize("name", ["fees", "catalogue"])
def test_proxy_itself_changes_nothing(name: str, request: pytest.FixtureRequest) -> None:
    report = request.getfixturevalue(name)(CLEAN)
    assert alarms(report) == []
    assert {one.check.id for one in report.findings} == wanted(name)


@pytest.mark.parametrize("defect", FEES, ids=lambda one: one.id)
def test_every_defect_of_xml_signatures_in_gbk_is_found(fees: Found, defect: Defect) -> None:
    report = fees(defect)
    assert verdicts(report, defect.finds) == dict.fromkeys(defect.finds, "failed"), report.findings


@pytest.mark.parametrize("defect", WSS, ids=lambda one: one.id)
def test_every_defect_of_ws_security_is_found(catalogue: Found, defect: Defect) -> None:
    report = catalogue(defect)
    assert verdicts(report, defect.finds) == dict.fromkeys(defect.finds, "failed"), report.findings
